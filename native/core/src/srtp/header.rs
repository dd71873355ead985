//! As much of RTP and RTCP headers as SRTP needs.

use crate::drops::Reason;

pub struct Header {
    /// Octets before the payload: fixed header, CSRCs and extension.
    pub length: usize,
    pub sequence: u16,
    pub ssrc: u32,
}

/// Read the header of an RTP packet; all of it lies within the packet, or the packet is malformed.
#[inline]
pub fn rtp(packet: &[u8]) -> Result<Header, Reason> {
    let Some(&[first, _, s1, s0, _, _, _, _, a, b, c, d]) = packet.first_chunk::<12>() else {
        return Err(Reason::Malformed);
    };
    let mut length = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let Some(&[_, _, l1, l0]) = packet.get(length..).and_then(<[u8]>::first_chunk) else {
            return Err(Reason::Malformed);
        };
        length += 4 + 4 * usize::from(u16::from_be_bytes([l1, l0]));
    }
    if packet.len() < length {
        return Err(Reason::Malformed);
    }
    Ok(Header { length, sequence: u16::from_be_bytes([s1, s0]), ssrc: u32::from_be_bytes([a, b, c, d]) })
}

/// The SSRC of an RTCP packet's sender.
#[inline]
pub fn rtcp(packet: &[u8]) -> Result<u32, Reason> {
    match packet.first_chunk::<8>() {
        Some(&[_, _, _, _, a, b, c, d]) => Ok(u32::from_be_bytes([a, b, c, d])),
        None => Err(Reason::Malformed),
    }
}
