//! Cipher and authentication of RTP or of RTCP under one key.

use aes::cipher::KeyInit;
use aes::{Aes128Enc, Aes256Enc};
use subtle::ConstantTimeEq;

use super::cm::Hmac;
use super::ctr;
use super::gcm::Ghash;
use super::kdf::{derive, Label};
use crate::keys::{Keys, Profile};

/// A tag: those of its octets that the profile takes, from the first.
pub type Tag = [u8; 16];

/// The E bit of an SRTCP trailer.
pub const ENCRYPTED: u32 = 1 << 31;

// The ciphers hold room for a key schedule in software, which is not touched where the processor has AES.
enum Cipher {
    Cm { aes: Aes128Enc, hmac: Hmac },
    Gcm128 { aes: Aes128Enc, ghash: Ghash },
    Gcm256 { aes: Box<Aes256Enc>, ghash: Ghash },
}

/// What encrypts and authenticates, or decrypts and verifies.
#[repr(C)]
pub struct Transform {
    salt: u128,
    cipher: Cipher,
}

impl Transform {
    /// The keys fit their profile.
    pub fn new(keys: &Keys, rtcp: bool) -> Self {
        let salt: [u8; 16] = derive(keys, Label::Salt, rtcp);
        let salt = &salt[..keys.profile.salt_length()];
        match keys.profile {
            Profile::Aes128CmSha1_80 | Profile::Aes128CmSha1_32 => {
                let aes = Aes128Enc::new(&derive(keys, Label::Encryption, rtcp).into());
                let hmac = Hmac::new(&derive(keys, Label::Authentication, rtcp));
                Self { salt: padded(salt), cipher: Cipher::Cm { aes, hmac } }
            }
            _ => Self::aead(keys.profile, &derive::<32>(keys, Label::Encryption, rtcp)[..keys.profile.key_length()], salt),
        }
    }

    /// From the session key and salt of an AEAD profile.
    pub fn aead(profile: Profile, key: &[u8], salt: &[u8]) -> Self {
        let (salt, mut whole) = (padded(salt), [0; 32]);
        whole.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        let cipher = if profile == Profile::AeadAes256Gcm {
            let aes = Aes256Enc::new(&whole.into());
            Cipher::Gcm256 { ghash: Ghash::new(ctr::block(&aes, 0)), aes: Box::new(aes) }
        } else {
            let aes = Aes128Enc::new(&padded(key).to_be_bytes().into());
            Cipher::Gcm128 { ghash: Ghash::new(ctr::block(&aes, 0)), aes }
        };
        Self { salt, cipher }
    }

    /// The first counter block of a packet, of RTP by its packet index (RFC 3711 §4.1.1, RFC 7714 §8.1) or of RTCP by its SRTCP index.
    #[inline]
    fn nonce(&self, ssrc: u32, index: u64) -> u128 {
        let number = (u128::from(ssrc) << 48) | u128::from(index);
        match self.cipher {
            Cipher::Cm { .. } => self.salt ^ (number << 16),
            _ => (self.salt ^ (number << 32)) + 1,
        }
    }

    /// Encrypt an RTP packet whose header has so many octets: its tag.
    #[inline]
    pub fn seal(&self, ssrc: u32, index: u64, packet: &mut [u8], header: usize) -> Tag {
        let nonce = self.nonce(ssrc, index);
        let (ghash, mask) = match &self.cipher {
            Cipher::Cm { aes, hmac } => {
                ctr::apply(aes, nonce, &mut packet[header..]);
                return hmac.code(packet, Some((index >> 16) as u32));
            }
            Cipher::Gcm128 { aes, ghash } => (ghash, ctr::apply_after_first(aes, nonce, &mut packet[header..])),
            Cipher::Gcm256 { aes, ghash } => (ghash, ctr::apply_after_first(&**aes, nonce, &mut packet[header..])),
        };
        let (header, payload) = packet.split_at(header);
        (ghash.hash(header, payload) ^ mask).to_be_bytes()
    }

    /// Decrypt an RTP packet whose header has so many octets, if its tag verifies. Otherwise it stays as it was.
    #[inline]
    pub fn open(&self, ssrc: u32, index: u64, packet: &mut [u8], header: usize, tag: &[u8]) -> bool {
        let nonce = self.nonce(ssrc, index);
        match &self.cipher {
            Cipher::Cm { aes, hmac } => {
                let good = matches(&hmac.code(packet, Some((index >> 16) as u32)), tag);
                if good {
                    ctr::apply(aes, nonce, &mut packet[header..]);
                }
                good
            }
            Cipher::Gcm128 { ghash, .. } | Cipher::Gcm256 { ghash, .. } => {
                let (header, payload) = packet.split_at_mut(header);
                let hash = ghash.hash(header, payload);
                // the mask of the tag comes with the key stream, so that the cipher is called once
                let good = matches(&(hash ^ self.crypt(ssrc, index, payload)).to_be_bytes(), tag);
                if !good {
                    self.crypt(ssrc, index, payload);
                }
                good
            }
        }
    }

    /// Encrypt or decrypt a payload: with GCM, what the hash is to be combined with.
    #[inline]
    pub fn crypt(&self, ssrc: u32, index: u64, payload: &mut [u8]) -> u128 {
        let nonce = self.nonce(ssrc, index);
        match &self.cipher {
            Cipher::Cm { aes, .. } => {
                ctr::apply(aes, nonce, payload);
                0
            }
            Cipher::Gcm128 { aes, .. } => ctr::apply_after_first(aes, nonce, payload),
            Cipher::Gcm256 { aes, .. } => ctr::apply_after_first(&**aes, nonce, payload),
        }
    }

    /// The tag of an encrypted RTCP packet with this trailer, its E bit and SRTCP index, which `packet` has at its end with AES-CM alone.
    pub fn rtcp_tag(&self, ssrc: u32, trailer: u32, packet: &[u8]) -> Tag {
        match &self.cipher {
            Cipher::Cm { hmac, .. } => hmac.code(packet, None),
            Cipher::Gcm128 { ghash, .. } | Cipher::Gcm256 { ghash, .. } => {
                let clear = if trailer & ENCRYPTED == 0 { packet.len() } else { 8 };
                let (clear, payload) = packet.split_at(clear.min(packet.len()));
                let authenticated = [clear, &trailer.to_be_bytes()].concat();
                let mask = self.crypt(ssrc, u64::from(trailer & !ENCRYPTED), &mut []);
                (ghash.hash(&authenticated, payload) ^ mask).to_be_bytes()
            }
        }
    }

    /// Reads what a packet needs, so that it is in the cache.
    #[inline]
    pub fn touch(&self) {
        std::hint::black_box(self.salt);
        match &self.cipher {
            Cipher::Cm { hmac, .. } => hmac.touch(),
            Cipher::Gcm128 { ghash, .. } | Cipher::Gcm256 { ghash, .. } => ghash.touch(),
        }
    }
}

/// At the upper end of 16 octets.
fn padded(octets: &[u8]) -> u128 {
    let mut whole = [0; 16];
    whole.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    u128::from_be_bytes(whole)
}

/// Whether the tag begins with what was given, in a time that does not depend on either.
#[inline]
pub fn matches(tag: &Tag, given: &[u8]) -> bool {
    tag.get(..given.len()).is_some_and(|tag| tag.ct_eq(given).into())
}
