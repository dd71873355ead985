"""All transactions of a user agent: new ones, matching, retransmissions, timers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable

from boringsdp.errors import Exhausted, SipError
from boringsdp.sip.actions import AgainReceived, Cancelled, RequestReceived, ResponseReceived, TransactionAction, Transmit
from boringsdp.sip.build import answering, has_tag, response, via_text
from boringsdp.sip.by_flow import ByFlow
from boringsdp.sip.flow import Destination, Flow
from boringsdp.sip.headers import cseq, vias
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.timers import DEFAULT_TIMERS, Timers, TimerSettings
from boringsdp.sip.transaction.client_invite import ClientInvite
from boringsdp.sip.transaction.client_other import ClientOther
from boringsdp.sip.transaction.matching import (
    COOKIE,
    ServerKey,
    is_ours,
    reply_destination,
    second_destination,
    server_key,
    stateless_destination,
    stateless_tag,
)
from boringsdp.sip.transaction.messages import cancel_of
from boringsdp.sip.transaction.server_invite import ServerInvite
from boringsdp.sip.transaction.server_other import ServerOther

MAX_TRANSACTIONS = 65_536
"""
Client and server transactions together; above that requests are answered by a stateless 503, and ours are refused. Those within dialogs may
use an eighth more: what ends calls must get through when there are too many.
"""

OVERLOADED = (("Retry-After", "5"),)

ClientKey = tuple[str, str, str]
"""Branch, and method and number of CSeq: dialogs go on from our own number, whatever a peer makes of it."""

Machine = ClientInvite | ClientOther | ServerInvite | ServerOther


class Transactions:
    """
    The transaction layer: one core over all machines.

    `sent_by(to)` is the "host:port" that Via says towards a destination; `token(n)` n random octets in hexadecimal.
    """

    def __init__(
        self, *, sent_by: Callable[[Destination], str], token: Callable[[int], str] = secrets.token_hex,
        timers: TimerSettings = DEFAULT_TIMERS, max_transactions: int = MAX_TRANSACTIONS,
    ) -> None:  # fmt: skip
        self._sent_by = sent_by
        self._token = token
        self._settings = timers
        self._max = max_transactions
        self._machines: dict[int, Machine] = {}
        self._clients: dict[ClientKey, ClientInvite | ClientOther] = {}
        self._servers: dict[ServerKey, ServerInvite | ServerOther] = {}
        self._keys: dict[int, tuple[str, ...]] = {}
        self._ways = ByFlow()
        self._quiet: set[int] = set()
        """Those whose outcome is told to nobody."""
        self._timers: Timers[int] = Timers()
        self._number = 0
        self._secret = ""
        """Of the tags that are given without a transaction."""

    # --- requests of ours ----------------------------------------------------------------------------------------------------------

    def request(self, request: Request, to: Destination, now: float) -> tuple[int, list[TransactionAction]]:
        """Send a request (not ACK, not CANCEL) under a Via of our own; the number is what its responses are told with. Raises Exhausted."""
        if self._is_full(request):
            raise Exhausted("transactions")
        sent, branch = self._with_via(request, to)
        number = self._next()
        machine: ClientInvite | ClientOther
        if request.method == "INVITE":
            machine = ClientInvite(number, sent, to, self._settings)
        else:
            machine = ClientOther(number, sent, to, self._settings)
        return number, self._start(machine, (branch, request.method, str(cseq(sent).number)), now)

    def cancel(self, transaction: int, now: float, headers: Iterable[tuple[str, str]] = ()) -> list[TransactionAction]:
        """
        Send CANCEL for an INVITE of ours that has no final response, at once; nothing for any other, and once for each.

        Its own response is not told. An INVITE that gets no final response within 64*T1 from now on ends with a 487 of our own.
        """
        invite = self._machines.get(transaction)
        if not isinstance(invite, ClientInvite) or not invite.cancel(now):
            return []
        self._after(invite)
        number = self._next()
        self._quiet.add(number)
        cancel = ClientOther(number, cancel_of(invite.request, headers), invite.to, self._settings)
        return self._start(cancel, (self._keys[transaction][0], "CANCEL", self._keys[transaction][2]), now)

    def transmit_ack(self, request: Request, to: Destination) -> list[TransactionAction]:
        """Send the ACK of a 2xx: under a branch of its own, without a transaction."""
        sent, _ = self._with_via(request, to)
        return [Transmit(sent, sent.to_bytes(), to)]

    def forget(self, transaction: int) -> None:
        """Let go of a request whose outcome interests nobody: it goes on, and tells nothing more."""
        if transaction in self._machines:
            self._quiet.add(transaction)

    def _with_via(self, request: Request, to: Destination) -> tuple[Request, str]:
        branch = COOKIE + self._token(8)
        sent = request.copy()
        sent.headers.prepend("Via", via_text(to.protocol.value, self._sent_by(to), branch))
        return sent, branch

    def _start(self, machine: ClientInvite | ClientOther, key: ClientKey, now: float) -> list[TransactionAction]:
        self._clients[key] = machine
        self._adopt(machine, key)
        actions = machine.start(now)
        self._after(machine)
        return actions

    # --- answers of ours -----------------------------------------------------------------------------------------------------------

    def reply(self, transaction: int, response: Response, now: float) -> list[TransactionAction]:
        """Answer a request; nothing happens when its transaction is over. A 2xx to INVITE may be sent again and again (RFC 6026)."""
        machine = self._machines.get(transaction)
        if not isinstance(machine, (ServerInvite, ServerOther)):
            return []
        actions = machine.reply(response, now)
        self._after(machine)
        return actions

    def refuse(self, request: Request, response: Response, flow: Flow) -> list[TransactionAction]:
        """Answer without a transaction: a retransmission gets the same answer again (RFC 3261 §8.2.7)."""
        self._secret = self._secret or self._token(16)
        refusal = answering(request, response, stateless_tag(request, self._secret))
        return [Transmit(refusal, refusal.to_bytes(), stateless_destination(request, flow))]

    def knows(self, request: Request) -> bool:
        """Whether a request belongs to a server transaction: it has come before, or is the ACK or CANCEL of an INVITE that has."""
        try:
            key = server_key(request)
        except SipError:
            return False
        return key in self._servers or (request.method in ("ACK", "CANCEL") and (*key[:-1], "INVITE") in self._servers)

    # --- from the network ----------------------------------------------------------------------------------------------------------

    def receive(self, message: Message, flow: Flow, now: float) -> list[TransactionAction]:
        """Take a message from the network. What cannot be matched or answered is dropped."""
        try:
            if isinstance(message, Response):
                return self._receive_response(message, now)
            if isinstance(message, Request):
                return self._receive_request(message, flow, now)
        except SipError:
            pass
        return []

    def _receive_response(self, response: Response, now: float) -> list[TransactionAction]:
        path = vias(response)
        if len(path) != 1:  # not for us alone: RFC 3261 §8.1.3.3
            return []
        count = cseq(response)
        method = count.method
        machine = self._clients.get((path[0].branch or "", method, str(count.number)))
        if machine is None:
            return [AgainReceived(None, response)] if method == "INVITE" and 200 <= response.code < 300 else []
        actions = self._audible(machine.number, machine.receive(response, now))
        self._after(machine)
        return actions

    def _receive_request(self, request: Request, flow: Flow, now: float) -> list[TransactionAction]:
        key = server_key(request)
        if request.method == "ACK":
            return self._receive_ack(request, key, flow, now)
        known = self._servers.get(key)
        if known is not None:
            return known.again()
        if self._is_full(request):
            return self.refuse(request, response(503, headers=OVERLOADED), flow)
        to = reply_destination(request, flow)
        tag = self._token(8)
        number = self._next()
        machine: ServerInvite | ServerOther
        if request.method == "INVITE":
            machine = ServerInvite(number, request, flow, to, tag, self._settings, now)
        else:
            machine = ServerOther(number, request, flow, to, tag, self._settings, now)
        self._servers[key] = machine
        self._adopt(machine, key)
        if request.method == "CANCEL" and isinstance(machine, ServerOther):
            return self._receive_cancel(request, machine, key, now)
        self._after(machine)
        return [RequestReceived(request, flow, number)]

    def _receive_ack(self, ack: Request, key: ServerKey, flow: Flow, now: float) -> list[TransactionAction]:
        invite = self._servers.get((*key[:-1], "INVITE"))
        if isinstance(invite, ServerInvite) and is_ours(ack, key, invite):
            passed = invite.acknowledge(now)
            self._after(invite)
            if not passed:
                return []
        return [RequestReceived(ack, flow, None)]

    def _receive_cancel(self, cancel: Request, machine: ServerOther, key: ServerKey, now: float) -> list[TransactionAction]:
        """Answer CANCEL by itself, with the To tag of what it is for (RFC 3261 §9.2), and say so to who is to answer that."""
        invite = self._servers.get((*key[:-1], "INVITE"))
        if isinstance(invite, ServerInvite):
            machine.tag = invite.to_tag
        actions = machine.reply(response(200 if invite is not None else 481), now)
        self._after(machine)
        if isinstance(invite, ServerInvite) and not invite.answered:
            actions.append(Cancelled(invite.number, cancel))
        return actions

    # --- failures and time -----------------------------------------------------------------------------------------------------------

    def failed(self, transaction: int, reason: str, now: float) -> list[TransactionAction]:
        """
        Take the news that a Transmit of this transaction could not be sent.

        Requests of ours end with a local 503, whose Warning is `reason`. An answer whose connection has gone is tried once over a new one
        (RFC 3261 §18.2.2).
        """
        machine = self._machines.get(transaction)
        if machine is None:
            return []
        if isinstance(machine, ServerInvite) and (other := second_destination(machine.request, machine.flow, machine.to)) is not None:
            actions = machine.redirect(other)
            self._ways.set(transaction, other)
            return actions
        actions = []
        if isinstance(machine, ServerInvite):
            actions = machine.failed()
        elif isinstance(machine, (ClientInvite, ClientOther)):
            actions = self._audible(transaction, machine.failed(reason))
        self._after(machine)
        return actions

    def move(self, old: Flow, new: Flow) -> list[TransactionAction]:
        """
        Let another connection take the place of one, for all that goes on by it.

        What has no final response is sent again, and so is our last answer to an INVITE: nobody knows what the old one has still carried.
        A 2xx is not: whoever made it repeats it until there is an ACK.
        """
        actions: list[TransactionAction] = []
        for number in self._ways.of(old):
            machine = self._machines[number]
            again = machine.redirect(new)
            self._ways.set(number, new)
            accepted = isinstance(machine, ServerInvite) and machine.accepted
            actions += [] if accepted else again
        return actions

    def cut(self, flow: Flow, reason: str, now: float) -> list[TransactionAction]:
        """Give up all that goes by a connection."""
        return [action for number in self._ways.of(flow) for action in self.failed(number, reason, now)]

    def tick(self, now: float) -> list[TransactionAction]:
        actions: list[TransactionAction] = []
        while (number := self._timers.next_due(now)) is not None:
            machine = self._machines[number]
            if isinstance(machine, ClientInvite) and machine.unheard(now):
                actions += self.cancel(number, now)
                continue
            actions += self._audible(number, machine.tick(now))
            self._after(machine)
        return actions

    def deadline(self) -> float | None:
        return self._timers.deadline()

    def __len__(self) -> int:
        return len(self._machines)

    def _is_full(self, request: Request) -> bool:
        count = len(self._machines)
        if count < self._max:
            return False
        return count >= self._max + self._max // 8 or not has_tag(request.headers.get("To") or "")

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _adopt(self, machine: Machine, key: tuple[str, ...]) -> None:
        self._machines[machine.number] = machine
        self._keys[machine.number] = key
        self._ways.set(machine.number, machine.to)

    def _audible(self, number: int, actions: list[TransactionAction]) -> list[TransactionAction]:
        if number not in self._quiet:
            return actions
        return [action for action in actions if not isinstance(action, (ResponseReceived, AgainReceived))]

    def _after(self, machine: Machine) -> None:
        """Set a machine's timer, or drop it when it is over."""
        number = machine.number
        if not machine.over:
            self._timers.set(number, machine.deadline())
            return
        self._timers.set(number, None)
        if self._machines.pop(number, None) is None:
            return
        key = self._keys.pop(number)
        self._ways.set(number, None)
        self._quiet.discard(number)
        if isinstance(machine, (ClientInvite, ClientOther)):
            del self._clients[key[0], key[1], key[2]]
        else:
            del self._servers[key]
