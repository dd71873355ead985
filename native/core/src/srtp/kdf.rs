//! Session keys from master keys (RFC 3711 §4.3), with a key derivation rate of zero.

use aes::cipher::KeyInit;
use aes::{Aes128Enc, Aes256Enc};

use super::ctr;
use crate::keys::Keys;

/// What a session key is for; RTCP's are 3 higher.
#[derive(Clone, Copy)]
pub enum Label {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
}

/// The first `N` octets of the key stream for that label. The key has one of the two AES lengths.
pub fn derive<const N: usize>(keys: &Keys, label: Label, rtcp: bool) -> [u8; N] {
    let mut salt = [0; 16];
    salt.iter_mut().zip(keys.salt.iter().take(14)).for_each(|(to, from)| *to = *from);
    salt[7] ^= label as u8 + if rtcp { 3 } else { 0 };
    let mut stream = [0; N];
    let start = u128::from_be_bytes(salt);
    if let Ok(key) = <[u8; 32]>::try_from(keys.key.as_slice()) {
        ctr::apply(&Aes256Enc::new(&key.into()), start, &mut stream);
    } else if let Ok(key) = <[u8; 16]>::try_from(keys.key.as_slice()) {
        ctr::apply(&Aes128Enc::new(&key.into()), start, &mut stream);
    }
    stream
}
