"""What was sent and received under each Call-ID, for people to read: a bounded memory, and the drawing of a ladder."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import NamedTuple

from boringsdp.sip.flow import Destination, Flow
from boringsdp.sip.message import Message, Request, Response

WIDTH = 34
"""Characters from one column of the drawing to the next."""
MAX_CALL_ID = 256
MAX_PEERS = 8
"""Columns of a drawing; messages of further peers share the last one."""


class Step(NamedTuple):
    """One message: when (seconds), to or from whom, and what it was."""

    at: float
    sent: bool
    peer: str
    text: str


class Ladders:
    """
    The last `calls` Call-IDs, of each the last `messages` messages.

    What peers have begun is kept apart, as many again, until `keep` says that somebody here has it: strangers push out nothing else.
    """

    def __init__(self, calls: int, messages: int) -> None:
        self._calls = calls
        self._messages = messages
        self._steps: OrderedDict[str, deque[Step]] = OrderedDict()
        self._strange: OrderedDict[str, deque[Step]] = OrderedDict()

    def note(self, message: Message, where: Destination, now: float, *, sent: bool) -> None:
        """Remember a message."""
        call_id = message.headers.get("Call-ID")
        if not self._calls or call_id is None:
            return
        key = call_id[:MAX_CALL_ID]
        steps = self._steps.get(key) or self._strange.get(key)
        if steps is None:
            steps = deque(maxlen=self._messages)
            self._add(self._steps if sent and isinstance(message, Request) else self._strange, key, steps)
        steps.append(Step(now, sent, peer_of(where), summary(message)))

    def is_strange(self, call_id: str) -> bool:
        """Whether a peer has begun with it, and it is not kept yet."""
        return call_id[:MAX_CALL_ID] in self._strange

    def keep(self, call_id: str) -> None:
        """What a peer has begun has been given to somebody here."""
        key = call_id[:MAX_CALL_ID]
        steps = self._strange.pop(key, None)
        if steps is not None:
            self._add(self._steps, key, steps)

    def _add(self, those: OrderedDict[str, deque[Step]], key: str, steps: deque[Step]) -> None:
        those[key] = steps
        while len(those) > self._calls:
            those.popitem(last=False)

    def steps(self, call_id: str) -> tuple[Step, ...]:
        key = call_id[:MAX_CALL_ID]
        return tuple(self._steps.get(key) or self._strange.get(key) or ())

    def draw(self, call_id: str) -> str:
        """Return the ladder of a Call-ID; empty when nothing is known of it."""
        steps = self.steps(call_id)
        return draw(steps) if steps else ""


def peer_of(where: Destination) -> str:
    host, port = where.remote if isinstance(where, Flow) else (where.host, where.port)
    return f"{where.protocol.value} [{host}]:{port}" if ":" in host else f"{where.protocol.value} {host}:{port}"


def start_line(message: Message) -> str:
    """Return what a message is as the log says it: `INVITE sip:bob@example.com`, `200 OK to INVITE`."""
    if isinstance(message, Request):
        return f"{message.method[:16]} {message.uri[:200]}"
    if isinstance(message, Response):
        return f"{message.code} {message.reason[:100]} to {(message.headers.get('CSeq') or '').rpartition(' ')[2][:16]}"
    return ""


def summary(message: Message) -> str:
    """Return what a message is in a few words: `INVITE SDP`, `200 INVITE SDP`."""
    words = []
    if isinstance(message, Request):
        words.append(message.method[:16])
    elif isinstance(message, Response):
        words.append(f"{message.code} {(message.headers.get('CSeq') or '').rpartition(' ')[2][:16]}")
    if message.body:
        kind = (message.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        words.append("SDP" if kind == "application/sdp" else kind[:14] or "body")
    return " ".join(words)


def draw(steps: tuple[Step, ...]) -> str:
    """Return a drawing of messages: we are the left line, each peer one of the others; times count from the first."""
    peers = list(dict.fromkeys(step.peer for step in steps))[:MAX_PEERS]
    lines = [" " * 9 + "us" + "".join(f"{peer[: WIDTH - 2]:>{WIDTH}}" for peer in peers)]
    for step in steps:
        column = peers.index(step.peer) + 1 if step.peer in peers else len(peers)
        span = column * WIDTH - 1
        label = f" {step.text[: span - 6]} "
        arrow = f"--{label:-<{span - 3}}>" if step.sent else f"<-{label:-<{span - 2}}"
        rest = "".join(" " * (WIDTH - 1) + "|" for _ in range(len(peers) - column))
        lines.append(f"{step.at - steps[0].at:8.3f} |{arrow}|{rest}")
    return "\n".join(lines) + "\n"
