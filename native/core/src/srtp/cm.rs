//! HMAC-SHA1 from saved states (RFC 3711 §4.2.1): the blocks of the padded key are compressed once.

use sha1::block_api::compress;

const INITIAL: [u32; 5] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
const BLOCK: usize = 64;

/// The two states of SHA-1 behind the padded key.
pub struct Hmac {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl Hmac {
    pub fn new(key: &[u8; 20]) -> Self {
        let state = |pad: u8| {
            let mut block = [pad; BLOCK];
            block.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
            let mut state = INITIAL;
            compress(&mut state, &[block]);
            state
        };
        Self { inner: state(0x36), outer: state(0x5c) }
    }

    /// The code of `data` and, with a rollover counter, of that behind it. Its first 16 octets, which is more than any tag has.
    #[inline]
    pub fn code(&self, data: &[u8], rollover: Option<u32>) -> [u8; 16] {
        let (blocks, rest) = data.as_chunks::<BLOCK>();
        let mut state = self.inner;
        compress(&mut state, blocks);

        let mut tail = [[0; BLOCK]; 2];
        let octets = tail.as_flattened_mut();
        let mut end = rest.len();
        octets[..end].copy_from_slice(rest);
        let mut length = data.len();
        if let Some(rollover) = rollover {
            octets[end..end + 4].copy_from_slice(&rollover.to_be_bytes());
            end += 4;
            length += 4;
        }
        octets[end] = 0x80;
        let bits = (8 * (BLOCK + length) as u64).to_be_bytes();
        if end + 9 <= BLOCK {
            octets[BLOCK - 8..BLOCK].copy_from_slice(&bits);
            compress(&mut state, &tail[..1]);
        } else {
            octets[2 * BLOCK - 8..].copy_from_slice(&bits);
            compress(&mut state, &tail);
        }
        self.finish(state)
    }

    #[inline]
    fn finish(&self, inner: [u32; 5]) -> [u8; 16] {
        let mut block = [0; BLOCK];
        for (octets, word) in block.as_chunks_mut::<4>().0.iter_mut().zip(inner) {
            *octets = word.to_be_bytes();
        }
        block[20] = 0x80;
        block[BLOCK - 2..].copy_from_slice(&(8 * (BLOCK as u16 + 20)).to_be_bytes());
        let mut state = self.outer;
        compress(&mut state, &[block]);
        let mut code = [0; 16];
        for (octets, word) in code.as_chunks_mut::<4>().0.iter_mut().zip(state) {
            *octets = word.to_be_bytes();
        }
        code
    }

    /// Reads the states, so that they are in the cache.
    #[inline]
    pub fn touch(&self) {
        std::hint::black_box((self.inner[0], self.outer[4]));
    }
}
