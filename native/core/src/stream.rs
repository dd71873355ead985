//! One m-line of a transport: what it receives, what it has sent, which routes lead from and to it.

use std::collections::VecDeque;

use crate::desk::Desk;
use crate::drops::Reason;
use crate::event::Event;
use crate::level::{level_from_extension, level_of_g711};
use crate::outbox::Outbox;
use crate::random::Randomness;
use crate::reception::WINDOW;
use crate::rewrite::{Rewriter, StreamRef};
use crate::rtp::{extension, measure, write_extensions, Header};
use crate::slab::Key;
use crate::source::Source;
use crate::spec::StreamSpec;
use crate::srtp::MAX_PROTECT;
use crate::statistics::{ReceiveStatistics, RouteState, SendStatistics, StreamStatistics};
use crate::transport::Transport;

/// How often one packet is sent again, so that a flood of forged requests is no amplifier.
const MAX_RESENDS: u32 = 3;
const RESEND_PAUSE_S: f64 = 0.04;

/// A route that leads from a stream.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub target: StreamRef,
    pub enabled: bool,
    /// The payload types that are events, a bit for each.
    events: u128,
}

impl Link {
    pub fn new(target: StreamRef, enabled: bool, telephone_events: &[u8]) -> Self {
        let events = telephone_events.iter().filter(|event| **event < 128).fold(0, |events, event| events | 1 << event);
        Self { target, enabled, events }
    }
}

/// A stream in the plane. `feed` is the one route into it.
#[repr(C, align(64))]
pub(crate) struct StreamState {
    // what every packet that arrives needs
    pub transport: Key,
    telephone_events: u128,
    /// The first route that is enabled stands here, so that a packet finds it without another step; `more` of them follow in `links`.
    pub first_link: Option<StreamRef>,
    pub more: bool,
    pub receiving: bool,
    /// The SSRC that was heard last.
    pub current: Option<u32>,
    // what every packet that leaves needs
    pub sending: Sending,
    pub feed: Option<Rewriter>,
    // and the rest
    /// Every route from here, in the order in which they were made.
    pub links: Vec<Link>,
    pub gone: Gone,
    pub spec: StreamSpec,
}

/// Counters of sources that are forgotten.
#[derive(Clone, Copy, Default)]
pub(crate) struct Gone {
    packets: u64,
    bytes: u64,
    lost: i64,
    duplicates: u64,
    reordered: u64,
}

impl Gone {
    pub fn add(&mut self, source: &Source) {
        let reception = &source.reception;
        self.packets += reception.packets;
        self.bytes += source.bytes;
        self.lost += reception.lost();
        self.duplicates += reception.duplicates;
        self.reordered += reception.reordered;
    }
}

/// What was sent on a stream, and comes next.
pub(crate) struct Sending {
    pub ssrc: u32,
    pub last_timestamp: u32,
    /// Extended numbers.
    pub next_sequence: i64,
    pub last_sequence: i64,
    pub last_sent: f64,
    pub packets: u64,
    pub bytes: u64,
    pub clock: u32,
    pub injected_at: u32,
    pub is_audio: bool,
    kept: Option<Box<Kept>>,
}

/// What was sent last, by sequence number as it was; the oldest first.
struct Kept {
    most: usize,
    /// The highest number so far: what is above it is not there yet.
    newest: u16,
    packets: VecDeque<KeptPacket>,
}

struct KeptPacket {
    sequence: u16,
    octets: Vec<u8>,
    resent: u32,
    resent_at: f64,
}

