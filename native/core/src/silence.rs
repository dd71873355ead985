//! What stands for what is said on a route that hides it: silence in place of the payload, everything else as it is.

use crate::source::Arrived;

/// The payload that is sent.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// As it came.
    Same(&'a [u8]),
    /// Other octets.
    Other(&'a [u8]),
    /// One octet over and over.
    Filled(u8, usize),
}

impl<'a> Payload<'a> {
    #[inline]
    pub fn of(packet: &Arrived<'a>) -> Self {
        Self::Same(packet.data.get(packet.begin..packet.end).unwrap_or_default())
    }

    /// What hides a payload of `length` octets: one octet is repeated, more are the new payload, none leaves the packet out.
    pub fn hidden(silence: &'a [u8], length: usize) -> Option<Self> {
        match silence {
            [] => None,
            [octet] => Some(Self::Filled(*octet, length)),
            octets => Some(Self::Other(octets)),
        }
    }

    /// Extensions of what is hidden are not passed on: the sender's audio level would tell when somebody speaks.
    #[inline]
    pub fn keeps_extensions(&self) -> bool {
        matches!(self, Self::Same(_))
    }

    #[inline]
    pub fn length(&self) -> usize {
        match self {
            Self::Same(octets) | Self::Other(octets) => octets.len(),
            Self::Filled(_, length) => *length,
        }
    }

    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Same(octets) | Self::Other(octets) => out.extend_from_slice(octets),
            Self::Filled(octet, length) => out.resize(out.len() + length, *octet),
        }
    }
}
