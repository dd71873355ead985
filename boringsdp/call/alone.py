"""
Exchanges with one party that the other takes no part in: a hold of our own, a re-INVITE answered for the browser.

What the other party said last stays in force with it; media between the two follows what each has agreed.
"""

from __future__ import annotations

from collections.abc import Callable

from boringsdp.call import handover
from boringsdp.call.events import Party
from boringsdp.call.exchange import Branch, OwnOffer
from boringsdp.call.leg import Leg
from boringsdp.call.legs import Legs
from boringsdp.call.negotiation import State
from boringsdp.call.options import UNCHANGED, LegOptions
from boringsdp.call.translator import Translator, limited
from boringsdp.errors import BoringError, SdpError, WrongState
from boringsdp.sdp import (
    DEFAULT_POLICY,
    CodecPolicy,
    Description,
    LegMemory,
    LegStyle,
    MediaPlan,
    accept_answer,
    accept_offer,
    draft_answer,
    draft_offer,
    media_plans,
)

Find = Callable[[str], tuple[Branch, Leg]]
Touch = Callable[[Callable[[Party, float], None], Party], None]
"""Takes a move of the negotiation and whose turn it is."""


class Alone:
    """`Call.alone`. Errors and branches as with `Call`'s own commands; all but `invite` need an answer to have been in force before."""

    def __init__(
        self,
        translator: Translator,
        legs: Legs,
        make: Callable[[str], Branch],
        find: Find,
        touch: Touch,
        join: Callable[[], None],
        meet: Callable[[Branch], None],
    ) -> None:
        self._translator = translator
        self._legs = legs
        self._make = make
        self._find = find
        self._touch = touch
        self._join = join
        self._meet = meet

    def ability(self, party: Party, branch: str = "") -> LegMemory:
        """What `party` has agreed to and can do, for `invite` of another call. Raises `WrongState` when it has no leg."""
        turn, near = self._legs.find(branch), self._legs.near
        if party is Party.A and near is not None:
            return self._translator.rounds.settled(near)[0]
        if party is Party.A or turn is None:
            raise WrongState("nobody there", "a leg of that party")
        return turn.settled()[0]

    def invite(
        self, like: LegMemory, to: LegStyle, *, policy: CodecPolicy = DEFAULT_POLICY, branch: str = "", there: LegOptions = UNCHANGED
    ) -> str:
        """
        Return the offer for a new leg of party B, made from what somebody can do (`ability`) who takes no part in it.

        `settle` takes its answers, of which there may be several while it rings. Party A may come before that or after (`Call.take_over`).
        Raises `WrongState` when there is such a branch, `SdpError`, `Exhausted`.
        """
        if self._legs.by_name.get(branch) is not None:
            raise WrongState("there is such a branch", "a new one")
        turn = self._make(branch)
        leg = turn.leg
        leg.options, leg.style = there.over(leg.options), to
        draft = draft_offer(leg.memory, to, like, policy)
        handover.renew(draft.sheet, like)
        try:
            written = draft.write(leg.prepare(draft.needs, leg.memory, to))
        except BoringError:
            leg.close()
            raise
        leg.transports.keep()
        turn.own = OwnOffer(Party.B, leg.memory, leg.style)
        turn.invited = leg.memory = written.memory
        self._legs.add(turn)
        self._touch(turn.negotiation.offer, Party.A)
        return written.text

    def offer(self, party: Party, *, policy: CodecPolicy = DEFAULT_POLICY, branch: str = "", renewed: bool = False) -> str:
        """
        Return an offer of our own to `party`; `settle` takes its answer, `Call.reject` its refusal.

        To party B it is what is in force, with the direction that party A wants and `Call.limit` allows; to party A what party B can do
        now. `renewed`: the two have only met (`Call.take_over`), to either it is what the other can do, in all directions.
        """
        turn, near = self._idle(branch)
        leg, other = (near, turn.leg) if party is Party.A else (turn.leg, near)
        draft = draft_offer(leg.memory, leg.speaks, other.memory if party is Party.A or renewed else None, policy)
        if renewed:
            handover.renew(draft.sheet, other.memory)
        elif party is Party.B and (wanted := other.memory.received) is not None:
            for outline in draft.sheet.outlines:
                if outline.accepted and outline.counterpart is not None and outline.counterpart < len(wanted.medias):
                    outline.direction = wanted.medias[outline.counterpart].direction
        limited(draft.sheet, leg.limit)
        try:
            written = draft.write(leg.prepare(draft.needs, leg.memory, leg.speaks))
        except BoringError:
            leg.transports.undo()
            raise
        leg.transports.keep()
        turn.own = OwnOffer(party, leg.memory, leg.style)
        leg.memory = written.memory
        self._translator.forget(turn)
        self._touch(turn.negotiation.offer, party.other)
        return written.text

    def settle(self, party: Party, sdp: str | Description, *, branch: str = "") -> None:
        """Take the answer of `party` to our own offer and put it into force. Raises as `Call.answer`."""
        turn, near = self._legs.find(branch), self._legs.near
        if turn is None or not self._waits(turn, party):
            raise WrongState("no offer" if turn is None else turn.state.value, "an offer of our own to answer")
        leg = near if party is Party.A and near is not None else turn.leg
        received = self._translator.read(sdp, leg.options, ice=leg.style.ice)
        leg.check_families(received, answer=True)
        further = turn.own is None and turn.invited is not None
        heard = accept_answer(turn.invited if further and turn.invited is not None else leg.memory, received)
        heard = leg.carried(heard) if further else heard
        if turn.state is State.OFFERED and not any(slot.live for slot in heard.slots):
            raise SdpError("the answer accepts no m-line of the offer, the call would be silent", *_first(received))
        plans = media_plans(heard)
        leg.check_plans(plans)
        turn.own = None
        self._touch(turn.negotiation.answer, party)
        if turn.near is not None and near is not None:
            self._agree(turn, near, party, heard, plans)
        else:
            turn.leg.memory = heard
            turn.leg.apply(plans)
            self._meet(turn)

    def answer(self, party: Party, sdp: str | Description, *, policy: CodecPolicy = DEFAULT_POLICY, branch: str = "") -> str:
        """
        Take a re-offer of `party` and return the answer, made from what the other party said last, and put it into force.

        Raises `SdpError` when nothing of it can be joined with what the other party has: it would have to be asked.
        """
        turn, near = self._idle(branch)
        leg, other = (near, turn.leg) if party is Party.A else (turn.leg, near)
        received = self._translator.read(sdp, leg.options)
        leg.check_families(received)
        heard = accept_offer(leg.memory, received, leg.demands(leg.style))
        draft = draft_answer(heard, other.memory, policy, leg.demands(leg.style))
        if any(slot.live for slot in leg.memory.slots) and not any(outline.accepted for outline in draft.sheet.outlines):
            raise SdpError("nothing of the re-offer can be joined with what the other party has")
        limited(draft.sheet, leg.limit)
        try:
            written = draft.write(leg.prepare(draft.needs, heard, leg.style))
            plans = media_plans(written.memory)
            leg.check_plans(plans)
        except BoringError:
            leg.transports.undo()
            raise
        leg.transports.keep()
        self._translator.forget(turn)
        self._touch(turn.negotiation.offer, party)
        self._touch(turn.negotiation.answer, party.other)
        self._agree(turn, near, party, written.memory, plans)
        return written.text

    def _waits(self, turn: Branch, party: Party) -> bool:
        """Whether an offer of our own may be answered by the party: one that waits, or the first one again while it rings."""
        if turn.own is not None:
            return turn.own.party is party
        invited, now = turn.invited, turn.leg.memory
        same = invited is not None and now.we_offered and now.version == invited.version
        return same and party is Party.B and turn.pending is None and turn.exchange is None

    def _idle(self, branch: str) -> tuple[Branch, Leg]:
        """The branch and party A's leg. Raises `WrongState` while any offer waits."""
        turn, near = self._find(branch)
        if turn.pending is not None or not self._translator.rounds.idle:
            raise WrongState(f"{turn.state.value}, an offer waits", "its answer first (glare)")
        return turn, near

    def _agree(self, turn: Branch, near: Leg, party: Party, memory: LegMemory, plans: tuple[MediaPlan, ...]) -> None:
        if party is Party.A:
            near.memory = turn.near = memory
            near.apply(plans)
            handover.follow(near, turn.leg)
        else:
            turn.leg.memory = memory
            turn.leg.apply(plans)
            handover.follow(turn.leg, near)
            turn.near = near.memory
        self._join()


def _first(received: Description) -> tuple[str, int]:
    """The m-line that an error is about."""
    return (received.medias[0].line, received.medias[0].line_number) if received.medias else ("", 0)
