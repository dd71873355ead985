//! The rewriting of one route: SSRC, sequence, timestamp, payload type, header extensions.
//!
//! Sequence and timestamp are mapped by an offset, so loss, reordering and marker pass through as they are. The offset is taken anew when
//! another source takes over, after hold, or after a jump, so that the target sees one continuous stream. Packets that we leave out on
//! purpose (telephone events, unmapped payload types, padding) or put in (injected) move the offset by one; `shifts` remembers where, so
//! that a late packet from before such a place keeps its number.

use std::collections::VecDeque;

use crate::drops::Reason;
use crate::outbox::Outbox;
use crate::reception::{MAX_DROPOUT, WINDOW};
use crate::rtp::{extensions, write_extensions, Header};
use crate::silence::Payload;
use crate::slab::Key;
use crate::source::Arrived;
use crate::spec::Route;
use crate::srtp::MAX_PROTECT;
use crate::stream::Sending;
use crate::transport::Transport;

const FORMER_SOURCE_S: f64 = 0.5;
const MAX_SHIFTS: usize = 256;
const UNMAPPED: u8 = 0xFF;

/// A stream of some worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamRef {
    pub worker: usize,
    pub key: Key,
}

/// An extension block that is in the cache with the rest, if it is as short as they are.
#[repr(C)]
struct Block {
    length: u8,
    short: [u8; 23],
    long: Vec<u8>,
}

impl Block {
    fn new(octets: Vec<u8>) -> Self {
        let mut block = Self { length: 0, short: [0; 23], long: Vec::new() };
        match block.short.get_mut(..octets.len()) {
            Some(place) => {
                place.copy_from_slice(&octets);
                block.length = octets.len() as u8;
            }
            None => block.long = octets,
        }
        block
    }

    #[inline]
    fn octets(&self) -> &[u8] {
        if self.long.is_empty() {
            &self.short[..usize::from(self.length)]
        } else {
            &self.long
        }
    }
}

/// The state of one route, kept with the stream that it feeds. What every packet needs comes first.
#[repr(C)]
pub(crate) struct Rewriter {
    /// Number of the source that is being passed on, 0 for none.
    pub source: u64,
    highest: i64,
    pub sequence_offset: i64,
    /// When the present source was heard last.
    arrived: f64,
    pub timestamp_offset: u32,
    pub source_ssrc: u32,
    /// The payload type met last, and what becomes of it.
    recent: (u8, u8),
    hides: bool,
    block: Block,
    mapped: Vec<(u8, u8)>,
    /// Number of the source of before a pause.
    previous: u64,
    /// Extended numbers below this one have no place any more.
    first: i64,
    types: Box<[u8; 128]>,
    shifts: VecDeque<(i64, i64)>,
    pub origin: StreamRef,
    pub route: Route,
}

impl Rewriter {
    pub fn new(route: Route, origin: StreamRef) -> Self {
        let mut rewriter = Self {
            source: 0,
            previous: 0,
            source_ssrc: 0,
            timestamp_offset: 0,
            arrived: 0.0,
            highest: 0,
            sequence_offset: 0,
            first: 0,
            recent: (UNMAPPED, UNMAPPED),
            hides: false,
            block: Block::new(Vec::new()),
            mapped: Vec::new(),
            types: Box::new([UNMAPPED; 128]),
            shifts: VecDeque::new(),
            origin,
            route: route.clone(),
        };
        rewriter.update(route);
        rewriter
    }

    /// Take up new rules; numbering goes on.
    pub fn update(&mut self, route: Route) {
        if !route.enabled {
            self.pause();
        }
        self.types.fill(UNMAPPED);
        for &(before, after) in &route.payload_types {
            if !route.telephone_events.contains(&before) {
                if let Some(place) = self.types.get_mut(usize::from(before)) {
                    *place = after & 0x7F;
                }
            }
        }
        self.recent = (UNMAPPED, UNMAPPED);
        let mut block = Vec::new();
        write_extensions(route.constant_extensions.iter().map(|(id, value)| (*id, value.as_slice())), &mut block);
        self.block = Block::new(block);
        self.mapped.clone_from(&route.extensions);
        self.hides = !route.silence.is_empty();
        self.route = route;
    }

    /// The extension block of what we send of our own.
    pub fn constant_block(&self) -> &[u8] {
        self.block.octets()
    }

