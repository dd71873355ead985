"""Seeded mutators of SIP messages that stay half valid: header lines, their values, and the octets."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable

from tests.fuzz.mutations import NUMBERS, mutate_octets
from tests.sip.torture.case import HERE, SDP, US, WITH_SDP, ordinary
from tests.sip.torture.cases import CASES

MAX_OCTETS = 16_384

NAMES = (
    "Via", "v", "From", "f", "To", "t", "Call-ID", "i", "CSeq", "Contact", "m", "Route", "Record-Route", "Path", "Service-Route",
    "Max-Forwards", "Content-Length", "l", "Content-Type", "c", "Expires", "Min-Expires", "Min-SE", "Session-Expires", "x", "RAck", "RSeq",
    "Replaces", "Join", "Refer-To", "r", "Referred-By", "Event", "o", "Subscription-State", "Supported", "k", "Require", "Allow", "Accept",
    "Reason", "Retry-After", "P-Asserted-Identity", "Content-Disposition", "Timestamp", "Subject", "X-Own",
)  # fmt: skip

VALUES = (
    "", " ", ",", ";", "*", "<>", "<", ">", '"', '"" <sip:a@b>', "\\", '"\\', "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport",
    "SIP/2.0/TCP [2001:db8::1]:5061;received=192.0.2.9;rport=1;branch=z9hG4bK2", "SIP/2.0/UDP a, SIP/2.0/TLS b ;x = \"y,z\"",
    "<sip:a@b>;tag=1", "sip:a@b;tag=2;x", '"A, \\"B\\"" <sip:a,1@b;lr?c=d>;expires=60;q=0.5, <sips:c@[::1]:5061>', "<tel:+1-201>",
    "<sip:a@b?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>", "sip:a@b?c=d", "1 INVITE", "7 BYE", "1 1 INVITE", "90;refresher=uas",
    "a@b;to-tag=1;from-tag=2;early-only", "active;expires=600", "terminated;reason=noresource;retry-after=1", "refer;id=1", "100rel, timer",
    "INVITE, ACK, x-Own", "application/sdp;level=1, */*;q=0", "multipart/mixed;boundary=x", 'SIP;cause=200;text="a, b"', "120 (busy);x=y",
    "application/sdp", "text/plain;charset=\"utf-8\"", "session;handling=optional", "0", "70", "é\u2028\udcff\0\x7f", "(" * 300, "<" * 300,
    ";" * 300, '"' * 301, "\\" * 300, "a," * 300, ";a=b" * 70, "%" * 50, "[" * 50, "x" * 9000,
)  # fmt: skip

STARTS = (
    "INVITE sip:a@b SIP/2.0", "ACK sip:a@b SIP/2.0", "REGISTER sips:[::1]:5061;lr SIP/2.0", "X-Own tel:+1 SIP/2.0", "SIP/2.0 200 OK",
    "SIP/2.0 100 ", "INVITE sip:a@b SIP/7.0", "INVITE  sip:a@b SIP/2.0", "INVITE <sip:a@b> SIP/2.0", "INVITE x:y SIP/2.0", "SIP/2.0 999 x",
    "GET / HTTP/1.1", "", "INVITE sip:a@b?c=d SIP/2.0", "\0", "INVITE sip:\udcff@b SIP/2.0",
)  # fmt: skip

TOKENS = (
    "",
    " ",
    "\t",
    "=",
    ";",
    ",",
    ":",
    "<",
    ">",
    '"',
    "\\",
    "@",
    "%",
    "%00",
    "[",
    "]",
    "/",
    "?",
    "&",
    "\r",
    "\n",
    "\r\n ",
    "é",
    "\udcff",
    "\0",
)

Lines = list[str]


RICH = (
    ordinary(
        f"REFER sip:{US} SIP/2.0",
        "Refer-To: <sip:pip@pequod.example?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>",
        "Referred-By: <sip:ishmael@nantucket.example>;cid=x",
        "Require: norefersub",
        call="refer",
    ),
    ordinary(
        f"NOTIFY sip:{US} SIP/2.0",
        "Event: refer;id=51",
        "Subscription-State: terminated;reason=noresource;retry-after=3",
        "Content-Type: message/sipfrag;version=2.0",
        "Allow-Events: refer, presence",
        body="SIP/2.0 200 OK",
        call="notify",
    ),
    ordinary(
        f"INVITE sip:{US} SIP/2.0",
        "Replaces: a@b;to-tag=1;from-tag=2;early-only",
        "Session-Expires: 1800;refresher=uac",
        "Min-SE: 90",
        "Supported: replaces, timer, 100rel",
        "Allow: INVITE, ACK, BYE, CANCEL",
        "Accept: application/sdp, multipart/mixed",
        "Record-Route: <sip:192.0.2.4;lr;r2=on>, <sip:192.0.2.4;transport=tcp;lr>",
        "Route: <sip:[2001:db8::4]:5061;lr>",
        'P-Asserted-Identity: "Ahab" <sip:ahab@pequod.example>, <tel:+12015550123>',
        "Content-Disposition: session;handling=required",
        'Reason: SIP;cause=200;text="Elsewhere"',
        WITH_SDP,
        body=SDP,
        call="rich",
    ),
    ordinary(f"PRACK sip:{US} SIP/2.0", "RAck: 776656 1 INVITE", call="prack"),
    ordinary(
        "SIP/2.0 183 Session Progress",
        "RSeq: 988789",
        "Require: 100rel",
        'Contact: <sip:a@[::1]>;expires=5;+sip.instance="<urn:uuid:0>", sip:b@c;q=0.1',
        "Retry-After: 120 (busy);duration=5",
        "Min-Expires: 60",
        "Expires: 7200",
        "Path: <sip:edge;lr;ob>",
        "Service-Route: <sip:home;lr>",
        call="progress",
    ),
)
"""What the torture messages lack: the headers of extensions."""


@functools.cache
def messages() -> tuple[bytes, ...]:
    """The torture messages that are valid, more odd than any peer's, and ours."""
    ours = tuple(text.replace(HERE, "192.0.2.10:5060").replace(US, "ahab@pequod.example").encode() for text in RICH)
    return tuple(case.octets() for case in CASES if case.is_defect is False) + ours * 4


