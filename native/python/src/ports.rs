//! How a port is had: by a socket of its own, or steered together with others into a worker's few.
//!
//! Each worker has a table of its ports under their keys, and so has the side that takes commands: both send through the same sockets.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;

use boringsdp_core::address::Address;
use boringsdp_core::outbox::PortKey;

use crate::socket::{self, Socket};
use crate::steer::{is_sendable, Steering};

/// How the datagrams of one port come and go.
#[derive(Clone)]
pub enum Way {
    /// By a socket bound to it, whose descriptor is `fd`.
    Own { fd: RawFd, socket: Arc<Socket> },
    /// By the sockets of `Steering`: received by one of `Steering::receivers` (told by the destination address), sent by `fd`, the worker's
    /// raw socket of the port's host, with headers by `raw::write_headers`.
    Steered { fd: RawFd },
}

impl Way {
    pub fn own(socket: Socket) -> Self {
        Self::Own { fd: socket.raw(), socket: Arc::new(socket) }
    }
}

/// A port as a worker sees it: all that sending needs in one cache line.
#[derive(Clone)]
#[repr(align(64))]
pub struct Port {
    pub way: Way,
    /// Where it is bound; a steered port sends from here.
    pub address: Address,
    /// Many transports use it, so it is drained, and written to with many datagrams at once.
    pub shared: bool,
    /// The raw socket by which a shared port sends, where there is one: that spares a twentieth of what a relayed packet costs.
    pub raw: Option<RawFd>,
}

/// The ports of one worker by key.
#[derive(Default)]
pub struct PortTable(Vec<Option<Port>>);

impl PortTable {
    #[inline]
    pub fn get(&self, key: PortKey) -> Option<&Port> {
        self.0.get(key as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, key: PortKey) -> Option<&mut Port> {
        self.0.get_mut(key as usize)?.as_mut()
    }

    /// Put a port in, or take it out; what was there before.
    pub fn set(&mut self, key: PortKey, port: Option<Port>) -> Option<Port> {
        let index = key as usize;
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        std::mem::replace(&mut self.0[index], port)
    }
}

/// The ports of one worker that are steered, by where they are.
pub type Steered = HashMap<Address, PortKey, BuildHasherDefault<PortHasher>>;

/// Quick, and good enough for addresses that are all our own: nobody else chooses what is put in.
#[derive(Default)]
pub struct PortHasher(u64);

impl Hasher for PortHasher {
    #[inline]
    fn write(&mut self, octets: &[u8]) {
        for eight in octets.chunks(8) {
            let mut word = [0; 8];
            word[..eight.len()].copy_from_slice(eight);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    #[inline]
    fn write_u16(&mut self, word: u16) {
        self.write_u64(word.into());
    }

    #[inline]
    fn write_usize(&mut self, _length: usize) {} // the same for all

    #[inline]
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// How an engine opens ports.
pub struct Opener {
    steering: Option<Steering>,
    inert: OwnedFd,
}

impl Opener {
    pub fn new(steering: Option<Steering>) -> io::Result<Self> {
        Ok(Self { steering, inert: socket::open(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)? })
    }

    /// Bind a port that `worker` reads (number 0: any).
    pub fn open(&self, address: Address, worker: usize) -> io::Result<Port> {
        match &self.steering {
            Some(steering) if steering.takes(address) => {
                let address = steering.open(address, worker)?;
                let fd = steering.sender(worker, address).inspect_err(|_| steering.close(address))?;
                Ok(Port { way: Way::Steered { fd }, address, shared: false, raw: Some(fd) })
            }
            Some(steering) if steering.uses(address) => Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
            _ => {
                let socket = Socket::bind(address)?;
                let address = socket.address()?;
                Ok(Port { way: Way::own(socket), address, shared: false, raw: None })
            }
        }
    }

    /// Many transports use the port from now on.
    pub fn share(&self, port: &mut Port, worker: usize) {
        port.shared = true;
        if let Some(steering) = self.steering.as_ref().filter(|_| is_sendable(port.address)) {
            port.raw = steering.sender(worker, port.address).ok();
        }
    }

    /// The engine ends: open no more.
    pub fn end(&self) {
        if let Some(steering) = &self.steering {
            steering.end();
        }
    }

    /// Give the port's address back. What is still in flight to or from it goes nowhere.
    pub fn close(&self, port: &Port) {
        match &port.way {
            Way::Own { socket, .. } => socket.shut(&self.inert),
            Way::Steered { .. } => {
                if let Some(steering) = &self.steering {
                    steering.close(port.address);
                }
            }
        }
    }
}
