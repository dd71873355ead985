"""Calls that the gateway itself answers: who calls hears, and sees, what it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from boringsdp import logs
from boringsdp.b2bua import headers
from boringsdp.b2bua.bridge.media import POLICY, read, read_keyed, written
from boringsdp.b2bua.bridge.side import Side
from boringsdp.b2bua.plan import Kind
from boringsdp.call import CallClosed, CallEvent, Party
from boringsdp.errors import BoringError, SdpError
from boringsdp.sdp import WEBRTC
from boringsdp.sip import account as told
from boringsdp.sip.session import events as sip

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.notes import Notes
    from boringsdp.b2bua.record import CallRecord
    from boringsdp.b2bua.settings import B2buaSettings
    from boringsdp.call import Call, Calls
    from boringsdp.call.leg import Leg
    from boringsdp.sip.facades import Session

NOT_ACCEPTABLE = 488
log = logs.bind("b2bua")


class EchoDesk(Protocol):
    """What such a call needs of the front."""

    settings: B2buaSettings
    calls: Calls

    def echo_over(self, call: EchoCall, record: CallRecord) -> None:
        """The call has ended."""


class EchoCall:
    """One dialog, with nobody across."""

    def __init__(self, desk: EchoDesk, session: Session, notes: Notes, kind: Kind) -> None:
        """`session` is a call that came in, not answered yet; `kind` says who calls. Raises `Exhausted`."""
        self._desk = desk
        self._notes = notes
        self._over = False
        self._loop = asyncio.get_running_loop()
        self._max_timer: asyncio.TimerHandle | None = None
        self.caller = Side(session, kind, Party.A, WEBRTC)
        self.call: Call = desk.calls.create(self._hear_call)
        notes.dialog(session.call_id)

    @property
    def sides(self) -> tuple[Side, ...]:
        """The one who calls."""
        return (self.caller,)

    def start(self) -> None:
        """Answer the call."""
        self._guarded(self._start)

    def _start(self) -> None:
        session, offer = self.caller.session, self.caller.session.core.sdp
        try:
            if offer is None:
                raise SdpError("no SDP, and an echo makes no offer")
            answer = self._answer(offer)
            session.hear = self._hear
            if session.over:
                return
            self._notes.answer(session.local_uri, Kind.ECHO, session.call_id)
            session.accept(answer)
        except BoringError as error:
            self._finish("gateway", "refused", NOT_ACCEPTABLE)
            if not session.over:
                session.reject(NOT_ACCEPTABLE, "", headers.warning(str(error)))
            return
        self._answered()

    def take_over(self, leg: Leg) -> None:
        """Go on with the dialog and the leg of a call that was transferred here. Raises BoringError."""
        session = self.caller.session
        session.hear = self._hear
        self._notes.answer(session.local_uri, Kind.ECHO, session.call_id)
        self.call.take_over(Party.A, leg, echo=True)
        self._answered()
        with suppress(BoringError):
            session.offer(None)  # what it can do: it may have been on hold

    def _answered(self) -> None:
        log.info("call answered by the echo", extra={"call": self._notes.id, "caller": self._notes.caller})
        if self._desk.settings.max_call_s:
            self._max_timer = self._loop.call_later(self._desk.settings.max_call_s, lambda: self.hang_up("maximum time", code=200))

    def hang_up(self, reason: str, *, code: int = 487) -> None:
        """End the call; `reason` is for the record and for who called."""
        if self._over:
            return
        self._finish("gateway", reason, code)
        self.caller.session.hang_up(headers.reason(code, reason), code=code)

    def lost(self, side: Side) -> None:
        """The browser is gone for good."""
        self.hang_up("browser lost", code=480)

    def _answer(self, offer: bytes) -> bytes:
        read_offer = read_keyed if self.caller.kind is Kind.BROWSER else read
        return written(self.call.echo(read_offer(offer), POLICY))

    def _guarded(self, act: Callable[..., None], *args: Any) -> None:
        """What `act` raises ends the call, with a record."""
        try:
            act(*args)
        except Exception:
            log.exception("a call failed here", extra={"call": self._notes.id})
            self.hang_up("failed here", code=500)

    def _hear(self, event: Any) -> None:
        self._guarded(self._take, event)

    def _take(self, event: Any) -> None:
        match event:
            case sip.Cancelled(request):
                self._finish("caller", "cancelled", 487, headers.reasons_of(request))
            case sip.Ended(by, code, reason, message):
                remote = by is sip.By.REMOTE
                lines = headers.reasons_of(message)
                self._finish("caller" if remote else "gateway", "bye" if remote and code == 200 else reason or "dialog lost", code, lines)
            case sip.Failed(code, reason):
                self._finish("gateway", reason or "refused", code)
            case sip.OfferReceived():
                self._reoffered(event)
            case told.ReferReceived(refer=refer):
                refer.reject(403, "The Echo Calls Nobody")

    def _reoffered(self, event: sip.OfferReceived) -> None:
        session = self.caller.session
        try:
            if event.sdp is None:
                raise SdpError("no SDP, and an echo makes no offer")
            session.answer(self._answer(event.sdp), tag=event.tag)
        except BoringError as error:
            session.refuse(NOT_ACCEPTABLE, headers=headers.warning(str(error)), tag=event.tag)

    def _hear_call(self, event: CallEvent) -> None:
        if isinstance(event, CallClosed):  # told while commands are on their way: it waits its turn
            self._loop.call_soon(lambda: self.hang_up(f"media: {event.reason}", code=500))
        elif not self._over:
            self._notes.media = self.call.statistics()  # there are no figures once it is closed

    def _finish(self, ended_by: str, reason: str, code: int, lines: headers.Lines = ()) -> None:
        if self._over:
            return
        self._over = True
        if self._max_timer is not None:
            self._max_timer.cancel()
        statistics = self.call.statistics()
        self._notes.media = statistics if statistics["legs"] else self._notes.media
        self.call.close(reason)
        header = next((value for name, value in lines if name == "Reason"), "")
        self._desk.echo_over(self, self._notes.close(code=code, ended_by=ended_by, reason=reason, reason_header=header))
