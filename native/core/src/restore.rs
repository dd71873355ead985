//! Taking up what `snapshot` wrote down, or the engine in Python.

use std::net::IpAddr;

use serde_json::Value;

use crate::address::Address;
use crate::cluster::Cluster;
use crate::error::{Command, CommandError};
use crate::keys::{Keys, Profile, Way};
use crate::latching::LatchingRecord;
use crate::plane::Plane;
use crate::port::Path;
use crate::snapshot::{LATCHES, VERSION, WAY_NAMES};
use crate::spec::{IceCredentials, Latch, PortId, Route, StreamSpec, TransportSpec};

/// Why a snapshot was not taken up: it is refused, or a port could not be opened.
#[derive(Debug)]
pub enum RestoreError<E> {
    Command(CommandError),
    Open(E),
}

impl Cluster {
    /// Take up a snapshot in an empty cluster. `open` binds a port again (id, address, worker) and takes it up by `open_port` of this
    /// cluster; no lock is held meanwhile.
    pub fn restore<E>(
        &self,
        json: &str,
        now: f64,
        open: &mut dyn FnMut(PortId, Address, usize) -> Result<(), E>,
    ) -> Result<(), RestoreError<E>> {
        let record = self.read(json).map_err(RestoreError::Command)?;
        for port in list(&record, "ports").map_err(RestoreError::Command)? {
            let (id, address, worker) = self.read_port(port).map_err(RestoreError::Command)?;
            open(id, address, worker).map_err(RestoreError::Open)?;
        }
        self.restore_record(&record, now).map_err(RestoreError::Command)
    }

    fn read(&self, json: &str) -> Command<Value> {
        let record: Value = serde_json::from_str(json).map_err(|error| CommandError::Value(format!("snapshot: {error}")))?;
        match record.get("version") {
            Some(version) if version.as_u64() == Some(VERSION) => Ok(record),
            Some(Value::String(text)) => Err(CommandError::Value(format!("snapshot version '{text}'"))),
            None | Some(Value::Null) => Err(CommandError::Value("snapshot version None".to_owned())),
            Some(other) => Err(CommandError::Value(format!("snapshot version {other}"))),
        }
    }

    /// A port of an engine with more workers finds another one here; what shared a worker still does.
    fn read_port(&self, port: &Value) -> Command<(PortId, Address, usize)> {
        let worker = port.get("worker").and_then(Value::as_u64).unwrap_or(0) as usize % self.workers().max(1);
        Ok((number(port, "id")?, address(field(port, "address")?)?, worker))
    }

    fn restore_record(&self, record: &Value, now: f64) -> Command<()> {
        let transports = list(record, "transports")?;
        for transport in transports {
            self.restore_transport(transport, now)?;
        }
        for transport in transports {
            if let Some(target) = transport.get("forward").and_then(Value::as_u64) {
                self.forward(number(transport, "id")?, Some(target))?;
            }
        }
        for stream in list(record, "streams")? {
            self.restore_stream(stream, now)?;
        }
        for route in list(record, "routes")? {
            self.route(read_route(route)?)?;
        }
        Ok(())
    }

    fn restore_transport(&self, record: &Value, now: f64) -> Command<()> {
        let mut credentials = Vec::new();
        for pair in record.get("ice").and_then(Value::as_array).into_iter().flatten() {
            credentials.push(IceCredentials { ufrag: text(at(pair, 0)?)?, password: text(at(pair, 1)?)? });
        }
        let spec = read_transport(record, credentials.first().cloned())?;
        let id = spec.id;
        self.add_transport(spec, now)?;
        for pending in credentials.into_iter().skip(1) {
            self.restart_ice(id, pending)?;
        }
        let worker = self.worker_of(id)?;
        let mut plane = self.lock(worker);
        plane.transport_mut(id)?.muxed = flag(record, "muxed")?;
        restore_keys(&mut plane, record, id, now)?;
        restore_reach(&mut plane, record, id, now)
    }

    fn restore_stream(&self, record: &Value, now: f64) -> Command<()> {
        let spec = read_stream(record)?;
        let (id, transport_id) = (spec.id, spec.transport);
        self.add_stream(spec)?;
        let worker = self.worker_of(transport_id)?;
        restore_sending(&mut self.lock(worker), record, id, now)
    }
}

