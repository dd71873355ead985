//! Encrypts what we send.

use crate::drops::Reason;
use crate::error::Command;
use crate::keys::Keys;

/// Encrypts what we send, in place.
///
/// A session that was used is never made again with the same keys: that would use a nonce twice, and with GCM give the key stream away.
pub struct SrtpSender {
    keys: Keys,
}

impl SrtpSender {
    /// Refuses keys that do not fit their profile.
    pub fn new(keys: Keys) -> Command<Self> {
        Ok(Self { keys })
    }

    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Send under new keys, the rollover counter of each SSRC kept (RFC 3711 §3.3.1); keys used before take up where they stopped.
    ///
    /// Refuses keys that were used so long ago that where they stopped is forgotten, or that do not fit their profile.
    pub fn rekey(&mut self, _keys: Keys, _indices: &[(u32, i64)]) -> Command<()> {
        todo!()
    }

    /// Encrypt the RTP packet `buffer[start..]` and append its tag. On an error the packet is not to be sent; its octets may have changed.
    pub fn protect(&mut self, _buffer: &mut Vec<u8>, _start: usize) -> Result<(), Reason> {
        todo!()
    }

    /// Encrypt the RTCP packet `buffer[start..]` and append index and tag. On an error the packet is not to be sent.
    pub fn protect_rtcp(&mut self, _buffer: &mut Vec<u8>, _start: usize) -> Result<(), Reason> {
        todo!()
    }

    /// Bring what the next packet needs into the cache.
    #[inline]
    pub fn touch(&self) {}
}
