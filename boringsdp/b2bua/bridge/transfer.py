"""Transfers of calls that go through the gateway: REFER and Replaces from either side, passed on or carried out here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from boringsdp import logs
from boringsdp.b2bua.bridge.changes import Turn
from boringsdp.b2bua.bridge.transfer_blind import Blind
from boringsdp.b2bua.bridge.transfer_meeting import Meeting, exchange_side, leave, part
from boringsdp.b2bua.bridge.transfer_passing import Passing
from boringsdp.b2bua.bridge.transfer_replacing import Replacing
from boringsdp.b2bua.bridge.transfer_target import asked_for, named_session
from boringsdp.b2bua.plan import Kind, Plan
from boringsdp.b2bua.policy import Asked, Route
from boringsdp.b2bua.settings import Mode
from boringsdp.b2bua.settings import Refer as Way
from boringsdp.errors import BoringError
from boringsdp.sip import headers as views
from boringsdp.sip.name_address import parse_name_address

if TYPE_CHECKING:
    from boringsdp.b2bua.bridge.bridge import Bridge
    from boringsdp.b2bua.bridge.side import Side
    from boringsdp.b2bua.front import Front
    from boringsdp.b2bua.identity import Identity
    from boringsdp.b2bua.plan import Attempt
    from boringsdp.b2bua.topology import Topology
    from boringsdp.sip.account import IncomingCall
    from boringsdp.sip.facades import Refer, Session

REQUEST_PENDING = 491
LOOKS_S = 0.05
PATIENCE_S = 4.0
"""How long a transfer waits for an exchange of offers that is under way, looking every `LOOKS_S`."""
log = logs.bind("b2bua")


class Operation(Protocol):
    """A transfer that is under way."""

    def stop(self) -> None:
        """The call that it is about is over."""

    @property
    def called(self) -> tuple[Side, ...]:
        """Who is called for it, and not in the call yet."""

    def lost(self, side: Side) -> bool:
        """The browser of a side is gone for good; whether the call may go on without it."""


class Transfers:
    """
    One for the front. A bridge tells it of every REFER in one of its dialogs; the front of every INVITE whose Replaces names a dialog here,
    and of every bridge that is over.
    """

    def __init__(self, front: Front) -> None:
        self._front = front
        self._under_way: dict[object, Operation] = {}
        """By bridge."""

    def __len__(self) -> int:
        return len(self._under_way)

    # --- what is asked for ------------------------------------------------------------------------------------------------------------

    def refer(self, bridge: Bridge, session: Session, refer: Refer) -> None:
        """The peer of `session`, one side of the bridge, asks for a transfer. Answered now or later; it hears how the call fares."""
        side = bridge.side_of(session)
        stays = None if side is None else bridge.other(side)
        if side is None or stays is None or not bridge.talking or bridge in self._under_way:
            refer.reject(REQUEST_PENDING)
            return
        refer.later()
        replaced = named_session(self._front.endpoint, refer)
        other = None if replaced is None else self._front.bridge_of(replaced)
        if other is bridge or (other is not None and other in self._under_way):
            refer.reject(REQUEST_PENDING)
        elif self._passes(bridge, stays, joined=other is not None and other.talking):
            self._pass(bridge, side, stays, refer, other, replaced)
        elif other is not None and replaced is not None and other.talking:
            self._join(bridge, side, other, replaced, refer)
        else:
            self._call_target(bridge, side, stays, refer, other)

    def replace(self, bridge: Bridge, came: IncomingCall, who: Identity | None = None) -> None:
        """
        An INVITE comes to take the place of `came.replaces`, a session of the bridge. It is accepted or rejected, now or later.

        `who` sends it; None: the PBX.
        """
        if came.session.over:  # it was taken back while it was found out who sends it
            return
        side = None if came.replaces is None else bridge.side_of(came.replaces)
        stays = None if side is None else bridge.other(side)
        if side is None or stays is None or not bridge.talking:
            came.session.reject(481)
        elif bridge in self._under_way:
            came.session.reject(REQUEST_PENDING)
        else:
            made = Replacing(self, bridge, side, stays, came, who, self._front)
            self._under_way[bridge] = made
            self.when_free((bridge,), made.start)

    def over(self, bridge: Bridge) -> None:
        """A call has ended, whatever was under way with it."""
        operation = self._under_way.pop(bridge, None)
        if operation is not None:
            operation.stop()

    def called(self, call: object) -> tuple[Side, ...]:
        """Who is being called for a transfer of that call."""
        operation = self._under_way.get(call)
        return () if operation is None else operation.called

    def lost(self, call: object, side: Side) -> bool:
        """Take note that the browser of a side is gone for good; False: that is the end of the call."""
        operation = self._under_way.get(call)
        return operation is not None and operation.lost(side)

    # --- for operations ---------------------------------------------------------------------------------------------------------------

    def done(self, bridge: Bridge, operation: Operation) -> None:
        """An operation is over; another may come."""
        if self._under_way.get(bridge) is operation:
            del self._under_way[bridge]

    def meet(self, bridge: Bridge, *sides: Side) -> None:
        """Let sides that have just come together agree anew; each is offered what the other can do."""
        self._under_way[bridge] = meeting = Meeting(self, bridge, sides)
        meeting.start()

    def topology(self, bridge: Bridge) -> Topology | None:
        """What browsers are not to see of the PBX of a call."""
        asked = self._front.asked_of(bridge)
        if asked is None:
            return None
        return self._front.planning.topology(asked.domain, asked.request if asked.caller is None else None)

    def when_free(self, bridges: tuple[Bridge, ...], then: Callable[[], None], *ends: Callable[[], object]) -> None:
        """
        Do `then` once no offer waits in these calls; at the latest after `PATIENCE_S`, when what still waits is given up.

        When that fails all these calls are over; `ends` end what else is left.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_S

        def look() -> None:
            waiting = [bridge for bridge in bridges if bridge.talking and bridge.changes.turn is not Turn.FREE]
            if waiting and loop.time() < until:
                loop.call_later(LOOKS_S, guarded)
                return
            for bridge in waiting:
                bridge.changes.give_up()
            then()

        first, *others = bridges
        guarded = first.guard(look, *(other.end_broken for other in others), *ends)
        guarded()

    # --- ways -------------------------------------------------------------------------------------------------------------------------

    def _passes(self, bridge: Bridge, stays: Side, *, joined: bool) -> bool:
        """Whether the one who stays is asked to call, rather than that we do. `joined`: nobody need be called, both calls are here."""
        asked = self._front.asked_of(bridge)
        way = self._front.settings.refer if asked is None or asked.domain.refer is None else asked.domain.refer
        if way is Way.AUTO:
            through = asked is not None and asked.domain.mode is Mode.PASS_THROUGH
            return through and not joined and "REFER" in stays.session.facts.peer_allows
        return way is Way.PASS

    def _pass(self, bridge: Bridge, side: Side, stays: Side, refer: Refer, other: Bridge | None, replaced: Session | None) -> None:
        named = None if other is None or replaced is None else other.side_of(replaced)
        far = None if other is None or named is None else other.other(named)
        across = far.session if far is not None and far.kind is Kind.PBX and stays.kind is Kind.PBX else None
        passing = Passing(self, bridge, side, stays, refer, across)
        self._under_way[bridge] = passing
        passing.start()

    def _join(self, bridge: Bridge, side: Side, other: Bridge, replaced: Session, refer: Refer) -> None:
        """Attended: the two who are left of two calls are one call from now on."""
        operation = _Joining()
        self._under_way[bridge] = self._under_way[other] = operation

        def join() -> None:
            named, stays = other.side_of(replaced), bridge.other(side)
            comes = None if named is None else other.other(named)
            if not bridge.talking or not other.talking or named is None or stays is None or comes is None:
                refer.reject(487 if not bridge.talking else 481)
                self.done(bridge, operation)
                self.done(other, operation)
                return
            refer.accept()
            self._under_way.pop(other, None)
            other.notes.transferred_to, bridge.notes.transferred_to = stays.session.remote_uri, comes.session.remote_uri
            other.let_go()
            leg = other.call.hand_over(comes.party, comes.branch)
            other.call.close("transferred")
            joined = exchange_side(bridge, side, comes.session, leg, like=comes)
            leave(refer, side.session, replaced)
            refer.notify(200)
            log.info("calls joined", extra={"call": bridge.notes.id, "other": other.notes.id})
            self.meet(bridge, *sorted((stays, joined), key=lambda each: each.kind is not Kind.BROWSER))

        sessions = [each.session for each in (*bridge.sides, *other.sides)]
        self.when_free((bridge, other), join, lambda: part(*sessions), lambda: other.call.close("failed here"), lambda: refer.reject(500))

    def _call_target(self, bridge: Bridge, side: Side, stays: Side, refer: Refer, other: Bridge | None) -> None:
        """Blind; or attended before the other call was answered: that one is given up, and its callee called for the one who stays."""
        try:
            asked = asked_for(self._front, bridge, side, stays, refer)
        except BoringError as error:
            log.info("a transfer that leads nowhere", extra={"call": bridge.notes.id, "reason": str(error)})
            refer.reject(404)
            return
        blind = Blind(self, bridge, side, stays, refer)
        self._under_way[bridge] = blind

        def found(_: Any, plan: Plan, route: Route) -> None:
            if other is not None:
                other.hang_up("transferred")
            if not plan:
                self._echo(bridge, blind, side, stays, refer, asked)
                return
            blind.start(_dressed(plan, refer, stays, self.topology(bridge), known=other is not None), route.ring_s)

        self._front.decide(asked, bridge.guard(found), bridge.guard(lambda no: blind.refuse(no.code, no.reason)))

    def _echo(self, bridge: Bridge, blind: Blind, side: Side, stays: Side, refer: Refer, asked: Asked) -> None:
        """The target is the gateway itself: who stays hears himself from now on."""

        def put() -> None:
            if self._under_way.get(bridge) is not blind or not bridge.talking:
                return  # the call is over, and the REFER answered
            try:
                leg = bridge.call.hand_over(stays.party, bridge.branch if stays is bridge.callee else "")
            except BoringError:
                blind.refuse(REQUEST_PENDING)
                return
            refer.accept()
            del self._under_way[bridge]
            bridge.notes.transferred_to = refer.target
            bridge.let_go()
            bridge.call.close("transferred")
            try:
                self._front.echo_with(stays, leg, asked)
            except BoringError as error:
                log.warning("nobody is left in a call", extra={"call": bridge.notes.id, "reason": str(error)})
                leg.close()
                part(stays.session)
            leave(refer, side.session)
            refer.notify(200)

        sessions = (stays.session, side.session)
        self.when_free((bridge,), put, lambda: part(*sessions), lambda: bridge.call.close("failed here"), lambda: refer.reject(500))


