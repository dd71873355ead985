"""
The plane's whole state as plain values, and back.

What cannot be carried over: libsrtp's sending state. A sender that began again at an old index would use nonces twice, so a restored
secured transport sends under new SSRCs with the same keys (the SSRC is part of the nonce, RFC 3711 §4.1). The receiving side is brought to
the last index of every SSRC, and nothing at or below it is accepted again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from boringsdp.relay.engine import (
    Address,
    IceCredentials,
    Keys,
    Latch,
    PortId,
    Profile,
    Route,
    StreamId,
    StreamSpec,
    TransportId,
    TransportSpec,
    Way,
)
from boringsdp.relay.plane.plane import Plane
from boringsdp.relay.plane.reach import IceReach, PlainReach
from boringsdp.relay.plane.stream import StreamState
from boringsdp.relay.plane.transport import Transport

VERSION = 1

Record = dict[str, Any]


def take_snapshot(plane: Plane, now: float) -> dict[str, object]:
    """Return the record; key material is in hex, so the record is a secret."""
    return {
        "version": VERSION,
        "ports": [{"id": port.id, "address": list(port.address)} for port in plane.ports.values()],
        "transports": [_transport_record(transport, now) for transport in plane.transports.values()],
        "streams": [_stream_record(stream, now) for stream in plane.streams.values()],
        "routes": [_route_record(stream.feed.route) for stream in plane.streams.values() if stream.feed is not None],
    }


def _transport_record(transport: Transport, now: float) -> Record:
    spec, reach = transport.spec, transport.reach
    record: Record = {
        **asdict(replace(spec, ice=None)),
        "ports": list(spec.ports),
        "latch": spec.latch.value,
        "receive_keys": transport.receiver and _keys_record(transport.receiver.keys),
        "send_keys": transport.sender and _keys_record(transport.sender.keys),
        "indices": {str(ssrc): index for ssrc, index in _indices(transport).items()},
    }
    if isinstance(reach, IceReach):
        record["ice"] = [[ufrag, password] for ufrag, password in reach.responder.credentials.items()]
        record["selected"] = reach.selected and [reach.selected[0].id, list(reach.selected[1])]
    else:
        record["announced"] = [reach.announced, reach.rtcp_announced, reach.latch.value]
        record["window_left"] = max(0.0, reach.window_ends - now)
        record["remote"] = [reach.remote if reach.latched else None, reach.rtcp_remote if reach.rtcp_latched else None]
    return record


def _indices(transport: Transport) -> dict[int, int]:
    return {**transport.retired, **{ssrc: source.reception.highest for ssrc, source in transport.sources.items()}}


def _keys_record(keys: Keys) -> Record:
    return {"profile": keys.profile.value, "key": keys.key.hex(), "salt": keys.salt.hex(), "mki": keys.mki.hex()}


def _stream_record(stream: StreamState, now: float) -> Record:
    spec = stream.spec
    return {
        **asdict(spec),
        "clock_rates": [[payload_type, clock] for payload_type, clock in spec.clock_rates.items()],
        "ssrcs": sorted(spec.ssrcs),
        "send_ssrc": stream.send_ssrc,
        "next_sequence": stream.next_sequence,
        "last_timestamp": stream.last_timestamp,
        "send_clock": stream.send_clock,
        "since_sent": now - stream.last_sent if stream.sent_packets else None,
        "sent": [stream.sent_packets, stream.sent_bytes],
        "sources": [
            [source.ssrc, source.reception.highest, source.payload_type]
            for source in stream.transport.sources.values() if source.stream is stream
        ],
    }  # fmt: skip


def _route_record(route: Route) -> Record:
    return {
        "source": route.source,
        "target": route.target,
        "payload_types": [list(pair) for pair in route.payload_types.items()],
        "telephone_events": sorted(route.telephone_events),
        "extensions": [list(pair) for pair in route.extensions.items()],
        "constant_extensions": [[number, value.hex()] for number, value in route.constant_extensions.items()],
        "enabled": route.enabled,
    }


# --- and back


def restore_snapshot(plane: Plane, snapshot: Mapping[str, Any], open_port: Callable[[PortId, Address], object], now: float) -> None:
    """Fill an empty plane from a record of this version; `open_port` binds a port again. Raises OSError, LocalError, ValueError."""
    if snapshot.get("version") != VERSION:
        raise ValueError(f"snapshot version {snapshot.get('version')!r}")
    for port in snapshot["ports"]:
        open_port(PortId(port["id"]), (port["address"][0], port["address"][1]))
    for record in snapshot["transports"]:
        _restore_transport(plane, record, now)
    for record in snapshot["streams"]:
        _restore_stream(plane, record, now)
    for record in snapshot["routes"]:
        plane.route(
            Route(
                source=StreamId(record["source"]), target=StreamId(record["target"]), payload_types=dict(record["payload_types"]),
                telephone_events=frozenset(record["telephone_events"]), extensions=dict(record["extensions"]),
                constant_extensions={number: bytes.fromhex(value) for number, value in record["constant_extensions"]},
                enabled=record["enabled"],
            )
        )  # fmt: skip


def _keys(record: Record) -> Keys:
    return Keys(Profile(record["profile"]), bytes.fromhex(record["key"]), bytes.fromhex(record["salt"]), bytes.fromhex(record["mki"]))


def _restore_transport(plane: Plane, record: Record, now: float) -> None:
    credentials = [IceCredentials(*pair) for pair in record.get("ice") or ()]
    number = TransportId(record["id"])
    plane.add_transport(
        TransportSpec(
            id=number, ports=tuple(PortId(port) for port in record["ports"]),
            rtcp_port=None if record["rtcp_port"] is None else PortId(record["rtcp_port"]),
            ice=credentials[0] if credentials else None, secured=record["secured"], latch=Latch(record["latch"]),
            latch_window_s=record["latch_window_s"], consent_timeout_s=record["consent_timeout_s"],
            max_addresses=record["max_addresses"], max_ssrcs=record["max_ssrcs"],
        ),
        now,
    )  # fmt: skip
    for pending in credentials[1:]:
        plane.restart_ice(number, pending)
    transport = plane.transport(number)
    indices = {int(ssrc): index for ssrc, index in record["indices"].items()}
    if record["receive_keys"]:
        transport.retired.update(indices)
        plane.set_keys(number, Way.RECEIVE, _keys(record["receive_keys"]), {s: i for s, i in indices.items() if i >= 0}, now)
    if record["send_keys"]:
        plane.set_keys(number, Way.SEND, _keys(record["send_keys"]), {}, now)
    reach = transport.reach
    if isinstance(reach, IceReach):
        if record["selected"]:
            port, address = record["selected"]
            reach.restore((plane.ports[PortId(port)], (address[0], address[1])), now)
    elif isinstance(reach, PlainReach):
        rtp, rtcp, latch = record["announced"]
        reach.set_remote(_address(rtp), _address(rtcp), Latch(latch), now)
        reach.window_ends = now + record["window_left"]
        reach.restore(_address(record["remote"][0]), _address(record["remote"][1]))


def _address(value: list[Any] | None) -> Address | None:
    return None if value is None else (value[0], value[1])


def _restore_stream(plane: Plane, record: Record, now: float) -> None:
    transport = plane.transport(TransportId(record["transport"]))
    spec = StreamSpec(
        id=StreamId(record["id"]), transport=transport.spec.id, kind=record["kind"], send_ssrc=record["send_ssrc"],
        clock_rates=dict(record["clock_rates"]), mid=record["mid"], mid_extension=record["mid_extension"],
        audio_level_extension=record["audio_level_extension"], ssrcs=frozenset(record["ssrcs"]), silence_s=record["silence_s"],
        keep=record["keep"],
    )  # fmt: skip
    plane.add_stream(spec)
    stream = plane.stream(spec.id)
    stream.last_timestamp, stream.send_clock = record["last_timestamp"], record["send_clock"]
    if transport.sender is not None:
        stream.send_ssrc = plane.random.getrandbits(32)
        since = record["since_sent"]
        if since is not None:  # the clock went on while we were away
            stream.last_timestamp += round(since * stream.send_clock)
    else:
        stream.next_sequence = record["next_sequence"]
        stream.last_sequence = stream.next_sequence - 1
        if record["since_sent"] is not None:
            stream.last_sent = now - record["since_sent"]
            stream.sent_packets, stream.sent_bytes = record["sent"]
    if transport.receiver is not None:
        for ssrc, highest, payload_type in record["sources"]:
            transport.retired.pop(ssrc, None)
            source = transport.add_source(stream, ssrc, highest & 0xFFFF, 0, payload_type, now)
            source.reception.resume(highest)
