//! Bound UDP ports, as the plane sees them.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use crate::address::Address;
use crate::error::{Command, CommandError};
use crate::outbox::PortKey;
use crate::slab::Key;
use crate::spec::PortId;

/// From where to where: a port of ours, and an address.
pub(crate) type Path = (PortKey, Address);

/// Closed places that rest before one is used again, so that what was read from a socket just before it closed finds nobody.
const RESTING: usize = 64;

/// Which transport hears which address. Own ports have one address, which is found without another step; shared ports have thousands.
#[derive(Default)]
pub(crate) struct Remotes {
    one: Option<(Address, Key)>,
    /// Boxed, so that an own port is short.
    #[allow(clippy::box_collection)]
    more: Option<Box<HashMap<Address, Key, RandomState>>>,
}

impl Remotes {
    #[inline]
    pub fn get(&self, address: &Address) -> Option<Key> {
        match &self.one {
            Some((known, key)) if known == address => Some(*key),
            _ => self.more.as_ref().and_then(|more| more.get(address).copied()),
        }
    }

    pub fn insert(&mut self, address: Address, key: Key) {
        match &mut self.one {
            Some((known, holder)) if *known == address => *holder = key,
            None if self.more.is_none() => self.one = Some((address, key)),
            _ => {
                self.more.get_or_insert_default().insert(address, key);
            }
        }
    }

    pub fn remove(&mut self, address: &Address) {
        if self.one.is_some_and(|(known, _)| known == *address) {
            self.one = None;
        } else if let Some(more) = &mut self.more {
            more.remove(address);
        }
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forget every address of a transport, without trusting what it says of itself.
    pub fn purge(&mut self, key: Key) {
        self.one.take_if(|(_, holder)| *holder == key);
        if let Some(more) = &mut self.more {
            more.retain(|_, holder| *holder != key);
        }
    }
}

/// Demultiplexes what arrives on one port (RFC 7983).
///
/// `by_remote` holds the addresses whose RTP goes straight on: learned by authenticated ICE checks, latched, or announced where a port is
/// shared without ICE; `by_control` those whose RTCP comes to a shared RTCP port. Everything else takes the slow way through the plane.
/// `guests` are the transports that share the port, `by_address` how they are told apart.
#[repr(C, align(64))]
pub(crate) struct Port {
    pub by_remote: Remotes,
    pub owner: Option<Key>,
    pub rtcp_owner: Option<Key>,
    /// The owner carries datagrams that are not looked into.
    pub raw: bool,
    pub by_address: bool,
    /// What everything that leaves an own port is marked with.
    pub tos: u8,
    pub guests: u32,
    pub by_control: Remotes,
    pub id: PortId,
    pub address: Address,
}

impl Port {
    fn new(id: PortId, address: Address) -> Self {
        Self {
            by_remote: Remotes::default(),
            owner: None,
            rtcp_owner: None,
            raw: false,
            by_address: false,
            tos: 0,
            guests: 0,
            by_control: Remotes::default(),
            id,
            address,
        }
    }

    pub fn in_use(&self) -> bool {
        self.guests > 0 || self.is_own()
    }

    pub fn is_own(&self) -> bool {
        self.owner.is_some() || self.rtcp_owner.is_some()
    }

    /// Whose packets come from there.
    pub fn holder(&self, address: &Address) -> Option<Key> {
        self.by_remote.get(address).or_else(|| self.by_control.get(address))
    }

    /// Whether one more transport may come in: not on an own port, nor where guests are told apart in another way.
    pub fn may_lodge(&self, by_address: bool) -> Command<()> {
        if self.is_own() {
            return Err(CommandError::wrong("port of a transport's own", "a shared port"));
        }
        if self.guests > 0 && self.by_address != by_address {
            return Err(CommandError::wrong("port shared in another way", "one for ICE, or one without"));
        }
        Ok(())
    }

    pub fn lodge(&mut self, by_address: bool) {
        self.tos = 0; // what an owner left behind
        self.by_address = by_address;
        self.guests += 1;
    }

    /// One transport less shares the port.
    pub fn leave(&mut self) {
        self.guests = self.guests.saturating_sub(1);
        self.by_address &= self.guests > 0;
    }
}

/// The ports of one plane, side by side: a packet finds its own with one step.
#[derive(Default)]
pub(crate) struct Ports {
    places: Vec<Option<Port>>,
    resting: VecDeque<PortKey>,
    by_id: HashMap<PortId, PortKey, RandomState>,
}

impl Ports {
    pub fn open(&mut self, id: PortId, address: Address) -> Command<PortKey> {
        if self.by_id.contains_key(&id) {
            return Err(CommandError::wrong(format!("port {id} exists"), "a new id"));
        }
        let key = if self.resting.len() > RESTING { self.resting.pop_front() } else { None };
        let key = key.unwrap_or_else(|| {
            self.places.push(None);
            (self.places.len() - 1) as PortKey
        });
        self.places[key as usize] = Some(Port::new(id, address));
        self.by_id.insert(id, key);
        Ok(key)
    }

    pub fn close(&mut self, id: PortId) -> Command<PortKey> {
        let key = self.find(id)?;
        if self.get(key).is_some_and(Port::in_use) {
            return Err(CommandError::wrong("port in use", "its transports removed"));
        }
        self.places[key as usize] = None;
        self.by_id.remove(&id);
        self.resting.push_back(key);
        Ok(key)
    }

    pub fn find(&self, id: PortId) -> Command<PortKey> {
        self.by_id.get(&id).copied().ok_or_else(|| CommandError::wrong(format!("no port {id}"), "open_port"))
    }

    #[inline]
    pub fn get(&self, key: PortKey) -> Option<&Port> {
        self.places.get(key as usize)?.as_ref()
    }

    #[inline]
    pub fn get_mut(&mut self, key: PortKey) -> Option<&mut Port> {
        self.places.get_mut(key as usize)?.as_mut()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Port> {
        self.places.iter().flatten()
    }

    /// Forget every address of a transport on every port, without trusting what it says of itself.
    pub fn purge(&mut self, key: Key) {
        for port in self.places.iter_mut().flatten() {
            port.by_remote.purge(key);
            port.by_control.purge(key);
        }
    }
}
