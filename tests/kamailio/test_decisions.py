"""What the routing decides, without Kamailio."""

import re

import pytest
from kemi_routing import decisions
from kemi_routing.decisions import Body, Hooks, Notice, Reply, Request, Respond, Step
from kemi_routing.media import WISHES, Answer, Candidates, Delete, Offer, Side, Wish, parse_wish, wishes

from tests.kamailio.conftest import KAMAILIO

WEB, PHONE = Side.WEB, Side.PHONE
BROWSER = "sip:203.0.113.9:50123;transport=ws"
TELEPHONE = "sip:192.0.2.7:5060"
ALIAS = "sip:j8s7@fh2k.invalid;transport=ws"
FAMILY = {WEB: "", PHONE: "IP4"}
"""What is asked for where a phone is at an IPv4 address."""


def request(method="INVITE", **more):
    return Request(**{"method": method, "sender": WEB, "uri": "sip:bob@example.org", "user": "bob"} | more)


def reply(code=200, **more):
    return Reply(**{"method": "INVITE", "code": code, "asker": WEB, "body": Body.SDP} | more)


@pytest.mark.parametrize(
    ("uris", "side"),
    [
        ((BROWSER,), WEB),
        ((TELEPHONE,), PHONE),
        (("", ALIAS), WEB),
        ((TELEPHONE, ALIAS), PHONE),
        (("sip:a@h;transport=WSS;lr",), WEB),
        (("sip:a@h;transport=wssomething",), PHONE),
        (("sip:a@h;transport=tcp",), PHONE),
        (("sip:transport=ws@h",), PHONE),
        (("", ""), PHONE),
    ],
)
def test_a_websocket_in_the_uri_is_a_browser(uris, side):
    assert decisions.side_of_uri(*uris) is side


@pytest.mark.parametrize(
    ("uris", "family"),
    [
        ((TELEPHONE,), "IP4"),
        (("sip:phone.example.org",), "IP4"),
        (("sip:[2001:db8::7]:5060",), "IP6"),
        (("sips:bob@[2001:db8::7];transport=tls",), "IP6"),
        (("", "sip:bob@[2001:db8::7]"), "IP6"),
        ((TELEPHONE, "sip:bob@[2001:db8::7]"), "IP4"),
        (("sip:bob@192.0.2.7;maddr=[2001:db8::7]",), "IP4"),
        (("", ""), "IP4"),
    ],
)
def test_the_kind_of_address_that_a_request_goes_to(uris, family):
    assert decisions.family_of_uri(*uris) == family


@pytest.mark.parametrize(("protocol", "side"), [("ws", WEB), ("WSS", WEB), ("udp", PHONE), ("tcp", PHONE), ("tls", PHONE), ("", PHONE)])
def test_who_sends_over_a_websocket_is_a_browser(protocol, side):
    assert decisions.side_of_protocol(protocol) is side


@pytest.mark.parametrize(
    ("content_type", "size", "body"),
    [
        ("application/sdp", 200, Body.SDP),
        ("Application/SDP ; charset=utf-8", 200, Body.SDP),
        ("application/sdp", 0, Body.NONE),
        ("", 0, Body.NONE),
        ("application/trickle-ice-sdpfrag", 90, Body.CANDIDATES),
        ("application/dtmf-relay", 20, Body.OTHER),
        ("multipart/mixed;boundary=a", 20, Body.OTHER),
        ("", 5, Body.OTHER),
    ],
)
def test_a_body_is_known_by_its_type(content_type, size, body):
    assert decisions.body_of(content_type, size) is body


@pytest.mark.parametrize(
    ("given", "step"),
    [
        (request(), Step.CALL),
        (request("MESSAGE"), Step.CALL),
        (request("REGISTER", user=""), Step.REGISTER),
        (request("REGISTER", user="", to_us=False), Step.REGISTER),
        (request(within_dialog=True, to_us=False), Step.WITHIN_DIALOG),
        (request("OPTIONS", user=""), Respond(200, "OK")),
        (request("OPTIONS"), Step.CALL),
        (request("OPTIONS", user="", within_dialog=True), Step.WITHIN_DIALOG),
        (request(to_us=False), Respond(403, "Not Here")),
        (request(user=""), Respond(484, "Address Incomplete")),
    ],
)
def test_where_a_request_goes_on(given, step):
    assert decisions.first_step(given) == step


@pytest.mark.parametrize(
    ("uri", "address", "port", "yes"),
    [
        ("sip:198.51.100.20:5070", "198.51.100.20", 5070, True),
        ("sip:198.51.100.20", "198.51.100.20", 5060, True),
        ("sip:gw@198.51.100.20:5070;transport=tcp", "198.51.100.20", 5070, True),
        ("sip:198.51.100.20:5070", "198.51.100.20", 5060, False),
        ("sip:198.51.100.20:5070", "198.51.100.2", 5070, False),
        ("sip:[2001:db8::1]:5070", "2001:db8::1", 5070, True),
        ("sip:[2001:db8::1]", "[2001:db8::1]", 5060, True),
        ("", "", 5060, False),
    ],
)
def test_who_sent_a_message(uri, address, port, yes):
    assert decisions.comes_from(uri, address, port) is yes


