//! Verifies and decrypts what a peer sends.

use crate::drops::Reason;
use crate::error::Command;
use crate::keys::Keys;

/// Verifies and decrypts what a peer sends, in place.
pub struct SrtpReceiver {
    keys: Keys,
}

impl SrtpReceiver {
    /// `indices` is the last packet index (rollover counter << 16 | sequence) of each SSRC already received under these keys.
    ///
    /// Refuses keys that do not fit their profile.
    pub fn new(keys: Keys, _indices: &[(u32, i64)]) -> Command<Self> {
        Ok(Self { keys })
    }

    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Receive under new keys; the old stay good for `OLD_KEYS_S`. The same keys again change nothing.
    pub fn rekey(&mut self, _keys: Keys, _indices: &[(u32, i64)], _now: f64) -> Command<()> {
        todo!()
    }

    /// Forget keys whose time is over.
    pub fn tick(&mut self, _now: f64) {}

    /// Verify and decrypt one SRTP packet: the length of the plain one, which stands at the start of `packet`.
    pub fn unprotect(&mut self, _packet: &mut [u8]) -> Result<usize, Reason> {
        todo!()
    }

    /// Verify and decrypt one SRTCP packet: the length of the plain one, which stands at the start of `packet`.
    pub fn unprotect_rtcp(&mut self, _packet: &mut [u8]) -> Result<usize, Reason> {
        todo!()
    }

    /// Bring what the next packet needs into the cache.
    #[inline]
    pub fn touch(&self) {}
}
