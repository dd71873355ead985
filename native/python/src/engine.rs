//! The class that Python commands.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use boringsdp_core::address::Address;
use boringsdp_core::cluster::RestoreError;
use boringsdp_core::error::Command;
use boringsdp_core::keys::Keys;
use boringsdp_core::outbox::Outbox;
use boringsdp_core::plane::{Datagram, Handoff};
use boringsdp_core::random::{Drawn, Randomness, SystemRandomness};
use boringsdp_core::spec::{Remote, TransportSpec};
use boringsdp_core::Cluster;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::events;
use crate::link::lock;
use crate::poll;
use crate::state::State;
use crate::steer::Steering;
use crate::values::WrongState;
use crate::values::{self, command_error, peer, place, refusal, ConfigError, Place, PyIce, PyKeys, PyRoute, PyStreamSpec, PyTransportSpec};
use crate::worker::{self, Hold, Worker};

/// What a datagram of `receive` looks like: the port that it leaves by, where to, its mark, its octets.
type Sent<'py> = (u64, (String, u16), u8, Bound<'py, PyBytes>);

/// A datagram for `receive_batch`: the port that it comes to, from where, its octets.
type Arrived<'py> = (u64, Place<'py>, Vec<u8>);

/// Commands and figures of the engine contract, in plain values. `NativeEngine` of the Python package makes an `Engine` of it.
#[pyclass(frozen)]
pub struct Engine {
    state: Arc<State>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The time that `set_now` gave, without threads.
    manual: Option<Mutex<f64>>,
    closed: std::sync::atomic::AtomicBool,
    sockets: (&'static str, String),
    hold_us: u64,
    /// The process that has the threads: not one that was forked off.
    process: u32,
}

/// How plain ports are had, and why in this way.
fn choose_sockets(asked: &str, workers: usize, plain_ports: Option<(u16, u16)>) -> PyResult<(Option<Steering>, (&'static str, String))> {
    match asked {
        "per-call" => Ok((None, ("per-call", String::new()))),
        "auto" | "steered" => match Steering::new(workers, plain_ports) {
            Ok(steering) => Ok((Some(steering), ("steered", String::new()))),
            Err(reason) if asked == "steered" => Err(ConfigError::new_err(("engine.sockets", reason))),
            Err(reason) => Ok((None, ("per-call", reason))),
        },
        other => Err(PyValueError::new_err(format!("sockets {other:?}"))),
    }
}

impl Engine {
    fn now(&self) -> f64 {
        self.manual.as_ref().map_or_else(poll::now, |now| *lock(now))
    }

    fn require_open(&self) -> PyResult<()> {
        if self.closed.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(WrongState::new_err(("closed", "an open engine")));
        }
        Ok(())
    }

    fn worker_of(&self, worker: usize) -> PyResult<usize> {
        if worker < self.state.links.len() {
            return Ok(worker);
        }
        Err(WrongState::new_err((format!("worker {worker}"), format!("below {}", self.state.links.len()))))
    }

    /// Send what a command writes, and tell of the events that it made.
    fn send_with(&self, command: impl FnOnce(&mut Outbox) -> Command<usize>) -> PyResult<()> {
        let worker = self.state.send(command).map_err(command_error)?;
        self.state.look_after(worker);
        Ok(())
    }

    fn look_after_all(&self) {
        for worker in 0..self.state.links.len() {
            self.state.look_after(worker);
        }
    }

    /// Stop the threads and close everything; again does nothing. In a forked process there is nothing to stop.
    fn shut(&self) {
        if std::process::id() != self.process {
            std::mem::forget(std::mem::take(&mut *lock(&self.threads)));
            return;
        }
        self.closed.store(true, std::sync::atomic::Ordering::Relaxed);
        let threads = std::mem::take(&mut *lock(&self.threads));
        for link in &self.state.links {
            link.stop();
        }
        for thread in threads {
            let _ = thread.join();
        }
        self.state.close();
    }

    /// Write out what the planes want sent, and carry what one hands to another, until there is nothing more.
    fn carry<'py>(&self, py: Python<'py>, worker: usize, out: &mut Outbox, now: f64, sent: &mut Vec<Sent<'py>>) {
        let mut handed: VecDeque<(usize, Handoff)> = VecDeque::new();
        self.write_out(py, worker, out, &mut handed, sent);
        while let Some((worker, handoff)) = handed.pop_front() {
            lock(self.state.cluster.plane(worker)).receive_handoffs(&mut vec![handoff], now, out);
            self.write_out(py, worker, out, &mut handed, sent);
        }
    }

