"""Seeded mutators: bytes, SDP text and JSON that stay half valid, so that they get past the first check."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MAX_DATAGRAM = 4096

BYTES = (0x00, 0x01, 0x03, 0x10, 0x14, 0x16, 0x3F, 0x40, 0x7F, 0x80, 0x90, 0xB0, 0xBE, 0xBF, 0xC8, 0xCF, 0xDE, 0xFE, 0xFF)
WORDS = (0, 1, 2, 3, 4, 5, 7, 8, 0x14, 0x7F, 0x80, 0xFF, 0x100, 0x3FFF, 0x7FFF, 0x8000, 0xFFFC, 0xFFFF)

# --- bytes -------------------------------------------------------------------------------------------------------------------------------


def _flip(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice(BYTES)


def _header(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """The first bytes decide what a datagram is, so they deserve more than their share."""
    if data:
        data[rng.randrange(min(len(data), 14))] = rng.randrange(256)


def _truncate(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _extend(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    data += rng.randbytes(rng.choice((1, 2, 3, 4, 16, 64))) if rng.random() < 0.5 else bytes(rng.choice((1, 4, 12, 255)))


def _insert(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 8)))


def _delete(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    del data[at : at + rng.choice((1, 2, 4, 8, 20))]


def _duplicate(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 4, 8, 24, 200))
    data[at:at] = data[at : at + size] * rng.choice((1, 1, 2, 30))


def _splice(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    other = rng.choice(others) if others else b""
    data[rng.randrange(len(data) + 1) :] = other[rng.randrange(len(other) + 1) :]


def _join(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    if others:
        data += rng.choice(others)


def _lie(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """Write a 16-bit number where a length may stand: something near the truth, or an extreme."""
    if len(data) < 2:
        return
    at = rng.randrange(0, len(data) - 1, rng.choice((1, 2, 4)) if len(data) > 5 else 1)
    rest = len(data) - at
    value = rng.choice((*WORDS, rest, rest - 1, rest + 1, rest // 4, rest // 4 - 1, len(data), len(data) - 20)) & 0xFFFF
    data[at : at + 2] = value.to_bytes(2, "big")


def _swap(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    size = rng.choice((2, 4, 8))
    if len(data) > 2 * size:
        a, b = rng.randrange(len(data) - size), rng.randrange(len(data) - size)
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


def _replace(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    data[:] = rng.randbytes(rng.choice((0, 1, 2, 7, 8, 11, 12, 13, 19, 20, 64, 1500)))


_OCTETS: tuple[Callable[[random.Random, bytearray, Sequence[bytes]], None], ...] = (
    _flip, _flip, _flip, _overwrite, _overwrite, _header, _header, _truncate, _extend, _insert, _delete, _duplicate, _splice, _join, _lie,
    _lie, _swap, _replace,
)  # fmt: skip


def mutate_octets(rng: random.Random, data: bytes, others: Sequence[bytes] = (), limit: int = MAX_DATAGRAM) -> bytes:
    """Return `data` changed in one to three ways and never the same; `others` are what may be spliced in."""
    while True:
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            rng.choice(_OCTETS)(rng, changed, others)
        if (result := bytes(changed[:limit])) != data:
            return result


# --- SDP ---------------------------------------------------------------------------------------------------------------------------------

NUMBERS = (
    "0", "-1", "1", "00", "007", "13", "63", "64", "95", "96", "127", "128", "255", "256", "65535", "65536", "4294967295", "4294967296",
    "18446744073709551616", "9" * 40, "9" * 5000, "1e9", "1.5", "0x10", "²", "٣", "１", "+5", "NaN", "inf",
)  # fmt: skip
TOKENS = (
    "", " ", "  ", "\t", "-", "*", ":", "::", "/", ";", "=", "|", "a=", "m=", "%s%n", "{}", "\x7f", "\u00a0", "\u2028", "\u202e", "\ufeff",
    "\ufffd", "\U0001f600", "e\u0301", "İ", "ß", "\x1c", "\x0b", "\x85", "\udc80", "x" * 300, "x" * 9000, "audio", "video", "BUNDLE",
    "RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVPF", "IN", "IP4", "IP6", "0.0.0.0", "::", "255.255.255.255", "224.0.0.1/127/3", "127.0.0.1",
    "fe80::1%eth0", "::ffff:10.0.0.1", "host.invalid", "inline:", "telephone-event/0", "opus/48000/2", "opus/48000/999", "PCMU/8000",
    "../../etc/passwd", "'; drop table calls; --",
)  # fmt: skip
LINES = (
    *Path(__file__).with_name("lines.txt").read_text().splitlines(),
    "a=",
    "a=ice-ufrag:" + "u" * 256,
    "a=ssrc:1 cname:a\u2028b",
    "a=crypto:9999999999 X inline:é",
    "b=TIAS:" + "9" * 30,
    "m=\u00a0 9 RTP/AVP 0",
    "m=audio 9 RTP/AVP " + " ".join(map(str, range(128))),
)
"""Lines that are odd, dangerous in the wrong place, or both."""


def _split(rng: random.Random, line: str) -> tuple[list[str], str]:
    mark = rng.choice([mark for mark in (" ", ":", "/", ";", "=") if mark in line] or [" "])
    return line.split(mark), mark


def _token(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    at = rng.randrange(len(lines))
    parts, mark = _split(rng, lines[at])
    parts[rng.randrange(len(parts))] = rng.choice(TOKENS)
    lines[at] = mark.join(parts)


def _number(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    spots = [(n, m) for n, line in enumerate(lines) for m, part in enumerate(line.split(" ")) if any(c.isdigit() for c in part)]
    if not spots:
        return
    at, part = rng.choice(spots)
    parts = lines[at].split(" ")
    head, _, tail = parts[part].rpartition(":")
    digits = rng.choice(NUMBERS) if rng.random() < 0.7 else str(rng.getrandbits(rng.choice((4, 7, 8, 16, 32, 64))))
    parts[part] = f"{head}:{digits}" if head and tail else digits
    lines[at] = " ".join(parts)


def _drop_line(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    del lines[rng.randrange(len(lines))]


def _drop_block(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    at = rng.randrange(len(lines))
    del lines[at : at + rng.randrange(1, 20)]


def _repeat_line(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    at = rng.randrange(len(lines))
    lines[at:at] = [lines[at]] * rng.choice((1, 1, 1, 2, 5, 70))


def _move_line(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    line = lines.pop(rng.randrange(len(lines)))
    lines.insert(rng.randrange(len(lines) + 1), line)


def _add_line(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    lines.insert(rng.randrange(1, len(lines) + 1), rng.choice(LINES))


def _foreign_line(rng: random.Random, lines: list[str], others: Sequence[str]) -> None:
    if others:
        lines.insert(rng.randrange(1, len(lines) + 1), rng.choice(rng.choice(others).split("\r\n")))


def _foreign_tail(rng: random.Random, lines: list[str], others: Sequence[str]) -> None:
    if others:
        other = rng.choice(others).split("\r\n")
        lines[rng.randrange(1, len(lines) + 1) :] = other[rng.randrange(len(other)) :]


def _repeat_token(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    at = rng.randrange(len(lines))
    parts, mark = _split(rng, lines[at])
    spot = rng.randrange(len(parts))
    parts[spot:spot] = [parts[spot]] * rng.choice((1, 2, 100))
    lines[at] = mark.join(parts)


def _characters(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    at = rng.randrange(len(lines))
    line = lines[at]
    spot = rng.randrange(len(line) + 1)
    lines[at] = line[:spot] + rng.choice((*TOKENS[:27], "\0", "\r", "\n", "\r\n", "\\", '"')) + line[spot + rng.randrange(3) :]


def _address(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    spots = [n for n, line in enumerate(lines) if line.startswith(("c=", "a=rtcp:", "a=candidate:"))]
    if spots:
        at = rng.choice(spots)
        hosts = (
            "0.0.0.0",
            "::",
            "host.invalid",
            "",
            "10.0.0.1/8",
            "1.2.3.4.5",
            "999.1.1.1",
            "[::1]",
            "::ffff:1.2.3.4",
            "localhost",
            "h" * 256,
        )
        lines[at] = " ".join([*lines[at].split(" ")[:-1], rng.choice(hosts)])


def _direction(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    directions = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")
    lines[:] = [rng.choice(directions) if line in directions else line for line in lines]


def _port(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    spots = [n for n, line in enumerate(lines) if line.startswith("m=")]
    if spots:
        at = rng.choice(spots)
        parts = lines[at].split(" ")
        change = rng.randrange(4)
        if change == 0 and len(parts) > 1:
            parts[1] = rng.choice(("0", "9", "1", "65535", *NUMBERS))
        elif change == 1 and len(parts) > 2:
            parts[2] = rng.choice(
                ("RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "TCP/RTP/AVP", "x")
            )
        elif change == 2:
            parts[3:] = rng.sample(parts[3:], len(parts[3:]))
        else:
            parts += [rng.choice(NUMBERS[:12])]
        lines[at] = " ".join(parts)


def _case(rng: random.Random, lines: list[str], _: Sequence[str]) -> None:
    at = rng.randrange(len(lines))
    lines[at] = lines[at].swapcase()


_TEXTS: tuple[Callable[[random.Random, list[str], Sequence[str]], None], ...] = (
    _token, _token, _number, _number, _number, _drop_line, _drop_line, _drop_block, _repeat_line, _move_line, _add_line,
    _add_line, _add_line, _foreign_line, _foreign_tail, _repeat_token, _characters, _characters, _address, _direction, _port,
    _port, _case,
)  # fmt: skip


def mutate_sdp(rng: random.Random, text: str, others: Sequence[str] = ()) -> str:
    """Return an SDP changed line by line and token by token, sometimes in its line ends; half of them keep their v=0."""
    while True:
        lines = text.removesuffix("\r\n").split("\r\n")
        for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
            if lines:
                rng.choice(_TEXTS)(rng, lines, others)
        if lines and rng.random() < 0.5 and not lines[0].startswith("v=0"):
            lines.insert(0, "v=0")
        end = rng.choice(("\r\n",) * 12 + ("\n", "\r", "\r\r\n", "\n\r", "\x0b"))
        result = end.join(lines) + rng.choice((end, end, end, ""))
        if result != text:
            return result


def mutate_sdp_octets(rng: random.Random, text: str, others: Sequence[str] = ()) -> bytes:
    """Return an SDP as bytes that may be no text at all."""
    changed = mutate_sdp(rng, text, others).encode("utf-8", "surrogatepass")
    return mutate_octets(rng, changed, limit=70_000) if rng.random() < 0.8 else changed.decode("utf-8", "replace").encode("utf-16")


# --- JSON --------------------------------------------------------------------------------------------------------------------------------


def _nested(rng: random.Random) -> Any:
    value: Any = 0
    for _ in range(rng.choice((3, 50, 400))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**53, 2**63, 2**64 - 1, 2**64, 10**30, -(10**30), 0.5, -0.0, 1e308, 1e-320, "", " ",
    "0", "\0", "\u2028", "\U0001f600", "é" * 50, "x" * 300, "x" * 20_000, "offer", "answer", "OFFER", "pranswer", "rollback",
    "create", "janus.plugin.nosip", "message", "sdes_mandatory", [], {}, [[]], [None], [{}], {"": ""}, {"a": 1}, [1, "2", None],
    ["x"] * 300, {str(n): n for n in range(300)},
)  # fmt: skip


def _spots(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON tree."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            _spots(value[key], found)
    return found


def mutate_tree(rng: random.Random, tree: Any, texts: Callable[[random.Random, str], str] | None = None) -> Any:
    """Return a copy of a JSON tree with some of its members replaced, removed, renamed or added; `texts` mutates a long string (an SDP)."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 2, 3))):
        spots = _spots(tree, [])
        if not spots:
            return rng.choice(VALUES)
        sdps = [spot for spot in spots if isinstance(spot[0][spot[1]], str) and spot[0][spot[1]].startswith("v=0")]
        container, key = rng.choice(sdps if sdps and texts is not None and rng.random() < 0.6 else spots)
        change = rng.randrange(6)
        if texts is not None and (container, key) in sdps and rng.random() < 0.9:
            container[key] = texts(rng, container[key])
        elif change == 0:
            del container[key]
        elif change == 1 and isinstance(container, dict):
            container[str(key) + rng.choice(("", "_", " ", "\0", "s"))] = container.pop(key)
        elif change == 2:
            container[key] = _nested(rng)
        elif change == 3:
            container[key] = [container[key]] if rng.random() < 0.5 else {"a": container[key]}
        else:
            container[key] = copy.deepcopy(rng.choice(VALUES))
    return tree


