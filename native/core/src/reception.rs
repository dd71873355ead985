//! What is known of one synchronisation source that we receive: extended sequence, loss, duplicates, jitter (RFC 3550 §A.1, §A.3, §A.8).
//!
//! Departures: there is no probation (the first packet counts), late packets are placed in a window of 1,024 instead of 100, and `packets`
//! does not count duplicates, so that `lost` is exact and never negative.

pub const WINDOW: i64 = 1024;
pub const MAX_DROPOUT: i64 = 3000;

/// What a packet turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Its extended sequence number. After a believed jump of an untrusted source it is more than `MAX_DROPOUT` ahead.
    At(i64),
    Duplicate,
    /// Too far off to be believed yet.
    Jumped,
}

/// One bit for each of the last `WINDOW` extended numbers.
#[derive(Clone)]
struct Seen([u64; WINDOW as usize / 64]);

impl Seen {
    const NONE: Seen = Seen([0; WINDOW as usize / 64]);
    const ALL: Seen = Seen([u64::MAX; WINDOW as usize / 64]);

    #[inline]
    fn place(extended: i64) -> (usize, u64) {
        ((extended & (WINDOW - 1)) as usize >> 6, 1 << (extended & 63))
    }

    #[inline]
    fn has(&self, extended: i64) -> bool {
        let (word, bit) = Self::place(extended);
        self.0[word] & bit != 0
    }

    #[inline]
    fn set(&mut self, extended: i64) {
        let (word, bit) = Self::place(extended);
        self.0[word] |= bit;
    }

    #[inline]
    fn clear(&mut self, extended: i64) {
        let (word, bit) = Self::place(extended);
        self.0[word] &= !bit;
    }
}

/// Counters of one source. `receive` is called once for every packet in arrival order.
#[derive(Clone)]
pub struct Reception {
    /// The RTP clock in Hz.
    pub clock: u32,
    /// Packets are authenticated and their index was checked (SRTP): then a jump in sequence is believed at once.
    pub trusted: bool,
    /// Extended sequence numbers.
    pub base: i64,
    pub highest: i64,
    /// The timestamp of the packet that advanced last.
    pub rtp_time: u32,
    transit: f64,
    /// In ticks of `clock`.
    pub jitter: f64,
    pub packets: u64,
    /// Packets of before the last restart of the sequence.
    pub packets_before: u64,
    pub duplicates: u64,
    pub reordered: u64,
    lost_before: i64,
    restart_at: Option<u16>,
    seen: Seen,
}

impl Reception {
    /// From what the first packet says, which is then given to `receive`. `now` is in seconds.
    pub fn new(sequence: u16, rtp_time: u32, now: f64, clock: u32, trusted: bool) -> Self {
        Self {
            clock,
            trusted,
            base: i64::from(sequence),
            highest: i64::from(sequence) - 1,
            rtp_time,
            transit: now * f64::from(clock) - f64::from(rtp_time),
            jitter: 0.0,
            packets: 0,
            packets_before: 0,
            duplicates: 0,
            reordered: 0,
            lost_before: 0,
            restart_at: None,
            seen: Seen::NONE,
        }
    }

    /// Bring what the next packet needs into the cache.
    #[inline]
    pub fn touch(&self) -> u64 {
        let seen = u64::from(self.seen.has(self.highest + 1));
        seen ^ self.packets ^ self.jitter.to_bits() ^ self.transit.to_bits() ^ u64::from(self.clock)
    }

    /// Count a packet.
    #[inline]
    pub fn receive(&mut self, sequence: u16, rtp_time: u32, now: f64) -> Received {
        let step = i64::from(sequence.wrapping_sub(self.highest as u16));
        let extended = match step {
            1 => self.highest + 1,
            2..=MAX_DROPOUT => {
                self.skip(step);
                self.highest + step
            }
            _ => match self.out_of_line(sequence, rtp_time) {
                Received::At(extended) if extended > self.highest => extended,
                Received::At(extended) => {
                    self.measure(rtp_time, now);
                    return Received::At(extended);
                }
                refused => return refused,
            },
        };
        self.highest = extended;
        self.seen.set(extended);
        self.packets += 1;
        self.rtp_time = rtp_time;
        self.measure(rtp_time, now);
        Received::At(extended)
    }

