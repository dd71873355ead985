//! How a transport's peer is reached without ICE: at an announced address, or where latching finds it.

use crate::address::Address;
use crate::desk::Desk;
use crate::drops::Reason;
use crate::error::{Command, CommandError};
use crate::event::Event;
use crate::handoff::Parcel;
use crate::latching::Latching;
use crate::outbox::{Outbox, PortKey};
use crate::plane::Plane;
use crate::port::{Path, Ports};
use crate::slab::Key;
use crate::spec::{Latch, Remote};
use crate::transport::{is_dtls, Transport};

/// The longest datagram of a raw transport: a longer one may have been cut when it was read.
const MAX_RAW: usize = 2047;

/// A transport of some worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransportRef {
    pub worker: usize,
    pub key: Key,
}

/// Where the datagrams of a raw transport go, and whose come to it.
#[derive(Default)]
pub(crate) struct Forwarding {
    pub target: Option<TransportRef>,
    pub feeders: Vec<TransportRef>,
}

/// How RTP without ICE comes and goes: `main` hears the RTP port, `side` the RTCP port.
///
/// On shared ports a transport `holds` the address that was announced for each. A raw transport has one port, and `raw`: every datagram
/// from a source that is heard is valid, and goes on as it is.
pub(crate) struct PlainReach {
    pub port: PortKey,
    pub rtcp_port: Option<PortKey>,
    pub main: Latching,
    pub side: Latching,
    /// Which port, whether as RTCP, and which address.
    holds: Vec<(PortKey, bool, Address)>,
    pub raw: Option<Forwarding>,
}

impl PlainReach {
    pub fn new(port: PortKey, rtcp_port: Option<PortKey>, raw: bool) -> Self {
        let raw = raw.then(Forwarding::default);
        Self { port, rtcp_port, main: Latching::new(), side: Latching::new(), holds: Vec::new(), raw }
    }
}

impl Transport {
    /// Where RTP goes now.
    pub fn rtp_path(&self) -> Option<Path> {
        match (&self.ice, &self.plain) {
            _ if self.failed => None,
            (Some(ice), _) if self.speaks_ice => ice.main.selected,
            (_, Some(plain)) => plain.main.remote.map(|remote| (plain.port, remote)),
            _ => None,
        }
    }

    /// Where RTCP goes now.
    pub fn rtcp_path(&self) -> Option<Path> {
        match (&self.ice, &self.plain) {
            _ if self.failed => None,
            (Some(ice), _) if self.speaks_ice => {
                ice.control.as_ref().filter(|_| !self.muxed).map_or(ice.main.selected, |control| control.selected)
            }
            (_, Some(plain)) if plain.raw.is_some() => None,
            (_, Some(plain)) if self.plain_muxed(plain) => self.rtp_path(),
            (_, Some(plain)) => plain.rtcp_port.zip(plain.side.remote),
            _ => None,
        }
    }

    /// RTCP shares the RTP port: there is no other, or it was agreed, or the peer announced the same address for both.
    pub fn is_muxed(&self) -> bool {
        match (&self.ice, &self.plain) {
            (Some(ice), _) if self.speaks_ice => ice.control.is_none() || self.muxed,
            (_, Some(plain)) => self.plain_muxed(plain),
            _ => true,
        }
    }

    pub fn plain_muxed(&self, plain: &PlainReach) -> bool {
        let announced = plain.side.announced;
        plain.rtcp_port.is_none() || self.muxed || (announced.is_some() && announced == plain.main.announced)
    }

    /// The way to an address: with ICE only to one that was checked.
    pub fn path_to(&self, address: Address, rtcp: bool) -> Option<Path> {
        match (&self.ice, &self.plain) {
            _ if self.failed => None,
            (Some(ice), _) if self.speaks_ice => {
                let component = ice.control.as_ref().filter(|_| rtcp && !self.muxed).unwrap_or(&ice.main);
                component.addresses.iter().map(|(path, _)| *path).find(|path| path.1 == address)
            }
            (_, Some(plain)) => {
                let port = plain.rtcp_port.filter(|_| rtcp && !self.plain_muxed(plain)).unwrap_or(plain.port);
                Some((port, address))
            }
            _ => None,
        }
    }

