//! Two workers' planes, or one's, with calls on them, and what may happen to them.

use std::collections::VecDeque;

use arbitrary::Arbitrary;
use boringsdp_core::address::Address;
use boringsdp_core::event::Event;
use boringsdp_core::keys::{Keys, Profile, Way};
use boringsdp_core::outbox::Outbox;
use boringsdp_core::plane::{Datagram, Handoff};
use boringsdp_core::random::{Drawn, Randomness};
use boringsdp_core::spec::{IceCredentials, Latch, Remote, Route, StreamSpec, TransportSpec};
use boringsdp_core::Cluster;

pub const PASSWORD: &str = "password-of-22-letters";
const ICE: u64 = 1;
const PLAIN: u64 = 2;
const OWN: u64 = 5;

/// What left a port: its worker and key, to where, with which mark, what.
pub type Sent = (usize, u32, Address, u8, Vec<u8>);

/// A datagram for a port.
pub struct Arrival {
    pub port: u64,
    pub source: Address,
    pub data: Vec<u8>,
}

pub struct World {
    pub cluster: Cluster,
    workers: usize,
}

pub fn peer(number: u8) -> Address {
    Address::v4([198, 51, 100, number & 3], [4000, 4001, 5000, 65535][usize::from(number >> 2 & 3)])
}

pub fn keys(number: u8) -> Keys {
    let profile = Profile::ALL[usize::from(number & 3)];
    let mki = if number & 4 == 0 { Vec::new() } else { vec![1, 2] };
    Keys { profile, key: vec![number; profile.key_length()], salt: vec![7; profile.salt_length()], mki }
}

pub fn latch(number: u8) -> Latch {
    [Latch::Strict, Latch::Once, Latch::Follow, Latch::Delayed, Latch::Heuristic, Latch::Asymmetric][usize::from(number % 6)]
}

pub fn empty(workers: usize) -> World {
    let mut randomness = |_: usize| -> Box<dyn Randomness> { Box::new(Drawn([0x1234_5678].into())) };
    World { cluster: Cluster::new(workers, &mut randomness, 8), workers }
}

fn transport(id: u64, ports: &[u64]) -> TransportSpec {
    TransportSpec {
        id,
        ports: ports.to_vec(),
        rtcp_port: None,
        ice: None,
        secured: false,
        latch: Latch::Once,
        own: false,
        shared: false,
        raw: false,
        tos: 0,
        latch_window_s: 10.0,
        learn_s: 3.0,
        consent_timeout_s: 5.0,
        max_addresses: 3,
        max_ssrcs: 3,
    }
}

pub fn stream(id: u64, transport: u64) -> StreamSpec {
    StreamSpec {
        id,
        transport,
        kind: "audio".into(),
        send_ssrc: id as u32,
        clock_rates: vec![(0, 8000), (8, 8000), (101, 8000), (111, 48000)],
        mid: if transport == ICE { id.to_string() } else { String::new() },
        mid_extension: 4,
        audio_level_extension: 1,
        ssrcs: vec![id as u32],
        silence_s: 0.5,
        keep: 4,
    }
}

pub fn route(source: u64, target: u64, rules: u8) -> Route {
    let when = |bit: u8| rules & bit != 0;
    Route {
        source,
        target,
        payload_types: vec![(0, 0), (8, 0), (111, 111)],
        telephone_events: if when(1) { vec![101] } else { Vec::new() },
        extensions: if when(2) { vec![(1, 1), (4, 9), (200, 200)] } else { Vec::new() },
        constant_extensions: if when(4) { vec![(4, b"0".to_vec())] } else { Vec::new() },
        silence: if when(8) { vec![(0, vec![0xFF]), (8, Vec::new()), (111, vec![0xF8, 0xFF, 0xFE])] } else { Vec::new() },
        enabled: !when(16),
    }
}

