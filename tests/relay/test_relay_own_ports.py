"""relay/plain.py, dtls.py and raw.py: ICE and DTLS on own ports, what happens when either is not agreed, and datagrams that are no RTP."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boringsdp.dtls import Association, Identity, Transmit
from boringsdp.errors import ConfigError, DtlsError, Exhausted, WrongState
from boringsdp.relay import (
    Connected,
    Failed,
    IceCredentials,
    Latch,
    PathChanged,
    PlainTransport,
    Profile,
    Relay,
    RelaySettings,
)
from boringsdp.relay import ConsentLost as ConsentLostNews
from boringsdp.relay.engine import ConsentLost, DtlsReceived, PathSelected, RtcpPathSelected, Way
from tests.relay.relay_bench import AUDIO, KEYS, REMOTE, THEIRS, Bench

GCM = Profile.AEAD_AES_256_GCM
REMOTE_RTCP = ("192.0.2.9", 7001)
ELSEWHERE = ("198.51.100.7", 4321)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = await Bench().start()
    yield bench
    await bench.relay.close()
    assert bench.loop.pending == 0
    assert not bench.engine.ports
    assert bench.relay.half_open.count == 0
    assert bench.relay._ufrags == set()


def installed(bench: Bench) -> list[tuple[str, Way, bool]]:
    """Which keys the engine was told: (command, way, whether there are any)."""
    told = [command for command in bench.engine.commands if command[0] in ("set_keys", "set_rtcp_keys")]
    return [(name, way, keys is not None) for name, _, way, keys in told]


# --- DTLS without ICE --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize("address_first", [True, False])
async def test_dtls_with_mux_in_both_roles(bench: Bench, client: bool, address_first: bool) -> None:
    transport = bench.relay.open_plain(bench.owner, rtcp_mux=True, secured=True)
    if address_first:
        transport.set_remote(REMOTE)
    transport.start([THEIRS.fingerprint], client=client)
    if not address_first:
        transport.set_remote(REMOTE)
    bench.shake_hands(transport, client=not client)
    assert bench.heard() == [Connected(GCM)]
    assert transport.ready
    assert transport.suite == "AEAD_AES_256_GCM"
    assert installed(bench) == [("set_keys", Way.SEND, True), ("set_keys", Way.RECEIVE, True)]
    transport.start([THEIRS.fingerprint], client=client)
    assert bench.heard() == []


@pytest.mark.parametrize("client", [True, False])
async def test_without_mux_each_port_has_its_association(bench: Bench, client: bool) -> None:
    transport = bench.relay.open_plain(bench.owner, secured=True)
    transport.set_remote(REMOTE)
    transport.start([THEIRS.fingerprint], client=client)
    bench.shake_hands(transport, client=not client)
    assert bench.heard() == [Connected(GCM)]
    both = [Way.SEND, Way.RECEIVE]
    assert installed(bench) == [("set_rtcp_keys", way, False) for way in both] + [("set_keys", way, True) for way in both]
    rtp = bench.engine.told("set_keys")
    bench.engine.told("set_rtcp_keys")
    bench.shake_hands(transport, REMOTE_RTCP, client=not client, port=True)
    assert bench.heard() == []
    assert installed(bench) == [("set_rtcp_keys", way, True) for way in both]
    rtcp = bench.engine.told("set_rtcp_keys")
    assert not {keys.key for *_, keys in rtp} & {keys.key for *_, keys in rtcp}
    transport.close()
    assert {command[2] for command in bench.engine.told("send")} == {False, True}  # close_notify on both


async def test_a_peer_that_muxes_after_all_needs_one(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, secured=True)
    transport.fingerprint_of("sha-256")
    transport.use_rtcp_mux()
    transport.set_remote(REMOTE)
    transport.start([THEIRS.fingerprint], client=True)
    assert bench.engine.told("mux_rtcp") == [(transport.id, True)]
    assert bench.engine.told("set_remote") == [(transport.id, REMOTE, REMOTE, Latch.ONCE)]
    assert {command[2] for command in bench.engine.told("send")} == {False}
    assert bench.engine.told("set_rtcp_keys") == []


async def test_no_rtcp_association_is_no_failure(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, secured=True)
    transport.set_remote(REMOTE)
    transport.start([THEIRS.fingerprint], client=False)
    bench.shake_hands(transport)
    bench.loop.advance(30)
    assert bench.heard() == [Connected(GCM)]
    assert transport.ready


@pytest.mark.parametrize("port", [True, False])
async def test_a_wrong_certificate_on_either_port_is_one(bench: Bench, port: bool) -> None:
    transport = bench.relay.open_plain(bench.owner, secured=True)
    transport.set_remote(REMOTE)
    transport.start([THEIRS.fingerprint], client=False)
    bench.shake_hands(transport, REMOTE_RTCP if port else REMOTE, port=port, identity=Identity())
    assert bench.heard() == [Failed("fingerprint")]
    assert not any(keys for *_, keys in installed(bench))


async def test_replies_go_back_to_where_the_hello_came_from_until_something_is_latched(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, rtcp_mux=True, secured=True)
    transport.set_remote(REMOTE)
    transport.start([THEIRS.fingerprint], client=False)
    assert set(bench.shake_hands(transport, ELSEWHERE)) == {ELSEWHERE}
    bench.engine.report(PathSelected(transport.id, ELSEWHERE))
    transport.close()
    assert bench.engine.told("send")[-1][3] is None


async def test_the_hello_of_ours_goes_where_the_peer_announced_itself(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, secured=True)
    transport.start([THEIRS.fingerprint], client=True)
    assert bench.engine.told("send") == []
    transport.set_remote(REMOTE)
    assert [(port, to) for _, _, port, to in bench.engine.told("send")] == [(False, None), (True, None)]


@pytest.mark.parametrize("place_first", [True, False])
async def test_a_peer_that_moved_is_greeted_where_it_is_now(bench: Bench, place_first: bool) -> None:
    transport = bench.relay.open_plain(bench.owner, rtcp_mux=True, secured=True)
    transport.set_remote(REMOTE)
    transport.start([THEIRS.fingerprint], client=False)
    bench.shake_hands(transport, ELSEWHERE)
    if place_first:
        transport.set_remote(("192.0.2.10", 8000))
    transport.start([Identity().fingerprint], client=True)
    assert [to for *_, to in bench.engine.told("send")] == [None]


async def test_an_early_hello_is_served_once_the_fingerprint_was_told(bench: Bench) -> None:
    silent = bench.relay.open_plain(bench.owner, rtcp_mux=True, secured=True)
    told = bench.relay.open_plain(bench.owner, rtcp_mux=True, secured=True)
    told.fingerprint_of("sha-256")
    for transport in (silent, told):
        transport.set_remote(REMOTE)
    bench.engine.report(DtlsReceived(silent.id, b"\x16" + bytes(12) + b"\1" + bytes(60), False, REMOTE))
    assert bench.relay.half_open.count == 0
    bench.shake_hands(told)
    assert bench.heard() == []
    assert installed(bench) == []
    told.start([THEIRS.fingerprint], client=False)
    assert bench.heard() == [Connected(GCM)]


async def test_a_stranger_does_not_keep_the_peer_out(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, rtcp_mux=True, secured=True)
    transport.set_remote(REMOTE)
    transport.start([THEIRS.fingerprint], client=False)
    hello = _hello()
    bench.engine.report(DtlsReceived(transport.id, hello, False, ELSEWHERE))
    assert bench.relay.half_open.count == 1
    bench.engine.report(DtlsReceived(transport.id, hello, False, ("198.51.100.8", 1)))
    bench.engine.told("send")
    bench.shake_hands(transport)
    assert bench.heard() == [Connected(GCM)]


async def test_a_strangers_broken_handshake_is_forgotten(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, rtcp_mux=True, secured=True)
    transport.set_remote(REMOTE)
    transport.start([THEIRS.fingerprint], client=False)
    bench.engine.report(DtlsReceived(transport.id, _hello(), False, ELSEWHERE))
    broken = b"\x15\xfe\xfd" + bytes(7) + b"\1\0\2\2\x28"  # a fatal alert
    bench.engine.report(DtlsReceived(transport.id, broken, False, ELSEWHERE))
    assert bench.relay.half_open.count == 0
    bench.engine.told("send")
    bench.shake_hands(transport, ("198.51.100.8", 1))
    assert bench.heard() == [Connected(GCM)]


async def test_half_open_handshakes_of_one_source_are_bounded_over_all_ports() -> None:
    bench = await Bench(max_half_open_per_source=2).start()
    for _ in range(4):
        transport = bench.relay.open_plain(bench.owner, rtcp_mux=True, secured=True)
        transport.fingerprint_of("sha-256")
        transport.set_remote(REMOTE)
        bench.engine.report(DtlsReceived(transport.id, _hello(), False, ELSEWHERE))
    assert (bench.relay.half_open.count, bench.relay.half_open.refused) == (2, 2)
    await bench.relay.close()
    assert bench.relay.half_open.count == 0


async def test_no_hello_ends(bench: Bench) -> None:
    for client, remote in ((False, REMOTE), (True, REMOTE), (False, None), (True, None)):
        transport = bench.relay.open_plain(bench.owner, rtcp_mux=True, secured=True)
        if remote is not None:
            transport.set_remote(remote)
        transport.start([THEIRS.fingerprint], client=client)
        bench.loop.advance(20.5)
        assert bench.heard() == [Failed("dtls-timeout")]


async def test_sdes_was_taken_instead(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, secured=True)
    transport.fingerprint_of("sha-256")
    transport.set_remote(REMOTE)
    assert not transport.ready
    transport.set_keys(KEYS, KEYS)
    assert transport.ready
    assert transport.suite == "AES_CM_128_HMAC_SHA1_80"
    bench.engine.report(DtlsReceived(transport.id, _hello(), False, REMOTE))
    assert bench.relay.half_open.count == 0
    transport.start([THEIRS.fingerprint], client=False)
    bench.shake_hands(transport)
    assert bench.heard() == [Connected(GCM)]
    bench.engine.commands.clear()
    transport.set_keys(KEYS, None)
    assert installed(bench) == [
        ("set_keys", Way.SEND, False),
        ("set_keys", Way.RECEIVE, False),
        ("set_keys", Way.SEND, True),
    ]
    transport.drop_keys()
    assert transport.suite == ""


async def test_our_certificate_in_every_hash(bench: Bench) -> None:
    plain, webrtc = bench.relay.open_plain(bench.owner), bench.relay.open_webrtc(bench.owner)
    lengths = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "SHA-512": 64}
    for name, length in lengths.items():
        assert plain.fingerprint_of(name) == webrtc.fingerprint_of(name)
        told, value = plain.fingerprint_of(name)
        assert told == name.lower()
        assert len(bytes.fromhex(value.replace(":", ""))) == length
        assert value == value.upper()
    assert webrtc.fingerprint_of("sha-256") == webrtc.fingerprint
    with pytest.raises(ConfigError):
        plain.fingerprint_of("md5")
    with pytest.raises(DtlsError):
        plain.start([("sha-1", "AA")], client=False)


# --- ICE ---------------------------------------------------------------------------------------------------------------------------------


async def test_ice_in_the_clear(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, ice=True)
    spec = bench.engine.specs[transport.id]
    assert (spec.own, spec.ice, spec.secured) == (True, transport.credentials, False)
    assert spec.rtcp_port is not None
    transport.expect_ice()
    assert not transport.ready
    bench.engine.report(PathSelected(transport.id, REMOTE), RtcpPathSelected(transport.id, REMOTE_RTCP))
    assert transport.ready
    bench.loop.advance(40)
    assert bench.heard() == [PathChanged(REMOTE)]
    bench.engine.report(ConsentLost(transport.id))
    bench.loop.advance(10)
    bench.engine.report(PathSelected(transport.id, REMOTE))
    bench.loop.advance(40)
    assert bench.heard() == [ConsentLostNews(), PathChanged(REMOTE)]
    bench.engine.report(ConsentLost(transport.id))
    bench.loop.advance(31)
    assert bench.heard() == [ConsentLostNews(), Failed("ice-failed")]


async def test_no_check_ends(bench: Bench) -> None:
    clear, keyed = (bench.relay.open_plain(bench.owner, ice=True) for _ in range(2))
    clear.expect_ice()
    keyed.start([THEIRS.fingerprint], client=True)
    bench.loop.advance(31)
    assert bench.heard() == [Failed("ice-failed"), Failed("ice-failed")]


@pytest.mark.parametrize("client", [True, False])
async def test_ice_and_dtls_on_both_components(bench: Bench, client: bool) -> None:
    transport = bench.relay.open_plain(bench.owner, ice=True, secured=True)
    transport.start([THEIRS.fingerprint], client=client)
    assert bench.engine.told("send") == []
    bench.engine.report(PathSelected(transport.id, REMOTE))
    assert {port for _, _, port, _ in bench.engine.take(lambda name, *rest: name == "send" and rest[2])} == set()
    assert set(bench.shake_hands(transport, client=not client)) == {None}
    bench.engine.report(RtcpPathSelected(transport.id, REMOTE_RTCP))
    bench.shake_hands(transport, REMOTE_RTCP, client=not client, port=True)
    assert bench.heard() == [PathChanged(REMOTE), Connected(GCM)]
    assert installed(bench)[-2:] == [("set_rtcp_keys", Way.SEND, True), ("set_rtcp_keys", Way.RECEIVE, True)]


@pytest.mark.parametrize("client", [True, False])
async def test_the_peer_answers_without_ice(bench: Bench, client: bool) -> None:
    transport = bench.relay.open_plain(bench.owner, ice=True, secured=True, rtcp_mux=True)
    transport.fingerprint_of("sha-256")
    transport.start([THEIRS.fingerprint], client=client)
    transport.set_remote(REMOTE)
    assert not transport.ice
    bench.shake_hands(transport, client=not client)
    assert bench.heard() == [Connected(GCM)]
    assert transport.ready


async def test_ice_comes_back_with_a_restart(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, ice=True)
    transport.set_remote(REMOTE)
    before = transport.credentials
    after = transport.restart_ice()
    assert after != before
    assert bench.engine.told("restart_ice") == [(transport.id, after)]
    transport.expect_ice()
    bench.engine.report(PathSelected(transport.id, ELSEWHERE))
    assert bench.heard() == [PathChanged(ELSEWHERE)]
    transport.set_remote(REMOTE)
    assert bench.engine.told("set_remote") == [(transport.id, REMOTE, REMOTE_RTCP, Latch.ONCE)] * 2


async def test_several_transports_may_share_credentials(bench: Bench) -> None:
    shared = IceCredentials("ours", "x" * 24)
    one, two = (bench.relay.open_plain(bench.owner, ice=True, credentials=shared) for _ in range(2))
    assert one.credentials == two.credentials == shared
    assert shared.password not in repr(one.record())


async def test_without_ice_there_is_nothing_to_restart(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner)
    for call in (transport.restart_ice, transport.expect_ice):
        with pytest.raises(WrongState):
            call()
    assert transport.credentials is None


async def test_out_of_turn(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, ice=True)
    transport.close()
    transport.close()
    for call in (
        transport.restart_ice,
        transport.expect_ice,
        transport.relatch,
        transport.pierce,
        transport.drop_keys,
        lambda: transport.start([THEIRS.fingerprint], client=True),
        lambda: transport.set_remote(REMOTE),
        lambda: transport.set_tos(184),
        lambda: transport.set_keys(KEYS, KEYS),
    ):
        with pytest.raises(WrongState):
            call()


@pytest.mark.parametrize("event", range(3))
async def test_an_owner_may_close_from_any_event(bench: Bench, event: int) -> None:
    def owner(_: object) -> None:
        transport.close()

    transport: PlainTransport = bench.relay.open_plain(owner, ice=True, secured=True)
    transport.add_stream(AUDIO)
    transport.start([THEIRS.fingerprint], client=True)
    match event:
        case 0:
            bench.engine.report(PathSelected(transport.id, REMOTE))
        case 1:
            bench.engine.report(ConsentLost(transport.id))
        case _:
            bench.loop.advance(40)
    assert transport.closed


SOURCES = st.sampled_from([REMOTE, REMOTE_RTCP, ELSEWHERE])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    *(st.booleans() for _ in range(3)),
    st.lists(st.tuples(st.integers(0, 6), st.booleans(), SOURCES, st.binary(max_size=80)), max_size=12),
)
async def test_whatever_comes_nothing_escapes_or_stays(
    bench: Bench, ice: bool, client: bool, started: bool, steps: list[tuple[int, bool, tuple[str, int], bytes]]
) -> None:
    transport = bench.relay.open_plain(bench.owner, ice=ice, secured=True)
    transport.fingerprint_of("sha-256")
    if started:
        transport.start([THEIRS.fingerprint], client=client)
    for kind, port, source, data in steps:
        match kind:
            case 0:
                bench.relay._receive_event(PathSelected(transport.id, source))
            case 1:
                bench.relay._receive_event(RtcpPathSelected(transport.id, source))
            case 2 if ice:
                bench.relay._receive_event(ConsentLost(transport.id))
            case 3:
                transport.set_remote(source)
            case 4:
                bench.relay._receive_event(DtlsReceived(transport.id, _hello(), port, source))
            case 5:
                bench.loop.advance(7.0)
            case _:
                bench.relay._receive_event(DtlsReceived(transport.id, b"\x16\xfe\xfd" + data, port, source))
    assert not transport.ready
    assert not any(keys for *_, keys in installed(bench))
    transport.close()
    bench.engine.commands.clear()
    assert bench.relay.half_open.count == 0
    assert bench.loop.pending == 0
    bench.loop.advance(31)  # its ports rest


async def test_a_lost_path_that_ice_brought_back_is_named_so(bench: Bench) -> None:
    transport = bench.relay.open_plain(bench.owner, ice=True, secured=True, rtcp_mux=True)
    transport.set_remote(REMOTE)
    transport.start([THEIRS.fingerprint], client=False)
    bench.shake_hands(transport)
    transport.restart_ice()
    bench.engine.report(PathSelected(transport.id, ELSEWHERE), ConsentLost(transport.id))
    bench.loop.advance(31)
    assert bench.heard() == [Connected(GCM), PathChanged(ELSEWHERE), ConsentLostNews(), Failed("ice-failed")]


# --- addresses, marks, latching ----------------------------------------------------------------------------------------------------------


async def test_marks_and_latching_anew(bench: Bench) -> None:
    webrtc, plain, raw = (
        bench.relay.open_webrtc(bench.owner, tos=184),
        bench.relay.open_plain(bench.owner, tos=136),
        bench.relay.open_raw(bench.owner, tos=8),
    )
    assert [bench.engine.specs[each.id].tos for each in (webrtc, plain, raw)] == [184, 136, 8]
    for each in (webrtc, plain, raw):
        each.set_tos(96)
    assert bench.engine.told("set_tos") == [(each.id, 96) for each in (webrtc, plain, raw)]
    plain.relatch()
    raw.relatch()
    assert bench.engine.told("set_remote") == []
    plain.set_remote(REMOTE, latch=Latch.HEURISTIC)
    plain.relatch()
    raw.set_remote(REMOTE, Latch.STRICT)
    raw.set_remote(REMOTE, Latch.STRICT)
    raw.relatch()
    told = bench.engine.told("set_remote")
    assert told[:2] == [(plain.id, REMOTE, REMOTE_RTCP, Latch.HEURISTIC)] * 2
    assert told[2:] == [(raw.id, REMOTE, None, Latch.STRICT)] * 2


async def test_interfaces() -> None:
    hosts = {"outside": ("::1", "127.0.0.1"), "inside": ("127.0.0.2",), "six": ("::1",)}
    bench = await Bench(
        webrtc_hosts=("127.0.0.1", "::1"), plain_hosts=("127.0.0.2", "127.0.0.1"), interfaces=hosts, advertised={"127.0.0.1": "203.0.113.5"}
    ).start()
    relay = bench.relay

    def addresses(interface: str) -> list[str]:
        return [host for host, _ in relay.open_webrtc(bench.owner, interface=interface).addresses]

    assert addresses("") == ["203.0.113.5", "::1"]
    assert addresses("outside") == ["::1", "203.0.113.5"]
    assert addresses("six") == ["::1"]
    [spec] = [spec for spec in bench.engine.specs.values() if len(spec.ports) == 1]
    assert bench.engine.ports[spec.ports[0]][0] == "::1"
    for wrong in ("inside", "nowhere"):
        with pytest.raises(ConfigError):
            relay.open_webrtc(bench.owner, interface=wrong)
    assert relay.plain_host_for("192.0.2.1") == "127.0.0.2"
    assert relay.plain_host_for("192.0.2.1", "outside") == "127.0.0.1"
    assert relay.plain_host_for("IP4", "inside") == "127.0.0.2"
    assert relay.plain_host_for("IP6") is None
    assert relay.plain_host_for("IP6", "outside") is None
    assert relay.plain_host_for("IP4", "nowhere") is None
    await relay.close()


async def test_one_host_announces_another_address_on_each_interface() -> None:
    hosts = ("127.0.0.1", "::1")
    bench = await Bench(
        webrtc_hosts=hosts,
        plain_hosts=hosts,
        plain_ports=(20000, 20099),
        interfaces={"in": hosts, "out": hosts[::-1], "as ever": hosts},
        interface_advertised={
            "in": {"127.0.0.1": "127.0.0.1", "::1": "::1"},
            "out": {"127.0.0.1": "203.0.113.9", "::1": "2001:db8::9"},
        },
        advertised={"127.0.0.1": "203.0.113.5"},
        plain_advertised={"127.0.0.1": "203.0.113.6"},
    ).start()
    relay = bench.relay
    wanted = {
        "": (["203.0.113.5", "::1"], "203.0.113.6"),
        "as ever": (["203.0.113.5", "::1"], "203.0.113.6"),
        "in": (["127.0.0.1", "::1"], "127.0.0.1"),
        "out": (["2001:db8::9", "203.0.113.9"], "203.0.113.9"),
    }
    for interface, (candidates, plain) in wanted.items():
        transport = relay.open_webrtc(bench.owner, interface=interface)
        assert [host for host, _ in transport.addresses] == candidates
        assert len({port for _, port in transport.addresses}) == 1
        for opened in (
            relay.open_plain(bench.owner, host="127.0.0.1", interface=interface),
            relay.open_raw(bench.owner, host="127.0.0.1", interface=interface),
        ):
            assert opened.addresses[0][0] == plain
            opened.close()
    assert relay.open_plain(bench.owner, interface="out").addresses[0][0] == "2001:db8::9"
    assert relay.plain_host_for("", "out") == "::1"
    assert relay.plain_host_for("", "nowhere") is None
    for host in (None, "127.0.0.1"):
        with pytest.raises(ConfigError):
            relay.open_plain(bench.owner, host=host, interface="nowhere")
    await relay.close()


@pytest.mark.parametrize("interfaces", [{"a": ("192.0.2.1",)}, {"a": ()}, {"": ("127.0.0.1",)}])
async def test_impossible_interfaces(interfaces: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ConfigError):
        await Relay(Bench()._make, RelaySettings(interfaces=interfaces)).start()


# --- datagrams ---------------------------------------------------------------------------------------------------------------------------


async def test_raw_transports_are_joined_and_parted(bench: Bench) -> None:
    one, two, three = (bench.relay.open_raw(bench.owner) for _ in range(3))
    assert all(bench.engine.specs[each.id].raw and bench.engine.specs[each.id].own for each in (one, two, three))
    assert one.addresses[0][1] != two.addresses[0][1]
    assert one.reaches("192.0.2.1")
    assert not one.reaches("2001:db8::1")
    bench.relay.join_raw(one, two)
    bench.relay.join_raw(two, one)
    assert bench.engine.told("forward") == [(one.id, two.id), (two.id, one.id)]
    bench.relay.join_raw(three, one)
    assert bench.engine.told("forward") == [(one.id, None), (two.id, None), (three.id, one.id), (one.id, three.id)]
    bench.engine.report(PathSelected(one.id, REMOTE))
    assert bench.heard() == [PathChanged(REMOTE)]
    one.close()
    one.close()
    assert bench.engine.told("forward") == [(one.id, None), (three.id, None)]
    with pytest.raises(WrongState):
        bench.relay.join_raw(one, two)
    with pytest.raises(WrongState):
        one.set_remote(REMOTE)
    bench.engine.report(PathSelected(one.id, REMOTE))
    assert bench.heard() == []
    assert bench.relay.statistics()["transports"] == 2


async def test_raw_transports_count_as_transports() -> None:
    bench = await Bench(max_transports=1).start()
    bench.relay.open_raw(bench.owner)
    with pytest.raises(Exhausted):
        bench.relay.open_plain(bench.owner)
    await bench.relay.close()


def _hello() -> bytes:
    """A stranger's ClientHello."""
    return next(action.datagram for action in Association(Identity(), client=True).start(0.0) if isinstance(action, Transmit))


