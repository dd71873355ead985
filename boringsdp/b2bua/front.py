"""What comes in from browsers and PBXs, and whom it is given to."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from boringsdp import logs
from boringsdp.b2bua.bindings import Binding
from boringsdp.b2bua.bridge.bridge import Bridge
from boringsdp.b2bua.bridge.notes import Notes
from boringsdp.b2bua.bridge.outcome import Outcome
from boringsdp.b2bua.bridge.side import Side
from boringsdp.b2bua.bridge.transfer import Transfers
from boringsdp.b2bua.decision import decision_of, name_of
from boringsdp.b2bua.domains import Domains
from boringsdp.b2bua.echo import EchoCall
from boringsdp.b2bua.headers import contacts_of
from boringsdp.b2bua.identity import Identified
from boringsdp.b2bua.messages import Messages
from boringsdp.b2bua.plan import Attempt, Kind, Plan
from boringsdp.b2bua.planning import STYLES, Planning, called_uri, place_of, user_named, with_flow
from boringsdp.b2bua.policy import Asked, Refusal, Route, Routing, ToEcho, load_routing
from boringsdp.b2bua.record import CallRecord
from boringsdp.b2bua.records import Records
from boringsdp.b2bua.seldom import Seldom
from boringsdp.b2bua.settings import B2buaSettings, DomainSettings, Mode
from boringsdp.b2bua.shared import OWN_HEADERS
from boringsdp.b2bua.subscriptions import Subscriptions
from boringsdp.call import Calls
from boringsdp.call.leg import Leg
from boringsdp.errors import Exhausted, SipError
from boringsdp.sdp import WEBRTC
from boringsdp.sip import account as told
from boringsdp.sip import headers as views
from boringsdp.sip.endpoint import Endpoint
from boringsdp.sip.facades import Account, Session
from boringsdp.sip.flow import Flow
from boringsdp.sip.message import Request
from boringsdp.sip.name_address import parse_name_address
from boringsdp.sip.uri import SipUri

MAX_DIVERSIONS = 5
LINES_PER_PBX = 10
"""In a minute, about calls that could not be served."""
RETRY_AFTER = (("Retry-After", "10"),)
LOST = Refusal(480, "Browser Lost")
log = logs.bind("b2bua")
Then = Callable[[Asked, Plan, Route], None]
No = Callable[[Refusal], None]


class Front:
    """
    One for a gateway. `start` after the endpoint's, `close` before. Build it within a running event loop; raises ConfigError for a policy
    that cannot be had.
    """

    def __init__(self, settings: B2buaSettings, endpoint: Endpoint, calls: Calls, routing: Routing | None = None) -> None:
        self.settings = settings
        self.endpoint = endpoint
        self.calls = calls
        self.routing = routing or load_routing(settings)
        self.domains = Domains(settings, endpoint, self.from_pbx)
        self.messages = Messages(self.unreachable)
        self.subscriptions = Subscriptions()
        self.transfers = Transfers(self)
        self.records = Records(settings.records, endpoint.ladder, self.routing.record)
        self._web: Account | None = None
        self._planning: Planning | None = None
        self._bridges: dict[Bridge, Asked] = {}
        self._echoes: set[EchoCall] = set()
        self._gone: set[Flow] = set()
        """Connections that nobody has come back for, whose calls are still to be ended."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines = Seldom(LINES_PER_PBX)

    async def start(self) -> None:
        """Serve. Raises ConfigError."""
        identity = SipUri("sip", None, "browsers.invalid")
        self._web = self.endpoint.serve_browsers(
            told.AccountSettings(identity=identity, own_headers=(*OWN_HEADERS, "*"), passes_replaces=True), self.hear_web
        )
        self._planning = Planning(self.domains, self._web, self.settings.headers, self.endpoint.now)
        await self.domains.start()

    async def close(self) -> None:
        """End all calls, and what is registered at PBXs."""
        for call in self._calls():
            call.hang_up("shutdown", code=503)
        for task in tuple(self._tasks):
            task.cancel()
        self.subscriptions.close()
        self.records.close()
        await self.domains.close()

    @property
    def web(self) -> Account:
        """The account by which browsers are called."""
        assert self._web is not None
        return self._web

    @property
    def planning(self) -> Planning:
        assert self._planning is not None
        return self._planning

    def bridges(self) -> Iterable[Bridge]:
        """Those that are not over."""
        return tuple(self._bridges)

    def _calls(self) -> tuple[Bridge | EchoCall, ...]:
        return (*self._bridges, *self._echoes)

    def bridge_of(self, session: Session) -> Bridge | None:
        """The call that a session is a side of."""
        return next((bridge for bridge in self._bridges if bridge.side_of(session) is not None), None)

    def statistics(self) -> dict[str, int | dict[str, int]]:
        """Numbers for metrics."""
        return {"bindings": len(self.domains.bindings), "calls": len(self._bridges) + len(self._echoes), "ended": dict(self.records.counts)}

    # --- what browsers send ----------------------------------------------------------------------------------------------------------

    def hear_web(self, event: Any) -> None:
        """Take what browsers send outside of dialogs, and what becomes of their connections."""
        match event:
            case told.IncomingRequest(incoming, request) if request.method == "REGISTER":
                self.domains.register(incoming, incoming.flow)
            case told.IncomingCall():
                self._call_from_browser(event)
            case told.IncomingRequest(incoming, request) if request.method == "OPTIONS" and called_uri(request) is None:
                pass  # for us: 200 with what we can
            case told.IncomingRequest(incoming, request) | told.IncomingMessage(incoming, request):
                incoming.later()
                self._relay_from_browser(incoming, request, lambda plan, own: self.messages.relay(incoming, plan, challenges=own))
            case told.IncomingSubscribe(incoming, request):
                incoming.later()
                self._relay_from_browser(incoming, request, lambda plan, own: self.subscriptions.relay(event, plan, challenges=own))
            case told.IncomingRefer(refer, request):
                refer.later()
                self._from_browser(
                    request,
                    refer.flow,
                    lambda asked, plan, _: self.messages.relay_refer(refer, plan, challenges=asked.domain.mode is Mode.PASS_THROUGH),
                    lambda no: refer.reject(no.code, no.reason, no.headers),
                )
            case told.IncomingNotify(incoming):
                incoming.answer(481)  # nothing was subscribed to
            case told.FlowLost(flow):
                self.domains.lost(flow)
                if not self.settings.grace_s:  # nobody is waited for, and nothing more is told
                    self.hear_web(told.FlowAbandoned(flow))
            case told.FlowSucceeded(old, new):
                self.domains.succeeded(old, new)
            case told.FlowAbandoned(flow):
                self.domains.abandoned(flow)
                self._abandoned(flow)

    def _relay_from_browser(self, incoming: Any, request: Request, relay: Callable[[Plan, bool], None]) -> None:
        """`relay` is told too whether the browser has the password that the PBX may ask for."""

        def refuse(refusal: Refusal) -> None:
            if not incoming.answered:
                incoming.answer(refusal.code, refusal.reason, refusal.headers)

        self._from_browser(request, incoming.flow, lambda asked, plan, _: relay(plan, asked.domain.mode is Mode.PASS_THROUGH), refuse)

    def _call_from_browser(self, came: told.IncomingCall) -> None:
        session, flow = came.session, came.session.flow
        if flow is None:
            session.reject(500)
            return

        def refuse(refusal: Refusal) -> None:
            if not session.over:
                session.reject(refusal.code, refusal.reason, refusal.headers)

        replaced = came.replaces
        if replaced is not None and (bridge := self.bridge_of(replaced)) is not None:

            def known(who: Identified) -> None:
                if isinstance(who, Refusal) or self._is_lost(session):
                    refuse(who if isinstance(who, Refusal) else LOST)
                else:
                    self.endpoint.keep(flow, self.settings.grace_s)
                    self.transfers.replace(bridge, came, who)

            self.domains.identify(came.request, flow, known)
            return
        self._from_browser(came.request, flow, lambda asked, plan, route: self._bridge(came, asked, plan, route), refuse)

    def _from_browser(self, request: Request, flow: Flow, then: Then, refuse: No) -> None:
        """Find out who asks and where that leads."""

        def identified(who: Identified) -> None:
            if isinstance(who, Refusal):
                refuse(who)
                return
            if request.method == "INVITE":
                self.endpoint.keep(flow, self.settings.grace_s)
            called = called_uri(request, who.domain.name)
            if called is None:
                refuse(Refusal(416))
                return
            asked = Asked(who.domain, who, called, request, user=user_named(self.domains, who.domain, called))
            self.decide(asked, then, refuse)

        self.domains.identify(request, flow, identified)

    def _abandoned(self, flow: Flow) -> None:
        """Nobody has come back for a connection: its calls are over. Where many went at once their calls are looked through once."""
        if not self._gone:
            asyncio.get_running_loop().call_soon(self._end_lost)
        self._gone.add(flow)

    def _end_lost(self) -> None:
        gone, self._gone = self._gone, set()
        for call in self._calls():
            for side in (*call.sides, *self.transfers.called(call)):
                session = side.session
                his = side.kind is Kind.BROWSER and session.flow is not None and self.endpoint.current(session.flow) in gone
                if his and not self.transfers.lost(call, side):
                    call.lost(side)

    # --- what the PBX sends ----------------------------------------------------------------------------------------------------------

    def from_pbx(self, domain: DomainSettings, binding: Binding | None, event: Any) -> None:
        """Take what the PBX of a domain sends outside of dialogs; `binding` where its account is that of one browser (pass-through)."""
        match event:
            case told.IncomingCall(session, request, _, replaced):
                bridge = None if replaced is None else self.bridge_of(replaced)
                if bridge is not None:
                    self.transfers.replace(bridge, event)
                    return

                def refuse(refusal: Refusal) -> None:
                    if not session.over:
                        session.reject(refusal.code, refusal.reason, refusal.headers)

                came = event
                self._from_pbx(domain, binding, request, lambda asked, plan, route: self._bridge(came, asked, plan, route), refuse)
            case told.IncomingMessage(incoming, request) | told.IncomingNotify(incoming, request):
                incoming.later()
                self._relay_from_pbx(domain, binding, incoming, request, lambda plan: self.messages.relay(incoming, plan))
            case told.IncomingSubscribe(incoming, request):
                incoming.later()
                subscribe = event
                self._relay_from_pbx(domain, binding, incoming, request, lambda plan: self.subscriptions.relay(subscribe, plan))
            case told.IncomingRefer(refer, request):
                refer.later()
                self._from_pbx(
                    domain,
                    binding,
                    request,
                    lambda _, plan, __: self.messages.relay_refer(refer, plan),
                    lambda no: refer.reject(no.code, no.reason, no.headers),
                )

    def _relay_from_pbx(
        self, domain: DomainSettings, binding: Binding | None, incoming: Any, request: Request, relay: Callable[[Plan], None]
    ) -> None:
        def refuse(refusal: Refusal) -> None:
            if not incoming.answered:
                incoming.answer(refusal.code, refusal.reason, refusal.headers)

        self._from_pbx(domain, binding, request, lambda _, plan, __: relay(plan), refuse)

    def _from_pbx(self, domain: DomainSettings, binding: Binding | None, request: Request, then: Then, refuse: No) -> None:
        called = called_uri(request, domain.name)
        if called is not None and binding is None and self.domains.is_contact(domain, called):
            with suppress(SipError):  # a registered account is called by its Contact, and To says whom that is meant for
                called = views.to(request).sip_uri
        if called is None:
            refuse(Refusal(404))
            return
        user = binding.aor if binding is not None else user_named(self.domains, domain, called, dialled=True)
        self.decide(Asked(domain, None, called, request, binding, user), then, refuse)

    # --- where to --------------------------------------------------------------------------------------------------------------------

    def decide(self, asked: Asked, then: Then, refuse: No) -> None:
        """Ask the policy, and tell `then` its plan; it may take a while. A plan that nobody is in is refused."""
        if asked.request.method == "INVITE" and not asked.diverted:
            refuse = self._recorded(asked, refuse)
        if views.max_forwards(asked.request) == 0:
            refuse(Refusal(483))
            return
        try:
            decision = self._asks(asked)(asked)
        except Exception:
            log.exception("the policy failed", extra={"called": str(asked.called)})
            refuse(Refusal(500))
            return
        if inspect.isawaitable(decision):
            task = asyncio.ensure_future(self._await(decision, asked, then, refuse))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._decided(decision, asked, then, refuse)

    def _asks(self, asked: Asked) -> Callable[[Asked], object]:
        return self.routing.from_pbx if asked.caller is None else self.routing.from_browser

    def _recorded(self, asked: Asked, refuse: No) -> No:
        """Calls that are refused before anybody is called have a record, too."""
        notes = _notes(asked)
        notes.dialog(views.call_id(asked.request))

        def no(refusal: Refusal) -> None:
            reason = f"refused: {refusal.reason}" if refusal.reason else "refused"
            if self.endpoint.sessions(views.call_id(asked.request)):
                self.records.ended(notes.close(code=refusal.code, ended_by="gateway", reason=reason, reason_header=""))
            else:  # the caller did not wait for it
                self.records.ended(notes.close(code=487, ended_by="caller", reason="cancelled", reason_header=""))
            refuse(refusal)

        return no

    async def _await(self, decision: Any, asked: Asked, then: Then, refuse: No) -> None:
        try:
            decided: object = await decision
            self._decided(decided, asked, then, refuse)
        except Exception:
            log.exception("the policy failed", extra={"called": str(asked.called)})
            refuse(Refusal(500))

    def _decided(self, returned: object, asked: Asked, then: Then, refuse: No) -> None:
        try:
            decision = decision_of(returned)
        except (TypeError, ValueError) as error:
            log.error("no decision", extra={"by": name_of(self._asks(asked)), "called": str(asked.called), "why": str(error)})
            refuse(Refusal(500))
            return
        if isinstance(decision, Refusal):
            refuse(decision)
            return
        echo = asked.request.method in ("INVITE", "REFER") and any(isinstance(to, ToEcho) for group in decision.groups for to in group)
        plan = () if echo else self.planning.plan(asked, decision)
        if not plan and not echo:
            refuse(Refusal(480 if asked.user is not None else 404))
            return
        then(asked, plan, decision)

    # --- calls -----------------------------------------------------------------------------------------------------------------------

    def _bridge(self, came: told.IncomingCall, asked: Asked, plan: Plan, route: Route) -> None:
        """Join the one who calls with whom the plan names."""
        session = came.session
        if session.over:  # the caller did not wait for the policy
            self._record_unmade(asked, 487, "caller", "cancelled")
            return
        if asked.caller is not None and self._is_lost(session):
            self._record_unmade(asked, 480, "gateway", "browser lost")
            session.reject(LOST.code)
            return
        try:
            if not plan:
                self._echo(session, asked)
                return
            bridge = self.new_bridge(session, asked)
        except Exhausted as error:
            full = Refusal(503, "", RETRY_AFTER)
            self._recorded(asked, lambda no: session.reject(no.code, no.reason, no.headers))(full)
            log.warning("call refused", extra={"why": str(error)})
            return
        bridge.start(plan, route.ring_s)

    def _is_lost(self, session: Session) -> bool:
        """Whether the connection of a browser has ended for good: those of strangers are not kept, and the policy may take its time."""
        return session.flow is None or not self.endpoint.is_borne(session.flow)

    def _record_unmade(self, asked: Asked, code: int, ended_by: str, reason: str) -> None:
        """A call that has ended before anybody was called."""
        notes = _notes(asked)
        notes.dialog(views.call_id(asked.request))
        self.records.ended(notes.close(code=code, ended_by=ended_by, reason=reason, reason_header=""))

    def _echo(self, session: Session, asked: Asked) -> None:
        """Let the gateway itself answer. Raises Exhausted."""
        notes = _notes(asked)
        echo = EchoCall(self, session, notes, notes.from_kind)
        self._echoes.add(echo)
        echo.start()

    def echo_with(self, side: Side, leg: Leg, asked: Asked) -> None:
        """Let who was transferred to the gateway itself hear what he sends; his dialog and his leg go on. Raises BoringError."""
        notes = replace(_notes(asked), caller=side.session.remote_uri, caller_name="", from_kind=side.kind)
        echo = EchoCall(self, side.session, notes, side.kind)
        self._echoes.add(echo)
        try:
            echo.take_over(leg)
        except Exception:
            leg.close()
            echo.hang_up("failed here", code=500)
            raise

    def echo_over(self, call: EchoCall, record: CallRecord) -> None:
        """A call that the gateway has answered is over."""
        self._echoes.discard(call)
        self.records.ended(record)

    def new_bridge(self, session: Session, asked: Asked) -> Bridge:
        """Return the bridge of a call that came in; its `start` is to follow. Raises Exhausted."""
        notes = _notes(asked)
        from_browser = asked.caller is not None
        bridge = Bridge(
            self,
            session,
            notes,
            kind=notes.from_kind,
            style=WEBRTC if from_browser else STYLES[asked.domain.media],
            passes_challenges=from_browser and asked.domain.mode is Mode.PASS_THROUGH,
        )
        self._bridges[bridge] = asked
        return bridge

    def asked_of(self, bridge: Bridge) -> Asked | None:
        """What a bridge began with."""
        return self._bridges.get(bridge)

    # --- what bridges ask for (`bridge.Desk`) ----------------------------------------------------------------------------------------

    def invite(self, attempt: Attempt, sdp: bytes | None, hear: Callable[[Any], None]) -> Session:
        """Send the INVITE of an attempt."""
        return attempt.account.invite(
            attempt.uri,
            sdp,
            hear=hear,
            headers=attempt.headers,
            identity=attempt.identity,
            display_name=attempt.display_name,
            flow=attempt.flow,
            to=attempt.to,
            route=attempt.route,
        )

    def unreachable(self, attempt: Attempt, why: str) -> None:
        """Nobody could be reached at the address of an attempt, or it takes no calls: others are tried before it for a while."""
        place = place_of(attempt)
        left_out = self._lines.allows(place, self.endpoint.now())
        if left_out is not None:
            log.warning("PBX out of service", extra={"at": place, "why": why, **({"left_out": left_out} if left_out else {})})
        self.planning.unreachable(attempt, self.endpoint.now())

    def when_back(self, attempt: Attempt, then: Callable[[Attempt | None], None]) -> Callable[[], None]:
        """Tell `then` of the attempt with the browser's new flow, or None when it is waited for no more. Returns what forgets that."""
        binding = attempt.binding
        assert binding is not None
        return self.domains.bindings.wait(binding, lambda flow: then(None if flow is None else with_flow(attempt, binding)))

    def redirected(self, bridge: Bridge, outcome: Outcome) -> bool:
        """Follow a 3xx, as the policy leads whom its Contact names."""
        asked = self._bridges.get(bridge)
        contact = next((value for _, value in contacts_of(outcome.response)), "")
        if asked is None or not self.settings.follow_redirects or asked.diverted >= MAX_DIVERSIONS or not contact:
            return False
        with suppress(SipError):
            target = parse_name_address(contact).sip_uri.without("maddr")  # that would lead past the PBX, to anybody
            if outcome.attempt is not None and outcome.attempt.kind is Kind.BROWSER:
                target = replace(target, port=None)
            user = user_named(self.domains, asked.domain, target)
            again = replace(asked, called=target, binding=None, user=user, diverted=asked.diverted + 1)
            self._bridges[bridge] = again
            self.decide(again, lambda _, plan, route: bridge.start(plan, route.ring_s), lambda no: bridge.refuse(no.code, no.reason))
            return True
        return False

    def over(self, bridge: Bridge, record: Any) -> None:
        """A call has ended."""
        self._bridges.pop(bridge, None)
        self.transfers.over(bridge)
        if record is not None:
            self.records.ended(record)


def _notes(asked: Asked) -> Notes:
    who = asked.caller
    sender = parse_name_address(asked.request.headers.get("From") or "")
    return Notes(
        domain=asked.domain.name,
        caller=who.aor.to_text() if who is not None else sender.uri_text,
        caller_name=who.display_name if who is not None else sender.display,
        called=asked.request.uri if who is not None else asked.binding.aor.to_text() if asked.binding else asked.called.to_text(),
        from_kind=Kind.PBX if who is None else Kind.BROWSER,
    )
