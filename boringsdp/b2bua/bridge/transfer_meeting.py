"""Two who have just come together: one takes the place of another in a call, and both agree on their media anew."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from boringsdp import logs
from boringsdp.b2bua.bridge.media import POLICY, written
from boringsdp.b2bua.bridge.side import Side
from boringsdp.call import Party
from boringsdp.errors import BoringError, WrongState
from boringsdp.sip.notifier import NotifierEnded
from boringsdp.sip.session import events as sip

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.bridge import Bridge
    from boringsdp.b2bua.bridge.transfer import Transfers
    from boringsdp.b2bua.identity import Identity
    from boringsdp.call import Call
    from boringsdp.call.leg import Leg
    from boringsdp.sip.facades import Refer, Session

REQUEST_PENDING = 491
GOODBYE_S = 1.0
"""How long who asked for a transfer may take to answer the last news of it."""
AGAIN_S = 0.2
TRIES = 10
log = logs.bind("b2bua")


class HalfJoined(Exception):
    """A call has lost a leg on the way: it cannot go on. No BoringError, for nobody but `Bridge.guard` can do something about it."""


def watch(bridge: Bridge, side: Side, first: Callable[[Side, Any], bool]) -> None:
    """Let `first` hear what a session tells; what it does not take (False) the bridge hears as ever."""
    side.session.hear = bridge.guard(lambda event: None if first(side, event) else bridge.hear(side, event))


def unwatch(bridge: Bridge, side: Side) -> None:
    """The bridge hears it again."""
    side.session.hear = lambda event: bridge.hear(side, event)


def exchange_side(bridge: Bridge, old: Side, session: Session, leg: Leg, *, like: Side, identity: Identity | None = None) -> Side:
    """
    Let a session with its leg take the place of `old` in a call, and return its side; what it is and speaks is as of `like`.

    The leg of `old` is closed, its session is for the caller to end. No offer may wait in the call. Raises BoringError when the call is
    as it was, HalfJoined when it is not; `leg` is closed then.
    """
    branch = bridge.branch if old is bridge.callee else ""
    try:
        bridge.call.hand_over(old.party, branch).close()
    except BaseException:
        leg.close()
        raise
    _take_over(bridge, old.party, leg)
    side = Side(
        session,
        like.kind,
        old.party,
        like.style,
        binding=like.binding,
        passes_challenges=like.passes_challenges,
        identity=identity or like.identity,
    )
    bridge.put(side, old)
    return side


def lend_leg(bridge: Bridge, side: Side, call: Call) -> None:
    """Let the leg of a side be party A of another call for a while. Raises BoringError when it is where it was; else HalfJoined."""
    leg = bridge.call.hand_over(side.party, bridge.branch if side is bridge.callee else "")
    try:
        call.take_over(Party.A, leg)
    except BoringError:
        return_leg(bridge, side, leg)
        raise


def return_leg(bridge: Bridge, side: Side, leg: Leg) -> None:
    """Give a side the leg back that was lent to another call. Raises HalfJoined; the leg is closed then."""
    _take_over(bridge, side.party, leg)
    side.branch = ""


def _take_over(bridge: Bridge, party: Party, leg: Leg) -> None:
    try:
        bridge.call.take_over(party, leg)
    except Exception as error:
        leg.close()
        raise HalfJoined(str(error)) from error


def part(*sessions: Session) -> None:
    """End sessions that a transfer has left behind when it failed here; those that are over do not mind."""
    for session in sessions:
        session.hang_up(code=500)


def leave(refer: Refer, *sessions: Session) -> None:
    """Hang up on who asked, once it has heard how that went: phones forget what they asked for with the call that it was about."""

    def go(event: Any = None) -> None:
        if event is None or isinstance(event, NotifierEnded):
            for session in sessions:
                session.hang_up()

    for session in sessions:
        session.hear = _nobody
    refer.hear = go
    asyncio.get_running_loop().call_later(GOODBYE_S, go)


def _nobody(_event: Any) -> None:
    """Hears what a side that is left says after that."""


class Meeting:
    """Offers each side in turn what the other can do. Who refuses stays with what it had."""

    def __init__(self, home: Transfers, bridge: Bridge, sides: tuple[Side, ...]) -> None:
        self._home = home
        self._bridge = bridge
        self._sides = sides
        self._waiting = deque(sides)
        self._asked: Side | None = None
        self._tries = TRIES
        self._over = False

    def start(self) -> None:
        for each in (self._bridge.caller, self._bridge.callee):
            if each is not None:
                watch(self._bridge, each, self._hear)
        self._next()

    called = ()

    def stop(self) -> None:
        """The call is over."""
        self._over = True

    def lost(self, side: Side) -> bool:
        return False

    def _next(self) -> None:
        bridge = self._bridge
        self._asked = None
        while self._waiting and not self._over:
            side = self._waiting.popleft()
            try:
                before = bridge.call.alone.ability(side.party, bridge.branch)
                text = bridge.call.alone.offer(side.party, policy=POLICY, branch=bridge.branch, renewed=True)
                if before.we_offered and text == before.sent:
                    bridge.media.refused(bridge.branch)  # it has said yes to just that
                    continue
                self._asked = side
                side.session.offer(written(text))
                return
            except BoringError as error:
                self._asked = None
                log.info("cannot be asked after a transfer", extra={"call": bridge.notes.id, "reason": str(error)})
                bridge.media.refused(bridge.branch)
                if isinstance(error, WrongState) and self._tries:  # an offer of before is not answered yet
                    self._tries -= 1
                    self._waiting.appendleft(side)
                    asyncio.get_running_loop().call_later(AGAIN_S, bridge.guard(self._next))
                    return
        if not self._over:
            self._over = True
            for each in (bridge.caller, bridge.callee):
                if each is not None:
                    unwatch(bridge, each)
            self._home.done(bridge, self)

    def _hear(self, side: Side, event: Any) -> bool:
        bridge = self._bridge
        if self._over:
            return False
        match event:
            case sip.AnswerReceived(sdp) if side is self._asked:
                try:
                    bridge.media.settle(side.party, sdp, bridge.branch)
                except BoringError as error:
                    log.info("an answer after a transfer cannot be served", extra={"call": bridge.notes.id, "reason": str(error)})
                    bridge.media.refused(bridge.branch)
                self._next()
            case sip.OfferRefused(code) if side is self._asked:
                log.info("an offer after a transfer is refused", extra={"call": bridge.notes.id, "code": code})
                bridge.media.refused(bridge.branch)
                self._next()
            case sip.OfferReceived(tag=tag):
                side.session.refuse(REQUEST_PENDING, tag=tag)
            case _:
                return False
        return True
