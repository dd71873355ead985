//! STUN messages (RFC 8489), as far as ICE needs them (RFC 8445): read, verify, write.
//!
//! ```text
//!  0                   1                   2                   3
//! |0 0|  type, 14 bits  |   length, 16 bits, a multiple of 4     |
//! |                 magic cookie 0x2112A442                      |
//! |                 transaction id, 96 bits                      |
//! |  attribute type     |  length, without padding               |  ...
//! ```

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::address::Address;

pub const BINDING: u16 = 0x0001;
pub const MAX_MESSAGE: usize = 1280;
pub const MAX_ATTRIBUTES: usize = 64;

const COOKIE: [u8; 4] = 0x2112_A442u32.to_be_bytes();
const HEADER: usize = 20;
const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// The class bits of a message type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    Request = 0x000,
    Indication = 0x010,
    Success = 0x100,
    Error = 0x110,
}

/// The attribute types that are read or written here; below 0x8000 a receiver must understand them (RFC 8489 §14).
pub mod attribute {
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    pub const REALM: u16 = 0x0014;
    pub const NONCE: u16 = 0x0015;
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    pub const PASSWORD_ALGORITHM: u16 = 0x001D;
    pub const USERHASH: u16 = 0x001E;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const PRIORITY: u16 = 0x0024;
    pub const USE_CANDIDATE: u16 = 0x0025;
    pub const FINGERPRINT: u16 = 0x8028;
    pub const ICE_CONTROLLED: u16 = 0x8029;
    pub const ICE_CONTROLLING: u16 = 0x802A;
}

use attribute as at;

/// The comprehension-required ones.
const UNDERSTOOD: [u16; 13] = [
    at::MAPPED_ADDRESS,
    at::USERNAME,
    at::MESSAGE_INTEGRITY,
    at::ERROR_CODE,
    at::UNKNOWN_ATTRIBUTES,
    at::REALM,
    at::NONCE,
    at::MESSAGE_INTEGRITY_SHA256,
    at::PASSWORD_ALGORITHM,
    at::USERHASH,
    at::XOR_MAPPED_ADDRESS,
    at::PRIORITY,
    at::USE_CANDIDATE,
];

/// Not a message of RFC 8489 with the magic cookie, of a bad length, or with a FINGERPRINT that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A well-formed message. Of each attribute the first counts, without what came after MESSAGE-INTEGRITY and is not covered by it.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub kind: Kind,
    pub method: u16,
    pub transaction: [u8; 12],
    /// Where MESSAGE-INTEGRITY is; None when there is none.
    integrity_at: Option<usize>,
    fingerprint: bool,
    data: &'a [u8],
}

impl<'a> Message<'a> {
    /// The value of the first attribute of this type. FINGERPRINT and MESSAGE-INTEGRITY have questions of their own.
    pub fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|&(known, _)| known == kind).map(|(_, value)| value)
    }

    pub fn has(&self, kind: u16) -> bool {
        self.attribute(kind).is_some()
    }

    /// USERNAME up to the first colon: for us the local half (RFC 8445 §7.1.2). None without USERNAME.
    pub fn ufrag(&self) -> Option<Cow<'a, str>> {
        let name = self.attribute(at::USERNAME)?;
        name.split(|&octet| octet == b':').next().map(String::from_utf8_lossy)
    }

    pub fn use_candidate(&self) -> bool {
        self.has(at::USE_CANDIDATE)
    }

    pub fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    pub fn has_fingerprint(&self) -> bool {
        self.fingerprint
    }

    /// The comprehension-required attribute types that nobody here understands, each once (RFC 8489 §6.3).
    pub fn unknown_required(&self) -> Vec<u16> {
        let mut unknown = Vec::new();
        for (kind, _) in self.attributes() {
            if kind < 0x8000 && !UNDERSTOOD.contains(&kind) && !unknown.contains(&kind) {
                unknown.push(kind);
            }
        }
        unknown
    }

    /// Whether MESSAGE-INTEGRITY is there and right (RFC 8489 §14.5, short-term credentials). Compares in constant time.
    pub fn verify(&self, password: &[u8]) -> bool {
        let parts = self.integrity_at.and_then(|at| Some((self.data.get(..at)?, self.data.get(at + 4..at + 24)?)));
        parts.is_some_and(|(covered, tag)| integrity(password, covered, covered.len() + 4).verify_slice(tag).is_ok())
    }

    /// What counts of the attributes, in their order; a repeated one again.
    fn attributes(&self) -> Attributes<'a> {
        let end = self.integrity_at.unwrap_or(self.data.len());
        Attributes { rest: self.data.get(HEADER..end).unwrap_or_default() }
    }
}

/// Reads attributes one after the other; ends at one that runs over the end, and leaves it in `rest`.
struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[k0, k1, l0, l1], rest) = self.rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let value = rest.get(..length)?;
        self.rest = rest.get(length.next_multiple_of(4)..)?;
        Some((u16::from_be_bytes([k0, k1]), value))
    }
}

