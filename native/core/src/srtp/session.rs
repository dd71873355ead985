//! What one set of keys protects or unprotects in one direction: the keys derived from it, and where each SSRC stands.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::header::{self, Header};
use super::replay::RtcpWindow;
use super::streams::{Place, Streams};
use super::transform::{matches, Transform, ENCRYPTED};
use super::{MAX_PROTECT, MAX_UNPROTECT};
use crate::drops::Reason;
use crate::error::{Command, CommandError};
use crate::keys::{Keys, Profile};

/// Packets of RTP for which keys are good (RFC 3711 §9.2); libsrtp stops two short of 2^48 as well.
const LIFETIME: u64 = (1 << 48) - 2;
/// A fast-forward begins at the first and goes on by the second, less than 2^15, so that each rollover is seen.
const STEPS: (u64, u64) = (0x4000, 0x7000);
const RTCP_TRAILER: usize = 4;

/// What packets need comes first, on as few cache lines as can be.
#[repr(C, align(64))]
pub struct Session {
    transform: Transform,
    left: u64,
    mki_length: u32,
    /// Octets of a tag: of RTP, of RTCP.
    tag_lengths: (u8, u8),
    /// The tag is part of the ciphertext: the MKI, and the trailer of RTCP, come behind it.
    aead: bool,
    streams: Streams,
    /// Shared by sessions of the same keys that differ in where RTP stands: SRTCP carries its index.
    rtcp: Arc<Mutex<Rtcp>>,
    keys: Keys,
}

struct Rtcp {
    transform: Transform,
    windows: Vec<(u32, RtcpWindow)>,
}

impl Session {
    /// Refuses keys that do not fit their profile.
    pub fn new(keys: Keys) -> Command<Box<Self>> {
        let profile = keys.profile;
        if keys.key.len() != profile.key_length() || keys.salt.len() != profile.salt_length() {
            let wanted = format!("{} takes {} + {} bytes", member(profile), profile.key_length(), profile.salt_length());
            return Err(CommandError::Value(wanted));
        }
        let (tag_lengths, aead) = match profile {
            Profile::Aes128CmSha1_80 => ((10, 10), false),
            Profile::Aes128CmSha1_32 => ((4, 10), false),
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => ((16, 16), true),
        };
        Ok(Box::new(Self {
            transform: Transform::new(&keys, false),
            left: LIFETIME,
            mki_length: keys.mki.len() as u32,
            tag_lengths,
            aead,
            streams: Streams::default(),
            rtcp: Arc::new(Mutex::new(Rtcp { transform: Transform::new(&keys, true), windows: Vec::new() })),
            keys,
        }))
    }

    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Take the state of RTCP of a session of the same keys for its own.
    pub fn share_rtcp(&mut self, other: &Session) {
        self.rtcp = Arc::clone(&other.rtcp);
    }

    /// Go to where the packet of that index was received last.
    pub fn received(&mut self, ssrc: u32, index: i64) {
        let index = u64::try_from(index).unwrap_or((index & 0xffff) as u64);
        let before = index.checked_sub(STEPS.0 + 1).map(|way| STEPS.0 + way - way % STEPS.1);
        self.forward(ssrc, before.into_iter().chain([index]));
    }

    /// Go to at most that index, and less than 2^15 before it.
    pub fn sent(&mut self, ssrc: u32, index: i64) {
        let way = u64::try_from(index).ok().and_then(|index| index.checked_sub(STEPS.0));
        self.forward(ssrc, way.map(|way| STEPS.0 + way - way % STEPS.1).into_iter());
    }

    fn forward(&mut self, ssrc: u32, indices: impl Iterator<Item = u64>) {
        for index in indices {
            let found = self.streams.find(ssrc);
            let highest = found.map_or(0, |(_, window)| window.highest);
            let place = found.map(|(place, _)| place);
            self.streams.add(ssrc, place, index.wrapping_sub(highest) as i64);
        }
    }

    /// Verify and decrypt an SRTP packet in place: the length of the plain one. A packet that is refused is as it was.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, Reason> {
        let tag_length = usize::from(self.tag_lengths.0);
        let (end, length) = self.without_mki(packet, if self.aead { 0 } else { tag_length })?;
        let header = match self.mki_length {
            0 => header::rtp(packet)?,
            _ => header_without_mki(packet, end, length)?,
        };
        let (place, index, difference) = self.locate(&header)?;
        let Some(body) = length.checked_sub(tag_length) else {
            return Err(Reason::Unverified);
        };
        if header.length > body {
            return Err(Reason::Malformed);
        }

