//! Events as tuples: which one, then its fields in the order of the contract's dataclass.

use boringsdp_core::event::Event;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::values::place;

/// The names of the events by number, for the adapter to look its classes up.
pub const NAMES: [&str; 12] = [
    "PathSelected",
    "RtcpPathSelected",
    "ConsentLost",
    "IceRestarted",
    "DtlsReceived",
    "RtcpReceived",
    "TelephoneEventReceived",
    "SsrcSeen",
    "MediaReceiving",
    "AuthFailures",
    "NotKept",
    "TransportFailed",
];

/// (number, field, …)
pub fn write<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyTuple>> {
    match event {
        Event::PathSelected { transport, remote } => (0, transport, place(*remote)).into_pyobject(py),
        Event::RtcpPathSelected { transport, remote } => (1, transport, place(*remote)).into_pyobject(py),
        Event::ConsentLost { transport } => (2, transport).into_pyobject(py),
        Event::IceRestarted { transport } => (3, transport).into_pyobject(py),
        Event::DtlsReceived { transport, data, rtcp, source } => {
            (4, transport, PyBytes::new(py, data), rtcp, source.map(place)).into_pyobject(py)
        }
        Event::RtcpReceived { transport, data, at } => (5, transport, PyBytes::new(py, data), at).into_pyobject(py),
        Event::TelephoneEventReceived { stream, ssrc, timestamp, payload_type, event, end, volume, duration, at } => {
            (6, stream, ssrc, timestamp, payload_type, event, end, volume, duration, at).into_pyobject(py)
        }
        Event::SsrcSeen { stream, ssrc, payload_type } => (7, stream, ssrc, payload_type).into_pyobject(py),
        Event::MediaReceiving { stream, receiving } => (8, stream, receiving).into_pyobject(py),
        Event::AuthFailures { transport, count } => (9, transport, count).into_pyobject(py),
        Event::NotKept { stream, sequences } => (10, stream, PyTuple::new(py, sequences)?).into_pyobject(py),
        Event::TransportFailed { transport } => (11, transport).into_pyobject(py),
    }
}
