//! How a transport's peer is reached by ICE: only at addresses that authenticated checks came from (RFC 8445 §7.3, §8.1).

use crate::address::Address;
use crate::desk::Desk;
use crate::drops::Reason;
use crate::event::Event;
use crate::lite::LiteResponder;
use crate::outbox::{Outbox, PortKey};
use crate::plane::Plane;
use crate::port::{Path, Ports};
use crate::slab::Key;
use crate::stun::Message;
use crate::transport::{is_dtls, Transport};

/// How long an address is still heard after its last authenticated check, when another one is selected.
const OLD_ADDRESS_S: f64 = 10.0;

/// ICE of one transport: `main` is its component of RTP, `control` the second one, on an RTCP port.
pub(crate) struct IceReach {
    pub responder: LiteResponder,
    /// The peer was said to speak no ICE, but was offered it again: its first check brings ICE back.
    pub returning: bool,
    pub main: Component,
    pub control: Option<Component>,
}

/// One component: the addresses that were checked, and the one that is in use.
///
/// On shared ports `ports` are the ways in, on own ports it is the one port of the component.
pub(crate) struct Component {
    pub ports: Vec<PortKey>,
    /// Each with when it was checked last, in the order in which they were learned.
    pub addresses: Vec<(Path, f64)>,
    /// Where a peer that is ICE-lite, as we are, says that it is: nobody checks then.
    pub announced: Option<Path>,
    pub selected: Option<Path>,
    first_check: f64,
    last_check: f64,
    /// The peer goes on checking, so that its silence means something. Agents of RFC 5245, on own ports, stop when they are done.
    refreshes: bool,
}

impl Component {
    fn new(ports: Vec<PortKey>, refreshes: bool) -> Self {
        Self { ports, addresses: Vec::new(), announced: None, selected: None, first_check: 0.0, last_check: 0.0, refreshes }
    }

    fn has(&self, path: Path) -> bool {
        self.addresses.iter().any(|(known, _)| *known == path)
    }

    /// An address was checked now.
    fn note(&mut self, path: Path, now: f64) {
        match self.addresses.iter_mut().find(|(known, _)| *known == path) {
            Some((_, at)) => *at = now,
            None => self.addresses.push((path, now)),
        }
    }

    /// The address that was checked longest ago, of those not in use.
    fn oldest(&self) -> Option<Path> {
        let mut oldest: Option<&(Path, f64)> = None;
        for known in self.addresses.iter().filter(|(path, _)| Some(*path) != self.selected) {
            if oldest.is_none_or(|(_, at)| known.1 < *at) {
                oldest = Some(known);
            }
        }
        oldest.map(|(path, _)| *path)
    }

    /// Checks begin anew, and say nothing yet of whether they will go on.
    fn restart(&mut self, now: f64, refreshes: bool) {
        (self.first_check, self.last_check, self.refreshes) = (now, now, refreshes);
    }
}

impl IceReach {
    pub fn new(responder: LiteResponder, ports: Vec<PortKey>, rtcp_port: Option<PortKey>, own: bool) -> Self {
        let control = rtcp_port.map(|port| Component::new(vec![port], !own));
        Self { responder, returning: false, main: Component::new(ports, !own), control }
    }

    /// Whether a port belongs to a component, and whether to the second.
    pub fn component(&self, port: PortKey) -> Option<bool> {
        if self.main.ports.contains(&port) {
            return Some(false);
        }
        self.control.as_ref().filter(|control| control.ports.contains(&port)).map(|_| true)
    }

    fn at(&mut self, is_control: bool) -> Option<&mut Component> {
        if is_control {
            self.control.as_mut()
        } else {
            Some(&mut self.main)
        }
    }
}

