"""Octets to messages: framing, folding, forms, and a defect for everything that is wrong."""

from __future__ import annotations

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.limits import MAX_HEADERS, MAX_MESSAGE, MAX_URI, MAX_VIAS
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.parse import Parsed, parse

HEAD = {
    "Via": "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx",
    "From": "<sip:a@example.com>;tag=1",
    "To": "<sip:b@example.com>",
    "Call-ID": "c@example.com",
    "CSeq": "1 OPTIONS",
}


def octets(*lines: str, start: str = "OPTIONS sip:b@example.com SIP/2.0", body: bytes = b"", without: tuple[str, ...] = ()) -> bytes:
    """A message of the headers every message has, but `without`, and `lines`."""
    head = [f"{name}: {value}" for name, value in HEAD.items() if name not in without]
    return "\r\n".join([start, *head, *lines, "", ""]).encode("utf-8", "surrogateescape") + body


def taken(data: bytes, stream: bool = False) -> Message:
    parsed = parse(data, stream)
    assert parsed.defects == ()
    assert parsed.message is not None
    assert parsed.consumed == len(data)
    return parsed.message


def faults(data: bytes, stream: bool = False) -> list[tuple[int, str]]:
    return [(defect.code, defect.header) for defect in parse(data, stream).defects]


# --- what is taken -----------------------------------------------------------------------------------------------------------------------


def test_a_request() -> None:
    message = taken(octets("Content-Length: 3", body=b"\0\xff\n"))
    assert isinstance(message, Request)
    assert (message.method, message.uri, message.body) == ("OPTIONS", "sip:b@example.com", b"\0\xff\n")


@pytest.mark.parametrize(
    ("start", "code", "reason"),
    [
        ("SIP/2.0 200 OK", 200, "OK"),
        ("SIP/2.0 100 ", 100, ""),
        ("SIP/2.0 180", 180, ""),
        ("sip/2.0 699 = 2**3 * ü \udcff", 699, "= 2**3 * ü \udcff"),
    ],
)
def test_a_response(start: str, code: int, reason: str) -> None:
    message = taken(octets(start=start))
    assert isinstance(message, Response)
    assert (message.code, message.reason) == (code, reason)


def test_what_nobody_edits_goes_out_as_it_came() -> None:
    data = octets("X-Own:  a  , b ;c", "sUbJeCt: \udcfe\udcff é \0 \x7f", "i-d: 1", "Content-Length: 2", body=b"\xff\0")
    assert taken(data).to_bytes() == data.replace(b"X-Own:  a", b"X-Own: a")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("Subject: x", "x"),
        ("Subject:x", "x"),
        ("SUBJECT \t :\t x \t", "x"),
        ("s: x", "x"),
        ("S:x", "x"),
        ("Subject: a\r\n b\r\n\t  c \r\n   d", "a b c d"),
        ("Subject:\r\n x", "x"),
        ("Subject: a\r\n \r\n b", "a  b"),
        ("Subject:", ""),
        ("Subject: a:b: c", "a:b: c"),
    ],
)
def test_lines_may_be_written_in_many_ways(line: str, value: str) -> None:
    message = taken(octets("X-Before: 1", line, "X-After: 2"))
    assert message.headers.get("Subject") == value
    assert [message.headers.get(name) for name in ("x-before", "x-after")] == ["1", "2"]


def test_compact_forms_and_folding_of_what_every_message_has() -> None:
    data = (
        b"OPTIONS sip:b SIP/2.0\r\nV:SIP/2.0/UDP a;\r\n  branch=z9hG4bKx\r\nF:\r\n <sip:a>;tag=1\r\nT: <sip:b>\r\nI:c\r\n"
        b"cSEQ: 1\r\n OPTIONS\r\n"
        b"m: <sip:a>,\r\n\t<sip:b>\r\nL:0\r\n\r\n"
    )
    message = taken(data)
    assert views.via(message).branch == "z9hG4bKx"
    assert views.from_(message).tag == "1"
    assert views.cseq(message) == views.CSeq(1, "OPTIONS")
    assert [contact.uri_text for contact in views.contacts(message)] == ["sip:a", "sip:b"]


