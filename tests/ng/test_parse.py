"""NG dictionaries at the door: typed, or refused in the words that callers of rtpengine compare."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boringsdp.errors import NgError
from boringsdp.ng.parse import parse_request
from boringsdp.ng.requests import (
    Blocking,
    CodecOptions,
    Delete,
    Description,
    Ice,
    Identity,
    Learning,
    ListCalls,
    Ping,
    PlayDtmf,
    Query,
    SdesOptions,
    SdpEdits,
    SetBlocking,
    Statistics,
)
from boringsdp.ng.vocabulary import COMMANDS_NOT_BUILT, KEYS

OFFER = {"command": "offer", "sdp": "v=0\r\n", "call-id": "c", "from-tag": "f"}
ANSWER = OFFER | {"command": "answer", "to-tag": "t"}
PLAIN = parse_request(OFFER)
SELECT = {"call-id": "c", "from-tag": "f"}
WHO = Identity(call_id="c", from_tag="f")


def differences(request: object) -> dict[str, Any]:
    """What a request has that the plainest offer has not."""
    assert isinstance(request, Description)
    return {f.name: getattr(request, f.name) for f in fields(request) if getattr(request, f.name) != getattr(PLAIN, f.name)}


KEY_CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"to-tag": "t"}, {"identity": Identity(call_id="c", from_tag="f", to_tag="t")}),
    ({"via-branch": "z9hG4bK1"}, {"identity": Identity(call_id="c", from_tag="f", via_branch="z9hG4bK1")}),
    ({"label": "caller"}, {"identity": Identity(call_id="c", from_tag="f", set_label="caller")}),
    ({"from-label": "caller"}, {"identity": Identity(call_id="c", from_tag="f", set_label="caller")}),
    ({"label": "x", "set-label": "caller"}, {"identity": Identity(call_id="c", from_tag="f", set_label="caller")}),
    ({"metadata": "a:b|c:d"}, {"metadata": "a:b|c:d"}),
    ({"sip-message-type": "sip_request"}, {}),
    ({"sip-message-type": "sip_reply", "SIP code": "183"}, {"sip_code": 183}),
    ({"SIP message type": "SIP response", "SIP-code": 200}, {"sip_code": 200}),
    ({"ICE": "remove"}, {"ice": Ice.REMOVE}),
    ({"ICE": "force"}, {"ice": Ice.FORCE}),
    ({"ICE": "default"}, {}),
    ({"ICE": "optional"}, {"ice": Ice.OPTIONAL}),
    ({"ICE": ["force", "trickle", "lite-forward"]}, {"ice": Ice.FORCE, "trickle": True}),
    ({"ICE": "nonsense"}, {"ignored": ("ICE=nonsense",), "warnings": ("ICE=nonsense is not known",)}),
    ({"ICE-lite": "backward"}, {}),
    ({"DTLS": "off"}, {"dtls": "off"}),
    ({"DTLS": "no"}, {"dtls": "off"}),
    ({"DTLS": "disable"}, {"dtls": "off"}),
    ({"DTLS": "passive"}, {"dtls": "passive"}),
    ({"DTLS": "active"}, {"dtls": "active"}),
    ({"DTLS-reverse": "passive"}, {"dtls_reverse": "passive"}),
    ({"DTLS-fingerprint": "SHA-384"}, {"fingerprint_hash": "sha-384"}),
    ({"DTLS-fingerprint": "sha1"}, {"fingerprint_hash": "sha-1"}),
    ({"DTLS-fingerprint": "md5"}, {"ignored": ("DTLS-fingerprint=md5",), "warnings": ("DTLS-fingerprint=md5 is not known",)}),
    ({"transport-protocol": "RTP/SAVPF"}, {"protocol": "RTP/SAVPF"}),
    ({"transport protocol": "UDP/TLS/RTP/SAVP"}, {"protocol": "UDP/TLS/RTP/SAVP"}),
    ({"transport_protocol": "udp/tls/rtp/savpf"}, {"protocol": "UDP/TLS/RTP/SAVPF"}),
    ({"transport-protocol": "accept"}, {"protocol": "accept"}),
    ({"transport-protocol": "UDPTL"}, {}),
    ({"transport-protocol": "SCTP"}, {"ignored": ("transport-protocol=SCTP",), "warnings": ("transport-protocol=SCTP is not known",)}),
    ({"SDES": ["off"]}, {"sdes": SdesOptions(off=True)}),
    ({"SDES": "off"}, {"sdes": SdesOptions(off=True)}),
    ({"SDES": ["no-NULL_HMAC_SHA1_80", "pad"]}, {"sdes": SdesOptions(without=frozenset({"NULL_HMAC_SHA1_80"}), pad=True)}),
    ({"OSRTP": ["offer", "accept"]}, {"osrtp": frozenset({"offer", "accept"})}),
    ({"rtcp-mux": ["offer", "require"]}, {"rtcp_mux": frozenset({"offer", "require"})}),
    ({"rtcp-mux": "demux"}, {"rtcp_mux": frozenset({"demux"})}),
    ({"rtcp-mux": ["nonsense"]}, {"ignored": ("rtcp-mux-nonsense",), "warnings": ("rtcp-mux-nonsense is not known",)}),
    ({"bundle": "accept"}, {"bundle": frozenset({"accept"})}),
    ({"extmap": {"strip": "all"}}, {"extmap_strip": frozenset({"all"})}),
    ({"extmap": {"mask": ["urn:x", "urn:y"]}}, {"extmap_mask": frozenset({"urn:x", "urn:y"})}),
    ({"replace": ["origin", "session connection"]}, {"replace": frozenset({"origin", "session-connection"})}),
    ({"replace": "origin session connection"}, {"replace": frozenset({"origin", "session-connection"})}),
    ({"replace": "SDP version"}, {"replace": frozenset({"SDP-version"})}),
    ({"replace": "zero-address"}, {"replace": frozenset({"zero-address"})}),
    ({"codec": {"strip": ["PCMA"], "offer": "opus PCMU"}}, {"codec": CodecOptions(strip=("PCMA",), offer=("opus", "PCMU"))}),
    ({"codec": {"mask": ["all"], "transcode": ["PCMU"]}}, {"codec": CodecOptions(mask=("all",), transcode=("PCMU",))}),
    ({"codec": {"strip": [8, 18]}}, {"codec": CodecOptions(strip=("8", "18"))}),
    ({"codec": ["strip-PCMA", "except-PCMU"]}, {"codec": CodecOptions(strip=("PCMA",), keep=("PCMU",))}),
    ({"codec-mask": "opus", "transcode": ["PCMU"]}, {"codec": CodecOptions(mask=("opus",), transcode=("PCMU",))}),
    ({"codec": {"nonsense": ["x"]}}, {"ignored": ("codec-nonsense",)}),
    ({"direction": ["priv", "pub"]}, {"direction": ("priv", "pub")}),
    ({"direction": "priv pub"}, {"direction": ("priv", "pub")}),
    ({"from-interface": "priv", "to-interface": "pub"}, {"direction": ("priv", "pub")}),
    ({"to interface": "pub"}, {"direction": ("", "pub")}),
    ({"address-family": "IP6"}, {"address_family": "IP6"}),
    ({"address family": "IPv4"}, {"address_family": "IP4"}),
    ({"address family": "inet"}, {"ignored": ("address-family=INET",), "warnings": ("address-family=INET is not known",)}),
    ({"received-from": ["IP4", "198.51.100.7"]}, {"received_from": "198.51.100.7"}),
    ({"received from": ["IP6", "2001:DB8::7"]}, {"received_from": "2001:db8::7"}),
    ({"received-from": "IP4 198.51.100.7"}, {"received_from": "198.51.100.7"}),
    ({"received-from": "IP4:198.51.100.7"}, {"received_from": "198.51.100.7"}),
    ({"received-from": "198.51.100.7"}, {"received_from": "198.51.100.7"}),
    ({"received-from": ["IP4", "a.example"]}, {"ignored": ("received-from=IP4",), "warnings": ("received-from=IP4 is not known",)}),
    ({"media-address": "203.0.113.9"}, {"media_address": "203.0.113.9"}),
    ({"media address": "here"}, {"ignored": ("media-address=here",), "warnings": ("media-address=here is not known",)}),
    ({"TOS": 184}, {"tos": 184}),
    ({"TOS": "184"}, {"tos": 184}),
    ({"TOS": "-1"}, {"tos": -1}),
    ({"TOS": 256}, {"tos": 256}),
    ({"TOS": "many"}, {"ignored": ("TOS=many",), "warnings": ("TOS=many is not known",)}),
    ({"endpoint-learning": "immediate"}, {"learning": Learning.IMMEDIATE}),
    ({"endpoint-learning": "off"}, {"learning": Learning.OFF}),
    ({"generate RTCP": "on"}, {}),
    ({"generate-RTCP": "off"}, {"ignored": ("generate-RTCP",)}),
    ({"supports": ["load limit"]}, {"supports_load_limit": True}),
    ({"supports": "load limit"}, {"supports_load_limit": True}),
    ({"DTMF-log-dest": "192.0.2.5:9999"}, {"dtmf_log": ("192.0.2.5", 9999)}),
    ({"DTMF-log-dest": "[2001:db8::5]:9999"}, {"dtmf_log": ("2001:db8::5", 9999)}),
    ({"DTMF-log-dest": "proxy:9999"}, {"ignored": ("DTMF-log-dest=proxy:9999",), "warnings": ("DTMF-log-dest=proxy:9999 is not known",)}),
    ({"xmlrpc-callback": "192.0.2.5"}, {"timeout_url": "192.0.2.5"}),
    ({"sdp-media-remove": ["video", "image"]}, {"media_remove": frozenset({"video", "image"})}),
    ({"sdp-media-remove": "video"}, {"media_remove": frozenset({"video"})}),
    (
        {"sdp-attr": {"none": {"add": ["a", "b c"]}, "audio": {"remove": "x y", "substitute": ["u", "v"]}}},
        {"sdp_edits": {"none": SdpEdits(add=("a", "b c")), "audio": SdpEdits(remove=("x y",), substitute=(("u", "v"),))}},
    ),
    (
        {"sdp-attr": {"global": {"substitute": [["u", "v"], ["w", "x"]]}}},
        {"sdp_edits": {"none": SdpEdits(substitute=(("u", "v"), ("w", "x")))}},
    ),
    ({"flags": ["all"]}, {"identity": Identity(call_id="c", from_tag="f", all=True)}),
    ({"strict-source": "yes"}, {"strict_source": True}),
    ({"strict-source": "no"}, {}),
    ({"user-agent": "x", "alias key": "SDP"}, {"ignored": ("alias-key",)}),
    ({"ptime": 20}, {"warnings": ("ptime is not changed: there is no repacketising",)}),
    ({"media echo": "blackhole"}, {"warnings": ("media-echo is not available",)}),
    ({"record call": "yes"}, {"warnings": ("recording is not available",)}),
    ({"record-call": "no"}, {}),
    ({"T.38": ["decode"]}, {"warnings": ("T.38 is passed through, never converted",)}),
    ({"moh": {"file": "/x"}}, {"warnings": ("music on hold is not available",)}),
    ({"drop-traffic": "start"}, {"warnings": ("drop-traffic is not available; use block media",)}),
    ({"template": "no-such"}, {"warnings": ('there is no template "no-such"',)}),
    ({"call-id": 77}, {"identity": Identity(call_id="77", from_tag="f")}),
    ({"from-tag": ["f"]}, {}),
]


@pytest.mark.parametrize(("keys", "expected"), KEY_CASES, ids=repr)
def test_key(keys: dict[str, Any], expected: dict[str, Any]):
    assert differences(parse_request(OFFER | keys)) == expected


@pytest.mark.parametrize("name", sorted(name for name in KEYS if "-" in name))
def test_keys_may_be_written_with_spaces_hyphens_and_underscores(name: str):
    value: Any = {"audio": {"add": ["x"]}} if name == "sdp-attr" else "1"
    first, *others = (
        parse_request(OFFER | {key: value, "flags": ["fatal"]}) for key in (name, name.replace("-", " "), name.replace("-", "_"))
    )
    assert all(other == first for other in others)


COMMANDS: list[tuple[dict[str, Any], object]] = [
    ({"command": "ping"}, Ping()),
    ({"command": "ping", "supports": ["load limit"], "received-from": ["IP4", "192.0.2.1"]}, Ping()),
    ({"command": "delete", **SELECT}, Delete(identity=WHO)),
    ({"command": "delete", **SELECT, "delete delay": 5, "delete-delay": "5"}, Delete(identity=WHO, delay_s=5.0)),
    ({"command": "delete", **SELECT, "delete-delay": "0"}, Delete(identity=WHO, delay_s=0.0)),
    ({"command": "delete", **SELECT, "delete_delay": "soon"}, Delete(identity=WHO, warnings=("delete-delay=soon is not known",))),
    (
        {"command": "delete", **SELECT, "to-tag": "t", "flags": ["to-tag", "fatal", "fast"]},
        Delete(identity=Identity(call_id="c", from_tag="f", to_tag="t"), honour_to_tag=True, fatal=True, fast=True),
    ),
    ({"command": "query", "call-id": "c"}, Query(identity=Identity(call_id="c"))),
    ({"command": "list"}, ListCalls()),
    ({"command": "list", "limit": "5"}, ListCalls(limit=5)),
    ({"command": "list", "limit": "x"}, ListCalls(warnings=("limit=x is not known",))),
    ({"command": "statistics"}, Statistics()),
    ({"command": "block DTMF", **SELECT}, SetBlocking(identity=WHO, what=Blocking.DTMF, on=True)),
    ({"command": "unblock DTMF", **SELECT}, SetBlocking(identity=WHO, what=Blocking.DTMF, on=False)),
    (
        {"command": "block media", **SELECT, "flags": ["directional"], "to-tag": "t"},
        SetBlocking(identity=Identity(call_id="c", from_tag="f", to_tag="t", directional=True), what=Blocking.MEDIA, on=True),
    ),
    (
        {"command": "block media", "call-id": "c", "rtpp-flags": "from-tag=g"},
        SetBlocking(identity=Identity(call_id="c", from_tag="g", directional=True), what=Blocking.MEDIA, on=True),
    ),
    (
        {"command": "unblock media", "call-id": "c", "label": "a", "to-label": "b", "set-label": "new"},
        SetBlocking(identity=Identity(call_id="c", from_label="a", to_label="b", set_label="new"), what=Blocking.MEDIA, on=False),
    ),
    (
        {"command": "silence media", "call-id": "c", "address": "192.0.2.1"},
        SetBlocking(identity=Identity(call_id="c", address="192.0.2.1"), what=Blocking.SILENCE, on=True),
    ),
    (
        {"command": "unsilence media", "call-id": "c", "all": "all"},
        SetBlocking(identity=Identity(call_id="c", all=True, all_value="all"), what=Blocking.SILENCE, on=False),
    ),
    (
        {"command": "block DTMF", **SELECT, "DTMF-security": "random"},
        SetBlocking(
            identity=WHO,
            what=Blocking.DTMF,
            on=True,
            warnings=("DTMF-security is not available: blocked digits are dropped",),
        ),
    ),
    ({"command": "play DTMF", **SELECT, "code": "5"}, PlayDtmf(identity=WHO, digits="5")),
    (
        {"command": "play DTMF", **SELECT, "digit": "*", "duration": "200", "volume": "-10", "pause": 50},
        PlayDtmf(identity=WHO, digits="*", duration_ms=200, pause_ms=100, volume_dbm0=-10),
    ),
    ({"command": "play DTMF", **SELECT, "code": 11, "duration": 90000}, PlayDtmf(identity=WHO, digits="#", duration_ms=5000)),
    ({"command": "play DTMF", **SELECT, "code": 55, "volume": 10}, PlayDtmf(identity=WHO, digits="7", volume_dbm0=-10)),
    ({"command": "play DTMF", **SELECT, "code": "d"}, PlayDtmf(identity=WHO, digits="D")),
]


@pytest.mark.parametrize(("message", "expected"), COMMANDS, ids=repr)
def test_command(message: dict[str, Any], expected: object):
    assert parse_request(message) == expected


REFUSED: list[tuple[dict[Any, Any], str]] = [
    ({}, 'Dictionary contains no key "command"'),
    ({"command": 5}, 'Dictionary contains no key "command"'),
    ({"command": ["ping"]}, 'Dictionary contains no key "command"'),
    ({"command": "dance"}, "Unrecognized command"),
    ({"command": "Offer"}, "Unrecognized command"),
    ({"command": "block-DTMF"}, "Unrecognized command"),
    ({"command": "offer"}, "No SDP body in message"),
    ({"command": "answer", "call-id": "c"}, "No SDP body in message"),
    ({"command": "offer", "sdp": ""}, "No SDP body in message"),
    ({"command": "offer", "sdp": {"v": 0}}, "No SDP body in message"),
    ({"command": "offer", "sdp": "v=0"}, "No call-id in message"),
    ({"command": "offer", "sdp": "v=0", "call-id": "c"}, "No from-tag in message"),
    ({"command": "answer", "sdp": "v=0", "call-id": "c", "from-tag": "f"}, "No to-tag in message"),
    ({"command": "delete"}, "No call-id in message"),
    ({"command": "query", "from-tag": "f"}, "No call-id in message"),
    ({"command": "block DTMF"}, "No call-id in message"),
    ({"command": "silence media"}, "No call-id in message"),
    ({"command": "play DTMF"}, "No call-id in message"),
    ({"command": "play DTMF", "call-id": "c"}, "Out of range 'code' specified"),
    ({"command": "play DTMF", "call-id": "c", "code": "x"}, "Out of range 'code' specified"),
    ({"command": "play DTMF", "call-id": "c", "code": 99}, "Out of range 'code' specified"),
    ({"command": "list", "limit": -1}, "invalid limit, must be >= 0"),
]


@pytest.mark.parametrize(("message", "reason"), REFUSED, ids=repr)
def test_refused(message: dict[str, Any], reason: str):
    with pytest.raises(NgError) as refused:
        parse_request(message)
    assert refused.value.reason == reason


@pytest.mark.parametrize("command", sorted(COMMANDS_NOT_BUILT))
def test_a_command_that_is_not_built_is_named(command: str):
    with pytest.raises(NgError, match=f'Command "{command}" is not available'):
        parse_request({"command": command, "call-id": "c"})


@pytest.mark.parametrize("keys", [{"ICE": "force-relay"}, {"ICE": ["force", "force_relay"]}, {"flags": ["ICE-force-relay"]}])
def test_force_relay_is_refused_by_name(keys: dict[str, Any]):
    with pytest.raises(NgError, match="ICE=force-relay is not available") as refused:
        parse_request(OFFER | keys)
    assert refused.value.key == "ICE"


def test_templates_go_before_what_the_message_says():
    templates = {"default": "label=d ICE=force replace-origin", "offer": "label=o", "mine": "label=m TOS=8 rtpp-flags=x"}
    assert differences(parse_request(OFFER, templates)) == {
        "identity": Identity(call_id="c", from_tag="f", set_label="o"),
        "ice": Ice.FORCE,
        "replace": frozenset({"origin"}),
    }
    named = differences(parse_request(OFFER | {"rtpp-flags": "template=mine ICE=remove"}, templates))
    assert (named["identity"].set_label, named["tos"], named["ice"]) == ("m", 8, Ice.REMOVE)


def test_a_long_flag_string_as_a_proxy_writes_it():
    flags = (
        "trust-address replace-origin replace-session-connection rtcp-mux-demux ICE=remove RTP/AVP via-branch=1 "
        "direction=internal direction=external codec-mask-all codec-transcode-PCMU codec-transcode-PCMA delete-delay=5 TOS=184"
    )
    assert differences(parse_request(OFFER | {"rtpp-flags": flags, "received-from": ["IP4", "192.0.2.1"]})) == {
        "replace": frozenset({"origin", "session-connection"}),
        "rtcp_mux": frozenset({"demux"}),
        "ice": Ice.REMOVE,
        "protocol": "RTP/AVP",
        "direction": ("internal", "external"),
        "codec": CodecOptions(mask=("all",), transcode=("PCMU", "PCMA")),
        "received_from": "192.0.2.1",
        "tos": 184,
    }


@pytest.mark.parametrize("choice", ["1", "2", "auto", "extra", "next"])
def test_which_via_the_branch_is_taken_from_is_not_the_branch(choice: str):
    string = f"RTP/AVP via-branch={choice}"
    for message in (OFFER | {"via-branch": "z9hG4bK1", "rtpp-flags": string}, OFFER | {"rtpp-flags": string, "via-branch": "z9hG4bK1"}):
        assert differences(parse_request(message))["identity"].via_branch == "z9hG4bK1"
    assert "identity" not in differences(parse_request(OFFER | {"rtpp-flags": string}))
    assert differences(parse_request(OFFER | {"rtpp-flags": "via-branch=z9hG4bK1"}))["identity"].via_branch == "z9hG4bK1"


def test_what_is_ignored_is_bounded():
    request = parse_request(OFFER | {"flags": [f"unknown-{n}-{'x' * 500}" for n in range(1000)]})
    assert isinstance(request, Description)
    assert len(request.ignored) <= 32
    assert max(map(len, request.ignored)) <= 64


WORDS = st.sampled_from([*KEYS, "flags", "rtpp-flags", "command", "call-id", "codec-strip", "moh", "T.38", "extmap", ""])
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.sampled_from(["force", "off", "offer", "a=[b c] codec=[strip=[x]]", "sdp-attr-substitute-none-a>b", "1.2.3.4:5", "-3", "9" * 40])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
NAMES = ["ping", "offer", "answer", "delete", "query", "list", "statistics", "block DTMF", "silence media", "play DTMF", "cli"]


@settings(max_examples=400)
@given(st.sampled_from(NAMES) | st.text(max_size=5), st.dictionaries(WORDS | st.text(max_size=10), VALUES, max_size=8), st.booleans())
def test_any_dictionary_is_read_or_refused(command: str, message: dict[str, Any], complete: bool):
    complete_message = ANSWER | {"code": "1"} if complete else {}
    try:
        parse_request({**complete_message, **message, "command": command})
    except NgError as refused:
        assert refused.reason  # noqa: PT017  only this may be raised, and its words go to the caller


@pytest.mark.parametrize(
    "keys",
    [
        {"flags": ["codec-strip-x"] * 20_000},
        {"flags": "sdp-attr-add-audio-x " * 10_000},
        {"rtpp-flags": "codec=[strip=[" * 10_000},
        {"rtpp-flags": "rtpp-flags=a " * 10_000},
        {"ICE": "force " * 50_000},
        {"codec": {f"strip{n}": ["x"] for n in range(20_000)}},
        {f"unknown-{n}": n for n in range(20_000)},
        {"received-from": ["x" * 50_000] * 10},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_large_messages_take_linear_time(keys: dict[str, Any]):
    started = time.process_time()
    parse_request(OFFER | keys)
    assert time.process_time() - started < 1.0


def test_an_sdp_in_latin_1_is_read():
    assert parse_request(OFFER | {"sdp": "v=0\r\ns=caf\udce9\r\n"}).sdp == "v=0\r\ns=café\r\n"
    assert parse_request(OFFER | {"sdp": "v=0\r\ns=café\r\n"}).sdp == "v=0\r\ns=café\r\n"
