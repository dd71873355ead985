"""The same as `test_linear.py` for what stands above the parser: user agents, credentials, bodies, and what the SIP plugin reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from boringsdp.call.digits import read_digit
from boringsdp.sip import body
from boringsdp.sip import headers as views
from boringsdp.sip.account import AccountSettings
from boringsdp.sip.build import request, response_to
from boringsdp.sip.digest import Authenticator, Credentials
from boringsdp.sip.digest_params import read_words
from boringsdp.sip.digest_server import Challenger
from boringsdp.sip.exchange import Locate
from boringsdp.sip.flow import Flow, Protocol
from boringsdp.sip.ladder import Ladders
from boringsdp.sip.line import Line
from boringsdp.sip.message import Headers, Message, Request, Response
from boringsdp.sip.outgoing import call, subscribe
from boringsdp.sip.parse import parse
from boringsdp.sip.refer import read_fragment
from boringsdp.sip.session import Session, State
from boringsdp.sip.settings import PolicySettings, SipSettings
from boringsdp.sip.transport import Reach, note_source
from boringsdp.sip.transport.udp import not_sip
from boringsdp.sip.ua import UserAgent
from boringsdp.sip.uri import SipUri, parse_sip_uri, telephone_number
from boringsdp.sip_plugin.headers import reason_of, shown_headers
from tests.sip.test_linear import NAMES, STARTS, UNITS, check_linear, quietly

WORST = (",", ";", '"', "<", "\\", "%41", "a", " ", "é", "a,", ";a=b", '\\"', "<a:b>,", "a=1,", "a\r\n ", "sip:a@b,", "<sip:a@b;lr>,")
"""Those units that make readers do something."""
PEER = Flow(Protocol.UDP, ("192.0.2.10", 5060), ("192.0.2.1", 5060))
SETTINGS = SipSettings(policy=PolicySettings(sources=("0.0.0.0/0",)))
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
WITH_BODY = f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}"
FIXED = frozenset(("content-length", "content-type"))


def agent() -> tuple[UserAgent, Line]:
    ua = UserAgent(SETTINGS, sent_by=lambda to: "192.0.2.10:5060", reach=lambda to: Reach("192.0.2.10", 5060, to.protocol))
    credentials = (Credentials("bob", secret="x"),)
    return ua, ua.add_line(AccountSettings(identity=SipUri("sip", "bob", "192.0.2.10"), credentials=credentials))


def take(ua: UserAgent, octets: bytes) -> None:
    """As the endpoint does."""
    parsed = parse(octets)
    if parsed.message is None:
        return
    if isinstance(parsed.message, Request):
        note_source(parsed.message, PEER)
    ua.receive(parsed.message, parsed.defects, PEER, 1.0)
    ladders = Ladders(1, 10)
    ladders.note(parsed.message, PEER, 1.0, sent=False)
    ladders.draw("c")


def octets_of(start: str, lines: dict[str, str], name: str, text: str, end: str) -> bytes:
    """A message whose header of that name has this value, in place of or beside its own."""
    lines = {**lines, name: text}
    return "".join([f"{start}\r\n", *(f"{key}: {value}\r\n" for key, value in lines.items()), end]).encode("utf-8", "surrogateescape")


def asking(method: str, name: str, text: str) -> bytes:
    lines = {
        "via": "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa", "from": "<sip:a@b>;tag=1", "to": "<sip:bob@192.0.2.10>", "call-id": "c",
        "cseq": f"1 {method}", "contact": "<sip:a@192.0.2.1>", "refer-to": "<sip:c@d>", "event": "x", "subscription-state": "active",
    }  # fmt: skip
    return octets_of(f"{method} sip:bob@192.0.2.10 SIP/2.0", lines, name, text, WITH_BODY)


@pytest.mark.parametrize("method", ["INVITE", "REFER", "NOTIFY"])
@pytest.mark.parametrize("name", NAMES)
def test_requests(name: str, method: str) -> None:
    if name in FIXED:
        return

    def job(text: str) -> Callable[[], object]:
        octets = asking(method, name, STARTS.get(name, "") + text)
        return lambda: take(agent()[0], octets)

    for unit in WORST:
        check_linear(job, unit, f"{name} of {method}")


def called(kind: str) -> tuple[UserAgent, Request]:
    """An agent that has called or subscribed, and its request."""
    ua, line = agent()
    where = SipUri("sip", "a", "192.0.2.1")
    if kind == "INVITE":
        entry, usage = call(ua, line, where, SDP.encode(), call_id="c")
        actions = ua.run(entry, usage.start(now=0.0), 0.0)
    else:
        entry, subscription = subscribe(
            ua, line, where, "x", contact="", expires=600, accept="", headers=(), content_type="", body=b"", call_id="c",
        )  # fmt: skip
        actions = ua.run(entry, subscription.start(0.0), 0.0)
    [sent] = [action for action in actions if not isinstance(action, Locate)]
    message = sent.message  # type: ignore[union-attr]
    assert isinstance(message, Request)
    return ua, message


def answering(sent: Request, code: int, name: str, text: str) -> bytes:
    lines = {key.lower(): value for key, value in sent.headers if key.lower() in ("via", "from", "call-id", "cseq")}
    lines |= {"to": "<sip:a@192.0.2.1>;tag=2", "contact": "<sip:a@192.0.2.1>", "require": "100rel", "rseq": "1"}
    return octets_of(f"SIP/2.0 {code} X", lines, name, text, WITH_BODY)


@pytest.mark.parametrize(
    ("kind", "code"), [("INVITE", 183), ("INVITE", 200), ("INVITE", 302), ("INVITE", 401), ("INVITE", 422), ("SUBSCRIBE", 200)]
)
@pytest.mark.parametrize("name", NAMES)
def test_responses(name: str, kind: str, code: int) -> None:
    if name in FIXED or name in ("via", "call-id", "cseq"):
        return

    def job(text: str) -> Callable[[], object]:
        def whole() -> None:
            ua, sent = called(kind)
            take(ua, answering(sent, code, name, STARTS.get(name, "") + text))

        return whole

    for unit in WORST:
        check_linear(job, unit, f"{name} of {code} to {kind}")


def test_what_is_measured_is_served() -> None:
    ua, _ = agent()
    take(ua, asking("INVITE", "x-own", "a"))
    [entry] = ua.entries()
    assert isinstance(entry.usage, Session)
    ua, sent = called("INVITE")
    take(ua, answering(sent, 200, "x-own", "a"))
    [entry] = ua.entries()
    assert isinstance(entry.usage, Session)
    assert entry.usage.state is State.CONFIRMED


def _answer(name: str, code: int) -> Callable[[str], object]:
    asked = request("REGISTER", "sip:a", from_="<sip:a>;tag=1", to="<sip:a>", call_id="c", cseq=1)

    def job(text: str) -> object:
        answer = response_to(asked, code, headers=[(name, f'Digest realm="a", nonce="b", {text}')])
        return Authenticator((Credentials("bob", secret="x"),)).answer(answer, asked)

    return job


def _proven(text: str) -> object:
    asked = request("REGISTER", "sip:a", from_="<sip:a>;tag=1", to="<sip:a>", call_id="c", cseq=1)
    asked.headers.add("Authorization", f'Digest username="a", realm="b", nonce="c", uri="sip:a", response="d", {text}')
    return Challenger("b", lambda user: Credentials("a", secret="x")).check(asked, 0.0)


def _message(name: str, value: str) -> Message:
    return Response(200, "OK", Headers([(name, value)]))


def _many(name: str, text: str) -> Message:
    return Response(200, "OK", Headers([(name, text[at : at + 250]) for at in range(0, len(text), 250)]))


def _nested(text: str) -> object:
    inner = f"--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n\r\n{text}\r\n--c--\r\n--b--\r\n"
    return body.parts(Request("BYE", "sip:a", Headers([("c", "multipart/mixed;boundary=b")]), inner.encode("utf-8", "surrogateescape")))


def _referred(text: str) -> object:
    found = views.refer_to(_message("Refer-To", f"<sip:a@b?{text[:8000]}>"))
    return found and found.sip_uri.header("Replaces")


OTHERS: dict[str, Callable[[str], object]] = {
    "WWW-Authenticate": _answer("WWW-Authenticate", 401),
    "Proxy-Authenticate": _answer("Proxy-Authenticate", 407),
    "Authorization": _proven,
    "Authentication-Info": read_words,
    "a sipfrag": lambda text: read_fragment(text.encode("utf-8", "surrogateescape")),
    "a sipfrag's reason": lambda text: read_fragment(f"SIP/2.0 200 {text}".encode("utf-8", "surrogateescape")),
    "multipart in multipart": _nested,
    "headers of Refer-To": _referred,
    "Replaces": lambda text: views.replaces(_message("Replaces", f"a;to-tag=1;from-tag=2;{text}")),
    "Reason for a browser": lambda text: reason_of(_message("Reason", f"SIP;cause=200;{text}")),
    "headers for a browser": lambda text: shown_headers(_message("X-Own", text), ("X-",)),
    "many of them": lambda text: shown_headers(_many("X-Own", text), ("X-",)),
    "digits": lambda text: read_digit("application/dtmf-relay", text),
    "digits of a signal": lambda text: read_digit("application/dtmf-relay", f"Signal={text}"),
    "a telephone number": lambda text: telephone_number(f"tel:{text}"),
    "what is no SIP": lambda text: not_sip(text.encode("utf-8", "surrogateescape")),
    "a target": lambda text: parse_sip_uri(f"sip:a@b;{text[:8000]}"),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_everything_else(what: str) -> None:
    for unit in UNITS:
        check_linear(lambda text: quietly(lambda: OTHERS[what](text)), unit, what)