@pytest.mark.parametrize("uri", ["sips:[2001:db8::1]:5061", "tel:+1-201", "sip:user;par=u%40e@h", "SIP:h", "sip:h;lr;x=%00"])
def test_request_uris(uri: str) -> None:
    message = taken(octets(start=f"OPTIONS {uri} SIP/2.0"))
    assert isinstance(message, Request)
    assert message.uri == uri


@pytest.mark.parametrize("method", ["NEWMETHOD", "!i-n't.+%_*`'~", "options"])
def test_methods_nobody_knows(method: str) -> None:
    message = taken(octets(f"CSeq: 5 {method}", start=f"{method} sip:h sip/2.0", without=("CSeq",)))
    assert isinstance(message, Request)
    assert message.method == method


def test_headers_of_a_message_are_not_there_in_vain() -> None:
    """Every known name in its usual spelling, without a value, in a message of its own: nothing is raised."""
    from boringsdp.sip.message import KEYS

    for name in KEYS:
        for value in ("", ",", ";", '"', "<", "1", "a b"):
            assert isinstance(parse(octets(f"{name}: {value}")), Parsed)


# --- framing -----------------------------------------------------------------------------------------------------------------------------


def test_a_datagram_without_a_length_is_all_body() -> None:
    assert taken(octets(body=b"v=0\r\n\r\n")).body == b"v=0\r\n\r\n"


def test_a_datagram_longer_than_it_says_is_cut() -> None:
    assert taken(octets("l: 2", body=b"abcdef")).body == b"ab"


def test_a_datagram_shorter_than_it_says_is_answered() -> None:
    data = octets("Content-Length: 9", body=b"abc")
    assert faults(data) == [(400, "Content-Length")]
    assert parse(data).message is not None


