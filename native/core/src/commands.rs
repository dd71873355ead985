//! What the plane of one worker is told to do. The cluster has found out which worker it is; what concerns other workers is appended to
//! `elsewhere`, and the cluster sees to it before the command is over.

use crate::address::Address;
use crate::error::{Command, CommandError};
use crate::event::Event;
use crate::handoff::Parcel;
use crate::ice_reach::IceReach;
use crate::keys::{Keys, Way};
use crate::lite::LiteResponder;
use crate::outbox::{Outbox, PortKey};
use crate::plane::Plane;
use crate::reach::{Forwarding, PlainReach, TransportRef};
use crate::rewrite::{Rewriter, StreamRef};
use crate::slab::Key;
use crate::spec::{IceCredentials, Remote, Route, StreamId, StreamSpec, TransportId, TransportSpec};
use crate::stream::{Injected, Link, StreamState};
use crate::transport::{Transport, MAX_STREAMS};

/// What is to be done on other workers.
pub(crate) type Elsewhere = Vec<(usize, Parcel)>;

impl Plane {
    // --- transports

    pub(crate) fn transport_key(&self, id: TransportId) -> Command<Key> {
        self.transport_keys.get(&id).copied().ok_or_else(|| no_transport(id))
    }

    pub(crate) fn transport_mut(&mut self, id: TransportId) -> Command<&mut Transport> {
        let key = self.transport_key(id)?;
        self.transports.get_mut(key).ok_or_else(|| no_transport(id))
    }

    /// One that carries RTP.
    pub(crate) fn rtp_transport_mut(&mut self, id: TransportId) -> Command<&mut Transport> {
        let transport = self.transport_mut(id)?;
        if transport.spec.raw {
            return Err(CommandError::wrong(format!("transport {id} is raw"), "one that carries RTP"));
        }
        Ok(transport)
    }

    pub(crate) fn has_ufrag(&self, ufrag: &str) -> bool {
        self.by_ufrag.contains_key(ufrag)
    }

    /// Nothing changes when it is refused.
    pub(crate) fn add_transport(&mut self, spec: TransportSpec, now: f64) -> Command<()> {
        if self.transport_keys.contains_key(&spec.id) {
            return Err(CommandError::wrong(format!("transport {} exists", spec.id), "a new id"));
        }
        if spec.ports.is_empty() {
            return Err(CommandError::wrong("no ports", "at least one port"));
        }
        if spec.ice.as_ref().is_some_and(|ice| self.has_ufrag(&ice.ufrag)) {
            return Err(CommandError::wrong("user fragment in use", "a new one"));
        }
        let ports = spec.ports.iter().map(|id| self.ports.find(*id)).collect::<Command<Vec<PortKey>>>()?;
        let rtcp_port = spec.rtcp_port.map(|id| self.ports.find(id)).transpose()?;
        let lodges = spec.shared || spec.ice.is_some() && !spec.own;
        let all: Vec<PortKey> = ports.iter().copied().chain(rtcp_port).collect();
        if lodges {
            self.may_lodge(&spec, &all)?;
        } else {
            self.may_own(&spec, &ports, rtcp_port)?;
        }
        let (id, born, ice) = (spec.id, self.birth(), spec.ice.clone());
        let key = self.transports.insert(|key| Transport::new(key, born, spec));
        self.settle_in(key, lodges, &all);
        if let Some(transport) = self.transports.get_mut(key) {
            if !lodges || ice.is_none() {
                transport.plain = Some(Box::new(PlainReach::new(ports[0], rtcp_port, transport.spec.raw)));
            }
            if let Some(ice) = ice {
                let responder = LiteResponder::new(&ice.ufrag, &ice.password);
                transport.ice = Some(Box::new(IceReach::new(responder, ports, rtcp_port, transport.spec.own)));
                transport.speaks_ice = true;
                self.by_ufrag.insert(ice.ufrag, key);
            }
        }
        self.transport_keys.insert(id, key);
        self.order.insert(born, key);
        self.arm(now);
        Ok(())
    }

