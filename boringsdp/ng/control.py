"""Commands on the media of a call that exists: blocks, silence, digits; and which party each means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boringsdp.call import Block, Call, Party
from boringsdp.errors import NgError
from boringsdp.ng.dialogs import Dialogs, Place
from boringsdp.ng.requests import Blocking, Identity, PlayDtmf, SetBlocking

BLOCKS = {Blocking.DTMF: Block.DTMF, Blocking.MEDIA: Block.MEDIA, Blocking.SILENCE: Block.SILENCE}
EVERY_FLOW = frozenset({"offer-answer", "flows"})
"""Values of `all` that mean whatever the selected parties send."""
NO_OTHER_FLOWS = "all=except-offer-answer: no media flows but between who offered and who answered"
UNKNOWN_CALL = "Unknown call-ID"
UNKNOWN_FROM_TAG = "Unknown from-tag"
NOBODY_CHOSEN = "No party selected"


class Control:
    """Executes the block family and `play DTMF`."""

    def __init__(self, dialogs: Dialogs[Call]) -> None:
        self._dialogs = dialogs

    def block(self, request: SetBlocking) -> dict[str, Any]:
        """
        Hold back, or let through again, what the selected parties send; only towards one party when a to-tag or to-label says so and
        `all` does not say otherwise.
        """
        who = request.identity
        selected = self._select(who, by_tag=who.directional) or self._parties(who.call_id)
        towards = None if who.all_value in EVERY_FLOW else self._towards(who)
        if who.all_value == "except-offer-answer":
            return {"result": "ok", "warning": NO_OTHER_FLOWS}
        for place in selected:
            call, what = place.dialog.call, BLOCKS[request.what]
            if place.party is Party.B:
                call.block(Party.B, what, request.on, branch=place.name)
            elif towards is None:
                call.block(Party.A, what, request.on)
            elif towards.party is Party.B and towards.dialog is place.dialog:
                call.block(Party.A, what, request.on, towards=towards.name)
        warnings = "; ".join(request.warnings)
        return {"result": "ok", **({"warning": warnings} if warnings else {})}

    def play_dtmf(self, request: PlayDtmf) -> dict[str, Any]:
        """Send a digit to the other side of the selected parties, as if they had pressed it."""
        selected = self._select(request.identity, by_tag=True)
        if not selected:
            raise NgError(NOBODY_CHOSEN, "from-tag")
        queued = sum(
            place.dialog.call.send_dtmf(
                place.party.other, request.digits, request.duration_ms, request.pause_ms, request.volume_dbm0, place.name
            )
            for place in selected
        )
        if not queued:
            raise NgError("The other side has not agreed to telephone-event", "code")
        return {"result": "ok"}

    # --- selecting ---------------------------------------------------------------------------------------------------------------------

    def _parties(self, call_id: str) -> list[Place[Call]]:
        found = list(self._dialogs.parties(call_id))
        if not found:
            raise NgError(UNKNOWN_CALL, "call-id")
        return found

    def _select(self, who: Identity, *, by_tag: bool) -> list[Place[Call]]:
        """
        Return the parties that are meant, empty when none is named. Raises `NgError` for one that does not exist.

        A label counts more than an address, that more than `all`, that more than the from-tag, which proxies send in any case.
        """
        parties = self._parties(who.call_id)
        if who.from_label:
            return _those(
                parties, lambda place: label_of(place) == who.from_label, f'No party has the label "{who.from_label[:64]}"', "label"
            )
        if who.address:
            return _those(parties, lambda place: who.address in hosts_of(place), f"No party has the address {who.address[:64]}", "address")
        if who.all:
            return parties
        if by_tag and who.from_tag:
            return _those(parties, lambda place: has_tag(place, who.from_tag), UNKNOWN_FROM_TAG, "from-tag")
        return []

    def _towards(self, who: Identity) -> Place[Call] | None:
        """The receiver of the one flow that is meant."""
        parties = self._parties(who.call_id)
        if who.to_label:
            return _those(
                parties, lambda place: label_of(place) == who.to_label, f'No party has the label "{who.to_label[:64]}"', "to-label"
            )[0]
        if who.to_tag and who.directional:
            return _those(parties, lambda place: has_tag(place, who.to_tag), "Unknown to-tag", "to-tag")[0]
        return None


def _those(parties: list[Place[Call]], chosen: Callable[[Place[Call]], bool], complaint: str, key: str) -> list[Place[Call]]:
    found = [place for place in parties if chosen(place)]
    if not found:
        raise NgError(complaint, key)
    return found


def label_of(place: Place[Call]) -> str:
    """Return the label of a party."""
    if place.party is Party.A:
        return place.dialog.label
    return place.leg.label if place.leg is not None else ""


def has_tag(place: Place[Call], tag: str) -> bool:
    """Return whether a party has, or had, a tag."""
    return tag in (place.dialog.tags if place.party is Party.A else place.leg.tags if place.leg is not None else ())


def hosts_of(place: Place[Call]) -> set[str]:
    """Return the numeric addresses of a party: in its SDP, and where its media comes from."""
    return {
        address[0]
        for leg in place.dialog.call.report().legs
        if leg.party is place.party and (place.party is Party.A or leg.branch == place.name)
        for media in leg.medias
        for port in media.ports
        for address in (port.announced, port.remote)
        if address is not None
    }
