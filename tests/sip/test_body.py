"""Bodies of one part and of several."""

from __future__ import annotations

import pytest

from boringsdp.errors import SipError
from boringsdp.sip.body import body_of, multipart, parts
from boringsdp.sip.limits import MAX_PARTS
from boringsdp.sip.message import Headers, Request

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"
ISUP = bytes(range(256))


def message(content_type: str, body: bytes) -> Request:
    return Request("INVITE", "sip:a", Headers([("c", content_type)] if content_type else []), body)


def test_one_part() -> None:
    m = message("Application/SDP; charset=x", SDP)
    assert body_of(m, "application/sdp") == SDP
    assert body_of(m, "text/plain") is None
    assert body_of(message("application/sdp", b""), "application/sdp") is None
    assert body_of(message("", b""), "application/sdp") is None


def test_several_parts() -> None:
    m = message(*multipart([("application/ISUP;version=itu-t92+", ISUP), ("application/sdp", SDP), ("application/sdp", b"x")], "b=;1"))
    assert [part.type for part in parts(m)] == ["application/isup", "application/sdp", "application/sdp"]
    assert body_of(m, "application/isup") == ISUP
    assert body_of(m, "application/sdp") == SDP


@pytest.mark.parametrize(
    "body",
    [
        b"--x\r\nContent-Type: application/sdp\r\n\r\nS\r\n--x--",
        b"to be passed over\r\n--x \t\r\nCONTENT-TYPE :\r\n application/sdp\r\nContent-Length: 5\r\n\r\nS\r\n--x--\r\nand this\r\n--x\r\n",
        b"\r\n--x\r\n\r\nplain\r\n--x\r\nc: application/sdp\r\n\r\nS\r\n--x",
        b"--x\r\nc: application/sdp\r\n\r\nS",
    ],
)
def test_how_parts_may_be_written(body: bytes) -> None:
    if body.endswith(b"--x"):
        body += b"--"
    assert body_of(message("multipart/mixed;boundary=x", body), "application/sdp") == b"S"


def test_a_part_without_headers_is_text() -> None:
    (part,) = parts(message("multipart/mixed;boundary=x", b"--x\r\n\r\nhello\r\n--x--"))
    assert (part.type, part.body, part.optional) == ("text/plain", b"hello", False)


def test_a_part_may_be_optional() -> None:
    body = b"--x\r\nContent-Type: a/b\r\nContent-Disposition: signal; Handling = optional\r\n\r\n1\r\n--x--"
    assert [part.optional for part in parts(message("multipart/mixed;boundary=x", body))] == [True]


def test_parts_within_parts() -> None:
    inner_type, inner = multipart([("text/html", b"<p>"), ("application/sdp", SDP)], "inner")
    outer = message(*multipart([(inner_type.replace("mixed", "alternative"), inner), ("text/plain", b"t")], "outer"))
    assert sorted(part.type for part in parts(outer)) == ["application/sdp", "text/html", "text/plain"]
    assert body_of(outer, "application/sdp") == SDP


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b"x"),
        ("nothing", b"x"),
        ("multipart/mixed", b"--x\r\n\r\n1\r\n--x--"),
        ('multipart/mixed;boundary=""', b"--\r\n\r\n1\r\n----"),
        ("multipart/mixed;boundary=" + "y" * 71, b"--" + b"y" * 71 + b"\r\n\r\n1\r\n--" + b"y" * 71 + b"--"),
        ("multipart/mixed;boundary=x", b"--y\r\n\r\n1\r\n--y--"),
        ("multipart/mixed;boundary=x", b"--xyz\r\n\r\n1\r\n--x--"),
        ("multipart/mixed;boundary=x", b"--x"),
        ("multipart/mixed;boundary=x", b"--x\r\nno empty line\r\n--x--"),
        ("multipart/mixed;boundary=x", b"--x\r\nContent-Type: a\r\n\r\n1\r\n--x--"),
        ("multipart/mixed;boundary=x", b"--x\r\n\r\n1\r\n" * (MAX_PARTS + 1) + b"--x--"),
    ],
)
def test_refuses(content_type: str, body: bytes) -> None:
    with pytest.raises(SipError) as refused:
        parts(message(content_type, body))
    assert refused.value.header == "Content-Type"


def test_a_boundary_within_may_begin_like_the_one_without() -> None:
    m = message(*multipart([multipart([("a/b", b"1"), ("application/sdp", SDP)], "xy"), ("a/b", b"2")], "x"))
    assert body_of(m, "application/sdp") == SDP
    assert len(parts(m)) == 3


def test_depth_has_a_limit() -> None:
    kind, body = "text/plain", b"x"
    for depth in range(MAX_PARTS):
        kind, body = multipart([(kind, body)], f"b{depth}")
    assert [part.body for part in parts(message(kind, body))] == [b"x"]
    with pytest.raises(SipError, match="parts"):
        parts(message(*multipart([(kind, body)], "last")))


def test_many_parts_are_taken() -> None:
    assert len(parts(message(*multipart([("a/b", b"x")] * MAX_PARTS, "x")))) == MAX_PARTS
