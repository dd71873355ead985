"""Sound messages that nobody would send: of other dialogs, transactions and times, made of messages that were sent lately."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

KEPT = 40
IDENTITIES = (b"From", b"To", b"Call-ID", b"CSeq", b"Via", b"Contact", b"RSeq", b"RAck", b"Event", b"Subscription-State", b"Route")
METHODS = (
    b"INVITE", b"ACK", b"BYE", b"CANCEL", b"PRACK", b"UPDATE", b"INFO", b"REFER", b"NOTIFY", b"SUBSCRIBE", b"MESSAGE", b"OPTIONS",
)  # fmt: skip
CODES = (100, 180, 183, 199, 200, 202, 301, 302, 401, 407, 408, 420, 422, 423, 481, 486, 487, 491, 500, 503, 504, 600, 603)

Lines = list[bytes]
Recent = deque[bytes]


def made_recent() -> Recent:
    return deque(maxlen=KEPT)


def splice(rng: random.Random, data: bytes, recent: Recent) -> bytes:
    """Return what another time, dialog or party might have sent. `recent` are messages as they were sent, this one included."""
    head, empty, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    kind = rng.choice(_SPLICES)
    if kind is None:
        return rng.choice(recent)
    kind(rng, lines, recent)
    return b"\r\n".join(lines) + empty + body


def _swap(rng: random.Random, lines: Lines, recent: Recent) -> None:
    """One or two of the lines that say what it belongs to are another message's."""
    other = rng.choice(recent).partition(b"\r\n\r\n")[0].split(b"\r\n")
    for _ in range(rng.choice((1, 1, 2))):
        wanted = rng.choice(IDENTITIES) + b":"
        theirs = next((line for line in other if line.startswith(wanted)), None)
        for at, line in enumerate(lines):
            if theirs is not None and line.startswith(wanted):
                lines[at] = theirs
                break


def _renumber(rng: random.Random, lines: Lines, recent: Recent) -> None:
    """Another CSeq, in a transaction of its own."""
    _change(lines, b"CSeq:", lambda value: b"%d %s" % (_near(rng, value), value.rpartition(b" ")[2]))
    _new_branch(rng, lines)


def _rename(rng: random.Random, lines: Lines, recent: Recent) -> None:
    """Another method, or another code; under the same branch or another."""
    if lines[0].startswith(b"SIP/"):
        lines[0] = b"SIP/2.0 %d Whatever" % rng.choice(CODES)
        return
    method = rng.choice(METHODS)
    lines[0] = b" ".join([method, *lines[0].split(b" ")[1:]])
    _change(lines, b"CSeq:", lambda value: b"%s %s" % (value.partition(b" ")[0], method))
    if rng.random() < 0.5:
        _renumber(rng, lines, recent)


def _retag(rng: random.Random, lines: Lines, recent: Recent) -> None:
    """A fork: the same answer under another tag; or a request of another dialog."""
    name = rng.choice((b"To:", b"From:"))
    tag = rng.choice((b"", b";tag=other", b";tag=%d" % rng.randrange(3)))
    _change(lines, name, lambda value: value.partition(b";tag=")[0] + tag)
    if rng.random() < 0.3 and not lines[0].startswith(b"SIP/"):
        _new_branch(rng, lines)


def _rebranch(rng: random.Random, lines: Lines, recent: Recent) -> None:
    """The same by another way."""
    _new_branch(rng, lines)


_SPLICES: tuple[Callable[[random.Random, Lines, Recent], None] | None, ...] = (
    None, _swap, _swap, _swap, _renumber, _rename, _rename, _retag, _retag, _rebranch,
)  # fmt: skip
"""None: an old message again."""


def _near(rng: random.Random, value: bytes) -> int:
    number = value.partition(b" ")[0][:9]
    return max(0, min(2**31 - 1, (int(number) if number.isdigit() else 1) + rng.choice((-2, -1, 1, 1, 1, 2, 1000, 2**31))))


def _new_branch(rng: random.Random, lines: Lines) -> None:
    _change(lines, b"Via:", lambda value: value.partition(b";branch=")[0] + b";branch=z9hG4bKs%d;rport" % rng.randrange(10**9))


def _change(lines: Lines, name: bytes, change: Callable[[bytes], bytes]) -> None:
    """Change the value of the first line of a name."""
    for at, line in enumerate(lines):
        if line.startswith(name):
            lines[at] = name + b" " + change(line[len(name) :].strip())
            return
