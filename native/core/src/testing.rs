//! What the tests of the plane work with: a cluster, transports with one stream each, packets.

use crate::address::Address;
use crate::cluster::Cluster;
use crate::event::Event;
use crate::outbox::{Outbox, PortKey};
use crate::plane::{Datagram, Handoff};
use crate::random::Drawn;
use crate::rtp::Header;
use crate::spec::{Latch, Remote, Route, StreamSpec, TransportSpec};

pub fn here(port: u16) -> Address {
    Address::v4([192, 0, 2, 1], port)
}

pub fn there(port: u16) -> Address {
    Address::v4([198, 51, 100, 7], port)
}

pub fn spec(id: u64, port: u64) -> TransportSpec {
    TransportSpec {
        id,
        ports: vec![port],
        rtcp_port: None,
        ice: None,
        secured: false,
        latch: Latch::Strict,
        own: false,
        shared: false,
        raw: false,
        tos: 0,
        latch_window_s: 10.0,
        learn_s: 3.0,
        consent_timeout_s: 30.0,
        max_addresses: 8,
        max_ssrcs: 32,
    }
}

pub fn stream(id: u64) -> StreamSpec {
    StreamSpec {
        id,
        transport: id,
        kind: "audio".into(),
        send_ssrc: 0xA000_0000 + id as u32,
        clock_rates: vec![(0, 8000), (8, 8000), (101, 8000)],
        mid: String::new(),
        mid_extension: 0,
        audio_level_extension: 0,
        ssrcs: Vec::new(),
        silence_s: 1.0,
        keep: 0,
    }
}

pub fn route(source: u64, target: u64) -> Route {
    Route {
        source,
        target,
        payload_types: vec![(0, 0)],
        telephone_events: vec![101],
        extensions: Vec::new(),
        constant_extensions: Vec::new(),
        silence: Vec::new(),
        enabled: true,
    }
}

pub fn rtp(ssrc: u32, sequence: u16, payload_type: u8) -> Vec<u8> {
    let mut packet = Vec::new();
    let header = Header { first: 0x80, second: payload_type, sequence, timestamp: 160 * u32::from(sequence), ssrc };
    header.write(&mut packet);
    packet.extend_from_slice(&[0xD5; 160]);
    packet
}

/// Leg `n` has transport, stream and port `n`, on worker `(n - 1) % workers`; its peer is at `there(4000 + n)`.
pub struct World {
    pub cluster: Cluster,
    pub keys: Vec<PortKey>,
    pub now: f64,
    workers: usize,
}

impl World {
    pub fn new(workers: usize) -> Self {
        let cluster = Cluster::new(workers, &mut |_| Box::new(Drawn([1 << 20].into())), 1000);
        Self { cluster, keys: vec![0], now: 1000.0, workers }
    }

    /// With so many legs, numbered from 1.
    pub fn with_legs(workers: usize, legs: u64) -> Self {
        let mut world = Self::new(workers);
        for id in 1..=legs {
            world.open(id);
            world.cluster.add_transport(spec(id, id), 1000.0).unwrap();
            let remote = Remote { rtp: Some(there(4000 + id as u16)), rtcp: None, latch: Latch::Strict };
            world.cluster.set_remote(id, remote, 1000.0).unwrap();
            world.cluster.add_stream(stream(id)).unwrap();
        }
        world
    }

    pub fn worker(&self, id: u64) -> usize {
        (id as usize - 1) % self.workers
    }

    pub fn open(&mut self, id: u64) {
        let key = self.cluster.open_port(id, here(3000 + id as u16), self.worker(id)).unwrap();
        self.keys.push(key);
    }

    /// Packets from the peer of a leg, and whatever the workers hand over because of it; what went out, by worker.
    pub fn hear(&mut self, id: u64, packets: Vec<Vec<u8>>) -> Vec<(usize, Vec<u8>)> {
        self.now += 0.02;
        let worker = self.worker(id);
        let mut packets = packets;
        let mut batch: Vec<Datagram> =
            packets.iter_mut().map(|data| Datagram { port: self.keys[id as usize], source: there(4000 + id as u16), data }).collect();
        let mut out = Outbox::new();
        self.cluster.plane(worker).lock().unwrap().receive(&mut batch, self.now, &mut out);
        let mut sent: Vec<_> = out.items().iter().map(|item| (worker, out.data(item).to_vec())).collect();
        sent.extend(self.deliver());
        sent
    }

    /// Let the workers take what they were handed over, until nothing is left.
    pub fn deliver(&mut self) -> Vec<(usize, Vec<u8>)> {
        let mut sent = Vec::new();
        loop {
            let mut handoffs = Vec::new();
            for worker in 0..self.workers {
                self.cluster.plane(worker).lock().unwrap().take_handoffs(&mut handoffs);
            }
            if handoffs.is_empty() {
                return sent;
            }
            for (worker, handoff) in handoffs {
                let (mut inbox, mut out): (Vec<Handoff>, _) = (vec![handoff], Outbox::new());
                self.cluster.plane(worker).lock().unwrap().receive_handoffs(&mut inbox, self.now, &mut out);
                sent.extend(out.items().iter().map(|item| (worker, out.data(item).to_vec())));
            }
        }
    }

    pub fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        self.cluster.take_events(&mut events);
        events
    }

    pub fn drops(&self, id: u64) -> Vec<(&'static str, u64)> {
        self.cluster.transport_statistics(id).unwrap().drops
    }
}

/// Sequence numbers of RTP packets that were sent.
pub fn sequences(sent: &[(usize, Vec<u8>)]) -> Vec<u16> {
    sent.iter().filter_map(|(_, data)| Header::parse(data)).map(|header| header.sequence).collect()
}