def test_who_is_not_registered():
    assert decisions.unregistered(-1) == Respond(404, "Not Found")
    assert decisions.unregistered(-2) == Respond(405, "Method Not Allowed")
    assert decisions.unregistered(-3) == Respond(404, "Not Found")


@pytest.mark.parametrize(
    ("sender", "destination", "uri", "reader"),
    [
        pytest.param(WEB, TELEPHONE, "sip:bob@192.0.2.7", PHONE, id="browser to phone"),
        pytest.param(PHONE, BROWSER, ALIAS, WEB, id="phone to browser"),
        pytest.param(WEB, BROWSER, ALIAS, WEB, id="browser to browser"),
        pytest.param(PHONE, "", TELEPHONE, PHONE, id="phone to phone"),
        pytest.param(PHONE, "", "sip:u@203.0.113.9;transport=ws", WEB, id="phone to browser, by its URI"),
    ],
)
def test_an_offer_is_written_for_who_gets_it_and_the_answer_for_who_asked(sender, destination, uri, reader):
    invite = request(sender=sender, destination=destination, uri=uri, body=Body.SDP)
    assert decisions.on_branch(invite, 0) == Offer(reader, "leg-0", FAMILY[reader], "caller")
    assert decisions.on_reply(reply(asker=sender), 0) == Answer(sender, "leg-0", label="called")


@pytest.mark.parametrize("sender", [WEB, PHONE])
def test_a_phone_is_told_addresses_of_its_own_kind(sender):
    place = "sip:[2001:db8::7]:5060"
    invite = request(sender=sender, destination=place, body=Body.SDP)
    assert decisions.on_branch(invite, 0) == Offer(PHONE, "leg-0", "IP6", "caller")
    change = request(sender=sender, uri=place, body=Body.SDP, within_dialog=True)
    assert decisions.on_branch(change, 0) == Offer(PHONE, family="IP6")
    ack = request("ACK", sender=sender, uri=place, body=Body.SDP, within_dialog=True)
    assert decisions.within_dialog(ack) == (Answer(PHONE, family="IP6"), None)
    assert decisions.on_branch(request(destination="sip:[2001:db8::9];transport=ws", body=Body.SDP), 0).family == ""


def test_each_branch_of_a_fork_gets_an_offer_of_its_kind_and_a_name_of_its_own():
    places = [BROWSER, TELEPHONE, BROWSER]
    offers = [decisions.on_branch(request(destination=place, body=Body.SDP), index) for index, place in enumerate(places)]
    assert [(offer.reader, offer.leg) for offer in offers] == [(WEB, "leg-0"), (PHONE, "leg-1"), (WEB, "leg-2")]
    assert decisions.on_reply(reply(183), 1) == Answer(WEB, "leg-1", label="called")
    assert decisions.on_reply(reply(200), 2) == Answer(WEB, "leg-2", label="called")


@pytest.mark.parametrize(("sender", "destination", "reader"), [(WEB, TELEPHONE, PHONE), (PHONE, BROWSER, WEB)])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_change_within_a_call_names_no_branch(method, sender, destination, reader):
    change = request(method, sender=sender, destination=destination, body=Body.SDP, within_dialog=True)
    assert decisions.within_dialog(change) == (None, None)
    assert decisions.on_branch(change, 0) == Offer(reader, family=FAMILY[reader])
    assert decisions.on_reply(reply(method=method, asker=sender, within_dialog=True), 0) == Answer(sender)


@pytest.mark.parametrize("within_dialog", [False, True])
def test_a_late_offer_comes_with_the_reply_and_its_answer_with_the_ack(within_dialog):
    invite = request(destination=BROWSER, sender=PHONE, within_dialog=within_dialog)
    assert decisions.hooks(invite).offer_is_late
    assert decisions.on_branch(invite, 0) is None
    answer = reply(asker=PHONE, within_dialog=within_dialog, offer_is_late=True)
    assert decisions.on_reply(answer, 0) == (Offer(PHONE) if within_dialog else Offer(PHONE, "leg-0", label="called"))
    ack = request("ACK", sender=PHONE, destination=BROWSER, body=Body.SDP, within_dialog=True, from_caller=True)
    assert decisions.within_dialog(ack) == (Answer(WEB, label="caller"), None)


