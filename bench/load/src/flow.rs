//! The packets of one direction of a call: what was sent when, and what of it came.

use crate::clock;

pub const MIN_PAYLOAD: usize = 20;
const FILL: u8 = 0x55;
const KEPT: usize = 64;

/// One sender: its numbers go on from run to run.
pub struct Source {
    pub call: u32,
    pub ssrc: u32,
    pub payload_type: u8,
    first_sequence: u16,
    /// Of the next packet; the first is 0.
    pub ordinal: u64,
    sent_at: [u64; KEPT],
}

impl Source {
    pub fn new(call: u32, ssrc: u32, payload_type: u8) -> Self {
        // Most begin as browsers do, below 2^15 (RFC 3711 §3.3.1); every sixteenth soon passes 2^16.
        let first_sequence = if call.is_multiple_of(16) { 65_400 } else { (ssrc >> 8) as u16 & 0x7FFF };
        Self { call, ssrc, payload_type, first_sequence, ordinal: 0, sent_at: [0; KEPT] }
    }

    /// Write the next packet with `payload` octets after the header.
    pub fn write(&mut self, packet: &mut Vec<u8>, payload: usize, ticks: u32) {
        let now = clock::now_ns();
        packet.extend_from_slice(&[0x80, self.payload_type]);
        packet.extend_from_slice(&self.first_sequence.wrapping_add(self.ordinal as u16).to_be_bytes());
        packet.extend_from_slice(&(self.ordinal as u32).wrapping_mul(ticks).to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        packet.extend_from_slice(&self.call.to_be_bytes());
        packet.extend_from_slice(&self.ordinal.to_be_bytes());
        packet.extend_from_slice(&now.to_be_bytes());
        packet.resize(12 + payload.max(MIN_PAYLOAD), FILL);
        self.sent_at[self.ordinal as usize % KEPT] = now;
        self.ordinal += 1;
    }

    /// When a packet was sent, in nanoseconds; `None` when that is forgotten or it was not.
    pub fn sent_at(&self, ordinal: u64) -> Option<u64> {
        (ordinal < self.ordinal && ordinal + KEPT as u64 >= self.ordinal).then(|| self.sent_at[ordinal as usize % KEPT])
    }
}

/// What a payload of ours says.
#[derive(Clone, Copy)]
pub struct Stamp {
    pub call: u32,
    pub ordinal: u64,
    pub sent_at: u64,
}

/// Read the payload of an RTP packet; `None` when it is not one of ours. `whole` compares every octet.
pub fn read_stamp(packet: &[u8], payload: usize, whole: bool) -> Option<Stamp> {
    let body = packet.get(header_length(packet)?..)?;
    if body.len() != payload.max(MIN_PAYLOAD) || whole && body[MIN_PAYLOAD..].iter().any(|octet| *octet != FILL) {
        return None;
    }
    let (call, rest) = body.split_first_chunk::<4>()?;
    let (ordinal, rest) = rest.split_first_chunk::<8>()?;
    let (sent_at, _) = rest.split_first_chunk::<8>()?;
    Some(Stamp { call: u32::from_be_bytes(*call), ordinal: u64::from_be_bytes(*ordinal), sent_at: u64::from_be_bytes(*sent_at) })
}

/// Sequence number and SSRC.
pub fn numbers(packet: &[u8]) -> Option<(u16, u32)> {
    let head = packet.first_chunk::<12>()?;
    Some((u16::from_be_bytes([head[2], head[3]]), u32::from_be_bytes([head[8], head[9], head[10], head[11]])))
}

fn header_length(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let fixed = 12 + 4 * usize::from(first & 0x0F);
    if first & 0x10 == 0 {
        return Some(fixed);
    }
    let words = packet.get(fixed + 2..fixed + 4)?;
    Some(fixed + 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]])))
}

/// One receiver: which packets came, and how the sequence numbers it sees differ from the sender's ordinals.
pub struct Sink {
    highest: Option<u64>,
    before: u64,
    /// Sequence number minus ordinal, once a packet has told it.
    pub offset: Option<u16>,
    /// Of the last packet.
    pub ssrc: u32,
    pub sequence: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    New,
    /// Behind a later one.
    Reordered,
    Duplicate,
}

impl Sink {
    pub fn new() -> Self {
        Self { highest: None, before: 0, offset: None, ssrc: 0, sequence: 0 }
    }

    /// The ordinal behind a sequence number, by the offset known.
    pub fn ordinal_of(&self, sequence: u16) -> Option<u64> {
        let low = sequence.wrapping_sub(self.offset?);
        let highest = self.highest.unwrap_or(u64::from(low));
        highest.checked_add_signed(i64::from(low.wrapping_sub(highest as u16) as i16))
    }

    pub fn arrive(&mut self, ordinal: u64) -> Arrival {
        let Some(highest) = self.highest else {
            self.highest = Some(ordinal);
            return Arrival::New;
        };
        if ordinal > highest {
            let step = ordinal - highest;
            self.before = if step > 64 { 0 } else { self.before.checked_shl(step as u32).unwrap_or(0) | 1 << (step - 1) };
            self.highest = Some(ordinal);
            return Arrival::New;
        }
        let back = highest - ordinal;
        if back == 0 || back <= 64 && self.before & 1 << (back - 1) != 0 {
            return Arrival::Duplicate;
        }
        if back <= 64 {
            self.before |= 1 << (back - 1);
        }
        Arrival::Reordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut source = Source::new(7, 0x0102_0304, 0);
        let mut packet = Vec::new();
        source.write(&mut packet, 160, 160);
        packet.clear();
        source.write(&mut packet, 160, 160);
        let stamp = read_stamp(&packet, 160, true).expect("ours");
        assert_eq!((stamp.call, stamp.ordinal, packet.len()), (7, 1, 172));
        assert_eq!(source.sent_at(1), Some(stamp.sent_at));
        assert_eq!(source.sent_at(2), None);
        packet[100] ^= 1;
        assert!(read_stamp(&packet, 160, true).is_none());
    }

    #[test]
    fn arrivals_are_told_apart() {
        let mut sink = Sink::new();
        let seen: Vec<Arrival> = [0, 1, 1, 3, 2, 2, 3, 200, 100].into_iter().map(|ordinal| sink.arrive(ordinal)).collect();
        use Arrival::{Duplicate, New, Reordered};
        assert_eq!(seen, [New, New, Duplicate, New, Reordered, Duplicate, Duplicate, New, Reordered]);
    }

    #[test]
    fn ordinals_pass_the_end_of_the_sequence_numbers() {
        let mut sink = Sink::new();
        sink.offset = Some(60_000);
        sink.arrive(5_000);
        assert_eq!(sink.ordinal_of(60_000u16.wrapping_add(5_600)), Some(5_600));
        sink.arrive(5_600);
        assert_eq!(sink.ordinal_of(60_000u16.wrapping_add(5_500)), Some(5_500));
    }
}
