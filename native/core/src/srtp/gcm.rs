//! GHASH over a packet (RFC 7714; NIST SP 800-38D §6.4), by way of POLYVAL: the same with the octets of each block in reverse order and
//! the key doubled (RFC 8452 appendix A).

use polyval::universal_hash::UniversalHash;
use polyval::{Block, Polyval};

/// Blocks that are hashed at a time: those of a 20 ms G.711 packet with its header and the lengths.
const BATCH: usize = 12;

/// The powers of a hash key.
pub struct Ghash(Polyval);

impl Ghash {
    /// From the block of zeros encrypted.
    pub fn new(key: u128) -> Self {
        let carry = key >> 127;
        let doubled = (key << 1) ^ carry ^ (carry << 127) ^ (carry << 126) ^ (carry << 121);
        Self(Polyval::new(&doubled.to_le_bytes().into()))
    }

    /// The hash of `authenticated` and `encrypted`, each padded to whole blocks, and their lengths.
    #[inline]
    pub fn hash(&self, authenticated: &[u8], encrypted: &[u8]) -> u128 {
        let mut hasher = Hasher { hash: self.0.clone(), blocks: [Block::default(); BATCH], count: 0 };
        hasher.add(authenticated);
        hasher.add(encrypted);
        hasher.block(((8 * authenticated.len() as u128) << 64) | (8 * encrypted.len() as u128));
        hasher.hash.update(&hasher.blocks[..hasher.count]);
        u128::from_le_bytes(hasher.hash.finalize().0)
    }

    /// Reads the powers, so that they are in the cache.
    #[inline]
    pub fn touch(&self) {
        std::hint::black_box(self.0.clone());
    }
}

struct Hasher {
    hash: Polyval,
    blocks: [Block; BATCH],
    count: usize,
}

impl Hasher {
    #[inline(always)]
    fn add(&mut self, data: &[u8]) {
        let (blocks, rest) = data.as_chunks::<16>();
        for block in blocks {
            self.block(u128::from_be_bytes(*block));
        }
        if !rest.is_empty() {
            let mut block = [0; 16];
            block[..rest.len()].copy_from_slice(rest);
            self.block(u128::from_be_bytes(block));
        }
    }

    #[inline(always)]
    fn block(&mut self, block: u128) {
        if self.count == BATCH {
            self.hash.update(&self.blocks);
            self.count = 0;
        }
        self.blocks[self.count].0 = block.to_le_bytes();
        self.count += 1;
    }
}
