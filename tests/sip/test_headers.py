"""Typed views: what each reads, what each refuses, what is said about it."""

from __future__ import annotations

import pytest

from boringsdp.errors import SipError
from boringsdp.sip import headers as views
from boringsdp.sip.limits import MAX_CONTACTS, MAX_PARAMS, MAX_SECONDS, MAX_VIAS
from boringsdp.sip.message import Headers, Request
from boringsdp.sip.name_address import NameAddress, name_address_text
from boringsdp.sip.uri import SipUri


def message(name: str, *values: str) -> Request:
    return Request("OPTIONS", "sip:a", Headers([(name, value) for value in values]))


# --- Via ---------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "transport", "sent_by", "params"),
    [
        ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx;rport", "UDP", "192.0.2.1", {"branch": "z9hG4bKx", "rport": None}),
        ("SIP/2.0/tcp pc33.example.com:5066", "TCP", "pc33.example.com:5066", {}),
        ("sip / 2.0 /\tTLS   host.example : 5061 ; Branch = z9hG4bK1 ;x", "TLS", "host.example:5061", {"branch": "z9hG4bK1", "x": None}),
        ("SIP/2.0/UDP [2001:db8::9]:6050;received=[2001:db8::1]", "UDP", "[2001:db8::9]:6050", {"received": "[2001:db8::1]"}),
        ("SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK=;keep", "WSS", "df7jal23ls0d.invalid", {"branch": "z9hG4bK=", "keep": None}),
        ("SIP/2.0/X-New_1 host_name;a=\"b;c,d\\\"\"", "X-NEW_1", "host_name", {"a": '"b;c,d\\""'}),
        ("SIP/3.7/UDP a", "UDP", "a", {}),
    ],
)  # fmt: skip
def test_via(text: str, transport: str, sent_by: str, params: dict[str, str | None]) -> None:
    via = views.via(message("Via", text))
    assert (via.transport, via.sent_by, via.params) == (transport, sent_by, params)


@pytest.mark.parametrize(
    "text",
    ["", "SIP/2.0/UDP", "SIP/2.0 UDP a", "HTTP/2.0/UDP a", "SIP/2.0/U D P a", "SIP/2.0/UDP a b", "SIP/2.0/UDP a;;;branch=x",
    "SIP/2.0/UDP a;;;",
     "SIP/2.0/UDP a;branch=1;branch=2", "SIP/2.0/UDP a:99999", "SIP/2.0/UDP a:", "SIP/2.0/UDP 2001:db8::1", "SIP/2.0/UDP a;=x",
     "SIP/2.0/UDP a;x=y z", 'SIP/2.0/UDP a;x="y', "SIP/2.0/UDP a;;,;,,", "SIP/2.0/UDP a, ", ", SIP/2.0/UDP a", "SIP/2.0//UDP a"],
)  # fmt: skip
def test_bad_vias(text: str) -> None:
    for view in (views.via, views.vias):
        if view is views.vias and not text:
            continue
        with pytest.raises(SipError) as refused:
            view(message("Via", text))
        assert refused.value.header == "Via"


def test_vias_over_lines_and_within_them() -> None:
    m = message("Via", 'SIP/2.0/UDP a;x="1,2", SIP/2.0/UDP b', "SIP/2.0/UDP c")
    assert [via.host for via in views.vias(m)] == ["a", "b", "c"]
    assert views.via(m).host == "a"
    assert views.vias(message("To", "x")) == ()
    with pytest.raises(SipError, match="Via: missing"):
        views.via(message("To", "x"))


@pytest.mark.parametrize(
    ("params", "received", "rport"),
    [
        ("received=192.0.2.9;rport=1", "192.0.2.9", 1),
        ("received=2001:db8::9;rport=65535", "2001:db8::9", 65535),
        ("received=[2001:db8::9];rport=65536", "2001:db8::9", None),
        ("received=2001:db8::9:255;rport=0", "2001:db8::9:255", None),
        ("rport", None, None),
        ("rport=x", None, None),
        ("rport=٣", None, None),
    ],
)
def test_received_and_rport(params: str, received: str | None, rport: int | None) -> None:
    via = views.via(message("Via", f"SIP/2.0/UDP a;{params}"))
    assert (via.received, via.rport) == (received, rport)


