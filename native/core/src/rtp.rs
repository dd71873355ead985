//! RTP packets (RFC 3550 §5.1) and their header extensions (RFC 8285).
//!
//! ```text
//!  0                   1                   2                   3
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |           synchronisation source (SSRC) identifier            |
//! |            contributing sources (CSRC), CC times              |
//! |   extension profile           |  length in words              |  when X
//! ```

pub const HEADER: usize = 12;
const ONE_BYTE: u16 = 0xBEDE;
const TWO_BYTE: u16 = 0x1000;
const MAX_EXTENSIONS: u32 = 32;

/// The CSRC list, extension or padding runs over the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The fixed part of a packet. `first` holds version, padding, extension and CSRC count, `second` marker and payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub first: u8,
    pub second: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

impl Header {
    /// None of less than 12 octets; what is in them is not judged.
    #[inline]
    pub fn parse(data: &[u8]) -> Option<Header> {
        let &[first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = data.first_chunk::<HEADER>()?;
        Some(Header {
            first,
            second,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
        })
    }

    #[inline]
    pub fn octets(&self) -> [u8; HEADER] {
        let ([s0, s1], [t0, t1, t2, t3]) = (self.sequence.to_be_bytes(), self.timestamp.to_be_bytes());
        let [i0, i1, i2, i3] = self.ssrc.to_be_bytes();
        [self.first, self.second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]
    }

    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets());
    }

    #[inline]
    pub fn payload_type(&self) -> u8 {
        self.second & 0x7F
    }

    /// Whether the header extension bit is set.
    #[inline]
    pub fn extended(&self) -> bool {
        self.first & 0x10 != 0
    }
}

/// Whether a packet whose first octet is 128..191 is RTCP, by its second (RFC 5761 §4).
#[inline]
pub fn is_rtcp(second: u8) -> bool {
    (192..=223).contains(&second)
}

/// Where the payload begins and ends in an unencrypted packet. Less than 12 octets are malformed too.
#[inline]
pub fn measure(data: &[u8]) -> Result<(usize, usize), Malformed> {
    let (&first, &last) = (data.first().ok_or(Malformed)?, data.last().ok_or(Malformed)?);
    let mut end = data.len();
    let mut begin = HEADER + 4 * usize::from(first & 0x0F);
    if first & 0x10 != 0 {
        begin += 4 + 4 * usize::from(read_u16(data, begin + 2).ok_or(Malformed)?);
    }
    if first & 0x20 != 0 {
        let padding = usize::from(last);
        if begin >= end || padding == 0 || padding > end - begin {
            return Err(Malformed);
        }
        end -= padding;
    }
    if begin > end {
        return Err(Malformed);
    }
    Ok((begin, end))
}

#[inline]
fn read_u16(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

/// The header extension elements of a packet, each id once, the first of each (RFC 8285 §4.2, §4.3).
///
/// An unknown profile yields nothing, and reading stops at the first element that does not fit.
#[inline]
pub fn extensions(data: &[u8]) -> Extensions<'_> {
    extension_block(data).unwrap_or(Extensions { rest: &[], two_byte: false, seen: [0; 4], left: 0 })
}

/// The value of one element.
pub fn extension(data: &[u8], id: u8) -> Option<&[u8]> {
    extensions(data).find(|&(known, _)| known == id).map(|(_, value)| value)
}

fn extension_block(data: &[u8]) -> Option<Extensions<'_>> {
    let first = *data.first()?;
    if first & 0x10 == 0 {
        return None;
    }
    let at = HEADER + 4 * usize::from(first & 0x0F);
    let (profile, words) = (read_u16(data, at)?, read_u16(data, at + 2)?);
    let rest = data.get(at + 4..at + 4 + 4 * usize::from(words))?;
    let two_byte = match profile {
        ONE_BYTE => false,
        profile if profile & 0xFFF0 == TWO_BYTE => true,
        _ => return None,
    };
    Some(Extensions { rest, two_byte, seen: [0; 4], left: MAX_EXTENSIONS })
}

/// An iterator over (id, value). It ends after 32 ids.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    two_byte: bool,
    seen: [u64; 4],
    left: u32,
}

impl<'a> Extensions<'a> {
    /// The element that begins here, taken off; None ends the reading.
    fn element(&mut self, byte: u8) -> Option<(u8, &'a [u8])> {
        let (id, head, length) =
            if self.two_byte { (byte, 2, usize::from(*self.rest.get(1)?)) } else { (byte >> 4, 1, 1 + usize::from(byte & 0x0F)) };
        if !self.two_byte && id == 15 || self.left == 0 {
            return None;
        }
        let (element, rest) = self.rest.split_at_checked(head + length)?;
        self.rest = rest;
        Some((id, element.get(head..)?))
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let byte = *self.rest.first()?;
            if byte == 0 {
                self.rest = self.rest.get(1..)?;
                continue;
            }
            let Some((id, value)) = self.element(byte) else {
                self.rest = &[];
                return None;
            };
            let (word, bit) = (usize::from(id >> 6), 1u64 << (id & 63));
            let seen = self.seen.get_mut(word)?;
            if *seen & bit == 0 {
                *seen |= bit;
                self.left -= 1;
                return Some((id, value));
            }
        }
    }
}