        self.check_lifetime()?;
        let at = if self.aead { body } else { packet.len() - tag_length };
        let (sealed, rest) = packet.split_at_mut(body);
        let tag = &rest[at - body..at - body + tag_length];
        if !self.transform.open(header.ssrc, index, sealed, header.length, tag) {
            return Err(Reason::Unverified);
        }
        self.left -= 1;
        self.streams.add(header.ssrc, place, difference);
        Ok(body)
    }

    /// Verify and decrypt an SRTCP packet in place: the length of the plain one. A packet that is refused is as it was.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Reason> {
        let tag_length = usize::from(self.tag_lengths.1);
        let (end, length) = self.without_mki(packet, if self.aead { 0 } else { tag_length })?;
        if length < 8 + RTCP_TRAILER + tag_length {
            return Err(Reason::Malformed);
        }
        let ssrc = header::rtcp(packet)?;
        let (trailer_at, body) = (end - RTCP_TRAILER, length - RTCP_TRAILER - tag_length);
        let trailer = packet[trailer_at..].first_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
        if !self.aead && trailer & ENCRYPTED == 0 {
            return Err(Reason::Malformed);
        }
        let index = trailer & !ENCRYPTED;
        let mut rtcp = lock(&self.rtcp);
        let place = rtcp.windows.iter().position(|(known, _)| *known == ssrc);
        if let Some(place) = place {
            rtcp.windows[place].1.check(index)?;
        }

        let (sealed, given) =
            if self.aead { (&packet[..body], &packet[body..trailer_at]) } else { (&packet[..end], &packet[packet.len() - tag_length..]) };
        let tag = rtcp.transform.rtcp_tag(ssrc, trailer, sealed);
        if !matches(&tag, given) {
            return Err(Reason::Unverified);
        }
        if trailer & ENCRYPTED != 0 {
            rtcp.transform.crypt(ssrc, u64::from(index), &mut packet[8..body]);
        }
        rtcp.window(ssrc, place).add(index);
        Ok(body)
    }

    /// Encrypt the RTP packet that begins at `start` and append its tag. A packet that is refused is as it was.
    pub fn protect(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<(), Reason> {
        let packet = buffer.get_mut(start..).unwrap_or_default();
        if packet.len() > MAX_PROTECT {
            return Err(Reason::TooLong);
        }
        let header = header::rtp(packet)?;
        self.check_lifetime()?;
        let (place, index, difference) = self.locate(&header)?;
        self.left -= 1;
        self.streams.add(header.ssrc, place, difference);
        let tag = self.transform.seal(header.ssrc, index, packet, header.length);
        self.append(buffer, &tag[..usize::from(self.tag_lengths.0)], &[]);
        Ok(())
    }

    /// Encrypt the RTCP packet that begins at `start` and append its index and tag. A packet that is refused is as it was.
    pub fn protect_rtcp(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<(), Reason> {
        let packet = buffer.get_mut(start..).unwrap_or_default();
        if packet.len() > MAX_PROTECT {
            return Err(Reason::TooLong);
        }
        let ssrc = header::rtcp(packet)?;
        let mut rtcp = lock(&self.rtcp);
        let place = rtcp.windows.iter().position(|(known, _)| *known == ssrc);
        let index = rtcp.window(ssrc, place).next()?;
        let trailer = ENCRYPTED | index;
        rtcp.transform.crypt(ssrc, u64::from(index), &mut packet[8..]);
        if !self.aead {
            buffer.extend_from_slice(&trailer.to_be_bytes());
        }
        let tag = rtcp.transform.rtcp_tag(ssrc, trailer, &buffer[start..]);
        let behind = trailer.to_be_bytes();
        self.append(buffer, &tag[..usize::from(self.tag_lengths.1)], if self.aead { &behind } else { &[] });
        Ok(())
    }

    /// Reads all that the next RTP packet needs, so that it is in the cache.
    #[inline]
    pub fn touch(&self) {
        self.transform.touch();
        self.streams.touch();
    }

    /// Check the MKI, which has so many octets behind it: where it begins, and the length of the packet without it.
    #[inline]
    fn without_mki(&self, packet: &[u8], behind: usize) -> Result<(usize, usize), Reason> {
        let mut end = packet.len().saturating_sub(behind);
        let mut length = packet.len();
        if self.mki_length > 0 {
            let mki = self.keys.mki.as_slice();
            if !packet[..end].ends_with(mki) {
                return Err(Reason::Unverified);
            }
            end -= mki.len();
            length -= mki.len();
        }
        if length > MAX_UNPROTECT {
            return Err(Reason::TooLong);
        }
        Ok((end, length))
    }

    /// Where an RTP packet stands: the place of its SSRC, its packet index, and how far that is from the highest. Refuses what was seen.
    #[inline]
    fn locate(&self, header: &Header) -> Result<(Option<Place>, u64, i64), Reason> {
        let Some((place, window)) = self.streams.find(header.ssrc) else {
            return Ok((None, u64::from(header.sequence), i64::from(header.sequence)));
        };
        let (index, difference) = window.estimate(header.sequence);
        window.check(difference)?;
        Ok((Some(place), index, difference))
    }

    /// Refuse a packet when the keys were used for as many as they are good for.
    #[inline]
    fn check_lifetime(&self) -> Result<(), Reason> {
        if self.left == 0 {
            return Err(Reason::KeyUsedUp);
        }
        Ok(())
    }

    #[inline]
    fn append(&self, buffer: &mut Vec<u8>, tag: &[u8], trailer: &[u8]) {
        if self.mki_length == 0 {
            buffer.extend_from_slice(tag);
            buffer.extend_from_slice(trailer);
        } else if self.aead {
            [tag, trailer, &self.keys.mki].into_iter().for_each(|part| buffer.extend_from_slice(part));
        } else {
            [&self.keys.mki, tag].into_iter().for_each(|part| buffer.extend_from_slice(part));
        }
    }
}

/// No two threads ever want it at once: sessions that share it are those of one receiver.
fn lock(rtcp: &Mutex<Rtcp>) -> MutexGuard<'_, Rtcp> {
    rtcp.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rtcp {
    fn window(&mut self, ssrc: u32, place: Option<usize>) -> &mut RtcpWindow {
        let place = place.unwrap_or_else(|| {
            self.windows.push((ssrc, RtcpWindow::default()));
            self.windows.len() - 1
        });
        &mut self.windows[place].1
    }
}

/// The header of a packet whose MKI begins at `end`. One so short that its header reaches beyond is read as if there were no MKI.
fn header_without_mki(packet: &[u8], end: usize, length: usize) -> Result<Header, Reason> {
    header::rtp(&packet[..end]).or_else(|_| {
        let mut whole = packet[..end].to_vec();
        whole.extend_from_slice(&packet[packet.len() - (length - end)..]);
        header::rtp(&whole)
    })
}

/// The name of the profile in Python.
fn member(profile: Profile) -> &'static str {
    match profile {
        Profile::Aes128CmSha1_80 => "AES128_CM_SHA1_80",
        Profile::Aes128CmSha1_32 => "AES128_CM_SHA1_32",
        Profile::AeadAes128Gcm => "AEAD_AES_128_GCM",
        Profile::AeadAes256Gcm => "AEAD_AES_256_GCM",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Box<Session> {
        Session::new(Keys { profile: Profile::AeadAes128Gcm, key: vec![1; 16], salt: vec![2; 12], mki: Vec::new() }).unwrap()
    }

    #[test]
    fn keys_are_used_up() {
        let mut packet = [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5].to_vec();
        let mut sender = session();
        sender.left = 1;
        assert_eq!(sender.protect(&mut packet.clone(), 0), Ok(()));
        packet[3] = 2;
        assert_eq!(sender.protect(&mut packet, 0), Err(Reason::KeyUsedUp));
        assert_eq!(sender.unprotect(&mut [packet, vec![0; 16]].concat()), Err(Reason::KeyUsedUp));
    }

    #[test]
    fn srtcp_indices_are_used_up() {
        let report = [0x80, 201, 0, 1, 0, 0, 0, 5].to_vec();
        let (mut sender, mut receiver) = (session(), session());
        lock(&sender.rtcp).windows.push((5, RtcpWindow::at(0x7fff_fffe)));
        let mut last = report.clone();
        assert_eq!(sender.protect_rtcp(&mut last, 0), Ok(()));
        assert_eq!(last[24..], [0xff; 4]);
        assert_eq!(receiver.unprotect_rtcp(&mut last.clone()), Ok(8));
        assert_eq!(receiver.unprotect_rtcp(&mut last), Err(Reason::Replayed));
        assert_eq!(sender.protect_rtcp(&mut report.clone(), 0), Err(Reason::KeyUsedUp));
    }
}