# --- addresses ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "display", "uri", "params"),
    [
        ("<sip:a@b>;tag=1", "", "sip:a@b", {"tag": "1"}),
        ("sip:a@b;tag=1;x", "", "sip:a@b", {"tag": "1", "x": None}),
        ("<sip:a@b;tag=no>", "", "sip:a@b;tag=no", {}),
        ("Bob <sip:b@c>", "Bob", "sip:b@c", {}),
        ("Bob Example<sip:b@c>", "Bob Example", "sip:b@c", {}),
        ('"Bob, \\"the\\" \\\\ <x@y>;z" <sip:b@c> ; tag = 2', 'Bob, "the" \\ <x@y>;z', "sip:b@c", {"tag": "2"}),
        ('"" <sip:b@c>', "", "sip:b@c", {}),
        ('"Bob"<sip:b,c;d?@e>', "Bob", "sip:b,c;d?@e", {}),
        ("Jürgen Ü. (privat) <sip:j@c>", "Jürgen Ü. (privat)", "sip:j@c", {}),
        ('"\udcff\0\\\0\x07" <sip:j@c>', "\udcff\0\0\x07", "sip:j@c", {}),
        ("*<sip:b@c>;x=\"a;b\\\"\"", "*", "sip:b@c", {"x": '"a;b\\""'}),
        ("<tel:+1-201>;tag=1", "", "tel:+1-201", {"tag": "1"}),
        ("http://www.example.com/;tag=1", "", "http://www.example.com/", {"tag": "1"}),
        ("sip:a@b ;tag=1", "", "sip:a@b", {"tag": "1"}),
        ("<sip:a@b>;+sip.instance=\"<urn:uuid:0>\";q=0.5", "", "sip:a@b", {"+sip.instance": '"<urn:uuid:0>"', "q": "0.5"}),
    ],
)  # fmt: skip
def test_name_addresses(text: str, display: str, uri: str, params: dict[str, str | None]) -> None:
    found = views.to(message("To", text))
    assert (found.display, found.uri_text, found.params) == (display, uri, params)
    again = views.to(message("To", found.to_text()))
    assert again == found


@pytest.mark.parametrize(
    "text",
    ["", "<>", "<sip:a@b", "sip:a@b>", "a", '"Bob <sip:a@b>', '"Bob" sip:a@b', '"Bob"', "Bell, A <sip:a@b>", "< sip:a@b >", "<sip:a@b >",
     '"B" "C" <sip:a@b>', "<sip:a@b>;tag=", "<sip:a@b>;tag", "<sip:a@b>;tag=1;tag=2", "<sip:a@b>;;", "<sip:a@b>;;;", "<sip:a@b>x",
     "<sip:a@b>;x=a b", "<sip:a@b>,<sip:c@d>", "<sip:a@b>;x=1,<sip:c@d>", "sip:a@b?x=y", "sip:a,b@c", "<<sip:a@b>>", "a@b", '<sip:"a"@b>',
     "<sip:a@b>" + ";x=1" * 3 + "".join(f";x{n}" for n in range(MAX_PARAMS)), '"\\" <sip:a@b>', "B>C <sip:a@b>"],
)  # fmt: skip
def test_bad_name_addresses(text: str) -> None:
    for name, view in (("From", views.from_), ("To", views.to)):
        with pytest.raises(SipError) as refused:
            view(message(name, text))
        assert refused.value.header == name


def test_the_uri_of_an_address_is_read_when_asked_for() -> None:
    found = views.to(message("To", "<sip:a@b:x>"))
    for _ in range(2):
        with pytest.raises(SipError):
            _ = found.uri
    assert views.to(message("To", "<sip:a@b>")).sip_uri == SipUri("sip", "a", "b")
    with pytest.raises(SipError):
        _ = views.to(message("To", "tel:1")).sip_uri


