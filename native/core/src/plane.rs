//! The media plane of one worker: ports, transports, streams and routes, and what happens to a datagram.
//!
//! A core: `receive` takes octets and the time, writes what is to be sent to an outbox, and collects events for `take_events`. It owns no
//! socket, clock, thread or source of random numbers.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::panic::{catch_unwind, AssertUnwindSafe};

use foldhash::fast::RandomState;

use crate::address::Address;
use crate::desk::Desk;
use crate::drops::Reason;
use crate::event::Event;
use crate::handoff::Parcel;
use crate::lite::write_error;
use crate::outbox::{Kind, Outbox, Outgoing, PortKey};
use crate::port::Ports;
use crate::random::Randomness;
use crate::rewrite::StreamRef;
use crate::rtp::{is_rtcp, Header};
use crate::slab::{Key, Slab};
use crate::source::Arrived;
use crate::spec::{StreamId, TransportId};
use crate::stream::StreamState;
use crate::stun::{self, parse_stun, BINDING};
use crate::transport::{is_dtls, Transport};

pub use crate::handoff::Handoff;

pub(crate) const TICK_S: f64 = 0.25;
/// STUN error responses to requests that did not authenticate, over all ports, for each tick.
const REFUSALS_PER_TICK: u32 = 25;

/// Transports that are looked after in one go while packets wait.
const MOST_AT_ONCE: usize = 128;

/// One datagram that came to a port. Its octets are decrypted in place.
pub struct Datagram<'a> {
    pub port: PortKey,
    pub source: Address,
    pub data: &'a mut [u8],
}

/// Everything that one worker decides. `receive` never fails and never panics.
pub struct Plane {
    pub(crate) worker: usize,
    pub(crate) random: Box<dyn Randomness>,
    pub(crate) desk: Desk,
    pub(crate) ports: Ports,
    pub(crate) transports: Slab<Transport>,
    pub(crate) streams: Slab<StreamState>,
    pub(crate) transport_keys: HashMap<TransportId, Key, RandomState>,
    pub(crate) stream_keys: HashMap<StreamId, Key, RandomState>,
    /// Transports in the order in which they were added.
    pub(crate) order: BTreeMap<u64, Key>,
    pub(crate) by_ufrag: HashMap<String, Key, RandomState>,
    pub(crate) handoffs: Vec<(usize, Handoff)>,
    /// Numbers for what is born here: sources, streams, transports. None is used twice.
    pub(crate) births: u64,
    /// The transport in whose state we are, for the case that we panic.
    pub(crate) at_work: Option<Key>,
    refusals: u32,
    next_tick: Option<f64>,
    /// The last transport that had its turn, 0 when all have; and when the first had.
    turn: u64,
    round_began: f64,
    /// Whose turn it is; kept for its memory.
    turns: Vec<(u64, Key)>,
    /// Whose packet each one of the present batch seems to be.
    settled: Vec<Option<Key>>,
}

impl Plane {
    pub fn new(worker: usize, random: Box<dyn Randomness>) -> Self {
        Self {
            worker,
            random,
            desk: Desk::default(),
            ports: Ports::default(),
            transports: Slab::new(),
            streams: Slab::new(),
            transport_keys: HashMap::default(),
            stream_keys: HashMap::default(),
            order: BTreeMap::new(),
            by_ufrag: HashMap::default(),
            handoffs: Vec::new(),
            births: 0,
            at_work: None,
            refusals: REFUSALS_PER_TICK,
            next_tick: None,
            turn: 0,
            round_began: 0.0,
            turns: Vec::new(),
            settled: Vec::new(),
        }
    }

    // --- datagrams

