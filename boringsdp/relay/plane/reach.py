"""How a transport's peer is reached without ICE: at an announced address, or where latching finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boringsdp.errors import WrongState
from boringsdp.relay.engine import Address, Latch, PathSelected, RtcpPathSelected
from boringsdp.relay.plane.latching import Latching
from boringsdp.relay.plane.port import Path, PlanePort
from boringsdp.relay.plane.tally import PACKET

if TYPE_CHECKING:
    from boringsdp.relay.plane.transport import Transport

MAX_RAW = 2047
"""The longest datagram of a raw transport: a longer one may have been cut when it was read."""


class PlainReach:
    """
    How RTP without ICE comes and goes: `main` hears the RTP port, `side` the RTCP port.

    On shared ports a transport `holds` the address that was announced for each.
    """

    __slots__ = ("holds", "main", "port", "rtcp_port", "side", "transport")

    def __init__(self, transport: Transport, port: PlanePort, rtcp_port: PlanePort | None) -> None:
        self.transport = transport
        self.port = port
        self.rtcp_port = rtcp_port
        self.main = Latching()
        self.side = Latching()
        self.holds: list[tuple[dict[Address, Transport], Address]] = []

    @property
    def rtp(self) -> Path | None:
        return None if self.main.remote is None else (self.port, self.main.remote)

    @property
    def rtcp(self) -> Path | None:
        if self.muxed:
            return self.rtp
        return None if self.rtcp_port is None or self.side.remote is None else (self.rtcp_port, self.side.remote)

    @property
    def muxed(self) -> bool:
        """RTCP shares the RTP port: there is no other, or it was agreed, or the peer announced the same address for both."""
        announced = self.side.announced
        return self.rtcp_port is None or self.transport.muxed or (announced is not None and announced == self.main.announced)

    def path_to(self, address: Address, rtcp: bool) -> Path:
        """The way to any address."""
        return (self.port if self.rtcp_port is None or not rtcp or self.muxed else self.rtcp_port), address

    def latching(self, *, rtcp: bool) -> Latching:
        """The rules of one port."""
        return self.side if rtcp else self.main

    def set_remote(self, rtp: Address | None, rtcp: Address | None, latch: Latch, now: float) -> None:
        """Where the peer says it is; opens the window. Raises `WrongState` on a shared port where another peer is there."""
        spec = self.transport.spec
        if spec.shared:
            latch = Latch.STRICT
            self._require_free(rtp, rtcp)
        self.main.announce(rtp, latch, now, spec.learn_s, spec.latch_window_s)
        self.side.announce(rtcp, latch, now, spec.learn_s, spec.latch_window_s)
        self.point()

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """What came to the RTP port from an address that is not settled, or is not an ordinary RTP packet."""
        transport, main = self.transport, self.main
        if not (main.hears(source, now) or (main.unannounced and _is_dtls(data))):
            transport.drop("unknown_source")
        elif _is_dtls(data):
            transport.receive_dtls(data, source)  # moves nothing: a DTLS record proves nothing about its source
        elif transport.receive_media(data, now):
            self._settle(source, now)

    def receive_rtcp(self, data: bytes, source: Address, now: float) -> None:
        """What came to the RTCP port."""
        transport, main, side = self.transport, self.main, self.side
        same_host = main.latched and not side.latched and main.remote is not None and source[0] == main.remote[0]
        if not same_host and not side.hears(source, now) and not (side.unannounced and _is_dtls(data)):
            transport.drop("unknown_source")
        elif transport.receive_control(data, source, now) and side.heard(source, now):
            transport.refresh()
            transport.plane.report_bounded(RtcpPathSelected(transport.spec.id, source))

    def _settle(self, source: Address, now: float) -> None:
        """A valid packet came: this is where the peer is."""
        main, side = self.main, self.side
        if main.latch is Latch.ASYMMETRIC:
            self.port.by_remote.clear()  # the one that spoke last goes straight on; more would be a list for strangers to fill
            self.port.by_remote[source] = self.transport
            return
        if source == main.remote and (main.latched or main.latch is Latch.STRICT):
            return
        moved = source != main.remote
        news = main.heard(source, now)
        if moved and not side.told and self.rtcp_port is not None and not self.muxed:
            side.expect((source[0], source[1] + 1 & 0xFFFF))  # the announced one is as private as the RTP address was
        self.point()
        if news:
            self.transport.plane.report_bounded(PathSelected(self.transport.spec.id, source))

    def _require_free(self, rtp: Address | None, rtcp: Address | None) -> None:
        for port, address in ((self.port, rtp), (self.rtcp_port, rtcp)):
            if port is not None and address is not None and port.holder(address) not in (None, self.transport):
                raise WrongState(f"{address[0]} port {address[1]} is another transport's", "an address of its own")

    def point(self) -> None:
        """Take up where the peer is."""
        if self.transport.spec.shared:
            self._hold()
            return
        self.port.by_remote.clear()
        settled = self.main.settled
        if settled is not None:
            self.port.by_remote[settled] = self.transport
        self.transport.refresh()

    def _hold(self) -> None:
        """On shared ports: the announced addresses, and no other."""
        self._let_go()
        if self.main.remote is not None:
            self.holds.append((self.port.by_remote, self.main.remote))
        if self.rtcp_port is not None and self.side.remote is not None:
            self.holds.append((self.rtcp_port.by_control, self.side.remote))
        for known, address in self.holds:
            known[address] = self.transport
        self.transport.refresh()

    def _let_go(self) -> None:
        for known, address in self.holds:
            del known[address]
        self.holds.clear()

    def tick(self, now: float) -> None:
        pass

    def close(self) -> None:
        if self.transport.spec.shared:
            self._let_go()
        else:
            self.port.by_remote.clear()
        self.main.remote = self.side.remote = None


class RawReach:
    """The own port of a raw transport. Every datagram from a source that is heard is valid, and goes to `target` as it is."""

    __slots__ = ("feeders", "main", "port", "target", "transport")

    def __init__(self, transport: Transport, port: PlanePort) -> None:
        self.transport = transport
        self.port = port
        self.main = Latching()
        self.target: RawReach | None = None
        self.feeders: set[RawReach] = set()

    @property
    def rtp(self) -> Path | None:
        return None if self.main.remote is None else (self.port, self.main.remote)

    @property
    def rtcp(self) -> Path | None:
        return None

    muxed = True

    def path_to(self, address: Address, rtcp: bool) -> Path:
        """The way to any address."""
        return self.port, address

    def latching(self, *, rtcp: bool) -> Latching:
        """The rules of the one port."""
        return self.main

    def set_remote(self, rtp: Address | None, rtcp: Address | None, latch: Latch, now: float) -> None:
        spec = self.transport.spec
        self.main.announce(rtp, latch, now, spec.learn_s, spec.latch_window_s)

    def forward(self, target: RawReach | None) -> None:
        """Copy what arrives to `target` from now on."""
        if self.target is not None:
            self.target.feeders.discard(self)
        self.target = target
        if target is not None:
            target.feeders.add(self)

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram, whatever is in it."""
        transport = self.transport
        if not self.main.hears(source, now):
            transport.drop("unknown_source")
            return
        if len(data) > MAX_RAW:
            transport.drop("too_long")
            return
        transport.received += PACKET + len(data)
        transport.last_gone = now
        if self.main.heard(source, now):
            transport.plane.report_bounded(PathSelected(transport.spec.id, source))
        if self.target is None:
            transport.drop("not_forwarded")
        else:
            self.target.transport.send_raw(data)

    def receive_rtcp(self, data: bytes, source: Address, now: float) -> None:
        """Never called: a raw transport has no RTCP port."""

    def tick(self, now: float) -> None:
        pass

    def close(self) -> None:
        self.forward(None)
        for feeder in list(self.feeders):
            feeder.forward(None)
        self.main.remote = None


def _is_dtls(data: bytes) -> bool:
    """Whether the first byte says so (RFC 7983)."""
    return bool(data) and 19 < data[0] < 64
