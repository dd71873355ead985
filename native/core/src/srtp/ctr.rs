//! AES in counter mode.

use aes::cipher::common::BlockSizeUser;
use aes::cipher::consts::U16;
use aes::cipher::typenum::Unsigned;
use aes::cipher::{Array, Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, ParBlocks};

/// Combine `data` with the key stream whose first block is that of `start`, read as a big-endian number.
#[inline]
pub fn apply(cipher: &impl BlockCipherEncrypt<BlockSize = U16>, start: u128, data: &mut [u8]) {
    cipher.encrypt_with_backend(Apply { counter: start, first: None, data });
}

/// The block of `start` encrypted; and combine `data` with the key stream that follows it.
#[inline]
pub fn apply_after_first(cipher: &impl BlockCipherEncrypt<BlockSize = U16>, start: u128, data: &mut [u8]) -> u128 {
    let mut first = start;
    cipher.encrypt_with_backend(Apply { counter: start.wrapping_add(1), first: Some(&mut first), data });
    first
}

/// The block of `counter` encrypted.
pub fn block(cipher: &impl BlockCipherEncrypt<BlockSize = U16>, counter: u128) -> u128 {
    apply_after_first(cipher, counter, &mut [])
}

struct Apply<'a> {
    counter: u128,
    first: Option<&'a mut u128>,
    data: &'a mut [u8],
}

impl BlockSizeUser for Apply<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Apply<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let Self { mut counter, first, mut data } = self;
        if let Some(first) = first {
            let mut block: Block<B> = Array(first.to_be_bytes());
            backend.encrypt_block((&mut block).into());
            *first = u128::from_be_bytes(block.0);
        }
        let width = B::ParBlocksSize::USIZE;
        // Wider backends are for long messages: a packet has 10 blocks, which overlap in the processor one by one as well.
        if width > 1 && width <= 8 {
            while data.len() >= 16 * width {
                let mut blocks = ParBlocks::<B>::default();
                for block in &mut blocks {
                    *block = Array(counter.to_be_bytes());
                    counter = counter.wrapping_add(1);
                }
                backend.encrypt_par_blocks((&mut blocks).into());
                let (now, later) = std::mem::take(&mut data).split_at_mut(16 * width);
                for (octets, block) in now.as_chunks_mut::<16>().0.iter_mut().zip(&blocks) {
                    combine(octets, block);
                }
                data = later;
            }
        }
        let (chunks, rest) = data.as_chunks_mut::<16>();
        for octets in chunks {
            let mut block: Block<B> = Array(counter.to_be_bytes());
            counter = counter.wrapping_add(1);
            backend.encrypt_block((&mut block).into());
            combine(octets, &block);
        }
        if !rest.is_empty() {
            let mut block: Block<B> = Array(counter.to_be_bytes());
            backend.encrypt_block((&mut block).into());
            rest.iter_mut().zip(&block.0).for_each(|(octet, key)| *octet ^= key);
        }
    }
}

#[inline(always)]
fn combine(octets: &mut [u8; 16], block: &Array<u8, U16>) {
    *octets = (u128::from_ne_bytes(*octets) ^ u128::from_ne_bytes(block.0)).to_ne_bytes();
}
