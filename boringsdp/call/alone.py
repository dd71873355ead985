"""
Exchanges with one party that the other takes no part in: a hold of our own, a re-INVITE answered for the browser.

What the other party said last stays in force with it; media between the two follows what each has agreed.
"""

from __future__ import annotations

from collections.abc import Callable

from boringsdp.call.events import Party
from boringsdp.call.exchange import Branch, OwnOffer
from boringsdp.call.leg import Leg
from boringsdp.call.translator import Translator, limited
from boringsdp.errors import BoringError, SdpError, WrongState
from boringsdp.sdp import (
    DEFAULT_POLICY,
    CodecPolicy,
    Description,
    LegMemory,
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
    """`Call.alone`. Errors and branches as with `Call`'s own commands; every command needs an answer to have been in force before."""

    def __init__(self, translator: Translator, find: Find, touch: Touch, join: Callable[[], None]) -> None:
        self._translator = translator
        self._find = find
        self._touch = touch
        self._join = join

    def offer(self, party: Party, *, policy: CodecPolicy = DEFAULT_POLICY, branch: str = "") -> str:
        """
        Return an offer of our own to `party`; `settle` takes its answer, `Call.reject` its refusal.

        To party B it is what is in force, with the direction that party A wants and `Call.limit` allows; to party A what party B can do
        now.
        """
        turn, near = self._idle(branch)
        leg, other = (near, turn.leg) if party is Party.A else (turn.leg, near)
        draft = draft_offer(leg.memory, leg.speaks, other.memory if party is Party.A else None, policy)
        if party is Party.B and (wanted := other.memory.received) is not None:
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
        turn, near = self._find(branch)
        if turn.own is None or turn.own.party is not party:
            raise WrongState(turn.state.value, "an offer of our own to answer")
        leg = near if party is Party.A else turn.leg
        received = self._translator.read(sdp, leg.options, ice=leg.style.ice)
        leg.check_families(received, answer=True)
        heard = accept_answer(leg.memory, received)
        plans = media_plans(heard)
        leg.check_plans(plans)
        turn.own = None
        self._touch(turn.negotiation.answer, party)
        self._agree(turn, near, party, heard, plans)

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
        else:
            turn.leg.memory = memory
            turn.leg.apply(plans)
        self._join()
