//! Sources come and go: the first packet of an SSRC, and when one is forgotten.

use crate::drops::Reason;
use crate::event::Event;
use crate::handoff::Parcel;
use crate::outbox::Outbox;
use crate::plane::Plane;
use crate::reception::Reception;
use crate::rewrite::StreamRef;
use crate::rtp::{extension, measure, Header};
use crate::slab::Key;
use crate::source::Source;
use crate::transport::{Transport, MAX_SSRCS_EVER};

const IDLE_SOURCE_S: f64 = 5.0;

impl Plane {
    /// A packet of an SSRC that is not known: verify, find its stream, make room for it.
    #[cold]
    pub(crate) fn meet(&mut self, key: Key, data: &mut [u8], header: &Header, now: f64, out: &mut Outbox) -> bool {
        let Some(transport) = self.transports.get_mut(key) else {
            return false;
        };
        let ssrc = header.ssrc;
        if transport.receiver.is_some() {
            let known = transport.retired.len() + transport.sources.len();
            if known >= MAX_SSRCS_EVER && !transport.retired.contains_key(&ssrc) {
                transport.drops.count(Reason::TooManySsrcs);
                return false;
            }
        }
        let Some(length) = transport.unprotect(data, None) else {
            return false;
        };
        let data = data.get(..length).unwrap_or_default();
        if measure(data).is_err() {
            transport.drops.count(Reason::Malformed);
            return false;
        }
        let stream = self.find_stream(key, data, header);
        let refused = match stream {
            None => Some(Reason::UnknownSsrc),
            Some(_) if !self.make_room(key, now) => Some(Reason::TooManySsrcs),
            Some(_) => None,
        };
        let Some(transport) = self.transports.get_mut(key) else {
            return false;
        };
        let (Some(stream), None) = (stream, refused) else {
            transport.drops.count(refused.unwrap_or(Reason::UnknownSsrc));
            if transport.receiver.is_some() {
                transport.retired.entry(ssrc).or_insert(i64::from(header.sequence));
            }
            return false;
        };
        let payload_type = header.payload_type();
        let Some(index) = self.add_source(key, stream, ssrc, header.sequence, header.timestamp, payload_type, now) else {
            return false;
        };
        if let Some(state) = self.streams.get(stream) {
            self.desk.report_bounded(|| Event::SsrcSeen { stream: state.spec.id, ssrc, payload_type });
        }
        self.receive_from(key, index, data, header, now, out)
    }

    /// A source of a stream; where it stands among those of its transport. One that was here before goes on in its numbering, and takes
    /// nothing twice.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn add_source(
        &mut self,
        key: Key,
        stream: Key,
        ssrc: u32,
        sequence: u16,
        rtp_time: u32,
        payload_type: u8,
        now: f64,
    ) -> Option<usize> {
        let born = self.birth();
        let state = self.streams.get(stream)?;
        let transport = self.transports.get_mut(key)?;
        let clock = state.clock_rate(payload_type).filter(|clock| *clock != 0).unwrap_or(state.sending.clock);
        let mut reception = Reception::new(sequence, rtp_time, now, clock, transport.receiver.is_some());
        if let Some(highest) = transport.retired.remove(&ssrc) {
            let ahead = i64::from(sequence.wrapping_sub(highest as u16) as i16);
            reception.resume(highest.max(highest + ahead - 1));
        }
        Some(transport.sources.push(Source::new(stream, ssrc, reception, born)))
    }

    /// RFC 8843 §9.2: by MID, else by announced SSRC, else by a payload type that only one stream has.
    fn find_stream(&self, key: Key, data: &[u8], header: &Header) -> Option<Key> {
        let transport = self.transports.get(key)?;
        let streams = || transport.streams.iter().filter_map(|(_, key)| Some((*key, &self.streams.get(*key)?.spec)));
        if header.extended() {
            let mid_extension = streams().map(|(_, spec)| spec.mid_extension).find(|id| *id != 0);
            if let Some(mid) = mid_extension.and_then(|id| extension(data, id)) {
                let mid = String::from_utf8_lossy(mid);
                return streams().rfind(|(_, spec)| !spec.mid.is_empty() && spec.mid == mid).map(|(key, _)| key);
            }
        }
        let announced = streams().rfind(|(_, spec)| spec.ssrcs.contains(&header.ssrc));
        if let Some((key, _)) = announced {
            return Some(key);
        }
        let payload_type = header.payload_type();
        let mut having = streams().filter(|(_, spec)| spec.clock_rates.iter().any(|(known, _)| *known == payload_type));
        let only = having.next().map(|(key, _)| key);
        only.filter(|_| having.next().is_none())
    }

    /// Room for one more source, if need be in the place of one that has been silent.
    fn make_room(&mut self, key: Key, now: f64) -> bool {
        let Some(transport) = self.transports.get(key) else {
            return false;
        };
        if transport.sources.len() < transport.spec.max_ssrcs {
            return true;
        }
        let mut oldest: Option<(usize, f64)> = None;
        for (index, source) in transport.sources.iter().enumerate() {
            if oldest.is_none_or(|(_, at)| source.last_arrival < at) {
                oldest = Some((index, source.last_arrival));
            }
        }
        match oldest {
            Some((index, at)) if now - at >= IDLE_SOURCE_S => {
                self.forget_source(key, index);
                true
            }
            _ => false,
        }
    }

    /// Forget an SSRC; its counters stay with the stream, its index with the transport when it is secured.
    pub(crate) fn forget_source(&mut self, key: Key, index: usize) {
        let Some(transport) = self.transports.get_mut(key).filter(|transport| index < transport.sources.len()) else {
            return;
        };
        let source = transport.sources.remove(index);
        transport.retire(&source);
        let Some(stream) = self.streams.get_mut(source.stream) else {
            return;
        };
        stream.gone.add(&source);
        if stream.current == Some(source.ssrc) {
            stream.current = None;
        }
        let from = StreamRef { worker: self.worker, key: source.stream };
        let targets: Vec<StreamRef> = stream.links.iter().map(|link| link.target).collect();
        for target in targets {
            if target.worker != self.worker {
                self.hand_over(target.worker, Parcel::Forget { from, target: target.key, born: source.born });
            } else if let Some(feed) = self.streams.get_mut(target.key).and_then(|state| state.feed.as_mut()) {
                feed.forget(source.born);
            }
        }
    }
}

impl Transport {
    fn retire(&mut self, source: &Source) {
        self.last_gone = self.last_gone.max(source.last_arrival);
        if self.receiver.is_some() {
            self.retired.insert(source.ssrc, source.reception.highest);
        }
    }
}