    /// Nothing is forwarded for a while: the next packet begins anew, in sequence.
    pub fn pause(&mut self) {
        if self.source != 0 {
            (self.previous, self.source) = (self.source, 0);
        }
    }

    /// The source is gone for good.
    pub fn forget(&mut self, born: u64) {
        if self.source == born {
            self.source = 0;
        }
    }

    /// Rewrite a packet and send it on the target's transport; or say what to count with the source's transport.
    #[inline]
    pub fn forward(&mut self, packet: &Arrived, target: &mut Sending, transport: &mut Transport, out: &mut Outbox) -> Option<Reason> {
        if !self.hides {
            return self.pass(packet, &Payload::of(packet), target, transport, out);
        }
        let silence = std::mem::take(&mut self.route.silence);
        let hidden = match silence.iter().find(|(payload_type, _)| *payload_type == packet.second & 0x7F) {
            None => Some(Payload::of(packet)),
            Some((_, silence)) => Payload::hidden(silence, packet.end - packet.begin),
        };
        let refused = match hidden {
            Some(payload) => self.pass(packet, &payload, target, transport, out),
            None => {
                self.skip(packet.origin.born, packet.extended, packet.now);
                Some(Reason::Silenced)
            }
        };
        self.route.silence = silence;
        refused
    }

    #[inline]
    fn pass(
        &mut self,
        packet: &Arrived,
        payload: &Payload,
        target: &mut Sending,
        transport: &mut Transport,
        out: &mut Outbox,
    ) -> Option<Reason> {
        let mut second = self.map(packet.second);
        if second == UNMAPPED || transport.path.is_none() {
            let unready = transport.unready();
            self.skip(packet.origin.born, packet.extended, packet.now);
            if second == UNMAPPED {
                return Some(Reason::PayloadType);
            }
            transport.drops.count(unready);
            return None;
        }
        second |= packet.second & 0x80;
        let step = packet.extended - self.highest;
        if self.source == packet.origin.born && step <= 0 {
            return self.forward_late(packet, payload, second, target, transport, out);
        }
        if self.source == packet.origin.born && step <= MAX_DROPOUT {
            self.highest = packet.extended;
            self.arrived = packet.now;
        } else {
            if !self.take(packet, target) {
                return Some(Reason::FormerSsrc);
            }
            if target.packets != 0 && target.is_audio {
                second |= 0x80; // a talk spurt begins: lets the receiver re-centre its jitter buffer
            }
        }
        let sequence = packet.extended + self.sequence_offset;
        let timestamp = packet.rtp_time.wrapping_add(self.timestamp_offset);
        target.next_sequence = sequence + 1;
        target.last_sequence = sequence;
        target.last_timestamp = timestamp;
        target.last_sent = packet.now;
        self.send(packet, payload, second, sequence, timestamp, target, transport, out);
        None
    }

    /// The outgoing payload type without marker, or UNMAPPED.
    #[inline]
    fn map(&mut self, second: u8) -> u8 {
        let before = second & 0x7F;
        if self.recent.0 != before {
            self.recent = (before, self.types[usize::from(before)]);
        }
        self.recent.1
    }

    /// A packet is left out on purpose: close the gap it would leave, unless later ones have already gone.
    pub fn skip(&mut self, born: u64, extended: i64, now: f64) {
        if born != self.source {
            return;
        }
        self.arrived = now;
        if extended > self.highest {
            if extended - self.highest > MAX_DROPOUT {
                self.pause();
                return;
            }
            self.highest = extended;
            self.sequence_offset -= 1;
            self.shift(extended, -1);
        }
    }

    /// A packet of our own was put behind the last one.
    pub fn make_room(&mut self) {
        if self.source != 0 {
            self.sequence_offset += 1;
            self.shift(self.highest + 1, 1);
        }
    }

    fn shift(&mut self, at: i64, by: i64) {
        self.shifts.push_back((at, by));
        if self.shifts.len() > MAX_SHIFTS {
            if let Some((at, _)) = self.shifts.pop_front() {
                self.first = self.first.max(at);
            }
        }
    }

