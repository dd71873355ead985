//! Ports without sockets of their own: a program in the kernel steers a range of them into a few sockets of each worker.

use std::io;
use std::os::fd::RawFd;

use boringsdp_core::address::Address;

/// What steers ports into sockets: two of them (IPv4, IPv6) for each worker, and two raw ones to send from any port.
pub struct Steering(std::convert::Infallible);

impl Steering {
    /// `range` holds the numbers that may be opened (both included); None: any. The error says what is missing.
    pub fn new(_workers: usize, _range: Option<(u16, u16)>) -> Result<Self, String> {
        Err("not built".into())
    }

    /// Whether this port is to be steered: its number lies in the range (0 does when there is none), and its host is one.
    pub fn takes(&self, _address: Address) -> bool {
        match self.0 {}
    }

    /// Steer the port to a worker; its real address. `EADDRINUSE` when it is taken, by whomever.
    pub fn open(&self, _address: Address, _worker: usize) -> io::Result<Address> {
        match self.0 {}
    }

    pub fn close(&self, _address: Address) {
        match self.0 {}
    }

    /// The sockets that a worker reads, by `recvmmsg`: each datagram with its original destination in ancillary data.
    pub fn receivers(&self, _worker: usize) -> &[RawFd] {
        match self.0 {}
    }

    /// The raw socket that a worker sends from.
    pub fn sender(&self, _worker: usize, _v6: bool) -> RawFd {
        match self.0 {}
    }
}
