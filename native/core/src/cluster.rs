//! The planes of all workers, and the commands that find the right one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::address::Address;
use crate::commands::{no_stream, no_transport, Elsewhere};
use crate::drops::{Drops, Reason};
use crate::error::{Command, CommandError};
use crate::event::Event;
use crate::handoff::Parcel;
use crate::keys::{Keys, Way};
use crate::outbox::{Outbox, PortKey};
use crate::plane::Plane;
use crate::random::Randomness;
use crate::reach::TransportRef;
use crate::rewrite::StreamRef;
use crate::spec::{IceCredentials, PortId, Remote, Route, StreamId, StreamSpec, TransportId, TransportSpec};
use crate::statistics::{EngineStatistics, StreamStatistics, TransportStatistics};
use crate::stream::{Injected, Link};

pub use crate::restore::RestoreError;

/// Transports that are read in one go while packets wait.
const READ_AT_ONCE: usize = 200;
/// How long a plane is left alone between two parts of a long reading: a lock taken again at once would not let the worker in.
const BREATH: Duration = Duration::from_micros(20);

/// All planes. Commands may come from any thread, one at a time; each takes the lock of the planes it concerns, one after the other, for as
/// long as it takes to change a few fields.
pub struct Cluster {
    planes: Vec<Mutex<Plane>>,
    max_transports: usize,
    /// Which worker has what. Held for the whole of each command, so that commands do not meet each other half done; never by a worker.
    directory: Mutex<Directory>,
}

#[derive(Default)]
pub(crate) struct Directory {
    ports: HashMap<PortId, usize, RandomState>,
    transports: HashMap<TransportId, Place, RandomState>,
    streams: HashMap<StreamId, Place, RandomState>,
    births: u64,
}

#[derive(Clone, Copy)]
struct Place {
    worker: usize,
    /// Later ones are higher.
    born: u64,
}

/// What there is and on which worker, in the order in which it was added.
pub(crate) struct InOrder {
    pub transports: Vec<(TransportId, usize)>,
    pub streams: Vec<(StreamId, usize)>,
}

fn in_order(places: &HashMap<u64, Place, RandomState>) -> Vec<(u64, usize)> {
    let mut all: Vec<_> = places.iter().collect();
    all.sort_unstable_by_key(|(_, place)| place.born);
    all.into_iter().map(|(id, place)| (*id, place.worker)).collect()
}

impl Directory {
    fn port(&self, id: PortId) -> Command<usize> {
        self.ports.get(&id).copied().ok_or_else(|| CommandError::wrong(format!("no port {id}"), "open_port"))
    }

    fn transport(&self, id: TransportId) -> Command<usize> {
        self.transports.get(&id).map(|place| place.worker).ok_or_else(|| no_transport(id))
    }

    fn stream(&self, id: StreamId) -> Command<usize> {
        self.streams.get(&id).map(|place| place.worker).ok_or_else(|| no_stream(id))
    }

