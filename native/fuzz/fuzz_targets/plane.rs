//! The plane: whatever comes and is commanded, in any order. Datagrams that are taken together do what they do one by one.
#![no_main]

mod world;

use arbitrary::Arbitrary;
use boringsdp_core::rtp::{write_extensions, Header};
use boringsdp_core::srtp::SrtpSender;
use boringsdp_core::statistics::EngineStatistics;
use boringsdp_core::stun::{write_stun, Kind};
use libfuzzer_sys::fuzz_target;

use world::{keys, peer, set_up, Arrival, Order, Sent, World, PASSWORD};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    two_workers: bool,
    acts: Vec<Act<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Act<'a> {
    Raw {
        port: u8,
        from: u8,
        data: &'a [u8],
    },
    Rtp {
        port: u8,
        from: u8,
        ssrc: u8,
        back: u8,
        second: u8,
        bits: u8,
        extension: Option<(u8, &'a [u8])>,
        payload: &'a [u8],
        key: Option<u8>,
    },
    Rtcp {
        port: u8,
        from: u8,
        second: u8,
        data: &'a [u8],
        key: Option<u8>,
    },
    Check {
        port: u8,
        from: u8,
        user: u8,
        nominate: bool,
        good: bool,
    },
    Tick(u8),
    Order(Order<'a>),
}

/// What writes the arrivals: numbers that go on, and a sender for each key.
struct Pen {
    sequence: u16,
    timestamp: u32,
    senders: [Option<SrtpSender>; 8],
}

fuzz_target!(|input: Input<'_>| {
    let workers = if input.two_workers { 2 } else { 1 };
    let (together, singly) = (set_up(workers), set_up(workers));
    let mut pen = Pen { sequence: 65530, timestamp: 0xFFFF_FF00, senders: Default::default() };
    let mut now = 100.0;
    let mut waiting = Vec::new();
    for act in &input.acts {
        if let Some(arrival) = pen.write(act) {
            waiting.push(arrival);
            continue;
        }
        receive(&together, &singly, std::mem::take(&mut waiting), now, workers == 1);
        match act {
            Act::Tick(tenths) => {
                now += f64::from(*tenths) * 0.1;
                together.tick(now);
                singly.tick(now);
            }
            Act::Order(order) => assert_eq!(together.order(order, now), singly.order(order, now)),
            _ => {}
        }
        assert_eq!(together.events(), singly.events());
    }
    receive(&together, &singly, waiting, now, workers == 1);
    assert_eq!(figures(&together), figures(&singly));
    let record = together.cluster.snapshot(now);
    assert_eq!(record, singly.cluster.snapshot(now));
});

/// All that was counted. What was dropped has no order: that something could not be sent is told after the whole batch.
fn figures(world: &World) -> EngineStatistics {
    let mut statistics = world.cluster.statistics();
    statistics.drops.sort_unstable();
    statistics.transports.iter_mut().for_each(|(_, transport)| transport.drops.sort_unstable());
    statistics
}

/// Give the same datagrams to one world together, if that is wanted, and to the other one by one.
fn receive(together: &World, singly: &World, mut arrivals: Vec<Arrival>, now: f64, batch: bool) {
    let one_by_one: Vec<Sent> = arrivals
        .iter()
        .flat_map(|arrival| {
            let copy = Arrival { data: arrival.data.clone(), ..*arrival };
            singly.receive(&mut [copy], now)
        })
        .collect();
    let sent: Vec<Sent> = if batch {
        together.receive(&mut arrivals, now)
    } else {
        arrivals.chunks_mut(1).flat_map(|arrival| together.receive(arrival, now)).collect()
    };
    assert_eq!(sent, one_by_one);
    assert_eq!(together.events(), singly.events());
}

impl Pen {
    fn write(&mut self, act: &Act<'_>) -> Option<Arrival> {
        let (port, from, data) = match act {
            Act::Raw { port, from, data } => (port, from, data.to_vec()),
            Act::Rtp { port, from, ssrc, back, second, bits, extension, payload, key } => {
                self.sequence = self.sequence.wrapping_add(1);
                self.timestamp = self.timestamp.wrapping_add(160);
                let sequence = self.sequence.wrapping_sub(if *back > 200 { 30_000 } else { u16::from(*back % 4) });
                let first = 0x80 | if extension.is_some() { 0x10 } else { bits & 0x20 };
                let header = Header { first, second: *second, sequence, timestamp: self.timestamp, ssrc: 11 + u32::from(ssrc % 5) };
                let mut data = Vec::new();
                header.write(&mut data);
                write_extensions(extension.iter().map(|(id, value)| (*id, *value)), &mut data);
                data.extend_from_slice(payload);
                (port, from, self.protect(data, *key, false))
            }
            Act::Rtcp { port, from, second, data, key } => {
                let words = (data.len() / 4) as u16;
                let head = [0x80, 200 + second % 8, (words >> 8) as u8, words as u8];
                (port, from, self.protect([&head, *data].concat(), *key, true))
            }
            Act::Check { port, from, user, nominate, good } => {
                let user = [&b"ufrag:x"[..], b"own:x", b"later:x", b"nobody:x"][usize::from(user & 3)];
                let attributes = [(0x0006, user), (0x0025, &b""[..])];
                let password = if *good { PASSWORD } else { "wrong" }.as_bytes();
                let mut data = Vec::new();
                let used = if *nominate { 2 } else { 1 };
                write_stun(Kind::Request, b"0123456789ab", &attributes[..used], Some(password), true, &mut data);
                (port, from, data)
            }
            _ => return None,
        };
        Some(Arrival { port: 1 + u64::from(port % 7), source: peer(*from), data })
    }

    fn protect(&mut self, mut data: Vec<u8>, key: Option<u8>, rtcp: bool) -> Vec<u8> {
        if let Some(number) = key.map(|key| key & 7) {
            let sender = &mut self.senders[usize::from(number)];
            let sender = sender.get_or_insert_with(|| SrtpSender::new(keys(number)).expect("keys that fit"));
            let _ = if rtcp { sender.protect_rtcp(&mut data, 0) } else { sender.protect(&mut data, 0) };
        }
        data
    }
}
