"""The IPv4 TOS and IPv6 traffic class of what is sent."""

from __future__ import annotations

import socket

import pytest

from boringsdp.errors import WrongState
from boringsdp.relay.engine import Latch, PathSelected
from tests.relay.conformance.world import Peer, World

HOSTS = pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
REPORT = bytes.fromhex("80c9000100001234")


def listen(*peers: Peer) -> None:
    """Let the peers' sockets tell the mark of what they hear."""
    for peer in peers:
        if peer.socket.family == socket.AF_INET6:
            peer.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        else:
            peer.socket.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)


async def mark_of(world: World, peer: Peer) -> int:
    """The mark on the next datagram that the peer hears."""
    found: list[bytes] = []

    def take() -> bool:
        try:
            _, marks, _, _ = peer.socket.recvmsg(4096, 64)
        except BlockingIOError:
            return False
        found.extend(value for _, _, value in marks)
        return True

    await world.until(take)
    assert len(found) == 1
    return found[0][0]


@HOSTS
async def test_own_ports_mark_rtp_rtcp_and_dtls(world: World, host: str) -> None:
    leg = world.plain(host=host, rtcp=True, tos=0xB8)
    assert leg.rtcp_peer
    listen(leg.peer, leg.rtcp_peer)
    world.engine.inject(leg.stream, 0, b"rtp")
    assert await mark_of(world, leg.peer) == 0xB8
    world.engine.send(leg.transport, b"\x16")
    assert await mark_of(world, leg.peer) == 0xB8
    world.engine.send_rtcp(leg.transport, REPORT)
    assert await mark_of(world, leg.rtcp_peer) == 0xB8


@HOSTS
async def test_a_shared_port_marks_packet_by_packet(world: World, host: str) -> None:
    port = world.port(host)
    marked, plain = world.webrtc(port, tos=0x88), world.webrtc(port)
    for leg in (marked, plain):
        await leg.check()
        await world.event(PathSelected, transport=leg.transport)
        listen(leg.peer)
    for leg, mark in ((marked, 0x88), (plain, 0), (marked, 0x88)):
        world.engine.inject(leg.stream, 0, b"rtp")
        assert await mark_of(world, leg.peer) == mark
        world.engine.send_rtcp(leg.transport, REPORT)
        assert await mark_of(world, leg.peer) == mark
        world.engine.send(leg.transport, b"\x16")
        assert await mark_of(world, leg.peer) == mark
    assert marked.drops == {}


@pytest.mark.parametrize("shared", [False, True])
async def test_the_mark_may_change(world: World, shared: bool) -> None:
    leg = await world.connected() if shared else world.plain()
    listen(leg.peer)
    for mark in (0, 0xB8, 0x20, 0):
        world.engine.set_tos(leg.transport, mark)
        world.engine.inject(leg.stream, 0, b"rtp")
        assert await mark_of(world, leg.peer) == mark


async def test_a_port_forgets_the_mark_of_its_former_transport(world: World) -> None:
    leg = world.plain(tos=0xB8)
    port = leg.ports[0]
    world.engine.remove_transport(leg.transport)
    spec = world.spec(ports=(port,))
    world.engine.add_transport(spec)
    world.engine.set_remote(spec.id, leg.peer.address, None, Latch.STRICT)
    listen(leg.peer)
    world.engine.send(spec.id, b"\x16")
    assert await mark_of(world, leg.peer) == 0


async def test_raw_datagrams_are_marked(world: World) -> None:
    left, right = world.raw(), world.raw(tos=0x28)
    listen(right.peer)
    world.engine.forward(left.transport, right.transport)
    left.peer.send(b"fax")
    assert await mark_of(world, right.peer) == 0x28


@pytest.mark.parametrize("tos", [-1, 256])
async def test_bounds(world: World, tos: int) -> None:
    leg = world.plain()
    with pytest.raises(WrongState):
        world.engine.set_tos(leg.transport, tos)
