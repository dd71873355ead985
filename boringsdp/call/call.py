"""The call: two legs joined. Offers and answers come in as text and go out as text for the other party; media follows by itself."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boringsdp import logs
from boringsdp.call.events import CallClosed, CallEvent, CallTimedOut, LegClosed, LegFailed, LegMediaTimeout, Party
from boringsdp.call.leg import MID_EXTENSION, Leg
from boringsdp.call.negotiation import Negotiation, State
from boringsdp.call.options import UNCHANGED, Block, LegOptions, Timeouts
from boringsdp.call.report import CallReport
from boringsdp.call.settings import CallSettings
from boringsdp.dtls import usable_fingerprints
from boringsdp.errors import BoringError, DtlsError, SdpError, WrongState, without_keys
from boringsdp.relay import Relay, RouteRules
from boringsdp.sdp import (
    DEFAULT_POLICY,
    CodecPolicy,
    Description,
    Exchange,
    LegMemory,
    LegStyle,
    Media,
    MediaPlan,
    accept_answer,
    accept_offer,
    describe,
    draft_answer,
    draft_offer,
    payload_type_map,
    withdraw,
)
from boringsdp.sdp.passing import OWN_TEXT, Passing


@dataclass(slots=True, frozen=True)
class _Exchange:
    """The exchange under way or last completed: what each leg's memory and style were before it, and what a further answer starts from."""

    before: dict[Party, tuple[LegMemory, LegStyle]]
    offered: dict[Party, LegMemory]
    policy: CodecPolicy


class _Shape(enum.Enum):
    """How the legs of a call are joined; decided by its first offer."""

    UNDECIDED = "undecided"
    PAIR = "pair"
    ECHO = "echo"