// --- transports

fn read_transport(record: &Value, ice: Option<IceCredentials>) -> Command<TransportSpec> {
    Ok(TransportSpec {
        id: number(record, "id")?,
        ports: list(record, "ports")?.iter().map(whole).collect::<Command<_>>()?,
        rtcp_port: record.get("rtcp_port").and_then(Value::as_u64),
        ice,
        secured: flag(record, "secured")?,
        latch: latch(field(record, "latch")?)?,
        own: flag(record, "own")?,
        shared: record.get("shared").and_then(Value::as_bool).unwrap_or(false),
        raw: flag(record, "raw")?,
        tos: small(number(record, "tos")?)?,
        latch_window_s: seconds(field(record, "latch_window_s")?)?,
        learn_s: seconds(field(record, "learn_s")?)?,
        consent_timeout_s: seconds(field(record, "consent_timeout_s")?)?,
        max_addresses: number(record, "max_addresses")? as usize,
        max_ssrcs: number(record, "max_ssrcs")? as usize,
    })
}

fn restore_keys(plane: &mut Plane, record: &Value, id: u64, now: f64) -> Command<()> {
    for (keys, indices, parked) in [("receive_keys", "indices", false), ("parked_receive_keys", "parked_indices", true)] {
        let known = &record[keys];
        if known.is_null() {
            continue;
        }
        let indices = numbers(field(record, indices)?)?;
        plane.transport_mut(id)?.retired.extend(indices.iter().copied());
        let used: Vec<_> = indices.into_iter().filter(|(_, index)| *index >= 0).collect();
        plane.set_keys(id, Way::Receive, Some(read_keys(known)?), &used, now)?;
        if parked {
            plane.set_keys(id, Way::Receive, None, &[], now)?;
        }
        break;
    }
    let (present, parked) = (&record["send_keys"], &record["parked_send_keys"]);
    let known = if present.is_null() { parked } else { present };
    if !known.is_null() {
        plane.set_keys(id, Way::Send, Some(read_keys(known)?), &[], now)?;
        if present.is_null() {
            plane.set_keys(id, Way::Send, None, &[], now)?;
        }
    }
    let rtcp = &record["rtcp_keys"];
    if !rtcp.is_null() {
        for pair in list(rtcp, "keys")? {
            plane.set_rtcp_keys(id, way(at(pair, 0)?)?, Some(read_keys(at(pair, 1)?)?), now)?;
        }
        let keys = plane.transport_mut(id)?.rtcp_keys.get_or_insert_default();
        for (place, name) in [(&mut keys.own, "own"), (&mut keys.keyed, "keyed")] {
            *place = Default::default();
            for known in list(rtcp, name)? {
                place.set(way(known)?, true);
            }
        }
    }
    Ok(())
}

fn restore_reach(plane: &mut Plane, record: &Value, id: u64, now: f64) -> Command<()> {
    let key = plane.transport_key(id)?;
    let transport = plane.transport_mut(id)?;
    let (has_ice, has_plain) = (transport.ice.is_some(), transport.plain.is_some());
    let is_raw = transport.spec.raw;
    if has_ice && flag(record, "speaks_ice")? {
        for (is_control, path) in [(false, &record["paths"][0]), (true, &record["paths"][1])] {
            if !path.is_null() {
                let path = read_path(plane, path)?;
                plane.learn(key, is_control, path, true, now);
            }
        }
        if let Some(announced) = record.get("announced").filter(|announced| !announced.is_null()) {
            plane.announce(id, Some(address(at(announced, 1)?)?), now)?;
        }
    } else if has_ice && has_plain {
        plane.speak_plain(id)?;
        if let Some(ice) = &mut plane.transport_mut(id)?.ice {
            ice.returning = flag(record, "returning")?;
        }
    }
    if has_plain {
        let latching = list(record, "latching")?;
        let main = latching.first().map(read_latching).transpose()?;
        let side = latching.get(1).map(read_latching).transpose()?;
        if let Some(plain) = &mut plane.transport_mut(id)?.plain {
            main.iter().for_each(|main| plain.main.restore(main, now));
            side.iter().for_each(|side| plain.side.restore(side, now));
        }
        if !is_raw {
            plane.point(id)?;
        }
    }
    Ok(())
}

