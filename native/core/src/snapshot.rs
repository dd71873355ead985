//! The whole state as plain values: the record of `boringsdp/relay/plane/snapshot.py`, so that each engine takes up what the other wrote.
//!
//! What cannot be carried over: how far a sender has come. One that began again at an old index would use nonces twice, so a restored
//! secured transport sends under new SSRCs with the same keys (the SSRC is part of the nonce, RFC 3711 §4.1), and so does one whose keys
//! are parked. The receiving side is brought to the last index of every SSRC, and nothing at or below it is accepted again.

use serde_json::{json, Map, Value};

use crate::address::Address;
use crate::cluster::Cluster;
use crate::keys::{Keys, Way};
use crate::latching::{Latching, LatchingRecord};
use crate::plane::Plane;
use crate::port::Path;
use crate::rtcp_keys::{RtcpKeys, WAYS};
use crate::slab::Key;
use crate::spec::{Latch, Route, TransportId};
use crate::srtp::{SrtpReceiver, SrtpSender};
use crate::stream::StreamState;
use crate::transport::Transport;

pub(crate) const VERSION: u64 = 2;

/// Transports or streams that are written in one go while packets wait.
const WRITTEN_AT_ONCE: usize = 50;

pub(crate) const LATCHES: [(Latch, &str); 6] = [
    (Latch::Strict, "strict"),
    (Latch::Once, "once"),
    (Latch::Follow, "follow"),
    (Latch::Delayed, "delayed"),
    (Latch::Heuristic, "heuristic"),
    (Latch::Asymmetric, "asymmetric"),
];

pub(crate) const WAY_NAMES: [(Way, &str); 2] = [(Way::Receive, "receive"), (Way::Send, "send")];

impl Cluster {
    /// The record of `boringsdp/relay/plane/snapshot.py` as JSON, with the `worker` of each port besides. It holds keys: a secret.
    pub fn snapshot(&self, now: f64) -> String {
        let (_still, in_order) = self.in_order();
        let mut ports = Vec::new();
        for worker in 0..self.workers() {
            ports.extend(self.lock(worker).ports.iter().map(|port| (port.id, port.address, worker)));
        }
        ports.sort_by_key(|(id, _, _)| *id);
        let (mut transports, mut streams, mut routes) = (Vec::new(), Vec::new(), Vec::new());
        self.read_in_parts(&in_order.transports, WRITTEN_AT_ONCE, |planes, (id, worker)| {
            let plane: &Plane = &planes[*worker];
            let transport = plane.transport_key(*id).ok().and_then(|key| plane.transports.get(key));
            transports.extend(transport.map(|transport| transport_record(plane, transport, planes, now)));
        });
        self.read_in_parts(&in_order.streams, WRITTEN_AT_ONCE, |planes, (id, worker)| {
            let plane: &Plane = &planes[*worker];
            let found = plane.stream_key(*id).ok().and_then(|key| Some((key, plane.streams.get(key)?)));
            if let Some((key, stream)) = found {
                streams.push(stream_record(plane, key, stream, now));
                routes.extend(stream.feed.as_ref().map(|feed| route_record(&feed.route)));
            }
        });
        let port_record = |(id, address, worker): &_| json!({ "id": id, "address": address_record(*address), "worker": worker });
        json!({
            "version": VERSION,
            "ports": ports.iter().map(port_record).collect::<Vec<_>>(),
            "transports": transports,
            "streams": streams,
            "routes": routes,
        })
        .to_string()
    }
}

fn transport_record<P: std::ops::Deref<Target = Plane>>(plane: &Plane, transport: &Transport, planes: &[P], now: f64) -> Value {
    let spec = &transport.spec;
    let mut record = json!({
        "id": spec.id, "ports": spec.ports, "rtcp_port": spec.rtcp_port, "ice": null, "secured": spec.secured,
        "latch": latch_name(spec.latch), "own": spec.own, "shared": spec.shared, "raw": spec.raw, "tos": spec.tos,
        "latch_window_s": spec.latch_window_s, "learn_s": spec.learn_s, "consent_timeout_s": spec.consent_timeout_s,
        "max_addresses": spec.max_addresses, "max_ssrcs": spec.max_ssrcs,
        "receive_keys": transport.receiver.as_ref().map(SrtpReceiver::keys).map(keys_record),
        "send_keys": transport.sender.as_ref().map(SrtpSender::keys).map(keys_record),
        "indices": numbers_record(&transport.indices()),
        "parked_receive_keys": transport.parked_receive_keys().map(keys_record),
        "parked_send_keys": transport.parked_send_keys().map(keys_record),
        "parked_indices": numbers_record(&transport.parked_indices),
        "rtcp_keys": transport.rtcp_keys.as_deref().map(rtcp_keys_record),
        "muxed": transport.muxed,
    });
    if let Some(ice) = &transport.ice {
        let credentials: Vec<_> = ice.responder.credentials().collect();
        let control = ice.control.as_ref().and_then(|control| control.selected);
        record["ice"] = json!(credentials);
        record["speaks_ice"] = json!(transport.speaks_ice);
        record["returning"] = json!(ice.returning);
        record["announced"] = path_record(plane, ice.main.announced);
        record["paths"] = json!([path_record(plane, ice.main.selected), path_record(plane, control)]);
    }
    if let Some(plain) = &transport.plain {
        let mut latching = vec![latching_record(&plain.main, now)];
        if let Some(raw) = &plain.raw {
            let target = raw.target.and_then(|target| planes.get(target.worker)?.transports.get(target.key));
            record["forward"] = json!(target.map(|target| target.spec.id) as Option<TransportId>);
        } else {
            latching.push(latching_record(&plain.side, now));
        }
        record["latching"] = json!(latching);
    }
    record
}