    // --- without ICE

    /// Where the peer says it is; opens the window. Refused on a shared port where another peer is there.
    pub fn set_plain_remote(&mut self, remote: &Remote, now: f64, ports: &mut Ports) -> Command<()> {
        let Some(plain) = &mut self.plain else {
            return Ok(());
        };
        let mut latch = remote.latch;
        if self.spec.shared {
            latch = Latch::Strict;
            for (port, address) in [(Some(plain.port), remote.rtp), (plain.rtcp_port, remote.rtcp)] {
                let (Some(port), Some(address)) = (port.and_then(|port| ports.get(port)), address) else {
                    continue;
                };
                if port.holder(&address).is_some_and(|holder| holder != self.key) {
                    let state = format!("{} port {} is another transport's", address.ip(), address.port());
                    return Err(CommandError::wrong(state, "an address of its own"));
                }
            }
        }
        plain.main.announce(remote.rtp, latch, now, self.spec.learn_s, self.spec.latch_window_s);
        if plain.raw.is_none() {
            plain.side.announce(remote.rtcp, latch, now, self.spec.learn_s, self.spec.latch_window_s);
            self.point(ports);
        }
        Ok(())
    }

    /// Take up where the peer is.
    pub fn point(&mut self, ports: &mut Ports) {
        let Some(plain) = &mut self.plain else {
            return;
        };
        if self.failed {
            return;
        }
        if self.spec.shared {
            plain.hold(self.key, ports);
        } else if let Some(port) = ports.get_mut(plain.port) {
            port.by_remote.clear();
            if let Some(settled) = plain.main.settled() {
                port.by_remote.insert(settled, self.key);
            }
        }
        self.refresh();
    }

    /// A valid packet came: this is where the peer is.
    fn settle(&mut self, source: Address, now: f64, ports: &mut Ports, desk: &mut Desk) {
        let Some(plain) = &mut self.plain else {
            return;
        };
        let main = &mut plain.main;
        if main.latch == Latch::Asymmetric {
            if let Some(port) = ports.get_mut(plain.port) {
                port.by_remote.clear(); // the one that spoke last goes straight on; more would be a list for strangers to fill
                port.by_remote.insert(source, self.key);
            }
            return;
        }
        let moved = main.remote != Some(source);
        if !moved && (main.latched || main.latch == Latch::Strict) {
            return;
        }
        let news = main.heard(source, now);
        if moved && !plain.side.told && plain.rtcp_port.is_some() {
            let announced = plain.side.announced;
            if !(self.muxed || announced.is_some() && announced == plain.main.announced) {
                plain.side.expect(source.with_port(source.port().wrapping_add(1)));
                // the announced one is as private as the RTP address was
            }
        }
        self.point(ports);
        if news {
            desk.report_bounded(|| Event::PathSelected { transport: self.spec.id, remote: source });
        }
    }

    /// What came to the own RTCP port of a transport without ICE.
    pub fn receive_plain_rtcp(&mut self, data: &mut [u8], source: Address, now: f64, desk: &mut Desk) {
        let Some(plain) = &self.plain else {
            return;
        };
        let (main, side) = (&plain.main, &plain.side);
        let same_host = main.latched && !side.latched && main.remote.is_some_and(|remote| remote.octets() == source.octets());
        if !(same_host || side.hears(source, now) || side.unannounced() && is_dtls(data)) {
            self.drops.count(Reason::UnknownSource);
            return;
        }
        if self.receive_control(data, source, now, desk) && self.plain.as_mut().is_some_and(|plain| plain.side.heard(source, now)) {
            self.refresh();
            desk.report_bounded(|| Event::RtcpPathSelected { transport: self.spec.id, remote: source });
        }
    }

