"""
How a transport's peer is reached: by ICE over shared ports, or at an announced address with latching.

Both keep `rtp` and `rtcp`: the port to send from and the address to send to, or None while there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from boringsdp.ice.lite import LiteResponder
from boringsdp.ice.stun import StunMessage
from boringsdp.relay.engine import Address, ConsentLost, IceRestarted, Latch, PathSelected, PortId
from boringsdp.relay.plane.port import PlanePort

if TYPE_CHECKING:
    from boringsdp.relay.plane.transport import Transport

OLD_ADDRESS_S = 10.0
"""How long an address is still heard after its last authenticated check, when another one is selected."""

Path = tuple[PlanePort, Address]


class IceReach:
    """The addresses that authenticated checks came from, and the one that is in use (RFC 8445 §7.3, §8.1)."""

    __slots__ = ("addresses", "last_check", "ports", "responder", "selected", "transport")

    def __init__(self, transport: Transport, responder: LiteResponder, ports: list[PlanePort]) -> None:
        self.transport = transport
        self.responder = responder
        self.ports = ports
        self.addresses: dict[Path, float] = {}
        self.selected: Path | None = None
        self.last_check = 0.0

    @property
    def rtp(self) -> Path | None:
        return self.selected

    rtcp = rtp

    def receive_check(self, port: PlanePort, message: StunMessage, source: Address, now: float) -> bytes:
        """Answer a request that names us, and learn its source if it verifies."""
        checked = self.responder.receive(message, source)
        if checked.valid:
            if checked.restarted:
                self.transport.plane.forget_ufrags(self.transport, self.responder)
                self.transport.plane.report(IceRestarted(self.transport.spec.id))
            self._learn((port, source), checked.nominated, now)
        else:
            self.transport.drop("stun_refused")
        return checked.reply

    def _learn(self, path: Path, nominated: bool, now: float) -> None:
        port, source = path
        self.last_check = now
        if path not in self.addresses:
            before = port.by_remote.get(source)
            if before is not None and isinstance(before.reach, IceReach):
                before.reach.forget(path)  # a NAT gave the address to another call
            port.by_remote[source] = self.transport
        self.addresses[path] = now
        if self.selected is None or (nominated and path != self.selected):
            if self.selected is not None:
                self.addresses[self.selected] = now
            self.selected = path
            self.transport.refresh()
            self.transport.plane.report(PathSelected(self.transport.spec.id, source))
        while len(self.addresses) > max(1, self.transport.spec.max_addresses):
            self.forget(min((known for known in self.addresses if known != self.selected), key=self.addresses.__getitem__))

    def forget(self, path: Path) -> None:
        """Hear this address no more."""
        self.addresses.pop(path, None)
        if path[0].by_remote.get(path[1]) is self.transport:
            del path[0].by_remote[path[1]]
        if path == self.selected:
            self.selected = None
            self.transport.refresh()

    def restore(self, path: Path, now: float) -> None:
        """Take up the address of a snapshot as if it had just been checked."""
        self._learn(path, True, now)

    def tick(self, now: float) -> None:
        if self.selected is not None and now - self.last_check >= self.transport.spec.consent_timeout_s:
            self.close()
            self.transport.plane.report(ConsentLost(self.transport.spec.id))
        elif len(self.addresses) > 1:
            for path in [known for known, at in self.addresses.items() if known != self.selected and now - at > OLD_ADDRESS_S]:
                self.forget(path)

    def close(self) -> None:
        for path in list(self.addresses):
            self.forget(path)


class PlainReach:
    """An announced address and the rules by which the real one may differ (symmetric RTP, RFC 4961)."""

    __slots__ = (
        "announced",
        "latch",
        "latched",
        "port",
        "remote",
        "rtcp_announced",
        "rtcp_latched",
        "rtcp_port",
        "rtcp_remote",
        "transport",
        "window_ends",
    )  # fmt: skip

    def __init__(self, transport: Transport, port: PlanePort, rtcp_port: PlanePort | None) -> None:
        self.transport = transport
        self.port = port
        self.rtcp_port = rtcp_port
        self.announced: Address | None = None
        self.rtcp_announced: Address | None = None
        self.remote: Address | None = None
        self.rtcp_remote: Address | None = None
        self.latch = Latch.STRICT
        self.latched = self.rtcp_latched = False
        self.window_ends = 0.0

    @property
    def rtp(self) -> Path | None:
        return None if self.remote is None else (self.port, self.remote)

    @property
    def rtcp(self) -> Path | None:
        if self.muxed:
            return self.rtp
        return None if self.rtcp_port is None or self.rtcp_remote is None else (self.rtcp_port, self.rtcp_remote)

    @property
    def muxed(self) -> bool:
        """RTCP shares the RTP port: there is no other, or the peer announced the same address for both."""
        return self.rtcp_port is None or (self.rtcp_announced is not None and self.rtcp_announced == self.announced)

    def set_remote(self, rtp: Address | None, rtcp: Address | None, latch: Latch, now: float) -> None:
        """
        Where the peer says it is. An address that is announced again does not undo what was latched, since a peer behind NAT repeats its
        private address; it opens the window for a new one.
        """
        if rtp != self.announced or latch is Latch.STRICT or not self.latched:
            self.remote = rtp
        if rtcp != self.rtcp_announced or latch is Latch.STRICT or not self.rtcp_latched:
            self.rtcp_remote = rtcp
        self.announced, self.rtcp_announced, self.latch = rtp, rtcp, latch
        self.latched = self.rtcp_latched = False
        self.window_ends = now + self.transport.spec.latch_window_s
        self._point()

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """What came to the RTP port from an address that is not settled, or is not an ordinary RTP packet."""
        transport = self.transport
        movable = self._movable(self.latched, now)
        if source != self.remote and not movable:
            transport.drop("unknown_source")
        elif 19 < data[0] < 64:
            if source == self.remote:
                transport.receive_dtls(data)
            else:
                transport.drop("unknown_source")  # a DTLS record proves nothing about its source
        elif transport.receive_media(data, now) and (source != self.remote or not self.latched):
            self._settle(source)

    def receive_rtcp(self, data: bytes, source: Address, now: float) -> None:
        """What came to the RTCP port."""
        transport = self.transport
        same_host = self.latched and not self.rtcp_latched and self.remote is not None and source[0] == self.remote[0]
        if source != self.rtcp_remote and not same_host and not self._movable(self.rtcp_latched, now):
            transport.drop("unknown_source")
        elif len(data) < 8 or not 191 < data[1] < 224 or data[0] >> 6 != 2:
            transport.drop("malformed")
        elif transport.receive_rtcp(data, now) and self.latch is not Latch.STRICT:
            self.rtcp_latched = True
            if source != self.rtcp_remote:
                self.rtcp_remote = source
                transport.refresh()

    def _movable(self, latched: bool, now: float) -> bool:
        match self.latch:
            case Latch.STRICT:
                return False
            case Latch.FOLLOW:
                return True
            case Latch.ONCE:
                return not latched and now < self.window_ends

    def _settle(self, source: Address) -> None:
        """A valid packet came: this is where the peer is."""
        first, moved = not self.latched, source != self.remote
        if moved and not self.rtcp_latched and self.rtcp_port is not None and not self.muxed:
            self.rtcp_remote = (source[0], source[1] + 1 & 0xFFFF)  # the announced one is as private as the RTP address was
        self.remote, self.latched = source, True
        self._point()
        if first or moved:
            self.transport.plane.report(PathSelected(self.transport.spec.id, source))

    def _point(self) -> None:
        self.port.by_remote.clear()
        if self.remote is not None and (self.latched or self.latch is Latch.STRICT):
            self.port.by_remote[self.remote] = self.transport
        self.transport.refresh()

    def restore(self, remote: Address | None, rtcp_remote: Address | None) -> None:
        """Take up latched addresses of a snapshot, None where there was none."""
        if remote is not None:
            self.remote, self.latched = remote, True
        if rtcp_remote is not None:
            self.rtcp_remote, self.rtcp_latched = rtcp_remote, True
        self._point()

    def tick(self, now: float) -> None:
        pass

    def close(self) -> None:
        self.port.by_remote.clear()
        self.remote = self.rtcp_remote = None


def port_ids(ports: list[PlanePort]) -> tuple[PortId, ...]:
    return tuple(port.id for port in ports)