def test_lists_of_addresses() -> None:
    m = message("m", '"A, B" <sip:a,1@b;x?y=z,>;q="1,2" ,sip:c@d;expires=5', "<sip:e@f>")
    assert [address.uri_text for address in views.contacts(m)] == ["sip:a,1@b;x?y=z,", "sip:c@d", "sip:e@f"]
    assert views.contact(m) is views.contacts(m)[0]
    assert views.contacts(message("To", "x")) == ()
    assert views.contact(message("To", "x")) is None
    assert views.contacts(message("Contact", "*"))[0].uri_text == "*"
    assert views.contacts(message("Contact", "")) == ()
    both = Request("INVITE", "sip:a", Headers([("Record-Route", "<sip:p1;lr>, <sip:p2;lr>"), ("Route", "<sip:p3>"), ("Path", "<sip:p4>")]))
    assert [address.uri_text for address in views.name_addresses(both, "Record-Route")] == ["sip:p1;lr", "sip:p2;lr"]
    assert [address.uri_text for address in views.routes(both)] == ["sip:p3"]
    assert [address.uri_text for address in views.name_addresses(both, "path")] == ["sip:p4"]
    for text in ("<sip:a>,,<sip:b>", "<sip:a>,", "Bell, Alexander <sip:a@b>", "<sip:a", '<sip:a>, "b'):
        with pytest.raises(SipError, match="Contact: "):
            views.contacts(message("Contact", text))


def test_what_is_written_can_be_read_back() -> None:
    text = name_address_text("sip:a@b;lr", 'J "x" \\ ü, <>', {"tag": "1", "x": None, "y": '"q;"'})
    assert views.to(message("To", text)) == NameAddress('J "x" \\ ü, <>', "sip:a@b;lr", {"tag": "1", "x": None, "y": '"q;"'})
    assert repr(views.to(message("To", "<sip:a>"))) == "NameAddress('<sip:a>')"


# --- the rest ----------------------------------------------------------------------------------------------------------------------------

READ = [
    ("CSeq", views.cseq, "0009\t INVITE", views.CSeq(9, "INVITE")),
    ("CSeq", views.cseq, "2147483647 x-New", views.CSeq(2147483647, "x-New")),
    ("CSeq", views.cseq, "0" * 30 + "1 BYE", views.CSeq(1, "BYE")),
    ("i", views.call_id, "a84b+\\\"<>@[::1]?{", "a84b+\\\"<>@[::1]?{"),
    ("Max-Forwards", views.max_forwards, "0068", 68),
    ("RAck", views.rack, "776656 1 INVITE", views.RAck(776656, 1, "INVITE")),
    ("RSeq", views.rseq, "4294967295", 4294967295),
    ("Expires", views.expires, "9" * 50, MAX_SECONDS),
    ("Expires", views.expires, "00" * 20, 0),
    ("Min-Expires", views.min_expires, "60", 60),
    ("Min-SE", views.min_se, "90;x=y", 90),
    ("x", views.session_expires, "1800 ;Refresher=UAC", views.SessionExpires(1800, "uac", {"refresher": "UAC"})),
    ("Session-Expires", views.session_expires, "90", views.SessionExpires(90, None, {})),
    ("Retry-After", views.retry_after, "18000;duration=3600", 18000),
    ("Retry-After", views.retry_after, "120 (I'm in a (long) meeting)", 120),
    ("Replaces", views.replaces, "a@b;to-tag=1;from-tag=2", views.Replaces("a@b", "1", "2")),
    ("Replaces", views.replaces, "a ; from-tag=2;to-tag=1 ;early-only", views.Replaces("a", "1", "2", True)),
    ("Join", views.join, "a;to-tag=1;from-tag=2", views.Replaces("a", "1", "2")),
    ("o", views.event, "Refer;id=93809824", views.Event("refer", "93809824", {"id": "93809824"})),
    ("Event", views.event, "presence.winfo", views.Event("presence.winfo", None, {})),
    ("Subscription-State", views.subscription_state, "Terminated;reason=NoResource;retry-after=5",
     views.SubscriptionState("terminated", "noresource", None, 5, {"reason": "NoResource", "retry-after": "5"})),
    ("Subscription-State", views.subscription_state, "active;expires=60", views.SubscriptionState("active",
    None, 60, None, {"expires": "60"})),
    ("c", views.content_type, "Application/SDP;charset=utf-8", views.MediaType("application/sdp", {"charset": "utf-8"})),
    ("Content-Type", views.content_type, 'multipart/mixed ; boundary="a b"', views.MediaType("multipart/mixed", {"boundary": '"a b"'})),
    ("Content-Disposition", views.content_disposition, "Session;handling=optional", views.MediaType("session", {"handling": "optional"})),
]  # fmt: skip


@pytest.mark.parametrize(("name", "view", "text", "value"), READ)
def test_reads(name, view, text, value) -> None:
    m = message(name, text)
    assert view(m) == value
    assert view(m) == value