def _bomb(rng: random.Random) -> bytes:
    """Text that is costly, deep, huge or no text at all."""
    size = rng.choice((200, 2_000, 50_000))
    begin = b'{"janus":"create","transaction":"t",'
    return rng.choice(
        (
            b"[" * size,
            b'{"a":' * size,
            b"[" * size + b"]" * size,
            b'{"janus":' * size + b"1" + b"}" * size,
            b"1" * size,
            b'"' + b"\\u0000" * size,
            begin + b'"x":' + b"9" * size + b"}",
            begin + b'"x":' + b"[" * size + b"]" * size + b"}",
            begin + b'"id":1' + b"0" * size + b"}",
            begin + b'"id":1e' + b"9" * (size % 19) + b"}",
            begin + b"}",
            b'{"transaction":"t","janus":"' + b"a" * size + b'"}',
            b'{"janus":"ping","transaction":"' + b"t" * size + b'"}',
            b'{"transaction":"\xff\xfe","janus":"create"}',
            b'{"transaction":"\\ud800","janus":"create"}',
            b'{"transaction":"\\ud83d\\ude00","janus":"\xf0\x9f\x98\x80"}',
            b'{"janus":NaN,"transaction":Infinity}',
            b'{"a":1,"a":2,"janus":"ping","janus":"x","transaction":"t"}',
            *(b"\xef\xbb\xbf{}", b"null", b"", b" ", b"\0", b'"janus"', b"[1,2]", b"-", b"1e999999"),
        )
    )


def write_json(rng: random.Random, tree: Any) -> str | bytes:
    """Return the tree as text, now and then damaged as text: cut, bits flipped, a member twice, or not a tree at all but a bomb."""
    kind = rng.random()
    if kind < 0.06:
        return _bomb(rng)
    text = json.dumps(tree, ensure_ascii=rng.random() < 0.5)
    if kind < 0.14:
        return mutate_octets(rng, text.encode("utf-8", "surrogatepass"), limit=300_000)
    if kind < 0.17:
        return text[: rng.randrange(len(text) + 1)]
    if kind < 0.20 and text.startswith("{") and len(text) > 2:
        return text[:-1] + "," + text[1:]
    return text if rng.random() < 0.5 else text.encode("utf-8", "surrogatepass")