@pytest.mark.parametrize("value", ["-1", "", "x", "1 2", "1,1", "+1", "٣", "0x1"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_length_that_is_none(value: str, stream: bool) -> None:
    data = octets(f"Content-Length: {value}", body=b"abc")
    parsed = parse(data, stream)
    assert (400, "Content-Length") in [defect[:2] for defect in parsed.defects]
    assert parsed.message is not None
    assert parsed.consumed == (0 if stream else len(data))


@pytest.mark.parametrize("stream", [False, True])
def test_two_lengths(stream: bool) -> None:
    assert taken(octets("Content-Length: 1", "l: 1", body=b"x"), stream).body == b"x"
    assert faults(octets("Content-Length: 1", "l: 2", body=b"xx"), stream) == [(400, "Content-Length")]


def test_a_stream_needs_a_length() -> None:
    parsed = parse(octets(body=b"abc"), stream=True)
    assert [defect[:2] for defect in parsed.defects] == [(400, "Content-Length")]
    assert parsed.message is not None
    assert parsed.consumed == 0


def test_a_stream_is_read_message_by_message_and_octet_by_octet() -> None:
    first, second = octets("Content-Length: 4", body=b"\r\n\r\n"), octets("Content-Length: 0", start="SIP/2.0 200 OK")
    data = b"\r\n\r\n" + first + b"\r\n" + second + b"\r\n"
    whole = parse(data, stream=True)
    assert whole.consumed == 4 + len(first)
    for end in range(4 + len(first)):
        assert parse(data[:end], stream=True) == Parsed(None, (), min(end // 2 * 2, 4))
    rest = parse(data[whole.consumed :], stream=True)
    assert isinstance(rest.message, Response)
    assert rest.consumed == 2 + len(second)
    assert parse(b"\r\n", stream=True) == Parsed(None, (), 2)


def test_empty_datagrams_are_keep_alive() -> None:
    assert parse(b"") == Parsed(None, (), 0)
    assert parse(b"\r\n\r\n") == Parsed(None, (), 4)
    assert taken(b"\r\n" + octets()).headers.get("Call-ID") == "c@example.com"


@pytest.mark.parametrize("stream", [False, True])
def test_the_size_has_a_limit(stream: bool) -> None:
    empty = len(octets("Content-Length: 65000"))
    fits = octets(f"Content-Length: {MAX_MESSAGE - empty}", body=bytes(MAX_MESSAGE - empty))
    assert len(fits) == MAX_MESSAGE
    assert len(taken(fits, stream).body) == MAX_MESSAGE - empty
    for data in (
        octets(f"Content-Length: {MAX_MESSAGE - empty + 1}", body=bytes(MAX_MESSAGE)),
        octets("Content-Length: " + "9" * 5000),
        octets(f"Content-Length: {MAX_MESSAGE}"),
    ):
        parsed = parse(data, stream)
        assert parsed.defects[0][:2] == (513, "Content-Length")
        assert parsed.message is not None
        assert parsed.consumed == (0 if stream else len(data))
    endless = parse(b"OPTIONS " + b"x" * MAX_MESSAGE, stream)
    assert endless.defects[0].code == 513
    assert endless.message is None
    long_head = parse(octets("X: " + "y" * MAX_MESSAGE), stream)
    assert (long_head.message, long_head.defects[0].code) == (None, 513)


def test_a_long_body_without_a_length_is_refused() -> None:
    assert faults(octets(body=bytes(MAX_MESSAGE)))[0][0] == 513


# --- what is wrong -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "code"),
    [
        ("OPTIONS sip:h SIP/7.0", 505),
        ("OPTIONS sip:h SIP/2", 505),
        ("OPTIONS  sip:h SIP/2.0", 400),
        (" OPTIONS sip:h SIP/2.0", 400),
        ("OPTIONS sip:h SIP/2.0 ", 400),
        ("OPTIONS\tsip:h SIP/2.0", 400),
        ("OPTIONS sip:h; lr SIP/2.0", 400),
        ("OPTIONS <sip:h> SIP/2.0", 400),
        ("OPTIONS sip:h?Route=%3Csip:x%3E SIP/2.0", 400),
        ("OPTIONS h SIP/2.0", 400),
        ("OPTIONS sip: SIP/2.0", 400),
        ("OPTIONS opaque:x SIP/2.0", 416),
        ("OPTIONS http://h SIP/2.0", 416),
        ("OPTIONS sip:" + "u" * MAX_URI + "@h SIP/2.0", 414),
    ],
)  # fmt: skip
def test_bad_start_lines(start: str, code: int) -> None:
    parsed = parse(octets(start=start))
    assert isinstance(parsed.message, Request)
    assert parsed.message.method == "OPTIONS"
    assert {defect.code for defect in parsed.defects} == {code}


def test_another_version_is_said_before_what_else_is_wrong() -> None:
    parsed = parse(octets("Max-Forwards: x", start="OPTIONS sip:h SIP/3.0", without=("To",)))
    assert [defect.code for defect in parsed.defects] == [505, 400, 400]


@pytest.mark.parametrize(
    "start",
    ["", "OPTIONS", "OPTIONS sip:h", "OPTIONS sip:h HTTP/1.1", "OPT<>IONS sip:h SIP/2.0", "SIP/2.0", "SIP/2.0 x OK", "SIP/2.0 99 x",
     "SIP/2.0 700 x", "SIP/2.0 2000 x", "SIP/2.0 4294967301 x", "SIP/2.0  200 OK", "SIP/1.0 200 OK", "SIP/2.0 ٢٠٠ OK", "SIP/2.0 -20 x"],
)  # fmt: skip
def test_what_is_no_message(start: str) -> None:
    parsed = parse(octets(start=start))
    assert parsed.message is None
    assert parsed.defects


def test_without_a_via_there_is_nobody_to_answer() -> None:
    assert parse(octets(without=("Via",))).message is None
    assert faults(octets(without=("Via",))) == [(400, "Via")]


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq"])
def test_what_is_missing(name: str) -> None:
    parsed = parse(octets(without=(name,)))
    assert [defect[:2] for defect in parsed.defects] == [(400, name)]
    assert parsed.message is not None


@pytest.mark.parametrize(
    "name",
    [
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Max-Forwards",
        "Expires",
        "Event",
        "Content-Type",
        "Session-Expires",
        "Refer-To",
        "Referred-By",
        "RAck",
    ],
)
def test_what_may_be_there_once(name: str) -> None:
    value = HEAD.get(name, {"Content-Type": "a/b"}.get(name, "1"))
    assert parse(octets(f"{name}: {value}", without=(name,))).defects == ()
    assert [code for code, _ in faults(octets(f"{name}: {value}", f"{name.upper()}: {value}", without=(name,)))] == [400]


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("Via: SIP/2.0/UDP;;,;,,", "Via"),
        ("From: <sip:a", "From"),
        ('To: "x <sip:a>', "To"),
        ("CSeq: 36893488147419103232 OPTIONS", "CSeq"),
        ("CSeq: 1 INVITE", "CSeq"),
        ("Call-ID: a b", "Call-ID"),
        ("Max-Forwards: 300", "Max-Forwards"),
        ("Contact: <sip:a>;;;;", "Contact"),
        ("Contact: sip:a?Route=x", "Contact"),
        ("Content-Type: nothing", "Content-Type"),
    ],
)
def test_what_cannot_be_read(line: str, header: str) -> None:
    parsed = parse(octets(line, without=(header,), body=b"x"))
    assert [defect[:2] for defect in parsed.defects] == [(400, header)]
    assert parsed.message is not None


@pytest.mark.parametrize("line", ["Contact: <sip:a", "Content-Type: x", "Expires: 1\r\nExpires: 2", "Max-Forwards: x"])
def test_a_response_is_not_lost_for_what_its_request_does_not_need(line: str) -> None:
    assert isinstance(taken(octets(line, start="SIP/2.0 200 OK", body=b"x")), Response)
    assert parse(octets(line, body=b"x")).defects


@pytest.mark.parametrize("name", HEAD)
def test_a_response_needs_what_leads_it_to_its_request(name: str) -> None:
    assert [code for code, _ in faults(octets(start="SIP/2.0 200 OK", without=(name,)))] == [400]
    assert parse(octets(f"{name}: ", start="SIP/2.0 200 OK", without=(name,))).defects


def test_the_type_of_no_body_does_not_matter() -> None:
    assert parse(octets("Content-Type:", "Content-Length: 0")).defects == ()


@pytest.mark.parametrize("line", ["no colon", ": no name", "a b: c", "ü: x", "X\0: y", "<>: x", "Sub\rject: x", "X: a\nVia: b", "X: a\rb"])
def test_lines_that_are_no_headers(line: str) -> None:
    parsed = parse(octets("X-Before: 1", line, "X-After: 2"))
    assert {defect[:2] for defect in parsed.defects} == {(400, "")}
    assert parsed.message is not None
    assert parsed.message.headers.get("x-after") == "2"


def test_a_datagram_cut_off_in_its_head_can_be_answered() -> None:
    data = octets()[:-2]
    assert faults(data) == [(400, "")]
    assert parse(data).message is not None
    assert parse(data[:34]).message is None


def test_the_number_of_lines_has_a_limit() -> None:
    assert parse(octets(*["X-Y: z"] * (MAX_HEADERS - len(HEAD)))).defects == ()
    assert faults(octets(*["X-Y: z"] * (MAX_HEADERS - len(HEAD) + 1))) == [(400, "")]
    folded = octets("X-Y: z", *[" more"] * MAX_HEADERS)
    assert parse(folded).defects == ()


@pytest.mark.parametrize("joined", [False, True])
def test_the_number_of_vias_has_a_limit(joined: bool) -> None:
    def lines(count: int) -> list[str]:
        return [f"Via: {', '.join([HEAD['Via']] * count)}"] if joined else [f"Via: {HEAD['Via']}"] * count

    assert parse(octets(*lines(MAX_VIAS), without=("Via",))).defects == ()
    assert set(faults(octets(*lines(MAX_VIAS + 1), without=("Via",)))) == {(400, "Via")}
    assert parse(octets('Via: SIP/2.0/UDP a;x="' + "," * 1000 + '"')).defects == ()
