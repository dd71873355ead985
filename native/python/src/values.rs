//! Plain Python values to Rust and back. Specifications are read from any object with the attributes of the contract's dataclasses.

use std::net::IpAddr;

use boringsdp_core::address::Address;
use boringsdp_core::error::CommandError;
use boringsdp_core::keys::{Keys, Profile, Way};
use boringsdp_core::spec::{IceCredentials, Latch, Route, StreamSpec, TransportSpec};
use boringsdp_core::statistics::{EngineStatistics, PortStatistics, StreamStatistics, TransportStatistics};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::state::Refusal;

pyo3::import_exception!(boringsdp.errors, WrongState);
pyo3::import_exception!(boringsdp.errors, Exhausted);
pyo3::import_exception!(boringsdp.errors, ConfigError);

// --- errors

pub fn command_error(error: CommandError) -> PyErr {
    match error {
        CommandError::WrongState { state, wanted } => WrongState::new_err((state, wanted)),
        CommandError::Exhausted(what) => Exhausted::new_err(what),
        CommandError::Value(text) => PyValueError::new_err(text),
    }
}

pub fn refusal(error: Refusal) -> PyErr {
    match error {
        Refusal::Command(error) => command_error(error),
        Refusal::System(error) => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default().to_owned();
            PyOSError::new_err((error.raw_os_error(), text))
        }
    }
}

// --- addresses

/// A host and a port.
pub type Place<'py> = (Bound<'py, PyString>, i64);

/// The address of a peer. Raises `WrongState` for names, since looking one up would stop every call.
pub fn peer(place: &Place<'_>) -> PyResult<Address> {
    let (host, port) = place;
    let Ok(ip) = host.to_cow()?.parse::<IpAddr>() else {
        return Err(WrongState::new_err((format!("address {}", host.repr()?), "a numeric address")));
    };
    match u16::try_from(*port) {
        Ok(port) if port > 0 => Ok(Address::new(ip, port)),
        _ => Err(WrongState::new_err((format!("port {port}"), "a port between 1 and 65535"))),
    }
}

/// The address of a port to open; 0 is any. Raises OSError.
pub fn own(host: &str, port: i64) -> PyResult<Address> {
    let ip = host.parse::<IpAddr>().map_err(|_| PyOSError::new_err((libc::EADDRNOTAVAIL, format!("not a numeric address: {host}"))))?;
    let port = u16::try_from(port).map_err(|_| PyOSError::new_err((libc::EINVAL, format!("port {port}"))))?;
    Ok(Address::new(ip, port))
}

pub fn place(address: Address) -> (String, u16) {
    (address.ip().to_string(), address.port())
}

// --- specifications

/// The `value` of an enum's member.
struct Named(String);

impl<'py> FromPyObject<'_, 'py> for Named {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(object.getattr(pyo3::intern!(object.py(), "value"))?.extract()?))
    }
}

pub fn latch(name: &str) -> PyResult<Latch> {
    Ok(match name {
        "strict" => Latch::Strict,
        "once" => Latch::Once,
        "follow" => Latch::Follow,
        "delayed" => Latch::Delayed,
        "heuristic" => Latch::Heuristic,
        "asymmetric" => Latch::Asymmetric,
        other => return Err(PyValueError::new_err(format!("latch {other:?}"))),
    })
}

pub fn way(name: &str) -> PyResult<Way> {
    match name {
        "receive" => Ok(Way::Receive),
        "send" => Ok(Way::Send),
        other => Err(PyValueError::new_err(format!("way {other:?}"))),
    }
}

/// IPv4 TOS or IPv6 traffic class.
pub fn tos(value: i64) -> PyResult<u8> {
    u8::try_from(value).map_err(|_| WrongState::new_err((format!("TOS {value}"), "0 to 255")))
}

/// The pairs of a mapping, in its order.
struct Pairs<K, V>(Vec<(K, V)>);

impl<'py, K, V> FromPyObject<'_, 'py> for Pairs<K, V>
where
    K: for<'a> FromPyObject<'a, 'py>,
    V: for<'a> FromPyObject<'a, 'py>,
{
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(dict) = object.cast::<PyDict>() {
            let pairs = dict.iter().map(|(key, value)| Ok((key.extract().map_err(Into::into)?, value.extract().map_err(Into::into)?)));
            return Ok(Self(pairs.collect::<PyResult<_>>()?));
        }
        let items = object.call_method0(pyo3::intern!(object.py(), "items"))?;
        let pairs = items.try_iter()?.map(|item| item?.extract::<(K, V)>());
        Ok(Self(pairs.collect::<PyResult<_>>()?))
    }
}