    /// Whether a transport may share all these ports.
    fn may_lodge(&self, spec: &TransportSpec, all: &[PortKey]) -> Command<()> {
        if spec.shared {
            if spec.ice.is_some() || spec.own || spec.raw {
                return Err(CommandError::wrong("shared transport with ICE, own or raw", "plain RTP"));
            }
            if spec.ports.len() != 1 || spec.rtcp_port == Some(spec.ports[0]) {
                return Err(CommandError::wrong("shared ports", "one RTP port, and another for RTCP"));
            }
        } else if spec.raw || spec.rtcp_port.is_some() {
            return Err(CommandError::wrong("port of a transport's own", "a shared port"));
        }
        all.iter().filter_map(|port| self.ports.get(*port)).try_for_each(|port| port.may_lodge(spec.shared))
    }

    /// Whether a transport may have these ports for itself.
    fn may_own(&self, spec: &TransportSpec, ports: &[PortKey], rtcp_port: Option<PortKey>) -> Command<()> {
        let in_use = |port: PortKey| self.ports.get(port).is_some_and(|port| port.in_use());
        let rtcp_taken = rtcp_port.is_some_and(|port| in_use(port) || port == ports[0]);
        if ports.len() != 1 || in_use(ports[0]) || rtcp_taken {
            return Err(CommandError::wrong("port in use", "a port of its own"));
        }
        if spec.raw && (spec.ice.is_some() || rtcp_port.is_some() || spec.secured) {
            return Err(CommandError::wrong("raw transport with ICE, keys or RTCP", "one port"));
        }
        Ok(())
    }

    /// Take the ports, which may be had.
    fn settle_in(&mut self, key: Key, lodges: bool, all: &[PortKey]) {
        let Some(spec) = self.transports.get(key).map(|transport| &transport.spec) else {
            return;
        };
        for (index, port) in all.iter().enumerate() {
            let Some(port) = self.ports.get_mut(*port) else {
                continue;
            };
            if lodges {
                port.lodge(spec.shared);
            } else {
                port.tos = spec.tos;
                port.raw = spec.raw;
                *(if index == 0 { &mut port.owner } else { &mut port.rtcp_owner }) = Some(key);
            }
        }
    }

    /// Forget the transport, its streams and every route from or to them.
    pub(crate) fn remove_transport(&mut self, id: TransportId, elsewhere: &mut Elsewhere) -> Command<()> {
        let key = self.transport_key(id)?;
        let streams = self.transport_mut(id)?.streams.clone();
        for (stream, _) in streams {
            self.remove_stream(stream, elsewhere)?;
        }
        self.unforward(key, elsewhere);
        let Some(mut transport) = self.transports.remove(key) else {
            return Err(no_transport(id));
        };
        transport.close_ice(&mut self.ports);
        transport.close_plain(&mut self.ports);
        if let Some(ice) = &transport.ice {
            for (ufrag, _) in ice.responder.credentials() {
                if self.by_ufrag.get(ufrag) == Some(&key) {
                    self.by_ufrag.remove(ufrag);
                }
            }
        }
        for port in transport.spec.ports.iter().chain(&transport.spec.rtcp_port) {
            if let Some(port) = self.ports.find(*port).ok().and_then(|port| self.ports.get_mut(port)) {
                if port.is_own() {
                    (port.owner, port.rtcp_owner, port.raw) = (None, None, false);
                } else {
                    port.leave();
                }
            }
        }
        self.transport_keys.remove(&id);
        self.order.remove(&transport.born);
        Ok(())
    }

    /// A defect of ours met in the state of this transport: it carries nothing any more, but goes on to exist, so that whoever made it can
    /// read it and remove it as any other. Of its state only what was said when it was made is trusted.
    #[cold]
    pub(crate) fn fail(&mut self, key: Key) {
        let Some(broken) = self.transports.get_mut(key) else {
            return;
        };
        let mut fresh = Transport::new(key, broken.born, broken.spec.clone());
        fresh.failed = true;
        fresh.speaks_ice = broken.speaks_ice;
        (fresh.ice, fresh.plain, fresh.muxed) = (broken.ice.take(), broken.plain.take(), broken.muxed);
        fresh.streams = std::mem::take(&mut broken.streams);
        (fresh.packets_received, fresh.bytes_received) = (broken.packets_received, broken.bytes_received);
        (fresh.packets_sent, fresh.bytes_sent) = (broken.packets_sent, broken.bytes_sent);
        (fresh.rtcp, fresh.dtls) = (broken.rtcp, broken.dtls);
        fresh.drops = std::mem::take(&mut broken.drops);
        let transport = fresh.spec.id;
        *broken = fresh;
        self.ports.purge(key);
        self.by_ufrag.retain(|_, known| *known != key);
        self.desk.report(Event::TransportFailed { transport });
    }

