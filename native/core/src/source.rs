//! What arrives: one synchronisation source (SSRC) of a stream, from the header to the routes.

use crate::drops::Reason;
use crate::event::Event;
use crate::outbox::Outbox;
use crate::plane::Plane;
use crate::reception::{Received, Reception};
use crate::rtp::{measure, Header};
use crate::slab::Key;
use crate::stream::StreamState;

/// Of so many packets one is remembered, for the level, after the first as many: to remember each would cost as much as to relay it.
const REMEMBERED: u64 = 16;

/// One SSRC of a stream.
pub(crate) struct Source {
    pub ssrc: u32,
    /// -1: look its clock up with the next packet.
    pub payload_type: i16,
    pub stream: Key,
    /// Later sources of a plane have higher numbers; none is used twice.
    pub born: u64,
    pub bytes: u64,
    pub last_arrival: f64,
    pub reception: Reception,
    /// A recent packet, for its level.
    pub last: Vec<u8>,
}

impl Source {
    pub fn new(stream: Key, ssrc: u32, reception: Reception, born: u64) -> Self {
        Self { ssrc, payload_type: -1, stream, born, bytes: 0, last_arrival: 0.0, reception, last: Vec::new() }
    }

    /// Bring what the next packet needs into the cache.
    #[inline]
    pub fn touch(&self) -> u64 {
        self.bytes ^ self.last.len() as u64 ^ self.reception.touch()
    }

    fn origin(&self) -> Origin {
        Origin { born: self.born, ssrc: self.ssrc, clock: self.reception.clock }
    }

    /// Another payload type begins: take up its clock.
    #[cold]
    fn change(&mut self, stream: &StreamState, payload_type: u8, rtp_time: u32, now: f64) {
        let clock = stream.clock_rate(payload_type);
        let after_event = u8::try_from(self.payload_type).is_ok_and(|former| stream.is_event(former));
        if let Some(clock) = clock {
            if (after_event || clock != self.reception.clock) && !stream.is_event(payload_type) {
                self.reception.set_clock(clock, rtp_time, now);
            }
        }
        self.payload_type = i16::from(payload_type);
    }
}

/// Who speaks, as far as the end of a route must know: it may be on another worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub born: u64,
    pub ssrc: u32,
    pub clock: u32,
}

/// A verified packet on its way into a route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived<'a> {
    pub data: &'a [u8],
    /// Where the payload begins and ends.
    pub begin: usize,
    pub end: usize,
    pub second: u8,
    pub extended: i64,
    pub rtp_time: u32,
    pub now: f64,
    pub origin: Origin,
}

/// What becomes of a packet that was counted.
enum Next {
    Forward(usize, usize),
    /// Only padding, an event: routes close the gap that it would leave.
    Skip,
}

impl Plane {
    /// Count a decrypted packet of a source and pass it on; false when it was a duplicate, implausible or malformed.
    #[inline]
    pub(crate) fn receive_from(&mut self, key: Key, index: usize, data: &[u8], header: &Header, now: f64, out: &mut Outbox) -> bool {
        let Some((next, extended, origin, stream)) = self.count_packet(key, index, data, header, now) else {
            return false;
        };
        match next {
            Next::Forward(begin, end) => {
                let (second, rtp_time) = (header.second, header.timestamp);
                self.forward(key, stream, &Arrived { data, begin, end, second, extended, rtp_time, now, origin }, out);
            }
            Next::Skip => self.skip(stream, origin.born, extended, now),
        }
        true
    }

    #[inline]
    fn count_packet(&mut self, key: Key, index: usize, data: &[u8], header: &Header, now: f64) -> Option<(Next, i64, Origin, Key)> {
        let transport = self.transports.get_mut(key)?;
        let source = transport.sources.get_mut(index)?;
        let stream = self.streams.get_mut(source.stream)?;
        let (begin, end) = if header.first == 0x80 && data.len() > 11 {
            (12, data.len())
        } else if let Ok(found) = measure(data) {
            found
        } else {
            transport.drops.count(Reason::Malformed);
            return None;
        };
        let payload_type = header.payload_type();
        if i16::from(payload_type) != source.payload_type {
            source.change(stream, payload_type, header.timestamp, now);
        }
        let is_event = stream.is_event(payload_type);
        let jitter = source.reception.jitter;
        let extended = match source.reception.receive(header.sequence, header.timestamp, now) {
            Received::At(extended) => extended,
            refused => {
                let reason = if refused == Received::Duplicate { Reason::Duplicate } else { Reason::Jumped };
                if is_event {
                    source.reception.jitter = jitter;
                }
                transport.drops.count(reason);
                return None;
            }
        };
        source.bytes += (end - begin) as u64;
        source.last_arrival = now;
        stream.current = Some(source.ssrc);
        if !stream.receiving {
            stream.begin_receiving(&mut self.desk);
        }
        if is_event {
            source.reception.jitter = jitter; // its timestamp stands still during the event
        } else if source.reception.packets < REMEMBERED || source.reception.packets % REMEMBERED == 0 {
            source.last.clear();
            source.last.extend_from_slice(data);
        }
        let origin = source.origin();
        let found = (extended, origin, source.stream);
        let next = if is_event {
            self.report_event(key, found, &data[begin..end], header, now);
            Next::Skip
        } else if begin == end {
            transport.drops.count(Reason::PaddingOnly); // a browser probing for bandwidth
            Next::Skip
        } else {
            Next::Forward(begin, end)
        };
        Some((next, extended, origin, found.2))
    }

    /// An RFC 4733 packet: it is never forwarded.
    fn report_event(&mut self, key: Key, found: (i64, Origin, Key), payload: &[u8], header: &Header, now: f64) {
        let (Some(transport), Some(stream)) = (self.transports.get_mut(key), self.streams.get(found.2)) else {
            return;
        };
        let Some(&[event, flags, long, short]) = payload.first_chunk::<4>() else {
            transport.drops.count(Reason::Malformed);
            return;
        };
        self.desk.report_message(!stream.spec.id, || Event::TelephoneEventReceived {
            stream: stream.spec.id,
            ssrc: found.1.ssrc,
            timestamp: header.timestamp,
            payload_type: header.payload_type(),
            event,
            end: flags > 0x7F,
            volume: flags & 0x3F,
            duration: u16::from_be_bytes([long, short]),
            at: now,
        });
    }
}
