//! What a plane wants sent: one growing buffer of datagrams, each with room in front for headers of a lower layer.

use crate::address::Address;

/// The place of a port in its plane's table.
pub type PortKey = u32;
/// The place of a transport in its plane's table; with a generation, so that a late receipt cannot name its successor.
pub use crate::slab::Key as TransportKey;

/// Octets kept free before each datagram: an IPv6 and a UDP header.
pub const HEADROOM: usize = 48;

/// As what a datagram was counted when it was put in, so that the count can be taken back if it could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RTP, of a stream or as a raw datagram.
    Media,
    Rtcp,
    Dtls,
    /// An answer to an ICE check; counted with no transport.
    Stun,
}

/// One datagram to send from `port` to `to`; its octets are `outbox.data(&item)`.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    pub port: PortKey,
    pub to: Address,
    /// IPv4 TOS or IPv6 traffic class.
    pub tos: u8,
    pub kind: Kind,
    /// None for STUN.
    pub transport: Option<TransportKey>,
    start: u32,
    length: u32,
}

/// Datagrams in the order in which they are to leave. Reused from batch to batch.
#[derive(Default)]
pub struct Outbox {
    octets: Vec<u8>,
    items: Vec<Outgoing>,
}

impl Outbox {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn items(&self) -> &[Outgoing] {
        &self.items
    }

    #[inline]
    pub fn data(&self, item: &Outgoing) -> &[u8] {
        &self.octets[item.start as usize..(item.start + item.length) as usize]
    }

    /// The datagram with the last `before` octets of the room in front of it.
    #[inline]
    pub fn data_with(&self, item: &Outgoing, before: usize) -> &[u8] {
        &self.octets[item.start as usize - before..(item.start + item.length) as usize]
    }

    /// The datagram with the room before it, to write lower headers into: its first `HEADROOM` octets are free.
    #[inline]
    pub fn with_headroom(&mut self, index: usize) -> &mut [u8] {
        let item = &self.items[index];
        &mut self.octets[item.start as usize - HEADROOM..(item.start + item.length) as usize]
    }

    pub fn clear(&mut self) {
        self.octets.clear();
        self.items.clear();
    }

    /// Begin a datagram: write its octets to the returned buffer (append only), then call `finish` or `abandon` with the same mark.
    #[inline]
    pub fn begin(&mut self) -> (Mark, &mut Vec<u8>) {
        self.octets.resize(self.octets.len() + HEADROOM, 0);
        (Mark(self.octets.len()), &mut self.octets)
    }

    /// The octets written since `begin`.
    #[inline]
    pub fn written(&mut self, mark: &Mark) -> &mut [u8] {
        &mut self.octets[mark.0..]
    }

    /// The whole buffer and where the datagram begins in it, to append a tag.
    #[inline]
    pub fn buffer(&mut self, mark: &Mark) -> (&mut Vec<u8>, usize) {
        (&mut self.octets, mark.0)
    }

    #[inline]
    pub fn finish(&mut self, mark: Mark, port: PortKey, to: Address, tos: u8, kind: Kind, transport: Option<TransportKey>) {
        let length = (self.octets.len() - mark.0) as u32;
        self.items.push(Outgoing { port, to, tos, kind, transport, start: mark.0 as u32, length });
    }

    /// Forget what was begun.
    pub fn abandon(&mut self, mark: Mark) {
        self.octets.truncate(mark.0 - HEADROOM);
    }
}

/// Where a datagram begins that is being written.
pub struct Mark(usize);
