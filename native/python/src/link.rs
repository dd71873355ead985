//! What others tell a worker: changes of its ports, packets from other workers, that it is to wake up or to stop.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use boringsdp_core::outbox::PortKey;
use boringsdp_core::plane::Handoff;

use crate::poll::{Bell, Epoll};
use crate::ports::{Port, PortTable, Steered, Way};

/// How a worker waits.
const AWAKE: u8 = 0;
const UNTIL_TICK: u8 = 1;
const FOR_EVER: u8 = 2;

/// What an event of a worker's epoll is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// The worker's bell.
    Bell,
    /// A port's own socket.
    Port { key: PortKey, shared: bool, fd: RawFd },
    /// A socket into which ports are steered.
    Steered { fd: RawFd },
}

impl Token {
    const KIND: u64 = 0x7 << 61;
    const STEERED: u64 = 1 << 61;
    const BELL: u64 = 2 << 61;
    const SHARED: u64 = 1 << 60;

    pub fn pack(self) -> u64 {
        match self {
            Self::Bell => Self::BELL,
            Self::Steered { fd } => Self::STEERED | fd as u64,
            // keys are below 2^28: each is a port of this machine
            Self::Port { key, shared, fd } => u64::from(key) << 32 | if shared { Self::SHARED } else { 0 } | fd as u64,
        }
    }

    #[inline]
    pub fn unpack(token: u64) -> Self {
        let fd = (token & 0x7FFF_FFFF) as RawFd;
        match token & Self::KIND {
            Self::BELL => Self::Bell,
            Self::STEERED => Self::Steered { fd },
            _ => Self::Port { key: (token >> 32) as PortKey & 0x0FFF_FFFF, shared: token & Self::SHARED != 0, fd },
        }
    }
}

/// The ports of a worker as it knows them itself.
#[derive(Default)]
pub struct Known {
    pub ports: PortTable,
    /// The steered ones among them.
    pub steered: Steered,
    /// Ports that were closed or changed: events that were already waited for may name their descriptors, which must not be others' yet.
    pub gone: Vec<Port>,
    /// The `Link::generation` up to which this is so.
    pub generation: u64,
}

/// One worker's mailbox, in cache lines of its own.
#[repr(align(128))]
pub struct Link {
    pub epoll: Epoll,
    bell: Bell,
    sleep: AtomicU8,
    stopping: AtomicBool,
    changes: Mutex<Vec<(PortKey, Option<Port>)>>,
    generation: AtomicU64,
    handoffs: Mutex<Vec<Handoff>>,
    handed: AtomicBool,
}

impl Link {
    /// `receivers` are the sockets into which ports of this worker are steered.
    pub fn new(receivers: &[RawFd]) -> io::Result<Self> {
        let (epoll, bell) = (Epoll::new()?, Bell::new()?);
        epoll.add(bell.raw(), Token::Bell.pack())?;
        for &fd in receivers {
            epoll.add(fd, Token::Steered { fd }.pack())?;
        }
        Ok(Self {
            epoll,
            bell,
            sleep: AtomicU8::new(AWAKE),
            stopping: AtomicBool::new(false),
            changes: Mutex::default(),
            generation: AtomicU64::new(0),
            handoffs: Mutex::default(),
            handed: AtomicBool::new(false),
        })
    }

    // --- from others

    /// Tell of a new port, of a changed one, or that there is none any more.
    pub fn change(&self, key: PortKey, port: Option<Port>) {
        let mut changes = lock(&self.changes);
        changes.push((key, port));
        self.generation.fetch_add(1, Ordering::SeqCst);
        drop(changes);
        self.wake_idle();
    }

    /// Begin, or go on, to listen to a port. Call after `change`.
    pub fn watch(&self, key: PortKey, port: &Port, first: bool) -> io::Result<()> {
        let Way::Own { fd, .. } = port.way else { return Ok(()) };
        let token = Token::Port { key, shared: port.shared, fd }.pack();
        if first {
            self.epoll.add(fd, token)
        } else {
            self.epoll.change(fd, token)
        }
    }

    pub fn unwatch(&self, port: &Port) {
        if let Way::Own { fd, .. } = port.way {
            self.epoll.remove(fd);
        }
    }