fn read_path(plane: &Plane, path: &Value) -> Command<Path> {
    Ok((plane.ports.find(whole(at(path, 0)?)?)?, address(at(path, 1)?)?))
}

fn read_latching(record: &Value) -> Command<LatchingRecord> {
    let place = |index: usize| -> Command<Option<Address>> {
        let value = at(record, index)?;
        if value.is_null() {
            Ok(None)
        } else {
            address(value).map(Some)
        }
    };
    let truth = |index: usize| at(record, index)?.as_bool().ok_or_else(broken);
    Ok(LatchingRecord {
        announced: place(0)?,
        remote: place(1)?,
        latch: latch(at(record, 2)?)?,
        learned: truth(3)?,
        latched: truth(4)?,
        told: truth(5)?,
        learns_left: seconds(at(record, 6)?)?,
        window_left: seconds(at(record, 7)?)?,
        best: small(whole(at(record, 8)?)?)?,
    })
}

// --- streams and routes

fn read_stream(record: &Value) -> Command<StreamSpec> {
    let mut clock_rates = Vec::new();
    for pair in list(record, "clock_rates")? {
        clock_rates.push((small(whole(at(pair, 0)?)?)?, ssrc(whole(at(pair, 1)?)?)?));
    }
    Ok(StreamSpec {
        id: number(record, "id")?,
        transport: number(record, "transport")?,
        kind: text(field(record, "kind")?)?,
        send_ssrc: ssrc(number(record, "send_ssrc")?)?,
        clock_rates,
        mid: text(field(record, "mid")?)?,
        mid_extension: small(number(record, "mid_extension")?)?,
        audio_level_extension: small(number(record, "audio_level_extension")?)?,
        ssrcs: list(record, "ssrcs")?.iter().map(|known| ssrc(whole(known)?)).collect::<Command<_>>()?,
        silence_s: seconds(field(record, "silence_s")?)?,
        keep: number(record, "keep")? as usize,
    })
}

fn restore_sending(plane: &mut Plane, record: &Value, id: u64, now: f64) -> Command<()> {
    let key = plane.stream_key(id)?;
    let Some(stream) = plane.streams.get_mut(key) else {
        return Err(broken());
    };
    let Some(transport) = plane.transports.get_mut(stream.transport) else {
        return Err(broken());
    };
    let (transport_key, sending) = (transport.key, &mut stream.sending);
    let since = record["since_sent"].as_f64();
    // Python's may have run over while it was away.
    (sending.last_timestamp, sending.clock) = (number(record, "last_timestamp")? as u32, ssrc(number(record, "send_clock")?)?);
    if transport.has_keyed() {
        sending.ssrc = plane.random.bits(32);
        if let Some(since) = since {
            let ticks = (since * f64::from(sending.clock)).round_ties_even() as i64; // the clock went on while we were away
            sending.last_timestamp = sending.last_timestamp.wrapping_add(ticks as u32);
        }
    } else {
        sending.next_sequence = field(record, "next_sequence")?.as_i64().ok_or_else(broken)?;
        sending.last_sequence = sending.next_sequence - 1;
        if let Some(since) = since {
            sending.last_sent = now - since;
            (sending.packets, sending.bytes) = (whole(&record["sent"][0])?, whole(&record["sent"][1])?);
        }
    }
    if transport.receiver.is_some() {
        for source in list(record, "sources")? {
            let (ssrc, highest) = (ssrc(whole(at(source, 0)?)?)?, at(source, 1)?.as_i64().ok_or_else(broken)?);
            let payload_type = at(source, 2)?.as_i64().and_then(|known| u8::try_from(known).ok()).unwrap_or(u8::MAX);
            if let Some(transport) = plane.transports.get_mut(transport_key) {
                transport.retired.remove(&ssrc);
            }
            let index = plane.add_source(transport_key, key, ssrc, highest as u16, 0, payload_type, now);
            let transport = plane.transports.get_mut(transport_key);
            if let Some(source) = transport.zip(index).and_then(|(transport, index)| transport.sources.get_mut(index)) {
                source.reception.resume(highest);
            }
        }
    }
    Ok(())
}

