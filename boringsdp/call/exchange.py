"""What an offer is remembered by until the next one: who made it, what each side's memory was before, and what has been answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from boringsdp.call.events import Party
from boringsdp.call.leg import Leg
from boringsdp.call.negotiation import Negotiation, State
from boringsdp.errors import WrongState
from boringsdp.sdp import CodecPolicy, Description, LegMemory, LegStyle, Slot, withdraw
from boringsdp.values import replace

MAX_TAGS = 32


@dataclass(slots=True)
class Round:
    """
    One offer as party A's leg sees it: made by A and sent to one branch or to several, or made by one branch to A.

    It has come to nothing when it was never answered and no branch takes part any more; A's leg is then what it was `before`.
    """

    party: Party
    text: str
    """Of the offer as it came."""
    before: LegMemory
    before_style: LegStyle
    offered: LegMemory
    """Of A's leg after the offer; each branch's first answer starts from it."""
    branches: set[str] = field(default_factory=set)
    answered: bool = False

    def starting_point(self, present: LegMemory) -> LegMemory:
        """
        Return A's memory for an answer of ours to A's offer; `present` is its last.

        However many branches answer, A sees one side of ours: a further answer goes on with the transports and DTLS roles of the one
        before, and an ICE restart is answered once.
        """
        start = self.offered
        if self.answered:
            known = dict(enumerate(present.slots))
            start = replace(start, slots=tuple(_went_on(slot, known.get(index)) for index, slot in enumerate(start.slots)))
        return start if start.version == present.version else replace(start, version=present.version, written=present.written)


def _went_on(offered: Slot, present: Slot | None) -> Slot:
    if present is None or offered.kind != present.kind:
        return replace(offered, ice_restart=False)
    return replace(offered, live=present.live, transport=present.transport, setup=present.setup, ice_restart=False)


@dataclass(slots=True)
class Exchange:
    """The round as one branch sees it."""

    round: Round
    before: LegMemory
    before_style: LegStyle
    offered: LegMemory
    """Of the branch's leg after the offer."""
    policy: CodecPolicy
    answers: dict[str, LegMemory] = field(default_factory=dict)
    """The answerer's memory by the tag it answered under, in order; the last is in force. At most `MAX_TAGS`, the oldest are forgotten."""

    def record(self) -> dict[str, Any]:
        """Everything worth writing down; the codec policy is the front's."""
        return {
            "party": self.round.party.value,
            "offer": self.round.text,
            "answered": self.round.answered,
            "near_before": self.round.before.to_record(),
            "near_offered": self.round.offered.to_record(),
            "before": self.before.to_record(),
            "offered": self.offered.to_record(),
            "answers": {tag: memory.to_record() for tag, memory in self.answers.items()},
        }

    def take(self, tag: str, heard: LegMemory) -> None:
        """Note an answer."""
        self.answers.pop(tag, None)
        self.answers[tag] = heard
        if len(self.answers) > MAX_TAGS:
            del self.answers[next(iter(self.answers))]
        self.round.answered = True


@dataclass(slots=True, frozen=True)
class OwnOffer:
    """An offer that neither party made: to `party`, whose leg was `before` like this."""

    party: Party
    before: LegMemory
    before_style: LegStyle


