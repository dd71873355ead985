"""A transfer to somebody who is called for it: the call goes on until the target has answered, and after that with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boringsdp import logs
from boringsdp.b2bua import headers
from boringsdp.b2bua.bridge.dialing import Dialing, Try
from boringsdp.b2bua.bridge.media import POLICY, read, written
from boringsdp.b2bua.bridge.outcome import Outcome
from boringsdp.b2bua.bridge.transfer_meeting import exchange_side, leave, lend_leg, part, return_leg, unwatch, watch
from boringsdp.b2bua.plan import Kind
from boringsdp.call import Call, LegOptions, Party, Timeouts
from boringsdp.errors import BoringError, SdpError
from boringsdp.sip.session import events as sip

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.bridge import Bridge
    from boringsdp.b2bua.bridge.side import Side
    from boringsdp.b2bua.bridge.transfer import Transfers
    from boringsdp.b2bua.plan import Attempt, Plan
    from boringsdp.sip.facades import Refer, Session

NOT_ACCEPTABLE = 488
REQUEST_PENDING = 491
log = logs.bind("b2bua")


class Blind:
    """
    One REFER that is carried out here; `dialing.Caller`. `leaves` has asked for it, `stays` is to go on with the target.

    The target is offered what `stays` can do, who is not asked before there is an answer. Who asks may hang up at any time: then `stays`
    waits, and hears early media. When nobody answers, the call goes on as it was; or ends, if nobody is left in it.
    """

    def __init__(self, home: Transfers, bridge: Bridge, leaves: Side, stays: Side, refer: Refer) -> None:
        self._home = home
        self._bridge = bridge
        self._leaves = leaves
        self._stays = stays
        self._refer = refer
        self._left = False
        self._rang = False
        self._over = False
        self._ringing: Call | None = None
        """The target's legs, and that of `stays` once it is alone."""
        self._dialing: Dialing | None = None
        self._taken: Session | None = None
        """The target's, once it has answered."""
        self.guard = bridge.guard

    def start(self, plan: Plan, ring_s: float | None) -> None:
        """Call whom the plan names."""
        bridge = self._bridge
        if self._over:
            return
        try:
            self._ringing = bridge.desk.calls.create(_nobody, timeouts=Timeouts(answer_s=0.0, media_s=0.0))
        except BoringError:
            self.refuse(503)
            return
        self._refer.accept()
        watch(bridge, self._leaves, self._hear)
        desk = bridge.desk
        self._dialing = Dialing(self, desk, plan, bridge.notes, ring_s=desk.settings.ring_s if ring_s is None else ring_s)
        self._dialing.start()

    def refuse(self, code: int, reason: str = "") -> None:
        """Nobody can be called."""
        if not self._over:
            self._refer.reject(code, reason)
            self._end()

    def stop(self) -> None:
        """The call is over: who stays has hung up, or its media has failed."""
        if self._over:
            return
        if self._dialing is not None:
            self._dialing.stop(headers.reason(487, "Transferred call has ended"))
        self._refer.reject(487)
        self._end()
        if self._taken is not None:
            part(self._taken, self._leaves.session)

    @property
    def called(self) -> tuple[Side, ...]:
        """The targets that ring."""
        return () if self._dialing is None else tuple(tried.side for tried in self._dialing.tries)

    def lost(self, side: Side) -> bool:
        """A target is given up; who has asked is as good as gone."""
        dialing = self._dialing
        if dialing is None or self._over:
            return False
        if side is self._leaves:
            side.session.hang_up(headers.reason(200, "browser lost"))  # what it tells of that comes to `_hear`
            return True
        tried = next((tried for tried in dialing.tries if tried.side is side), None)
        if tried is not None:
            dialing.lose(tried, 480, "browser lost")
        return tried is not None

    # --- who asked --------------------------------------------------------------------------------------------------------------------

    def _hear(self, side: Side, event: Any) -> bool:
        """Take the end of the one who asked: the call does not end with it. Who is alone cannot agree on anything."""
        if self._over:
            return False
        if side is self._stays and isinstance(event, sip.OfferReceived):
            side.session.refuse(REQUEST_PENDING, tag=event.tag)
            return True
        if side is not self._leaves or not isinstance(event, sip.Ended | sip.Failed):
            return False
        self._left = True
        self._bridge.changes.left(side)
        self._home.when_free((self._bridge,), self._wait)
        return True

    def _wait(self) -> None:
        """Who stays is alone now: it is put to where the target's early media comes."""
        bridge, ringing = self._bridge, self._ringing
        if self._over or ringing is None:
            return
        try:
            lend_leg(bridge, self._stays, ringing)
            watch(bridge, self._stays, self._hear)
        except BoringError as error:
            log.info("nobody hears how the target rings", extra={"call": bridge.notes.id, "reason": str(error)})

    # --- the target (`dialing.Caller`) ------------------------------------------------------------------------------------------------

    def sdp_for(self, attempt: Attempt, branch: str) -> bytes | None:
        """The offer for a new branch: what who stays can do."""
        if self._ringing is None:
            return None
        call, party = (self._ringing, Party.A) if self._left_behind else (self._bridge.call, self._stays.party)
        family = "" if attempt.kind is Kind.BROWSER else attempt.account.family(attempt.uri)
        able = call.alone.ability(party, "" if self._left_behind else self._bridge.branch)
        there = LegOptions(family=family)
        return written(self._ringing.alone.invite(able, attempt.style, policy=POLICY, branch=branch, there=there))

    def trying(self, tried: Try, event: Any) -> None:
        """Tell who asked that it rings, and let who is alone hear it."""
        match event:
            case sip.Ringing() if not self._rang:
                self._rang = True
                self._refer.notify(180)
            case sip.EarlyMedia(sdp) if self._left_behind and self._ringing is not None:
                try:
                    self._ringing.alone.settle(Party.B, read(sdp), branch=tried.side.branch)
                except BoringError as error:
                    log.info("early media cannot be served", extra={"call": self._bridge.notes.id, "reason": str(error)})
            case sip.OfferReceived(tag=tag):
                tried.side.session.refuse(REQUEST_PENDING, tag=tag)

    def dropped(self, tried: Try) -> None:
        """A branch is of no use any more."""
        if self._ringing is not None and tried.side.branch in self._ringing.branches:
            self._ringing.drop_branch(tried.side.branch)

    def taken(self, tried: Try, event: sip.Answered) -> None:
        """The target has answered."""
        bridge, session, ringing = self._bridge, tried.side.session, self._ringing
        self._taken = session
        session.hear = bridge.guard(lambda news: self._hear_target(tried, news))
        try:
            if event.sdp is None or ringing is None:
                raise SdpError("no SDP in the answer")
            ringing.alone.settle(Party.B, read(event.sdp), branch=tried.side.branch)
        except BoringError as error:
            self._taken = None
            session.hang_up(headers.reason(NOT_ACCEPTABLE, str(error)))
            self.given_up(Outcome(NOT_ACCEPTABLE, "Not Acceptable Here", tried.attempt))
            return
        self._home.when_free((bridge,), lambda: self._put(tried))

    def given_up(self, outcome: Outcome) -> None:
        """Nobody has answered: the call goes on as it was, if somebody is left."""
        if self._over:
            return
        log.info("transfer failed", extra={"call": self._bridge.notes.id, "code": outcome.code, "reason": outcome.reason})
        self._refer.notify(max(outcome.code, 300), outcome.response.reason if outcome.response is not None else "")
        left = self._left
        self._end()
        if left:
            self._bridge.hang_up("transfer failed", code=480, lines=headers.reason(outcome.code, "Transfer failed"))

    # --- the end ----------------------------------------------------------------------------------------------------------------------

    @property
    def _left_behind(self) -> bool:
        """Whether who stays is alone, and where the target rings."""
        return self._ringing is not None and bool(self._ringing.style(Party.A))

    def _hear_target(self, tried: Try, event: Any) -> None:
        """Between its answer and its place in the call."""
        if isinstance(event, sip.Ended) and not self._over:
            self._taken = None
            self.given_up(Outcome(480, "", tried.attempt))

    def _put(self, tried: Try) -> None:
        """Give the target the place of who asked."""
        bridge, ringing, side = self._bridge, self._ringing, tried.side
        if self._over or ringing is None:
            side.session.hang_up()
            return
        try:
            joined = exchange_side(bridge, self._leaves, side.session, ringing.hand_over(Party.B, side.branch), like=side)
        except BoringError as error:
            self._taken = None
            side.session.hang_up(headers.reason(500, str(error)))
            self.given_up(Outcome(500, "", tried.attempt))
            return
        if self._left_behind:
            return_leg(bridge, self._stays, ringing.hand_over(Party.A))
        bridge.notes.transferred_to = side.session.remote_uri
        leave(self._refer, self._leaves.session)
        self._refer.notify(200)
        log.info("call transferred", extra={"call": bridge.notes.id, "to": joined.session.remote_uri})
        self._end()
        self._home.meet(bridge, self._stays)

    def _end(self) -> None:
        self._over = True
        bridge, ringing = self._bridge, self._ringing
        for side in (self._leaves, self._stays):
            if side in (bridge.caller, bridge.callee):
                unwatch(bridge, side)
        if ringing is not None:
            ringing.close()
        self._home.done(bridge, self)


def _nobody(_event: Any) -> None:
    """Hears what concerns nobody any more."""
