"""
What a call is and how it fares, as plain frozen values: for query and statistics replies, dashboards and records.

The leaves are the relay's own figures.
"""

from __future__ import annotations

from collections.abc import Mapping

from boringsdp.call.events import Party
from boringsdp.relay import Counts, PortFigures, QualitySample, SsrcFigures
from boringsdp.values import Value, field

__all__ = ["CallReport", "Counts", "LegReport", "MediaReport", "PortReport", "QualitySample", "SsrcReport"]

PortReport = PortFigures
SsrcReport = SsrcFigures


class MediaReport(Value, frozen=True, kw_only=True):
    """One m-line of a leg; `index` counts from 1."""

    index: int
    kind: str
    protocol: str
    codec: str = ""
    mid: str = ""
    receive: bool = False
    send: bool = False
    payload_type: int | None = None
    """Of the last packet received, None before one."""
    received_ssrcs: tuple[int, ...] = ()
    sent_ssrcs: tuple[int, ...] = ()
    flags: frozenset[str] = frozenset()
    """Any of: initialized, asymmetric, rtcp-mux, dtls, dtls-active, dtls-passive, sdes, ice, trickle, ice-lite-peer, ice-lite-self,
    feedback, blocked, silenced, raw."""
    ports: tuple[PortReport, ...] = ()


class LegReport(Value, frozen=True, kw_only=True):
    """One leg. `branch` is empty for party A. `joined` is True for those between whom media flows now."""

    party: Party
    branch: str = ""
    tag: str = ""
    """The tag of who answered last on the leg, as the front named it."""
    label: str = ""
    created: float = 0.0
    joined: bool = False
    medias: tuple[MediaReport, ...] = ()

    def received(self, *, rtcp: bool) -> Counts:
        """Return what came from the party, RTP or RTCP. A port that several m-lines share counts once; its errors are of RTP."""
        ports = {(port.rtcp, port.local, port.remote): port for media in self.medias for port in media.ports}.values()
        counts = [port.received for port in ports if port.rtcp is rtcp]
        muxed = [port.received_rtcp for port in ports if not port.rtcp]
        sign = 1 if rtcp else -1
        return Counts(
            packets=sum(each.packets for each in counts) + sign * sum(each.packets for each in muxed),
            bytes=sum(each.bytes for each in counts) + sign * sum(each.bytes for each in muxed),
            errors=sum(each.errors for each in counts),
        )


class CallReport(Value, frozen=True, kw_only=True):
    """A whole call; times are wallclock seconds."""

    call_id: str
    created: float
    last_signal: float
    state: str
    legs: tuple[LegReport, ...] = ()
    rtp: Counts = Counts()
    rtcp: Counts = Counts()
    ssrcs: Mapping[int, SsrcReport] = field(default_factory=dict)