    /// Take datagrams in the order in which they came; what is to be sent is put into `out`, in order.
    pub fn receive(&mut self, batch: &mut [Datagram<'_>], now: f64, out: &mut Outbox) {
        if batch.len() > 1 {
            // it only reads: whatever panics there is met again with its own packet
            let _ = catch_unwind(AssertUnwindSafe(|| self.fetch(batch)));
        }
        for datagram in batch {
            let Datagram { port, source, data } = datagram;
            self.guarded(out, |plane, out| plane.receive_one(*port, *source, data, now, out));
        }
    }

    /// Bring what the packets of a batch need into the cache. Each pass only waits for what the pass before it has fetched, and within a
    /// pass the packets do not wait for each other: that is what makes a thousand calls with cold state cheap.
    fn fetch(&mut self, batch: &[Datagram<'_>]) {
        let mut touched = 0;
        let mut settled = std::mem::take(&mut self.settled);
        settled.clear();
        settled.extend(batch.iter().map(|datagram| self.ports.get(datagram.port)?.by_remote.get(&datagram.source)));
        let transports = || settled.iter().flatten().filter_map(|key| self.transports.get(*key));
        touched ^= transports().fold(0, |touched, transport| touched ^ transport.touch());
        touched ^= transports().fold(0, |touched, transport| touched ^ transport.touch_receiver());
        let streams = || transports().filter_map(|transport| self.streams.get(transport.sources.recent()?.stream));
        touched ^= streams().fold(0, |touched, stream| touched ^ stream.touch());
        let links = || streams().filter_map(|stream| stream.first_link).filter(|link| link.worker == self.worker);
        let targets = || links().filter_map(|link| self.streams.get(link.key));
        touched ^= targets().fold(0, |touched, target| touched ^ target.touch_sending());
        let senders = || targets().filter_map(|target| self.transports.get(target.transport));
        touched ^= senders().fold(0, |touched, transport| touched ^ transport.touch_sending());
        senders().for_each(Transport::touch_sender);
        black_box(touched);
        self.settled = settled;
    }

    /// Work on one packet. A panic costs the transport in whose state it happened, and nothing else.
    #[inline]
    pub(crate) fn guarded(&mut self, out: &mut Outbox, work: impl FnOnce(&mut Self, &mut Outbox)) {
        self.at_work = None;
        if catch_unwind(AssertUnwindSafe(|| work(self, out))).is_err() {
            if let Some(key) = self.at_work.take() {
                self.fail(key);
            }
        }
    }

    #[inline]
    fn receive_one(&mut self, key: PortKey, source: Address, data: &mut [u8], now: f64, out: &mut Outbox) {
        let Some(port) = self.ports.get(key) else {
            self.desk.drop(Reason::UnknownPort);
            return;
        };
        match port.by_remote.get(&source) {
            Some(transport) if data.len() > 11 && data[0] >> 6 == 2 => {
                self.receive_rtp(transport, data, now, out);
            }
            settled => self.receive_other(key, settled, source, data, now, out),
        }
    }

    /// Everything but RTP and RTCP from a settled address (RFC 7983).
    #[cold]
    fn receive_other(&mut self, key: PortKey, settled: Option<Key>, source: Address, data: &mut [u8], now: f64, out: &mut Outbox) {
        let Some(port) = self.ports.get(key) else {
            return;
        };
        let (owner, rtcp_owner, control) = (port.owner, port.rtcp_owner, port.by_control.get(&source));
        self.at_work = owner.or(rtcp_owner).or(settled).or(control);
        let speaks_ice = self.at_work.and_then(|key| self.transports.get(key)).is_some_and(|transport| transport.speaks_ice);
        if let (true, Some(owner)) = (port.raw, owner) {
            self.receive_raw(owner, data, source, now, out);
        } else if data.is_empty() {
            self.desk.drop(Reason::Empty);
        } else if data[0] < 4 {
            self.receive_stun(key, data, source, now, out);
        } else if self.at_work.and_then(|key| self.transports.get(key)).is_some_and(|transport| transport.failed) {
            self.desk.drop(Reason::UnknownSource);
        } else if let Some(owner) = rtcp_owner {
            if let Some(transport) = self.transports.get_mut(owner) {
                if speaks_ice {
                    transport.receive_ice_rtcp(key, data, source, now, &mut self.desk);
                } else {
                    transport.receive_plain_rtcp(data, source, now, &mut self.desk);
                }
            }
        } else if let Some(owner) = owner {
            if speaks_ice {
                self.receive_ice(owner, key, data, source, now, out);
            } else {
                self.receive_plain(owner, data, source, now, out);
            }
        } else if let Some(transport) = settled {
            match self.transports.get_mut(transport) {
                Some(transport) if is_dtls(data) => transport.receive_dtls(data, source, false, &mut self.desk),
                _ => {
                    self.receive_media(transport, data, now, out);
                }
            }
        } else if let Some(transport) = control.and_then(|control| self.transports.get_mut(control)) {
            transport.receive_control(data, source, now, &mut self.desk);
        } else {
            self.desk.drop(Reason::UnknownSource);
        }
    }

    /// RTP or RTCP of any length; true when it verified and belongs to a stream.
    pub(crate) fn receive_media(&mut self, key: Key, data: &mut [u8], now: f64, out: &mut Outbox) -> bool {
        let Some(transport) = self.transports.get_mut(key) else {
            return false;
        };
        let size = data.len();
        if size < 8 || data[0] >> 6 != 2 {
            transport.drops.count(Reason::Malformed);
            false
        } else if is_rtcp(data[1]) {
            transport.receive_rtcp(data, now, &mut self.desk)
        } else if size < 12 {
            transport.drops.count(Reason::Malformed);
            false
        } else {
            self.receive_rtp(key, data, now, out)
        }
    }

    /// Take a packet of at least 12 octets whose first is 128..191; true when it verified and belongs to a stream.
    #[inline]
    fn receive_rtp(&mut self, key: Key, data: &mut [u8], now: f64, out: &mut Outbox) -> bool {
        self.at_work = Some(key);
        let (Some(transport), Some(header)) = (self.transports.get_mut(key), Header::parse(data)) else {
            return false;
        };
        #[cfg(test)]
        assert!(!transport.poisoned, "poisoned for the test");
        transport.packets_received += 1;
        transport.bytes_received += data.len() as u64;
        if is_rtcp(header.second) {
            return transport.receive_counted_rtcp(data, now, &mut self.desk);
        }
        let Some(index) = transport.sources.find(header.ssrc) else {
            return self.meet(key, data, &header, now, out);
        };
        let Some(length) = transport.unprotect(data, Some(index)) else {
            return false;
        };
        self.receive_from(key, index, data.get(..length).unwrap_or_default(), &header, now, out)
    }

    // --- routes

    /// Pass a packet into every route that is enabled.
    #[inline]
    pub(crate) fn forward(&mut self, key: Key, stream: Key, packet: &Arrived, out: &mut Outbox) {
        let Some(state) = self.streams.get(stream) else {
            return;
        };
        let (first, more) = (state.first_link, state.more);
        if let Some(target) = first {
            self.forward_to(key, stream, target, packet, out);
        }
        if more {
            for target in self.further_targets(stream) {
                self.forward_to(key, stream, target, packet, out);
            }
        }
    }

    #[cold]
    fn further_targets(&self, stream: Key) -> Vec<StreamRef> {
        let links = self.streams.get(stream).map(|state| state.links.as_slice()).unwrap_or_default();
        links.iter().filter(|link| link.enabled).skip(1).map(|link| link.target).collect()
    }

    #[inline]
    fn forward_to(&mut self, key: Key, stream: Key, target: StreamRef, packet: &Arrived, out: &mut Outbox) {
        if target.worker != self.worker {
            self.hand_over_packet(key, StreamRef { worker: self.worker, key: stream }, target, packet);
        } else if let Some(reason) = self.rewrite(target.key, packet, out) {
            if let Some(transport) = self.transports.get_mut(key) {
                transport.drops.count(reason);
            }
        }
    }

    /// Send a packet on a stream as its route says; or say what is to be counted where it came from.
    #[inline]
    pub(crate) fn rewrite(&mut self, target: Key, packet: &Arrived, out: &mut Outbox) -> Option<Reason> {
        let stream = self.streams.get_mut(target)?;
        self.at_work = Some(stream.transport);
        let transport = self.transports.get_mut(stream.transport)?;
        stream.feed.as_mut()?.forward(packet, &mut stream.sending, transport, out)
    }

    /// A packet is left out on every route from a stream.
    #[cold]
    pub(crate) fn skip(&mut self, stream: Key, born: u64, extended: i64, now: f64) {
        let first = self.streams.get(stream).and_then(|state| state.first_link);
        let from = StreamRef { worker: self.worker, key: stream };
        for target in first.into_iter().chain(self.further_targets(stream)) {
            if target.worker != self.worker {
                self.hand_over(target.worker, Parcel::Skip { from, target: target.key, born, extended, now });
            } else if let Some(feed) = self.streams.get_mut(target.key).and_then(|state| state.feed.as_mut()) {
                feed.skip(born, extended, now);
            }
        }
    }

    // --- STUN

    fn receive_stun(&mut self, key: PortKey, data: &[u8], source: Address, now: f64, out: &mut Outbox) {
        let Ok(message) = parse_stun(data) else {
            self.desk.drop(Reason::StunMalformed);
            return;
        };
        let Some(port) = self.ports.get(key) else {
            return;
        };
        let owner = port.owner.or(port.rtcp_owner).and_then(|owner| self.transports.get(owner));
        let no_ice = port.by_address || owner.is_some_and(|owner| owner.ice.is_none());
        if message.kind != stun::Kind::Request || message.method != BINDING || no_ice {
            self.desk.drop(Reason::StunIgnored); // keepalive indications, and responses: a lite agent asks nothing
            return;
        }
        let mut reply = Vec::new();
        let Some(ufrag) = message.ufrag() else {
            write_error(&message, 400, None, &[], &mut reply);
            self.refuse(key, &reply, source, out);
            return;
        };
        let named = self.by_ufrag.get(&*ufrag).copied();
        let ours = |transport: &Key| self.transports.get(*transport)?.ice.as_ref()?.component(key);
        let Some(transport) = named.filter(|transport| ours(transport).is_some()) else {
            self.desk.drop(Reason::StunUnknownUfrag);
            return;
        };
        self.at_work = Some(transport);
        if self.receive_check(transport, key, &message, source, now, &mut reply) {
            self.answer(key, &reply, source, out);
        } else {
            self.refuse(key, &reply, source, out);
        }
    }

    fn refuse(&mut self, port: PortKey, reply: &[u8], source: Address, out: &mut Outbox) {
        if self.refusals == 0 {
            self.desk.drop(Reason::StunUnanswered);
            return;
        }
        self.refusals -= 1;
        self.desk.drop(Reason::StunRefused);
        self.answer(port, reply, source, out);
    }

    fn answer(&self, port: PortKey, reply: &[u8], source: Address, out: &mut Outbox) {
        let tos = self.ports.get(port).map_or(0, |port| port.tos);
        let (mark, buffer) = out.begin();
        buffer.extend_from_slice(reply);
        out.finish(mark, port, source, tos, Kind::Stun, None);
    }

    /// A datagram of an outbox of this plane could not be sent: take its count back, and count why (`blocked`: the socket was full).
    /// `length` is the datagram's. Call it with the lock held again after sending; late calls harm nothing.
    pub fn not_sent(&mut self, item: &Outgoing, length: usize, blocked: bool) {
        match item.transport {
            None => self.desk.drop(Reason::SendFailed),
            Some(key) => {
                if let Some(transport) = self.transports.get_mut(key) {
                    transport.take_back(item.kind, length);
                    transport.drops.count(if blocked { Reason::SendBlocked } else { Reason::SendFailed });
                }
            }
        }
    }

    // --- time and events

    /// When `tick` or `tick_some` is due; None while there is nothing to watch.
    pub fn deadline(&self) -> Option<f64> {
        self.next_tick
    }

    /// There is something to watch from now on.
    pub(crate) fn arm(&mut self, now: f64) {
        if self.next_tick.is_none() && !self.order.is_empty() {
            self.next_tick = Some(now + TICK_S);
        }
    }

    /// Look after timeouts of all transports: consent, silence, old keys and addresses. Call when `deadline` is over.
    pub fn tick(&mut self, now: f64) {
        self.refusals = REFUSALS_PER_TICK;
        self.turn = 0;
        self.tick_next(usize::MAX, now);
        self.next_tick = if self.order.is_empty() { None } else { Some(now + TICK_S) };
    }

    /// The same of some transports, so that thousands do not keep the packets waiting: each has its turn as often as with `tick`.
    pub fn tick_some(&mut self, now: f64) {
        if self.turn == 0 {
            (self.refusals, self.round_began) = (REFUSALS_PER_TICK, now);
        }
        let done = self.tick_next(MOST_AT_ONCE, now);
        self.next_tick = match self.order.len() {
            0 => None,
            _ if done => Some(self.round_began + TICK_S),
            many => Some(now + TICK_S * MOST_AT_ONCE as f64 / many as f64),
        };
    }

    /// At most so many transports, from where it stopped before; true when all have had their turn.
    fn tick_next(&mut self, most: usize, now: f64) -> bool {
        let mut turn = std::mem::take(&mut self.turns);
        turn.extend(self.order.range(self.turn + 1..).take(most).map(|(born, key)| (*born, *key)));
        let done = turn.len() < most;
        self.turn = if done { 0 } else { turn.last().map_or(0, |(born, _)| *born) };
        for (_, key) in turn.drain(..) {
            if catch_unwind(AssertUnwindSafe(|| self.tick_one(key, now))).is_err() {
                self.fail(key);
            }
        }
        self.turns = turn;
        done
    }

    fn tick_one(&mut self, key: Key, now: f64) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        if transport.speaks_ice {
            transport.tick_ice(false, now, &mut self.ports, &mut self.desk);
        }
        if let Some(keys) = &mut transport.rtcp_keys {
            keys.tick(now);
        }
        if let Some(receiver) = &mut transport.receiver {
            receiver.tick(now);
        }
        for &(_, stream) in &transport.streams {
            if let Some(state) = self.streams.get_mut(stream) {
                let current = state.current.and_then(|ssrc| transport.sources.iter().find(|source| source.ssrc == ssrc));
                state.tick(current.map(|source| source.last_arrival), now, &mut self.desk);
            }
        }
        transport.report_failures(now, &mut self.desk);
    }

    pub fn has_events(&self) -> bool {
        !self.desk.events.is_empty()
    }

    /// Whether there are events among them that cannot wait (`Event::can_wait`).
    pub fn has_urgent_events(&self) -> bool {
        self.desk.urgent
    }

    /// Append the events that wait to `events`. Commands make events too: look after them as after `receive`.
    pub fn take_events(&mut self, events: &mut Vec<Event>) {
        self.desk.take(usize::MAX, events);
    }

    /// Append at most so many of the events that wait, the oldest; true when there are more.
    pub fn take_some_events(&mut self, most: usize, events: &mut Vec<Event>) -> bool {
        self.desk.take(most, events);
        self.has_events()
    }

    /// Count what belongs to no transport (`ReceiveError` and the like).
    pub fn count(&mut self, reason: Reason) {
        self.desk.drop(reason);
    }

    pub(crate) fn birth(&mut self) -> u64 {
        self.births += 1;
        self.births
    }
}