    /// Let a source take over, continuous with what was sent before; false for stragglers of a source that was replaced.
    #[cold]
    fn take(&mut self, packet: &Arrived, target: &mut Sending) -> bool {
        let (origin, extended, now) = (&packet.origin, packet.extended, packet.now);
        if self.source != 0 && origin.born < self.source && now - self.arrived < FORMER_SOURCE_S {
            return false;
        }
        self.sequence_offset = target.next_sequence - extended;
        if target.packets != 0 {
            let clock = i64::from(origin.clock);
            let expected = ((now - target.last_sent) * f64::from(origin.clock)).round_ties_even() as i64;
            let advance = i64::from(packet.rtp_time.wrapping_add(self.timestamp_offset).wrapping_sub(target.last_timestamp));
            let known = origin.born == self.source || origin.born == self.previous;
            let resumed = known && advance > 0 && (advance - expected).abs() < 2 * clock;
            if !resumed {
                self.timestamp_offset = target.last_timestamp.wrapping_add(expected.max(1) as u32).wrapping_sub(packet.rtp_time);
            }
        } else {
            self.timestamp_offset = target.last_timestamp.wrapping_sub(packet.rtp_time);
        }
        (self.source, self.previous, self.source_ssrc, self.arrived) = (origin.born, 0, origin.ssrc, now);
        // Of a stream that begins, what was overtaken still has its place; otherwise that place was used by what came before.
        self.first = if target.packets != 0 { extended } else { extended - WINDOW };
        self.highest = extended;
        self.shifts.clear();
        target.clock = origin.clock;
        true
    }

    /// A packet that was overtaken keeps its place, if its place is after the present source took over.
    #[cold]
    fn forward_late(
        &mut self,
        packet: &Arrived,
        payload: &Payload,
        second: u8,
        target: &mut Sending,
        transport: &mut Transport,
        out: &mut Outbox,
    ) -> Option<Reason> {
        self.arrived = packet.now;
        if packet.extended < self.first {
            transport.drops.count(Reason::Late);
            return None;
        }
        let shifted: i64 = self.shifts.iter().filter(|(at, _)| *at > packet.extended).map(|(_, by)| by).sum();
        let sequence = packet.extended + self.sequence_offset - shifted;
        let timestamp = packet.rtp_time.wrapping_add(self.timestamp_offset);
        self.send(packet, payload, second, sequence, timestamp, target, transport, out);
        None
    }

    /// Write the packet where it leaves from, protect and count it.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    fn send(
        &self,
        packet: &Arrived,
        payload: &Payload,
        second: u8,
        sequence: i64,
        timestamp: u32,
        target: &mut Sending,
        transport: &mut Transport,
        out: &mut Outbox,
    ) {
        target.packets += 1;
        target.bytes += payload.length() as u64;
        let (mark, buffer) = out.begin();
        let start = buffer.len();
        let header = Header { first: 0x80, second, sequence: sequence as u16, timestamp, ssrc: target.ssrc };
        header.write(buffer);
        if !self.mapped.is_empty() && payload.keeps_extensions() && packet.data[0] & 0x10 != 0 {
            self.write_mapped(packet.data, payload.length(), buffer);
        } else {
            buffer.extend_from_slice(self.block.octets());
        }
        if buffer.len() > start + 12 {
            buffer[start] = 0x90;
        }
        payload.write(buffer);
        if transport.send_media(mark, out) {
            target.keep(sequence as u16, out);
        }
    }

    /// The block of a packet some of whose extensions pass on, if that does not make it too long.
    #[cold]
    fn write_mapped(&self, data: &[u8], payload: usize, buffer: &mut Vec<u8>) {
        let begin = buffer.len();
        let kept = extensions(data)
            .filter_map(|(id, value)| self.mapped.iter().find(|(before, _)| *before == id).map(|(_, after)| (*after, value)));
        if kept.clone().next().is_some() {
            let constant = self.route.constant_extensions.iter().map(|(id, value)| (*id, value.as_slice()));
            write_extensions(constant.chain(kept), buffer);
            if 12 + buffer.len() - begin + payload <= MAX_PROTECT || 12 + payload > MAX_PROTECT {
                return;
            }
            buffer.truncate(begin);
        }
        buffer.extend_from_slice(self.block.octets());
    }

    /// Bring what the next packet needs into the cache.
    #[inline]
    pub fn touch(&self) -> u64 {
        self.source ^ self.block.long.len() as u64 ^ self.mapped.len() as u64
    }
}