    /// Go on in another RTP clock (Hz): jitter is kept in time, the transit base is taken anew from this packet.
    pub fn set_clock(&mut self, clock: u32, rtp_time: u32, now: f64) {
        self.jitter *= f64::from(clock) / f64::from(self.clock);
        self.clock = clock;
        self.transit = now * f64::from(clock) - f64::from(rtp_time);
    }

    /// Expected minus received, over every restart of the sequence; never negative.
    pub fn lost(&self) -> i64 {
        self.lost_before + self.highest - self.base + 1 - (self.packets - self.packets_before) as i64
    }

    /// Take everything up to the extended number `highest` as seen: nothing older is accepted again.
    pub fn resume(&mut self, highest: i64) {
        (self.base, self.highest) = (highest + 1, highest);
        self.seen = Seen::ALL;
    }

    #[cold]
    fn skip(&mut self, step: i64) {
        if step > WINDOW {
            self.seen = Seen::NONE;
            return;
        }
        for missing in self.highest + 1..self.highest + step {
            self.seen.clear(missing);
        }
    }

    #[inline]
    fn measure(&mut self, rtp_time: u32, now: f64) {
        let transit = now * f64::from(self.clock) - f64::from(rtp_time);
        let change = (transit - self.transit).abs();
        self.transit = transit;
        if change < 2147483648.0 {
            self.jitter += (change - self.jitter) * 0.0625;
        }
    }

    #[cold]
    fn out_of_line(&mut self, sequence: u16, rtp_time: u32) -> Received {
        let back = i64::from((self.highest as u16).wrapping_sub(sequence));
        if back < WINDOW {
            let extended = self.highest - back;
            if !self.seen.has(extended) {
                self.seen.set(extended);
                self.packets += 1;
                self.reordered += 1;
                self.base = self.base.min(extended);
                return Received::At(extended);
            }
            let ahead = rtp_time.wrapping_sub(self.rtp_time);
            if self.trusted || !(1..0x8000_0000).contains(&ahead) {
                self.duplicates += 1;
                return Received::Duplicate;
            }
            // newer than the newest, so not a copy: the source has begun its numbering again close to where it was
        }
        if self.trusted {
            let step = i64::from(sequence.wrapping_sub(self.highest as u16) as i16);
            if step <= 0 {
                self.duplicates += 1;
                return Received::Duplicate;
            }
            self.seen = Seen::NONE;
            return Received::At(self.highest + step);
        }
        if self.restart_at != Some(sequence) {
            self.restart_at = Some(sequence.wrapping_add(1));
            return Received::Jumped;
        }
        self.restart(sequence);
        Received::At(self.base)
    }