impl Transport {
    /// The peer was proved to be there. Who had the address before is the plane's to ask.
    fn learn(&mut self, is_control: bool, path: Path, nominated: bool, now: f64, ports: &mut Ports, desk: &mut Desk) {
        let (consent, most) = (self.spec.consent_timeout_s, self.spec.max_addresses.max(1));
        let Some(component) = self.ice.as_mut().and_then(|ice| ice.at(is_control)) else {
            return;
        };
        component.last_check = now;
        if component.selected.is_none() {
            component.first_check = now;
        } else if now - component.first_check >= consent / 3.0 {
            component.refreshes = true;
        }
        if !component.has(path) && !is_control {
            if let Some(port) = ports.get_mut(path.0) {
                port.by_remote.insert(path.1, self.key);
            }
        }
        component.note(path, now);
        if component.selected.is_none() || (nominated && component.selected != Some(path)) {
            if let Some(former) = component.selected {
                component.note(former, now);
            }
            component.selected = Some(path);
            let (transport, remote) = (self.spec.id, path.1);
            self.refresh();
            desk.report_latest(if is_control {
                Event::RtcpPathSelected { transport, remote }
            } else {
                Event::PathSelected { transport, remote }
            });
        }
        while let Some(oldest) = self.ice.as_mut().and_then(|ice| ice.at(is_control)).and_then(|component| {
            if component.addresses.len() > most {
                component.oldest()
            } else {
                None
            }
        }) {
            self.forget(is_control, oldest, ports);
        }
    }

    /// A peer on a shared port is ICE-lite too, and says that it is there (None: it is not lite any more). That counts until a check
    /// proves another place; the signalling vouches for it, and a secured transport lets nothing else through.
    pub fn announce(&mut self, address: Option<Address>, now: f64, ports: &mut Ports, desk: &mut Desk) {
        let Some(component) = self.ice.as_ref().map(|ice| &ice.main) else {
            return;
        };
        let path = address.and_then(|address| {
            let fits = |port: &&PortKey| ports.get(**port).is_some_and(|port| port.address.is_v4() == address.is_v4());
            component.ports.iter().find(fits).map(|port| (*port, address))
        });
        let former = component.announced;
        if let Some(former) = former.filter(|former| Some(*former) != path) {
            self.forget(false, former, ports);
        }
        let Some(path) = path.filter(|path| Some(*path) != former) else {
            return;
        };
        let Some(port) = ports.get_mut(path.0) else {
            return;
        };
        if port.by_remote.get(&path.1).is_some_and(|holder| holder != self.key) {
            self.drops.count(Reason::AddressTaken); // nobody gets another call's packets by saying so
            return;
        }
        if self.failed {
            return;
        }
        port.by_remote.insert(path.1, self.key);
        if let Some(ice) = &mut self.ice {
            ice.main.note(path, now);
            (ice.main.announced, ice.main.selected) = (Some(path), Some(path));
        }
        self.refresh();
        desk.report(Event::PathSelected { transport: self.spec.id, remote: path.1 });
    }

    /// Hear this address no more.
    pub fn forget(&mut self, is_control: bool, path: Path, ports: &mut Ports) {
        let Some(component) = self.ice.as_mut().and_then(|ice| ice.at(is_control)) else {
            return;
        };
        component.addresses.retain(|(known, _)| *known != path);
        if let Some(port) = ports.get_mut(path.0) {
            if port.by_remote.get(&path.1) == Some(self.key) {
                port.by_remote.remove(&path.1);
            }
        }
        if component.announced == Some(path) {
            component.announced = None;
        }
        if component.selected == Some(path) {
            component.selected = None;
            self.refresh();
        }
    }

    pub fn tick_ice(&mut self, is_control: bool, now: f64, ports: &mut Ports, desk: &mut Desk) {
        let consent = self.spec.consent_timeout_s;
        let Some(component) = self.ice.as_mut().and_then(|ice| ice.at(is_control)) else {
            return;
        };
        let checked = component.selected.is_some() && component.selected != component.announced;
        if checked && component.refreshes && now - component.last_check >= consent {
            if is_control {
                self.close_component(true, ports);
            } else {
                self.close_ice(ports);
                desk.report(Event::ConsentLost { transport: self.spec.id });
            }
        } else if component.addresses.len() > 1 {
            let selected = component.selected;
            let is_old = |(path, at): &&(Path, f64)| Some(*path) != selected && now - at > OLD_ADDRESS_S;
            let old: Vec<Path> = component.addresses.iter().filter(is_old).map(|(path, _)| *path).collect();
            for path in old {
                self.forget(is_control, path, ports);
            }
        }
        if !is_control {
            self.tick_ice(true, now, ports, desk);
        }
    }