/// The members of a set, in ascending order.
struct Members<T>(Vec<T>);

impl<'py, T: Ord + for<'a> FromPyObject<'a, 'py>> FromPyObject<'_, 'py> for Members<T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let members = object.try_iter()?.map(|member| member?.extract().map_err(Into::into));
        let mut members = members.collect::<PyResult<Vec<T>>>()?;
        members.sort_unstable();
        Ok(Self(members))
    }
}

/// A number that a peer may have chosen: what does not fit names nothing that a packet can have.
fn small(number: i64) -> Option<u8> {
    u8::try_from(number).ok()
}

/// Pairs whose first is looked for in packets and whose second is written into them, the way Python does: its low octet.
fn translations(pairs: Pairs<i64, i64>) -> Vec<(u8, u8)> {
    pairs.0.into_iter().filter_map(|(from, to)| Some((small(from)?, to as u8))).collect()
}

#[derive(FromPyObject)]
pub struct PyIce {
    ufrag: String,
    password: String,
}

impl From<PyIce> for IceCredentials {
    fn from(ice: PyIce) -> Self {
        Self { ufrag: ice.ufrag, password: ice.password }
    }
}

#[derive(FromPyObject)]
pub struct PyTransportSpec {
    id: u64,
    ports: Vec<u64>,
    rtcp_port: Option<u64>,
    ice: Option<PyIce>,
    secured: bool,
    latch: Named,
    own: bool,
    shared: bool,
    raw: bool,
    tos: i64,
    latch_window_s: f64,
    learn_s: f64,
    consent_timeout_s: f64,
    max_addresses: usize,
    max_ssrcs: usize,
}

impl TryFrom<PyTransportSpec> for TransportSpec {
    type Error = PyErr;

    fn try_from(spec: PyTransportSpec) -> PyResult<Self> {
        Ok(Self {
            id: spec.id,
            ports: spec.ports,
            rtcp_port: spec.rtcp_port,
            ice: spec.ice.map(Into::into),
            secured: spec.secured,
            latch: latch(&spec.latch.0)?,
            own: spec.own,
            shared: spec.shared,
            raw: spec.raw,
            tos: tos(spec.tos)?,
            latch_window_s: spec.latch_window_s,
            learn_s: spec.learn_s,
            consent_timeout_s: spec.consent_timeout_s,
            max_addresses: spec.max_addresses,
            max_ssrcs: spec.max_ssrcs,
        })
    }
}

#[derive(FromPyObject)]
pub struct PyStreamSpec {
    id: u64,
    transport: u64,
    kind: String,
    send_ssrc: u32,
    clock_rates: Pairs<i64, i64>,
    mid: String,
    mid_extension: i64,
    audio_level_extension: i64,
    ssrcs: Members<i64>,
    silence_s: f64,
    keep: usize,
}

impl From<PyStreamSpec> for StreamSpec {
    fn from(spec: PyStreamSpec) -> Self {
        Self {
            id: spec.id,
            transport: spec.transport,
            kind: spec.kind,
            send_ssrc: spec.send_ssrc,
            clock_rates: spec
                .clock_rates
                .0
                .into_iter()
                .filter_map(|(number, hz)| Some((small(number)?, u32::try_from(hz).ok()?)))
                .collect(),
            mid: spec.mid,
            mid_extension: small(spec.mid_extension).unwrap_or_default(),
            audio_level_extension: small(spec.audio_level_extension).unwrap_or_default(),
            ssrcs: spec.ssrcs.0.into_iter().filter_map(|ssrc| u32::try_from(ssrc).ok()).collect(),
            silence_s: spec.silence_s,
            keep: spec.keep,
        }
    }
}

/// Octets, which a list of numbers is not.
struct Octets(Vec<u8>);

impl<'py> FromPyObject<'_, 'py> for Octets {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(object.cast::<PyBytes>()?.as_bytes().to_vec()))
    }
}

#[derive(FromPyObject)]
pub struct PyRoute {
    source: u64,
    target: u64,
    payload_types: Pairs<i64, i64>,
    telephone_events: Members<i64>,
    extensions: Pairs<i64, i64>,
    constant_extensions: Pairs<i64, Octets>,
    silence: Pairs<i64, Octets>,
    enabled: bool,
}

