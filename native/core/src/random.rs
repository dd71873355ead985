//! Where random numbers come from.

use std::collections::VecDeque;

/// Random numbers as Python's `getrandbits` gives them.
pub trait Randomness: Send {
    /// A number of `count` bits, 0 to 32.
    fn bits(&mut self, count: u32) -> u32;
}

/// The operating system's, fetched in blocks.
pub struct SystemRandomness {
    block: [u8; 256],
    used: usize,
}

impl SystemRandomness {
    pub fn new() -> Self {
        Self { block: [0; 256], used: 256 }
    }
}

impl Default for SystemRandomness {
    fn default() -> Self {
        Self::new()
    }
}

impl Randomness for SystemRandomness {
    /// Panics when the operating system has no random numbers.
    fn bits(&mut self, count: u32) -> u32 {
        if self.used + 4 > self.block.len() {
            getrandom::fill(&mut self.block).expect("random numbers of the operating system");
            self.used = 0;
        }
        let mut octets = [0; 4];
        octets.copy_from_slice(&self.block[self.used..self.used + 4]);
        self.used += 4;
        top(u32::from_ne_bytes(octets), count)
    }
}

/// Numbers of a given list, over and over again: what tests draw from. An empty list gives zeros.
pub struct Drawn(pub VecDeque<u32>);

impl Randomness for Drawn {
    fn bits(&mut self, count: u32) -> u32 {
        let drawn = self.0.pop_front();
        self.0.extend(drawn);
        top(drawn.unwrap_or(0), count)
    }
}

/// The upper `count` bits.
fn top(number: u32, count: u32) -> u32 {
    number.checked_shr(32 - count.min(32)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_in_turn() {
        let mut drawn = Drawn([0x8000_0000, 0xFFFF_FFFF].into());
        assert_eq!([drawn.bits(1), drawn.bits(15), drawn.bits(32), drawn.bits(0)], [1, 0x7FFF, 0x8000_0000, 0]);
        assert_eq!(Drawn(VecDeque::new()).bits(32), 0);
    }

    #[test]
    fn the_system_gives_what_was_asked() {
        let mut system = SystemRandomness::new();
        let numbers: Vec<u32> = (0..1000).map(|_| system.bits(15)).collect();
        assert!(numbers.iter().all(|&number| number < 1 << 15));
        assert!(numbers.iter().any(|&number| number != numbers[0]));
    }
}
