//! What a relayed packet costs the plane: `cargo run --release --example cost [calls] [batch] [gcm|cm|plain]`.
//!
//! Each call has a secured leg and a plain one, both ways; packets of all calls come in a random order, so that what belongs to a call is
//! cold. The sender's side is not measured; sockets and system calls are not part of it. `plain` leaves the protection out.

use std::time::Instant;

use boringsdp_core::address::Address;
use boringsdp_core::keys::{Keys, Profile, Way};
use boringsdp_core::outbox::Outbox;
use boringsdp_core::plane::Datagram;
use boringsdp_core::random::SystemRandomness;
use boringsdp_core::spec::{Latch, Remote, Route, StreamSpec, TransportSpec};
use boringsdp_core::srtp::SrtpSender;
use boringsdp_core::Cluster;

const ROUNDS: u64 = 200;

struct Leg {
    port: u32,
    peer: Address,
    sequence: u16,
    ssrc: u32,
    sender: Option<SrtpSender>,
}

impl Leg {
    fn packet(&mut self) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x80, 0];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        packet.resize(172, 0xD5);
        if let Some(sender) = &mut self.sender {
            sender.protect(&mut packet, 0).expect("a packet that can be protected");
        }
        packet
    }
}

fn spec(id: u64) -> TransportSpec {
    TransportSpec {
        id,
        ports: vec![id],
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

fn stream(id: u64) -> StreamSpec {
    StreamSpec {
        id,
        transport: id,
        kind: "audio".into(),
        send_ssrc: id as u32,
        clock_rates: vec![(0, 8000)],
        mid: String::new(),
        mid_extension: 0,
        audio_level_extension: 0,
        ssrcs: Vec::new(),
        silence_s: 1.0,
        keep: 0,
    }
}

fn route(source: u64, target: u64) -> Route {
    let constant_extensions = if target % 2 == 1 { vec![(1, b"0".to_vec())] } else { Vec::new() };
    Route {
        source,
        target,
        payload_types: vec![(0, 0)],
        telephone_events: vec![101],
        extensions: Vec::new(),
        constant_extensions,
        silence: Vec::new(),
        enabled: true,
    }
}

fn leg(cluster: &Cluster, id: u64, profile: Option<Profile>) -> Leg {
    let [_, _, _, _, _, b, c, d] = id.to_be_bytes();
    let (port, peer) = (3000, Address::v4([10, b, c, d], 4000));
    let key = cluster.open_port(id, Address::v4([127, 0, 0, 1], port), 0).expect("a port");
    cluster.add_transport(spec(id), 0.0).expect("a transport");
    cluster.set_remote(id, Remote { rtp: Some(peer), rtcp: None, latch: Latch::Strict }, 0.0).expect("a remote");
    cluster.add_stream(stream(id)).expect("a stream");
    let keys = |octet: u8, profile: Profile| Keys {
        profile,
        key: [octet, b, c, d].repeat(profile.key_length() / 4),
        salt: vec![octet; profile.salt_length()],
        mki: Vec::new(),
    };
    let sender = profile.map(|profile| {
        cluster.set_keys(id, Way::Receive, Some(keys(1, profile)), &[], 0.0).expect("keys");
        cluster.set_keys(id, Way::Send, Some(keys(2, profile)), &[], 0.0).expect("keys");
        SrtpSender::new(keys(1, profile)).expect("keys")
    });
    Leg { port: key, peer, sequence: 1000, ssrc: 0xB000_0000 + id as u32, sender }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let calls: u64 = arguments.next().map_or(1000, |calls| calls.parse().expect("a number of calls"));
    let batch: usize = arguments.next().map_or(64, |batch| batch.parse().expect("a batch size"));
    let profile = match arguments.next().as_deref() {
        None | Some("plain") => None,
        Some("cm") => Some(Profile::Aes128CmSha1_80),
        Some(_) => Some(Profile::AeadAes128Gcm),
    };
    let cluster = Cluster::new(1, &mut |_| Box::new(SystemRandomness::new()), 1 << 20);
    let mut legs: Vec<Leg> = (1..=2 * calls).map(|id| leg(&cluster, id, profile.filter(|_| id % 2 == 1))).collect();
    for call in 0..calls {
        cluster.route(route(2 * call + 1, 2 * call + 2)).expect("a route");
        cluster.route(route(2 * call + 2, 2 * call + 1)).expect("a route");
    }
    let (mut out, mut spent, mut packets, mut random) = (Outbox::new(), 0, 0u64, 0x9E37_79B9_7F4A_7C15u64);
    for round in 0..ROUNDS {
        let mut order: Vec<usize> = (0..legs.len()).collect();
        for at in (1..order.len()).rev() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            order.swap(at, (random % (at as u64 + 1)) as usize);
        }
        let mut datagrams: Vec<_> = order.iter().map(|at| (legs[*at].port, legs[*at].peer, legs[*at].packet())).collect();
        for group in datagrams.chunks_mut(batch) {
            let mut group: Vec<_> =
                group.iter_mut().map(|(port, source, data)| Datagram { port: *port, source: *source, data: data.as_mut_slice() }).collect();
            let mut plane = cluster.plane(0).lock().expect("no panic");
            let began = Instant::now();
            plane.receive(&mut group, round as f64 * 0.02, &mut out);
            if round > 2 {
                spent += began.elapsed().as_nanos();
                packets += group.len() as u64;
            }
            assert_eq!(out.items().len(), group.len());
            out.clear();
        }
    }
    println!("{calls} calls, batches of {batch}: {} ns a packet", spent / u128::from(packets));
}