/// An ICE leg with two streams, a plain one with an RTCP port, one with ICE on ports of its own, and two raw ones, joined in every direction.
pub fn set_up(workers: usize) -> World {
    let world = empty(workers);
    let (cluster, other) = (&world.cluster, workers - 1);
    for (port, worker) in [(1, 0), (2, 0), (3, 0), (4, other), (5, 0), (6, other), (7, other)] {
        cluster.open_port(port, Address::v4([192, 0, 2, 1], 10000 + port as u16), worker).expect("a new port");
    }
    let ice = |ufrag: &str| Some(IceCredentials { ufrag: ufrag.into(), password: PASSWORD.into() });
    let specs = [
        TransportSpec { ice: ice("ufrag"), secured: true, ..transport(ICE, &[1]) },
        TransportSpec { rtcp_port: Some(3), tos: 184, ..transport(PLAIN, &[2]) },
        TransportSpec { raw: true, ..transport(3, &[4]) },
        TransportSpec { raw: true, ..transport(4, &[5]) },
        TransportSpec { ice: ice("own"), own: true, rtcp_port: Some(7), ..transport(OWN, &[6]) },
    ];
    for spec in specs {
        cluster.add_transport(spec, 100.0).expect("a new transport");
    }
    for (id, transport) in [(11, ICE), (12, ICE), (13, PLAIN), (14, OWN)] {
        cluster.add_stream(stream(id, transport)).expect("a new stream");
    }
    for (source, target) in [(11, 13), (13, 11), (13, 14), (14, 12)] {
        cluster.route(route(source, target, source as u8)).expect("streams that are there");
    }
    cluster.set_keys(ICE, Way::Receive, Some(keys(0)), &[], 100.0).expect("keys that fit");
    cluster.set_keys(ICE, Way::Send, Some(keys(1)), &[], 100.0).expect("keys that fit");
    for number in [PLAIN, 3, 4] {
        cluster.set_remote(number, Remote { rtp: Some(peer(1)), rtcp: Some(peer(5)), latch: Latch::Once }, 100.0).expect("a plain one");
    }
    cluster.forward(3, Some(4)).expect("raw ones");
    world
}

impl World {
    /// Let datagrams come, together when they are of one worker; what leaves because of them.
    pub fn receive(&self, arrivals: &mut [Arrival], now: f64) -> Vec<Sent> {
        let mut sent = Vec::new();
        for worker in 0..self.workers {
            let mut batch: Vec<Datagram<'_>> = Vec::new();
            for arrival in arrivals.iter_mut() {
                match self.cluster.find_port(arrival.port) {
                    Some((its, port)) if its == worker => batch.push(Datagram { port, source: arrival.source, data: &mut arrival.data }),
                    _ => {}
                }
            }
            let mut out = Outbox::new();
            if !batch.is_empty() {
                self.plane(worker).receive(&mut batch, now, &mut out);
                self.carry(worker, &mut out, now, &mut sent);
            }
        }
        sent
    }

    /// Take what leaves, and carry what one worker hands to the other until there is nothing more.
    pub fn carry(&self, worker: usize, out: &mut Outbox, now: f64, sent: &mut Vec<Sent>) {
        let mut handed: VecDeque<(usize, Handoff)> = VecDeque::new();
        let mut present = worker;
        loop {
            for item in out.items() {
                sent.push((present, item.port, item.to, item.tos, out.data(item).to_vec()));
                if out.data(item).first() == Some(&0xFF) {
                    self.plane(present).not_sent(item, out.data(item).len(), false);
                }
            }
            out.clear();
            let mut more = Vec::new();
            self.plane(present).take_handoffs(&mut more);
            handed.extend(more);
            let Some((next, handoff)) = handed.pop_front() else { return };
            present = next;
            self.plane(next).receive_handoffs(&mut vec![handoff], now, out);
        }
    }

    pub fn plane(&self, worker: usize) -> std::sync::MutexGuard<'_, boringsdp_core::Plane> {
        self.cluster.plane(worker).lock().expect("no panic before")
    }

    pub fn tick(&self, now: f64) {
        (0..self.workers).for_each(|worker| self.plane(worker).tick(now));
    }

    /// What was reported; never that a transport failed.
    pub fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        self.cluster.take_events(&mut events);
        assert!(!events.iter().any(|event| matches!(event, Event::TransportFailed { .. })));
        events
    }
}

