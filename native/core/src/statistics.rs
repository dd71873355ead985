//! Figures read by commands: the statistics of `boringsdp/relay/engine.py`, field for field.

use crate::address::Address;
use crate::spec::{StreamId, TransportId};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiveStatistics {
    pub ssrc: u32,
    pub packets: u64,
    pub bytes: u64,
    pub lost: i64,
    pub duplicates: u64,
    pub reordered: u64,
    pub jitter: u64,
    pub clock_rate: u32,
    pub payload_type: i32,
    pub highest_sequence: u32,
    pub last_timestamp: u32,
    pub base_sequence: u32,
    pub ssrc_packets: i64,
    pub last_arrival: f64,
    pub level_dbov: Option<i32>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SendStatistics {
    pub ssrc: u32,
    pub packets: u64,
    pub bytes: u64,
    pub last_timestamp: u32,
    pub last_sent: f64,
    pub last_sequence: u16,
    pub clock_rate: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RouteState {
    pub source: StreamId,
    pub source_ssrc: u32,
    pub sequence_offset: u16,
    pub timestamp_offset: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StreamStatistics {
    pub received: ReceiveStatistics,
    pub sent: SendStatistics,
    pub route: Option<RouteState>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PortStatistics {
    pub remote: Option<Address>,
    pub announced: Option<Address>,
    pub learned: bool,
    pub last_arrival: f64,
    pub packets_received: u64,
    pub bytes_received: u64,
    pub packets_sent: u64,
    pub bytes_sent: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransportStatistics {
    pub remote: Option<Address>,
    pub rtcp_remote: Option<Address>,
    pub packets_received: u64,
    pub bytes_received: u64,
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub drops: Vec<(&'static str, u64)>,
    pub rtp: PortStatistics,
    pub rtcp: PortStatistics,
}

/// Everything at once; `drops` counts what belonged to no transport.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineStatistics {
    pub streams: Vec<(StreamId, StreamStatistics)>,
    pub transports: Vec<(TransportId, TransportStatistics)>,
    pub drops: Vec<(&'static str, u64)>,
}
