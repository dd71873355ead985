"""
The plane's whole state as plain values, and back.

What cannot be carried over: libsrtp's sending state. A sender that began again at an old index would use nonces twice, so a restored
secured transport sends under new SSRCs with the same keys (the SSRC is part of the nonce, RFC 3711 §4.1), and so does one whose keys are
parked. The receiving side is brought to the last index of every SSRC, and nothing at or below it is accepted again.
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
from boringsdp.relay.plane.port import Path
from boringsdp.relay.plane.reach import PlainReach, RawReach
from boringsdp.relay.plane.rtcp_keys import RtcpKeys
from boringsdp.relay.plane.stream import StreamState
from boringsdp.relay.plane.tally import PACKET, split
from boringsdp.relay.plane.transport import Transport

VERSION = 2

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
        "indices": _numbers_record(transport.indices),
        "parked_receive_keys": transport.parked_receiver and _keys_record(transport.parked_receiver.keys),
        "parked_send_keys": transport.parked_sender and _keys_record(transport.parked_sender.keys),
        "parked_indices": _numbers_record(transport.parked_indices),
        "rtcp_keys": transport.rtcp_keys and _rtcp_keys_record(transport.rtcp_keys),
        "muxed": transport.muxed,
    }
    ice, plain = transport.ice, transport.plain
    if ice is not None:
        record["ice"] = [[ufrag, password] for ufrag, password in ice.responder.credentials.items()]
        record["speaks_ice"], record["returning"] = reach is ice, ice.returning
        record["announced"] = _path_record(ice.announced)
        record["paths"] = [_path_record(ice.selected), _path_record(None if ice.control is None else ice.control.selected)]
    if isinstance(plain, PlainReach):
        record["latching"] = [plain.main.record(now), plain.side.record(now)]
    elif isinstance(plain, RawReach):
        record["latching"] = [plain.main.record(now)]
        record["forward"] = plain.target and plain.target.transport.spec.id
    return record


def _path_record(path: Path | None) -> list[Any] | None:
    return path and [path[0].id, list(path[1])]


def _numbers_record(indices: Mapping[int, int]) -> Record:
    return {str(ssrc): index for ssrc, index in indices.items()}


def _rtcp_keys_record(keys: RtcpKeys) -> Record:
    return {
        "own": [way.value for way in keys.own],
        "keyed": [way.value for way in keys.keyed],
        "keys": [[way.value, _keys_record(known)] for way, known in keys.former.items()],
    }


def _keys_record(keys: Keys) -> Record:
    return {"profile": keys.profile.value, "key": keys.key.hex(), "salt": keys.salt.hex(), "mki": keys.mki.hex()}


def _stream_record(stream: StreamState, now: float) -> Record:
    spec = stream.spec
    return {
        **asdict(spec),
        "clock_rates": [[payload_type, clock] for payload_type, clock in spec.clock_rates.items()],
        "ssrcs": sorted(spec.ssrcs),
        "send_ssrc": stream.send_ssrc,
        "next_sequence": stream.last_sequence + 1,
        "last_timestamp": stream.last_timestamp,
        "send_clock": stream.send_clock,
        "since_sent": now - stream.last_sent if stream.sent else None,
        "sent": list(split(stream.sent)),
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
        "silence": [[number, value.hex()] for number, value in route.silence.items()],
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
    for record in snapshot["transports"]:
        if record.get("forward") is not None:
            plane.forward(TransportId(record["id"]), TransportId(record["forward"]))
    for record in snapshot["streams"]:
        _restore_stream(plane, record, now)
    for record in snapshot["routes"]:
        plane.route(
            Route(
                source=StreamId(record["source"]), target=StreamId(record["target"]), payload_types=dict(record["payload_types"]),
                telephone_events=frozenset(record["telephone_events"]), extensions=dict(record["extensions"]),
                constant_extensions={number: bytes.fromhex(value) for number, value in record["constant_extensions"]},
                silence={number: bytes.fromhex(value) for number, value in record["silence"]}, enabled=record["enabled"],
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
            own=record["own"], shared=record.get("shared", False), raw=record["raw"], tos=record["tos"], learn_s=record["learn_s"],
            latch_window_s=record["latch_window_s"], consent_timeout_s=record["consent_timeout_s"],
            max_addresses=record["max_addresses"], max_ssrcs=record["max_ssrcs"],
        ),
        now,
    )  # fmt: skip
    for pending in credentials[1:]:
        plane.restart_ice(number, pending)
    transport = plane.transport(number)
    transport.muxed = record["muxed"]
    _restore_keys(plane, transport, record, now)
    _restore_reach(plane, transport, record, now)


def _restore_keys(plane: Plane, transport: Transport, record: Record, now: float) -> None:
    number = transport.spec.id
    indices, parked_indices = _numbers(record["indices"]), _numbers(record["parked_indices"])
    if record["receive_keys"]:
        transport.retired.update(indices)
        plane.set_keys(number, Way.RECEIVE, _keys(record["receive_keys"]), {s: i for s, i in indices.items() if i >= 0}, now)
    elif record["parked_receive_keys"]:
        transport.retired.update(parked_indices)
        keys = _keys(record["parked_receive_keys"])
        plane.set_keys(number, Way.RECEIVE, keys, {s: i for s, i in parked_indices.items() if i >= 0}, now)
        plane.set_keys(number, Way.RECEIVE, None, {}, now)
    if record["send_keys"] or record["parked_send_keys"]:
        plane.set_keys(number, Way.SEND, _keys(record["send_keys"] or record["parked_send_keys"]), {}, now)
        if not record["send_keys"]:
            plane.set_keys(number, Way.SEND, None, {}, now)
    rtcp = record["rtcp_keys"]
    if rtcp:
        for way, keys_record in rtcp["keys"]:
            transport.set_rtcp_keys(Way(way), _keys(keys_record), now)
        if transport.rtcp_keys is None:
            transport.rtcp_keys = RtcpKeys()
        transport.rtcp_keys.own, transport.rtcp_keys.keyed = {Way(way) for way in rtcp["own"]}, {Way(way) for way in rtcp["keyed"]}


def _restore_reach(plane: Plane, transport: Transport, record: Record, now: float) -> None:
    ice, plain = transport.ice, transport.plain
    if ice is not None and record["speaks_ice"]:
        for component, path in zip((ice, ice.control), record["paths"], strict=True):
            if component is not None and path is not None:
                component.learn((plane.ports[PortId(path[0])], (path[1][0], path[1][1])), True, now)
        if (announced := record.get("announced")) is not None:
            ice.announce((announced[1][0], announced[1][1]), now)
    elif ice is not None and plain is not None:
        transport.speak_plain(plain)
        ice.returning = record["returning"]
    if plain is not None:
        plain.main.restore(record["latching"][0], now)
    if isinstance(plain, PlainReach):
        plain.side.restore(record["latching"][1], now)
        if transport.reach is plain:
            plain.point()


def _numbers(record: Record) -> dict[int, int]:
    return {int(ssrc): index for ssrc, index in record.items()}


def _has_keyed(transport: Transport) -> bool:
    """Whether anything was ever sent under keys that may be used again."""
    rtcp = transport.rtcp_keys is not None and Way.SEND in transport.rtcp_keys.former
    return rtcp or transport.sender is not None or transport.parked_sender is not None


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
    if _has_keyed(transport):
        stream.send_ssrc = plane.random.getrandbits(32)
        since = record["since_sent"]
        if since is not None:  # the clock went on while we were away
            stream.last_timestamp = (stream.last_timestamp + round(since * stream.send_clock)) & 0xFFFFFFFF
    else:
        stream.last_sequence = record["next_sequence"] - 1
        if record["since_sent"] is not None:
            stream.last_sent = now - record["since_sent"]
            packets, octets = record["sent"]
            stream.sent = packets * PACKET + octets
    if transport.receiver is not None:
        for ssrc, highest, payload_type in record["sources"]:
            transport.retired.pop(ssrc, None)
            source = transport.add_source(stream, ssrc, highest & 0xFFFF, 0, payload_type, now)
            source.reception.resume(highest)
