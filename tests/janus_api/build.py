"""What the Janus tests are made of: a plugin that does as it is told, and a client of a core in virtual time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from boringsdp.errors import SdpError
from boringsdp.janus_api.actions import Action, Connection, News, PollDone, PollRefused, Send
from boringsdp.janus_api.auth import Authorization
from boringsdp.janus_api.core import JanusCore
from boringsdp.janus_api.plugin import Ack, Handle, Jsep, Outcome, Plugin, PluginHandle, Request, Success, Trickled
from boringsdp.janus_api.requests import NO_PATH, Path
from boringsdp.janus_api.settings import JanusSettings

OFFER = {"type": "offer", "sdp": "v=0\r\n"}
ANSWER = {"type": "answer", "sdp": "v=0\r\n"}

Json = dict[str, Any]


class Puppet(PluginHandle):
    """Does what the body says: `{"push": {...}}`, `{"success": {...}}`, `{"offer": sdp}`, `{"answer": sdp}`, `{"raise": exception}`."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.requests: list[Request] = []
        self.trickled: list[Trickled] = []
        self.hangups: list[str] = []
        self.detached = 0
        self.fails: dict[str, Exception] = {}
        self.ends: Handle | None = None
        """Which handle `detach` ends too."""

    def message(self, request: Request) -> Outcome:
        self.requests.append(request)
        body = request.body
        self._maybe_fail("message")
        jsep = Jsep.offer(body["offer"]) if "offer" in body else Jsep.answer(body["answer"]) if "answer" in body else None
        if "success" in body:
            return Success(body["success"], jsep)
        if "push" in body or jsep is not None:
            self.handle.push(body.get("push", {}), jsep, request.transaction)
        if "close" in body:
            self.handle.close_pc()
        return Ack(body.get("hint"))

    def trickle(self, candidates: tuple[Trickled, ...]) -> None:
        self._maybe_fail("trickle")
        self.trickled += candidates

    def hangup(self, reason: str) -> None:
        self.hangups.append(reason)
        self._maybe_fail("hangup")

    def detach(self) -> None:
        self.detached += 1
        if self.ends is not None:
            self.ends.end()
        self._maybe_fail("detach")

    def query(self) -> dict[str, Any]:
        self._maybe_fail("query")
        return {"requests": len(self.requests)}

    def _maybe_fail(self, during: str) -> None:
        if during in self.fails:
            raise self.fails[during]


class PuppetPlugin(Plugin):
    package = "janus.plugin.puppet"
    name = "Puppet"
    version = 3
    version_string = "0.0.3"
    author = "tests"
    description = "Does as it is told"

    def __init__(self) -> None:
        self.handles: list[Puppet] = []
        self.fails: Exception | None = None

    def attach(self, handle: Handle) -> Puppet:
        if self.fails is not None:
            raise self.fails
        self.handles.append(Puppet(handle))
        return self.handles[-1]


class DataPlugin(PuppetPlugin):
    package = "janus.plugin.data"
    webrtc = False


def check_sdp(text: str) -> None:
    if not text.startswith("v=0"):
        raise SdpError("should begin with v=0", text.partition("\n")[0], 1)


class World:
    """A core, a clock that tests move, and what came out, by connection."""

    def __init__(self, settings: JanusSettings | None = None, authorization: Authorization | None = None) -> None:
        self.settings = settings or JanusSettings()
        self.plugin = PuppetPlugin()
        self.plugins: dict[str, Plugin] = {self.plugin.package: self.plugin, DataPlugin.package: DataPlugin()}
        self.now = 0.0
        self.readied = 0
        self.sent: list[tuple[Connection, Json]] = []
        self.polls: dict[int, Any] = {}
        self.news: list[News] = []
        ids = itertools.count(1001)
        self._numbers = itertools.count(1)
        self.core = JanusCore(
            self.settings,
            self.plugins,
            authorization or Authorization(),
            new_id=lambda: next(ids),
            check_sdp=check_sdp,
            info=lambda accepting: {"name": "test", "accepting-new-sessions": accepting},
            ready=self._ready,
        )
        self.socket = self.connect()

    def connect(self, *, lasting: bool = True) -> Connection:
        return Connection(next(self._numbers), "janus.transport.test", lasting)

    def run(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send():
                    self.sent.append((action.connection, json.loads(action.text)))
                case PollDone():
                    self.polls[action.poll] = json.loads(action.text)
                case PollRefused():
                    self.polls[action.poll] = action.status
                case _:
                    self.news.append(action)

    def take(self, connection: Connection | None = None) -> list[Json]:
        """What was sent to the connection (the socket), and is now forgotten."""
        wanted = connection or self.socket
        taken = [message for target, message in self.sent if target == wanted]
        self.sent = [(target, message) for target, message in self.sent if target != wanted]
        return taken

    def raw(self, text: str | bytes, connection: Connection | None = None, path: Path = NO_PATH) -> list[Json]:
        """Send a text; returns the reply and the events that came on the same connection."""
        self.run(self.core.receive(connection or self.socket, text, self.now, path))
        return self.take(connection)

    def ask(self, verb: str, connection: Connection | None = None, path: Path = NO_PATH, **more: Any) -> list[Json]:
        """Send a request with a transaction."""
        return self.raw(json.dumps({"janus": verb, "transaction": "t"} | more), connection, path)

    def create(self, connection: Connection | None = None, **more: Any) -> int:
        (reply,) = self.ask("create", connection, **more)
        return int(reply["data"]["id"])

    def attach(self, session_id: int, package: str = PuppetPlugin.package, **more: Any) -> tuple[int, Puppet]:
        reply, *_ = self.ask("attach", session_id=session_id, plugin=package, **more)
        plugin = self.plugins[package]
        assert isinstance(plugin, PuppetPlugin)
        return int(reply["data"]["id"]), plugin.handles[-1]

    def poll(self, number: int, session_id: int, most: int = 10, **more: Any) -> None:
        self.run(self.core.poll(number, session_id, most, self.now, **more))

    def advance(self, to: float) -> None:
        """Let time pass, looking at each deadline on the way."""
        while (at := self.core.deadline()) is not None and at <= to:
            self.now = max(self.now, at)
            self.run(self.core.tick(self.now))
        self.now = to

    def flush(self) -> None:
        self.run(self.core.flush(self.now))

    def _ready(self) -> None:
        self.readied += 1


def world(change: Callable[[JanusSettings], JanusSettings] = lambda settings: settings, **settings: Any) -> World:
    """A world with some settings of its own."""
    return World(change(replace(JanusSettings(), **settings)))


def code(messages: list[Json]) -> int:
    """The error code of the only message."""
    (message,) = messages
    assert message["janus"] == "error", message
    return int(message["error"]["code"])