impl Sending {
    fn new(spec: &StreamSpec, random: &mut dyn Randomness) -> Self {
        // Below 2^15, so that early loss cannot make a receiver guess the rollover counter wrong (RFC 3711 §3.3.1), with room below for
        // packets that were overtaken by the first.
        let next_sequence = i64::from(random.bits(15)) | WINDOW;
        let last_timestamp = random.bits(32);
        let mut sending = Self {
            ssrc: spec.send_ssrc,
            last_timestamp,
            next_sequence,
            last_sequence: next_sequence - 1,
            last_sent: 0.0,
            packets: 0,
            bytes: 0,
            clock: spec.clock_rates.first().map_or(8000, |(_, clock)| *clock),
            injected_at: last_timestamp,
            is_audio: spec.kind == "audio",
            kept: None,
        };
        sending.set_keep(spec.keep);
        sending
    }

    fn set_keep(&mut self, most: usize) {
        if most == 0 {
            self.kept = None;
        } else {
            self.kept.get_or_insert_with(|| Box::new(Kept { most, newest: 0, packets: VecDeque::new() })).most = most;
        }
    }

    /// Keep the last datagram of an outbox for `resend`; as many as the spec says, the oldest goes.
    #[inline]
    pub fn keep(&mut self, sequence: u16, out: &Outbox) {
        if let Some(kept) = &mut self.kept {
            if let Some(item) = out.items().last() {
                kept.add(sequence, out.data(item));
            }
        }
    }
}

impl Kept {
    fn add(&mut self, sequence: u16, data: &[u8]) {
        if self.packets.is_empty() || sequence.wrapping_sub(self.newest) as i16 > 0 {
            self.newest = sequence;
        } else if let Some(same) = self.find(sequence) {
            same.octets.clear();
            same.octets.extend_from_slice(data);
            (same.resent, same.resent_at) = (0, 0.0);
            return;
        }
        let mut octets = Vec::new();
        while self.packets.len() >= self.most {
            octets = self.packets.pop_front().map(|oldest| oldest.octets).unwrap_or_default();
        }
        octets.clear();
        octets.extend_from_slice(data);
        self.packets.push_back(KeptPacket { sequence, octets, resent: 0, resent_at: 0.0 });
    }

    /// The latest of that number.
    fn find(&mut self, sequence: u16) -> Option<&mut KeptPacket> {
        self.packets.iter_mut().rfind(|packet| packet.sequence == sequence)
    }
}

impl StreamState {
    pub fn new(spec: StreamSpec, transport: Key, random: &mut dyn Randomness) -> Self {
        Self {
            transport,
            telephone_events: 0,
            first_link: None,
            more: false,
            receiving: false,
            current: None,
            sending: Sending::new(&spec, random),
            feed: None,
            links: Vec::new(),
            gone: Gone::default(),
            spec,
        }
    }

    /// Take up other receive rules; counters and send state go on.
    pub fn update(&mut self, spec: StreamSpec) {
        if spec.send_ssrc != self.spec.send_ssrc {
            self.sending.ssrc = spec.send_ssrc;
        }
        self.sending.set_keep(spec.keep);
        self.sending.is_audio = spec.kind == "audio";
        self.spec = spec;
    }

    pub fn clock_rate(&self, payload_type: u8) -> Option<u32> {
        self.spec.clock_rates.iter().find(|(known, _)| *known == payload_type).map(|(_, clock)| *clock)
    }

    /// Bring what the next packet that arrives needs into the cache.
    #[inline]
    pub fn touch(&self) -> u64 {
        u64::from(self.receiving)
    }

    /// Bring what the next packet that leaves needs into the cache.
    #[inline]
    pub fn touch_sending(&self) -> u64 {
        self.sending.packets ^ u64::from(self.sending.clock) ^ self.feed.as_ref().map_or(0, Rewriter::touch)
    }

    #[inline]
    pub fn is_event(&self, payload_type: u8) -> bool {
        self.telephone_events >> (payload_type & 0x7F) & 1 != 0
    }

    #[cold]
    pub fn begin_receiving(&mut self, desk: &mut Desk) {
        self.receiving = true;
        desk.report(Event::MediaReceiving { stream: self.spec.id, receiving: true });
    }

