//! Datagrams taken together: `recvmmsg` and `recvfrom` into slots that are used again and again.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::RawFd;
use std::ptr::null_mut;

use boringsdp_core::address::Address;
use boringsdp_core::outbox::PortKey;

use crate::ports::Steered;
use crate::socket::{Name, MAX_DATAGRAM};

/// Datagrams worked together at most.
pub const BATCH: usize = 64;
/// From slot to slot. Not a power of two: the heads of all slots would share a few sets of the first cache.
const STRIDE: usize = MAX_DATAGRAM + 192;
/// Room for the ancillary data of one datagram: its original destination.
const CONTROL: usize = 64;
/// The key of what came to no port of ours.
const NOWHERE: PortKey = PortKey::MAX;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// One datagram that was taken: to which port, from where, how long.
#[derive(Clone, Copy)]
struct Taken {
    port: PortKey,
    source: Address,
    length: usize,
}

/// Slots for up to `BATCH` datagrams.
pub struct Inbox {
    octets: Vec<u8>,
    taken: Vec<Taken>,
    names: Vec<Name>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    /// What went wrong with receiving, and what came to no port, since it was last asked.
    pub errors: u64,
    pub strays: u64,
}

// `destination` reads its fields where 64-bit Linux has them.
const _: () = assert!(size_of::<libc::cmsghdr>() == 16);

// SAFETY: the pointers in `vectors` and `headers` are into the lists beside them, which move with it and keep their length. They are lists,
// not boxes: a box may not be moved or borrowed while others point into it, and `Vec::as_mut_ptr` may.
unsafe impl Send for Inbox {}

impl Inbox {
    pub fn new() -> Self {
        let mut inbox = Self {
            octets: vec![0; BATCH * STRIDE],
            taken: Vec::with_capacity(BATCH),
            names: vec![Name::empty(); BATCH],
            controls: vec![Control([0; CONTROL]); BATCH],
            vectors: vec![libc::iovec { iov_base: null_mut(), iov_len: MAX_DATAGRAM }; BATCH],
            // SAFETY: all zeroes is a valid mmsghdr.
            headers: vec![unsafe { zeroed() }; BATCH],
            errors: 0,
            strays: 0,
        };
        let (octets, vectors) = (inbox.octets.as_mut_ptr(), inbox.vectors.as_mut_ptr());
        let (names, controls) = (inbox.names.as_mut_ptr(), inbox.controls.as_mut_ptr());
        for index in 0..BATCH {
            // SAFETY: within `octets`.
            inbox.vectors[index].iov_base = unsafe { octets.add(index * STRIDE) }.cast();
            let header = &mut inbox.headers[index].msg_hdr;
            // SAFETY: each is BATCH long.
            (header.msg_name, header.msg_iov, header.msg_control) =
                unsafe { (names.add(index).cast(), vectors.add(index), controls.add(index).cast()) };
            header.msg_iovlen = 1;
            inbox.renew(index);
        }
        inbox
    }

    /// Let the kernel write an address and ancillary data once more.
    #[inline]
    fn renew(&mut self, index: usize) {
        let header = &mut self.headers[index].msg_hdr;
        (header.msg_namelen, header.msg_controllen) = (Name::LENGTH, CONTROL as _);
    }

    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    pub fn len(&self) -> usize {
        self.taken.len()
    }

    pub fn room(&self) -> usize {
        BATCH - self.taken.len()
    }

    pub fn clear(&mut self) {
        self.taken.clear();
    }

    /// Forget what came to ports that `keep` does not want.
    pub fn retain(&mut self, keep: impl Fn(PortKey) -> bool) {
        for taken in &mut self.taken {
            if !keep(taken.port) {
                taken.port = NOWHERE;
            }
        }
    }

    /// Take one datagram of a port's own socket; its length, None when there was none. Call only while there is room.
    #[inline]
    pub fn take_one(&mut self, fd: RawFd, port: PortKey) -> Option<usize> {
        let index = self.taken.len();
        let mut length = Name::LENGTH;
        let name = &raw mut self.names[index];
        // SAFETY: the slot has room for MAX_DATAGRAM octets, and the name for `length`.
        let got =
            unsafe { libc::recvfrom(fd, self.vectors[index].iov_base, MAX_DATAGRAM, libc::MSG_DONTWAIT, name.cast(), &raw mut length) };
        if got < 0 {
            self.fail();
            return None;
        }
        let source = self.names[index].get()?;
        self.taken.push(Taken { port, source, length: got as usize });
        Some(got as usize)
    }

    /// Take what fits of a shared socket; false when it was drained.
    pub fn take_many(&mut self, fd: RawFd, port: PortKey) -> bool {
        let got = self.receive(fd);
        self.put_in(got, |inbox, index| Some((port, inbox.names[index].get()?)))
    }

    /// Take what fits of a socket into which many ports are steered; how many there were. To be followed by `sort`.
    pub fn take_steered(&mut self, fd: RawFd) -> usize {
        self.receive(fd)
    }

