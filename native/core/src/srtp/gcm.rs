//! GHASH over a packet (RFC 7714; NIST SP 800-38D §6.4).

use ghash::universal_hash::UniversalHash;
use ghash::{Block, GHash};

/// Blocks that are hashed at a time: those of a 20 ms G.711 packet.
const BATCH: usize = 12;

/// The hash of `authenticated` and `encrypted`, each padded to whole blocks, and their lengths.
#[inline]
pub fn hash(key: &GHash, authenticated: &[u8], encrypted: &[u8]) -> u128 {
    let mut hasher = Hasher { hash: key.clone(), blocks: [Block::default(); BATCH], count: 0 };
    hasher.add(authenticated);
    hasher.add(encrypted);
    hasher.block(((8 * authenticated.len() as u128) << 64) | (8 * encrypted.len() as u128));
    hasher.hash.update(&hasher.blocks[..hasher.count]);
    u128::from_be_bytes(hasher.hash.finalize().0)
}

struct Hasher {
    hash: GHash,
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
        self.blocks[self.count].0 = block.to_be_bytes();
        self.count += 1;
    }
}