class _Joining:
    """Waits for its moment; nothing is to be undone."""

    called = ()

    def stop(self) -> None:
        """What was to be joined is found gone then."""

    def lost(self, side: Side) -> bool:
        return False


def _dressed(plan: Plan, refer: Refer, stays: Side, topology: Topology | None, *, known: bool) -> Plan:
    """Give the attempts what the REFER wants to go along; browsers see who is transferred, not by whom."""
    extra = tuple((name, value) for name, value in refer.headers if not (known and name == "Replaces"))
    return tuple(tuple(_dress(attempt, extra, stays, topology) for attempt in group) for group in plan)


def _dress(attempt: Attempt, extra: tuple[tuple[str, str], ...], stays: Side, topology: Topology | None) -> Attempt:
    if attempt.kind is not Kind.BROWSER:
        otherwise = None if attempt.otherwise is None else _dress(attempt.otherwise, extra, stays, topology)
        return replace(attempt, headers=(*attempt.headers, *extra), otherwise=otherwise)
    changed = replace(attempt, headers=(*attempt.headers, *(extra if topology is None else topology.hidden_lines(extra))))
    try:
        message = stays.session.request
        who = views.from_(message) if stays.session.incoming else parse_name_address(f"<{stays.session.remote_uri}>")
        uri = who.sip_uri if topology is None else topology.hidden(who.sip_uri)
        return replace(changed, identity=uri, display_name=who.display)
    except BoringError:
        return changed
