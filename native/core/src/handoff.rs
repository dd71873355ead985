//! What one worker's plane hands to another's: packets whose route leads there, and what is to be counted or undone here because of it.

use crate::drops::Reason;
use crate::outbox::Outbox;
use crate::plane::Plane;
use crate::reach::TransportRef;
use crate::rewrite::StreamRef;
use crate::slab::Key;
use crate::source::{Arrived, Origin};

/// Handoffs that may wait to be taken; more packets are dropped and counted as `handoff_full`.
const MAX_HANDOFFS: usize = 4096;
/// The same for what keeps both ends of a route in step: short, and not to be lost because packets fill the room.
const MAX_CONTROLS: usize = 16 * MAX_HANDOFFS;

/// Part of the way of a packet whose route leads to another worker, or a count that comes back. Opaque outside this crate.
#[derive(Debug)]
pub struct Handoff(pub(crate) Parcel);

impl Handoff {
    /// How many handoffs may wait before this one finds no room among them: fewer for packets than for everything else.
    pub fn limit(&self) -> usize {
        match self.0 {
            Parcel::Media { .. } | Parcel::Raw { .. } => MAX_HANDOFFS,
            _ => MAX_CONTROLS,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Parcel {
    /// A verified packet in the clear, for the route from `from` into `target`.
    Media {
        from: StreamRef,
        target: Key,
        packet: Box<MediaParcel>,
    },
    /// A packet of that route is left out.
    Skip {
        from: StreamRef,
        target: Key,
        born: u64,
        extended: i64,
        now: f64,
    },
    /// A source of that route is forgotten.
    Forget {
        from: StreamRef,
        target: Key,
        born: u64,
    },
    /// Count it with the transport that a packet came from.
    Drop {
        transport: Key,
        reason: Reason,
    },
    /// A datagram for a raw transport.
    Raw {
        target: Key,
        data: Box<[u8]>,
    },
    /// The route into `target` ends.
    Unfeed {
        from: StreamRef,
        target: Key,
    },
    /// A route from `source` ends.
    Unlink {
        source: Key,
        target: StreamRef,
    },
    /// A raw transport has lost where its datagrams go, or one whose datagrams it was sent.
    Unforward {
        source: Key,
        target: TransportRef,
    },
    Unfed {
        target: Key,
        source: TransportRef,
    },
}

#[derive(Debug)]
pub(crate) struct MediaParcel {
    /// The transport it came from.
    home: TransportRef,
    data: Vec<u8>,
    begin: usize,
    end: usize,
    second: u8,
    extended: i64,
    rtp_time: u32,
    now: f64,
    origin: Origin,
}

impl Plane {
    pub fn has_handoffs(&self) -> bool {
        !self.handoffs.is_empty()
    }

    /// Append what is for other workers to `handoffs`, each with the worker it goes to. Look after `receive` and `receive_handoffs`.
    pub fn take_handoffs(&mut self, handoffs: &mut Vec<(usize, Handoff)>) {
        handoffs.append(&mut self.handoffs);
    }

    /// Take what other workers handed over, in order; empties `handoffs`. May make handoffs and datagrams in turn.
    pub fn receive_handoffs(&mut self, handoffs: &mut Vec<Handoff>, now: f64, out: &mut Outbox) {
        for Handoff(parcel) in handoffs.drain(..) {
            self.guarded(out, |plane, out| plane.accept(parcel, out));
        }
        self.arm(now);
    }

    pub(crate) fn hand_over(&mut self, worker: usize, parcel: Parcel) {
        let handoff = Handoff(parcel);
        if self.handoffs.len() < handoff.limit() {
            self.handoffs.push((worker, handoff));
        } else {
            self.desk.drop(Reason::HandoffFull);
        }
    }

    /// Give a packet to the end of a route that is on another worker.
    #[cold]
    pub(crate) fn hand_over_packet(&mut self, home: Key, from: StreamRef, target: StreamRef, packet: &Arrived) {
        if self.handoffs.len() >= MAX_HANDOFFS {
            self.desk.drop(Reason::HandoffFull);
            return;
        }
        let &Arrived { data, begin, end, second, extended, rtp_time, now, origin } = packet;
        let home = TransportRef { worker: self.worker, key: home };
        let packet = Box::new(MediaParcel { home, data: data.to_vec(), begin, end, second, extended, rtp_time, now, origin });
        self.hand_over(target.worker, Parcel::Media { from, target: target.key, packet });
    }

    pub(crate) fn accept(&mut self, parcel: Parcel, out: &mut Outbox) {
        match parcel {
            Parcel::Media { from, target, packet } => self.accept_media(from, target, &packet, out),
            Parcel::Skip { from, target, born, extended, now } => {
                if let Some(feed) = self.feed_of(from, target) {
                    feed.skip(born, extended, now);
                }
            }
            Parcel::Forget { from, target, born } => {
                if let Some(feed) = self.feed_of(from, target) {
                    feed.forget(born);
                }
            }
            Parcel::Drop { transport, reason } => {
                if let Some(transport) = self.transports.get_mut(transport) {
                    transport.drops.count(reason);
                }
            }
            Parcel::Raw { target, data } => {
                if let Some(transport) = self.transports.get_mut(target) {
                    transport.send_raw(&data, out);
                }
            }
            Parcel::Unfeed { from, target } => {
                if self.feed_of(from, target).is_some() {
                    if let Some(stream) = self.streams.get_mut(target) {
                        stream.feed = None;
                    }
                }
            }
            Parcel::Unlink { source, target } => {
                if let Some(stream) = self.streams.get_mut(source) {
                    stream.unlink(target);
                }
            }
            Parcel::Unforward { source, target } => {
                if let Some(raw) = self.forwarding(source).filter(|raw| raw.target == Some(target)) {
                    raw.target = None;
                }
            }
            Parcel::Unfed { target, source } => {
                if let Some(raw) = self.forwarding(target) {
                    raw.feeders.retain(|known| *known != source);
                }
            }
        }
    }

    fn accept_media(&mut self, from: StreamRef, target: Key, packet: &MediaParcel, out: &mut Outbox) {
        if self.feed_of(from, target).is_none() {
            return; // the route has ended meanwhile
        }
        let MediaParcel { home, data, begin, end, second, extended, rtp_time, now, origin } = packet;
        let (begin, end, second, extended, rtp_time) = (*begin, *end, *second, *extended, *rtp_time);
        let arrived = Arrived { data, begin, end, second, extended, rtp_time, now: *now, origin: *origin };
        if let Some(reason) = self.rewrite(target, &arrived, out) {
            self.hand_over(home.worker, Parcel::Drop { transport: home.key, reason });
        }
    }

    /// The route from a stream of some worker into one of ours, if it is the one that feeds it.
    fn feed_of(&mut self, from: StreamRef, target: Key) -> Option<&mut crate::rewrite::Rewriter> {
        self.streams.get_mut(target)?.feed.as_mut().filter(|feed| feed.origin == from)
    }
}
