//! One transport: its keys, its streams, what it receives and what it sends.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::address::Address;
use crate::desk::Desk;
use crate::drops::{Drops, Reason};
use crate::event::Event;
use crate::ice_reach::IceReach;
use crate::keys::Way;
use crate::outbox::{Kind, Mark, Outbox};
use crate::port::Path;
use crate::reach::PlainReach;
use crate::rtcp_keys::{RtcpKeys, Ways};
use crate::slab::Key;
use crate::source::Source;
use crate::spec::{StreamId, TransportSpec};
use crate::srtp::{SrtpReceiver, SrtpSender};
use crate::tally::Tally;

/// SSRCs over the life of a secured transport: the receiver keeps each for ever, since forgetting one would let its packets be replayed.
pub(crate) const MAX_SSRCS_EVER: usize = 1024;
pub(crate) const MAX_STREAMS: usize = 64;

/// The sources of a transport, in the order in which they came.
#[derive(Default)]
pub(crate) struct Sources {
    /// Where the last one asked for stands.
    recent: usize,
    list: Vec<Source>,
}

impl Sources {
    #[inline]
    pub fn find(&mut self, ssrc: u32) -> Option<usize> {
        if self.list.get(self.recent).is_some_and(|source| source.ssrc == ssrc) {
            return Some(self.recent);
        }
        let found = self.list.iter().position(|source| source.ssrc == ssrc)?;
        self.recent = found;
        Some(found)
    }

    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Source> {
        self.list.get_mut(index)
    }

    /// The one that was asked for last, or any.
    #[inline]
    pub fn recent(&self) -> Option<&Source> {
        self.list.get(self.recent)
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Source> {
        self.list.iter()
    }

    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Source> {
        self.list.iter_mut()
    }

    /// Returns where it stands.
    pub fn push(&mut self, source: Source) -> usize {
        self.list.reserve_exact(1); // most transports have one
        self.list.push(source);
        self.list.len() - 1
    }

    pub fn remove(&mut self, index: usize) -> Source {
        self.list.remove(index)
    }
}

/// State of one transport. Its first lines are what an RTP packet needs, one way or the other.
#[repr(C, align(64))]
pub(crate) struct Transport {
    pub key: Key,
    pub packets_received: u64,
    pub bytes_received: u64,
    pub sources: Sources,
    pub secured: bool,
    /// A defect of ours met here: nothing comes and nothing goes any more.
    pub failed: bool,
    #[cfg(test)]
    pub poisoned: bool,
    pub receiver: Option<SrtpReceiver>,
    pub packets_sent: u64,
    pub bytes_sent: u64,
    /// From where to where media may go out now, if it may.
    pub path: Option<Path>,
    pub tos: u8,
    /// What counts now is `ice`, else `plain`.
    pub speaks_ice: bool,
    pub sender: Option<SrtpSender>,
    // and the rest
    pub ice: Option<Box<IceReach>>,
    pub plain: Option<Box<PlainReach>>,
    /// RTCP was agreed to share the RTP port, although it has one.
    pub muxed: bool,
    /// In the order in which they were added.
    pub streams: Vec<(StreamId, Key)>,
    /// The last packet index of every SSRC that was here before.
    pub retired: HashMap<u32, i64, RandomState>,
    /// What keyed a way that is in the clear now: the same keys may come back, and must neither be replayed nor reuse a nonce.
    pub parked_receiver: Option<Box<SrtpReceiver>>,
    pub parked_sender: Option<Box<SrtpSender>>,
    pub parked_indices: Vec<(u32, i64)>,
    /// The ways whose parked keys came back: they are still told of as parked.
    pub resumed: Ways,
    pub rtcp_keys: Option<Box<RtcpKeys>>,
    /// All packets are counted above, those of these kinds in them besides: the rest is RTP.
    pub rtcp: Tally,
    pub dtls: Tally,
    /// When a source that was forgotten was heard last; on a raw transport, when anything was.
    pub last_gone: f64,
    pub drops: Drops,
    pub auth_failures: u64,
    pub auth_reported_at: f64,
    /// Which transport of the plane it is: later ones are higher.
    pub born: u64,
    pub spec: TransportSpec,
}

impl Transport {
    pub fn new(key: Key, born: u64, spec: TransportSpec) -> Self {
        Self {
            key,
            packets_received: 0,
            bytes_received: 0,
            sources: Sources::default(),
            secured: spec.secured,
            failed: false,
            #[cfg(test)]
            poisoned: false,
            receiver: None,
            packets_sent: 0,
            bytes_sent: 0,
            path: None,
            tos: spec.tos,
            speaks_ice: false,
            sender: None,
            ice: None,
            plain: None,
            muxed: false,
            streams: Vec::new(),
            retired: HashMap::default(),
            parked_receiver: None,
            parked_sender: None,
            parked_indices: Vec::new(),
            resumed: Ways::default(),
            rtcp_keys: None,
            rtcp: Tally::default(),
            dtls: Tally::default(),
            last_gone: 0.0,
            drops: Drops::default(),
            auth_failures: 0,
            auth_reported_at: f64::NEG_INFINITY,
            born,
            spec,
        }
    }

