//! What commands say: the contract of `boringsdp/relay/engine.py` in Rust. That file explains every field.

use crate::address::Address;

pub type PortId = u64;
pub type TransportId = u64;
pub type StreamId = u64;

#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    pub ufrag: String,
    pub password: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latch {
    Strict,
    Once,
    Follow,
    Delayed,
    Heuristic,
    Asymmetric,
}

#[derive(Clone)]
pub struct TransportSpec {
    pub id: TransportId,
    pub ports: Vec<PortId>,
    pub rtcp_port: Option<PortId>,
    pub ice: Option<IceCredentials>,
    pub secured: bool,
    pub latch: Latch,
    pub own: bool,
    pub shared: bool,
    pub raw: bool,
    pub tos: u8,
    pub latch_window_s: f64,
    pub learn_s: f64,
    pub consent_timeout_s: f64,
    pub max_addresses: usize,
    pub max_ssrcs: usize,
}

#[derive(Clone)]
pub struct StreamSpec {
    pub id: StreamId,
    pub transport: TransportId,
    pub kind: String,
    pub send_ssrc: u32,
    /// In the order of the Python mapping.
    pub clock_rates: Vec<(u8, u32)>,
    pub mid: String,
    pub mid_extension: u8,
    pub audio_level_extension: u8,
    pub ssrcs: Vec<u32>,
    pub silence_s: f64,
    pub keep: usize,
}

#[derive(Clone)]
pub struct Route {
    pub source: StreamId,
    pub target: StreamId,
    pub payload_types: Vec<(u8, u8)>,
    pub telephone_events: Vec<u8>,
    pub extensions: Vec<(u8, u8)>,
    pub constant_extensions: Vec<(u8, Vec<u8>)>,
    pub silence: Vec<(u8, Vec<u8>)>,
    pub enabled: bool,
}

/// Where a peer announced itself (`set_remote`).
#[derive(Clone, Copy, Debug)]
pub struct Remote {
    pub rtp: Option<Address>,
    pub rtcp: Option<Address>,
    pub latch: Latch,
}