    /// Find the ports to which the datagrams of `take_steered` were sent; false when the socket was drained.
    pub fn sort(&mut self, got: usize, ports: &Steered) -> bool {
        self.put_in(got, |inbox, index| {
            let port = inbox.destination(index).and_then(|to| ports.get(&to).copied());
            inbox.strays += u64::from(port.is_none());
            port.zip(inbox.names[index].get())
        })
    }

    /// Fill the free slots; how many were.
    fn receive(&mut self, fd: RawFd) -> usize {
        let (first, room) = (self.taken.len(), self.room());
        let headers = self.headers[first..].as_mut_ptr();
        // SAFETY: `room` headers follow, each with a slot, a name and room for ancillary data of their sizes.
        let got = unsafe { libc::recvmmsg(fd, headers, room as u32, libc::MSG_DONTWAIT as _, null_mut()) };
        if got < 0 {
            self.fail();
            return 0;
        }
        got as usize
    }

    /// Write down what is in the next slots; `which` says the port and the source. Whether they are all full.
    #[inline]
    fn put_in(&mut self, got: usize, which: impl Fn(&mut Self, usize) -> Option<(PortKey, Address)>) -> bool {
        let first = self.taken.len();
        for index in first..first + got {
            let (port, source) = which(self, index).unwrap_or((NOWHERE, Address::UNSPECIFIED));
            self.taken.push(Taken { port, source, length: self.headers[index].msg_len as usize });
            self.renew(index);
        }
        self.room() == 0
    }

    fn fail(&mut self) {
        // ENOTSOCK: the port was closed a moment ago
        if !matches!(io::Error::last_os_error().raw_os_error(), Some(libc::EAGAIN | libc::EINTR | libc::ENOTSOCK)) {
            self.errors += 1;
        }
    }

    /// Where a steered datagram was sent to (`IP_RECVORIGDSTADDR`, `IPV6_RECVORIGDSTADDR`).
    fn destination(&self, index: usize) -> Option<Address> {
        let length = self.headers[index].msg_hdr.msg_controllen;
        let data = self.controls[index].0.get(..length)?;
        let (head, rest) = data.split_at_checked(size_of::<libc::cmsghdr>())?;
        let kind = (i32::from_ne_bytes(head.get(8..12)?.try_into().ok()?), i32::from_ne_bytes(head.get(12..16)?.try_into().ok()?));
        if !matches!(kind, (libc::SOL_IP, libc::IP_ORIGDSTADDR) | (libc::SOL_IPV6, libc::IPV6_ORIGDSTADDR)) {
            return None;
        }
        let port = u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?);
        if kind.0 == libc::SOL_IP {
            Some(Address::v4(rest.get(4..8)?.try_into().ok()?, port))
        } else {
            Some(Address::v6(rest.get(8..24)?.try_into().ok()?, port))
        }
    }

    /// What was taken, in order: port, source, octets.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (PortKey, Address, &mut [u8])> {
        let slots = self.octets.chunks_mut(STRIDE);
        self.taken.iter().zip(slots).filter(|(taken, _)| taken.port != NOWHERE).map(|(taken, slot)| {
            let length = taken.length.min(MAX_DATAGRAM);
            (taken.port, taken.source, &mut slot[..length])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::Socket;
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};

    fn fill(many: bool) -> Vec<(PortKey, Vec<u8>)> {
        let socket = Socket::bind(Address::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).unwrap();
        let to = std::net::SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), socket.address().unwrap().port());
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for octet in 0..3 {
            peer.send_to(&[octet; 10], to).unwrap();
        }
        let mut inbox = Inbox::new();
        if many {
            assert!(!inbox.take_many(socket.raw(), 7));
        } else {
            while inbox.take_one(socket.raw(), 7) == Some(10) {}
        }
        let port = peer.local_addr().unwrap().port();
        let found = inbox.datagrams().map(|(key, source, data)| {
            assert_eq!(source.port(), port);
            (key, data.to_vec())
        });
        found.collect()
    }

    #[test]
    fn takes_one_or_many() {
        let expected: Vec<_> = (0..3).map(|octet| (7, vec![octet; 10])).collect();
        assert_eq!(fill(true), expected);
        assert_eq!(fill(false), expected);
    }

    #[test]
    fn what_is_full_takes_no_more() {
        let socket = Socket::bind(Address::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..BATCH + 3 {
            peer.send_to(&[1; 3000], ("127.0.0.1", socket.address().unwrap().port())).unwrap();
        }
        let mut inbox = Inbox::new();
        assert_eq!(inbox.take_one(socket.raw(), 1), Some(MAX_DATAGRAM));
        assert!(inbox.take_many(socket.raw(), 1));
        assert_eq!((inbox.len(), inbox.room()), (BATCH, 0));
        assert!(inbox.datagrams().all(|(_, _, data)| data.len() == MAX_DATAGRAM));
        inbox.clear();
        assert!(!inbox.take_many(socket.raw(), 1));
        assert_eq!(inbox.len(), 3);
        inbox.retain(|_| false);
        assert_eq!(inbox.datagrams().count(), 0);
    }
}