@pytest.mark.parametrize(
    ("name", "view", "text"),
    [
        *[("CSeq", views.cseq, text) for text in ("", "1", "INVITE", "1 INVITE x", "-1 INVITE", "2147483648 INVITE",
            "9" * 5000 + " INVITE", "1 IN<VITE", "٣ INVITE", "1.0 A")],
        *[("Call-ID", views.call_id, text) for text in ("", "a b", "a\tb")],
        *[("Max-Forwards", views.max_forwards, text) for text in ("", "256", "-1", "x", "9" * 5000)],
        *[("RAck", views.rack, text) for text in ("", "1 1", "1 x INVITE", "4294967296 1 INVITE", "1 2147483648 INVITE", "1 1 INVITE x")],
        *[("RSeq", views.rseq, text) for text in ("", "x", "4294967296")],
        *[("Expires", views.expires, text) for text in ("", "x", "-1", "1.5", "٣")],
        *[("Session-Expires", views.session_expires, text) for text in ("", "x", ";refresher=uac", "1;refresher=me", "1;;")],
        *[("Retry-After", views.retry_after, text) for text in ("", "soon", "(1)")],
        *[("Replaces", views.replaces, text) for text in ("", "a", "a;to-tag=1", "a;to-tag=;from-tag=2", "a b;to-tag=1;from-tag=2",
            ";to-tag=1;from-tag=2")],
        *[("Event", views.event, text) for text in ("", ";id=1", "a b")],
        *[("Subscription-State", views.subscription_state, text) for text in ("", "active;expires=x", "a b", "active;;")],
        *[("Content-Type", views.content_type, text) for text in ("", "a", "a/", "/b", "a/b/c", "a b/c", "a/b;;", "a/b;c=\"")],
        *[("Refer-To", views.refer_to, text) for text in ("", "x", "<sip:a@b")],
    ],
)  # fmt: skip
def test_refuses(name, view, text) -> None:
    m = message(name, text)
    for _ in range(2):
        with pytest.raises(SipError) as refused:
            view(m)
        assert refused.value.header == name


@pytest.mark.parametrize(
    "view",
    [views.max_forwards, views.refer_to, views.referred_by, views.rack, views.rseq, views.expires, views.min_expires, views.min_se,
     views.session_expires, views.retry_after, views.replaces, views.join, views.event, views.subscription_state, views.content_type,
     views.content_disposition, views.accept, views.contact],
)  # fmt: skip
def test_none_without_the_header(view) -> None:
    assert view(message("Own", "x")) is None


def test_words() -> None:
    m = message("k", "100rel, Timer ,replaces", "", "path")
    assert views.tokens(m, "Supported") == ("100rel", "timer", "replaces", "path")
    assert views.tokens(message("Allow", "INVITE,x-Own"), "allow") == ("INVITE", "x-Own")
    assert views.tokens(m, "Require") == ()
    with pytest.raises(SipError, match="Require: "):
        views.tokens(message("Require", "a b"), "Require")


def test_accept_and_reason() -> None:
    m = message("Accept", "application/sdp;level=1, */*;q=0", "text/html")
    assert [media.type for media in views.accept(m) or ()] == ["application/sdp", "*/*", "text/html"]
    assert views.accept(message("Accept", "")) == ()
    m = message("Reason", 'SIP ;cause=200 ;text="Call completed, elsewhere"', "Q.850;cause=16")
    assert views.reasons(m) == (views.Reason("SIP", 200, "Call completed, elsewhere"), views.Reason("Q.850", 16, ""))


@pytest.mark.parametrize(("name", "value", "view", "limit"), [
    ("Via", "SIP/2.0/UDP a", views.vias, MAX_VIAS),
    ("Contact", "<sip:a>", views.contacts, MAX_CONTACTS),
])  # fmt: skip
def test_lists_have_limits(name, value, view, limit) -> None:
    for lines in ([value] * limit, [",".join([value] * limit)], [",".join([value] * (limit // 2))] * 2):
        assert len(view(message(name, *lines))) == limit
        with pytest.raises(SipError, match="more than"):
            view(message(name, *lines, value))


def test_parameters_have_a_limit() -> None:
    for one in (";x{}", ";x{} = 1", ';x{}="1"'):
        fits = "".join(one.format(n) for n in range(MAX_PARAMS))
        assert len(views.to(message("To", f"<sip:a>{fits}")).params) == MAX_PARAMS
        with pytest.raises(SipError, match="more than"):
            views.to(message("To", f"<sip:a>{fits};y"))
