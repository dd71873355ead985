"""TLS over loopback: who is believed, and names in certificates (RFC 5922)."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from boringsdp.errors import ConfigError
from boringsdp.sip.flow import Protocol
from boringsdp.sip.transport import TlsSettings, transports
from boringsdp.sip.transport.tls import identities, serves
from tests.sip.transport.certificates import Authority
from tests.sip.transport.side import Side, answer, limits, message, side

TLS = Protocol.TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def tried(server: Side, client: Side, name: str) -> str:
    """How a first request to a name fares: "answered", or why it failed."""
    heard = len(client.heard)
    client.transports.send(message(), server.target(TLS, name), 1)
    await client.until(lambda: client.failures or len(client.heard) > heard)
    return client.failures.pop()[1] if client.failures else "answered"


def serving(certificate: Path, listen: str = "tls:127.0.0.1:0", **more: Any) -> Any:
    return side(listen, replies=lambda data: answer(), tls=TlsSettings(certificate=certificate, **more))


@pytest.mark.parametrize("listen", ["tls:127.0.0.1:0", "tls:[::1]:0"])
async def test_there_and_back(authority: Authority, listen: str) -> None:
    certificate = authority.issue("there.pem", "sip:example.com", "pbx.example.com")
    async with serving(certificate, listen) as server, side("udp:127.0.0.1:0", tls=TlsSettings(authorities=authority.path)) as client:
        assert await tried(server, client, "example.com") == "answered"
        assert await tried(server, client, "example.com") == "answered"
        assert len({flow for _, flow in client.heard}) == 1
        flow = client.heard[0][1]
        assert flow.protocol is TLS
        assert client.transports.peer(flow).names == ("example.com",)
        assert server.transports.peer(server.heard[0][1]).names == ()


async def test_certificates_that_are_not_believed(authority: Authority, tmp_path: Path) -> None:
    mine = TlsSettings(authorities=authority.path)
    async with serving(authority.issue("other.pem", "other.example.com")) as server, side(tls=mine) as client:
        assert await tried(server, client, "example.com") == "the certificate is not for example.com but for other.example.com"
        assert await tried(server, client, "other.example.com") == "answered"
        assert len(server.heard) == 1
    async with serving(Authority(tmp_path).issue("wrong.pem", "example.com")) as server:
        async with side(tls=mine) as client:
            assert "certificate verify failed" in await tried(server, client, "example.com")
        async with side() as client:
            assert "certificate verify failed" in await tried(server, client, "example.com")
        async with side(tls=TlsSettings(verify=False)) as client:
            assert await tried(server, client, "example.com") == "answered"
    async with serving(authority.issue("old.pem", "example.com", days=-1)) as server, side(tls=mine) as client:
        assert "expired" in await tried(server, client, "example.com")


async def test_an_address_is_a_name_too(authority: Authority) -> None:
    async with serving(authority.issue("ip.pem", "127.0.0.1")) as server, side(tls=TlsSettings(authorities=authority.path)) as client:
        assert await tried(server, client, "") == "answered"
        assert await tried(server, client, "127.0.0.2") == "the certificate is not for 127.0.0.2 but for 127.0.0.1"


async def test_clients_show_certificates_where_they_must(authority: Authority, tmp_path: Path) -> None:
    mine = authority.issue("client.pem", "sip:client.example.com")
    settings = {"clients": "required", "authorities": authority.path}
    async with serving(authority.issue("mutual.pem", "example.com"), **settings) as server:
        async with side(tls=TlsSettings(authorities=authority.path, certificate=mine)) as client:
            assert await tried(server, client, "example.com") == "answered"
            assert server.transports.peer(server.heard[0][1]).names == ("client.example.com",)
        async with side(tls=TlsSettings(authorities=authority.path)) as client:
            assert await tried(server, client, "example.com") != "answered"
        stranger = Authority(tmp_path).issue("stranger.pem", "sip:client.example.com")
        async with side(tls=TlsSettings(authorities=authority.path, certificate=stranger)) as client:
            assert await tried(server, client, "example.com") != "answered"
        assert len(server.heard) == 1
    settings["clients"] = "optional"
    mine = authority.issue("optional.pem", "example.com")
    async with serving(mine, **settings) as server, side(tls=TlsSettings(authorities=authority.path)) as client:
        assert await tried(server, client, "example.com") == "answered"


async def test_a_new_certificate_is_shown_to_new_connections(authority: Authority) -> None:
    file = authority.issue("changing.pem", "old.example.com")
    async with serving(file) as server, side(tls=TlsSettings(authorities=authority.path)) as client:
        assert await tried(server, client, "old.example.com") == "answered"
        authority.issue("changing.pem", "new.example.com")
        server.transports.reload_certificates()
        assert await tried(server, client, "new.example.com") == "answered"
        assert await tried(server, client, "old.example.com") == "answered"  # over the connection that is there
        file.write_text("broken")
        with pytest.raises(ConfigError, match=r"sip\.tls_certificate"):
            server.transports.reload_certificates()
        client.transports.drop(client.transports.flow(server.target(TLS, "new.example.com")))  # type: ignore[arg-type]
        await client.until(lambda: client.closings)
        assert await tried(server, client, "new.example.com") == "answered"


async def test_a_certificate_that_is_replaced_is_read_by_itself(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(transports, "SWEEP_S", 0.01)
    monkeypatch.setattr(transports, "RENEWAL_S", 0.01)
    file = authority.issue("renewed.pem", "old.example.com")
    async with serving(file) as server, side(tls=TlsSettings(authorities=authority.path)) as client:
        file.write_text("half of it")
        await server.polls(lambda: "sip certificate not read" in caplog.messages)
        assert await tried(server, client, "old.example.com") == "answered"
        authority.issue("renewed.pem", "new.example.com")
        await server.polls(lambda: "sip certificate read again" in caplog.messages)
        assert await tried(server, client, "new.example.com") == "answered"


async def test_who_does_not_speak_tls_has_little_time(authority: Authority) -> None:
    settings = TlsSettings(certificate=authority.issue("slow.pem", "example.com"))
    bounds = limits(handshake_s=0.1, connections_per_source=2)
    async with side("tls:127.0.0.1:0", tls=settings, limits=bounds, replies=lambda data: answer()) as server:
        target = server.target(TLS)
        silent = [await asyncio.open_connection(target.host, target.port) for _ in range(3)]
        await server.polls(lambda: server.transports.counts["handshake failed"] == 2)
        assert server.transports.counts["too many connections of one source"] == 1
        plain, writer = await asyncio.open_connection(target.host, target.port)
        writer.write(message())
        await server.polls(lambda: server.transports.counts["handshake failed"] == 3)
        assert answer() not in await plain.read()
        for _, each in [*silent, (plain, writer)]:
            each.close()
        async with side(tls=TlsSettings(authorities=authority.path)) as client:
            assert await tried(server, client, "example.com") == "answered"


async def test_a_server_that_does_not_speak_tls_fails_the_request(authority: Authority) -> None:
    async with side("tcp:127.0.0.1:0") as server, side(tls=TlsSettings(authorities=authority.path)) as client:
        target = server.target(Protocol.TCP)
        client.transports.send(message(), type(target)(TLS, target.host, target.port, "example.com"), 1)
        await client.until(lambda: client.failures)
        assert server.heard == []
        assert server.transports.counts["not SIP"] == 1


@pytest.mark.parametrize("name", ["a..b", ".a", "x\0y", "\xfc" * 70, "*", "a b", "x" * 300])
@pytest.mark.parametrize("protocol", [TLS, Protocol.WSS])
async def test_names_that_can_be_none_fail_like_others(authority: Authority, name: str, protocol: Protocol) -> None:
    listen = f"{protocol.value.lower()}:127.0.0.1:0"
    async with serving(authority.issue("any.pem", "example.com"), listen) as server:
        async with side(tls=TlsSettings(authorities=authority.path)) as client:
            client.transports.send(message(), server.target(protocol, name), 1)
            await client.until(lambda: client.failures)
            assert [transaction for transaction, _ in client.failures] == [1]
        assert server.heard == []


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (TlsSettings(), r"sip\.tls_certificate"),
        (TlsSettings(certificate=Path("/nowhere.pem")), r"sip\.tls_certificate"),
        (TlsSettings(authorities=Path("/nowhere.pem")), r"sip\.tls\.authorities"),
    ],
)
async def test_complaints_about_files(settings: TlsSettings, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        async with side("tls:127.0.0.1:0", tls=settings):
            pass


async def test_complaint_about_clients(authority: Authority) -> None:
    with pytest.raises(ConfigError, match=r"sip\.tls\.clients"):
        async with serving(authority.issue("x.pem", "a"), clients="perhaps"):
            pass


def names(*alternative: tuple[str, str], common: str = "") -> dict[str, Any]:
    """A certificate as `getpeercert` tells it."""
    return {"subject": ((("commonName", common),),), "subjectAltName": alternative} if common else {"subjectAltName": alternative}


@pytest.mark.parametrize(
    ("certificate", "found"),
    [
        (names(("URI", "sip:Example.com"), ("DNS", "host.example.com")), ("example.com",)),
        (names(("URI", "sip:alice@example.com"), ("DNS", "host.example.com")), ()),
        (names(("URI", "https://example.com"), ("DNS", "host.example.com")), ("host.example.com",)),
        (names(("URI", "sip:example.com:5061;transport=tcp")), ("example.com",)),
        (names(("URI", "sips:example.com")), ()),
        (names(("URI", "sip:*.example.com")), ()),
        (names(("DNS", "a.example.com."), ("IP Address", "192.0.2.1"), common="c.example.com"), ("a.example.com", "192.0.2.1")),
        ({"subject": ((("commonName", "C.example.com"),),)}, ("c.example.com",)),
        ({}, ()),
    ],
)
def test_whose_a_certificate_is(certificate: dict[str, Any], found: tuple[str, ...]) -> None:
    assert identities(certificate) == found


@pytest.mark.parametrize(
    ("known", "name", "fits"),
    [
        ("example.com", "EXAMPLE.com.", True),
        ("example.com", "a.example.com", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.com", "example.com", False),
        ("a*.example.com", "ab.example.com", False),
        ("*.0.2.1", "192.0.2.1", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:DB8:0:0:0:0:0:1", "[2001:db8::1]", True),
    ],
)
def test_names_that_fit(known: str, name: str, fits: bool) -> None:
    assert serves(names(("DNS", known)), name) is fits
    assert serves(names(("DNS", known)), name, wildcards=False) is (fits and "*" not in known)