/// Append the whole extension block, with its profile and length; nothing for no elements.
///
/// The one-byte form is used when every id is 1..14 and every value 1..16 octets long, otherwise the two-byte form; there a value is cut
/// after 255 octets.
pub fn write_extensions<'a>(elements: impl Iterator<Item = (u8, &'a [u8])> + Clone, out: &mut Vec<u8>) {
    if elements.clone().next().is_none() {
        return;
    }
    let short = elements.clone().all(|(id, value)| (1..=14).contains(&id) && (1..=16).contains(&value.len()));
    out.extend_from_slice(&if short { ONE_BYTE } else { TWO_BYTE }.to_be_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0, 0]);
    for (id, value) in elements {
        if short {
            out.push(id << 4 | (value.len() - 1) as u8);
            out.extend_from_slice(value);
        } else {
            let value = &value[..value.len().min(255)];
            out.extend_from_slice(&[id, value.len() as u8]);
            out.extend_from_slice(value);
        }
    }
    let body = out.len() - length_at - 2;
    out.resize(out.len() + (body.wrapping_neg() & 3), 0);
    let words = (body.div_ceil(4)) as u16;
    out[length_at..length_at + 2].copy_from_slice(&words.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(elements: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        write_extensions(elements.iter().copied(), &mut out);
        out
    }

    fn packet(head: &[u8]) -> Vec<u8> {
        [&[0x90][..], &[0; 11], head].concat()
    }

    fn read(data: &[u8]) -> Vec<(u8, Vec<u8>)> {
        extensions(data).map(|(id, value)| (id, value.to_vec())).collect()
    }

    #[test]
    fn reads_the_header_it_writes() {
        let header = Header { first: 0x80, second: 0x85, sequence: 0x1234, timestamp: 0x0102_0304, ssrc: 0xA0B0_C0D0 };
        let mut out = vec![9];
        header.write(&mut out);
        assert_eq!(Header::parse(&out[1..]), Some(header));
        assert_eq!(header.payload_type(), 5);
        assert_eq!(Header::parse(&out[2..]), None);
    }

    #[test]
    fn refuses_what_runs_over_the_end() {
        let cases: [(&[u8], &str); 7] = [
            (&[], "nothing"),
            (&[0x81], "CSRC"),
            (&[0x90], "no extension"),
            (&[0x90, 0xBE, 0xDE, 0, 1], "extension length"),
            (&[0xA0], "no padding"),
            (&[0xA0, 0], "padding of 0"),
            (&[0xA0, 2], "padding too long"),
        ];
        for (case, why) in cases {
            let data = match case {
                [] => Vec::new(),
                [first, rest @ ..] => [&[*first][..], &[0; 11], rest].concat(),
            };
            assert_eq!(measure(&data), Err(Malformed), "{why}");
        }
        assert_eq!(measure(&[0x80; 11]), Err(Malformed));
    }

    #[test]
    fn measures_csrcs_extension_and_padding() {
        let data = [&[0xB1][..], &[0; 11], &[0; 4], &[0xBE, 0xDE, 0, 1, 0x10, 7, 0, 0], b"abc", &[0, 0, 3]].concat();
        assert_eq!(measure(&data), Ok((24, 27)));
        assert_eq!(read(&data), vec![(1, vec![7])]);
    }

    #[test]
    fn two_byte_elements_when_the_one_byte_form_cannot() {
        for element in [(15, b"x".to_vec()), (1, Vec::new()), (2, vec![7; 17]), (200, vec![7; 255])] {
            let block = written(&[(element.0, &element.1)]);
            assert_eq!(&block[..2], [0x10, 0]);
            assert_eq!(read(&packet(&block)), vec![element]);
        }
        assert!(written(&[]).is_empty());
        assert_eq!(written(&[(4, b"0")]), [0xBE, 0xDE, 0, 1, 0x40, b'0', 0, 0]);
        assert_eq!(written(&[(1, &[7; 300])]).len(), 4 + 260);
    }

    #[test]
    fn odd_elements_end_the_reading_quietly() {
        assert_eq!(read(&packet(b"\xbe\xde\x00\x02\x10\xaa\xf0\x11\x22\x33\x44\x55")), vec![(1, vec![0xAA])]); // id 15 means stop
        assert_eq!(read(&packet(b"\xbe\xde\x00\x01\x00\x1f\x00\x00")), vec![]); // runs over
        assert_eq!(read(&packet(b"\x12\x34\x00\x01\x10\xaa\x00\x00")), vec![]); // another profile
        assert_eq!(read(&packet(b"\x10\x00\x00\x01\x00\x00\x00\x05")), vec![]);
        assert_eq!(read(&packet(b"\xbe\xde\x00\x02\x10\xaa")), vec![]);
        assert_eq!(read(&packet(b"\xbe\xde\x00\x01\x10\xaa\x10\xbb")), vec![(1, vec![0xAA])]);
        // the first counts
    }

    #[test]
    fn ends_after_so_many() {
        let block: Vec<(u8, &[u8])> = (1..=40).map(|id| (id, &b"x"[..])).collect();
        assert_eq!(read(&packet(&written(&block))).len(), 32);
    }

    #[test]
    fn tells_rtcp_from_rtp() {
        assert!(!is_rtcp(0) && !is_rtcp(0xE0) && is_rtcp(0xC8) && is_rtcp(0xCE));
    }
}