    /// Two packets in order at the new place: believe it (RFC 3550 §A.1). Numbered two cycles on, so that it never looks late.
    fn restart(&mut self, sequence: u16) {
        self.lost_before = self.lost();
        self.packets_before = self.packets;
        self.base = (((self.highest >> 16) + 2) << 16) + i64::from(sequence);
        self.highest = self.base - 1;
        self.restart_at = None;
        self.seen = Seen::NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::Received::{At, Duplicate, Jumped};
    use super::*;

    fn one(reception: &mut Reception, sequence: u32) -> Received {
        reception.receive(sequence as u16, sequence.wrapping_mul(160), f64::from(sequence) * 0.02)
    }

    fn receive<const N: usize>(reception: &mut Reception, sequences: [u32; N]) -> [Received; N] {
        sequences.map(|sequence| one(reception, sequence))
    }

    fn fresh(sequence: u32, trusted: bool) -> Reception {
        Reception::new(sequence as u16, sequence.wrapping_mul(160), f64::from(sequence) * 0.02, 8000, trusted)
    }

    #[test]
    fn extends_over_wraps() {
        let mut reception = fresh(65534, false);
        assert_eq!(receive(&mut reception, [65534, 65535, 65536, 65537]), [At(65534), At(65535), At(65536), At(65537)]);
        assert_eq!((reception.lost(), reception.packets), (0, 4));
    }

    #[test]
    fn counts_loss_and_takes_late_packets_back() {
        let mut reception = fresh(10, false);
        receive(&mut reception, [10, 11, 15]);
        assert_eq!(reception.lost(), 3);
        assert_eq!(one(&mut reception, 13), At(13));
        assert_eq!((reception.lost(), reception.reordered), (2, 1));
        assert_eq!(one(&mut reception, 13), Duplicate);
        assert_eq!((reception.lost(), reception.duplicates, reception.packets), (2, 1, 4));
    }

    #[test]
    fn a_packet_before_the_first_widens_the_range() {
        let mut reception = fresh(100, false);
        receive(&mut reception, [100, 98]);
        assert_eq!((reception.base, reception.lost(), reception.packets), (98, 1, 2));
        let mut first = fresh(0, false);
        assert_eq!(receive(&mut first, [0, 65535]), [At(0), At(-1)]);
    }

    #[test]
    fn an_untrusted_jump_needs_a_second_packet() {
        let mut reception = fresh(10, false);
        receive(&mut reception, [10, 11]);
        assert_eq!(one(&mut reception, 30000), Jumped);
        assert_eq!(receive(&mut reception, [12, 40000]), [At(12), Jumped]);
        assert_eq!(receive(&mut reception, [40001, 40002]), [At(131072 + 40001), At(131072 + 40002)]);
        assert_eq!((reception.packets, reception.packets_before, reception.lost()), (5, 3, 0));
    }

    #[test]
    fn a_trusted_jump_is_believed() {
        let mut reception = fresh(10, true);
        one(&mut reception, 10);
        assert_eq!(one(&mut reception, 20010), At(20010));
        assert_eq!(reception.lost(), 19999);
        assert_eq!(one(&mut reception, 20009 - 1024), Duplicate);
    }

    #[test]
    fn a_restart_close_behind_is_told_from_duplicates_by_its_time() {
        let mut reception = fresh(500, false);
        for sequence in 500..600 {
            one(&mut reception, sequence);
        }
        let mut later = |index: u16| reception.receive(550 + index, 10_000_000 + u32::from(index) * 160, 30.0 + f64::from(index) * 0.02);
        assert_eq!([later(0), later(1), later(2)], [Jumped, At(131072 + 551), At(131072 + 552)]);
        assert_eq!(receive(&mut fresh(1, false), [1, 1]), [At(1), Duplicate]);
    }

    #[test]
    fn resuming_takes_nothing_twice() {
        let mut reception = fresh(0, true);
        reception.resume(65536 + 40);
        assert_eq!(receive(&mut reception, [65536 + 40, 65536 - 100]), [Duplicate, Duplicate]);
        assert_eq!(one(&mut reception, 65536 + 41), At(65536 + 41));
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn jitter_of_rfc_3550() {
        let mut reception = Reception::new(0, 0, 0.0, 8000, false);
        reception.receive(0, 0, 0.0);
        reception.receive(1, 160, 0.03); // 10 ms late: 80 ticks
        assert!((reception.jitter - 80.0 / 16.0).abs() < 1e-9);
        reception.receive(2, 320, 0.04);
        assert!((reception.jitter - (5.0 + 75.0 / 16.0)).abs() < 1e-9);
        reception.set_clock(48000, 100, 0.06);
        assert!((reception.jitter - 6.0 * (5.0 + 75.0 / 16.0)).abs() < 1e-9);
    }

    #[test]
    fn a_gap_as_long_as_the_window_leaves_nothing_of_it() {
        for gap in [1023, 1024, 1025, 2999, 3000] {
            let mut reception = fresh(0, false);
            for sequence in 0..2000 {
                one(&mut reception, sequence);
            }
            one(&mut reception, 1999 + gap);
            for missing in 2000.max(1999 + gap - 1023)..1999 + gap {
                assert_eq!(one(&mut reception, missing), At(i64::from(missing)), "{gap}");
            }
        }
    }
}
