"""
User agent cores joined over a network in memory, in virtual time: sessions over exchanges, transactions and messages, without a socket.

    net = SipNetwork(fate=Impairment(seed=1, loss=0.1))
    alice, bob = Agent(net, ALICE, "alice"), Agent(net, BOB, "bob")
    call = alice.call("sip:bob@192.0.2.2", OFFER)
    net.run(1)
    bob.calls[0].do("accept", ANSWER)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from boringsdp.sip import outgoing
from boringsdp.sip.account import AccountSettings
from boringsdp.sip.actions import Transmit
from boringsdp.sip.build import response
from boringsdp.sip.exchange import Locate
from boringsdp.sip.flow import Address, Flow, Protocol
from boringsdp.sip.message import Message
from boringsdp.sip.session import Session
from boringsdp.sip.settings import PolicySettings, SipSettings
from boringsdp.sip.transport import Reach
from boringsdp.sip.ua import CallCame, Entry, News, RequestCame, UserAgent
from boringsdp.sip.uri import SipUri
from tests.support.sip_network import SipNetwork, tokens

E = TypeVar("E")
ANYWHERE = PolicySettings(sources=("0.0.0.0/0", "::/0"))


class Call:
    """A session of an agent, and what it told."""

    def __init__(self, agent: Agent, entry: Entry, session: Session) -> None:
        self.agent = agent
        self.entry = entry
        self.session = session
        self.heard: list[Any] = []

    def do(self, command: str, *args: Any, **kwargs: Any) -> Any:
        """Give a command; what `request` returns is its number."""
        result = getattr(self.session, command)(*args, now=self.agent.network.now, **kwargs)
        number, actions = result if isinstance(result, tuple) else (None, result)
        self.agent.perform(self.agent.ua.run(self.entry, actions, self.agent.network.now))
        return number

    def told(self, kind: type[E]) -> list[E]:
        return [event for event in self.heard if isinstance(event, kind)]

    def last(self, kind: type[E]) -> E:
        found = self.told(kind)
        assert found, f"no {kind.__name__}, but {[type(event).__name__ for event in self.heard]}"
        return found[-1]

    @property
    def done(self) -> bool:
        return self.agent.ua.entry(self.entry.number) is None


class Agent:
    """One user agent with one account. `then` is called for each news of a call, and may give commands."""

    def __init__(
        self,
        network: SipNetwork,
        address: Address,
        name: str,
        *,
        then: Callable[[Call, Any], None] | None = None,
        settings: SipSettings | None = None,
    ) -> None:
        self.network = network
        self.address = address
        self.calls: list[Call] = []
        """Incoming and outgoing, in order."""
        self.requests: list[RequestCame] = []
        self._then = then
        self._by_entry: dict[int, Call] = {}
        self.ua = UserAgent(
            settings or SipSettings(policy=ANYWHERE),
            sent_by=lambda to: f"{address[0]}:{address[1]}",
            reach=lambda to: Reach(address[0], address[1], Protocol.UDP),
            token=tokens(next(network.seed)),
        )
        self.line = self.ua.add_line(AccountSettings(identity=SipUri("sip", name, address[0])))
        self._send = network.attach(address, self._receive)
        network.drive(self)

    def call(self, uri: str, sdp: bytes | None, **kwargs: Any) -> Call:
        entry, session = outgoing.call(self.ua, self.line, uri, sdp, **kwargs)
        call = self._adopt(entry, session)
        call.do("start")
        return call

    def perform(self, actions: list[Any]) -> None:
        for action in actions:
            match action:
                case Transmit():
                    self._send(action)
                case Locate():
                    raise AssertionError("only numeric hosts here")
                case CallCame():
                    assert isinstance(action.entry.usage, Session)
                    self._tell(self._adopt(action.entry, action.entry.usage), action)
                case RequestCame():
                    self.requests.append(action)
                    self.perform(self.ua.reply(action.transaction, response(200), self.network.now))
                case News():
                    self._tell(self._by_entry[action.entry.number], action.event)

    def tick(self, now: float) -> None:
        self.perform(self.ua.tick(now))

    def deadline(self) -> float | None:
        return self.ua.deadline()

    def _adopt(self, entry: Entry, session: Session) -> Call:
        call = Call(self, entry, session)
        self._by_entry[entry.number] = call
        self.calls.append(call)
        return call

    def _tell(self, call: Call, event: Any) -> None:
        call.heard.append(event)
        if self._then is not None:
            self._then(call, event)

    def _receive(self, message: Message, flow: Flow, now: float) -> None:
        self.perform(self.ua.receive(message, (), flow, now))
