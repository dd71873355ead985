"""UDP over loopback."""

from __future__ import annotations

import asyncio
import socket

import pytest

from boringsdp.sip.flow import Flow, Protocol, Target
from boringsdp.sip.transport import GateSettings
from boringsdp.sip.transport.settings import parse_listen
from boringsdp.sip.transport.udp import not_sip
from tests.sip.transport.side import answer, message, side

UDP = Protocol.UDP


def plain(host: str = "127.0.0.1") -> socket.socket:
    """A socket of somebody else."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.setblocking(False)
    return sock


async def receive(sock: socket.socket) -> bytes:
    async with asyncio.timeout(5):
        return await asyncio.get_running_loop().sock_recv(sock, 65_536)


@pytest.mark.parametrize("listen", ["udp:127.0.0.1:0", "udp:[::1]:0", "udp:0.0.0.0:0", "udp:[::]:0"])
async def test_there_and_back(listen: str) -> None:
    async with side(listen, replies=lambda data: answer()) as server, side(listen) as client:
        target = server.target(UDP)
        client.transports.send(message(), target, 1)
        assert await client.hears() == [answer()]
        (data, flow), (_, back) = server.heard[0], client.heard[0]
        assert data == message()
        assert (flow.protocol, flow.local, flow.remote) == (UDP, back.remote, back.local)
        assert flow.local == (target.host, target.port)
        assert client.failures == []
        assert client.transports.flow(target) == back


async def test_answers_leave_from_the_address_that_was_asked() -> None:
    async with side("udp:0.0.0.0:0", replies=lambda data: answer()) as server:
        port = server.transports.addresses()[0].port
        with plain() as sock:
            sock.connect(("127.0.0.2", port))  # only hears this address
            sock.send(message())
            assert await receive(sock) == answer()


async def test_what_is_no_sip_is_counted_and_not_told() -> None:
    async with side("udp:127.0.0.1:0") as server:
        target = server.target(UDP)
        with plain() as sock:
            for data in (b"\r\n\r\n", b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12), b"GET / HTTP/1.1\r\n", b"", bytes(100), b"\x80" * 60):
                sock.sendto(data, (target.host, target.port))
            sock.sendto(message(), (target.host, target.port))
        assert await server.hears() == [message()]
        assert server.transports.counts == {"keep-alive": 3, "STUN": 1, "not SIP": 2}


async def test_unknown_sources_and_bans_are_silent() -> None:
    gate = GateSettings(ban_after=2, ban_s=60)
    async with side("udp:127.0.0.1:0", gate=gate, accept=lambda source: source[0] != "127.0.0.9", replies=lambda data: answer()) as server:
        target = server.target(UDP)
        with plain() as good, plain("127.0.0.9") as unknown, plain("127.0.0.8") as scanner:
            for sock, data in ((unknown, message(1)), (scanner, b"x"), (scanner, b"y"), (scanner, message(2)), (good, message(3))):
                sock.sendto(data, (target.host, target.port))
            assert await receive(good) == answer()
        assert [data for data, _ in server.heard] == [message(3)]
        assert server.transports.counts == {"not accepted": 1, "not SIP": 2, "banned": 1}


@pytest.mark.parametrize(("listen", "host"), [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("0.0.0.0", "127.0.0.1"), ("[::]", "::1")])
async def test_what_nobody_listens_to_fails_at_once_where_icmp_tells(listen: str, host: str) -> None:
    async with side(f"udp:{listen}:0") as client, side(f"udp:{listen}:0") as there:
        with plain(host) as sock:
            gone = Target(UDP, *sock.getsockname()[:2])
        client.transports.send(message(1), gone, 7)
        client.transports.send(answer(), gone, 8)
        client.transports.send(message(2), there.target(UDP), 9)
        await client.until(lambda: client.failures)
        assert await there.hears() == [message(2)]
        assert client.failures == [(7, "Connection refused")]


async def test_a_message_of_many_packets_passes() -> None:
    async with side("udp:127.0.0.1:0") as server, side("udp:127.0.0.1:0") as client:
        large = message(1, b"x" * 60_000)
        client.transports.send(large, server.target(UDP), 1)
        assert await server.hears() == [large]
        client.transports.send(message(2, b"x" * 65_500), server.target(UDP), 2)
        await client.until(lambda: client.failures)
        assert client.failures == [(2, "Message too long")]


async def test_without_a_socket_of_that_family_a_send_fails_later() -> None:
    async with side("udp:127.0.0.1:0") as client:
        client.transports.send(message(), Target(UDP, "::1", 5060), 1)
        assert client.failures == []
        await client.until(lambda: client.failures)
        assert client.failures == [(1, "no UDP socket of that family")]
        assert client.transports.flow(Target(UDP, "::1", 5060)) is None


async def test_several_sockets_and_a_flow_each() -> None:
    async with side("udp:127.0.0.1:0", "udp:127.0.0.2:0", "udp:[::1]:0") as client, side("udp:127.0.0.1:0") as server:
        first, second, _ = client.transports.addresses()
        server_target = server.target(UDP)
        client.transports.send(message(1), Flow(UDP, (second.host, second.port), (server_target.host, server_target.port)))
        await server.hears()
        assert server.heard[0][1].remote == (second.host, second.port)
        client.transports.send(message(2), server_target)
        await server.hears(2)
        assert server.heard[1][1].remote == (first.host, first.port)


async def test_answers_leave_from_the_port_that_was_asked() -> None:
    async with side("udp:127.0.0.1:0", "udp:127.0.0.1:0", replies=lambda data: answer()) as server:
        for listen in server.transports.addresses():
            with plain() as sock:
                sock.connect((listen.host, listen.port))  # only hears this port
                sock.send(message())
                assert await receive(sock) == answer()


async def test_a_kept_flow_is_pinged_until_nobody_wants_it() -> None:
    async with side("udp:127.0.0.1:0", keepalive_udp_s=0.1) as client, side("udp:127.0.0.1:0") as server:
        for on in (True, True, False):
            client.transports.keep_alive(server.target(UDP), on)
        await server.polls(lambda: server.transports.counts["keep-alive"])
        client.transports.keep_alive(server.target(UDP), False)
        assert not client.transports._kept
        assert server.heard == []


async def test_nothing_is_listened_on_when_one_address_cannot_be_had() -> None:
    with plain() as taken:
        port = taken.getsockname()[1]
        with plain() as probe:
            free = probe.getsockname()[1]
        with pytest.raises(OSError, match=f"in use: udp:127.0.0.1:{port}"):
            async with side(f"udp:127.0.0.1:{free}", f"udp:127.0.0.1:{port}"):
                pass
    async with side(f"udp:127.0.0.1:{free}") as again:
        assert again.transports.addresses() == [parse_listen(f"udp:127.0.0.1:{free}")]


async def test_a_bug_in_one_message_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def replies(data: bytes) -> bytes:
        return {message(2): answer(2)}[data]

    async with side("udp:127.0.0.1:0", replies=replies) as server, side("udp:127.0.0.1:0") as client:
        for number in (1, 2):
            client.transports.send(message(number), server.target(UDP))
        assert await client.hears() == [answer(2)]
        assert server.transports.counts["crash"] == 1
    assert "sip message not handled" in caplog.text


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (message(), ""),
        (b"\r\n\r\n" + message(), ""),
        (b"INVITE x sip/7.0", ""),
        (b"\r\n", "keep-alive"),
        (b"\0", "keep-alive"),
        (b"hello", "not SIP"),
        (b"x" * 9000 + b"SIP/2.0", "not SIP"),
    ],
)
def test_what_a_datagram_is(data: bytes, cause: str) -> None:
    assert not_sip(data) == cause
