//! Which packets of an SSRC were seen: packet indices of RTP and RTCP, and their replay windows (RFC 3711 §3.3).

use crate::drops::Reason;

const SIZE: u64 = 1024;
const HALF: u16 = 0x8000;

/// The highest packet index of an SSRC and which of the `SIZE` up to it were seen; the bit of an index is at its place modulo `SIZE`.
#[derive(Clone)]
pub struct Window {
    pub highest: u64,
    bits: [u64; SIZE as usize / 64],
}

impl Window {
    pub fn new() -> Self {
        Self { highest: 0, bits: [0; SIZE as usize / 64] }
    }

    /// The packet index that a sequence number means, and how far it is from the highest (RFC 3711 §3.3.1).
    ///
    /// Up to an index of 2^15 the rollover counter is taken for 0: there is no 2^32 - 1 to go back to.
    #[inline]
    pub fn estimate(&self, sequence: u16) -> (u64, i64) {
        let local = self.highest as u16;
        let rollover = (self.highest >> 16) as u32;
        let difference = i64::from(sequence) - i64::from(local);
        if self.highest <= u64::from(HALF) {
            return (u64::from(sequence), difference);
        }
        let (rollover, difference) = if local < HALF && difference > i64::from(HALF) {
            (rollover.wrapping_sub(1), difference - 0x1_0000)
        } else if local >= HALF && local - HALF > sequence {
            (rollover.wrapping_add(1), difference + 0x1_0000)
        } else {
            (rollover, difference)
        };
        (u64::from(rollover) << 16 | u64::from(sequence), difference)
    }

    /// Refuse an index that was seen, or that is too old to tell.
    #[inline]
    pub fn check(&self, difference: i64) -> Result<(), Reason> {
        if difference > 0 {
            return Ok(());
        }
        let (word, bit) = place(self.highest.wrapping_add_signed(difference));
        if -difference >= SIZE as i64 || self.bits[word] & bit != 0 {
            return Err(Reason::Replayed);
        }
        Ok(())
    }

    /// Note that the index was seen.
    #[inline]
    pub fn add(&mut self, difference: i64) {
        let index = self.highest.wrapping_add_signed(difference);
        let (word, bit) = place(index);
        if difference == 1 {
            self.bits[word] &= !bit;
            self.highest = index;
        } else if difference > 0 {
            self.advance(index);
        }
        self.bits[word] |= bit;
    }

    #[cold]
    fn advance(&mut self, index: u64) {
        if index - self.highest >= SIZE {
            self.bits = [0; SIZE as usize / 64];
        } else {
            for passed in self.highest + 1..=index {
                let (word, bit) = place(passed);
                self.bits[word] &= !bit;
            }
        }
        self.highest = index;
    }

    /// Reads what the packet after the highest needs, so that it is in the cache.
    #[inline]
    pub fn touch(&self) {
        std::hint::black_box(self.bits[place(self.highest.wrapping_add(1)).0]);
    }
}

#[inline]
fn place(index: u64) -> (usize, u64) {
    ((index % SIZE / 64) as usize, 1 << (index % 64))
}

const RTCP_SIZE: u32 = 128;
/// The highest SRTCP index.
const RTCP_LAST: u32 = 0x7fff_ffff;

/// Which SRTCP indices were seen: the 128 from `start` on. A sender's `start` is the index it used last.
#[derive(Clone, Default)]
pub struct RtcpWindow {
    start: u32,
    bits: u128,
}

impl RtcpWindow {
    /// Refuse an index that was seen, or that is too old to tell.
    pub fn check(&self, index: u32) -> Result<(), Reason> {
        match index.checked_sub(self.start) {
            None => Err(Reason::Replayed),
            Some(place) if place < RTCP_SIZE && self.bits >> place & 1 == 1 => Err(Reason::Replayed),
            Some(_) => Ok(()),
        }
    }

    /// Note that the index was seen. It was checked before.
    pub fn add(&mut self, index: u32) {
        let place = index.saturating_sub(self.start);
        if let Some(passed) = place.checked_sub(RTCP_SIZE - 1).filter(|passed| *passed > 0) {
            self.bits = self.bits.checked_shr(passed).unwrap_or(0) | 1 << (RTCP_SIZE - 1);
            self.start += passed;
        } else {
            self.bits |= 1 << place;
        }
    }

    /// A sender's after that index.
    #[cfg(test)]
    pub fn at(start: u32) -> Self {
        Self { start, bits: 0 }
    }

    /// The next index to send under, or none when all were.
    pub fn next(&mut self) -> Result<u32, Reason> {
        if self.start >= RTCP_LAST {
            return Err(Reason::KeyUsedUp);
        }
        self.start += 1;
        Ok(self.start)
    }
}