    fn write_out<'py>(
        &self,
        py: Python<'py>,
        worker: usize,
        out: &mut Outbox,
        handed: &mut VecDeque<(usize, Handoff)>,
        sent: &mut Vec<Sent<'py>>,
    ) {
        let mut handoffs = Vec::new();
        lock(self.state.cluster.plane(worker)).take_handoffs(&mut handoffs);
        handed.extend(handoffs);
        for item in out.items() {
            let port = self.state.port_of(worker, item.port).unwrap_or(0);
            sent.push((port, place(item.to), item.tos, PyBytes::new(py, out.data(item))));
        }
        out.clear();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shut();
    }
}

#[pymethods]
impl Engine {
    /// Start the workers. With `manual` there are no threads and no sockets: see `receive`, `tick` and `set_now`. `draws` are the random
    /// numbers that tests want, 32 bits each, over and over again.
    #[new]
    #[pyo3(signature = (*, workers=1, hold_us=500, hold_above=5000, sockets="auto", plain_ports=None, max_transports=20_000, draws=None, manual=false))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        workers: usize,
        hold_us: u64,
        hold_above: u64,
        sockets: &str,
        plain_ports: Option<(u16, u16)>,
        max_transports: usize,
        draws: Option<Vec<u32>>,
        manual: bool,
    ) -> PyResult<Self> {
        if !(1..=256).contains(&workers) {
            return Err(PyValueError::new_err(format!("{workers} workers")));
        }
        let (steering, sockets) = choose_sockets(if manual { "per-call" } else { sockets }, workers, plain_ports)?;
        let mut randomness = |_worker: usize| -> Box<dyn Randomness> {
            match &draws {
                Some(draws) => Box::new(Drawn(draws.iter().copied().collect())),
                None => Box::new(SystemRandomness::new()),
            }
        };
        let cluster = Cluster::new(workers, &mut randomness, max_transports);
        let state = State::new(cluster, steering, manual).map_err(|error| refusal(error.into()))?;
        let engine = Self {
            state: Arc::new(state),
            threads: Mutex::default(),
            manual: manual.then(|| Mutex::new(0.0)),
            closed: false.into(),
            sockets,
            hold_us,
            process: std::process::id(),
        };
        let hold = (hold_us > 0).then_some(Hold { interval_ns: hold_us * 1000, above: hold_above });
        for number in 0..if manual { 0 } else { workers } {
            let worker = Worker::new(number, engine.state.clone(), hold);
            let thread = std::thread::Builder::new().name(format!("boringsdp-w{number}")).spawn(move || worker.run());
            let thread = thread.map_err(|error| refusal(error.into()))?;
            lock(&engine.threads).push(thread);
        }
        Ok(engine)
    }

    /// (workers, sockets, reason, hold_us)
    fn facts(&self) -> (usize, &'static str, &str, u64) {
        (self.state.links.len(), self.sockets.0, &self.sockets.1, self.hold_us)
    }

    /// A descriptor that is readable while there are events.
    fn fileno(&self) -> i32 {
        self.state.news.fd()
    }

    /// The events that wait, at most so many of each worker, each (number into `EVENTS`, field, …).
    #[pyo3(signature = (most=usize::MAX))]
    fn take_events<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let mut events = Vec::new();
        worker::take_events(&self.state, most, &mut events);
        events.iter().map(|event| events::write(py, event)).collect()
    }

    /// Stop the threads and close every port.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.shut());
    }

    // --- ports

    #[pyo3(signature = (host, port, worker=0))]
    fn open_port(&self, host: &str, port: i64, worker: usize) -> PyResult<(u64, (String, u16))> {
        self.require_open()?;
        let (number, address) = self.state.open_port(values::own(host, port)?, self.worker_of(worker)?).map_err(refusal)?;
        Ok((number, place(address)))
    }

    fn close_port(&self, port: u64) -> PyResult<()> {
        self.state.close_port(port).map_err(refusal)
    }

    // --- transports

    fn add_transport(&self, spec: PyTransportSpec) -> PyResult<()> {
        self.require_open()?;
        let spec = TransportSpec::try_from(spec)?;
        let mut shared = if spec.shared || (spec.ice.is_some() && !spec.own) { spec.ports.clone() } else { Vec::new() };
        shared.extend(spec.rtcp_port.filter(|_| spec.shared));
        let any = spec.ports.first().copied();
        self.state.cluster.add_transport(spec, self.now()).map_err(command_error)?;
        self.state.share(&shared);
        if let Some(worker) = any.and_then(|port| self.state.worker_of(port)) {
            self.state.links[worker].wake_idle();
        }
        Ok(())
    }

    fn remove_transport(&self, transport: u64) -> PyResult<()> {
        self.state.cluster.remove_transport(transport).map_err(command_error)
    }

    fn restart_ice(&self, transport: u64, credentials: PyIce) -> PyResult<()> {
        self.state.cluster.restart_ice(transport, credentials.into()).map_err(command_error)
    }

    fn set_remote(&self, transport: u64, rtp: Option<Place<'_>>, rtcp: Option<Place<'_>>, latch: &str) -> PyResult<()> {
        let remote = || -> PyResult<Remote> {
            let (rtp, rtcp) = (rtp.as_ref().map(peer).transpose()?, rtcp.as_ref().map(peer).transpose()?);
            Ok(Remote { rtp, rtcp, latch: values::latch(latch)? })
        };
        self.state.cluster.set_remote(transport, remote()?, self.now()).map_err(command_error)?;
        self.look_after_all();
        Ok(())
    }

    fn mux_rtcp(&self, transport: u64, muxed: bool) -> PyResult<()> {
        self.state.cluster.mux_rtcp(transport, muxed).map_err(command_error)
    }

    fn set_tos(&self, transport: u64, tos: i64) -> PyResult<()> {
        self.state.cluster.set_tos(transport, tos).map_err(command_error)
    }

    fn set_keys(&self, transport: u64, way: &str, keys: Option<PyKeys>, rollover: &Bound<'_, PyAny>) -> PyResult<()> {
        let (way, keys, rollover) = (values::way(way)?, keys.map(Keys::try_from).transpose()?, values::rollover(rollover)?);
        self.state.cluster.set_keys(transport, way, keys, &rollover, self.now()).map_err(command_error)
    }

    fn set_rtcp_keys(&self, transport: u64, way: &str, keys: Option<PyKeys>) -> PyResult<()> {
        let (way, keys) = (values::way(way)?, keys.map(Keys::try_from).transpose()?);
        self.state.cluster.set_rtcp_keys(transport, way, keys, self.now()).map_err(command_error)
    }

    fn forward(&self, source: u64, target: Option<u64>) -> PyResult<()> {
        self.state.cluster.forward(source, target).map_err(command_error)
    }

    // --- streams and routes

    fn add_stream(&self, spec: PyStreamSpec) -> PyResult<()> {
        self.state.cluster.add_stream(spec.into()).map_err(command_error)
    }

    fn remove_stream(&self, stream: u64) -> PyResult<()> {
        self.state.cluster.remove_stream(stream).map_err(command_error)
    }

    fn route(&self, route: PyRoute) -> PyResult<()> {
        self.state.cluster.route(route.into()).map_err(command_error)
    }

    fn unroute(&self, source: u64, target: u64) -> PyResult<()> {
        self.state.cluster.unroute(source, target).map_err(command_error)
    }

    // --- sending. Without threads each returns what is to be sent, as `receive` does; else it is sent and the list is empty.

    #[pyo3(signature = (transport, data, rtcp=false, to=None))]
    fn send<'py>(&self, py: Python<'py>, transport: u64, data: &[u8], rtcp: bool, to: Option<Place<'py>>) -> PyResult<Vec<Sent<'py>>> {
        let to = to.as_ref().map(peer).transpose()?;
        self.command(py, |cluster, out| cluster.send(transport, data, rtcp, to, out))
    }

    fn send_rtcp<'py>(&self, py: Python<'py>, transport: u64, data: &[u8]) -> PyResult<Vec<Sent<'py>>> {
        self.command(py, |cluster, out| cluster.send_rtcp(transport, data, out))
    }

    #[pyo3(signature = (stream, payload_type, payload, marker=false, same_timestamp=false))]
    fn inject<'py>(
        &self,
        py: Python<'py>,
        stream: u64,
        payload_type: u8,
        payload: &[u8],
        marker: bool,
        same_timestamp: bool,
    ) -> PyResult<Vec<Sent<'py>>> {
        let now = self.now();
        self.command(py, |cluster, out| cluster.inject(stream, payload_type, payload, marker, same_timestamp, now, out))
    }

    fn resend<'py>(&self, py: Python<'py>, stream: u64, sequences: Vec<u16>) -> PyResult<Vec<Sent<'py>>> {
        let now = self.now();
        self.command(py, |cluster, out| cluster.resend(stream, &sequences, now, out))
    }

    // --- figures

    /// (streams by id, transports by id, drops): tuples as those of the next two.
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        values::engine_statistics(py, &py.detach(|| self.state.cluster.statistics()))
    }

    /// (received, sent, route or None), each a tuple in the order of the dataclass's fields.
    fn stream_statistics<'py>(&self, py: Python<'py>, stream: u64) -> PyResult<Bound<'py, PyTuple>> {
        values::stream_statistics(py, &self.state.cluster.stream_statistics(stream).map_err(command_error)?)
    }

    /// What each stream lost, 0 for one that there is not.
    fn losses(&self, streams: Vec<u64>) -> Vec<i64> {
        self.state.cluster.losses(&streams)
    }

    /// In the order of the dataclass's fields; `rtp` and `rtcp` are tuples too.
    fn transport_statistics<'py>(&self, py: Python<'py>, transport: u64) -> PyResult<Bound<'py, PyTuple>> {
        values::transport_statistics(py, &self.state.cluster.transport_statistics(transport).map_err(command_error)?)
    }

    /// The whole state as JSON.
    fn snapshot(&self, py: Python<'_>) -> String {
        py.detach(|| self.state.cluster.snapshot(self.now()))
    }

    /// Take up a snapshot; `shared` are the ports in it that many transports use.
    fn restore(&self, py: Python<'_>, snapshot: &str, shared: Vec<u64>) -> PyResult<()> {
        self.require_open()?;
        if self.state.has_ports() {
            return Err(WrongState::new_err(("ports are open", "a new engine")));
        }
        let workers = self.state.links.len();
        let mut open = |number: u64, address: Address, worker: usize| self.state.open_numbered(number, address, worker % workers).map(drop);
        py.detach(|| self.state.cluster.restore(snapshot, self.now(), &mut open)).map_err(|error| match error {
            RestoreError::Command(error) => command_error(error),
            RestoreError::Open(error) => refusal(error),
        })?;
        self.state.share(&shared);
        self.look_after_all();
        Ok(())
    }

    // --- without threads

    /// The time of every command that follows, in seconds.
    fn set_now(&self, now: f64) -> PyResult<()> {
        *lock(self.manual()?) = now;
        Ok(())
    }

    /// Let a datagram come to a port; what leaves because of it.
    fn receive<'py>(&self, py: Python<'py>, port: u64, source: Place<'py>, data: &[u8], now: f64) -> PyResult<Vec<Sent<'py>>> {
        self.receive_batch(py, vec![(port, source, data.to_vec())], now)
    }

    /// Let datagrams come together to ports of one worker, the first port's; what leaves because of them.
    fn receive_batch<'py>(&self, py: Python<'py>, mut datagrams: Vec<Arrived<'py>>, now: f64) -> PyResult<Vec<Sent<'py>>> {
        self.set_now(now)?;
        let (mut batch, mut first) = (Vec::with_capacity(datagrams.len()), None);
        for (port, source, data) in &mut datagrams {
            let found = self.state.cluster.find_port(*port);
            let (worker, key) = found.ok_or_else(|| WrongState::new_err((format!("no port {port}"), "open_port")))?;
            if *first.get_or_insert(worker) == worker {
                batch.push(Datagram { port: key, source: peer(source)?, data });
            }
        }
        let (mut out, mut sent, worker) = (Outbox::new(), Vec::new(), first.unwrap_or(0));
        lock(self.state.cluster.plane(worker)).receive(&mut batch, now, &mut out);
        self.carry(py, worker, &mut out, now, &mut sent);
        Ok(sent)
    }

    /// Look after timeouts.
    fn tick(&self, now: f64) -> PyResult<()> {
        self.set_now(now)?;
        for worker in 0..self.state.links.len() {
            lock(self.state.cluster.plane(worker)).tick(now);
        }
        Ok(())
    }

    /// When `tick` is due; None while there is nothing to watch.
    fn deadline(&self) -> Option<f64> {
        let workers = 0..self.state.links.len();
        workers.filter_map(|worker| lock(self.state.cluster.plane(worker)).deadline()).min_by(f64::total_cmp)
    }
}

impl Engine {
    fn manual(&self) -> PyResult<&Mutex<f64>> {
        self.manual.as_ref().ok_or_else(|| WrongState::new_err(("working by itself", "manual")))
    }

    fn command<'py>(&self, py: Python<'py>, command: impl FnOnce(&Cluster, &mut Outbox) -> Command<usize>) -> PyResult<Vec<Sent<'py>>> {
        if self.manual.is_none() {
            self.send_with(|out| command(&self.state.cluster, out))?;
            return Ok(Vec::new());
        }
        let (mut out, mut sent) = (Outbox::new(), Vec::new());
        let worker = command(&self.state.cluster, &mut out).map_err(command_error)?;
        self.carry(py, worker, &mut out, self.now(), &mut sent);
        Ok(sent)
    }
}
