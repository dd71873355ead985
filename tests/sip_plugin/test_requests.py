"""SIP plugin requests at the door: typed, or refused with the plugin's code and the element named."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.errors import JanusError
from boringsdp.sdp import Sdes
from boringsdp.sip_plugin import requests as ask
from boringsdp.sip_plugin.reading import parse_request

BOB = "sip:bob@example.com"


def test_register_with_everything():
    request = parse_request(
        {
            "request": "Register",
            "username": BOB,
            "secret": "a:b c",
            "authuser": "bobby",
            "display_name": "Bob",
            "user_agent": "phone/1",
            "proxy": "sip:pbx.example.com:5070",
            "outbound_proxy": "sip:[2001:db8::1]:5060;transport=tcp;lr",
            "headers": {"X-Token": "1"},
            "contact_params": {"pn-prid": "abc"},
            "incoming_header_prefixes": ["X-", "P-Asserted"],
            "force_tcp": True,
            "sips": True,
            "rfc2543_cancel": True,
            "automatic_ringing": False,
            "register_ttl": 60,
            "refresh": True,
        }
    )
    assert isinstance(request, ask.Register)
    assert request.secret == ask.Secret("a:b c", hashed=False, user="bobby")
    assert (request.proxy, request.outbound_proxy) == ("sip:pbx.example.com:5070", "sip:[2001:db8::1]:5060;transport=tcp;lr")
    assert (request.headers, request.contact_params) == ((("X-Token", "1"),), (("pn-prid", "abc"),))
    assert request.header_prefixes == ("X-", "P-Asserted")
    assert (request.send_register, request.guest, request.register_ttl, request.automatic_ringing) == (True, False, 60, False)
    assert "a:b c" not in repr(request)


def test_guests_need_no_secret_and_do_not_register():
    request = parse_request({"request": "register", "type": "guest", "username": BOB})
    assert isinstance(request, ask.Register)
    assert (request.guest, request.send_register, request.secret) == (True, False, None)


def test_helpers_name_their_master():
    request = parse_request({"request": "register", "type": "helper", "username": BOB, "master_id": 7})
    assert request == ask.RegisterHelper(username=BOB, master_id=7)


def test_null_proxies_are_none():
    request = parse_request({"request": "register", "type": "guest", "username": BOB, "proxy": None, "outbound_proxy": None})
    assert isinstance(request, ask.Register)
    assert (request.proxy, request.outbound_proxy) == ("", "")


@pytest.mark.parametrize(
    ("mode", "sdes", "protocol"),
    [(None, Sdes.OFF, "RTP/AVP"), ("sdes_optional", Sdes.OPTIONAL, "RTP/AVP"), ("sdes_mandatory", Sdes.MANDATORY, "RTP/SAVP")],
)
def test_srtp_decides_how_the_peer_is_offered(mode: str | None, sdes: Sdes, protocol: str):
    request = parse_request({"request": "call", "uri": BOB} | ({"srtp": mode} if mode else {}))
    assert isinstance(request, ask.PlaceCall)
    assert (request.srtp.style.sdes, request.srtp.style.protocol.value) == (sdes, protocol)


def test_small_requests():
    assert parse_request({"request": "decline", "code": 480}) == ask.Decline(code=480)
    assert parse_request({"request": "decline", "refer_id": 5}) == ask.Decline(refer_id=5)
    assert parse_request({"request": "hold"}) == ask.Hold("sendonly")
    assert parse_request({"request": "transfer", "uri": BOB, "replace": "abc@host"}) == ask.Transfer(BOB, "abc@host")
    assert parse_request({"request": "dtmf_info", "digit": "a", "duration": 9000}) == ask.DtmfInfo("A", 5000)
    assert parse_request({"request": "dtmf_info", "digit": "5"}) == ask.DtmfInfo("5", 160)
    assert parse_request({"request": "message", "content": "hi"}) == ask.SendMessage(content="hi")
    assert parse_request({"request": "info", "type": "text/plain", "content": "x"}) == ask.Info("text/plain", "x")
    assert parse_request({"request": "keyframe", "peer": True}) == ask.KeyFrame(user=False, peer=True)
    assert parse_request({"request": "subscribe", "event": "message-summary"}) == ask.Subscribe(event="message-summary")
    assert parse_request({"request": "call", "uri": "tel:+49-30-123"}) == ask.PlaceCall(uri="tel:+49-30-123")


@pytest.mark.parametrize(
    ("body", "code", "element"),
    [
        ({}, 440, "body"),
        ({"request": "fly"}, 442, "request"),
        ({"secret": "x"}, 443, "request"),
        ({"request": 5}, 444, "request"),
        ({"request": "register"}, 443, "username"),
        ({"request": "register", "username": BOB}, 443, "secret"),
        ({"request": "register", "username": "bob", "secret": "x"}, 446, "username"),
        ({"request": "register", "username": "sip:example.com", "secret": "x"}, 446, "username"),
        ({"request": "register", "username": "tel:+49", "secret": "x"}, 446, "username"),
        ({"request": "register", "username": BOB + "\r\nX: y", "secret": "x"}, 446, "username"),
        ({"request": "register", "username": BOB, "secret": "x", "ha1_secret": "0" * 32}, 444, "ha1_secret"),
        ({"request": "register", "username": BOB, "ha1_secret": "word"}, 444, "ha1_secret"),
        ({"request": "register", "username": BOB, "type": "guest", "send_register": True}, 444, "send_register"),
        ({"request": "register", "username": BOB, "type": "robot"}, 444, "type"),
        ({"request": "register", "username": BOB, "secret": "x", "force_udp": True, "force_tcp": True}, 444, "force_tcp"),
        ({"request": "register", "username": BOB, "secret": "x", "proxy": "http://x"}, 446, "proxy"),
        ({"request": "register", "username": BOB, "secret": "x", "register_ttl": 0}, 444, "register_ttl"),
        ({"request": "register", "username": BOB, "secret": "x", "display_name": "a\r\nb"}, 444, "display_name"),
        ({"request": "register", "username": BOB, "secret": "x", "incoming_header_prefixes": "X-"}, 444, "incoming_header_prefixes"),
        ({"request": "register", "username": BOB, "secret": "x", "contact_params": {"a b": "c"}}, 444, "contact_params"),
        (
            {"request": "register", "username": BOB, "secret": "x", "contact_params": {f"p{n}": "" for n in range(65)}},
            444,
            "contact_params",
        ),
        ({"request": "call"}, 443, "uri"),
        ({"request": "call", "uri": "bob"}, 446, "uri"),
        ({"request": "call", "uri": "tel:abc!"}, 446, "uri"),
        ({"request": "call", "uri": BOB, "srtp": "zrtp"}, 444, "srtp"),
        ({"request": "call", "uri": BOB, "srtp_profile": "NULL"}, 444, "srtp_profile"),
        ({"request": "call", "uri": BOB, "call_id": "a b"}, 444, "call_id"),
        ({"request": "call", "uri": BOB, "headers": {"X-A": "b\r\nVia: c"}}, 444, "headers"),
        ({"request": "call", "uri": BOB, "headers": {"X-A\r\nVia": "c"}}, 444, "headers"),
        ({"request": "call", "uri": BOB, "headers": {"v": "SIP/2.0/UDP x"}}, 444, "headers"),
        ({"request": "call", "uri": BOB, "headers": {"X-A": "x" * 20_000}}, 444, "headers"),
        ({"request": "call", "uri": BOB, "headers": {f"X-{n}": "x" for n in range(65)}}, 444, "headers"),
        ({"request": "call", "uri": BOB, "headers": ["X"]}, 444, "headers"),
        ({"request": "subscribe"}, 443, "event"),
        ({"request": "decline", "code": 700}, 444, "code"),
        ({"request": "hold", "direction": "sideways"}, 444, "direction"),
        ({"request": "transfer"}, 443, "uri"),
        ({"request": "info", "type": "a/b"}, 443, "content"),
        ({"request": "info", "content": "x"}, 443, "type"),
        ({"request": "message"}, 443, "content"),
        ({"request": "message", "content": "x" * 60_000}, 444, "content"),
        ({"request": "dtmf_info"}, 443, "digit"),
        ({"request": "dtmf_info", "digit": "12"}, 444, "digit"),
        ({"request": "recording"}, 443, "action"),
        ({"request": "recording", "action": "start"}, 444, "audio"),
        ({"request": "rtp_forward"}, 443, "streams"),
        ({"request": "stop_rtp_forward"}, 443, "stream_id"),
        ({"request": "keyframe", "user": 1}, 444, "user"),
    ],
)
def test_refusals_name_the_element(body: dict[str, Any], code: int, element: str):
    with pytest.raises(JanusError) as caught:
        parse_request(body)
    assert (caught.value.code, caught.value.element) == (code, element)


def test_only_headers_that_are_allowed_may_be_set():
    body = {"request": "call", "uri": BOB, "headers": {"x-my-id": "1"}}
    assert isinstance(parse_request(body, ("X-My-*",)), ask.PlaceCall)
    with pytest.raises(JanusError, match="not among"):
        parse_request(body, ("P-*",))


@pytest.mark.parametrize(
    "body",
    [
        {"request": "register", "username": BOB, "secret": "\ud800"},
        {"request": "message", "uri": BOB, "content": "\ud800"},
        {"request": "info", "type": "text/plain", "content": "\udfff"},
        {"request": "subscribe", "event": "x", "content": "\ud800"},
        {"request": "call", "uri": BOB, "headers": {"X-A": "\ud800"}},
    ],
)
def test_half_characters_are_refused(body: dict[str, Any]):
    with pytest.raises(JanusError) as refused:
        parse_request(body)
    assert refused.value.code == 444
