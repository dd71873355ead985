"""Our own requests and responses."""

from __future__ import annotations

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.build import REASONS, answering, reason_of, request, response, response_to, via_text
from boringsdp.sip.message import Headers, Request
from boringsdp.sip.name_address import NameAddress
from boringsdp.sip.parse import parse

ASKED = Request(
    "INVITE",
    "sip:b@example.com",
    Headers(
        [
            ("v", "SIP/2.0/UDP  a ;branch=z9hG4bK1 , SIP/2.0/TCP b;branch=\udcff"),
            ("Route", "<sip:x;lr>"),
            ("Via", "SIP/2.0/TLS c"),
            ("f", "A <sip:a@example.com>;tag=1"),
            ("to", "<sip:b@example.com;tag=uri>"),
            ("Call-ID", "x"),
            ("CSeq", "007  INVITE"),
            ("Timestamp", "54"),
        ]
    ),
)


def test_a_response_copies_octets_in_order() -> None:
    answer = response_to(ASKED, 180, tag="t", headers=[("Contact", "<sip:me>")])
    assert list(answer.headers) == [
        ("Via", "SIP/2.0/UDP  a ;branch=z9hG4bK1 , SIP/2.0/TCP b;branch=\udcff"),
        ("Via", "SIP/2.0/TLS c"),
        ("From", "A <sip:a@example.com>;tag=1"),
        ("To", "<sip:b@example.com;tag=uri>;tag=t"),
        ("Call-ID", "x"),
        ("CSeq", "007  INVITE"),
        ("Contact", "<sip:me>"),
    ]
    assert (answer.code, answer.reason) == (180, "Ringing")
    assert b"branch=\xff\r\n" in answer.to_bytes()


def test_100_has_no_tag_of_ours_but_the_timestamp() -> None:
    answer = response_to(ASKED, 100, tag="t")
    assert answer.headers.get("To") == "<sip:b@example.com;tag=uri>"
    assert answer.headers.get("Timestamp") == "54"


@pytest.mark.parametrize("value", ["<sip:b@example.com>;tag=own", "sip:b@example.com;tag=own", '"x" <sip:b>; Tag = own', "sip:b;x;TAG=own"])
def test_a_tag_that_is_there_stays(value: str) -> None:
    asked = ASKED.copy()
    asked.headers.set("To", value)
    assert response_to(asked, 200, tag="t").headers.get("To") == value


def test_a_to_of_the_responses_own_stays_when_it_has_a_tag() -> None:
    ours = response(200, headers=[("To", "<sip:b@example.com>;tag=mine"), ("Via", "nothing of ours")], content_type="text/plain", body=b"x")
    answer = answering(ASKED, ours, "t")
    assert answer.headers.all("To") == ["<sip:b@example.com>;tag=mine"]
    assert answer.headers.all("Via") == ASKED.headers.all("Via")
    assert (answer.headers.get("Content-Type"), answer.body) == ("text/plain", b"x")
    assert views.to(answer).tag == "mine"


def test_what_the_request_lacks_the_response_lacks() -> None:
    answer = response_to(Request("X", "y", Headers([("Via", ";;,;,,"), ("To", '"'), ("To", "b")])), 400, "Bad Header", tag="t")
    assert list(answer.headers) == [("Via", ";;,;,,"), ("To", '";tag=t')]
    assert answer.to_bytes().startswith(b"SIP/2.0 400 Bad Header\r\n")


def test_every_code_has_a_reason() -> None:
    assert (reason_of(487), reason_of(299), reason_of(799)) == ("Request Terminated", "OK", "Unknown")
    assert all(100 <= code < 700 and reason and reason.isascii() for code, reason in REASONS.items())


def test_a_request_can_be_read_back() -> None:
    asked = request(
        "MESSAGE",
        "sip:b@[2001:db8::1]",
        from_=NameAddress('A "q" \\', "sip:a@example.com", {"tag": "1"}),
        to="<sip:b@example.com>",
        call_id="c",
        cseq=3,
        headers=[("Own", "y")],
        content_type="text/plain",
        body=b"hello",
    )
    asked.headers.prepend("Via", via_text("UDP", "[2001:db8::2]:5060", "z9hG4bKq"))
    parsed = parse(asked.to_bytes())
    assert parsed.defects == ()
    message = parsed.message
    assert isinstance(message, Request)
    assert (views.from_(message).display, views.from_(message).tag) == ('A "q" \\', "1")
    assert views.cseq(message) == views.CSeq(3, "MESSAGE")
    assert views.max_forwards(message) == 70
    assert views.via(message).sent_by == "[2001:db8::2]:5060"
    assert "rport" in views.via(message).params
    assert (message.body, message.headers.get("own")) == (b"hello", "y")
