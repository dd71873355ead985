//! Cipher and authentication of RTP or of RTCP under one key.

use aes::cipher::KeyInit;
use aes::{Aes128Enc, Aes256Enc};
use ghash::GHash;

use super::cm::Hmac;
use super::kdf::{derive, Label};
use super::{ctr, gcm};
use crate::keys::{Keys, Profile};

/// Octets of the tag: those of the profile, at the start of these 16.
pub type Tag = [u8; 16];

// Laid out so that what a packet needs is on few cache lines: the ciphers hold room for a key schedule in software, which is not touched.
enum Cipher {
    Cm { aes: Aes128Enc, hmac: Hmac },
    Gcm128 { aes: Aes128Enc, ghash: GHash },
    Gcm256 { aes: Box<Aes256Enc>, ghash: GHash },
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
            Cipher::Gcm256 { ghash: GHash::new(&ctr::block(&aes, 0).to_be_bytes().into()), aes: Box::new(aes) }
        } else {
            let aes = Aes128Enc::new(&padded(key).to_be_bytes().into());
            Cipher::Gcm128 { ghash: GHash::new(&ctr::block(&aes, 0).to_be_bytes().into()), aes }
        };
        Self { salt, cipher }
    }

    /// Counter block 0 of a packet, of RTP by its packet index (RFC 3711 §4.1.1, RFC 7714 §8.1) or of RTCP by its SRTCP index.
    #[inline]
    fn nonce(&self, ssrc: u32, index: u64) -> u128 {
        let number = u128::from(ssrc) << 48 | u128::from(index);
        match self.cipher {
            Cipher::Cm { .. } => self.salt ^ number << 16,
            _ => self.salt ^ number << 32,
        }
    }

    /// Encrypt or decrypt the payload of a packet.
    #[inline]
    pub fn crypt(&self, ssrc: u32, index: u64, payload: &mut [u8]) {
        let nonce = self.nonce(ssrc, index);
        match &self.cipher {
            Cipher::Cm { aes, .. } => ctr::apply(aes, nonce, payload),
            Cipher::Gcm128 { aes, .. } => ctr::apply(aes, nonce + 2, payload),
            Cipher::Gcm256 { aes, .. } => ctr::apply(&**aes, nonce + 2, payload),
        }
    }

    /// The tag of an encrypted RTP packet whose header has so many octets.
    #[inline]
    pub fn rtp_tag(&self, ssrc: u32, index: u64, packet: &[u8], header: usize) -> Tag {
        let (header, payload) = packet.split_at(header.min(packet.len()));
        match &self.cipher {
            Cipher::Cm { hmac, .. } => hmac.code(packet, Some((index >> 16) as u32)),
            Cipher::Gcm128 { ghash, .. } | Cipher::Gcm256 { ghash, .. } => self.sealed(ssrc, index, gcm::hash(ghash, header, payload)),
        }
    }

    /// The tag of an RTCP packet with this trailer, its E bit and SRTCP index; `packet` has the trailer at its end with AES-CM alone.
    pub fn rtcp_tag(&self, ssrc: u32, trailer: u32, packet: &[u8]) -> Tag {
        let clear = if trailer & ENCRYPTED == 0 { packet.len() } else { 8 };
        let (clear, payload) = packet.split_at(clear.min(packet.len()));
        match &self.cipher {
            Cipher::Cm { hmac, .. } => hmac.code(packet, None),
            Cipher::Gcm128 { ghash, .. } | Cipher::Gcm256 { ghash, .. } => {
                let authenticated = [clear, &trailer.to_be_bytes()].concat();
                self.sealed(ssrc, u64::from(trailer & !ENCRYPTED), gcm::hash(ghash, &authenticated, payload))
            }
        }
    }

    #[inline]
    fn sealed(&self, ssrc: u32, index: u64, hash: u128) -> Tag {
        let counter = self.nonce(ssrc, index) + 1;
        let mask = match &self.cipher {
            Cipher::Cm { aes, .. } | Cipher::Gcm128 { aes, .. } => ctr::block(aes, counter),
            Cipher::Gcm256 { aes, .. } => ctr::block(&**aes, counter),
        };
        (hash ^ mask).to_be_bytes()
    }

    /// Reads all that a packet needs, so that it is in the cache.
    #[inline]
    pub fn touch(&self) {
        match &self.cipher {
            Cipher::Cm { aes, hmac } => {
                std::hint::black_box(ctr::block(aes, self.salt));
                hmac.touch();
            }
            Cipher::Gcm128 { aes, ghash } => {
                std::hint::black_box((ctr::block(aes, self.salt), ghash.clone()));
            }
            Cipher::Gcm256 { aes, ghash } => {
                std::hint::black_box((ctr::block(&**aes, self.salt), ghash.clone()));
            }
        }
    }
}

/// The E bit of an SRTCP trailer.
pub const ENCRYPTED: u32 = 1 << 31;

/// At the upper end of 16 octets.
fn padded(octets: &[u8]) -> u128 {
    let mut whole = [0; 16];
    whole.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    u128::from_be_bytes(whole)
}