    pub fn close_ice(&mut self, ports: &mut Ports) {
        self.close_component(false, ports);
        self.close_component(true, ports);
    }

    fn close_component(&mut self, is_control: bool, ports: &mut Ports) {
        let Some(component) = self.ice.as_mut().and_then(|ice| ice.at(is_control)) else {
            return;
        };
        let known: Vec<Path> = component.addresses.iter().map(|(path, _)| *path).collect();
        for path in known {
            self.forget(is_control, path, ports);
        }
    }

    /// What came to the own RTCP port of a transport that speaks ICE.
    pub fn receive_ice_rtcp(&mut self, port: PortKey, data: &mut [u8], source: Address, now: f64, desk: &mut Desk) {
        let known = self.ice.as_ref().and_then(|ice| ice.control.as_ref()).is_some_and(|control| control.has((port, source)));
        if known {
            self.receive_control(data, source, now, desk);
        } else {
            self.drops.count(Reason::UnknownSource);
        }
    }
}

impl Plane {
    /// Answer a request that names a transport, and learn its source if it verifies and ICE counts; false when it was refused.
    pub(crate) fn receive_check(
        &mut self,
        key: Key,
        port: PortKey,
        message: &Message<'_>,
        source: Address,
        now: f64,
        reply: &mut Vec<u8>,
    ) -> bool {
        let Some(transport) = self.transports.get_mut(key) else {
            return false;
        };
        let Some(ice) = &mut transport.ice else {
            return false;
        };
        let checked = ice.responder.receive(message, source, reply);
        let Some(is_control) = ice.component(port).filter(|_| checked.valid) else {
            transport.drops.count(Reason::StunRefused);
            return false;
        };
        if checked.restarted {
            let responder = &ice.responder;
            self.by_ufrag.retain(|ufrag, known| *known != key || responder.accepts(ufrag));
            self.desk.report(Event::IceRestarted { transport: transport.spec.id });
            let refreshes = !transport.spec.own;
            ice.main.restart(now, refreshes);
            if let Some(control) = &mut ice.control {
                control.restart(now, refreshes);
            }
        }
        if ice.returning {
            transport.speak_ice(&mut self.ports);
        }
        if transport.speaks_ice {
            self.learn(key, is_control, (port, source), checked.nominated, now);
        }
        true
    }

    /// The peer of a transport was proved to be there; who had the address loses it.
    pub(crate) fn learn(&mut self, key: Key, is_control: bool, path: Path, nominated: bool, now: f64) {
        let known = |ice: &IceReach| if is_control { true } else { ice.main.has(path) };
        if self.transports.get(key).and_then(|transport| transport.ice.as_ref()).is_some_and(|ice| !known(ice)) {
            let before = self.ports.get(path.0).and_then(|port| port.by_remote.get(&path.1));
            if let Some(before) = before.and_then(|before| self.transports.get_mut(before)) {
                before.forget(false, path, &mut self.ports); // a NAT gave the address to another call
            }
        }
        if let Some(transport) = self.transports.get_mut(key) {
            transport.learn(is_control, path, nominated, now, &mut self.ports, &mut self.desk);
        }
    }

    /// What came to the own RTP port of a transport that speaks ICE and is no STUN, if it did not go straight on.
    pub(crate) fn receive_ice(&mut self, key: Key, port: PortKey, data: &mut [u8], source: Address, now: f64, out: &mut Outbox) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        if !transport.ice.as_ref().is_some_and(|ice| ice.main.has((port, source))) {
            transport.drops.count(Reason::UnknownSource);
        } else if is_dtls(data) {
            transport.receive_dtls(data, source, false, &mut self.desk);
        } else {
            self.receive_media(key, data, now, out);
        }
    }
}
