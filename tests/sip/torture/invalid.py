"""RFC 4475 §3.1.2: messages that are wrong."""

from __future__ import annotations

from tests.sip.torture.case import BAD, EITHER, HERE, NO_ANSWER, SDP, UNKNOWN_METHOD, US, WITH_SDP, Case, lines, ordinary


def _invite(start: str, *head: str, leave: str = "", call: str) -> str:
    return ordinary(start, *head, WITH_SDP, body=SDP, leave=leave, call=call)


def _with_length(text: str, length: str) -> str:
    return text.replace(f"Content-Length: {len(SDP)}\r\n", f"Content-Length: {length}\r\n")


_INVITE = f"INVITE sip:{US} SIP/2.0"
_OPTIONS = f"OPTIONS sip:{US} SIP/2.0"

INVALID = (
    Case(
        "badinv01",
        "3.1.2.1",
        "separators with nothing between them, in Via and Contact",
        _invite(
            _INVITE,
            f"Via: SIP/2.0/UDP {HERE};;,;,,",
            'Contact: "Ishmael" <sip:ishmael@nantucket.example>;;;;',
            leave="Via Contact",
            call="badinv01",
        ),
        BAD,
    ),
    Case("clerr", "3.1.2.2", "a Content-Length beyond the datagram", _with_length(_invite(_INVITE, call="clerr"), "9999"), BAD),
    Case("ncl", "3.1.2.3", "a negative Content-Length", _with_length(_invite(_INVITE, call="ncl"), "-999"), BAD),
    Case(
        "scalar02",
        "3.1.2.4",
        "numbers in a request that are too large for their header",
        ordinary(
            "REGISTER sip:pequod.example SIP/2.0",
            "CSeq: 36893488147419103232 REGISTER",
            "Max-Forwards: 300",
            "Expires: 1" + "0" * 54,
            "Contact: <sip:ishmael@harbour.example>;expires=280297596632815",
            leave="CSeq Max-Forwards",
            call="scalar02",
        ),
        BAD,
    ),
    Case(
        "scalarlg",
        "3.1.2.5",
        "numbers in a response that are too large for their header",
        ordinary(
            "SIP/2.0 503 Service Unavailable",
            "CSeq: 9292394834772304023312 OPTIONS",
            "Retry-After: 949302838503028349304023988",
            'Warning: 1812 harpoon "Thrown"',
            leave="CSeq",
            call="scalarlg",
        ),
        NO_ANSWER,
    ),
    Case(
        "quotbal",
        "3.1.2.6",
        "a quote in To that is never closed",
        _invite(_INVITE, f'To: "Captain A. <sip:{US}>', leave="To", call="quotbal"),
        BAD,
    ),
    Case("ltgtruri", "3.1.2.7", "a Request-URI in <>", _invite(f"INVITE <sip:{US}> SIP/2.0", call="ltgtruri"), BAD),
    Case("lwsruri", "3.1.2.8", "white space in the Request-URI", _invite(f"INVITE sip:{US}; lr SIP/2.0", call="lwsruri"), BAD),
    Case("lwsstart", "3.1.2.9", "two spaces in the start line", _invite(f"INVITE  sip:{US}  SIP/2.0", call="lwsstart"), BAD),
    Case("trws", "3.1.2.10", "spaces behind the version", ordinary(f"{_OPTIONS}  ", call="trws"), BAD),
    Case(
        "escruri",
        "3.1.2.11",
        "a header in the Request-URI",
        _invite(f"INVITE sip:{US}?Route=%3Csip:pequod.example%3E SIP/2.0", call="escruri"),
        EITHER,
    ),
    Case(
        "baddate",
        "3.1.2.12",
        "a Date in another time zone than GMT",
        _invite(_INVITE, "Date: Fri, 01 Jan 2010 16:00:00 EST", call="baddate"),
        EITHER,
    ),
    Case(
        "regbadct",
        "3.1.2.13",
        "a Contact with headers in its URI and without <>",
        ordinary(
            "REGISTER sip:pequod.example SIP/2.0", "Contact: sip:ahab@pequod.example?Route=%3Csip:mast.pequod.example%3E", call="regbadct"
        ),
        BAD,
    ),
    Case(
        "badaspec",
        "3.1.2.14",
        "spaces within <>",
        ordinary(
            _OPTIONS,
            f'To: "Starbuck, First Mate" < sip:{US} >',
            'From: "A Sailor" < sip:ishmael@nantucket.example >;tag=14',
            leave="To From",
            call="badaspec",
        ),
        BAD,
    ),
    Case(
        "baddn",
        "3.1.2.15",
        "a name that needs quotes and has none",
        ordinary(_OPTIONS, "From: Starbuck, First Mate <sip:starbuck@nantucket.example>;tag=15", leave="From", call="baddn"),
        EITHER,
    ),
    Case(
        "badvers",
        "3.1.2.16",
        "another version of SIP",
        ordinary(f"OPTIONS sip:{US} SIP/7.0", top=f"SIP/7.0/UDP {HERE};branch=@B@", call="badvers"),
        frozenset((505,)),
    ),
    Case(
        "mismatch01",
        "3.1.2.17",
        "another method in CSeq",
        ordinary(_OPTIONS, "CSeq: 8 INVITE", leave="CSeq", call="mismatch01"),
        BAD,
    ),
    Case(
        "mismatch02",
        "3.1.2.18",
        "another method in CSeq, and one nobody knows in the start line",
        ordinary(f"NEWMETHOD sip:{US} SIP/2.0", "CSeq: 8 INVITE", WITH_SDP, body=SDP, leave="CSeq", call="mismatch02"),
        BAD | UNKNOWN_METHOD,
    ),
    Case(
        "bigcode",
        "3.1.2.19",
        "a status code of ten digits",
        lines(
            "SIP/2.0 4294967301 nobody shall stumble over this",
            f"Via: SIP/2.0/UDP {HERE};branch=z9hG4bK-bigcode",
            "From: <sip:ishmael@nantucket.example>;tag=19",
            f"To: <sip:{US}>;tag=19b",
            "Call-ID: bigcode@nantucket.example",
            "CSeq: 353494 INVITE",
        ),
        NO_ANSWER,
    ),
)
