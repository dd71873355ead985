"""
The Janus API as a core: requests in as text, replies, events and ends of long polls out as actions.

It is told of connections only when one is lost. Requests are served at once and in the order they come; a reply always precedes the events
that its request caused.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Any

from boringsdp.errors import JanusError
from boringsdp.janus_api import replies
from boringsdp.janus_api.actions import (
    Action,
    Connection,
    HandleAttached,
    HandleDetached,
    News,
    PollRefused,
    RequestRefused,
    Send,
    SessionClaimed,
    SessionCreated,
    SessionEnd,
    SessionEnded,
)
from boringsdp.janus_api.auth import Authorization
from boringsdp.janus_api.handle import ATTACH_FAILED, AttachedHandle
from boringsdp.janus_api.plugin import Plugin
from boringsdp.janus_api.replies import Json
from boringsdp.janus_api.requests import (
    NO_PATH,
    WRONG_PATH,
    Envelope,
    Path,
    Refused,
    parse_attach,
    parse_create,
    parse_envelope,
    parse_message,
    parse_trickle,
)
from boringsdp.janus_api.session import Poll, Session
from boringsdp.janus_api.settings import JanusSettings

UNAUTHORIZED = 403
PLUGIN_NOT_ALLOWED = 405
UNKNOWN_REQUEST = 453
NO_SUCH_SESSION = 458
NO_SUCH_HANDLE = 459
NO_SUCH_PLUGIN = 460
SESSION_ID_TAKEN = 468
NOT_ACCEPTING = 472
UNKNOWN_ERROR = 490

ROOT_VERBS = frozenset({"create", "info", "ping"})
SESSION_VERBS = frozenset({"attach", "destroy", "keepalive", "claim"})
HANDLE_VERBS = frozenset({"message", "trickle", "hangup", "detach", "keepalive"})
VERBS = ROOT_VERBS | SESSION_VERBS | HANDLE_VERBS

MAX_EVENTS_PER_POLL = 1_000


class JanusCore:
    """
    Sessions, handles and requests.

    `new_id` returns a random integer of 53 bits (what JavaScript can hold), never 0. `check_sdp` raises `SdpError` for text that is no
    browser's SDP. `info` returns the answer to `info`, given whether new sessions are accepted. `ready` is called when something was
    pushed between requests: the shell then calls `flush`, soon, and not from within `ready`.
    """

    def __init__(
        self,
        settings: JanusSettings,
        plugins: Mapping[str, Plugin],
        authorization: Authorization,
        *,
        new_id: Callable[[], int],
        check_sdp: Callable[[str], object],
        info: Callable[[bool], Json],
        ready: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._limits = settings.limits
        self._plugins = plugins
        self._authorization = authorization
        self._new_id = new_id
        self._check_sdp = check_sdp
        self._info = info
        self._ready = ready
        self._sessions: dict[int, Session] = {}
        self._owned: dict[Connection, set[int]] = {}
        self._timers: list[tuple[float, int]] = []  # (when to look, session); may be early, never late
        self._outbox: list[Action] = []
        self._touched: set[int] = set()
        self._within = False
        self.accepting = True
        """Whether new sessions are; false while the gateway drains."""

    # Verbs of every core

    def receive(self, connection: Connection, text: str | bytes, now: float, path: Path = NO_PATH) -> list[Action]:
        """Serve one request. Among the actions is exactly one reply to this connection, before whatever the request caused."""
        self._within = True
        at = len(self._outbox)
        transaction: str | None = None
        session_id: int | None = None
        handle_id: int | None = None
        try:
            envelope = parse_envelope(text, path)
            transaction, session_id, handle_id = envelope.transaction, envelope.session_id, envelope.handle_id
            reply = self._serve(connection, envelope, now)
        except Refused as refused:
            reply = self._refuse(refused.error, refused.transaction, refused.session_id)
        except JanusError as problem:
            reply = self._refuse(problem, transaction, session_id, handle_id)
        self._outbox.insert(at, Send(connection, replies.encode(reply)))
        return self.flush(now)

    def tick(self, now: float) -> list[Action]:
        """Do what is due: end sessions that were idle or lost too long, and polls that waited too long."""
        self._within = True
        while self._timers and self._timers[0][0] <= now:
            at, session_id = heapq.heappop(self._timers)
            session = self._sessions.get(session_id)
            if session is None or session.scheduled != at:
                continue  # an entry that an earlier one replaced
            session.scheduled = None
            self._touched.add(session_id)
            deadline = session.deadline(self._settings)
            if deadline is not None and deadline <= now and not session.polls:
                self._time_out(session)
        return self.flush(now)

    def deadline(self) -> float | None:
        """When to call `tick` next."""
        return self._timers[0][0] if self._timers else None

    def flush(self, now: float) -> list[Action]:
        """Hand over what was pushed."""
        self._within = True
        for session_id in self._touched:
            session = self._sessions.get(session_id)
            if session is not None:
                self._outbox += session.settle(now)
                self._schedule(session)
        self._touched.clear()
        actions, self._outbox = self._outbox, []
        self._within = False
        return actions

    # Commands

    def poll(
        self, number: int, session_id: int, most: int, now: float, *, secret: str | None = None, token: str | None = None
    ) -> list[Action]:
        """A long poll (`number` is the shell's name for it) for at most `most` events; 1 asks for an object, more for an array."""
        if not self._authorization.allows_request(secret, token):
            return [*self.flush(now), PollRefused(number, 403)]
        session = self._sessions.get(session_id)
        if session is None or not session.polled:
            return [*self.flush(now), PollRefused(number, 404)]
        session.active_at = now
        poll = Poll(number, min(most, MAX_EVENTS_PER_POLL), now + self._settings.long_poll_timeout)
        self._outbox += session.add_poll(poll, self._limits.polls_per_session)
        self._touched.add(session_id)
        return self.flush(now)

    def poll_gone(self, number: int, session_id: int, now: float) -> list[Action]:
        """The client of a waiting poll has gone; one that was answered already is no news."""
        session = self._sessions.get(session_id)
        if session is not None and session.remove_poll(number):
            session.active_at = now
            self._touched.add(session.id)
        return self.flush(now)

    def disconnected(self, connection: Connection, now: float) -> list[Action]:
        """A lasting connection is lost: its sessions end, or wait to be claimed, counted from now."""
        self._within = True
        for session_id in self._owned.pop(connection, ()):
            session = self._sessions[session_id]
            if self._settings.reclaim_session_timeout > 0:
                session.owner, session.lost_at = None, now
                self._touched.add(session_id)
            else:
                self._end(session, SessionEnd.TRANSPORT_LOST)
        return self.flush(now)

    def close(self, now: float) -> list[Action]:
        """End all sessions."""
        self.accepting = False
        self._within = True
        for session in list(self._sessions.values()):
            self._end(session, SessionEnd.SHUT_DOWN)
        return self.flush(now)

    @property
    def session_count(self) -> int:
        return len(self._sessions)

    @property
    def handle_count(self) -> int:
        return sum(len(session.handles) for session in self._sessions.values())

    def owned_by(self, connection: Connection) -> int:
        """How many sessions a lasting connection owns."""
        return len(self._owned.get(connection, ()))

    def record(self) -> dict[str, Any]:
        """All sessions and handles as plain values, without secrets."""
        return {
            str(session.id): {
                "polled": session.polled,
                "lost": session.lost_at is not None,
                "waiting_events": len(session.events),
                "handles": {str(handle_id): {"plugin": handle.package} | handle.query() for handle_id, handle in session.handles.items()},
            }
            for session in self._sessions.values()
        }

    # Outlet, for handles

    def emit(self, session_id: int, message: Json) -> None:
        """Take an event of a handle. Raises `TypeError` or `ValueError` when a plugin's data is not JSON."""
        session = self._sessions.get(session_id)
        if session is None:
            return
        self._outbox += session.deliver(replies.encode(message), self._limits.queued_events)
        self._touched.add(session_id)
        self._wake()

    def report(self, news: News) -> None:
        self._outbox.append(news)
        self._wake()

    def end(self, session_id: int, handle_id: int) -> None:
        """A plugin ends one of its handles, and the client is told; one that is gone already is no news."""
        session = self._sessions.get(session_id)
        handle = session.handles.get(handle_id) if session is not None else None
        if session is not None and handle is not None:
            self._detach(session, handle, tell=True)
            self._wake()

    def _wake(self) -> None:
        if not self._within:
            self._ready()

    # Requests

    def _serve(self, connection: Connection, envelope: Envelope, now: float) -> Json:
        """The checks in the order that Janus makes them, then the verb."""
        verb, members = envelope.verb, envelope.members
        at_root = envelope.session_id is None and envelope.handle_id is None
        if at_root:
            if verb == "info":
                return {"janus": "server_info", "transaction": envelope.transaction} | self._info(self.accepting)
            if verb == "ping":
                return {"janus": "pong", "transaction": envelope.transaction}
            if verb != "create":
                raise self._wrong_verb(verb)
        if not self._authorization.allows_request(members.get("apisecret"), members.get("token")):
            raise JanusError(UNAUTHORIZED, "Unauthorized request (wrong or missing secret or token)")
        if at_root:
            return self._create(connection, envelope, now)
        session = self._sessions.get(envelope.session_id or 0)
        if session is None:
            raise JanusError(NO_SUCH_SESSION, f"No such session ({envelope.session_id or 'none named'})", "session_id")
        session.active_at = now
        self._touched.add(session.id)
        if envelope.handle_id is None:
            if verb not in SESSION_VERBS:
                raise self._wrong_verb(verb)
            return self._serve_session(connection, session, envelope, now)
        handle = session.handles.get(envelope.handle_id)
        if handle is None:
            raise JanusError(NO_SUCH_HANDLE, f"No such handle ({envelope.handle_id} in session {session.id})", "handle_id")
        if verb not in HANDLE_VERBS:
            raise self._wrong_verb(verb)
        return self._serve_handle(session, handle, envelope, now)

    def _serve_session(self, connection: Connection, session: Session, envelope: Envelope, now: float) -> Json:
        transaction = envelope.transaction
        match envelope.verb:
            case "attach":
                return self._attach(session, envelope)
            case "claim":
                self._claim(connection, session, now)
                return replies.success(transaction, session.id)
            case "destroy":
                self._end(session, SessionEnd.DESTROYED)
                return replies.success(transaction, session.id)
            case _:
                return replies.ack(transaction, session.id)

    def _serve_handle(self, session: Session, handle: AttachedHandle, envelope: Envelope, now: float) -> Json:
        transaction, settings = envelope.transaction, self._settings
        match envelope.verb:
            case "message":
                return handle.message(transaction, parse_message(envelope), self._check_sdp, settings.candidates_timeout, now)
            case "trickle":
                handle.trickle(parse_trickle(envelope).candidates, self._limits.early_candidates, now)
                return replies.ack(transaction, session.id)
            case "hangup":
                handle.close_pc("Janus API")
                return replies.success(transaction, session.id)
            case "detach":
                problem = self._detach(session, handle, tell=True)
                if problem is not None:
                    raise problem
                return replies.success(transaction, session.id)
            case _:
                return replies.ack(transaction, session.id)

    def _create(self, connection: Connection, envelope: Envelope, now: float) -> Json:
        wanted = parse_create(envelope).wanted_id
        if not self.accepting:
            raise JanusError(NOT_ACCEPTING, "Not accepting new sessions")
        if len(self._sessions) >= self._limits.sessions:
            raise JanusError(NOT_ACCEPTING, f"Not accepting new sessions (all {self._limits.sessions} are taken)")
        if self.owned_by(connection) >= self._limits.sessions_per_connection:
            raise JanusError(NOT_ACCEPTING, f"Not accepting new sessions ({self._limits.sessions_per_connection} on this connection)")
        if wanted in self._sessions:
            raise JanusError(SESSION_ID_TAKEN, f"Session ID already in use ({wanted})", "id")
        session = Session(wanted or self._unused_id(self._sessions), connection if connection.lasting else None, now)
        self._sessions[session.id] = session
        if connection.lasting:
            self._owned.setdefault(connection, set()).add(session.id)
        self._touched.add(session.id)
        self.report(SessionCreated(session.id, connection.transport))
        return replies.success(envelope.transaction, data={"id": session.id})

    def _attach(self, session: Session, envelope: Envelope) -> Json:
        request = parse_attach(envelope)
        plugin = self._plugins.get(request.package)
        if plugin is None:
            raise JanusError(NO_SUCH_PLUGIN, f"No such plugin ({request.package[:80]})", "plugin")
        if not self._authorization.allows_plugin(envelope.members.get("apisecret"), request.token, request.package):
            raise JanusError(PLUGIN_NOT_ALLOWED, f"The token may not use this plugin ({request.package})", "token")
        if len(session.handles) >= self._limits.handles_per_session:
            raise JanusError(ATTACH_FAILED, f"Could not attach (a session has at most {self._limits.handles_per_session} handles)")
        handle = AttachedHandle(self, session.id, self._unused_id(session.handles), plugin, request.opaque_id, request.token)
        handle.tells_opaque_id = self._settings.opaqueid_in_api
        handle.hangup_on_failed = self._settings.hangup_on_failed
        handle.attach()
        session.handles[handle.handle_id] = handle
        self.report(HandleAttached(session.id, handle.handle_id, plugin.package, request.opaque_id))
        return replies.success(envelope.transaction, session.id, data={"id": handle.handle_id})

    def _claim(self, connection: Connection, session: Session, now: float) -> None:
        self._disown(session)
        self._outbox += session.claim(connection, now)
        if connection.lasting:
            self._owned.setdefault(connection, set()).add(session.id)
        self.report(SessionClaimed(session.id, connection.transport))

    # Ends

    def _time_out(self, session: Session) -> None:
        if session.lost_at is None:
            self.emit(session.id, {"janus": "timeout", "session_id": session.id})
            self._end(session, SessionEnd.TIMED_OUT)
        else:
            self._end(session, SessionEnd.TRANSPORT_LOST)

    def _end(self, session: Session, why: SessionEnd) -> None:
        """Take a session and its handles away. The client hears no more of them than it was told before."""
        del self._sessions[session.id]  # first: what plugins push from here on has nowhere to go
        self._disown(session)
        self._outbox += session.end_polls()
        for handle in list(session.handles.values()):
            self._detach(session, handle, tell=False)
        self.report(SessionEnded(session.id, why, session.dropped_events))

    def _detach(self, session: Session, handle: AttachedHandle, *, tell: bool) -> JanusError | None:
        problem = handle.detach(tell=tell)
        if session.handles.pop(handle.handle_id, None) is None:
            return problem  # its plugin has ended it in the meantime
        self.report(HandleDetached(session.id, handle.handle_id, handle.package))
        return problem

    # Bookkeeping

    def _refuse(self, problem: JanusError, transaction: str | None, session_id: int | None, handle_id: int | None = None) -> Json:
        self.report(RequestRefused(problem.code, problem.reason, session_id, handle_id))
        return replies.error(problem, transaction, session_id)

    def _wrong_verb(self, verb: str) -> JanusError:
        if verb in VERBS:
            return JanusError(WRONG_PATH, f"Unhandled request at this path ({verb})", "janus")
        return JanusError(UNKNOWN_REQUEST, f"Unknown request ({verb[:80]})", "janus")

    def _unused_id(self, taken: Mapping[int, object]) -> int:
        while (number := self._new_id()) in taken:
            pass
        return number

    def _disown(self, session: Session) -> None:
        if session.owner is not None and (owned := self._owned.get(session.owner)) is not None:
            owned.discard(session.id)
            if not owned:
                del self._owned[session.owner]

    def _schedule(self, session: Session) -> None:
        deadline = session.deadline(self._settings)
        if deadline is not None and (session.scheduled is None or deadline < session.scheduled):
            session.scheduled = deadline
            heapq.heappush(self._timers, (deadline, session.id))
