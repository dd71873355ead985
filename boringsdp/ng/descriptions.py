"""Offers and answers: finds the leg, plans what the call is told, tells it, and remembers what holds for the way back."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from boringsdp import logs
from boringsdp.call import Block, Call, CallClosed, CallEvent, Calls, LegOptions, Party, Timeouts
from boringsdp.errors import Exhausted, NgError, SdpError
from boringsdp.net.interfaces import address_towards
from boringsdp.ng.dialogs import Dialog, Dialogs, FarLeg, Place, first_name
from boringsdp.ng.notices import Notices
from boringsdp.ng.requests import Description
from boringsdp.ng.settings import Address, NgSettings
from boringsdp.ng.translate import LATCHES, Plan, plan_answer, plan_offer
from boringsdp.sdp import Description as Sdp
from boringsdp.sdp import describe, edit
from boringsdp.sdp.loop import loop_marks

LONGEST_NAME = 1024
"""Characters of a call-id, tag or branch that is kept: they are keys of maps."""
NOTHING_MORE = "a=end-of-candidates\r\n"
"""A fragment without news (RFC 8840 §9.2)."""
Hear = Callable[[Dialog[Call], CallEvent], None]
log = logs.bind("ng")


class LoadLimit(Exception):
    """A new call is refused to a client that understands `load limit`; `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Ear:
    """Hears a call for its dialog, which begins only when the call has taken the first offer."""

    def __init__(self, hear: Hear) -> None:
        self.dialog: Dialog[Call] | None = None
        self._hear = hear

    def __call__(self, event: CallEvent) -> None:
        dialog = self.dialog
        if isinstance(event, CallClosed):
            self.dialog = None  # call, ear and dialog hold each other no longer, and go without garbage collection
        if dialog is not None:
            self._hear(dialog, event)


class Descriptions:
    """Executes `offer` and `answer`. `hear` gets the news of each dialog's call."""

    def __init__(
        self, calls: Calls, dialogs: Dialogs[Call], settings: NgSettings, notices: Notices, hear: Hear, clock: Callable[[], float]
    ) -> None:
        self._calls = calls
        self._dialogs = dialogs
        self._settings = settings
        self._notices = notices
        self._hear = hear
        self._clock = clock
        self._timeouts = Timeouts(
            answer_s=settings.offer_timeout_s,
            media_s=settings.media_timeout_s,
            silent_s=settings.silent_timeout_s,
            final_s=settings.final_timeout_s,
            each_leg=False,
            end_on_failure=False,
        )
        self._defaults = LegOptions(latch=LATCHES[settings.learning], tos=settings.tos)
        """What a leg begins with where the request says nothing; later the call remembers."""
        self._interface = next(iter(settings.interfaces), "")
        self._mark = secrets.token_hex(6)
        self.draining = False

    def execute(self, request: Description, source: Address | None) -> dict[str, Any]:
        """
        Return the reply with the new `sdp`, and `warning` where something that was asked cannot be had.

        Raises `NgError`, `LoadLimit`, and what the call raises; then nothing has changed.
        """
        _check_names(request)
        if request.ignored:
            log.info("ignored", extra={"call": request.identity.call_id, "what": ", ".join(request.ignored)[:500]})
        if request.fragment:
            return {"sdp": self._fragment(request), "result": "ok"}
        warnings = list(request.warnings)
        if any(request.routed) and self._settings.interfaces:
            request = self._routed(request, warnings)
        if request.tos is not None and request.tos > 255:
            request = replace(request, tos=self._settings.tos)
        received = _described(request.sdp)
        if request.loop_protect and self._mark in loop_marks(received):
            return {"sdp": request.sdp, "result": "ok"}
        if request.sdp_edits:
            edit(request.sdp, request.sdp_edits)  # what is wrong with them is said before the call knows of anything
        text = self._answer(request, received, warnings) if request.answer else self._offer(request, received, source, warnings)
        text = _edited(text, request, warnings)
        return {"sdp": text, "result": "ok", **({"warning": "; ".join(warnings)} if warnings else {})}

    def _routed(self, request: Description, warnings: list[str]) -> Description:
        """Return the request with the interfaces that lead to the peers it names, as the system's routing table has it."""
        names = []
        for name, peer in zip(request.direction, request.routed, strict=True):
            local = address_towards(peer) if peer and not name else None
            found = [each for each, hosts in self._settings.interfaces.items() if local is not None and local in hosts]
            if peer and not name and not found:
                warnings.append(f"no interface leads to {peer}: the default one is used")
            names.append(name or next(iter(found), ""))
        return replace(request, direction=(names[0], names[1]))

    # --- offers ------------------------------------------------------------------------------------------------------------------------

    def _offer(self, request: Description, received: Sdp, source: Address | None, warnings: list[str]) -> str:
        place = self._dialogs.for_offer(request.identity, new_branch=request.new_branch)
        if place is None:
            return self._first_offer(request, received, source, warnings)
        call, leg = place.dialog.call, place.leg
        if request.reset and leg is not None:
            leg.no_ice.clear()
        self._take_turn(call, place)
        plan = self._plan_offer(request, received, call, place.party, leg, place.name)
        text = call.offer(
            place.party,
            received,
            plan.to,
            plan.policy,
            passing=plan.passing,
            branch=place.name,
            here=plan.here,
            there=plan.there if leg is not None else self._begun(plan.there),
            tag=place.tag,
        )
        self._keep(place.dialog, self._dialogs.offered(place, request.identity), request, plan, source, warnings)
        self._block_dtmf(request, call, place)
        return text

    def _first_offer(self, request: Description, received: Sdp, source: Address | None, warnings: list[str]) -> str:
        who = request.identity
        ear = _Ear(self._hear)
        call = self._create(ear, request)
        name = first_name(who.via_branch)
        plan = self._plan_offer(request, received, call, Party.A, None, name)
        try:
            text = call.offer(
                Party.A,
                received,
                plan.to,
                plan.policy,
                passing=plan.passing,
                branch=name,
                here=self._begun(plan.here),
                there=self._begun(plan.there),
                tag=who.from_tag,
            )
        except BaseException:
            call.close("refused")
            raise
        place = self._dialogs.add(who, call, self._clock())
        ear.dialog = place.dialog
        assert place.leg is not None
        self._keep(place.dialog, place.leg, request, plan, source, warnings)
        self._block_dtmf(request, call, place)
        self._tell_start(request, call, source)
        return text

    def _begun(self, options: LegOptions) -> LegOptions:
        """Return what a new leg begins with: the configured defaults, among them the first interface, where `options` say nothing."""
        begun = options.over(self._defaults)
        return begun if begun.interface or not self._interface else replace(begun, interface=self._interface)

    def _tell_start(self, request: Description, call: Call, source: Address | None) -> None:
        who = request.identity
        facts = {
            "call_id": who.call_id if who.call_id != call.id else "",
            "from_tag": who.from_tag,
            "via_branch": who.via_branch,
            "client": source[0] if source is not None else "",
            "metadata": request.metadata[:200],
        }
        log.info("call offered", extra={"call": call.id, **{name: value for name, value in facts.items() if value}})

    def _create(self, ear: _Ear, request: Description) -> Call:
        """
        The call is named as the call-id, so that one name runs through the log; a second dialog with it gets a name of its own.

        Raises `LoadLimit` or `Exhausted` when no new call is taken now; calls that exist go on.
        """
        most = self._settings.max_sessions
        call_id = request.identity.call_id
        try:
            if self.draining or (most and len(self._dialogs) >= most):
                raise Exhausted("calls")
            free = self._calls.get(call_id) is None
            return self._calls.create(ear, call_id if free else None, timeouts=self._timeouts)
        except Exhausted as full:
            if request.supports_load_limit:
                raise LoadLimit("shutting down" if self.draining else "Parallel session limit reached") from full
            raise

    def _plan_offer(self, request: Description, received: Sdp, call: Call, party: Party, leg: FarLeg | None, name: str) -> Plan:
        refused = leg is not None and party.other in leg.no_ice
        return plan_offer(
            request,
            received.style,
            call.style(party.other, name) if leg is not None else None,
            offered=[each.codec for media in received.medias for each in media.formats],
            ice_refused=refused,
            suite=call.suite(party.other, name) if leg is not None and request.sdes.static else "",
            interfaces=self._settings.interfaces.keys(),
            loop_mark=self._mark,
            family=_family(received),
        )

    def _take_turn(self, call: Call, place: Place[Call]) -> None:
        """
        Take back offers of the other side that still wait. For an offer of party B those are A's to all branches: who lost a fork, or
        refused a re-INVITE, is not told to us by every proxy.

        Deviation: this would be glare (RFC 3261 §14.1), which the proxies' ends sort out between themselves by 491.
        """
        for name in call.branches:
            if call.pending_of(name) is place.party.other:
                call.reject(name)

    # --- answers -----------------------------------------------------------------------------------------------------------------------

    def _answer(self, request: Description, received: Sdp, warnings: list[str]) -> str:
        place = self._dialogs.for_answer(request.identity)
        text, frozen = self._take_answer(place, request, received, warnings)
        if frozen:
            self.give_back(place)
        return text

    def give_back(self, place: Place[Call]) -> None:
        """Who answered finally has the media again, whoever answered on the leg since."""
        assert place.leg is not None
        answer = place.leg.final
        if answer is not None:
            place = replace(place, tag=answer.identity.to_tag)
            self._take_answer(place, answer, _described(answer.sdp), [])

    def _take_answer(self, place: Place[Call], request: Description, received: Sdp, warnings: list[str]) -> tuple[str, bool]:
        """Return the answer for the offerer, and whether another one is frozen, which must have the media again."""
        leg, call = place.leg, place.dialog.call
        assert leg is not None
        asked = call.style(place.party, place.name)
        plan = plan_answer(
            request,
            received.style,
            call.style(place.party.other, place.name),
            offer=leg.offer,
            agreed=leg.policy,
            suite=call.suite(place.party.other, place.name),
            interfaces=self._settings.interfaces.keys(),
            loop_mark=self._mark,
        )
        text = call.answer(
            place.party,
            received,
            branch=place.name,
            tag=place.tag,
            passing=plan.passing,
            policy=plan.policy,
            style=plan.to,
            here=plan.here,
            there=plan.there,
        )
        warnings.extend(plan.warnings)
        if asked is not None and asked.ice and not any(received.tagged(media).ufrag for media in received.medias):
            leg.no_ice.add(place.party)
        frozen = self._dialogs.answered(place, request.identity, request)
        self._block_dtmf(request, call, place)
        return text, frozen

    # --- trickled candidates -----------------------------------------------------------------------------------------------------------

    def _fragment(self, request: Description) -> str:
        """Pass a trickle fragment to the call. The receiver gets one in any case: a proxy takes a reply without a body for a failure."""
        place = self._dialogs.for_answer(request.identity) if request.answer else self._dialogs.for_offer(request.identity)
        if place is None or place.leg is None:
            raise NgError("Unknown call-id", "call-id")
        return place.dialog.call.fragment(place.party, request.sdp, place.name) or NOTHING_MORE

    # --- what is remembered ------------------------------------------------------------------------------------------------------------

    def _keep(
        self, dialog: Dialog[Call], leg: FarLeg, request: Description, plan: Plan, source: Address | None, warnings: list[str]
    ) -> None:
        warnings.extend(plan.warnings)
        leg.offer, leg.policy = request, plan.policy
        dialog.metadata = request.metadata or dialog.metadata
        if request.dtmf_log is not None:
            if self._notices.allows(request.dtmf_log[0], source):
                dialog.dtmf_log = request.dtmf_log
            else:
                warnings.append(f"DTMF-log-dest {request.dtmf_log[0]} is not allowed; ng.acl names who may be told")
        if request.timeout_url or not dialog.callback:
            try:
                dialog.callback = self._notices.callback_url(request.timeout_url, source)
                dialog.callback_named = bool(request.timeout_url)
            except ValueError as error:
                warnings.append(f"xmlrpc-callback: {error}")

    def _block_dtmf(self, request: Description, call: Call, place: Place[Call]) -> None:
        if request.block_dtmf:
            call.block(place.party, Block.DTMF, True, branch=place.name if place.party is Party.B else None)


def _described(sdp: str) -> Sdp:
    try:
        received = describe(sdp)
    except SdpError as error:
        raise NgError("Failed to parse SDP", "sdp") from error
    for media in received.medias:
        if not media.rejected and not media.host and (media.protocol is not None or media.raw):
            missing = SdpError(f"there is no c= for m={media.kind}", media.line, media.line_number)
            raise NgError("Incomplete SDP specification", "sdp") from missing
    return received


def _family(received: Sdp) -> str:
    """`IP4` or `IP6`, where the sender says so: with ICE it has many addresses, and c= is only one of them."""
    told = next((media.address[0] for media in received.medias if media.address is not None and not received.tagged(media).ufrag), "")
    return "IP6" if ":" in told else "IP4" if told.replace(".", "").isdigit() else ""


def _edited(text: str, request: Description, warnings: list[str]) -> str:
    """Return our text with the edits that the request asks for (`sdp-attr`); unedited when they would make it unreadable."""
    if not request.sdp_edits:
        return text
    try:
        return edit(text, request.sdp_edits)
    except SdpError as error:
        warnings.append(f"sdp-attr: {error}")
        return text


def _check_names(request: Description) -> None:
    who = request.identity
    names = {"call-id": who.call_id, "from-tag": who.from_tag, "to-tag": who.to_tag, "via-branch": who.via_branch, "label": who.set_label}
    for key, value in names.items():
        if len(value) > LONGEST_NAME:
            raise NgError(f"{key} is longer than {LONGEST_NAME} characters", key)
