"""Header lines and messages as values."""

from __future__ import annotations

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.message import Headers, Request, Response, key_of


def test_names_are_found_in_any_case_and_form() -> None:
    headers = Headers([("v", "SIP/2.0/UDP a"), ("VIA", "SIP/2.0/UDP b"), ("X-Own", "1"), ("k", "timer")])
    assert headers.all("Via") == ["SIP/2.0/UDP a", "SIP/2.0/UDP b"]
    assert (headers.get("x-own"), headers.get("Supported"), headers.get("To")) == ("1", "timer", None)
    assert "V" in headers
    assert "to" not in headers
    assert [key_of(name) for name in ("I", "call-ID", "Foo", "x")] == ["call-id", "call-id", "foo", "session-expires"]


def test_edits_keep_the_order_of_what_they_do_not_touch() -> None:
    headers = Headers([("Via", "1"), ("To", "t"), ("v", "2"), ("From", "f")])
    headers.set("Via", "a", "b", "c")
    assert list(headers) == [("Via", "a"), ("Via", "b"), ("Via", "c"), ("To", "t"), ("From", "f")]
    headers.prepend("Route", "r")
    headers.add("Own", "x")
    headers.remove("to")
    headers.set("New", "n")
    assert list(headers) == [("Route", "r"), ("Via", "a"), ("Via", "b"), ("Via", "c"), ("From", "f"), ("Own", "x"), ("New", "n")]
    assert len(headers) == 7
    assert headers.names() == {"route", "via", "from", "own", "new"}


@pytest.mark.parametrize(
    "edit",
    [
        lambda headers: headers.prepend("Via", "SIP/2.0/TCP new;branch=z9hG4bK2"),
        lambda headers: headers.set("Via", "SIP/2.0/TCP new;branch=z9hG4bK2"),
        lambda headers: (headers.remove("v"), headers.add("Via", "SIP/2.0/TCP new;branch=z9hG4bK2")),
        lambda headers: (headers.prepend("Via", "x"), headers.set("Via", "SIP/2.0/TCP new;branch=z9hG4bK2")),
    ],
)
def test_a_view_is_read_again_after_an_edit(edit) -> None:
    request = Request("OPTIONS", "sip:a", Headers([("Via", "SIP/2.0/UDP old;branch=z9hG4bK1")]))
    assert views.via(request).host == "old"
    assert views.via(request) is views.via(request)
    edit(request.headers)
    assert views.via(request).host == "new"


def test_a_copy_is_its_own() -> None:
    request = Request("OPTIONS", "sip:a", Headers([("Via", "SIP/2.0/UDP a")]), b"x")
    twin = request.copy()
    assert twin.to_bytes() == request.to_bytes()
    twin.headers.set("Via", "SIP/2.0/UDP b")
    assert views.via(request).host == "a"
    assert views.via(twin).host == "b"
    response = Response(408, "Request Timeout", local=True).copy()
    assert (response.code, response.local) == (408, True)


def test_the_length_of_the_body_is_ours_to_say() -> None:
    request = Request("MESSAGE", "sip:a", Headers([("l", "99"), ("To", "<sip:a>"), ("Content-Length", "3")]), "é".encode())
    assert request.to_bytes() == b"MESSAGE sip:a SIP/2.0\r\nTo: <sip:a>\r\nContent-Length: 2\r\n\r\n\xc3\xa9"


@pytest.mark.parametrize("text", ["x\r\nEvil: 1", "x\nEvil: 1", "x\rEvil: 1", "x\r\n\r\nEvil"])
def test_no_text_makes_lines_of_its_own(text: str) -> None:
    for message in (
        Request("INVITE", "sip:a", Headers([("Subject", text)])),
        Request("INVITE", "sip:a", Headers([(text, "x")])),
        Request("INVITE", text),
        Request(text, "sip:a"),
        Response(200, text),
    ):
        head = message.to_bytes()
        lines = len(message.headers) + 2
        assert head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n") == lines + 1
        assert not any(line.startswith(b"Evil") for line in head.split(b"\r\n"))