    fn birth(&mut self, worker: usize) -> Place {
        self.births += 1;
        Place { worker, born: self.births }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Add the figures of a part of a plane's transports; true when there are more.
fn read_part(plane: &Plane, from: usize, total: &mut EngineStatistics) -> bool {
    let (transports, more) = plane.transports.part(from, READ_AT_ONCE);
    for transport in transports {
        total.transports.push((transport.spec.id, transport.statistics()));
        for (id, key) in &transport.streams {
            total.streams.extend(plane.streams.get(*key).map(|stream| (*id, stream.statistics(*key, transport.sources.iter()))));
        }
    }
    more
}

impl Cluster {
    /// `randomness` makes each worker's source of random numbers.
    pub fn new(workers: usize, randomness: &mut dyn FnMut(usize) -> Box<dyn Randomness>, max_transports: usize) -> Self {
        let planes = (0..workers).map(|worker| Mutex::new(Plane::new(worker, randomness(worker)))).collect();
        Self { planes, max_transports, directory: Mutex::default() }
    }

    pub fn workers(&self) -> usize {
        self.planes.len()
    }

    /// The plane of a worker, for its own loop. Hold the lock for the user-space part of one batch only.
    pub fn plane(&self, worker: usize) -> &Mutex<Plane> {
        &self.planes[worker]
    }

    pub(crate) fn lock(&self, worker: usize) -> MutexGuard<'_, Plane> {
        lock(&self.planes[worker])
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        lock(&self.directory)
    }

    pub(crate) fn worker_of(&self, transport: TransportId) -> Command<usize> {
        self.directory().transport(transport)
    }

    /// No command comes in while the guard is held.
    pub(crate) fn in_order(&self) -> (MutexGuard<'_, Directory>, InOrder) {
        let directory = self.directory();
        let all = InOrder { transports: in_order(&directory.transports), streams: in_order(&directory.streams) };
        (directory, all)
    }

    /// Read so many at a time, in order, with all planes at rest; packets have their turn in between.
    pub(crate) fn read_in_parts<T>(&self, all: &[T], most: usize, mut read: impl FnMut(&[MutexGuard<'_, Plane>], &T)) {
        for (number, part) in all.chunks(most).enumerate() {
            if number > 0 {
                sleep(BREATH);
            }
            let planes: Vec<_> = self.planes.iter().map(lock).collect();
            part.iter().for_each(|one| read(&planes, one));
        }
    }

    /// Do what a command left to do on any worker.
    fn finish(&self, elsewhere: Elsewhere) {
        let mut nothing = Outbox::new(); // none of these sends
        for (worker, parcel) in elsewhere {
            self.lock(worker).accept(parcel, &mut nothing);
        }
    }

    /// Append what every plane has to report to `events`.
    pub fn take_events(&self, events: &mut Vec<Event>) {
        for plane in &self.planes {
            lock(plane).take_events(events);
        }
    }

    /// Append at most so many events of each plane, the oldest; true when there are more.
    pub fn take_some_events(&self, most: usize, events: &mut Vec<Event>) -> bool {
        self.planes.iter().fold(false, |more, plane| lock(plane).take_some_events(most, events) | more)
    }

    // --- ports

    /// Take a bound port up for `worker`; the key names it in datagrams and outboxes of that worker alone.
    pub fn open_port(&self, port: PortId, address: Address, worker: usize) -> Command<PortKey> {
        let mut directory = self.directory();
        if worker >= self.workers() {
            return Err(CommandError::wrong(format!("worker {worker}"), "one that there is"));
        }
        if directory.ports.contains_key(&port) {
            return Err(CommandError::wrong(format!("port {port} exists"), "a new id"));
        }
        let key = self.lock(worker).ports.open(port, address)?;
        directory.ports.insert(port, worker);
        Ok(key)
    }

    /// Which worker and key a port had. The key is given out again, but not soon.
    pub fn close_port(&self, port: PortId) -> Command<(usize, PortKey)> {
        let mut directory = self.directory();
        let worker = directory.port(port)?;
        let key = self.lock(worker).ports.close(port)?;
        directory.ports.remove(&port);
        Ok((worker, key))
    }

    pub fn find_port(&self, port: PortId) -> Option<(usize, PortKey)> {
        let worker = self.directory().port(port).ok()?;
        let key = self.lock(worker).ports.find(port).ok()?;
        Some((worker, key))
    }

    // --- transports

    /// All its ports must be of one worker. The TOS of `spec` is one octet: what is none is refused before (as in `set_tos`).
    pub fn add_transport(&self, spec: TransportSpec, now: f64) -> Command<()> {
        let mut directory = self.directory();
        if directory.transports.contains_key(&spec.id) {
            return Err(CommandError::wrong(format!("transport {} exists", spec.id), "a new id"));
        }
        if directory.transports.len() >= self.max_transports {
            return Err(CommandError::Exhausted("transports"));
        }
        let Some(first) = spec.ports.first() else {
            return Err(CommandError::wrong("no ports", "at least one port"));
        };
        if let Some(ice) = &spec.ice {
            self.require_new_ufrag(&ice.ufrag)?;
        }
        let worker = directory.port(*first)?;
        for port in spec.ports.iter().chain(&spec.rtcp_port) {
            if directory.port(*port)? != worker {
                return Err(CommandError::wrong("ports of several workers", "ports of one worker"));
            }
        }
        let id = spec.id;
        self.lock(worker).add_transport(spec, now)?;
        let place = directory.birth(worker);
        directory.transports.insert(id, place);
        Ok(())
    }

    fn require_new_ufrag(&self, ufrag: &str) -> Command<()> {
        if self.planes.iter().any(|plane| lock(plane).has_ufrag(ufrag)) {
            return Err(CommandError::wrong("user fragment in use", "a new one"));
        }
        Ok(())
    }

    pub fn remove_transport(&self, transport: TransportId) -> Command<()> {
        let mut directory = self.directory();
        let worker = directory.transport(transport)?;
        let mut elsewhere = Vec::new();
        let streams = {
            let mut plane = self.lock(worker);
            let streams = plane.transport_mut(transport)?.streams.clone();
            plane.remove_transport(transport, &mut elsewhere)?;
            streams
        };
        for (stream, _) in streams {
            directory.streams.remove(&stream);
        }
        directory.transports.remove(&transport);
        self.finish(elsewhere);
        Ok(())
    }

    pub fn restart_ice(&self, transport: TransportId, credentials: IceCredentials) -> Command<()> {
        let directory = self.directory();
        let worker = directory.transport(transport)?;
        if self.lock(worker).transport_mut(transport)?.ice.is_none() {
            return Err(CommandError::wrong("transport without ICE", "an ICE transport"));
        }
        self.require_new_ufrag(&credentials.ufrag)?;
        self.lock(worker).restart_ice(transport, &credentials)
    }

    pub fn set_remote(&self, transport: TransportId, remote: Remote, now: f64) -> Command<()> {
        let worker = self.directory().transport(transport)?;
        self.lock(worker).set_remote(transport, &remote, now)
    }

    pub fn mux_rtcp(&self, transport: TransportId, muxed: bool) -> Command<()> {
        let worker = self.directory().transport(transport)?;
        self.lock(worker).mux_rtcp(transport, muxed)
    }

    /// `tos` is checked here: any number may come.
    pub fn set_tos(&self, transport: TransportId, tos: i64) -> Command<()> {
        let worker = self.directory().transport(transport)?;
        let octet = u8::try_from(tos).map_err(|_| CommandError::wrong(format!("TOS {tos}"), "0 to 255"))?;
        self.lock(worker).set_tos(transport, octet)
    }

    pub fn set_keys(&self, transport: TransportId, way: Way, keys: Option<Keys>, rollover: &[(u32, i64)], now: f64) -> Command<()> {
        let worker = self.directory().transport(transport)?;
        self.lock(worker).set_keys(transport, way, keys, rollover, now)
    }

    pub fn set_rtcp_keys(&self, transport: TransportId, way: Way, keys: Option<Keys>, now: f64) -> Command<()> {
        let worker = self.directory().transport(transport)?;
        self.lock(worker).set_rtcp_keys(transport, way, keys, now)
    }

    /// Both must be raw; they may be of different workers.
    pub fn forward(&self, source: TransportId, target: Option<TransportId>) -> Command<()> {
        let directory = self.directory();
        let find = |id: TransportId| -> Command<TransportRef> { self.lock(directory.transport(id)?).raw_transport(id) };
        let source = find(source)?;
        let target = target.map(find).transpose()?;
        let former = self.lock(source.worker).set_target(source.key, target);
        if let Some(former) = former {
            self.finish(vec![(former.worker, Parcel::Unfed { target: former.key, source })]);
        }
        if let Some(target) = target {
            self.lock(target.worker).add_feeder(target.key, source);
        }
        Ok(())
    }

    // --- streams and routes

    pub fn add_stream(&self, spec: StreamSpec) -> Command<()> {
        let mut directory = self.directory();
        let worker = directory.transport(spec.transport)?;
        let id = spec.id;
        if directory.streams.get(&id).is_some_and(|known| known.worker != worker) {
            self.lock(worker).rtp_transport_mut(spec.transport)?;
            return Err(CommandError::wrong(format!("stream {id} is on another transport"), "a new id"));
        }
        self.lock(worker).add_stream(spec)?;
        let place = directory.birth(worker);
        directory.streams.entry(id).or_insert(place);
        Ok(())
    }

    pub fn remove_stream(&self, stream: StreamId) -> Command<()> {
        let mut directory = self.directory();
        let worker = directory.stream(stream)?;
        let mut elsewhere = Vec::new();
        self.lock(worker).remove_stream(stream, &mut elsewhere)?;
        directory.streams.remove(&stream);
        self.finish(elsewhere);
        Ok(())
    }

    fn stream_ref(&self, directory: &Directory, id: StreamId) -> Command<StreamRef> {
        let worker = directory.stream(id)?;
        Ok(StreamRef { worker, key: self.lock(worker).stream_key(id)? })
    }

    pub fn route(&self, route: Route) -> Command<()> {
        let directory = self.directory();
        let (source, target) = (self.stream_ref(&directory, route.source)?, self.stream_ref(&directory, route.target)?);
        let link = Link::new(target, route.enabled, &route.telephone_events);
        let former = self.lock(target.worker).feed(target.key, route, source);
        if let Some(former) = former {
            self.finish(vec![(former.worker, Parcel::Unlink { source: former.key, target })]);
        }
        self.lock(source.worker).link(source.key, link);
        Ok(())
    }

    pub fn unroute(&self, source: StreamId, target: StreamId) -> Command<()> {
        let directory = self.directory();
        let to = self.stream_ref(&directory, target)?;
        let no_route = || CommandError::wrong(format!("no route from {source} to {target}"), "route");
        let from = {
            let mut plane = self.lock(to.worker);
            let feed = plane.streams.get_mut(to.key).and_then(|stream| stream.feed.take_if(|feed| feed.route.source == source));
            feed.ok_or_else(no_route)?.origin
        };
        self.finish(vec![(from.worker, Parcel::Unlink { source: from.key, target: to })]);
        Ok(())
    }

    // --- sending: each returns the worker whose ports and transports the datagrams in `out` name

    pub fn send(&self, transport: TransportId, data: &[u8], rtcp: bool, to: Option<Address>, out: &mut Outbox) -> Command<usize> {
        let worker = self.directory().transport(transport)?;
        self.lock(worker).send(transport, data, rtcp, to, out)?;
        Ok(worker)
    }

    pub fn send_rtcp(&self, transport: TransportId, data: &[u8], out: &mut Outbox) -> Command<usize> {
        let worker = self.directory().transport(transport)?;
        self.lock(worker).send_rtcp(transport, data, out)?;
        Ok(worker)
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
        let worker = self.directory().stream(stream)?;
        self.lock(worker).inject(stream, &Injected { payload_type, payload, marker, same_timestamp }, now, out)?;
        Ok(worker)
    }

    pub fn resend(&self, stream: StreamId, sequences: &[u16], now: f64, out: &mut Outbox) -> Command<usize> {
        let worker = self.directory().stream(stream)?;
        self.lock(worker).resend(stream, sequences, now, out)?;
        Ok(worker)
    }

    // --- reading

    /// Of everything. Thousands are read one part after the other, so that packets do not wait for all of them: figures of different
    /// transports may be some milliseconds apart.
    pub fn statistics(&self) -> EngineStatistics {
        let mut total = EngineStatistics::default();
        let mut drops = Drops::default();
        for plane in &self.planes {
            let mut from = 0;
            while read_part(&lock(plane), from, &mut total) {
                from += READ_AT_ONCE;
                sleep(BREATH);
            }
            drops.add(&lock(plane).desk.drops);
        }
        total.drops = drops.iter().collect();
        total
    }

    pub fn stream_statistics(&self, stream: StreamId) -> Command<StreamStatistics> {
        let worker = self.directory().stream(stream)?;
        let plane = self.lock(worker);
        let key = plane.stream_key(stream)?;
        let found = plane.streams.get(key).and_then(|state| Some((state, plane.transports.get(state.transport)?)));
        let (state, transport) = found.ok_or_else(|| no_stream(stream))?;
        Ok(state.statistics(key, transport.sources.iter()))
    }

    /// What each of these streams lost, 0 for one that there is not. Each plane is locked once: ask for some hundreds at most.
    pub fn losses(&self, streams: &[StreamId]) -> Vec<i64> {
        let mut losses = vec![0; streams.len()];
        let directory = self.directory();
        for worker in 0..self.workers() {
            let plane = self.lock(worker);
            for (stream, lost) in streams.iter().zip(&mut losses) {
                if directory.stream(*stream).is_ok_and(|place| place == worker) {
                    *lost = plane.lost(*stream).unwrap_or_default();
                }
            }
        }
        losses
    }

    pub fn transport_statistics(&self, transport: TransportId) -> Command<TransportStatistics> {
        let worker = self.directory().transport(transport)?;
        Ok(self.lock(worker).transport_mut(transport)?.statistics())
    }

    /// Count what belongs to no transport and no worker.
    pub fn count(&self, worker: usize, reason: Reason) {
        self.lock(worker).count(reason);
    }
}
