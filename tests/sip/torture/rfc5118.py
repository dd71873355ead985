"""RFC 5118: IPv6 where it may stand and where it may not."""

from __future__ import annotations

from tests.sip.torture.case import BAD, EITHER, HERE, SDP, TAKEN_UP, US, WITH_SDP, Case, ordinary

_CONTACT = "Contact: <sip:ishmael@[2001:db8::21]>"
_SDP6 = SDP.replace("IP4 192.0.2.21", "IP6 2001:db8::21")


def _top(received: str = "") -> str:
    return f"SIP/2.0/UDP {HERE};branch=@B@{received}"


def _below(*sent_by: str) -> tuple[str, ...]:
    return tuple(f"Via: SIP/2.0/UDP {host};branch=z9hG4bK-v6-{number}" for number, host in enumerate(sent_by))


IPV6 = (
    Case(
        "ipv6-good",
        "4.1",
        "an IPv6 reference as the registrar",
        ordinary("REGISTER sip:[2001:db8::10] SIP/2.0", *_below("[2001:db8::9:1]"), _CONTACT, call="ipv6-good"),
        TAKEN_UP,
    ),
    Case(
        "ipv6-bad",
        "4.2",
        "an IPv6 address without brackets",
        ordinary("REGISTER sip:2001:db8::10 SIP/2.0", *_below("[2001:db8::9:1]"), _CONTACT, call="ipv6-bad"),
        BAD,
    ),
    Case(
        "port-ambiguous",
        "4.3",
        "what may have been meant as a port stands within the brackets: it belongs to the address",
        ordinary("REGISTER sip:[2001:db8::10:5070] SIP/2.0", _CONTACT, call="port-ambiguous"),
        TAKEN_UP,
    ),
    Case(
        "port-unambiguous",
        "4.4",
        "a port behind the brackets",
        ordinary("REGISTER sip:[2001:db8::10]:5070 SIP/2.0", _CONTACT, call="port-unambiguous"),
        TAKEN_UP,
    ),
    Case(
        "via-received-param-with-delim",
        "4.5",
        "received in brackets",
        ordinary(
            "BYE sip:[2001:db8::10] SIP/2.0",
            "Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111",
            call="received-delim",
        ),
        TAKEN_UP,
    ),
    Case(
        "via-received-param-no-delim",
        "4.5",
        "received without brackets, as its grammar wants it",
        ordinary(
            "OPTIONS sip:[2001:db8::10] SIP/2.0",
            "Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3",
            call="received-no-delim",
        ),
        TAKEN_UP,
    ),
    Case(
        "ipv6-in-sdp",
        "4.6",
        "IPv6 in the SDP, without brackets",
        ordinary("INVITE sip:ahab@[2001:db8::10] SIP/2.0", _CONTACT, WITH_SDP, body=_SDP6, leave="Contact", call="ipv6-in-sdp"),
        TAKEN_UP,
    ),
    Case(
        "mult-ip-in-header",
        "4.7",
        "Vias of both families",
        ordinary(
            "BYE sip:ahab@harbour.example SIP/2.0",
            *_below("[2001:db8::9:1]:6050", "192.0.2.1", "[2001:db8:0:0:0:0:9:1]"),
            "Route: <sip:[2001:db8::ab]:6050;lr>",
            call="mult-ip-in-header",
        ),
        TAKEN_UP,
    ),
    Case(
        "mult-ip-in-sdp",
        "4.8",
        "addresses of both families in one SDP",
        ordinary(
            "INVITE sip:ahab@[2001:db8::10] SIP/2.0",
            _CONTACT,
            WITH_SDP,
            body=_SDP6 + "m=video 40002 RTP/AVP 31\r\nc=IN IP4 192.0.2.21\r\na=rtpmap:31 H261/90000\r\n",
            leave="Contact",
            call="mult-ip-in-sdp",
        ),
        TAKEN_UP,
    ),
    Case(
        "ipv4-mapped-ipv6",
        "4.9",
        "IPv4 addresses mapped into IPv6",
        ordinary(
            f"INVITE sip:{US} SIP/2.0",
            *_below("[::ffff:192.0.2.10]:19823"),
            'Contact: "I" <sip:ishmael@[::ffff:192.0.2.2]:5060>',
            WITH_SDP,
            body=SDP.replace("IP4 ", "IP6 ::ffff:"),
            leave="Contact",
            call="ipv4-mapped-ipv6",
        ),
        TAKEN_UP,
    ),
    Case(
        "ipv6-bug-abnf-3-colons",
        "4.10",
        "three colons, which the grammar of RFC 3261 allows by mistake",
        ordinary("OPTIONS sip:ahab@[2001:db8:::192.0.2.1] SIP/2.0", call="three-colons"),
        EITHER,
    ),
    Case(
        "ipv6-correct-abnf-2-colons",
        "4.10",
        "the same address as it must be written",
        ordinary("OPTIONS sip:ahab@[2001:db8::192.0.2.1] SIP/2.0", top=_top(), call="two-colons"),
        TAKEN_UP,
    ),
)
