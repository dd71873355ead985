"""
Reading takes time in proportion to length, for every header and whatever is in it.

The largest values that fit into a message, and quarters of them: the ratio of their CPU times, each the best of several, is about four when
time is linear, and sixteen when it grows with the square. Two doublings at once, for the machine's own noise is a third of one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from boringsdp.errors import SipError
from boringsdp.sip import body, uri
from boringsdp.sip import headers as views
from boringsdp.sip.build import response_to
from boringsdp.sip.digest_params import read_lines
from boringsdp.sip.flow import Flow, Protocol
from boringsdp.sip.message import KEYS, Headers, Message, Request
from boringsdp.sip.name_address import parse_name_address
from boringsdp.sip.params import is_token, split_list
from boringsdp.sip.parse import parse
from boringsdp.sip.transport.via import note_source

LARGE = 60_000
GROWTH = 2.8
"""Twice the length may take this much more time: what needs new memory pays for it page by page."""
START_S = 10e-6
"""What any message takes."""
TRIES = 12

UNITS = (
    "a", " ", "\t", ",", ";", "<", ">", '"', "\\", "=", "%", "%41", "(", "[", "]", "@", "/", ":", "?", "&", ".", "*", "0", "é", "\udcff",
    "\0",
    "a,", " ,", ", ,", ";a", ";a=", ";a=b", ";a=b ", "; ", '"",', '"\\', '\\"', '" "', '";"', "<>", "<a:b>,", "<a:b>;", "a=1,",
    'a="",', "a b",
    "a/b ", "a\r\n ", "\r\n ", "\r\n\t", "SIP/2.0/UDP a,", "Digest a=b, ",
)  # fmt: skip
"""What a value is filled with, each alone: all that separates, opens, closes, escapes or folds."""

STARTS = {
    "via": "SIP/2.0/UDP a;branch=b", "from": "<sip:a@b>;tag=1", "to": "sip:a@b", "contact": '"A" <sip:a@b>', "cseq": "1 ", "rack": "1 1 ",
    "replaces": "a;to-tag=1;from-tag=2", "content-type": "a/b", "session-expires": "90;a=", "retry-after": "1 (",
    "www-authenticate": "Digest a=",
}  # fmt: skip
"""What comes before it in a second go, so that reading gets further."""

READERS: dict[str, Callable[[Message], object]] = {
    "via": views.vias, "from": views.from_, "to": views.to, "call-id": views.call_id, "cseq": views.cseq,
    "max-forwards": views.max_forwards,
    "contact": views.contacts, "refer-to": views.refer_to, "referred-by": views.referred_by, "rack": views.rack, "rseq": views.rseq,
    "expires": views.expires, "min-expires": views.min_expires, "min-se": views.min_se, "session-expires": views.session_expires,
    "retry-after": views.retry_after, "replaces": views.replaces, "join": views.join, "event": views.event,
    "subscription-state": views.subscription_state, "content-type": views.content_type, "content-disposition": views.content_disposition,
    "accept": views.accept, "reason": views.reasons,
    **{name: lambda message, name=name: views.name_addresses(message, name)
       for name in ("route", "record-route", "path", "service-route", "p-asserted-identity", "diversion")},
    **{name: lambda message, name=name: read_lines(message, name)
       for name in ("www-authenticate", "proxy-authenticate", "authorization", "proxy-authorization")},
}  # fmt: skip

NAMES = sorted({*KEYS.values(), *READERS, "x-unknown"})


def best(job: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.thread_time()
        job()
        times.append(time.thread_time() - started)
    return min(times)


def check_linear(job: Callable[[str], Callable[[], object]], unit: str, what: str) -> None:
    """`job` makes the work for a text of units. Measured again, the best of all being kept, until the ratio holds or tries run out."""
    small, large = (job(unit * (size // len(unit))) for size in (LARGE // 4, LARGE))
    short = long = float("inf")
    for _ in range(TRIES):
        short, long = min(short, best(small, 2)), min(long, best(large, 2))
        if long <= GROWTH**2 * short + START_S:
            return
    raise AssertionError(f"{what} of {unit!r}: {short * 1e6:.0f} and {long * 1e6:.0f} microseconds")


def quietly(read: Callable[[], object]) -> Callable[[], object]:
    def job() -> None:
        with suppress(SipError):
            read()

    return job


def _header(name: str, start: str) -> Callable[[str], Callable[[], object]]:
    read = READERS.get(name, lambda message: views.tokens(message, name))
    others = {"via": "SIP/2.0/UDP a", "from": "<sip:a>", "to": "<sip:a>", "call-id": "a", "cseq": "1 BYE"}
    before = "".join(f"{key}: {value}\r\n" for key, value in others.items() if key != name)

    def job(text: str) -> Callable[[], object]:
        octets = f"BYE sip:a SIP/2.0\r\n{before}{name}: {start}{text}\r\n\r\n".encode("utf-8", "surrogateescape")

        def whole() -> None:
            message = parse(octets).message
            if isinstance(message, Request):
                note_source(message, Flow(Protocol.UDP, ("192.0.2.1", 5060), ("192.0.2.2", 5060)))
                quietly(lambda: read(message))()
                response_to(message, 200, tag="t").to_bytes()

        return whole

    return job


@pytest.mark.parametrize("name", NAMES)
def test_every_header(name: str) -> None:
    for unit in UNITS:
        for start in {"", STARTS.get(name, "")}:
            check_linear(_header(name, start), unit, f"{name}: {start}")


OTHERS: dict[str, Callable[[str], object]] = {
    "a name": lambda text: parse(f"BYE sip:a SIP/2.0\r\n{text}: x\r\n\r\n".encode("utf-8", "surrogateescape")),
    "a method": lambda text: parse(f"{text} sip:a SIP/2.0\r\n\r\n".encode("utf-8", "surrogateescape")),
    "a Request-URI": lambda text: parse(f"BYE sip:{text} SIP/2.0\r\nVia: a\r\n\r\n".encode("utf-8", "surrogateescape")),
    "a version": lambda text: parse(f"BYE sip:a SIP/{text}\r\nVia: a\r\n\r\n".encode("utf-8", "surrogateescape")),
    "a reason": lambda text: parse(f"SIP/2.0 200 {text}\r\nVia: a\r\n\r\n".encode("utf-8", "surrogateescape")),
    "a head without an end": lambda text: parse(f"BYE sip:a SIP/2.0\r\nVia: a\r\n{text}".encode("utf-8", "surrogateescape")),
    "a stream": lambda text: parse(f"BYE sip:a SIP/2.0\r\nVia: a\r\n{text}".encode("utf-8", "surrogateescape"), stream=True),
    "many lines": lambda text: parse(
        ("BYE sip:a SIP/2.0\r\n" + text[:20_000].replace(text[:2], text[:2] + "\r\n")).encode("utf-8", "surrogateescape")
    ),
    "a list": split_list,
    "an address": parse_name_address,
    "a name in quotes": lambda text: parse_name_address(f'"{text}" <sip:a>'),
    "a name without": lambda text: parse_name_address(f"{text} <sip:a>"),
    "its parameters": lambda text: parse_name_address(f"<sip:a>;{text}"),
    "a token": is_token,
    "escapes": uri.unescape,
    "a user": uri.escape_user,
    "multipart": lambda text: body.parts(
        Request("BYE", "sip:a", Headers([("c", "multipart/mixed;boundary=a")]), text.encode("utf-8", "surrogateescape"))
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_everything_else(what: str) -> None:
    for unit in UNITS:
        check_linear(lambda text: quietly(lambda: OTHERS[what](text)), unit, what)


@pytest.mark.parametrize("form", ["sip:{}", "sip:{}@a", "sip:a@{}", "sip:a@b;{}", "sip:a@b?{}", "sip:[{}]", "{}:a"])
def test_uris(form: str) -> None:
    """As long as they may be, they are short: each is read eight times."""

    def read(text: str) -> Callable[[], object]:
        uri_text = form.format(text[: len(text) // 8])
        job = quietly(lambda: uri.same_uri(uri.parse_uri(uri_text), uri.parse_uri(uri_text)))
        return lambda: [job() for _ in range(8)]

    for unit in UNITS:
        check_linear(read, unit, form)


def test_this_would_be_noticed() -> None:
    """A reader that is not linear fails."""
    with pytest.raises(AssertionError):
        check_linear(lambda text: lambda: [text[:n].count(",") for n in range(0, len(text), 100)], "a", "quadratic")
