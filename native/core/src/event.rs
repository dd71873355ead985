//! News from the plane upwards: the events of `boringsdp/relay/engine.py`.

use crate::address::Address;
use crate::spec::{StreamId, TransportId};

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    PathSelected {
        transport: TransportId,
        remote: Address,
    },
    RtcpPathSelected {
        transport: TransportId,
        remote: Address,
    },
    ConsentLost {
        transport: TransportId,
    },
    IceRestarted {
        transport: TransportId,
    },
    DtlsReceived {
        transport: TransportId,
        data: Vec<u8>,
        rtcp: bool,
        source: Option<Address>,
    },
    RtcpReceived {
        transport: TransportId,
        data: Vec<u8>,
        at: f64,
    },
    TelephoneEventReceived {
        stream: StreamId,
        ssrc: u32,
        timestamp: u32,
        payload_type: u8,
        event: u8,
        end: bool,
        volume: u8,
        duration: u16,
        at: f64,
    },
    SsrcSeen {
        stream: StreamId,
        ssrc: u32,
        payload_type: u8,
    },
    MediaReceiving {
        stream: StreamId,
        receiving: bool,
    },
    AuthFailures {
        transport: TransportId,
        count: u64,
    },
    NotKept {
        stream: StreamId,
        sequences: Vec<u16>,
    },
    /// A defect of ours met in a packet of this transport, which carries nothing any more.
    TransportFailed {
        transport: TransportId,
    },
}