    /// `ufrag` is known to be used by no worker.
    pub(crate) fn restart_ice(&mut self, id: TransportId, credentials: &IceCredentials) -> Command<()> {
        let transport = self.transport_mut(id)?;
        let (key, failed, speaks_ice) = (transport.key, transport.failed, transport.speaks_ice);
        let Some(ice) = &mut transport.ice else {
            return Err(CommandError::wrong("transport without ICE", "an ICE transport"));
        };
        let dropped = ice.responder.restart(&credentials.ufrag, &credentials.password);
        ice.returning = !speaks_ice;
        if let Some(dropped) = dropped {
            self.by_ufrag.remove(&dropped);
        }
        if !failed {
            self.by_ufrag.insert(credentials.ufrag.clone(), key);
        }
        Ok(())
    }

    pub(crate) fn set_remote(&mut self, id: TransportId, remote: &Remote, now: f64) -> Command<()> {
        let key = self.transport_key(id)?;
        let Some(transport) = self.transports.get_mut(key) else {
            return Err(no_transport(id));
        };
        if transport.plain.is_none() {
            transport.announce(remote.rtp, now, &mut self.ports, &mut self.desk);
            return Ok(());
        }
        transport.speak_plain(&mut self.ports);
        transport.set_plain_remote(remote, now, &mut self.ports)
    }

    /// A peer on a shared port is ICE-lite too.
    pub(crate) fn announce(&mut self, id: TransportId, address: Option<Address>, now: f64) -> Command<()> {
        let key = self.transport_key(id)?;
        let transport = self.transports.get_mut(key).ok_or_else(|| no_transport(id))?;
        transport.announce(address, now, &mut self.ports, &mut self.desk);
        Ok(())
    }

    pub(crate) fn speak_plain(&mut self, id: TransportId) -> Command<()> {
        let key = self.transport_key(id)?;
        self.transports.get_mut(key).ok_or_else(|| no_transport(id))?.speak_plain(&mut self.ports);
        Ok(())
    }

    /// Take up where the peer of a transport without ICE is, unless ICE counts.
    pub(crate) fn point(&mut self, id: TransportId) -> Command<()> {
        let key = self.transport_key(id)?;
        let transport = self.transports.get_mut(key).ok_or_else(|| no_transport(id))?;
        if !transport.speaks_ice {
            transport.point(&mut self.ports);
        }
        Ok(())
    }

    pub(crate) fn mux_rtcp(&mut self, id: TransportId, muxed: bool) -> Command<()> {
        let transport = self.transport_mut(id)?;
        if transport.spec.rtcp_port.is_none() && !muxed {
            return Err(CommandError::wrong("transport without an RTCP port", "rtcp-mux"));
        }
        transport.muxed = muxed;
        Ok(())
    }

    pub(crate) fn set_tos(&mut self, id: TransportId, tos: u8) -> Command<()> {
        let transport = self.transport_mut(id)?;
        (transport.tos, transport.spec.tos) = (tos, tos);
        let ports: Vec<_> = transport.spec.ports.iter().chain(&transport.spec.rtcp_port).copied().collect();
        for port in ports {
            let port = self.ports.find(port)?;
            if let Some(port) = self.ports.get_mut(port).filter(|port| port.is_own()) {
                port.tos = tos;
            }
        }
        Ok(())
    }

