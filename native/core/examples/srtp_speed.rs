//! What SRTP costs: nanoseconds per 172-octet packet, the median of many batches.
//!
//! With one context (hot), with 1,000 in turn, and with 1,000 when other work has emptied the caches before each batch: as they come, and
//! touched before.

use std::hint::black_box;
use std::time::Instant;

use boringsdp_core::keys::{Keys, Profile};
use boringsdp_core::srtp::{SrtpReceiver, SrtpSender};

const BATCHES: usize = 3000;
/// As many packets as are taken from a socket at once.
const BATCH: usize = 32;
/// Octets of other work.
const OTHER: usize = 6 << 20;

fn main() {
    println!("{:40} {:>9} {:>9}", "ns per packet", "protect", "unprotect");
    for profile in Profile::ALL {
        for (count, cold, touch, what) in [
            (1, false, false, "hot"),
            (1000, false, false, "1,000 in turn"),
            (1000, false, true, "1,000 in turn, touched"),
            (1000, true, false, "1,000, cold"),
            (1000, true, true, "1,000, cold, touched"),
        ] {
            let [protect, unprotect] = measure(profile, count, cold, touch);
            println!("{:40} {protect:9.0} {unprotect:9.0}", format!("{}, {what}", profile.name()));
        }
    }
}

fn keys(profile: Profile, seed: usize) -> Keys {
    let some = |length: usize| (0..length).map(|at| (at * 7 + seed * 13 + (seed >> 8)) as u8).collect();
    Keys { profile, key: some(profile.key_length()), salt: some(profile.salt_length()), mki: Vec::new() }
}

fn packet(sequence: usize) -> Vec<u8> {
    let mut packet = Vec::with_capacity(200);
    packet.extend([0x80, 0, (sequence >> 8) as u8, sequence as u8, 0, 0, 0, 0, 0, 0, 0, 5]);
    packet.resize(172, 0x55);
    packet
}

/// The median time of a packet: to protect and to unprotect.
fn measure(profile: Profile, count: usize, cold: bool, touch: bool) -> [f64; 2] {
    let mut senders: Vec<_> = (0..count).map(|seed| SrtpSender::new(keys(profile, seed)).expect("good keys")).collect();
    let mut receivers: Vec<_> = (0..count).map(|seed| SrtpReceiver::new(keys(profile, seed), &[]).expect("good keys")).collect();
    let batches = if cold { BATCHES / 10 } else { BATCHES };
    let other = vec![1_u64; OTHER / 8];
    let mut times = [Vec::new(), Vec::new()];
    for batch in 0..batches {
        let order: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).map(|at| at * 377 % count).collect();
        let mut packets: Vec<_> = (0..BATCH).map(|at| packet((batch * BATCH + at) / count)).collect();
        empty_caches(cold, &other, &packets);
        times[0].push(timed(|| {
            if touch {
                order.iter().for_each(|at| senders[*at].touch());
            }
            for (packet, at) in packets.iter_mut().zip(&order) {
                senders[*at].protect(packet, 0).expect("protected");
            }
        }));
        empty_caches(cold, &other, &packets);
        times[1].push(timed(|| {
            if touch {
                order.iter().for_each(|at| receivers[*at].touch());
            }
            for (packet, at) in packets.iter_mut().zip(&order) {
                black_box(receivers[*at].unprotect(packet).expect("unprotected"));
            }
        }));
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / BATCH as f64
}

/// Leaves the packets in the cache, as they are when they have just come.
fn empty_caches(cold: bool, other: &[u64], packets: &[Vec<u8>]) {
    if cold {
        black_box(other.iter().sum::<u64>());
        black_box(packets.iter().flatten().map(|octet| u64::from(*octet)).sum::<u64>());
    }
}