impl From<PyRoute> for Route {
    fn from(route: PyRoute) -> Self {
        let octets = |pairs: Pairs<i64, Octets>| pairs.0.into_iter().map(|(number, octets)| (number as u8, octets.0)).collect();
        Self {
            source: route.source,
            target: route.target,
            payload_types: translations(route.payload_types),
            telephone_events: route.telephone_events.0.into_iter().filter_map(small).collect(),
            extensions: translations(route.extensions),
            constant_extensions: octets(route.constant_extensions),
            silence: octets(route.silence),
            enabled: route.enabled,
        }
    }
}

#[derive(FromPyObject)]
pub struct PyKeys {
    profile: Named,
    key: Octets,
    salt: Octets,
    mki: Octets,
}

impl TryFrom<PyKeys> for Keys {
    type Error = PyErr;

    fn try_from(keys: PyKeys) -> PyResult<Self> {
        let profile = Profile::by_name(&keys.profile.0).ok_or_else(|| PyValueError::new_err(format!("profile {:?}", keys.profile.0)))?;
        Ok(Self { profile, key: keys.key.0, salt: keys.salt.0, mki: keys.mki.0 })
    }
}

/// Last packet indices by SSRC.
pub fn rollover(mapping: &Bound<'_, PyAny>) -> PyResult<Vec<(u32, i64)>> {
    Ok(mapping.extract::<Pairs<u32, i64>>()?.0)
}

// --- statistics, as tuples in the order of the dataclasses' fields

pub fn port_statistics<'py>(py: Python<'py>, port: &PortStatistics) -> PyResult<Bound<'py, PyTuple>> {
    let counts = (port.packets_received, port.bytes_received, port.packets_sent, port.bytes_sent);
    (port.remote.map(place), port.announced.map(place), port.learned, port.last_arrival, counts.0, counts.1, counts.2, counts.3)
        .into_pyobject(py)
}

pub fn transport_statistics<'py>(py: Python<'py>, transport: &TransportStatistics) -> PyResult<Bound<'py, PyTuple>> {
    (
        transport.remote.map(place),
        transport.rtcp_remote.map(place),
        transport.packets_received,
        transport.bytes_received,
        transport.packets_sent,
        transport.bytes_sent,
        drops(py, &transport.drops)?,
        port_statistics(py, &transport.rtp)?,
        port_statistics(py, &transport.rtcp)?,
    )
        .into_pyobject(py)
}

/// (received, sent, route), each a tuple.
pub fn stream_statistics<'py>(py: Python<'py>, stream: &StreamStatistics) -> PyResult<Bound<'py, PyTuple>> {
    let (r, s) = (&stream.received, &stream.sent);
    let mut received = Vec::with_capacity(15);
    for count in [u64::from(r.ssrc), r.packets, r.bytes] {
        received.push(count.into_pyobject(py)?.into_any());
    }
    received.push(r.lost.into_pyobject(py)?.into_any());
    for count in [r.duplicates, r.reordered, r.jitter, u64::from(r.clock_rate)] {
        received.push(count.into_pyobject(py)?.into_any());
    }
    received.push(r.payload_type.into_pyobject(py)?.into_any());
    for count in [r.highest_sequence, r.last_timestamp, r.base_sequence] {
        received.push(count.into_pyobject(py)?.into_any());
    }
    received.push(r.ssrc_packets.into_pyobject(py)?.into_any());
    received.push(r.last_arrival.into_pyobject(py)?.into_any());
    received.push(r.level_dbov.into_pyobject(py)?.into_any());
    let sent = (s.ssrc, s.packets, s.bytes, s.last_timestamp, s.last_sent, s.last_sequence, s.clock_rate);
    let route = stream.route.as_ref().map(|route| (route.source, route.source_ssrc, route.sequence_offset, route.timestamp_offset));
    (PyTuple::new(py, received)?, sent, route).into_pyobject(py)
}

/// (streams, transports, drops), the first two by id.
pub fn engine_statistics<'py>(py: Python<'py>, engine: &EngineStatistics) -> PyResult<Bound<'py, PyTuple>> {
    let (streams, transports) = (PyDict::new(py), PyDict::new(py));
    for (id, stream) in &engine.streams {
        streams.set_item(id, stream_statistics(py, stream)?)?;
    }
    for (id, transport) in &engine.transports {
        transports.set_item(id, transport_statistics(py, transport)?)?;
    }
    (streams, transports, drops(py, &engine.drops)?).into_pyobject(py)
}

fn drops<'py>(py: Python<'py>, drops: &[(&'static str, u64)]) -> PyResult<Bound<'py, PyDict>> {
    let counts = PyDict::new(py);
    for (reason, count) in drops {
        counts.set_item(PyString::intern(py, reason), count)?;
    }
    Ok(counts)
}