@pytest.mark.parametrize(
    "given",
    [
        reply(100),
        reply(486),
        reply(302),
        reply(180, body=Body.NONE),
        reply(200, body=Body.OTHER),
        reply(method="BYE"),
        reply(method="PRACK"),
    ],
)
def test_replies_that_are_not_the_gateways_business(given):
    assert decisions.on_reply(given, 0) is None


@pytest.mark.parametrize("given", [request("MESSAGE", body=Body.OTHER), request("BYE"), request("INFO", body=Body.CANDIDATES)])
def test_requests_that_offer_nothing(given):
    assert decisions.on_branch(given, 0) is None


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (request("BYE", within_dialog=True), (Delete(), None)),
        (request("BYE", body=Body.OTHER, within_dialog=True), (Delete(), None)),
        (request("INFO", body=Body.CANDIDATES, within_dialog=True), (Candidates(), Respond(200, "OK"))),
        (request("INFO", body=Body.OTHER, within_dialog=True), (None, None)),
        (request("ACK", within_dialog=True), (None, None)),
        (request("PRACK", body=Body.SDP, destination=TELEPHONE, within_dialog=True), (Answer(PHONE, family="IP4"), None)),
        (request("NOTIFY", body=Body.OTHER, within_dialog=True), (None, None)),
    ],
)
def test_what_is_asked_within_a_dialog(given, wanted):
    assert decisions.within_dialog(given) == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (request(body=Body.SDP), Hooks(branches=True, replies=True, failure=True)),
        (request(), Hooks(branches=True, replies=True, failure=True, offer_is_late=True)),
        (request(body=Body.SDP, within_dialog=True), Hooks(branches=True, replies=True)),
        (request("UPDATE", within_dialog=True), Hooks(branches=True, replies=True)),
        (request("SUBSCRIBE"), Hooks(replies=True)),
        (request("BYE", within_dialog=True), Hooks(replies=True)),
        (request("MESSAGE"), Hooks()),
        (request("CANCEL"), Hooks()),
        (request("ACK", within_dialog=True), Hooks()),
    ],
)
def test_what_is_looked_at_later(given, wanted):
    assert decisions.hooks(given) == wanted


def test_a_notice_tells_the_call_and_its_parties():
    text = '{"event": "timeout", "reason": "media timeout", "call-id": "c", "tags": ["a", "b", "", 7], "after": 60.0}'
    assert decisions.parse_notice(text) == Notice("c", "media timeout", ("a", "b"))


@pytest.mark.parametrize(
    "text",
    [
        *("", "[", "[]", "7", "[" * 100_000, '{"event": "digit"}', '{"event": "timeout"}', '{"event": "timeout", "call-id": 7}'),
        *('{"event": "timeout", "call-id": "c", "tags": "a"}', '{"event": "timeout", "call-id": "", "tags": []}'),
    ],
)
def test_what_is_not_a_notice(text):
    assert decisions.parse_notice(text) is None


@pytest.mark.parametrize(("side", "name"), [(WEB, "FOR_WEB"), (PHONE, "FOR_PHONE")])
def test_the_flags_are_those_of_the_native_configuration(side, name):
    native = (KAMAILIO / "rtpengine-module" / "kamailio.cfg").read_text()
    found = re.search(rf'^#!define {name} "(.*)"$', native, re.MULTILINE)
    assert sorted(WISHES[side].words().split()) == sorted(found[1].split())


@pytest.mark.parametrize("side", [WEB, PHONE])
def test_a_wish_in_words_is_read_as_it_was(side):
    assert parse_wish(WISHES[side].words()) == WISHES[side]


def test_flags_that_were_defined_take_the_place_of_those_for_phones():
    words = "RTP/SAVP DTLS=off SDES-pad ICE=remove rtcp-mux-demux strip-extmap replace-origin"
    given = wishes(words)
    assert given[WEB] is WISHES[WEB]
    assert sorted(given[PHONE].words().split()) == sorted(words.split())
    assert given[PHONE].keys() == {
        "transport-protocol": "RTP/SAVP",
        "DTLS": "off",
        "ICE": "remove",
        "SDES": ["pad"],
        "rtcp-mux": ["demux"],
        "flags": ["strip-extmap"],
        "replace": ["origin"],
    }
    assert wishes() is WISHES


def test_flags_without_a_protocol():
    assert parse_wish("") == Wish(protocol="", ice="", replace=())
    assert (parse_wish("strip-extmap").words(), parse_wish("strip-extmap").keys()) == ("strip-extmap", {"flags": ["strip-extmap"]})


def test_a_wish_as_keys_says_the_same():
    assert WISHES[WEB].keys() == {
        "transport-protocol": "UDP/TLS/RTP/SAVPF",
        "ICE": "force",
        "SDES": ["off"],
        "rtcp-mux": ["offer", "require"],
        "flags": ["generate-mid"],
        "replace": ["origin", "session-connection"],
    }
    assert "SDES" not in WISHES[PHONE].keys()  # noqa: SIM118