    pub(crate) fn set_keys(&mut self, id: TransportId, way: Way, keys: Option<Keys>, rollover: &[(u32, i64)], now: f64) -> Command<()> {
        let transport = self.rtp_transport_mut(id)?;
        let Some(keys) = keys else {
            transport.drop_keys(way);
            return Ok(());
        };
        if way == Way::Receive {
            return transport.set_receive_keys(keys, rollover, now).map_err(unfit);
        }
        let key = transport.key;
        let Some(transport) = self.transports.get_mut(key) else {
            return Err(no_transport(id));
        };
        let sent = transport.streams.iter().filter_map(|(_, key)| self.streams.get(*key));
        let indices: Vec<_> = sent.map(|stream| (stream.sending.ssrc, stream.sending.last_sequence)).collect();
        transport.set_send_keys(keys, &indices).map_err(unfit)
    }

    pub(crate) fn set_rtcp_keys(&mut self, id: TransportId, way: Way, keys: Option<Keys>, now: f64) -> Command<()> {
        self.transport_mut(id)?.set_rtcp_keys(way, keys, now).map_err(unfit)
    }

    // --- raw transports

    pub(crate) fn forwarding(&mut self, key: Key) -> Option<&mut Forwarding> {
        self.transports.get_mut(key)?.plain.as_mut()?.raw.as_mut()
    }

    /// A transport that carries datagrams as they are.
    pub(crate) fn raw_transport(&self, id: TransportId) -> Command<TransportRef> {
        let key = self.transport_key(id)?;
        let raw = self.transports.get(key).and_then(|transport| transport.plain.as_ref()).is_some_and(|plain| plain.raw.is_some());
        if !raw {
            return Err(CommandError::wrong(format!("transport {id} carries RTP"), "a raw transport"));
        }
        Ok(TransportRef { worker: self.worker, key })
    }

    /// Copy what arrives to `target` from now on; returns what it was copied to.
    pub(crate) fn set_target(&mut self, key: Key, target: Option<TransportRef>) -> Option<TransportRef> {
        let raw = self.forwarding(key)?;
        std::mem::replace(&mut raw.target, target)
    }

    pub(crate) fn add_feeder(&mut self, key: Key, source: TransportRef) {
        if let Some(raw) = self.forwarding(key) {
            if !raw.feeders.contains(&source) {
                raw.feeders.push(source);
            }
        }
    }

    fn unforward(&mut self, key: Key, elsewhere: &mut Elsewhere) {
        let myself = TransportRef { worker: self.worker, key };
        let Some(Forwarding { target, feeders }) = self.forwarding(key).map(std::mem::take) else {
            return;
        };
        if let Some(target) = target {
            elsewhere.push((target.worker, Parcel::Unfed { target: target.key, source: myself }));
        }
        elsewhere.extend(feeders.iter().map(|feeder| (feeder.worker, Parcel::Unforward { source: feeder.key, target: myself })));
    }

    // --- streams and routes

    pub(crate) fn lost(&self, id: StreamId) -> Option<i64> {
        let key = *self.stream_keys.get(&id)?;
        let stream = self.streams.get(key)?;
        Some(stream.lost(key, self.transports.get(stream.transport)?.sources.iter()))
    }

    pub(crate) fn stream_key(&self, id: StreamId) -> Command<Key> {
        self.stream_keys.get(&id).copied().ok_or_else(|| no_stream(id))
    }

    /// `random` numbers are drawn for a new one only.
    pub(crate) fn add_stream(&mut self, spec: StreamSpec) -> Command<()> {
        let (id, key) = (spec.id, self.rtp_transport_mut(spec.transport)?.key);
        if let Some(&known) = self.stream_keys.get(&id) {
            let Some(stream) = self.streams.get_mut(known).filter(|stream| stream.transport == key) else {
                return Err(CommandError::wrong(format!("stream {id} is on another transport"), "a new id"));
            };
            stream.update(spec);
            let sources = self.transports.get_mut(key).map(|transport| transport.sources.iter_mut());
            for source in sources.into_iter().flatten().filter(|source| source.stream == known) {
                source.payload_type = -1; // look its clock up again
            }
            return Ok(());
        }
        let Some(transport) = self.transports.get_mut(key).filter(|transport| transport.streams.len() < MAX_STREAMS) else {
            return Err(CommandError::Exhausted("streams"));
        };
        let stream = self.streams.insert(|_| StreamState::new(spec, key, &mut *self.random));
        transport.streams.reserve_exact(1);
        transport.streams.push((id, stream));
        self.stream_keys.insert(id, stream);
        Ok(())
    }