def _value(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    name, colon, _ = lines[at].partition(":")
    lines[at] = f"{name}{colon or ':'} {rng.choice(VALUES)}"


def _add(rng: random.Random, lines: Lines) -> None:
    lines.insert(rng.randrange(1, len(lines) + 1), f"{rng.choice(NAMES)}: {rng.choice(VALUES)}")


def _name(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    lines[at] = f"{rng.choice(NAMES)}:{lines[at].partition(':')[2]}"


def _token(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    spot = rng.randrange(len(lines[at]) + 1)
    lines[at] = lines[at][:spot] + rng.choice(TOKENS) * rng.choice((1, 1, 1, 2, 40)) + lines[at][spot + rng.choice((0, 0, 1, 3)) :]


def _number(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    parts = lines[at].split(" ")
    parts[rng.randrange(len(parts))] = rng.choice(NUMBERS)
    lines[at] = " ".join(parts)


def _repeat(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    lines[at:at] = [lines[at]] * rng.choice((1, 1, 2, 30, 300))


def _grow(rng: random.Random, lines: Lines) -> None:
    """The same value again and again in one line."""
    at = rng.randrange(len(lines))
    name, colon, value = lines[at].partition(":")
    lines[at] = name + colon + rng.choice((",", ";", " ", "")).join([value] * rng.choice((2, 30, 101)))


def _drop(rng: random.Random, lines: Lines) -> None:
    if len(lines) > 1:
        del lines[rng.randrange(len(lines))]


def _move(rng: random.Random, lines: Lines) -> None:
    lines.insert(rng.randrange(len(lines)), lines.pop(rng.randrange(len(lines))))


def _fold(rng: random.Random, lines: Lines) -> None:
    at = rng.randrange(len(lines))
    spot = rng.randrange(len(lines[at]) + 1)
    lines[at] = lines[at][:spot] + rng.choice(("\r\n ", "\r\n\t", "\r\n \r\n ", "\n ", "\r ")) + lines[at][spot:]


def _start(rng: random.Random, lines: Lines) -> None:
    lines[0] = rng.choice(STARTS)


_MUTATORS: tuple[Callable[[random.Random, Lines], None], ...] = (
    _value, _value, _add, _add, _name, _token, _token, _token, _number, _repeat, _grow, _drop, _move, _fold, _start,
)  # fmt: skip


def mutate_sip(rng: random.Random, data: bytes) -> bytes:
    """Return a message changed in one to three of its lines; one in six has its octets changed instead or as well."""
    if rng.random() < 0.1:
        return mutate_octets(rng, data, messages(), MAX_OCTETS)
    head, empty, body = data.partition(b"\r\n\r\n")
    lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    for _ in range(rng.choice((1, 1, 1, 2))):
        rng.choice(_MUTATORS)(rng, lines)
    text = "\r\n".join(lines).encode("utf-8", "surrogateescape")
    changed = (text + empty + body)[:MAX_OCTETS]
    return mutate_octets(rng, changed, messages(), MAX_OCTETS) if rng.random() < 0.07 else changed
