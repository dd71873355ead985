//! Hostile datagrams beside the calls, at a rate of their own.

use std::net::Ipv4Addr;

use crate::call::Call;
use crate::net::Sending;
use crate::plan::{from_hex, Hostile, RunPlan};
use crate::random::Random;

const AT_ONCE: u64 = 256;
const STRANGERS: u32 = 0x7F42_0000;

pub struct Flood {
    per_ns: f64,
    kinds: Vec<Hostile>,
    hello: Vec<u8>,
    random: Random,
    pub sent: u64,
}

impl Flood {
    pub fn new(plan: &RunPlan) -> Self {
        let hello = from_hex(&plan.hello).unwrap_or_default();
        Self { per_ns: plan.flood / 1e9, kinds: plan.flood_kinds.clone(), hello, random: Random::new(2), sent: 0 }
    }

    /// Whether packets of the calls must be kept for this.
    pub fn active(&self) -> bool {
        self.per_ns > 0.0 && !self.kinds.is_empty()
    }

    /// Send what is due after so long.
    pub fn send(&mut self, passed_ns: u64, calls: &[Call], out: &mut Sending) {
        if !self.active() || calls.is_empty() {
            return;
        }
        let due = (passed_ns as f64 * self.per_ns) as u64;
        for _ in 0..due.saturating_sub(self.sent).min(AT_ONCE) {
            let kind = self.kinds[self.sent as usize % self.kinds.len()];
            let call = &calls[self.random.below(calls.len() as u32) as usize];
            self.one(kind, call, out);
            self.sent += 1;
        }
    }

    fn one(&mut self, kind: Hostile, call: &Call, out: &mut Sending) {
        let stranger = Ipv4Addr::from(STRANGERS | self.random.below(0xFFFF));
        let packet = out.buffer();
        match kind {
            Hostile::Random => {
                let length = 1 + self.random.below(300);
                packet.extend((0..length).map(|_| self.random.next() as u8));
                let to = if self.random.below(2) == 0 { call.webrtc } else { call.rtp };
                return out.add(stranger, to);
            }
            Hostile::Stun => call.write_check(packet, self.sent, "not the password"),
            Hostile::Hello => packet.extend_from_slice(&self.hello),
            Hostile::Replay => packet.extend_from_slice(&call.last),
            Hostile::Forged => {
                packet.extend_from_slice(&call.last);
                // A number of the near future, so that no replay window saves the gateway the work of authenticating it.
                if let Some(sequence) = packet.get_mut(2..4) {
                    let number = u16::from_be_bytes([sequence[0], sequence[1]]).wrapping_add(1 + self.random.below(100) as u16);
                    sequence.copy_from_slice(&number.to_be_bytes());
                }
            }
            Hostile::ForgedRtcp => {
                packet.extend_from_slice(&[0x80, 200, 0, 6]);
                packet.extend((0..52).map(|_| self.random.next() as u8));
            }
        }
        let own = matches!(kind, Hostile::Replay | Hostile::Forged | Hostile::ForgedRtcp);
        out.add(if own { call.client } else { stranger }, call.webrtc);
    }
}
