//! Encrypts what we send.

use sha1::{Digest, Sha1};

use super::session::Session;
use crate::drops::Reason;
use crate::error::{Command, CommandError};
use crate::keys::Keys;

const MAX_FORMER: usize = 4;

/// Encrypts what we send, in place.
///
/// A session that was used is never made again with the same keys: that would use a nonce twice, and with GCM give the key stream away.
pub struct SrtpSender {
    present: Box<Session>,
    /// The last used first.
    #[expect(clippy::vec_box, reason = "moved to and from `present` as they are")]
    former: Vec<Box<Session>>,
    /// Digests of keys whose sessions are forgotten.
    spent: Vec<[u8; 20]>,
}

impl SrtpSender {
    /// Refuses keys that do not fit their profile.
    pub fn new(keys: Keys) -> Command<Self> {
        Ok(Self { present: Session::new(keys)?, former: Vec::new(), spent: Vec::new() })
    }

    pub fn keys(&self) -> &Keys {
        self.present.keys()
    }

    /// Send under new keys, the rollover counter of each SSRC kept (RFC 3711 §3.3.1); keys used before take up where they stopped.
    ///
    /// `indices` is the last packet index of each SSRC sent. Refuses keys that were used so long ago that where they stopped is forgotten,
    /// or that do not fit their profile.
    pub fn rekey(&mut self, keys: Keys, indices: &[(u32, i64)]) -> Command<()> {
        if keys == *self.keys() {
            return Ok(());
        }
        if self.spent.contains(&digest(&keys)) {
            return Err(CommandError::Value("keys were used before".to_owned()));
        }
        let session = match self.former.iter().position(|former| *former.keys() == keys) {
            Some(place) => self.former.remove(place),
            None => {
                let mut session = Session::new(keys)?;
                indices.iter().filter(|(_, index)| *index > 0xffff).for_each(|(ssrc, index)| session.sent(*ssrc, *index));
                session
            }
        };
        self.former.insert(0, std::mem::replace(&mut self.present, session));
        let forgotten = self.former.drain(MAX_FORMER.min(self.former.len())..);
        self.spent.extend(forgotten.map(|former| digest(former.keys())));
        Ok(())
    }

    /// Encrypt the RTP packet `buffer[start..]` and append its tag. A packet that is refused is as it was, and not to be sent.
    #[inline]
    pub fn protect(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<(), Reason> {
        self.present.protect(buffer, start)
    }

    /// Encrypt the RTCP packet `buffer[start..]` and append index and tag. A packet that is refused is as it was, and not to be sent.
    pub fn protect_rtcp(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<(), Reason> {
        self.present.protect_rtcp(buffer, start)
    }

    /// Reads all that the next RTP packet needs, so that it is in the cache.
    #[inline]
    pub fn touch(&self) {
        self.present.touch();
    }
}

impl std::fmt::Debug for SrtpSender {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SrtpSender({:?})", self.keys())
    }
}

/// What to know keys by without keeping them.
fn digest(keys: &Keys) -> [u8; 20] {
    Sha1::new().chain_update(keys.profile.name()).chain_update(&keys.key).chain_update(&keys.salt).finalize().into()
}