    /// Hand packets over, and empty the list; how many found no room.
    pub fn hand(&self, handoffs: &mut Vec<Handoff>) -> usize {
        let mut lost = 0;
        let mut waiting = lock(&self.handoffs);
        for handoff in handoffs.drain(..) {
            if waiting.len() < handoff.limit() {
                waiting.push(handoff);
            } else {
                lost += 1;
            }
        }
        drop(waiting);
        self.handed.store(true, Ordering::SeqCst);
        if self.sleep.load(Ordering::SeqCst) != AWAKE {
            self.bell.ring();
        }
        lost
    }

    /// There may be timeouts to watch now, or ports to forget: a worker that waits for nothing looks.
    pub fn wake_idle(&self) {
        if self.sleep.load(Ordering::SeqCst) == FOR_EVER {
            self.bell.ring();
        }
    }

    /// Let go of the ports that nobody has taken up.
    pub fn forget(&self) {
        lock(&self.changes).clear();
        lock(&self.handoffs).clear();
    }

    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.bell.ring();
    }

    // --- for the worker

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub fn drain_bell(&self) {
        self.bell.drain();
    }

    /// From now on whoever has something rings. Look at everything once more before waiting.
    pub fn fall_asleep(&self, for_ever: bool) {
        self.sleep.store(if for_ever { FOR_EVER } else { UNTIL_TICK }, Ordering::SeqCst);
    }

    pub fn wake_up(&self) {
        self.sleep.store(AWAKE, Ordering::Relaxed);
    }

    #[inline]
    pub fn has_changed(&self, known: &Known) -> bool {
        self.generation.load(Ordering::SeqCst) != known.generation
    }

    #[inline]
    pub fn has_handoffs(&self) -> bool {
        self.handed.load(Ordering::SeqCst)
    }

    pub fn take_handoffs(&self, handoffs: &mut Vec<Handoff>) {
        self.handed.store(false, Ordering::SeqCst);
        handoffs.append(&mut lock(&self.handoffs));
    }

    /// Take up what was changed. Clear `Known::gone` before the next events are waited for.
    #[cold]
    pub fn catch_up(&self, known: &mut Known) {
        let mut changes = lock(&self.changes);
        known.generation = self.generation.load(Ordering::SeqCst);
        let taken = std::mem::take(&mut *changes);
        drop(changes);
        for (key, port) in taken {
            if let Some(Port { way: Way::Steered { .. }, address, .. }) = port {
                known.steered.insert(address, key);
            }
            let is_closed = port.is_none();
            let former = known.ports.set(key, port);
            if let Some(former) = former {
                if is_closed && known.steered.get(&former.address) == Some(&key) {
                    known.steered.remove(&former.address);
                }
                known.gone.push(former);
            }
        }
    }

    /// The ports that were closed since `catch_up`, whose keys may be those of others by now.
    #[cold]
    pub fn closed(&self) -> Vec<PortKey> {
        lock(&self.changes).iter().filter(|(_, port)| port.is_none()).map(|(key, _)| *key).collect()
    }
}

/// Lock what may be used on even after a panic.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Opener;
    use boringsdp_core::address::Address;
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn tokens_come_back() {
        for token in [
            Token::Bell,
            Token::Steered { fd: 9 },
            Token::Port { key: 0, shared: false, fd: 5 },
            Token::Port { key: 123_456, shared: true, fd: 70_000 },
        ] {
            assert_eq!(Token::unpack(token.pack()), token);
        }
    }

    #[test]
    fn changes_are_taken_up_in_order() {
        let (link, opener) = (Link::new(&[]).unwrap(), Opener::new(None).unwrap());
        let mut known = Known::default();
        assert!(!link.has_changed(&known));
        let port = opener.open(Address::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), 0).unwrap();
        link.change(4, Some(port.clone()));
        assert!(link.has_changed(&known));
        link.catch_up(&mut known);
        assert!(!link.has_changed(&known) && known.ports.get(4).is_some());
        link.change(4, None);
        assert_eq!(link.closed(), [4]);
        link.change(4, Some(port));
        link.catch_up(&mut known);
        assert!(known.ports.get(4).is_some() && link.closed().is_empty());
        assert_eq!(known.gone.len(), 1); // its descriptor stays open until the present events are done with
    }
}