/// A command; the numbers are of ids that may not be there.
#[derive(Arbitrary, Debug)]
pub enum Order<'a> {
    SetRemote { transport: u8, rtp: Option<u8>, rtcp: Option<u8>, latch: u8 },
    SetKeys { transport: u8, receive: bool, keys: Option<u8>, rollover: Option<u32> },
    SetRtcpKeys { transport: u8, receive: bool, keys: Option<u8> },
    Mux(u8, bool),
    Tos(u8, u8),
    Forward(u8, Option<u8>),
    Restart(u8, bool),
    AddStream { stream: u8, transport: u8, keep: u8 },
    RemoveStream(u8),
    RemoveTransport(u8),
    Route(u8, u8, u8),
    Unroute(u8, u8),
    Send { transport: u8, data: &'a [u8], rtcp: bool, to: Option<u8> },
    SendRtcp(u8, &'a [u8]),
    Inject { stream: u8, payload_type: u8, payload: &'a [u8], marker: bool, same: bool },
    Resend(u8, [u16; 3]),
}

fn id(number: u8) -> u64 {
    1 + u64::from(number) % 6
}

fn stream_id(number: u8) -> u64 {
    11 + u64::from(number) % 5
}

impl World {
    /// What leaves because of a command. One that is refused changes nothing, which is not looked at.
    pub fn order(&self, order: &Order<'_>, now: f64) -> Vec<Sent> {
        let (mut out, mut sent) = (Outbox::new(), Vec::new());
        let cluster = &self.cluster;
        let worker = match *order {
            Order::Send { transport, data, rtcp, to } => cluster.send(id(transport), data, rtcp, to.map(peer), &mut out),
            Order::SendRtcp(transport, data) => cluster.send_rtcp(id(transport), data, &mut out),
            Order::Inject { stream, payload_type, payload, marker, same } => {
                cluster.inject(stream_id(stream), payload_type, payload, marker, same, now, &mut out)
            }
            Order::Resend(stream, sequences) => cluster.resend(stream_id(stream), &sequences, now, &mut out),
            _ => {
                let _ = self.change(order, now);
                Ok(0)
            }
        };
        if let Ok(worker) = worker {
            self.carry(worker, &mut out, now, &mut sent);
        }
        sent
    }

    fn change(&self, order: &Order<'_>, now: f64) -> Result<(), boringsdp_core::error::CommandError> {
        let cluster = &self.cluster;
        let way = |receive: bool| if receive { Way::Receive } else { Way::Send };
        match *order {
            Order::SetRemote { transport, rtp, rtcp, latch: number } => {
                let remote = Remote { rtp: rtp.map(peer), rtcp: rtcp.map(peer), latch: latch(number) };
                cluster.set_remote(id(transport), remote, now)
            }
            Order::SetKeys { transport, receive, keys: number, rollover } => {
                let rollover: Vec<(u32, i64)> = rollover.iter().map(|&index| (11, i64::from(index))).collect();
                cluster.set_keys(id(transport), way(receive), number.map(keys), &rollover, now)
            }
            Order::SetRtcpKeys { transport, receive, keys: number } => {
                cluster.set_rtcp_keys(id(transport), way(receive), number.map(keys), now)
            }
            Order::Mux(transport, muxed) => cluster.mux_rtcp(id(transport), muxed),
            Order::Tos(transport, tos) => cluster.set_tos(id(transport), tos.into()),
            Order::Forward(source, target) => cluster.forward(id(source), target.map(id)),
            Order::Restart(transport, new) => {
                let ufrag = if new { "later" } else { "ufrag" };
                cluster.restart_ice(id(transport), IceCredentials { ufrag: ufrag.into(), password: PASSWORD.into() })
            }
            Order::AddStream { stream: number, transport, keep } => {
                cluster.add_stream(StreamSpec { keep: keep.into(), ..stream(stream_id(number), id(transport)) })
            }
            Order::RemoveStream(stream) => cluster.remove_stream(stream_id(stream)),
            Order::RemoveTransport(transport) => cluster.remove_transport(id(transport)),
            Order::Route(source, target, rules) => cluster.route(route(stream_id(source), stream_id(target), rules)),
            Order::Unroute(source, target) => cluster.unroute(stream_id(source), stream_id(target)),
            _ => Ok(()),
        }
    }
}
