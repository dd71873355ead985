//! Which socket the kernel would give a datagram to, asked over netlink (`sock_diag`, what `ss` uses).
//!
//! The answer comes out of the same lookup that arriving packets go through, programs of other processes included: it tells that a port is
//! steered by somebody else, where binding it would not.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

use boringsdp_core::address::Address;

use crate::socket::{check, open};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NO_COOKIE: [u32; 2] = [u32::MAX; 2];

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct SocketId {
    source_port: u16,
    destination_port: u16,
    source: [u32; 4],
    destination: [u32; 4],
    interface: u32,
    cookie: [u32; 2],
}

#[repr(C)]
struct Request {
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    sender: u32,
    family: u8,
    protocol: u8,
    extensions: u8,
    padding: u8,
    states: u32,
    id: SocketId,
}

/// An `inet_diag_msg`, or an error, whose number is where the family would be.
#[repr(C)]
#[derive(Default)]
struct Answer {
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    sender: u32,
    family: u8,
    state: u8,
    timer: u8,
    retransmits: u8,
    id: SocketId,
    rest: [u32; 32],
}

/// Of no use beyond comparing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie(u64);

/// Which socket this is.
pub fn cookie(socket: &OwnedFd) -> io::Result<Cookie> {
    let mut value = 0u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: `value` has room for `length` octets.
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_COOKIE, (&raw mut value).cast(), &raw mut length) })?;
    Ok(Cookie(value))
}

/// A connection to the kernel.
pub struct Lookup {
    netlink: OwnedFd,
    sequence: u32,
}

impl Lookup {
    /// Fails where the kernel has not got it.
    pub fn new() -> io::Result<Self> {
        let netlink = open(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_SOCK_DIAG)?;
        let mut lookup = Self { netlink, sequence: 0 };
        lookup.find(Address::v4([127, 0, 0, 1], 9))?;
        Ok(lookup)
    }

    /// The socket that gets what is sent to a local address; None: nobody does.
    pub fn find(&mut self, address: Address) -> io::Result<Option<Cookie>> {
        self.sequence = self.sequence.wrapping_add(1);
        let (family, destination) = match address.v4_octets() {
            Some(octets) => (libc::AF_INET, [u32::from_ne_bytes(octets), 0, 0, 0]),
            None => (libc::AF_INET6, words(address.octets())),
        };
        let request = Request {
            length: size_of::<Request>() as u32,
            kind: SOCK_DIAG_BY_FAMILY,
            flags: libc::NLM_F_REQUEST as u16,
            sequence: self.sequence,
            sender: 0,
            family: family as u8,
            protocol: libc::IPPROTO_UDP as u8,
            extensions: 0,
            padding: 0,
            states: u32::MAX,
            // The kernel takes the source for the far end.
            id: SocketId { destination_port: address.port().to_be(), destination, cookie: NO_COOKIE, ..SocketId::default() },
        };
        // SAFETY: `request` is so many octets, none of them padding of the compiler's.
        check(unsafe { libc::send(self.netlink.as_raw_fd(), (&raw const request).cast(), size_of::<Request>(), 0) } as i32)?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Option<Cookie>> {
        loop {
            let mut answer = Answer::default();
            // SAFETY: `answer` has room for so many octets, and any octets are a valid one. The kernel has answered before `send` returned.
            let length =
                check(unsafe { libc::recv(self.netlink.as_raw_fd(), (&raw mut answer).cast(), size_of::<Answer>(), libc::MSG_DONTWAIT) }
                    as i32)? as usize;
            if answer.sequence != self.sequence {
                continue;
            }
            if i32::from(answer.kind) == libc::NLMSG_ERROR {
                let header = [answer.family, answer.state, answer.timer, answer.retransmits];
                return match -i32::from_ne_bytes(header) {
                    libc::ENOENT if length >= 20 => Ok(None),
                    error => Err(io::Error::from_raw_os_error(error)),
                };
            }
            let [low, high] = answer.id.cookie;
            return Ok(Some(Cookie(u64::from(low) | u64::from(high) << 32)));
        }
    }
}

fn words(octets: [u8; 16]) -> [u32; 4] {
    let mut words = [0; 4];
    for (word, four) in words.iter_mut().zip(octets.chunks_exact(4)) {
        *word = u32::from_ne_bytes([four[0], four[1], four[2], four[3]]);
    }
    words
}
