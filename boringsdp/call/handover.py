"""A leg that goes from one call to another: what it forgets, and how its m-lines find those of whom it meets there."""

from __future__ import annotations

from collections.abc import Mapping

from boringsdp.call import routes
from boringsdp.call.events import Party
from boringsdp.call.exchange import Branch, Rounds
from boringsdp.call.leg import Leg
from boringsdp.call.legs import Legs
from boringsdp.errors import WrongState
from boringsdp.relay import Relay
from boringsdp.sdp import Direction, LegMemory, Sheet
from boringsdp.values import replace


def release(relay: Relay, legs: Legs, rounds: Rounds, party: Party, branch: str) -> Leg:
    """
    Take a leg out of its call; it and those that stay hear nothing more. No exchange is remembered.

    Raises `WrongState` when the leg has agreed on nothing, or an offer waits that it has to do with.
    """
    leg = legs.leg(party, branch)
    if leg is None or not leg.plans:
        raise WrongState("nothing agreed", "an answer in force")
    if not rounds.idle or any(turn.pending is not None and (turn.own is None or turn.own.party is party) for turn in legs):
        raise WrongState("an offer waits", "its answer first")
    if legs.near is not None and legs.current is not None:
        routes.part(relay, legs.near, legs.current.leg)
    for turn in legs:
        turn.exchange = turn.near = None
    rounds.last = None
    if party is Party.A:
        legs.near = None
    elif (gone := legs.find(branch)) is not None:
        legs.remove(gone)
        legs.current = None if gone is legs.current else legs.current
    _note(leg, {})
    return leg


def meet(relay: Relay, legs: Legs, turn: Branch) -> bool:
    """Make the branch the current one and link it with party A's leg; False when one of the two has agreed on nothing yet."""
    near, former, legs.current = legs.near, legs.current, turn
    if near is not None and former is not None and former is not turn:
        routes.part(relay, near, former.leg)
    if near is None or not near.plans or not turn.leg.plans:
        return False
    link(near, turn.leg)
    turn.near = near.memory
    return True


def link(one: Leg, other: Leg) -> None:
    """Join the m-lines of two legs that have agreed each by itself: those of a kind in their order."""
    pairs: dict[int, int] = {}
    for plan in one.plans:
        fits = (each.slot for each in other.plans if each.accepted and each.kind == plan.kind and each.raw is plan.raw)
        if plan.accepted and (found := next((slot for slot in fits if slot not in pairs.values()), None)) is not None:
            pairs[plan.slot] = found
    _note(one, pairs)
    follow(one, other)


def follow(leg: Leg, other: Leg) -> None:
    """Let the m-lines of `other` be joined with those of `leg` that are joined with them."""
    _note(other, {plan.counterpart: plan.slot for plan in leg.plans if plan.counterpart is not None})


def renew(sheet: Sheet, source: LegMemory) -> None:
    """
    Offer all directions anew, within what the source's peer has offered itself.

    What it only answered was an answer to somebody who is gone now: who was put on hold by them would be on hold for ever.
    """
    for outline in sheet.outlines:
        if outline.accepted:
            said = None if source.we_offered or source.received is None or outline.counterpart is None else source.received.medias
            outline.direction = Direction.SENDRECV if said is None else said[outline.counterpart or 0].direction


def _note(leg: Leg, counterparts: Mapping[int, int]) -> None:
    slots = [replace(slot, counterpart=counterparts.get(index)) for index, slot in enumerate(leg.memory.slots)]
    leg.memory = replace(leg.memory, slots=tuple(slots))
    leg.plans = tuple(replace(plan, counterpart=counterparts.get(plan.slot)) for plan in leg.plans)