    /// Bring what the next packet that arrives needs into the cache, as far as it stands here.
    #[inline]
    pub fn touch(&self) -> u64 {
        #[cfg(test)]
        assert!(!self.poisoned, "poisoned for the test");
        self.packets_received ^ u64::from(self.receiver.is_some())
    }

    /// The same of what is one step away.
    #[inline]
    pub fn touch_receiver(&self) -> u64 {
        if let Some(receiver) = &self.receiver {
            receiver.touch();
        }
        self.sources.recent().map_or(0, Source::touch)
    }

    /// Bring what the next packet that leaves needs into the cache, as far as it stands here.
    #[inline]
    pub fn touch_sending(&self) -> u64 {
        self.packets_sent ^ u64::from(self.tos) ^ u64::from(self.sender.is_some())
    }

    #[inline]
    pub fn touch_sender(&self) {
        if let Some(sender) = &self.sender {
            sender.touch();
        }
    }

    // --- in

    /// Bring one SRTP packet into the clear; its length, or None when it is not to be heard (which is counted).
    #[inline]
    pub fn unprotect(&mut self, data: &mut [u8], index: Option<usize>) -> Option<usize> {
        match &mut self.receiver {
            Some(receiver) => match receiver.unprotect(data) {
                Ok(length) => Some(length),
                Err(reason) => {
                    self.unverified(reason, index);
                    None
                }
            },
            None if self.secured => {
                self.drops.count(Reason::NoKeys);
                None
            }
            None => Some(data.len()),
        }
    }

    #[cold]
    fn unverified(&mut self, reason: Reason, index: Option<usize>) {
        self.drops.count(reason);
        if reason == Reason::Unverified {
            self.auth_failures += 1;
        } else if reason == Reason::Replayed {
            if let Some(source) = index.and_then(|index| self.sources.get_mut(index)) {
                source.reception.duplicates += 1;
            }
        }
    }

    /// RTCP; true when it is in order and verified.
    pub fn receive_rtcp(&mut self, data: &mut [u8], now: f64, desk: &mut Desk) -> bool {
        self.packets_received += 1;
        self.bytes_received += data.len() as u64;
        self.receive_counted_rtcp(data, now, desk)
    }

    pub fn receive_counted_rtcp(&mut self, data: &mut [u8], now: f64, desk: &mut Desk) -> bool {
        self.rtcp.receive(data.len());
        let muxed = self.is_muxed();
        let own = self.rtcp_keys.as_mut().filter(|keys| keys.own.has(Way::Receive) && !muxed);
        let (receiver, secured) = match own {
            Some(keys) => (keys.receiver(), true),
            None => (self.receiver.as_mut(), self.secured),
        };
        let length = match receiver.map(|receiver| receiver.unprotect_rtcp(data)) {
            Some(Ok(length)) => length,
            Some(Err(reason)) => {
                self.unverified(reason, None);
                return false;
            }
            None if secured => {
                self.drops.count(Reason::NoKeys);
                return false;
            }
            None => data.len(),
        };
        let Some(plain) = data.get(..length).filter(|plain| is_rtcp_compound(plain)) else {
            self.drops.count(Reason::Malformed);
            return false;
        };
        self.rtcp.last_arrival = now;
        desk.report_message(self.spec.id, || Event::RtcpReceived { transport: self.spec.id, data: plain.to_vec(), at: now });
        true
    }

    /// Take what came to the RTCP port; true when it is RTCP and verified.
    pub fn receive_control(&mut self, data: &mut [u8], source: Address, now: f64, desk: &mut Desk) -> bool {
        if is_dtls(data) {
            self.receive_dtls(data, source, true, desk);
            return false;
        }
        match *data {
            [first, second, _, _, _, _, _, _, ..] if first >> 6 == 2 && (192..=223).contains(&second) => self.receive_rtcp(data, now, desk),
            _ => {
                self.drops.count(Reason::Malformed);
                false
            }
        }
    }

    pub fn receive_dtls(&mut self, data: &[u8], source: Address, rtcp: bool, desk: &mut Desk) {
        self.packets_received += 1;
        self.bytes_received += data.len() as u64;
        self.dtls.receive(data.len());
        let transport = self.spec.id;
        desk.report_message(transport, || Event::DtlsReceived { transport, data: data.to_vec(), rtcp, source: Some(source) });
    }

    // --- out

