"""URIs: what is read, what is refused, what equals what."""

from __future__ import annotations

import pytest

from boringsdp.errors import SipError
from boringsdp.sip.limits import MAX_URI
from boringsdp.sip.uri import OtherUri, SipUri, escape_header, escape_user, parse_sip_uri, parse_uri, same_uri, unescape


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:alice@example.com", SipUri("sip", "alice", "example.com")),
        ("sips:example.com:5061", SipUri("sips", None, "example.com", 5061)),
        ("SIP:alice@Example.COM", SipUri("sip", "alice", "Example.COM")),
        ("sip:alice:secret@192.0.2.1:65535", SipUri("sip", "alice", "192.0.2.1", 65535, password="secret")),
        ("sip:[2001:db8::1]", SipUri("sip", None, "2001:db8::1")),
        ("sip:bob@[2001:db8::1]:5070;lr", SipUri("sip", "bob", "2001:db8::1", 5070, (("lr", None),))),
        ("sip:a@b;Transport=TCP;lr;x=", SipUri("sip", "a", "b", None, (("transport", "TCP"), ("lr", None), ("x", "")))),
        ("sip:user;par=u%40example.net@example.com", SipUri("sip", "user;par=u%40example.net", "example.com")),
        ("sip:what?@example.com", SipUri("sip", "what?", "example.com")),
        ("sip:a@b?Subject=x&Priority=urgent", SipUri("sip", "a", "b", None, (), (("Subject", "x"), ("Priority", "urgent")))),
        ("sip:a@b;m=INVITE?Replaces=1@c", SipUri("sip", "a", "b", None, (("m", "INVITE"),), (("Replaces", "1@c"),))),
        ("sip:a@b;x=1;x=2", SipUri("sip", "a", "b", None, (("x", "1"),))),
        ("sip:%61lice@a_b.example", SipUri("sip", "%61lice", "a_b.example")),
        ("tel:+44-1632-960083;phone-context=x", OtherUri("tel", "tel:+44-1632-960083;phone-context=x")),
        ("Nobody.Knows+This-1:opaque//stuff?;=", OtherUri("nobody.knows+this-1", "Nobody.Knows+This-1:opaque//stuff?;=")),
    ],
)
def test_reads(text: str, uri: object) -> None:
    assert parse_uri(text) == uri


@pytest.mark.parametrize(
    "text",
    ["", "sip", "sip:", ":a@b", "alice@example.com", "sip:@b", "sip:a@", "sip:a@b@c", "sip:a@b:", "sip:a@b:x", "sip:a@b:65536",
     "sip:a@b:-1", "sip:a@b:٣", "sip:a@b c", "sip: a@b", "<sip:a@b>", 'sip:"a"@b', "sip:a@b;", "sip:a@b;;lr", "sip:a@b;=x", "sip:a@b?",
     "sip:a@b?x",
     "sip:a@b?=x", "sip:a@[::1", "sip:a@[::1]5060", "sip:a@[]", "sip:a@[1.2.3.4]", "sip:a@::1", "sip:a%4@b", "sip:%zz@b", "sip:a@b\r\n",
     "sip:a@b\0", "1x:y", "tel:", "sip:a@hôte", "sip:a@b" + ";x" * 100, "sip:a@b?" + "x=1&" * 100 + "x=1"],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(SipError):
        parse_uri(text)


def test_an_address_in_utf8_is_taken_as_user_but_not_as_host() -> None:
    assert parse_sip_uri("sip:jürgen@example.com").user == "jürgen"


@pytest.mark.parametrize(
    "text",
    ["sip:a@b", "sips:a:pw@[::1]:1;lr;x=1?H=v&I=", "sip:b;lr", "tel:112", "sip:a;b?c@d"],
)
def test_is_written_as_it_was_read(text: str) -> None:
    assert parse_uri(text).to_text() == text


def test_the_length_has_a_limit() -> None:
    fits = "sip:" + "u" * (MAX_URI - 6) + "@h"
    assert isinstance(parse_uri(fits), SipUri)
    with pytest.raises(SipError):
        parse_uri(fits + "h")


def test_parameters_headers_and_user_are_found() -> None:
    uri = parse_sip_uri("sip:j%40s%c3%b6n@b;Maddr=192.0.2.1;lr?Replaces=1%40c%3Bto-tag%3Dx&subject=y")
    assert uri.user_name == "j@sön"
    assert (uri.param("maddr"), uri.param("lr"), uri.param("ttl")) == ("192.0.2.1", "", None)
    assert (uri.header("replaces"), uri.header("Subject"), uri.header("x")) == ("1@c;to-tag=x", "y", None)
    assert uri.without("lr").to_text() == "sip:j%40s%c3%b6n@b;maddr=192.0.2.1?Replaces=1%40c%3Bto-tag%3Dx&subject=y"


@pytest.mark.parametrize("text", ["", "a b", "ü", "1@c;to-tag=x&y?z%", 'q"<>', "\udcff\0"])
def test_escapes_come_back(text: str) -> None:
    assert unescape(escape_header(text)) == unescape(escape_user(text)) == text
    assert parse_sip_uri(f"sip:{escape_user(text) or 'x'}@b?H={escape_header(text)}").header("h") == text


# RFC 3261 §19.1.4 in cases of our own.
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sip:%61lice@example.com;transport=TCP", "sip:alice@EXAMPLE.com;Transport=tcp", True),
        ("sip:carol@example.com", "sip:carol@example.com;newparam=5", True),
        ("sip:carol@example.com;newparam=5", "sip:carol@example.com;newparam=6", False),
        ("sip:carol@example.com;a=1;b=2", "sip:carol@example.com;b=2;c=3;a=1", True),
        ("sip:a@b?x=1&y=2", "sip:a@b?Y=2&X=1", True),
        ("sip:a@b?x=1", "sip:a@b", False),
        ("sip:Alice@example.com", "sip:alice@example.com", False),
        ("sip:alice@example.com", "sips:alice@example.com", False),
        ("sip:alice@example.com", "sip:alice@example.com:5060", False),
        ("sip:alice@example.com", "sip:alice@example.com;transport=udp", False),
        ("sip:alice@example.com", "sip:alice@example.com;maddr=192.0.2.1", False),
        ("sip:alice@example.com", "sip:alice@example.com;user=phone", False),
        ("sip:alice@example.com", "sip:example.com", False),
        ("sip:alice:x@example.com", "sip:alice:y@example.com", False),
        ("sip:al%2dice@example.com", "sip:al-ice@example.com", True),
        ("sip:al%3Bice@example.com", "sip:al;ice@example.com", False),
        ("sip:al%3bice@example.com", "sip:al%3Bice@example.com", True),
        ("sip:[2001:DB8::1]", "sip:[2001:db8::1]", True),
        ("sip:[2001:db8:0::1]", "sip:[2001:db8::0:1]", True),
        ("sip:[2001:db8::1]", "sip:[2001:db8::2]", False),
        ("sip:[2001:db8:::1]", "sip:[2001:DB8:::1]", True),
        ("tel:112", "TEL:112", True),
        ("tel:112", "tel:110", False),
        ("tel:112", "sip:112", False),
    ],
)
def test_equality(one: str, other: str, same: bool) -> None:
    assert same_uri(parse_uri(one), parse_uri(other)) is same
    assert same_uri(parse_uri(other), parse_uri(one)) is same