@dataclass(slots=True)
class Branch:
    """A far leg, and how it stands with party A."""

    name: str
    leg: Leg
    negotiation: Negotiation
    exchange: Exchange | None = None
    near: LegMemory | None = None
    """Party A's side as last agreed with this branch; None before its first answer."""
    rank: int = 0
    """Which answer of the call its latest was."""
    own: OwnOffer | None = None
    """Waits for its answer."""
    invited: LegMemory | None = None
    """The leg after a first offer that was our own: further answers to it start from here."""

    @property
    def pending(self) -> Party | None:
        """Whose offer waits for an answer."""
        return self.negotiation.pending

    @property
    def state(self) -> State:
        return self.negotiation.state

    def settled(self) -> tuple[LegMemory, LegStyle]:
        """The leg's memory and style without the offer that waits, if one does."""
        return self.leg_before() if self.pending is not None else (self.leg.memory, self.leg.style)

    def leg_before(self) -> tuple[LegMemory, LegStyle]:
        """The leg's memory and style without its last exchange; its o= version goes on, for the peer has seen it."""
        if self.own is not None and self.own.party is Party.B:
            return withdraw(self.own.before, self.leg.memory), self.own.before_style
        if self.exchange is None:
            return self.leg.memory, self.leg.style
        return withdraw(self.exchange.before, self.leg.memory), self.exchange.before_style

    def asked(self, answerer: Party, near: LegMemory) -> tuple[Exchange, LegMemory, LegMemory] | None:
        """
        Return the exchange, the answerer's memory after our offer, and the offerer's for the answer we write; None without an exchange.

        `near` is the present memory of A's leg.
        """
        exchange = self.exchange
        if exchange is None:
            return None
        if answerer is Party.B:
            return exchange, exchange.offered, exchange.round.starting_point(near)
        return exchange, exchange.round.offered, withdraw(exchange.offered, self.leg.memory)

    def record(self) -> dict[str, Any]:
        """Everything worth writing down; a secret, as the memories are."""
        return {
            "state": self.state.value,
            "offerer": None if self.negotiation.offerer is None else self.negotiation.offerer.value,
            "leg": self.leg.record(),
            "near": None if self.near is None else self.near.to_record(),
            "rank": self.rank,
            "exchange": None if self.exchange is None else self.exchange.record(),
        }


def check_others(branches: Iterable[Branch], turn: Branch) -> None:
    """Raise `WrongState` while another branch's offer waits for party A, or an offer of our own for any answer."""
    if turn.own is not None:
        raise WrongState(f"{turn.state.value}, our own offer waits", "the answer to that first (glare)")
    for other in branches:
        if other is not turn and other.pending is Party.B:
            raise WrongState(f"{other.state.value} by another branch", "the answer to that first (glare)")


class Rounds:
    """The last offer that A's leg has to do with."""

    def __init__(self) -> None:
        self.last: Round | None = None

    @property
    def idle(self) -> bool:
        """Whether no offer of or to A waits for its first answer."""
        return self.last is None or self.last.answered

    def check(self, party: Party, turn: Branch) -> None:
        """Raise `WrongState` when party B offers on a branch while A's offer to another one waits for its first answer."""
        if party is Party.B and turn.pending is None and not self.idle:
            raise WrongState("offered to another branch", "its answer first (glare)")

    def shared(self, party: Party, received: Description, branch: str) -> Round | None:
        """Return the round that `received` belongs to already: party A's same SDP, now for another branch (RFC 3261 §16.6 forks)."""
        last = self.last
        same = last is not None and last.party is Party.A is party and last.text == received.text and branch not in last.branches
        return last if same else None

    def settled(self, near: Leg) -> tuple[LegMemory, LegStyle]:
        """A's memory and style without an offer that nobody has answered yet."""
        last = self.last
        if last is None or last.answered:
            return near.memory, near.style
        return withdraw(last.before, near.memory), last.before_style

    def agree(self, near: Leg, memory: LegMemory, settled: Round | None = None) -> None:
        """
        Note what A's leg has agreed to by an answer to the round `settled`, or by falling back to an earlier one.

        A later offer of A that still waits then has this before it.
        """
        if settled is None:
            memory = replace(memory, version=near.memory.version)
        if self.last is not None and self.last is not settled and not self.last.answered:
            self.last.before = memory
        if settled is not None or self.idle:
            near.memory = memory

    def leave(self, branch: Branch, near: Leg) -> None:
        """The branch takes no part in its round any more; when nothing came of the round, A's leg is what it was."""
        if branch.exchange is None:
            return
        left = branch.exchange.round
        left.branches.discard(branch.name)
        if left.answered or left.branches or left is not self.last:
            return
        near.memory, near.style = self.settled(near)
        near.prune()
        self.last = None
