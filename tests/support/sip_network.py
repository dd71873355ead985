"""
SIP cores joined over a network in memory, in virtual time. UDP meets the fate that the network is given; TCP keeps order and loses nothing.

    net = SipNetwork(fate=Impairment(seed=1, loss=0.1, jitter_s=0.2))
    alice, bob = SipPeer(net, ALICE), SipPeer(net, BOB)
    bob.on(RequestReceived, lambda news: bob.reply(news.transaction, response(200)))
    number = alice.request(make_request("OPTIONS"), BOB)
    net.run(40)
    assert alice.heard_of(ResponseReceived)[0].response.code == 200

Other cores join by `net.attach` and `net.drive`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from boringsdp.sip.actions import Transmit
from boringsdp.sip.build import request as build_request
from boringsdp.sip.flow import Address, Destination, Flow, Protocol, Target
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.parse import parse
from boringsdp.sip.timers import DEFAULT_TIMERS, TimerSettings
from boringsdp.sip.transaction import MAX_TRANSACTIONS, Transactions
from tests.support.network import Fate, Network, Ticking

ALICE = ("192.0.2.1", 5060)
BOB = ("192.0.2.2", 5060)
CAROL = ("192.0.2.3", 5060)

T = TypeVar("T")


class Sent(NamedTuple):
    """One message put on the wire, whatever became of it."""

    at: float
    source: Address
    target: Address
    message: Message

    @property
    def what(self) -> str:
        """ "INVITE", "180 INVITE"."""
        if isinstance(self.message, Request):
            return self.message.method
        assert isinstance(self.message, Response)
        return f"{self.message.code} {(self.message.headers.get('CSeq') or '').split()[-1]}"


def tokens(seed: int = 1) -> Callable[[int], str]:
    """Return a source of random hexadecimal octets that is the same every time."""
    dice = random.Random(seed)
    return lambda octets: dice.randbytes(octets).hex()


class SipNetwork:
    """Hosts in memory. `sent` is every message in order; time moves only in `run`."""

    def __init__(self, fate: Fate = lambda datagram: 0.0, *, latency_s: float = 0.0, now: float = 1000.0) -> None:
        self._network = Network(fate, now)
        self._latency = latency_s
        self._streams: dict[Address, Callable[[bytes, Flow, float], None]] = {}
        self.sent: list[Sent] = []
        self.seed = itertools.count(1)

    @property
    def now(self) -> float:
        return self._network.now

    def run(self, seconds: float) -> None:
        self._network.run(seconds)

    def at(self, when: float, action: Callable[[], object]) -> None:
        self._network.at(when, action)

    def drive(self, core: Ticking) -> None:
        """Call `core.tick(now)` at its deadlines; what it returns is its own matter."""
        self._network.drive(core)

    def attach(self, address: Address, receive: Callable[[Message, Flow, float], object]) -> Callable[[Transmit], None]:
        """Put a host on the network; the returned function sends from its address, by UDP or TCP as the destination says."""

        def hear(data: bytes, flow: Flow, now: float) -> None:
            message = parse(data, stream=flow.protocol.reliable).message
            if message is not None:
                receive(message, flow, now)

        by_datagram = self._network.attach(address, lambda data, source, now: hear(data, Flow(Protocol.UDP, address, source), now))
        self._streams[address] = hear

        def send(transmit: Transmit) -> None:
            target = address_of(transmit.to)
            self.sent.append(Sent(self.now, address, target, transmit.message))
            if transmit.to.protocol.reliable:
                flow = Flow(transmit.to.protocol, target, address, 1)
                self._network.at(self.now + self._latency, lambda: self._deliver(target, transmit.data, flow))
            else:
                by_datagram(transmit.data, target)

        return send

    def _deliver(self, target: Address, data: bytes, flow: Flow) -> None:
        hear = self._streams.get(target)
        if hear is not None:
            hear(data, flow, self.now)

    def times(self, what: str, source: Address | None = None) -> list[float]:
        """Return when messages of that kind were sent (`Sent.what`), in order."""
        return [sent.at for sent in self.sent if sent.what == what and source in (None, sent.source)]


def address_of(to: Destination) -> Address:
    return to.remote if isinstance(to, Flow) else (to.host, to.port)


class SipPeer:
    """A transaction layer on the network, and what it told: `heard` has the time of each, transmissions left out."""

    def __init__(
        self, network: SipNetwork, address: Address, *, protocol: Protocol = Protocol.UDP, timers: TimerSettings = DEFAULT_TIMERS,
        max_transactions: int = MAX_TRANSACTIONS,
    ) -> None:  # fmt: skip
        host, port = address
        sent_by = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.transactions = Transactions(
            sent_by=lambda to: sent_by, token=tokens(next(network.seed)), timers=timers, max_transactions=max_transactions
        )
        self.address = address
        self.protocol = protocol
        self.network = network
        self.heard: list[tuple[float, Any]] = []
        self._rules: list[tuple[type, Callable[[Any], object]]] = []
        self._send = network.attach(address, self._receive)
        network.drive(self)

    def on(self, kind: type[T], rule: Callable[[T], object]) -> None:
        """Do something for every action of a kind, after those that were told to before."""
        self._rules.append((kind, rule))

    def request(self, request: Request, to: Address) -> int:
        number, actions = self.transactions.request(request, Target(self.protocol, *to), self.network.now)
        self.perform(actions)
        return number

    def cancel(self, transaction: int) -> None:
        self.perform(self.transactions.cancel(transaction, self.network.now))

    def reply(self, transaction: int | None, response: Response) -> None:
        assert transaction is not None
        self.perform(self.transactions.reply(transaction, response, self.network.now))

    def ack(self, request: Request, to: Address) -> None:
        self.perform(self.transactions.transmit_ack(request, Target(self.protocol, *to)))

    def fail(self, transaction: int) -> None:
        self.perform(self.transactions.failed(transaction, "gone", self.network.now))

    def heard_of(self, kind: type[T]) -> list[T]:
        return [action for _, action in self.heard if isinstance(action, kind)]

    def codes(self) -> list[int]:
        """The codes of the responses told, in order."""
        return [action.response.code for _, action in self.heard if hasattr(action, "response")]

    def tick(self, now: float) -> None:
        self.perform(self.transactions.tick(now))

    def deadline(self) -> float | None:
        return self.transactions.deadline()

    def perform(self, actions: Iterable[Any]) -> None:
        for action in list(actions):
            if isinstance(action, Transmit):
                self._send(action)
                continue
            self.heard.append((self.network.now, action))
            for kind, rule in self._rules:
                if isinstance(action, kind):
                    rule(action)

    def _receive(self, message: Message, flow: Flow, now: float) -> None:
        self.perform(self.transactions.receive(message, flow, now))


def make_request(method: str, *, call_id: str = "call", tag: str = "a", number: int = 1, body: bytes = b"") -> Request:
    """Return a request of alice to bob."""
    return build_request(
        method, "sip:bob@192.0.2.2", from_=f"<sip:alice@192.0.2.1>;tag={tag}", to="<sip:bob@192.0.2.2>", call_id=call_id, cseq=number,
        headers=[("Contact", "<sip:alice@192.0.2.1>")], body=body,
    )  # fmt: skip