class Call:
    """
    Made by `Calls.create`. The owner hears `CallEvent`s until `CallClosed`, which is the last.

    SDPs come as text, or as what `sdp.describe` made of it. Every command raises `SdpError` for an SDP that cannot be served, `WrongState`
    out of turn, `Exhausted` when ports or transports are used up, and then the call is what it was before. All work is done when a command
    returns; nothing waits.
    """

    def __init__(
        self,
        call_id: str,
        relay: Relay,
        settings: CallSettings,
        owner: Callable[[CallEvent], None],
        ended: Callable[[Call], None],
        timeouts: Timeouts | None = None,
    ) -> None:
        self.id = call_id
        self._relay = relay
        self._settings = settings
        self._owner = owner
        self._ended = ended
        self._log = logs.bind("call", call=call_id)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._negotiation = Negotiation(settings.answer_timeout_s)
        self._legs: dict[Party, Leg] = {}
        self._shape = _Shape.UNDECIDED
        self._exchange: _Exchange | None = None
        self._branches: dict[str, LegMemory] = {}
        self._blocked: set[tuple[Party, str]] = set()
        self._timer: asyncio.TimerHandle | None = None

    # --- state -------------------------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self._negotiation.state

    @property
    def pending(self) -> Party | None:
        """Whose offer waits for an answer."""
        return self._negotiation.pending

    @property
    def branches(self) -> tuple[str, ...]:
        """The far legs (party B), in the order in which they came."""
        return ("",) if Party.B in self._legs else ()

    @property
    def current(self) -> str | None:
        """The branch whose media is in force; None before the first answer."""
        return "" if self._branches else None

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that have answered the last offer, in order; the last is in force."""
        return tuple(self._branches)

    def options(self, party: Party, branch: str = "") -> LegOptions:
        """The options in force of a leg."""
        return LegOptions()

    def style(self, party: Party, branch: str = "") -> LegStyle | None:
        """What `party` speaks, None when it has no leg yet."""
        leg = self._legs.get(party)
        return None if leg is None else leg.style

    def uses_sdes(self, party: Party) -> bool:
        """True when the last SDP of `party` carried usable crypto lines."""
        leg = self._legs.get(party)
        received = None if leg is None else leg.memory.received
        return received is not None and any(media.cryptos for media in received.medias)

    # --- commands ----------------------------------------------------------------------------------------------------------------------

    def offer(
        self,
        party: Party,
        sdp: str | Description,
        to: LegStyle,
        policy: CodecPolicy = DEFAULT_POLICY,
        *,
        passing: Passing = OWN_TEXT,
        branch: str = "",
        here: LegOptions = UNCHANGED,
        there: LegOptions = UNCHANGED,
        tag: str = "",
    ) -> str:
        """
        Take an offer (or re-offer) of `party` and return the offer for the other party.

        `to` is what the other party speaks (`style` gives what it was). An offer that replaces a pending one of the same party takes that
        one back, also when it is then refused itself. Raises `WrongState` on glare.
        """
        self._negotiation.check_offer(party)
        self._take_shape(_Shape.PAIR)
        received = self._read(sdp)
        self._leg(party, received.style).check_families(received)
        self._take_back_pending()
        source, target = self._leg(party, received.style), self._leg(party.other, to)
        before = {leg.party: (leg.memory, leg.style) for leg in (source, target)}
        target.style = to
        try:
            heard = accept_offer(source.memory, received, source.demands)
            draft = draft_offer(target.memory, to, heard, policy)
            written = draft.write(target.prepare(draft.needs))
        except BoringError:
            target.style = before[target.party][1]
            target.prune()
            raise
        source.memory, target.memory = heard, written.memory
        self._exchange = _Exchange(before, {party: heard, party.other: written.memory}, policy)
        self._branches.clear()
        self._negotiation.offer(party, self._loop.time())
        self._arm()
        self._show("offer", party, received, written.text)
        return written.text

    def answer(
        self,
        party: Party,
        sdp: str | Description,
        *,
        branch: str = "",
        tag: str = "",
        passing: Passing = OWN_TEXT,
        policy: CodecPolicy | None = None,
        style: LegStyle | None = None,
        here: LegOptions = UNCHANGED,
        there: LegOptions = UNCHANGED,
    ) -> str:
        """
        Take the answer of `party` to the other party's offer, put it into force and return the answer for the other party.

        A forked offer may be answered several times, each time under another `tag` (a To tag): the latest answer is in force. The same
        tag may answer again (183, then 200). A first answer that refuses every m-line is an `SdpError`: tell the offerer no (SIP 488).
        """
        self._negotiation.check_answer(party)
        exchange = self._exchange
        if exchange is None:  # the last offer was taken back; what was in force before stays in force
            raise WrongState(self.state.value, "an offer to answer")
        answerer, offerer = self._legs[party], self._legs[party.other]
        received = self._read(sdp, ice=answerer.style.ice)
        answerer.check_families(received, answer=True)
        heard = accept_answer(self._branches.get(tag, exchange.offered[party]), received)
        if self.state is State.OFFERED and not any(slot.live for slot in heard.slots):
            refused = received.medias[0]
            raise SdpError("the answer accepts no m-line of the offer, the call would be silent", refused.line, refused.line_number)
        asked = offerer.memory
        if self.pending is None:
            heard = answerer.carried(heard)
            asked = withdraw(exchange.offered[party.other], asked)
        try:
            draft = draft_answer(asked, heard, exchange.policy, offerer.demands)
            written = draft.write(offerer.prepare(draft.needs))
        except BoringError:
            if self.pending is not None:
                offerer.prune()
            raise
        answerer.memory, offerer.memory = heard, written.memory
        self._branches[tag] = heard
        self._negotiation.answer(party, self._loop.time())
        self._arm()
        self._put_into_force()
        self._show("answer", party, received, written.text)
        return written.text

    def reject(self, branch: str = "") -> None:
        """The pending offer was refused elsewhere (488, 491): what was in force before stays in force. Raises `WrongState` without one."""
        self._negotiation.reject(self._loop.time())
        self._restore_before()
        self._arm()

    def echo(self, sdp: str | Description, policy: CodecPolicy = DEFAULT_POLICY) -> str:
        """Take an offer of party A and return the answer that sends it back its own media. First offer or re-offer."""
        self._negotiation.check_offer(Party.A)
        self._take_shape(_Shape.ECHO)
        received = self._read(sdp)
        leg = self._leg(Party.A, received.style)
        leg.check_families(received)
        try:
            heard = accept_offer(leg.memory, received, leg.demands)
            draft = draft_answer(heard, None, policy, leg.demands)
            written = draft.write(leg.prepare(draft.needs))
        except BoringError:
            leg.prune()
            raise
        leg.memory = written.memory
        now = self._loop.time()
        self._negotiation.offer(Party.A, now)
        self._negotiation.answer(Party.B, now)
        self._put_into_force()
        self._show("offer", Party.A, received, written.text)
        return written.text

    def set_direction(self, party: Party, *, audio: bool | None = None, video: bool | None = None) -> None:
        """Let media of `party` through (True) or hold it back (False), by kind, without touching the SDP; None leaves a kind as it is."""
        for kind, through in (("audio", audio), ("video", video)):
            if through is True:
                self._blocked.discard((party, kind))
            elif through is False:
                self._blocked.add((party, kind))
        self._join()

    def drop_branch(self, branch: str) -> None:
        """Close a far leg; when its media was in force, that of the latest other branch that has answered is now, if any."""
        raise WrongState("not built", "a branch")

    def block(self, party: Party, what: Block, on: bool, *, branch: str | None = None, towards: str | None = None) -> None:
        """
        Hold back (or let through again) what `party` sends, whatever is agreed.

        For party B `branch` limits it to one far leg, for party A `towards` to what goes to one; None: all of them, also later ones.
        """
        raise WrongState("not built", "blocks")

    def fragment(self, party: Party, sdpfrag: str, branch: str = "") -> str:
        """Take a trickle ICE fragment (RFC 8840) of `party` and return the one for the other side, empty when it needs none."""
        raise WrongState("not built", "fragments")

    def request_key_frame(self, party: Party) -> None:
        """Ask `party` for a key frame of each of its video streams."""
        if (leg := self._legs.get(party)) is not None:
            for stream in leg.streams.values():
                stream.request_key_frame()

    def send_dtmf(self, party: Party, digits: str, duration_ms: int = 100, gap_ms: int = 50, volume_dbm0: int = -10) -> int:
        """Send digits to `party` as telephone-events of our own; returns how many were queued, 0 when it takes none."""
        leg = self._legs.get(party)
        audio = [stream for stream in leg.streams.values() if stream.rules.kind == "audio"] if leg is not None else []
        return audio[0].send_dtmf(digits, duration_ms) if audio else 0

    def close(self, reason: str = "closed") -> None:
        """End the call: ports go to rest, `CallClosed` is the last event. Closing twice is nothing."""
        if self.state is State.CLOSED:
            return
        self._log.info("call ended", extra={"reason": reason, "seconds": round(self._loop.time() - self._began, 1)})
        self._negotiation.close(self._loop.time())
        self._arm()
        for leg in self._legs.values():
            leg.close()
        self._ended(self)
        self._owner(CallClosed(reason))

    # --- records -----------------------------------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, Any]:
        """Plain values: states, and for each party its streams with packets, loss, jitter, round trip, level and MOS both ways."""
        return {
            "call_id": self.id,
            "state": self.state.value,
            "legs": {party.value: leg.statistics() for party, leg in self._legs.items()},
        }

    def report(self) -> CallReport:
        """What the call is and how it fares, for people, proxies and records."""
        return CallReport(call_id=self.id, created=0.0, last_signal=0.0, state=self.state.value)

    def record(self) -> dict[str, Any]:
        """The call's whole state as plain JSON-able values. A secret: it holds keys and passwords."""
        return {
            "call_id": self.id,
            "state": self.state.value,
            "shape": self._shape.value,
            "offerer": None if self._negotiation.offerer is None else self._negotiation.offerer.value,
            "branches": {name: memory.to_record() for name, memory in self._branches.items()},
            "legs": {party.value: leg.record() for party, leg in self._legs.items()},
        }

    # --- how it is done ----------------------------------------------------------------------------------------------------------------

    def _take_shape(self, shape: _Shape) -> None:
        if self._shape not in (_Shape.UNDECIDED, shape):
            raise WrongState(f"joined as {self._shape.value}", shape.value)
        self._shape = shape

    def _read(self, sdp: str | Description, *, ice: bool = True) -> Description:
        """Return the typed view of what a party sent, if the gateway may send where it points. `ice`: it may be served by ICE."""
        received = describe(sdp) if isinstance(sdp, str) else sdp
        self._settings.destinations.check(received, ice=ice)
        for media in received.medias:
            if media.fingerprints:
                _check_fingerprints(media)
        return received

    def _show(self, what: str, party: Party, received: Description, written: str) -> None:
        """Log at debug what came and what we wrote for it, keys masked."""
        if self._log.isEnabledFor(logging.DEBUG):
            self._log.debug(what, extra={"party": party.value, "received": without_keys(received.text), "written": without_keys(written)})

    def _leg(self, party: Party, style: LegStyle) -> Leg:
        leg = self._legs.get(party)
        if leg is None:
            leg = self._legs[party] = Leg(party, self._relay, style, self._settings, self._hear)
        elif leg.memory.exchange is Exchange.NEW:  # nothing came of what it was made for
            leg.style = style
        return leg

    def _take_back_pending(self) -> None:
        if self.pending is not None:
            self.reject()

    def _restore_before(self) -> None:
        """Undo the exchange that found no answer; o= versions go on, for the peers have seen them."""
        if self._exchange is None:
            return
        for party, (memory, style) in self._exchange.before.items():
            leg = self._legs[party]
            leg.memory, leg.style = withdraw(memory, leg.memory), style
            leg.prune()
        self._exchange = None

    def _put_into_force(self) -> None:
        first = not any(leg.plans for leg in self._legs.values())
        for leg in self._legs.values():
            leg.apply()
        self._join()
        if first:
            protocols = {party.value: leg.style.protocol.value for party, leg in self._legs.items()}
            self._log.info("call answered", extra={**protocols, "setup_ms": round((self._loop.time() - self._began) * 1e3)})

    def _join(self) -> None:
        """Route every stream of one leg to its counterpart."""
        if self._shape is _Shape.ECHO:
            leg = self._legs[Party.A]
            for plan in leg.plans:
                if plan.accepted:
                    self._route(leg, plan, leg, plan)
            return
        for party in self._legs.keys() & {p.other for p in self._legs}:
            source, target = self._legs[party], self._legs[party.other]
            for plan in source.plans:
                other = next((p for p in target.plans if p.slot == plan.counterpart), None)
                if plan.accepted and other is not None and other.accepted:
                    self._route(source, plan, target, other)

    def _route(self, source: Leg, plan: MediaPlan, target: Leg, other: MediaPlan) -> None:
        mapping = payload_type_map(plan, other)
        there = other.extension_ids
        mid = there.get(MID_EXTENSION)
        self._relay.connect(
            source.streams[plan.slot],
            target.streams[other.slot],
            RouteRules(
                payload_types=mapping.codecs,
                telephone_events=mapping.events,
                extensions={number: there[uri] for uri, number in plan.extensions if uri in there and uri != MID_EXTENSION},
                constant_extensions={mid: other.mid.encode()} if mid is not None and other.mid else {},
                enabled=plan.receive and other.send and (source.party, plan.kind) not in self._blocked,
            ),
        )

    def _hear(self, event: CallEvent) -> None:
        """Pass a leg's news to the owner; a leg that is gone, or silent for too long, ends the call."""
        if self.state is State.CLOSED:
            return
        self._owner(event)
        match event:
            case LegFailed(_, reason) | LegClosed(_, reason):
                self.close(reason)
            case LegMediaTimeout() if self._settings.close_on_media_timeout:
                self.close("media-timeout")
            case _:
                pass

    def _arm(self) -> None:
        """Keep one timer for the negotiation's deadline."""
        if self._timer is not None:
            self._timer.cancel()
        at = self._negotiation.deadline()
        self._timer = None if at is None else self._loop.call_at(at, self._wake, at)

    def _wake(self, at: float) -> None:
        for expired in self._negotiation.tick(max(at, self._loop.time())):
            self._restore_before()
            self._owner(CallTimedOut("answer", expired.after))
            if self.state is State.IDLE:
                self.close("no-answer")
        self._arm()


def _check_fingerprints(media: Media) -> None:
    """Raise `SdpError` when none of the m-line's fingerprints can identify a peer (RFC 8122 §5)."""
    try:
        usable_fingerprints((each.hash, each.value) for each in media.fingerprints)
    except DtlsError as error:
        raise SdpError(f"m={media.kind}: {error}", f"a=fingerprint:{media.fingerprints[0]}") from error
