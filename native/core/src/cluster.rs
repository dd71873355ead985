//! The planes of all workers, and the commands that find the right one.
#![allow(unused_variables, dead_code)]

use std::sync::Mutex;

use crate::address::Address;
use crate::error::{Command, CommandError};
use crate::event::Event;
use crate::keys::{Keys, Way};
use crate::outbox::{Outbox, PortKey};
use crate::plane::Plane;
use crate::random::Randomness;
use crate::spec::{IceCredentials, PortId, Remote, Route, StreamId, StreamSpec, TransportId, TransportSpec};
use crate::statistics::{EngineStatistics, StreamStatistics, TransportStatistics};

/// Why a snapshot was not taken up: it is refused, or a port could not be opened.
#[derive(Debug)]
pub enum RestoreError<E> {
    Command(CommandError),
    Open(E),
}

/// All planes. Commands may come from any thread; each takes the lock of the planes it concerns, for as long as it takes to change a few
/// fields.
pub struct Cluster {
    planes: Vec<Mutex<Plane>>,
    max_transports: usize,
}

impl Cluster {
    /// `randomness` makes each worker's source of random numbers.
    pub fn new(workers: usize, randomness: &mut dyn FnMut(usize) -> Box<dyn Randomness>, max_transports: usize) -> Self {
        Self { planes: (0..workers).map(|worker| Mutex::new(Plane::new(worker, randomness(worker)))).collect(), max_transports }
    }

    pub fn workers(&self) -> usize {
        self.planes.len()
    }

    /// The plane of a worker, for its own loop. Hold the lock for the user-space part of one batch only.
    pub fn plane(&self, worker: usize) -> &Mutex<Plane> {
        &self.planes[worker]
    }

    /// Append what every plane has to report to `events`.
    pub fn take_events(&self, events: &mut Vec<Event>) {
        todo!()
    }

    // --- ports

    /// Take a bound port up for `worker`; the key names it in datagrams and outboxes of that worker alone.
    pub fn open_port(&self, port: PortId, address: Address, worker: usize) -> Command<PortKey> {
        todo!()
    }

    /// Which worker and key a port had. The key may be given out again by the next `open_port`.
    pub fn close_port(&self, port: PortId) -> Command<(usize, PortKey)> {
        todo!()
    }

    pub fn find_port(&self, port: PortId) -> Option<(usize, PortKey)> {
        todo!()
    }

    // --- transports

    pub fn add_transport(&self, spec: TransportSpec, now: f64) -> Command<()> {
        todo!()
    }

    pub fn remove_transport(&self, transport: TransportId) -> Command<()> {
        todo!()
    }

    pub fn restart_ice(&self, transport: TransportId, credentials: IceCredentials) -> Command<()> {
        todo!()
    }

    pub fn set_remote(&self, transport: TransportId, remote: Remote, now: f64) -> Command<()> {
        todo!()
    }

    pub fn mux_rtcp(&self, transport: TransportId, muxed: bool) -> Command<()> {
        todo!()
    }

    /// `tos` is checked here: any integer may come.
    pub fn set_tos(&self, transport: TransportId, tos: i64) -> Command<()> {
        todo!()
    }

    pub fn set_keys(&self, transport: TransportId, way: Way, keys: Option<Keys>, rollover: &[(u32, i64)], now: f64) -> Command<()> {
        todo!()
    }

    pub fn set_rtcp_keys(&self, transport: TransportId, way: Way, keys: Option<Keys>, now: f64) -> Command<()> {
        todo!()
    }

    /// Both must be raw; they may be of different workers.
    pub fn forward(&self, source: TransportId, target: Option<TransportId>) -> Command<()> {
        todo!()
    }

    // --- streams and routes

    pub fn add_stream(&self, spec: StreamSpec) -> Command<()> {
        todo!()
    }

    pub fn remove_stream(&self, stream: StreamId) -> Command<()> {
        todo!()
    }

    pub fn route(&self, route: Route) -> Command<()> {
        todo!()
    }

    pub fn unroute(&self, source: StreamId, target: StreamId) -> Command<()> {
        todo!()
    }

    // --- sending: each returns the worker whose ports and transports the datagrams in `out` name

    pub fn send(&self, transport: TransportId, data: &[u8], rtcp: bool, to: Option<Address>, out: &mut Outbox) -> Command<usize> {
        todo!()
    }

    pub fn send_rtcp(&self, transport: TransportId, data: &[u8], out: &mut Outbox) -> Command<usize> {
        todo!()
    }

    /// `marker` and `same_timestamp` as in the contract.
    #[allow(clippy::too_many_arguments)]
    pub fn inject(
        &self,
        stream: StreamId,
        payload_type: u8,
        payload: &[u8],
        marker: bool,
        same_timestamp: bool,
        now: f64,
        out: &mut Outbox,
    ) -> Command<usize> {
        todo!()
    }

    pub fn resend(&self, stream: StreamId, sequences: &[u16], now: f64, out: &mut Outbox) -> Command<usize> {
        todo!()
    }

    // --- reading

    pub fn statistics(&self) -> EngineStatistics {
        todo!()
    }

    pub fn stream_statistics(&self, stream: StreamId) -> Command<StreamStatistics> {
        todo!()
    }

    pub fn transport_statistics(&self, transport: TransportId) -> Command<TransportStatistics> {
        todo!()
    }

    // --- snapshot

    /// The record of `boringsdp/relay/plane/snapshot.py` as JSON, with the `worker` of each port besides. It holds keys: a secret.
    pub fn snapshot(&self, now: f64) -> String {
        todo!()
    }

    /// Take up a snapshot. `open` binds a port again (id, address, worker) and takes it up by `open_port` of this cluster; no lock is held
    /// meanwhile.
    pub fn restore<E>(
        &self,
        json: &str,
        now: f64,
        open: &mut dyn FnMut(PortId, Address, usize) -> Result<(), E>,
    ) -> Result<(), RestoreError<E>> {
        todo!()
    }
}
