//! Verifies and decrypts what a peer sends.

use super::session::Session;
use super::OLD_KEYS_S;
use crate::drops::Reason;
use crate::error::Command;
use crate::keys::Keys;

/// Verifies and decrypts what a peer sends, in place.
pub struct SrtpReceiver {
    present: Box<Session>,
    others: Vec<Other>,
}

/// Keys that may verify what the present ones do not.
struct Other {
    session: Box<Session>,
    /// When former keys are forgotten. None: the new keys, with the rollover counter kept.
    expires: Option<f64>,
}

impl SrtpReceiver {
    /// `indices` is the last packet index (rollover counter << 16 | sequence) of each SSRC already received under these keys.
    ///
    /// Refuses keys that do not fit their profile.
    pub fn new(keys: Keys, indices: &[(u32, i64)]) -> Command<Self> {
        Ok(Self { present: session(keys, indices.iter())?, others: Vec::new() })
    }

    pub fn keys(&self) -> &Keys {
        self.present.keys()
    }

    /// Receive under new keys; the old stay good for `OLD_KEYS_S`. The same keys again change nothing.
    ///
    /// `indices` is where each SSRC stands. RFC 3711 §3.3.1 keeps the rollover counter over a change of keys, RFC 4568 §6.4 lets it start
    /// again with a new transport address: both are tried until one verifies.
    pub fn rekey(&mut self, keys: Keys, indices: &[(u32, i64)], now: f64) -> Command<()> {
        if keys == *self.keys() {
            return Ok(());
        }
        let rolled = indices.iter().filter(|(_, index)| *index > 0xffff);
        let present = Session::new(keys.clone())?;
        let mut kept = None;
        if rolled.clone().next().is_some() {
            let mut session = session(keys, rolled)?;
            session.share_rtcp(&present);
            kept = Some(session);
        }
        let former = std::mem::replace(&mut self.present, present);
        self.others.retain(|other| other.expires.is_some()); // one in doubt would never end
        self.others.truncate(1);
        self.others.insert(0, Other { session: former, expires: Some(now + OLD_KEYS_S) });
        if let Some(session) = kept {
            self.others.insert(0, Other { session, expires: None });
        }
        Ok(())
    }

    /// Forget keys whose time is over.
    pub fn tick(&mut self, now: f64) {
        self.others.retain(|other| other.expires.is_none_or(|expires| expires > now));
    }

    /// Verify and decrypt one SRTP packet: the length of the plain one, which stands at the start of `packet`. A packet that is refused
    /// is as it was.
    #[inline]
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, Reason> {
        let reason = match self.present.unprotect(packet) {
            Err(reason) if !self.others.is_empty() => reason,
            result => return result,
        };
        let (place, length) = self.try_others(packet, reason).ok_or(reason)?;
        if self.others[place].expires.is_none() {
            self.present = self.others.remove(place).session;
            self.others.retain(|other| other.expires.is_some());
        }
        Ok(length)
    }

    /// Verify and decrypt one SRTCP packet: the length of the plain one, which stands at the start of `packet`. A packet that is refused
    /// is as it was.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Reason> {
        let reason = match self.present.unprotect_rtcp(packet) {
            Err(reason) if !self.others.is_empty() => reason,
            result => return result,
        };
        let keys = self.present.keys();
        // SRTCP carries its index: a session that differs in the rollover counter alone would take a replay.
        let mut others = self.others.iter_mut().filter(|other| other.session.keys() != keys);
        others.find_map(|other| other.session.unprotect_rtcp(packet).ok()).ok_or(reason)
    }

    #[cold]
    fn try_others(&mut self, packet: &mut [u8], reason: Reason) -> Option<(usize, usize)> {
        let keys = self.present.keys();
        let others = self.others.iter_mut().enumerate();
        // One that has the present keys may not know the SSRC, and would take the packet again.
        let mut others = others.filter(|(_, other)| reason != Reason::Replayed || other.session.keys() != keys);
        others.find_map(|(place, other)| other.session.unprotect(packet).ok().map(|length| (place, length)))
    }

    /// Reads all that the next RTP packet needs, so that it is in the cache.
    #[inline]
    pub fn touch(&self) {
        self.present.touch();
    }
}

impl std::fmt::Debug for SrtpReceiver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SrtpReceiver({:?})", self.keys())
    }
}

fn session<'a>(keys: Keys, indices: impl Iterator<Item = &'a (u32, i64)>) -> Command<Box<Session>> {
    let mut session = Session::new(keys)?;
    indices.for_each(|(ssrc, index)| session.received(*ssrc, *index));
    Ok(session)
}
