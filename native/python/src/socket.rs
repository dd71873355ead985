//! UDP sockets, set up the way media wants them: the counterpart of `boringsdp/net/udp.py`.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use boringsdp_core::address::Address;

/// Octets taken of a datagram; what is longer is cut.
pub const MAX_DATAGRAM: usize = 2048;
const RECEIVE_BUFFER: i32 = 4 << 20;
const SEND_BUFFER: i32 = 1 << 20;

/// A bound, non-blocking UDP socket. Closed when dropped.
pub struct Socket {
    fd: OwnedFd,
    v6: bool,
    /// The don't-fragment bit was taken off, since a path was too narrow for a packet.
    fragments: AtomicBool,
}

impl Socket {
    /// Bind a numeric address (port 0: any).
    ///
    /// An IPv6 socket hears IPv6 only, so that the same port can be bound for IPv4 beside it. Packets carry the don't-fragment bit, which
    /// saves the kernel its work on the IP id (0.4 us a packet).
    pub fn bind(address: Address) -> io::Result<Self> {
        let v6 = !address.is_v4();
        let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
        let fd = open(family, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0)?;
        let socket = Self { fd, v6, fragments: AtomicBool::new(false) };
        if v6 {
            socket.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        }
        set_buffers(&socket.fd, RECEIVE_BUFFER, SEND_BUFFER)?;
        socket.set_dont_fragment(true);
        bind(&socket.fd, address)?;
        Ok(socket)
    }

    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Where it is bound.
    pub fn address(&self) -> io::Result<Address> {
        address_of(&self.fd)
    }

    /// Let packets be fragmented from now on; false when they may be already.
    pub fn allow_fragments(&self) -> bool {
        let first = !self.fragments.swap(true, Ordering::Relaxed);
        if first {
            self.set_dont_fragment(false);
        }
        first
    }

    fn set_dont_fragment(&self, on: bool) {
        let _ = if self.v6 {
            self.set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, if on { libc::IPV6_PMTUDISC_DO } else { libc::IPV6_PMTUDISC_DONT })
        } else {
            self.set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, if on { libc::IP_PMTUDISC_DO } else { libc::IP_PMTUDISC_DONT })
        };
    }

    fn set(&self, level: i32, option: i32, value: i32) -> io::Result<()> {
        set_option(&self.fd, level, option, value)
    }

    /// Give the address back at once, although others still hold the descriptor: it becomes that of `inert`, which sends and hears nothing.
    pub fn shut(&self, inert: &OwnedFd) {
        // SAFETY: both are open descriptors of ours; ours is replaced in one step and closed by its owner later.
        unsafe { libc::dup3(inert.as_raw_fd(), self.raw(), libc::O_CLOEXEC) };
    }
}

/// A new socket of any kind.
pub fn open(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = check(unsafe { libc::socket(family, kind, protocol) })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Bind to a numeric address.
pub fn bind(fd: &OwnedFd, address: Address) -> io::Result<()> {
    let (name, length) = Name::new(address);
    // SAFETY: `name` holds an address of `length` octets.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const name).cast(), length) })?;
    Ok(())
}

/// Where a socket is bound.
pub fn address_of(fd: &OwnedFd) -> io::Result<Address> {
    let (mut name, mut length) = (Name::empty(), Name::LENGTH);
    // SAFETY: `name` has room for `length` octets.
    check(unsafe { libc::getsockname(fd.as_raw_fd(), (&raw mut name).cast(), &raw mut length) })?;
    name.get().ok_or_else(|| io::Error::from_raw_os_error(libc::EAFNOSUPPORT))
}

/// Set an integer option.
pub fn set_option(fd: &OwnedFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: `value` is `length` octets.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), length) })?;
    Ok(())
}

/// Buffers of so many octets, beyond `net.core.rmem_max` for who may (CAP_NET_ADMIN).
pub fn set_buffers(fd: &OwnedFd, receive: i32, send: i32) -> io::Result<()> {
    for (forced, option, size) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, receive), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, send)] {
        set_option(fd, libc::SOL_SOCKET, forced, size).or_else(|_| set_option(fd, libc::SOL_SOCKET, option, size))?;
    }
    Ok(())
}

/// What a call of libc returned, or its errno.
pub fn check(returned: i32) -> io::Result<i32> {
    if returned < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned)
    }
}

/// An address as the kernel reads and writes it.
#[derive(Clone, Copy)]
#[repr(C)]
pub union Name {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Name {
    /// The room that it takes.
    pub const LENGTH: libc::socklen_t = size_of::<Name>() as libc::socklen_t;

    /// Room for an address, of no family.
    pub fn empty() -> Self {
        // SAFETY: all zeroes is a valid value of each member.
        unsafe { zeroed() }
    }

    /// An address, and its length.
    #[inline]
    pub fn new(address: Address) -> (Self, libc::socklen_t) {
        let mut name = Self::empty();
        let length = name.set(address);
        (name, length)
    }

    /// Write an address over this one; its length.
    #[inline]
    pub fn set(&mut self, address: Address) -> libc::socklen_t {
        if let Some(octets) = address.v4_octets() {
            self.v4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(octets) },
                sin_zero: [0; 8],
            };
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        } else {
            self.v6 = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: address.octets() },
                sin6_scope_id: 0,
            };
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }

    /// The address; None when it is of another family.
    #[inline]
    pub fn get(&self) -> Option<Address> {
        // SAFETY: every member begins with the family, which tells which one it is; all are initialised at least with zeroes.
        unsafe {
            match i32::from(self.family) {
                libc::AF_INET => Some(Address::v4(self.v4.sin_addr.s_addr.to_ne_bytes(), u16::from_be(self.v4.sin_port))),
                libc::AF_INET6 => Some(Address::v6(self.v6.sin6_addr.s6_addr, u16::from_be(self.v6.sin6_port))),
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    #[test]
    fn binds_both_families_to_one_port() {
        let v4 = Socket::bind(Address::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).unwrap();
        let port = v4.address().unwrap().port();
        assert!(port > 0);
        let v6 = Socket::bind(Address::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)).unwrap();
        assert_eq!(v6.address().unwrap(), Address::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port));
        assert_eq!(Socket::bind(v4.address().unwrap()).err().unwrap().raw_os_error(), Some(libc::EADDRINUSE));
    }

    #[test]
    fn what_is_shut_frees_its_address_at_once() {
        let inert = open(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0).unwrap();
        let first = Socket::bind(Address::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).unwrap();
        let address = first.address().unwrap();
        first.shut(&inert);
        assert_eq!(Socket::bind(address).unwrap().address().unwrap(), address);
    }
}