async def test_what_closed_transports_have_counted_stays_in_the_totals() -> None:
    bench = await Bench().start()
    opened: list[Any] = [bench.relay.open_webrtc(bench.owner), bench.relay.open_plain(bench.owner), bench.relay.open_raw(bench.owner)]
    names = ("drops", "packets_received", "packets_sent", "bytes_received", "bytes_sent")
    before = [bench.relay.statistics()[name] for name in names]
    assert before == [{"unknown_source": 5, "replayed": 3}, 3, 9, 6, 12]
    for transport in opened:
        transport.close()
        transport.close()
        assert [bench.relay.statistics()[name] for name in names] == before
    assert bench.relay.statistics()["transports"] == 0


async def test_a_transport_that_the_engine_has_lost_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await Bench().start()
    transport = bench.relay.open_plain(bench.owner)

    def lost(*_: object) -> None:
        raise WrongState("no transport 1", "add_transport")

    monkeypatch.setattr(bench.engine, "transport_statistics", lost)
    transport.close()
    assert bench.relay.statistics()["transports"] == 0


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"webrtc_hosts": ("::",)}, "webrtc.advertised"), ({"webrtc_hosts": ("127.0.0.1",), "plain_hosts": ("::",)}, "rtp.advertised")],
)
async def test_a_wildcard_without_a_default_route_wants_to_be_told_what_to_announce(
    settings: dict[str, Any], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoRoute(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError(errno.ENETUNREACH, "no route")

    monkeypatch.setattr("boringsdp.relay.ports.socket.socket", NoRoute)
    with pytest.raises(ConfigError, match=rf"^{key}: is needed: :: .*or listen on one address"):
        await Bench(**settings).start()
