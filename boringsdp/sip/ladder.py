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
    """The last `calls` Call-IDs, of each the last `messages` messages."""

    def __init__(self, calls: int, messages: int) -> None:
        self._calls = calls
        self._messages = messages
        self._steps: OrderedDict[str, deque[Step]] = OrderedDict()

    def note(self, message: Message, where: Destination, now: float, *, sent: bool) -> None:
        """Remember a message."""
        call_id = message.headers.get("Call-ID")
        if not self._calls or call_id is None:
            return
        key = call_id[:MAX_CALL_ID]
        steps = self._steps.get(key)
        if steps is None:
            steps = self._steps[key] = deque(maxlen=self._messages)
            while len(self._steps) > self._calls:
                self._steps.popitem(last=False)
        steps.append(Step(now, sent, peer_of(where), summary(message)))

    def steps(self, call_id: str) -> tuple[Step, ...]:
        return tuple(self._steps.get(call_id[:MAX_CALL_ID], ()))

    def draw(self, call_id: str) -> str:
        """Return the ladder of a Call-ID; empty when nothing is known of it."""
        steps = self.steps(call_id)
        return draw(steps) if steps else ""


def peer_of(where: Destination) -> str:
    host, port = where.remote if isinstance(where, Flow) else (where.host, where.port)
    return f"{where.protocol.value} [{host}]:{port}" if ":" in host else f"{where.protocol.value} {host}:{port}"


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