    pub(crate) fn remove_stream(&mut self, id: StreamId, elsewhere: &mut Elsewhere) -> Command<()> {
        let key = self.stream_key(id)?;
        let Some(stream) = self.streams.get_mut(key) else {
            return Err(no_stream(id));
        };
        let myself = StreamRef { worker: self.worker, key };
        let transport = stream.transport;
        for link in stream.links.drain(..) {
            elsewhere.push((link.target.worker, Parcel::Unfeed { from: myself, target: link.target.key }));
        }
        if let Some(feed) = stream.feed.take() {
            elsewhere.push((feed.origin.worker, Parcel::Unlink { source: feed.origin.key, target: myself }));
        }
        while let Some(index) =
            self.transports.get(transport).and_then(|transport| transport.sources.iter().position(|source| source.stream == key))
        {
            self.forget_source(transport, index);
        }
        if let Some(transport) = self.transports.get_mut(transport) {
            transport.streams.retain(|(known, _)| *known != id);
        }
        self.streams.remove(key);
        self.stream_keys.remove(&id);
        Ok(())
    }

    /// Let a route lead into a stream of ours; returns where the route came from that it replaces, if it is another.
    pub(crate) fn feed(&mut self, target: Key, route: Route, origin: StreamRef) -> Option<StreamRef> {
        let stream = self.streams.get_mut(target)?;
        match &mut stream.feed {
            Some(feed) if feed.origin == origin => {
                feed.update(route);
                None
            }
            feed => feed.replace(Rewriter::new(route, origin)).map(|former| former.origin),
        }
    }

    /// Let a route lead from a stream of ours.
    pub(crate) fn link(&mut self, source: Key, link: Link) {
        if let Some(stream) = self.streams.get_mut(source) {
            stream.link(link);
        }
    }

    // --- sending

    pub(crate) fn send(&mut self, id: TransportId, data: &[u8], rtcp: bool, to: Option<Address>, out: &mut Outbox) -> Command<()> {
        self.transport_mut(id)?.send_dtls(data, rtcp, to, out);
        Ok(())
    }

    pub(crate) fn send_rtcp(&mut self, id: TransportId, data: &[u8], out: &mut Outbox) -> Command<()> {
        self.rtp_transport_mut(id)?.send_rtcp(data, out);
        Ok(())
    }

    pub(crate) fn inject(&mut self, id: StreamId, injected: &Injected, now: f64, out: &mut Outbox) -> Command<()> {
        let key = self.stream_key(id)?;
        if let Some(stream) = self.streams.get_mut(key) {
            if let Some(transport) = self.transports.get_mut(stream.transport) {
                stream.inject(transport, injected, now, out);
            }
        }
        Ok(())
    }

    pub(crate) fn resend(&mut self, id: StreamId, sequences: &[u16], now: f64, out: &mut Outbox) -> Command<()> {
        let key = self.stream_key(id)?;
        let Some(stream) = self.streams.get_mut(key) else {
            return Err(no_stream(id));
        };
        if let Some(transport) = self.transports.get_mut(stream.transport) {
            let missing = stream.resend(transport, sequences, now, out);
            if !missing.is_empty() {
                self.desk.report_bounded(|| Event::NotKept { stream: id, sequences: missing });
            }
        }
        Ok(())
    }
}

pub(crate) fn no_transport(id: TransportId) -> CommandError {
    CommandError::wrong(format!("no transport {id}"), "add_transport")
}

pub(crate) fn no_stream(id: StreamId) -> CommandError {
    CommandError::wrong(format!("no stream {id}"), "add_stream")
}

/// The refusal of keys.
fn unfit(error: CommandError) -> CommandError {
    match error {
        CommandError::Value(text) => CommandError::wrong(text, "keys that fit the profile"),
        other => other,
    }
}