    /// `last_arrival` is of the current source, None when there is none.
    pub fn tick(&mut self, last_arrival: Option<f64>, now: f64, desk: &mut Desk) {
        if self.receiving && last_arrival.is_none_or(|at| now - at >= self.spec.silence_s) {
            self.receiving = false;
            desk.report(Event::MediaReceiving { stream: self.spec.id, receiving: false });
        }
    }

    // --- routes from here

    /// Add a route, or take up its new rules.
    pub fn link(&mut self, link: Link) {
        match self.links.iter_mut().find(|known| known.target == link.target) {
            Some(known) => *known = link,
            None => self.links.push(link),
        }
        self.refresh();
    }

    pub fn unlink(&mut self, target: StreamRef) {
        self.links.retain(|known| known.target != target);
        self.refresh();
    }

    fn refresh(&mut self) {
        self.telephone_events = self.links.iter().fold(0, |events, link| events | link.events);
        let mut enabled = self.links.iter().filter(|link| link.enabled);
        self.first_link = enabled.next().map(|link| link.target);
        self.more = enabled.next().is_some();
    }

    // --- sending

    /// Send a packet of our own, in sequence with what is routed here.
    pub fn inject(&mut self, transport: &mut Transport, injected: &Injected, now: f64, out: &mut Outbox) {
        if transport.path.is_none() {
            let unready = transport.unready();
            transport.drops.count(unready);
            return;
        }
        let block = self.constant_block();
        let sending = &mut self.sending;
        if !injected.same_timestamp {
            let elapsed = if sending.packets == 0 { 0.0 } else { ((now - sending.last_sent) * f64::from(sending.clock)).round_ties_even() };
            sending.injected_at = sending.last_timestamp.wrapping_add(elapsed as i64 as u32);
        }
        if 12 + block.len() + injected.payload.len() > MAX_PROTECT {
            transport.drops.count(Reason::TooLong);
            return;
        }
        let sequence = sending.next_sequence;
        sending.next_sequence = sequence + 1;
        if let Some(feed) = &mut self.feed {
            feed.make_room();
        }
        let header = Header {
            first: if block.is_empty() { 0x80 } else { 0x90 },
            second: injected.payload_type & 0x7F | if injected.marker { 0x80 } else { 0 },
            sequence: sequence as u16,
            timestamp: sending.injected_at,
            ssrc: sending.ssrc,
        };
        sending.last_sequence = sequence;
        sending.packets += 1;
        sending.bytes += injected.payload.len() as u64;
        if !injected.same_timestamp {
            (sending.last_timestamp, sending.last_sent) = (sending.injected_at, now);
        }
        let (mark, buffer) = out.begin();
        header.write(buffer);
        buffer.extend_from_slice(&block);
        buffer.extend_from_slice(injected.payload);
        transport.send_media(mark, out);
    }

    /// Send kept packets again, not at once after the last time and not for ever; returns what is not kept.
    pub fn resend(&mut self, transport: &mut Transport, sequences: &[u16], now: f64, out: &mut Outbox) -> Vec<u16> {
        let mut missing = Vec::new();
        for &sequence in sequences {
            let kept = self.sending.kept.as_mut().and_then(|kept| kept.find(sequence));
            match kept {
                None => missing.push(sequence),
                Some(packet) if packet.resent < MAX_RESENDS && now - packet.resent_at >= RESEND_PAUSE_S => {
                    packet.resent += 1;
                    packet.resent_at = now;
                    transport.send_raw(&packet.octets, out);
                }
                Some(_) => {}
            }
        }
        missing
    }

    fn constant_block(&self) -> Vec<u8> {
        let mut block = Vec::new();
        match &self.feed {
            Some(feed) => block.extend_from_slice(feed.constant_block()),
            None if !self.spec.mid.is_empty() && self.spec.mid_extension != 0 => {
                write_extensions(std::iter::once((self.spec.mid_extension, self.spec.mid.as_bytes())), &mut block);
            }
            None => {}
        }
        block
    }