    /// Be heard no more. Raw transports are unlinked by the plane.
    pub fn close_plain(&mut self, ports: &mut Ports) {
        let Some(plain) = &mut self.plain else {
            return;
        };
        if self.spec.shared {
            plain.let_go(ports);
        } else if let Some(port) = ports.get_mut(plain.port) {
            port.by_remote.clear();
        }
        (plain.main.remote, plain.side.remote) = (None, None);
    }

    // --- between the two

    /// The peer speaks ICE after all: only what its checks prove counts from now on.
    pub fn speak_ice(&mut self, ports: &mut Ports) {
        if let (Some(ice), Some(_)) = (&mut self.ice, &self.plain) {
            ice.returning = false;
            self.close_plain(ports);
            self.speaks_ice = true;
            self.refresh();
        }
    }

    /// The peer speaks no ICE: it is where it says, or where latching finds it.
    pub fn speak_plain(&mut self, ports: &mut Ports) {
        let Some(ice) = &mut self.ice else {
            return;
        };
        ice.returning = false;
        if self.speaks_ice {
            self.speaks_ice = false;
            self.close_ice(ports);
            self.refresh();
        }
    }
}

impl PlainReach {
    /// On shared ports: the announced addresses, and no other.
    fn hold(&mut self, key: Key, ports: &mut Ports) {
        self.let_go(ports);
        self.holds.extend(self.main.remote.map(|remote| (self.port, false, remote)));
        self.holds.extend(self.rtcp_port.zip(self.side.remote).map(|(port, remote)| (port, true, remote)));
        for &(port, is_control, address) in &self.holds {
            if let Some(port) = ports.get_mut(port) {
                if is_control { &mut port.by_control } else { &mut port.by_remote }.insert(address, key);
            }
        }
    }

    fn let_go(&mut self, ports: &mut Ports) {
        for (port, is_control, address) in self.holds.drain(..) {
            if let Some(port) = ports.get_mut(port) {
                if is_control { &mut port.by_control } else { &mut port.by_remote }.remove(&address);
            }
        }
    }
}

impl Plane {
    /// What came to an own RTP port from an address that is not settled, or is not an ordinary RTP packet.
    pub(crate) fn receive_plain(&mut self, key: Key, data: &mut [u8], source: Address, now: f64, out: &mut Outbox) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let Some(plain) = &transport.plain else {
            return;
        };
        let dtls = is_dtls(data);
        if !(plain.main.hears(source, now) || (plain.main.unannounced() && dtls)) {
            transport.drops.count(Reason::UnknownSource);
        } else if dtls {
            transport.receive_dtls(data, source, false, &mut self.desk); // moves nothing: a DTLS record proves nothing about its source
        } else if self.receive_media(key, data, now, out) {
            if let Some(transport) = self.transports.get_mut(key) {
                transport.settle(source, now, &mut self.ports, &mut self.desk);
            }
        }
    }

    /// Take one datagram of a raw transport, whatever is in it.
    pub(crate) fn receive_raw(&mut self, key: Key, data: &[u8], source: Address, now: f64, out: &mut Outbox) {
        let Some(transport) = self.transports.get_mut(key).filter(|transport| !transport.failed) else {
            return;
        };
        let Some(plain) = &mut transport.plain else {
            return;
        };
        if !plain.main.hears(source, now) {
            transport.drops.count(Reason::UnknownSource);
            return;
        }
        if data.len() > MAX_RAW {
            transport.drops.count(Reason::TooLong);
            return;
        }
        transport.packets_received += 1;
        transport.bytes_received += data.len() as u64;
        transport.last_gone = now;
        if plain.main.heard(source, now) {
            let id = transport.spec.id;
            self.desk.report_bounded(|| Event::PathSelected { transport: id, remote: source });
        }
        match plain.raw.as_ref().and_then(|raw| raw.target) {
            None => transport.drops.count(Reason::NotForwarded),
            Some(target) if target.worker == self.worker => {
                if let Some(transport) = self.transports.get_mut(target.key) {
                    transport.send_raw(data, out);
                }
            }
            Some(target) => self.hand_over(target.worker, Parcel::Raw { target: target.key, data: data.into() }),
        }
    }
}