fn read_route(record: &Value) -> Command<Route> {
    let pairs = |name: &str| -> Command<Vec<(u8, u8)>> {
        list(record, name)?.iter().map(|pair| Ok((small(whole(at(pair, 0)?)?)?, small(whole(at(pair, 1)?)?)?))).collect()
    };
    let values = |name: &str| -> Command<Vec<(u8, Vec<u8>)>> {
        list(record, name)?.iter().map(|pair| Ok((small(whole(at(pair, 0)?)?)?, octets(at(pair, 1)?)?))).collect()
    };
    Ok(Route {
        source: number(record, "source")?,
        target: number(record, "target")?,
        payload_types: pairs("payload_types")?,
        telephone_events: list(record, "telephone_events")?.iter().map(|known| small(whole(known)?)).collect::<Command<_>>()?,
        extensions: pairs("extensions")?,
        constant_extensions: values("constant_extensions")?,
        silence: values("silence")?,
        enabled: flag(record, "enabled")?,
    })
}

// --- values

fn broken() -> CommandError {
    CommandError::Value("snapshot: broken".to_owned())
}

fn field<'a>(record: &'a Value, name: &str) -> Command<&'a Value> {
    record.get(name).ok_or_else(|| CommandError::Value(format!("snapshot: no {name}")))
}

fn at(record: &Value, index: usize) -> Command<&Value> {
    record.get(index).ok_or_else(broken)
}

fn list<'a>(record: &'a Value, name: &str) -> Command<&'a Vec<Value>> {
    field(record, name)?.as_array().ok_or_else(broken)
}

fn whole(value: &Value) -> Command<u64> {
    value.as_u64().ok_or_else(broken)
}

fn number(record: &Value, name: &str) -> Command<u64> {
    whole(field(record, name)?)
}

fn small(value: u64) -> Command<u8> {
    u8::try_from(value).map_err(|_| broken())
}

fn ssrc(value: u64) -> Command<u32> {
    u32::try_from(value).map_err(|_| broken())
}

fn flag(record: &Value, name: &str) -> Command<bool> {
    field(record, name)?.as_bool().ok_or_else(broken)
}

fn seconds(value: &Value) -> Command<f64> {
    value.as_f64().ok_or_else(broken)
}

fn text(value: &Value) -> Command<String> {
    value.as_str().map(str::to_owned).ok_or_else(broken)
}

fn octets(value: &Value) -> Command<Vec<u8>> {
    let digits = value.as_str().ok_or_else(broken)?.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if digits.len() % 2 != 0 {
        return Err(broken());
    }
    digits.chunks(2).map(pair).collect::<Option<_>>().ok_or_else(broken)
}

fn address(value: &Value) -> Command<Address> {
    let host = at(value, 0)?.as_str().and_then(|host| host.split('%').next()?.parse::<IpAddr>().ok()).ok_or_else(broken)?;
    let port = u16::try_from(whole(at(value, 1)?)?).map_err(|_| broken())?;
    Ok(Address::new(host, port))
}

fn latch(value: &Value) -> Command<Latch> {
    LATCHES.iter().find(|(_, name)| value.as_str() == Some(name)).map(|(latch, _)| *latch).ok_or_else(broken)
}

fn way(value: &Value) -> Command<Way> {
    WAY_NAMES.iter().find(|(_, name)| value.as_str() == Some(name)).map(|(way, _)| *way).ok_or_else(broken)
}

fn numbers(value: &Value) -> Command<Vec<(u32, i64)>> {
    let pairs = value.as_object().ok_or_else(broken)?.iter();
    pairs.map(|(ssrc, index)| Ok((ssrc.parse().map_err(|_| broken())?, index.as_i64().ok_or_else(broken)?))).collect()
}

fn read_keys(record: &Value) -> Command<Keys> {
    let profile = field(record, "profile")?.as_str().and_then(Profile::by_name).ok_or_else(broken)?;
    let part = |name: &str| octets(field(record, name)?);
    Ok(Keys { profile, key: part("key")?, salt: part("salt")?, mki: part("mki")? })
}
