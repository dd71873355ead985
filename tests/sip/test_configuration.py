"""The SIP endpoint as it is configured, and without any configuration."""

from __future__ import annotations

import socket

import pytest

from boringsdp.app import relay_settings
from boringsdp.config import ConfigErrors, load
from boringsdp.errors import ConfigError
from boringsdp.sip import configuration
from boringsdp.sip.configuration import free_port, sip_settings, usual_listeners
from boringsdp.sip.session import Prack
from boringsdp.sip_part import SipPart


def taken(kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind(("127.0.0.1", 0))
    if kind is socket.SOCK_STREAM:
        sock.listen()
    return sock


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_must_be_free_for_udp_and_tcp(kind: socket.SocketKind) -> None:
    with taken(kind) as sock:
        wanted = sock.getsockname()[1]
        found = free_port("127.0.0.1", wanted)
    assert found not in (0, wanted)
    assert free_port("127.0.0.1", found) == found


def test_the_usual_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "_free", lambda host, port, udp: port != 5061)
    assert usual_listeners(("192.0.2.1", "2001:db8::1"), tls=False) == (
        "udp:192.0.2.1:5060",
        "tcp:192.0.2.1:5060",
        "udp:[2001:db8::1]:5060",
        "tcp:[2001:db8::1]:5060",
    )
    assert usual_listeners(("192.0.2.1",), tls=True)[2:] == ("tls:192.0.2.1:0",)


def test_settings_say_what_is_configured() -> None:
    flags = {
        "sip.listen": "udp:127.0.0.1:5070", "sip.prack": "off", "sip.session_expires": "0", "sip.t1": "0.25", "sip.silent": "true",
        "sip.targets": "*.example.com,192.0.2.1", "sip.headers": "X-*", "sip.sources": "192.0.2.0/24", "sip.redirects": "false",
    }  # fmt: skip
    settings = sip_settings(load(flags=flags).config.sip, ("192.0.2.9",), {"192.0.2.9": "203.0.113.1"}, 100)
    assert settings.transport.listen == ("udp:127.0.0.1:5070",)
    assert settings.transport.advertised == {"192.0.2.9": "203.0.113.1"}
    assert settings.transport.gate.trusted == ("192.0.2.0/24",)
    assert (settings.session.prack, settings.session.session_expires, settings.timers.t1) == (Prack.OFF, 0, 0.25)
    assert settings.policy.silent
    assert not settings.policy.follow_redirects
    assert settings.policy.targets == ("*.example.com", "192.0.2.1")
    assert settings.user_agent.startswith("BoringSDP/")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sip.listen", "127.0.0.1:5060"),
        ("sip.listen", "sctp:127.0.0.1:5060"),
        ("sip.listen", "udp:here:5060"),
        ("sip.listen", "udp:127.0.0.1:5060,udp:127.0.0.1:5060"),
        ("sip.targets", "a b"),
        ("sip.headers", "X Y"),
        ("sip.headers", "X*Y"),
        ("sip.prack", "perhaps"),
        ("sip.min_se", "30"),
    ],
)
def test_what_cannot_be_used_is_named(key: str, value: str) -> None:
    with pytest.raises((ConfigError, ConfigErrors), match=key):
        load(flags={key: value})


async def test_a_chosen_port_that_is_taken_is_told_by_its_key() -> None:
    with taken(socket.SOCK_STREAM) as sock:
        config = load(flags={"sip.listen": f"tcp:127.0.0.1:{sock.getsockname()[1]}"}).config
        part = SipPart(config, relay_settings(config), wanted=True)
        with pytest.raises(ConfigError, match=r"sip\.listen"):
            await part.start()
        await part.close()


async def test_without_a_plugin_nothing_is_opened() -> None:
    config = load(flags={"rtp.address": "127.0.0.1"}).config
    part = SipPart(config, relay_settings(config), wanted=False)
    await part.start()
    assert (part.endpoint, list(part.addresses()), dict(part.statistics())) == (None, [], {})
    await part.close()


async def test_the_usual_port_or_another_is_listened_on() -> None:
    config = load(flags={"rtp.address": "127.0.0.1"}).config
    first = SipPart(config, relay_settings(config), wanted=True)
    await first.start()
    second = SipPart(config, relay_settings(config), wanted=True)
    await second.start()
    told = [[text for _, text in part.addresses()] for part in (first, second)]
    assert [len(texts) for texts in told] == [2, 2]
    assert set(told[0]).isdisjoint(told[1])
    await first.close()
    await second.close()
