"""A call's report, from what its legs have agreed and the relay's figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from boringsdp.call.exchange import Branch
from boringsdp.call.leg import Leg
from boringsdp.call.options import Block
from boringsdp.call.report import CallReport, Counts, LegReport, MediaReport
from boringsdp.call.routes import Blocks
from boringsdp.call.streams import codec_of
from boringsdp.call.transports import served_by_ice
from boringsdp.relay import RawTransport, Relay, SsrcFigures, Stream
from boringsdp.sdp import Media, MediaPlan

Sources = Mapping[Stream, tuple[SsrcFigures, ...]]


def record_of(facts: Mapping[str, Any], blocks: Blocks, near: Leg | None, branches: Mapping[str, Branch]) -> dict[str, Any]:
    """Return the whole state of a call as plain values, a secret; `facts` are its names, state and times."""
    return {
        **facts,
        "blocks": blocks.to_record(),
        "legs": {} if near is None else {"a": near.record()},
        "branches": {name: branch.record() for name, branch in branches.items()},
    }


def report_of(
    names: tuple[str, str], times: tuple[float, float], legs: Sequence[Leg], joined: Sequence[Leg], relay: Relay, blocks: Blocks
) -> CallReport:
    """
    Return the report of a call; `names` are its id and state, `times` wallclock seconds of its beginning and of the last SDP.

    `joined` are the legs between whom media flows.
    """
    sources = {stream: stream.sources() for leg in legs for stream in leg.transports.streams.values()}
    reports = tuple(_leg_report(leg, any(leg is each for each in joined), relay, blocks, sources) for leg in legs)
    return CallReport(
        call_id=names[0],
        state=names[1],
        created=times[0],
        last_signal=times[1],
        legs=reports,
        rtp=_total(leg.received(rtcp=False) for leg in reports),
        rtcp=_total(leg.received(rtcp=True) for leg in reports),
        ssrcs={source.ssrc: source for of_stream in sources.values() for source in of_stream},
    )


def all_heard(joined: Iterable[Leg]) -> bool:
    """
    Whether something came on every transport on which these legs may be heard, and nothing of it was dropped.

    Then their report says of no stream that it is missing; asking for this is much cheaper than making one.
    """
    for leg in joined:
        if not leg.plans:
            return False
        for plan in leg.plans:
            transport = leg.transports.get(plan.transport_slot) if plan.accepted and plan.receive else None
            if transport is not None:
                counted = transport.statistics()
                if counted.drops or not counted.rtp.packets_received:
                    return False
    return True


def _leg_report(leg: Leg, joined: bool, relay: Relay, blocks: Blocks, sources: Sources) -> LegReport:
    return LegReport(
        party=leg.party,
        branch=leg.branch,
        tag=leg.tag,
        label=leg.options.label,
        created=leg.created,
        joined=joined,
        medias=tuple(_medias(leg, relay, blocks, sources)),
    )


def _medias(leg: Leg, relay: Relay, blocks: Blocks, sources: Sources) -> Iterator[MediaReport]:
    if leg.plans:
        for plan in leg.plans:
            yield _agreed(leg, plan, relay, blocks, sources)
        return
    written = leg.memory.written if leg.memory.we_offered else leg.memory.received
    for media in () if written is None else written.medias:
        yield _offered(leg, media, relay)


def _agreed(leg: Leg, plan: MediaPlan, relay: Relay, blocks: Blocks, sources: Sources) -> MediaReport:
    transport = leg.transports.get(plan.transport_slot) if plan.accepted else None
    stream = leg.transports.streams.get(plan.slot)
    ports = () if transport is None else relay.port_reports(transport)
    received = leg.memory.received
    protocol = (
        received.medias[plan.slot].protocol_text if received is not None and plan.slot < len(received.medias) else plan.protocol.value
    )
    return MediaReport(
        index=plan.slot + 1,
        kind=plan.kind,
        protocol=protocol,
        codec=codec_of(plan),
        mid=plan.mid,
        receive=plan.receive,
        send=plan.send,
        payload_type=None if stream is None or not sources[stream] else stream.statistics().received.payload_type,
        received_ssrcs=() if stream is None else tuple(source.ssrc for source in sources[stream]),
        sent_ssrcs=() if stream is None or not stream.statistics().sent.packets else (stream.ssrc,),
        flags=frozenset(_flags(leg, plan, blocks)),
        ports=ports,
    )


def _flags(leg: Leg, plan: MediaPlan, blocks: Blocks) -> Iterator[str]:
    trickle = leg.memory.received is not None and leg.memory.received.trickle
    known = {
        "initialized": plan.accepted,
        "rtcp-mux": plan.rtcp_mux,
        "dtls": plan.dtls,
        f"dtls-{plan.setup}": plan.dtls and bool(plan.setup),
        "sdes": plan.local_crypto is not None,
        "ice": plan.ice,
        "trickle": plan.ice and trickle,
        "ice-lite-self": plan.ice,
        "ice-lite-peer": plan.ice and not served_by_ice(plan),
        "feedback": plan.protocol.feedback,
        "blocked": blocks.stops(leg.party, plan.kind, leg.branch),
        "silenced": blocks.holds(leg.party, Block.SILENCE, leg.branch),
        "asymmetric": leg.options.latch is not None and leg.options.latch.value == "asymmetric",
        "raw": plan.raw,
    }
    return (flag for flag, holds in known.items() if holds)


def _offered(leg: Leg, media: Media, relay: Relay) -> MediaReport:
    """An m-line that waits for its answer: what our offer names, or what the peer's does."""
    slot = leg.memory.slots[media.index].transport if media.index < len(leg.memory.slots) else None
    transport = leg.transports.told(slot) if slot is not None else None
    return MediaReport(
        index=media.index + 1,
        kind=media.kind,
        protocol=media.protocol_text,
        codec=str(media.codecs[0].codec) if media.codecs else "",
        mid=media.mid,
        flags=frozenset({"raw"} if isinstance(transport, RawTransport) else ()),
        ports=() if transport is None else relay.port_reports(transport),
    )


def _total(legs: Iterable[Counts]) -> Counts:
    """What came, of all legs: each packet is counted where it came in."""
    received = list(legs)
    return Counts(
        packets=sum(each.packets for each in received),
        bytes=sum(each.bytes for each in received),
        errors=sum(each.errors for each in received),
    )
