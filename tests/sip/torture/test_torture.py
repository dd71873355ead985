"""The torture messages at the parser: taken or found defect as the RFCs say, and read as they mean."""

from __future__ import annotations

import pytest

from boringsdp.sip import headers as views
from boringsdp.sip.body import body_of
from boringsdp.sip.build import response_to
from boringsdp.sip.message import Message, Request, Response
from boringsdp.sip.parse import parse
from boringsdp.sip.uri import SipUri, parse_sip_uri
from tests.sip.torture.case import NEVER_READ, Case
from tests.sip.torture.cases import CASES, RFC4475, RFC5118

BY_NAME = {case.name: case for case in CASES}


def taken(name: str) -> Message:
    parsed = parse(BY_NAME[name].octets())
    assert parsed.defects == ()
    assert parsed.message is not None
    return parsed.message


def test_they_are_all_there() -> None:
    assert len({case.name for case in RFC4475}) == len({case.section for case in RFC4475}) == 49
    assert len({case.section for case in RFC5118}) == 10
    assert len({case.octets() for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_message_is_taken_or_found_defect(case: Case) -> None:
    parsed = parse(case.octets())
    if case.is_defect is not None and case.answers:
        assert bool(parsed.defects) is case.is_defect, parsed.defects
    if parsed.defects and case.answers:
        assert {parsed.defects[0].code} <= case.answers & NEVER_READ
    if case.answers:
        assert isinstance(parsed.message, Request)
    else:
        assert parsed.message is None or isinstance(parsed.message, Response)


@pytest.mark.parametrize("case", [case for case in CASES if case.answers], ids=lambda case: case.name)
def test_a_request_can_be_answered_and_the_answer_read_where_the_request_can(case: Case) -> None:
    parsed = parse(case.octets())
    assert parsed.message is not None
    answer = response_to(parsed.message, parsed.defects[0].code if parsed.defects else 200, tag="answer")
    assert answer.headers.all("Via") == parsed.message.headers.all("Via")
    again = parse(answer.to_bytes())
    assert isinstance(again.message, Response)
    if not parsed.defects:
        assert again.defects == ()
        assert views.vias(again.message) == views.vias(parsed.message)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_stream_gives_the_same(case: Case) -> None:
    data = case.octets()
    datagram, streamed = parse(data), parse(data, stream=True)
    if case.name == "clerr":
        assert streamed == (None, (), 0)
    elif case.name in ("ncl", "mcl01"):
        assert streamed.consumed == 0
        assert streamed.defects
    else:
        assert streamed.defects == datagram.defects
        assert data[streamed.consumed :].startswith(b"INVITE " if case.name == "dblreq" else b"")


def test_wsinv_says_what_it_means() -> None:
    message = taken("wsinv")
    assert isinstance(message, Request)
    assert parse_sip_uri(message.uri).param("strangeparam") == ""
    assert (views.from_(message).display, views.from_(message).tag) == ('A Sailor \\"', "17asjd8")
    assert (views.to(message).uri_text, views.to(message).tag) == ("sip:ahab@pequod.example", "7771n")
    assert [(via.transport, via.sent_by, via.branch) for via in views.vias(message)] == [
        ("UDP", "192.0.2.10:5060", "39zskdjuw"),
        ("TCP", "capstan.example", "z9hG4bK9ikj8"),
        ("UDP", "192.0.2.111", "z9hG4bK30239"),
    ]
    assert views.max_forwards(message) == 68
    assert views.cseq(message) == views.CSeq(9, "INVITE")
    assert message.headers.get("subject") == ""
    assert message.headers.get("NOVELHEADER") == "novel value and the rest of it"
    assert message.headers.get("ValueLikeSeparators") == ";;,,;;,;"
    (contact,) = views.contacts(message)
    assert contact.display == 'Said "call me"'
    assert contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    (route,) = views.routes(message)
    assert route.sip_uri.params == (("lr", None), ("strangewith", "value"), ("strange-no-value", None))
    assert message.body.startswith(b"v=0")


def test_intmeth_says_what_it_means() -> None:
    message = taken("intmeth")
    assert isinstance(message, Request)
    uri = parse_sip_uri(message.uri)
    assert (uri.user, uri.host) == ("9_odd.User~(so!very)&don't+you$/think?,/;;*", "pequod.example")
    assert uri.password == "&with+a=2,odd!*pass$word~_too.(isn't-it)"
    assert uri == views.to(message).uri
    assert views.to(message).display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert views.from_(message).tag == "_sea~1'+`*%!-."
    assert views.from_(message).params["fromparam''~+*_!.-%"] == '"Моби Дик"'
    assert views.via(message).branch == "z9hG4bK-.!%66*_+`'~"
    assert views.call_id(message) == "intmeth.sea%ZK-!.*_+'@word`~)(><:\\/\"][?}{"


def test_escapes_say_what_they_mean() -> None:
    message = taken("esc01")
    assert isinstance(message, Request)
    assert parse_sip_uri(message.uri).user_name == "sips:ahab@pequod.example"
    assert views.to(message).sip_uri.user_name == "ahab"
    assert views.from_(message).sip_uri.user_name == "I have spaces"
    assert views.contacts(message)[0].sip_uri.params == (("%6c%72", None), ("n%61me", "v%61lue%25%34%31"))
    assert [contact.sip_uri.user_name for contact in views.contacts(taken("escnull"))] == ["\0", "\0\0"]
    assert views.to(taken("esc02")).display == "%Q%45"
    assert views.from_(taken("lwsdisp")).display == "sailor"
    semicolon = parse_sip_uri("sip:ahab;par=u%40nantucket.example@pequod.example")
    assert (semicolon.user, semicolon.params) == ("ahab;par=u%40nantucket.example", ())


def test_long_and_many_values_are_all_there() -> None:
    message = taken("longreq")
    assert len(views.vias(message)) == 34
    assert len(views.to(message).display) > 300
    assert len(BY_NAME["longreq"].octets()) > 4000
    assert [via.transport for via in views.vias(taken("transports"))] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_bodies_are_what_the_length_says() -> None:
    assert taken("dblreq").body == b""
    message = taken("mpart01")
    assert body_of(message, "text/plain") == b"There she blows"
    assert body_of(message, "application/octet-stream") == bytes(range(256))


def test_reason_phrases_are_kept() -> None:
    odd, none = taken("unreason"), taken("noreason")
    assert isinstance(odd, Response)
    assert isinstance(none, Response)
    assert (odd.code, odd.reason) == (200, "= 2**3 * 5**2 Моби Дик")
    assert (none.code, none.reason) == (100, "")


def test_parameters_belong_where_they_stand() -> None:
    assert views.contacts(taken("cparam01"))[0].params == {"strangeparam": None}
    within = views.contacts(taken("cparam02"))[0]
    assert (within.params, within.sip_uri.param("strangeparam")) == ({}, "")
    assert views.contacts(taken("regescrt"))[0].sip_uri.header("route") == "<sip:mast.pequod.example>"


def test_ipv6_addresses_end_where_their_brackets_do() -> None:
    hosts = {}
    for name in ("ipv6-good", "port-ambiguous", "port-unambiguous", "ipv6-correct-abnf-2-colons"):
        message = taken(name)
        assert isinstance(message, Request)
        uri = parse_sip_uri(message.uri)
        hosts[name] = (uri.host, uri.port)
    assert hosts == {
        "ipv6-good": ("2001:db8::10", None),
        "port-ambiguous": ("2001:db8::10:5070", None),
        "port-unambiguous": ("2001:db8::10", 5070),
        "ipv6-correct-abnf-2-colons": ("2001:db8::192.0.2.1", None),
    }
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        assert views.vias(taken(name))[1].received == "2001:db8::9:255"
    assert [via.sent_by for via in views.vias(taken("mult-ip-in-header"))][1:] == [
        "[2001:db8::9:1]:6050",
        "192.0.2.1",
        "[2001:db8:0:0:0:0:9:1]",
    ]
    assert views.contacts(taken("ipv4-mapped-ipv6"))[0].uri == SipUri("sip", "ishmael", "::ffff:192.0.2.2", 5060)