/// Read one STUN message that fills the datagram.
pub fn parse_stun(data: &[u8]) -> Result<Message<'_>, Malformed> {
    let (&[k0, k1, l0, l1, c0, c1, c2, c3, ref transaction @ ..], body) = data.split_first_chunk::<HEADER>().ok_or(Malformed)?;
    let (kind, length) = (u16::from_be_bytes([k0, k1]), usize::from(u16::from_be_bytes([l0, l1])));
    if data.len() > MAX_MESSAGE || kind & 0xC000 != 0 || [c0, c1, c2, c3] != COOKIE || length & 3 != 0 || length != body.len() {
        return Err(Malformed);
    }
    let method = (kind & 0x000F) | (kind & 0x00E0) >> 1 | (kind & 0x3E00) >> 2;
    let kind = match kind & 0x0110 {
        0x000 => Kind::Request,
        0x010 => Kind::Indication,
        0x100 => Kind::Success,
        _ => Kind::Error,
    };
    let (integrity_at, fingerprint) = check_attributes(data, body)?;
    Ok(Message { kind, method, transaction: *transaction, integrity_at, fingerprint, data })
}

/// Where MESSAGE-INTEGRITY is, and whether there is a FINGERPRINT, which is right then.
fn check_attributes(data: &[u8], body: &[u8]) -> Result<(Option<usize>, bool), Malformed> {
    let (mut integrity_at, mut fingerprint, mut count) = (None, false, 0);
    let mut attributes = Attributes { rest: body };
    loop {
        let begin = data.len() - attributes.rest.len();
        let Some((kind, value)) = attributes.next() else {
            // A message is a multiple of 4 octets long, so that an attribute which fits leaves nothing of its padding over.
            return if attributes.rest.is_empty() { Ok((integrity_at, fingerprint)) } else { Err(Malformed) };
        };
        count += 1;
        if count > MAX_ATTRIBUTES {
            return Err(Malformed);
        }
        if kind == at::FINGERPRINT {
            let covered = data.get(..begin).ok_or(Malformed)?;
            if !attributes.rest.is_empty() || value != (crc32fast::hash(covered) ^ FINGERPRINT_XOR).to_be_bytes() {
                return Err(Malformed);
            }
            fingerprint = true;
        } else if kind == at::MESSAGE_INTEGRITY && integrity_at.is_none() {
            if value.len() != 20 {
                return Err(Malformed);
            }
            integrity_at = Some(begin);
        }
    }
}

/// HMAC-SHA1 over a message that is to be taken as `length` octets long after its header, less the header's 20.
fn integrity(password: &[u8], covered: &[u8], length: usize) -> Hmac<Sha1> {
    let (kind, rest) = covered.split_at_checked(2).unwrap_or_default();
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(password).expect("HMAC takes keys of any length");
    mac.update(kind);
    mac.update(&(length as u16).to_be_bytes());
    mac.update(rest.get(2..).unwrap_or_default());
    mac
}

/// Append a Binding message, with MESSAGE-INTEGRITY when a `password` is given and FINGERPRINT when wanted, in that order, last.
pub fn write_stun(
    kind: Kind,
    transaction: &[u8; 12],
    attributes: &[(u16, &[u8])],
    password: Option<&[u8]>,
    fingerprint: bool,
    out: &mut Vec<u8>,
) {
    let begin = out.len();
    out.extend_from_slice(&(kind as u16 | BINDING).to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&COOKIE);
    out.extend_from_slice(transaction);
    for &(name, value) in attributes {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend_from_slice(value);
        out.resize(out.len() + (value.len().wrapping_neg() & 3), 0);
    }
    if let Some(password) = password {
        let covered = &out[begin..];
        let tag = integrity(password, covered, covered.len() + 4).finalize().into_bytes();
        out.extend_from_slice(&[0, at::MESSAGE_INTEGRITY as u8, 0, 20]);
        out.extend_from_slice(&tag);
    }
    let length = out.len() - begin - HEADER + if fingerprint { 8 } else { 0 };
    out[begin + 2..begin + 4].copy_from_slice(&(length as u16).to_be_bytes());
    if fingerprint {
        let sum = crc32fast::hash(&out[begin..]) ^ FINGERPRINT_XOR;
        out.extend_from_slice(&at::FINGERPRINT.to_be_bytes());
        out.extend_from_slice(&[0, 4]);
        out.extend_from_slice(&sum.to_be_bytes());
    }
}

/// The value of XOR-MAPPED-ADDRESS (RFC 8489 §14.2): 8 octets for IPv4, 20 for IPv6.
#[derive(Clone, Copy, Debug)]
pub struct XorAddress {
    octets: [u8; 20],
    length: usize,
}

impl XorAddress {
    pub fn new(address: Address, transaction: &[u8; 12]) -> Self {
        let mut octets = [0; 20];
        let mask = COOKIE.iter().chain(transaction);
        let length = if let Some(v4) = address.v4_octets() {
            octets[4..8].copy_from_slice(&v4);
            8
        } else {
            octets[4..].copy_from_slice(&address.octets());
            20
        };
        octets[1] = if length == 8 { 1 } else { 2 };
        octets[2..4].copy_from_slice(&(address.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]])).to_be_bytes());
        for (octet, mask) in octets[4..length].iter_mut().zip(mask) {
            *octet ^= mask;
        }
        Self { octets, length }
    }

    pub fn value(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

/// The value of ERROR-CODE without a reason phrase, so that a reply stays as short as the request (RFC 8489 §14.8).
pub fn error_code(code: u16) -> [u8; 4] {
    [0, 0, (code / 100) as u8, (code % 100) as u8]
}

#[cfg(test)]
mod tests;