    // --- statistics

    /// `key` is the stream's own, `sources` are its transport's.
    pub fn statistics<'a>(&self, key: Key, sources: impl Iterator<Item = &'a Source>) -> StreamStatistics {
        let route = self.feed.as_ref().filter(|feed| feed.source != 0).map(|feed| RouteState {
            source: feed.route.source,
            source_ssrc: feed.source_ssrc,
            sequence_offset: feed.sequence_offset as u16,
            timestamp_offset: feed.timestamp_offset,
        });
        let sending = &self.sending;
        let sent = SendStatistics {
            ssrc: sending.ssrc,
            packets: sending.packets,
            bytes: sending.bytes,
            last_timestamp: sending.last_timestamp,
            last_sent: sending.last_sent,
            last_sequence: sending.last_sequence as u16,
            clock_rate: sending.clock,
        };
        StreamStatistics { received: self.received(key, sources), sent, route }
    }

    /// What `ReceiveStatistics::lost` says.
    pub fn lost<'a>(&self, key: Key, sources: impl Iterator<Item = &'a Source>) -> i64 {
        self.gone.lost + sources.filter(|source| source.stream == key).map(|source| source.reception.lost()).sum::<i64>()
    }

    fn received<'a>(&self, key: Key, sources: impl Iterator<Item = &'a Source>) -> ReceiveStatistics {
        let mut total = self.gone;
        let mut present = None;
        for source in sources.filter(|source| source.stream == key) {
            total.add(source);
            if Some(source.ssrc) == self.current {
                present = Some(source);
            }
        }
        let totals = ReceiveStatistics {
            packets: total.packets,
            bytes: total.bytes,
            lost: total.lost,
            duplicates: total.duplicates,
            reordered: total.reordered,
            ..ReceiveStatistics::default()
        };
        let Some(source) = present else {
            return ReceiveStatistics { clock_rate: 8000, payload_type: -1, ..totals };
        };
        let reception = &source.reception;
        ReceiveStatistics {
            ssrc: source.ssrc,
            jitter: reception.jitter as u64,
            clock_rate: reception.clock,
            payload_type: i32::from(source.payload_type),
            highest_sequence: reception.highest as u32,
            base_sequence: reception.base as u32,
            last_timestamp: reception.rtp_time,
            ssrc_packets: reception.packets as i64 - reception.packets_before as i64,
            last_arrival: source.last_arrival,
            level_dbov: self.level(&source.last),
            ..totals
        }
    }

    fn level(&self, data: &[u8]) -> Option<i32> {
        let number = self.spec.audio_level_extension;
        let value = if number == 0 { None } else { extension(data, number) };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            return level_from_extension(value);
        }
        let (begin, end) = measure(data).ok()?;
        level_of_g711(*data.get(1)? & 0x7F, data.get(begin..end)?)
    }
}

/// A packet of our own, as `inject` is given it.
pub(crate) struct Injected<'a> {
    pub payload_type: u8,
    pub payload: &'a [u8],
    pub marker: bool,
    pub same_timestamp: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(kept: &Kept) -> Vec<u16> {
        kept.packets.iter().map(|packet| packet.sequence).collect()
    }

    #[test]
    fn keeps_each_number_once_and_no_more_than_it_may() {
        let mut kept = Kept { most: 4, newest: 0, packets: VecDeque::new() };
        for sequence in [65_534, 0, 65_535, 1, 0, 2] {
            kept.add(sequence, &[sequence as u8]);
        }
        assert_eq!(numbers(&kept), [0, 65_535, 1, 2]);
        kept.add(65_535, b"again");
        assert_eq!(kept.find(65_535).unwrap().octets, b"again");
        kept.most = 2;
        kept.add(3, b"");
        assert_eq!(numbers(&kept), [2, 3]);
    }
}
