"""An INVITE with Replaces (RFC 3891): somebody takes the place of one side of a call, and the other side stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boringsdp import logs
from boringsdp.b2bua import headers
from boringsdp.b2bua.bridge.media import POLICY, read, read_keyed, written
from boringsdp.b2bua.bridge.side import Side
from boringsdp.b2bua.bridge.transfer_meeting import exchange_side, lend_leg, part, return_leg, unwatch, watch
from boringsdp.b2bua.plan import Kind
from boringsdp.b2bua.planning import STYLES
from boringsdp.b2bua.settings import Mode
from boringsdp.call import Call, Party, Timeouts
from boringsdp.errors import BoringError, WrongState
from boringsdp.sdp import WEBRTC
from boringsdp.sip.session import events as sip

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.bridge import Bridge
    from boringsdp.b2bua.bridge.transfer import Transfers
    from boringsdp.b2bua.front import Front
    from boringsdp.b2bua.identity import Identity
    from boringsdp.sip.account import IncomingCall

NOT_ACCEPTABLE = 488
log = logs.bind("b2bua")


class Replacing:
    """
    One INVITE; `old` is whose place is taken, `stays` gets the new one's offer as a re-INVITE.

    Without an offer the new one is offered what `stays` can do. Until there is an answer the call is what it was, but for its media, which
    waits; then it goes on with the new one, or with the old one when somebody says no.
    """

    def __init__(
        self, home: Transfers, bridge: Bridge, old: Side, stays: Side, came: IncomingCall, who: Identity | None, front: Front
    ) -> None:
        self._home = home
        self._bridge = bridge
        self._old = old
        self._stays = stays
        self._came = came
        domain = who.domain if who is not None else None
        asked = front.asked_of(bridge)
        style = WEBRTC if who is not None or asked is None else STYLES[asked.domain.media]
        self._side = Side(
            came.session,
            Kind.PBX if who is None else Kind.BROWSER,
            old.party,
            style,
            binding=None if who is None else who.binding,
            passes_challenges=domain is not None and domain.mode is Mode.PASS_THROUGH,
            identity=who,
        )
        self._joining: Call | None = None
        self._asked = False
        """Whether `stays` has an offer of ours."""
        self._gone = False
        """Whether the new one has given up."""
        self._left = False
        """Whether the old one has hung up."""
        self._over = False
        came.session.hear = bridge.guard(self._hear_new)

    def start(self) -> None:
        """Begin, now that no offer waits in the call."""
        bridge, session, sdp = self._bridge, self._came.session, self._came.sdp
        if self._over or session.over:
            self._end()
            return
        watch(bridge, self._old, self._hear_old)
        watch(bridge, self._stays, self._hear_stays)
        try:
            self._joining = call = bridge.desk.calls.create(_nobody, timeouts=Timeouts(answer_s=0.0, media_s=0.0))
            if sdp is None:
                able = bridge.call.alone.ability(self._stays.party, bridge.branch)
                session.accept(written(call.alone.invite(able, self._side.style, policy=POLICY)))
                return
            style = self._stays.style
            lend_leg(bridge, self._stays, call)
            offer = read(sdp) if self._side.kind is Kind.PBX else read_keyed(sdp)
            self._stays.session.offer(written(call.offer(Party.B, offer, style, POLICY)))
            self._asked = True
        except BoringError as error:
            self._refuse(NOT_ACCEPTABLE, "", headers.warning(str(error)))

    def stop(self) -> None:
        """The call is over: who was to stay has hung up."""
        if not self._over:
            self._over = True
            self._came.session.hang_up(headers.reason(480, "The other side has ended"), code=480)
            part(self._old.session)  # whose place may be taken already, when that failed here
            self._close()

    @property
    def called(self) -> tuple[Side, ...]:
        """The new one."""
        return () if self._over else (self._side,)

    def lost(self, side: Side) -> bool:
        """Without the new one or the old one the call goes on with the other."""
        if self._over or side not in (self._side, self._old):
            return False
        side.session.hang_up(headers.reason(200, "browser lost"), code=480)  # what it tells of that is heard here
        return True

    # --- what they tell ---------------------------------------------------------------------------------------------------------------

    def _hear_new(self, event: Any) -> None:
        match event:
            case _ if self._over:
                return
            case sip.Cancelled() | sip.Ended() | sip.Failed():
                self._gone = True
                if not self._asked:
                    self._give_back()
            case sip.Confirmed(sdp) if sdp is not None and self._came.sdp is None:
                try:
                    assert self._joining is not None
                    self._joining.alone.settle(Party.B, read(sdp))
                    lend_leg(self._bridge, self._stays, self._joining)
                    self._put()
                    self._home.meet(self._bridge, self._stays)
                except BoringError as error:
                    self._came.session.hang_up(headers.reason(NOT_ACCEPTABLE, str(error)))
                    self._give_back()
            case sip.OfferReceived(tag=tag):
                self._came.session.refuse(491, tag=tag)

    def _hear_old(self, side: Side, event: Any) -> bool:
        """The call does not end with the one whose place is taken."""
        if self._over:
            return False
        if isinstance(event, sip.Ended | sip.Failed):
            self._left = True
            return True
        return self._refused_offer(side, event)

    def _hear_stays(self, side: Side, event: Any) -> bool:
        call = self._joining
        if self._over or call is None:
            return False
        match event:
            case sip.AnswerReceived(sdp) if self._asked:
                self._asked = False
                if self._gone:
                    self._give_back(renew=True)
                    return True
                try:
                    text = call.answer(Party.A, read(sdp))
                    self._came.session.accept(written(text))
                    self._put()
                except BoringError as error:
                    self._refuse(NOT_ACCEPTABLE, "", headers.warning(str(error)), renew=True)
            case sip.OfferRefused(code, reason) if self._asked:
                self._asked = False
                self._refuse(code if 400 <= code < 700 and code not in (401, 407) else NOT_ACCEPTABLE, reason)
            case _:
                return self._refused_offer(side, event)
        return True

    def _refused_offer(self, side: Side, event: Any) -> bool:
        if not isinstance(event, sip.OfferReceived):
            return False
        side.session.refuse(491, tag=event.tag)
        return True

    # --- how it ends ------------------------------------------------------------------------------------------------------------------

    def _put(self) -> None:
        """The new one is in the call."""
        bridge, call = self._bridge, self._joining
        assert call is not None
        exchange_side(bridge, self._old, self._came.session, call.hand_over(Party.B), like=self._side)
        return_leg(bridge, self._stays, call.hand_over(Party.A))
        bridge.notes.transferred_to = self._came.session.remote_uri
        if not self._left:
            self._old.session.hear = _nobody
            self._old.session.hang_up(headers.reason(200, "Replaced"))
        log.info("call taken over", extra={"call": bridge.notes.id, "by": self._came.session.remote_uri})
        self._end()

    def _refuse(self, code: int, reason: str, lines: headers.Lines = (), *, renew: bool = False) -> None:
        try:
            self._came.session.reject(code, reason, lines)
        except WrongState:
            self._came.session.hang_up(code=code)
        self._give_back(renew=renew)

    def _give_back(self, *, renew: bool = False) -> None:
        """The call goes on with the old one, who may be gone by now."""
        bridge, call = self._bridge, self._joining
        try:
            if call is not None and call.style(Party.A) is not None:
                if call.pending is not None:
                    call.reject()
                return_leg(bridge, self._stays, call.hand_over(Party.A))
        except BoringError as error:
            bridge.fail(self._stays, error)
            return
        left = self._left
        self._end()
        if left:
            bridge.hang_up("bye", lines=headers.reason(200, "bye"))
        elif renew:
            self._home.meet(bridge, self._stays)

    def _end(self) -> None:
        self._over = True
        for side in (self._old, self._stays):
            if side in (self._bridge.caller, self._bridge.callee):
                unwatch(self._bridge, side)
        self._close()
        self._home.done(self._bridge, self)

    def _close(self) -> None:
        if self._joining is not None:
            self._joining.close()


def _nobody(_event: Any) -> None:
    """Hears what concerns nobody any more."""
