"""Malformed Janus requests: each gets exactly one reply, its own, and another client notices nothing."""

from __future__ import annotations

import json
import random
from typing import Any

from boringsdp.janus_api.actions import PluginFailed, Send
from boringsdp.janus_api.auth import Authorization, TokenStore
from boringsdp.janus_api.core import VERBS
from boringsdp.janus_api.requests import Path
from tests.janus_api.build import DataPlugin, PuppetPlugin, World

CODES = {403, 405, 450, *range(452, 473), 490}
CASES = 20_000
KEPT = 10

ODD_VALUES = (
    None, True, False, 0, 1, -1, 2**53, 2**64, 2**64 - 1, 10**400, 1.5, -0.0, 1e308, "", "x", "ü\u0000", "a" * 5_000, "\U0001f600",
    [], {}, [[]], [None], {"completed": True}, {"candidate": ""}, {"type": "offer"}, {"type": "offer", "sdp": "v=0"},
    {"type": "answer", "sdp": "v=0"}, {"type": "OFFER", "sdp": "v="}, {"push": {}}, {"success": {}}, {"offer": "v=0"}, {"close": 1},
)  # fmt: skip

KEYS = (
    "janus", "transaction", "session_id", "handle_id", "apisecret", "token", "plugin", "opaque_id", "loop_index", "id", "body", "jsep",
    "candidate", "candidates", "sdpMid", "sdpMLineIndex", "type", "sdp", "trickle", "rid_order", "force_relay", "e2ee", "svc", "mindex",
)  # fmt: skip


class Fuzz:
    """One world under attack, with a bystander whose session must stay as it is."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.api = World(authorization=Authorization("secret", TokenStore({"token": [PuppetPlugin.package]})))
        self.bystander = self.api.connect()
        self.session_id = self.api.create(self.bystander, apisecret="secret")
        self.handle_id, _ = self.api.attach(self.session_id, apisecret="secret")
        # What the attacker knows of, alive or not: never anything of the bystander's.
        self.sessions = [1]
        self.handles = [(1, 2)]

    def value(self) -> object:
        pick = self.random.random()
        if pick < 0.35:
            return self.random.choice(ODD_VALUES)
        if pick < 0.55:
            return self.random.choice((self.random.choice(self.sessions), *self.random.choice(self.handles)))
        if pick < 0.7:
            return self.random.choice((PuppetPlugin.package, DataPlugin.package, "janus.plugin.none"))
        if pick < 0.8:
            return [self.value() for _ in range(self.random.randrange(3))]
        return {self.random.choice(KEYS): self.value() for _ in range(self.random.randrange(4))}

    def good(self) -> dict[str, object]:
        """A request in order, as far as one can tell beforehand."""
        verb = self.random.choice((*sorted(VERBS), "attach", "attach", "message", "message", "message", "trickle"))
        request: dict[str, object] = {"janus": verb, "transaction": "t", "apisecret": "secret"}
        if verb in ("attach", "destroy", "claim"):
            request["session_id"] = self.random.choice(self.sessions)
        elif verb not in ("create", "info", "ping"):
            request["session_id"], request["handle_id"] = self.random.choice(self.handles)
        match request["janus"]:
            case "attach":
                request["plugin"] = self.random.choice((PuppetPlugin.package, DataPlugin.package))
            case "message":
                request["body"] = self.random.choice(({}, {"push": {}}, {"success": {}}, {"offer": "v=0"}, {"close": 1}))
                if self.random.random() < 0.5:
                    request["jsep"] = {"type": self.random.choice(("offer", "answer")), "sdp": "v=0\r\n"}
            case "trickle":
                request["candidate"] = self.random.choice((None, {"completed": True}, {"candidate": "c", "sdpMid": "0"}))
        return request

    def text(self) -> bytes:
        request = self.good()
        for _ in range(self.random.choice((0, 1, 1, 1, 2, 3))):
            if self.random.random() < 0.25 and request:
                request.pop(self.random.choice(sorted(request)))
            else:
                request[self.random.choice(KEYS)] = self.value()
        text = bytearray(json.dumps(request).encode())
        if self.random.random() < 0.2:
            for _ in range(self.random.randrange(1, 6)):
                at = self.random.randrange(len(text))
                match self.random.randrange(4):
                    case 0:
                        text[at] = self.random.randrange(256)
                    case 1:
                        del text[at]
                    case 2:
                        text[at:at] = self.random.choice((b"[" * 2000, b'"', b"\\ud800", b"{", b"}", b"\xff", b"9" * 400))
                    case _:
                        del text[at:]
                if not text:
                    break
        return bytes(text)

    def one(self) -> None:
        api = self.api
        lasting = self.random.random() < 0.7
        connection = api.socket if lasting else api.connect(lasting=False)
        path = Path() if lasting else self.random.choice((Path(), Path(*self.random.choice(self.handles))))
        actions = api.core.receive(connection, self.text(), api.now, path)
        replies = [action for action in actions if isinstance(action, Send) and action.connection == connection]
        assert replies, "no reply"
        first = json.loads(replies[0].text)
        assert first["janus"] in {"success", "ack", "error", "pong", "server_info"}, first
        assert lasting or len(replies) == 1, "a connection that takes one reply got more"
        if first["janus"] == "error":
            assert first["error"]["code"] in CODES, first
        elif "data" in first:
            self.remember(first)
        assert not any(isinstance(action, Send) and action.connection == self.bystander for action in actions)
        assert not any(isinstance(action, PluginFailed) for action in actions)

    def remember(self, reply: dict[str, Any]) -> None:
        """Note the id that was given."""
        number = reply["data"]["id"]
        if "session_id" in reply:
            self.handles = [*self.handles[-KEPT:], (reply["session_id"], number)]
        else:
            self.sessions = [*self.sessions[-KEPT:], number]

    def look_after(self) -> None:
        """Let time pass, and see that the bystander is served as ever."""
        api = self.api
        api.advance(api.now + 5)
        (reply,) = api.ask("keepalive", self.bystander, session_id=self.session_id, apisecret="secret")
        assert reply["janus"] == "ack"
        body = {"push": {"n": 1}}
        ack, event = api.ask("message", self.bystander, session_id=self.session_id, handle_id=self.handle_id, body=body, apisecret="secret")
        assert (ack["janus"], event["plugindata"]["data"]) == ("ack", {"n": 1})


def fuzz_janus(seed: int, count: int) -> None:
    """Put `count` requests, most of them wrong in some way, through one core. Fails with the first that is not handled as it should be."""
    fuzz = Fuzz(seed)
    for number in range(count):
        fuzz.one()
        if number % 100 == 0:
            fuzz.look_after()


def test_fuzz_janus():
    fuzz_janus(seed=1, count=CASES)