fn latch_name(latch: Latch) -> &'static str {
    LATCHES.iter().find(|(known, _)| *known == latch).map_or("", |(_, name)| name)
}

fn address_record(address: Address) -> Value {
    json!([address.ip().to_string(), address.port()])
}

fn path_record(plane: &Plane, path: Option<Path>) -> Value {
    let found = path.and_then(|(port, address)| Some((plane.ports.get(port)?, address)));
    json!(found.map(|(port, address)| (port.id, address_record(address))))
}

fn latching_record(latching: &Latching, now: f64) -> Value {
    let LatchingRecord { announced, remote, latch, learned, latched, told, learns_left, window_left, best } = latching.record(now);
    let (announced, remote) = (announced.map(address_record), remote.map(address_record));
    json!([announced, remote, latch_name(latch), learned, latched, told, learns_left, window_left, best])
}

fn numbers_record(indices: &[(u32, i64)]) -> Value {
    indices.iter().map(|(ssrc, index)| (ssrc.to_string(), json!(index))).collect::<Map<_, _>>().into()
}

fn rtcp_keys_record(keys: &RtcpKeys) -> Value {
    let names = |has: &dyn Fn(Way) -> bool| -> Vec<&str> { WAY_NAMES.iter().filter(|(way, _)| has(*way)).map(|(_, name)| *name).collect() };
    let former = WAYS.iter().zip(WAY_NAMES).filter_map(|(way, (_, name))| Some(json!([name, keys_record(keys.former(*way)?)])));
    json!({
        "own": names(&|way| keys.own.has(way)),
        "keyed": names(&|way| keys.keyed.has(way)),
        "keys": former.collect::<Vec<_>>(),
    })
}

fn keys_record(keys: &Keys) -> Value {
    json!({ "profile": keys.profile.name(), "key": hex(&keys.key), "salt": hex(&keys.salt), "mki": hex(&keys.mki) })
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn stream_record(plane: &Plane, key: Key, stream: &StreamState, now: f64) -> Value {
    let (spec, sending) = (&stream.spec, &stream.sending);
    let mut ssrcs = spec.ssrcs.clone();
    ssrcs.sort_unstable();
    let sources = plane.transports.get(stream.transport).map(|transport| transport.sources.iter());
    let sources = sources.into_iter().flatten().filter(|source| source.stream == key);
    json!({
        "id": spec.id, "transport": spec.transport, "kind": spec.kind, "send_ssrc": sending.ssrc, "clock_rates": spec.clock_rates,
        "mid": spec.mid, "mid_extension": spec.mid_extension, "audio_level_extension": spec.audio_level_extension, "ssrcs": ssrcs,
        "silence_s": spec.silence_s, "keep": spec.keep,
        "next_sequence": sending.next_sequence, "last_timestamp": sending.last_timestamp, "send_clock": sending.clock,
        "since_sent": (sending.packets != 0).then_some(now - sending.last_sent),
        "sent": [sending.packets, sending.bytes],
        "sources": sources.map(|source| json!([source.ssrc, source.reception.highest, source.payload_type])).collect::<Vec<_>>(),
    })
}

fn route_record(route: &Route) -> Value {
    let mut events = route.telephone_events.clone();
    events.sort_unstable();
    let in_hex = |pairs: &[(u8, Vec<u8>)]| pairs.iter().map(|(id, value)| json!([id, hex(value)])).collect::<Vec<_>>();
    json!({
        "source": route.source, "target": route.target, "payload_types": route.payload_types, "telephone_events": events,
        "extensions": route.extensions, "constant_extensions": in_hex(&route.constant_extensions), "silence": in_hex(&route.silence),
        "enabled": route.enabled,
    })
}
