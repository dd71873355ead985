"""TCP over loopback: connections made, reused, bounded and given up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from boringsdp.sip.flow import Protocol, Target
from boringsdp.sip.transport import GateSettings
from tests.sip.transport.side import Side, answer, limits, message, side

TCP = Protocol.TCP


@contextlib.asynccontextmanager
async def stranger(server: Side, source: str = "127.0.0.1") -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection of somebody else."""
    target = server.target(TCP)
    reader, writer = await asyncio.open_connection(target.host, target.port, local_addr=(source, 0) if ":" not in target.host else None)
    try:
        yield reader, writer
    finally:
        writer.close()


async def octets(reader: asyncio.StreamReader, count: int) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readexactly(count)


async def ends(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side closes."""
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b"reset"


@pytest.mark.parametrize("listen", ["tcp:127.0.0.1:0", "tcp:[::1]:0", "tcp:0.0.0.0:0"])
async def test_there_and_back_over_one_connection(listen: str) -> None:
    async with side(listen, replies=lambda data: answer()) as server, side(listen) as client:
        target = server.target(TCP)
        assert client.transports.flow(target) is None
        for number in range(3):
            client.transports.send(message(number), target, number)
        assert await client.hears(3) == [answer()] * 3
        assert [data for data, _ in server.heard] == [message(number) for number in range(3)]
        flow = client.heard[0][1]
        assert {flow} == {each for _, each in client.heard}
        assert client.transports.flow(target) == flow
        assert flow.remote == (target.host, target.port)
        client.transports.send(message(9), target, 9)
        await server.hears(4)
        assert {each.id for _, each in server.heard} == {server.heard[0][1].id}
        assert server.heard[0][1].remote == flow.local
        assert server.transports.addresses()[0].port == target.port


async def test_a_connection_that_was_accepted_is_used_by_its_flow_only_unless_it_is_an_alias() -> None:
    async with side("tcp:127.0.0.1:0") as server, side("tcp:127.0.0.1:0") as client:
        client.transports.send(message(), server.target(TCP), 1)
        await server.hears()
        flow = server.heard[0][1]
        server.transports.send(message(2), client.target(TCP), 2)
        server.transports.send(message(3), flow, 3)
        await client.hears(2)
        assert {data: each.id == client.transports.flow(server.target(TCP)).id for data, each in client.heard} == {  # type: ignore[union-attr]
            message(2): False,
            message(3): True,
        }
        elsewhere = Target(TCP, "127.0.0.1", 1)
        server.transports.alias(flow, elsewhere)
        server.transports.send(message(4), elsewhere, 4)
        await client.hears(3)
        assert server.transports.flow(elsewhere) == flow


async def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = Target(TCP, *unused.getsockname())
    async with side("tcp:127.0.0.1:0") as client:
        for number in (1, 2):
            client.transports.send(message(number), gone, number)
        client.transports.send(answer(), gone)
        assert client.failures == []
        await client.until(lambda: len(client.failures) == 2)
        assert [transaction for transaction, _ in client.failures] == [1, 2]
        assert "refused" in client.failures[0][1].lower()
        assert client.transports.counts == {"not sent": 3, "not connected": 1}


async def test_a_peer_that_does_not_answer_the_connect() -> None:
    with socket.socket() as full:  # its queue of one is taken by ourselves
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with side("tcp:127.0.0.1:0", limits=limits(connect_s=0.1)) as client:
            client.transports.send(message(), Target(TCP, *full.getsockname()), 1)
            await client.until(lambda: client.failures)
            assert client.failures == [(1, "Connection timed out")]
        for filler in fillers:
            filler.close()


async def test_a_peer_that_goes_fails_what_it_has_not_reacted_to() -> None:
    async with side("tcp:127.0.0.1:0") as client:
        async with side("tcp:127.0.0.1:0", replies=lambda data: answer() if data == message(1) else None) as server:
            target = server.target(TCP)
            client.transports.send(message(1), target, 1)
            await client.hears()
            client.transports.send(message(2), target, 2)
            client.transports.send(answer(3), target, 3)
            await server.hears(3)
            flow = client.transports.flow(target)
        await client.until(lambda: client.closings)
        assert client.closings == [(flow, "closed by the peer")]
        await client.until(lambda: client.failures)
        assert [transaction for transaction, _ in client.failures] == [2]
        assert client.transports.flow(target) is None
        assert flow is not None
        client.transports.send(message(4), flow, 4)
        await client.until(lambda: len(client.failures) == 2)
        assert client.failures[1] == (4, "the connection is gone")


async def test_a_peer_that_does_not_read_is_given_up() -> None:
    with socket.socket() as quiet:
        quiet.bind(("127.0.0.1", 0))
        quiet.listen()
        async with side("tcp:127.0.0.1:0", limits=limits(unsent=200_000)) as client:
            target = Target(TCP, *quiet.getsockname())
            client.transports.send(message(1), target, 1)
            await client.polls(lambda: client.transports.flow(target))
            while not client.closings:
                client.transports.send(message(2, b"x" * 60_000), target, 2)
                await asyncio.sleep(0)
            assert client.closings[0][1] == "does not take what it is sent"
            await client.until(lambda: {transaction for transaction, _ in client.failures} == {1, 2})


async def test_what_waits_for_a_connection_is_bounded() -> None:
    async with side("tcp:127.0.0.1:0") as server, side("tcp:127.0.0.1:0", limits=limits(unsent=100_000)) as client:
        for number in range(4):
            client.transports.send(message(number, b"x" * 40_000), server.target(TCP), number)
        await client.until(lambda: client.failures)
        assert [transaction for transaction, _ in client.failures] == [2, 3]
        assert len(await server.hears(2)) == 2


async def test_pings_are_answered_between_messages() -> None:
    async with side("tcp:127.0.0.1:0", replies=lambda data: answer()) as server, stranger(server) as (reader, writer):
        writer.write(b"\r\n")
        writer.write(b"\r\n" + message() + b"\r\n\r\n")
        assert await octets(reader, 4 + len(answer())) == b"\r\n" + answer() + b"\r\n"
        assert len(server.heard) == 1


async def test_what_is_no_sip_ends_the_connection_and_counts() -> None:
    async with side("tcp:127.0.0.1:0", gate=GateSettings(ban_after=2)) as server:
        for _ in range(2):
            async with stranger(server) as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert await ends(reader) == b""
        async with stranger(server) as (reader, writer):
            writer.write(message())
            assert await ends(reader) in (b"", b"reset")
        assert server.heard == []
        assert server.transports.counts["not SIP"] == 2
        assert server.transports.counts["banned"] == 1


async def test_a_message_that_is_too_long_is_refused_and_then_the_connection_ends() -> None:
    async with side("tcp:127.0.0.1:0", replies=lambda data: answer()) as server, stranger(server) as (reader, writer):
        head = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 70000\r\n\r\n"
        writer.write(head)
        assert await ends(reader) == answer()
        assert [data for data, _ in server.heard] == [head]
        assert server.transports.counts["message too long"] == 1


async def test_connections_are_bounded_in_all_and_for_each_source() -> None:
    async with side("tcp:127.0.0.1:0", replies=lambda data: answer(), limits=limits(connections=3, connections_per_source=2)) as server:
        async with stranger(server) as (_, one), stranger(server) as (reader, two), stranger(server) as (third, _):
            assert await ends(third) in (b"", b"reset")
            assert server.transports.counts == {"too many connections of one source": 1}
            two.write(message())
            await octets(reader, len(answer()))
            async with stranger(server, "127.0.0.2") as (fine, writer), stranger(server, "127.0.0.3") as (fourth, _):
                assert await ends(fourth) in (b"", b"reset")
                assert server.transports.counts["too many connections"] == 1
                writer.write(message())
                await octets(fine, len(answer()))
            one.close()
            await server.until(lambda: len(server.closings) >= 2)
        await server.until(lambda: len(server.closings) == 3)
        assert (server.transports._pool._accepted, dict(server.transports._pool._sources)) == (0, {})
        async with stranger(server) as (reader, writer):
            writer.write(message())
            assert await octets(reader, len(answer())) == answer()


async def test_connections_that_we_make_are_bounded_too() -> None:
    async with side("tcp:127.0.0.1:0") as server, side("tcp:127.0.0.1:0", limits=limits(connections=2)) as client:
        target = server.target(TCP)
        for number in range(4):
            client.transports.send(message(), Target(TCP, target.host, target.port, f"{number}.example.com"), number)
        await client.until(lambda: len(client.failures) == 2)
        assert client.failures == [(2, "too many connections"), (3, "too many connections")]
        await server.hears(2)


@pytest.mark.parametrize("target", [Target(TCP, "localhost", 5060), Target(TCP, "127.0.0.1", 0), Target(Protocol.UDP, "127.0.0.1", 70_000)])
async def test_only_addresses_are_sent_to(target: Target) -> None:
    async with side("tcp:127.0.0.1:0", "udp:127.0.0.1:0") as client:
        client.transports.send(message(), target, 1)
        assert client.failures == []
        await client.until(lambda: client.failures)
        assert client.failures == [(1, "not an address")]


async def test_half_a_message_and_silence_have_their_time() -> None:
    async with side("tcp:127.0.0.1:0", limits=limits(half_message_s=0.05, first_message_s=0.5)) as server:
        async with stranger(server) as (half, writer), stranger(server) as (silent, _):
            writer.write(message()[:-1])
            assert await ends(half) in (b"", b"reset")
            assert await ends(silent) in (b"", b"reset")
        assert {reason for _, reason in server.closings} == {"half a message", "has sent nothing"}


async def test_a_flood_of_one_peer_leaves_others_their_turn() -> None:
    async with side("tcp:127.0.0.1:0") as server, stranger(server) as (_, flood), stranger(server) as (_, other):
        flood.write(b"".join(message(1) for _ in range(2000)))
        other.write(message(2))
        data = await server.hears(2001)
        assert data.count(message(1)) == 2000
        assert data.index(message(2)) < 1900


def kept(client: Side, target: Target) -> int:
    """For how many the connection to a target is kept open."""
    connection = client.transports._pool.find(target)
    return connection.liveness._keepers if connection is not None else -1


async def test_a_kept_connection_is_pinged_and_so_is_the_next() -> None:
    async with side("tcp:127.0.0.1:0", keepalive_stream_s=0.1) as client, side("tcp:127.0.0.1:0") as server:
        target = server.target(TCP)
        client.transports.keep_alive(target)
        client.transports.send(message(1), target, 1)
        await server.hears(1)
        client.transports.keep_alive(target)
        assert kept(client, target) == 2
        await client.polls(lambda: client.transports._pool.find(target).liveness._answers)  # type: ignore[union-attr]
        client.transports.drop(client.transports.flow(target))  # type: ignore[arg-type]
        await client.until(lambda: client.closings)
        client.transports.send(message(2), target, 2)
        await server.hears(2)
        assert kept(client, target) == 2
        client.transports.keep_alive(target, False)
        client.transports.keep_alive(target, False)
        assert kept(client, target) == 0
        assert not client.transports._kept


async def test_tcp_notices_peers_that_are_gone() -> None:
    async with side("tcp:127.0.0.1:0", limits=limits(unacknowledged_s=7)) as server, side(limits=limits(unacknowledged_s=7)) as client:
        client.transports.send(message(), server.target(TCP), 1)
        await server.hears()
        for there in (server, client):
            [connection] = there.transports._pool.connections()
            sock = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


async def test_our_own_closing_writes_what_waits() -> None:
    async with side("tcp:127.0.0.1:0") as server, side("tcp:127.0.0.1:0") as client:
        client.transports.send(message(1), server.target(TCP))
        await server.hears()
        client.transports.send(message(2, b"x" * 60_000), server.target(TCP))
        client.transports.drop(client.transports.flow(server.target(TCP)))  # type: ignore[arg-type]
        assert client.transports.flow(server.target(TCP)) is None
        assert await server.hears(2) == [message(1), message(2, b"x" * 60_000)]
        await client.until(lambda: client.closings)
        assert client.closings[0][1] == "closed by us"


async def test_after_the_end_nothing_is_sent() -> None:
    async with side("tcp:127.0.0.1:0") as server:
        async with side("udp:127.0.0.1:0") as client:
            target = server.target(TCP)
        client.transports.send(message(1), target, 1)
        await client.until(lambda: client.failures)
        assert client.failures == [(1, "closed")]
        assert client.transports.addresses() == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_where_nothing_listens_connections_come_from_the_port_that_is_told(host: str) -> None:
    async with side(f"tcp:{host}:0") as server, side(f"tcp:{host}:0") as other, side(f"udp:{host}:0") as client:
        for number, there in enumerate((server, other)):
            target = there.target(TCP)
            told = client.transports.contact_address(target).port
            client.transports.send(message(), target, number)
            await there.hears()
            assert there.heard[0][1].remote == (host.strip("[]"), told)
            assert told == client.transports.contact_address(there.target(TCP)).port
        twin = Target(TCP, target.host, target.port, "another.example.com")  # a second way there needs a port of its own
        client.transports.send(message(2), twin, 2)
        await other.hears(2)
        assert other.heard[1][1].remote[1] != told
        client.transports.drop(client.transports.flow(target))  # type: ignore[arg-type]
        await client.until(lambda: client.closings)
        client.transports.send(message(3), target, 3)
        await other.hears(3)
        assert client.failures == [(1, "closed by us")]
