"""Who hears whom: joins the streams of two legs, and what is held back between them."""

from __future__ import annotations

from boringsdp.call.events import Party
from boringsdp.call.leg import Leg
from boringsdp.call.options import Block
from boringsdp.call.streams import MID_EXTENSION
from boringsdp.relay import RawTransport, Relay, RouteRules
from boringsdp.sdp import MediaPlan, payload_type_map


class Blocks:
    """What of each party's media is held back, whatever is agreed: by kind of media, or by what it is; of all legs or about one branch."""

    def __init__(self) -> None:
        self._kinds: set[tuple[Party, str]] = set()
        self._blocks: set[tuple[Party, Block, str | None]] = set()

    def set_kind(self, party: Party, kind: str, held: bool) -> None:
        """Hold back audio or video of `party` altogether."""
        if held:
            self._kinds.add((party, kind))
        else:
            self._kinds.discard((party, kind))

    def set(self, party: Party, what: Block, on: bool, branch: str | None) -> None:
        """`branch` None: about all branches; to let through again then also undoes what was said about single ones."""
        if on:
            self._blocks.add((party, what, branch))
        elif branch is not None:
            self._blocks.discard((party, what, branch))
        else:
            self._blocks = {each for each in self._blocks if each[:2] != (party, what)}

    def forget(self, branch: str) -> None:
        """A branch is gone."""
        self._blocks = {each for each in self._blocks if each[2] != branch}

    def holds(self, party: Party, what: Block, branch: str) -> bool:
        """Whether `what` of `party` is held back between it and `branch` (party B: when it is on `branch`)."""
        return bool(self._blocks) and ((party, what, None) in self._blocks or (party, what, branch) in self._blocks)

    def stops(self, party: Party, kind: str, branch: str) -> bool:
        """Whether no media of this kind passes."""
        return (party, kind) in self._kinds or self.holds(party, Block.MEDIA, branch)

    def limit(self, rules: RouteRules, party: Party, kind: str, branch: str) -> RouteRules:
        """Return the rules with what is held back of `party` on its way to or from `branch`."""
        return RouteRules(
            payload_types=rules.payload_types,
            telephone_events=rules.telephone_events,
            extensions=rules.extensions,
            constant_extensions=rules.constant_extensions,
            enabled=rules.enabled and (party, kind) not in self._kinds,
            media=not self.holds(party, Block.MEDIA, branch),
            dtmf=not self.holds(party, Block.DTMF, branch),
            silenced=self.holds(party, Block.SILENCE, branch),
        )

    def to_record(self) -> list[list[str | None]]:
        """Return plain JSON-able values."""
        kinds: list[list[str | None]] = [[party.value, kind, None] for party, kind in self._kinds]
        return sorted([*kinds, *([party.value, what.value, branch] for party, what, branch in self._blocks)], key=str)


def join(relay: Relay, near: Leg, far: Leg, blocks: Blocks) -> None:
    """Route every stream of either leg to its counterpart."""
    for source, target in ((near, far), (far, near)):
        for plan in source.plans:
            other = next((each for each in target.plans if each.slot == plan.counterpart), None)
            if plan.accepted and other is not None and other.accepted:
                _route(relay, (source, plan), (target, other), blocks, far.branch)


def part(relay: Relay, near: Leg, far: Leg) -> None:
    """Undo `join`: the legs keep their ports and hear nothing of each other."""
    for source in near.transports.streams.values():
        for target in far.transports.streams.values():
            relay.disconnect(source, target)
            relay.disconnect(target, source)
    for _, transport in near.transports:
        if isinstance(transport, RawTransport):
            relay.part_raw(transport)


def echo(relay: Relay, leg: Leg, blocks: Blocks) -> None:
    """Route every stream of the leg to itself."""
    for plan in leg.plans:
        if plan.accepted:
            _route(relay, (leg, plan), (leg, plan), blocks, "")


def _route(relay: Relay, source: tuple[Leg, MediaPlan], target: tuple[Leg, MediaPlan], blocks: Blocks, branch: str) -> None:
    (leg, plan), (there, other) = source, target
    mine, theirs = leg.transports.get(plan.transport_slot), there.transports.get(other.transport_slot)
    if isinstance(mine, RawTransport) or isinstance(theirs, RawTransport):
        if isinstance(mine, RawTransport) and isinstance(theirs, RawTransport):
            relay.join_raw(mine, theirs)
        return
    relay.connect(
        leg.transports.streams[plan.slot],
        there.transports.streams[other.slot],
        blocks.limit(_rules(plan, other), leg.party, plan.kind, branch),
    )


def _rules(plan: MediaPlan, other: MediaPlan) -> RouteRules:
    mapping = payload_type_map(plan, other)
    there = other.extension_ids
    mid = there.get(MID_EXTENSION)
    return RouteRules(
        payload_types=mapping.codecs,
        telephone_events=mapping.events,
        extensions={number: there[uri] for uri, number in plan.extensions if uri in there and uri != MID_EXTENSION},
        constant_extensions={mid: other.mid.encode()} if mid is not None and other.mid else {},
        enabled=plan.receive and other.send,
    )