    /// Protect and send the complete RTP packet that was written since the mark; false when nothing went out.
    #[inline]
    pub fn send_media(&mut self, mark: Mark, out: &mut Outbox) -> bool {
        let Some((port, to)) = self.path else {
            out.abandon(mark);
            return false;
        };
        if let Some(sender) = &mut self.sender {
            let (buffer, start) = out.buffer(&mark);
            if let Err(reason) = sender.protect(buffer, start) {
                self.drops.count(when_sending(reason));
                out.abandon(mark);
                return false;
            }
        }
        self.packets_sent += 1;
        self.bytes_sent += out.written(&mark).len() as u64;
        out.finish(mark, port, to, self.tos, Kind::Media, Some(self.key));
        true
    }

    /// Send a datagram as it is to where RTP goes.
    pub fn send_raw(&mut self, data: &[u8], out: &mut Outbox) {
        self.send(data, self.rtp_path(), Kind::Media, out);
    }

    /// Send a datagram as it is, from the RTP or the RTCP port; `to` where it came from.
    pub fn send_dtls(&mut self, data: &[u8], rtcp: bool, to: Option<Address>, out: &mut Outbox) {
        let path = match to {
            Some(to) => self.path_to(to, rtcp),
            None if rtcp => self.rtcp_path(),
            None => self.rtp_path(),
        };
        if self.send(data, path, Kind::Dtls, out) {
            self.dtls.send(data.len());
        }
    }

    pub fn send_rtcp(&mut self, data: &[u8], out: &mut Outbox) {
        let (path, muxed) = (self.rtcp_path(), self.is_muxed());
        let own = self.rtcp_keys.as_mut().filter(|keys| keys.own.has(Way::Send) && !muxed);
        let (sender, secured) = match own {
            Some(keys) => (keys.sender(), true),
            None => (self.sender.as_mut(), self.secured),
        };
        let (mark, buffer) = out.begin();
        let start = buffer.len();
        buffer.extend_from_slice(data);
        let refused = match sender.map(|sender| sender.protect_rtcp(buffer, start)) {
            Some(Err(reason)) => Some(when_sending(reason)),
            None if secured => Some(Reason::NoKeys),
            _ if path.is_none() => Some(Reason::NoAddress),
            _ => None,
        };
        let (Some((port, to)), None) = (path, refused) else {
            self.drops.count(refused.unwrap_or(Reason::NoAddress));
            out.abandon(mark);
            return;
        };
        let length = out.written(&mark).len();
        self.packets_sent += 1;
        self.bytes_sent += length as u64;
        self.rtcp.send(length);
        out.finish(mark, port, to, self.tos, Kind::Rtcp, Some(self.key));
    }

    fn send(&mut self, data: &[u8], path: Option<Path>, kind: Kind, out: &mut Outbox) -> bool {
        let Some((port, to)) = path else {
            self.drops.count(Reason::NoAddress);
            return false;
        };
        let (mark, buffer) = out.begin();
        buffer.extend_from_slice(data);
        out.finish(mark, port, to, self.tos, kind, Some(self.key));
        self.packets_sent += 1;
        self.bytes_sent += data.len() as u64;
        true
    }

    /// Whether and where media may go out, after a change of path or keys.
    pub fn refresh(&mut self) {
        self.path = if self.secured && self.sender.is_none() { None } else { self.rtp_path() };
    }

    /// Why nothing can be sent now.
    pub fn unready(&self) -> Reason {
        if self.rtp_path().is_none() {
            Reason::NoAddress
        } else {
            Reason::NoKeys
        }
    }

    /// Report packets that did not verify, once a second at most.
    pub fn report_failures(&mut self, now: f64, desk: &mut Desk) {
        if self.auth_failures > 0 && now - self.auth_reported_at >= 1.0 {
            desk.report(Event::AuthFailures { transport: self.spec.id, count: self.auth_failures });
            (self.auth_failures, self.auth_reported_at) = (0, now);
        }
    }
}

/// The length of the first packet of a compound fits.
fn is_rtcp_compound(data: &[u8]) -> bool {
    match data {
        [_, _, high, low, _, _, _, _, ..] => data.len() & 3 == 0 && 4 + 4 * usize::from(u16::from_be_bytes([*high, *low])) <= data.len(),
        _ => false,
    }
}

/// Whether the first octet says so (RFC 7983).
#[inline]
pub(crate) fn is_dtls(data: &[u8]) -> bool {
    data.first().is_some_and(|first| (20..64).contains(first))
}

/// The counter of a packet of ours that could not be protected.
#[cold]
fn when_sending(reason: Reason) -> Reason {
    match reason {
        Reason::Replayed => Reason::SendReplayed,
        Reason::TooLong => Reason::SendTooLong,
        Reason::Unverified => Reason::SendUnverified,
        Reason::KeyUsedUp => Reason::SendKeyUsedUp,
        _ => Reason::SendMalformed,
    }
}
