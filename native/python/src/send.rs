//! Sending what a plane has put into its outbox: one by one from ports of one transport, together from shared ones.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::RawFd;
use std::ptr::null_mut;

use boringsdp_core::address::Address;
use boringsdp_core::outbox::{Outbox, Outgoing, HEADROOM};
use boringsdp_core::Plane;

use crate::mmsg::BATCH;
use crate::ports::{Port, PortTable, Way};
use crate::raw::{self, UDP_HEADER};
use crate::socket::{Name, Socket};

/// One integer of ancillary data, as the kernel wants it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Mark {
    header: libc::cmsghdr,
    value: i32,
    padding: i32,
}

impl Mark {
    fn set(&mut self, tos: u8, v6: bool) {
        self.header.cmsg_len = (size_of::<libc::cmsghdr>() + size_of::<i32>()) as _;
        (self.header.cmsg_level, self.header.cmsg_type) =
            if v6 { (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) } else { (libc::IPPROTO_IP, libc::IP_TOS) };
        self.value = i32::from(tos);
    }
}

// As the kernel lays it out on 64-bit Linux.
const _: () = assert!(size_of::<libc::cmsghdr>() == 16 && size_of::<Mark>() == 24);

/// Why a datagram was not sent.
pub struct NotSent {
    /// Its place in the outbox.
    pub index: usize,
    /// The socket's buffer is full; else it failed in another way.
    pub blocked: bool,
}

/// The datagrams of one shared socket: their places in the outbox, and how much of the room before each belongs to it.
#[derive(Default)]
struct Group {
    fd: RawFd,
    raw: bool,
    members: Vec<(u32, u32)>,
}

/// Arrays for `sendmmsg`, used again and again.
pub struct Sender {
    groups: Vec<Group>,
    used: usize,
    names: Vec<Name>,
    marks: Vec<Mark>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    pub failed: Vec<NotSent>,
}

// SAFETY: the pointers in the lists are into the lists beside them, which keep their length, or are written anew before each use.
unsafe impl Send for Sender {}

impl Sender {
    pub fn new() -> Self {
        let mut sender = Self {
            groups: Vec::new(),
            used: 0,
            names: vec![Name::empty(); BATCH],
            // SAFETY: all zeroes are valid values of these.
            marks: vec![unsafe { zeroed() }; BATCH],
            vectors: vec![libc::iovec { iov_base: null_mut(), iov_len: 0 }; BATCH],
            // SAFETY: as above.
            headers: vec![unsafe { zeroed() }; BATCH],
            failed: Vec::new(),
        };
        let (names, vectors) = (sender.names.as_mut_ptr(), sender.vectors.as_mut_ptr());
        for index in 0..BATCH {
            let header = &mut sender.headers[index].msg_hdr;
            // SAFETY: each is BATCH long.
            (header.msg_name, header.msg_iov) = unsafe { (names.add(index).cast(), vectors.add(index)) };
            header.msg_iovlen = 1;
        }
        sender
    }

    /// Send everything; `failed` is what could not be. The order of each socket's datagrams is kept.
    pub fn send(&mut self, outbox: &mut Outbox, ports: &PortTable) {
        self.failed.clear();
        self.used = 0;
        for index in 0..outbox.items().len() {
            let item = outbox.items()[index];
            match ports.get(item.port) {
                Some(Port { way: Way::Own { fd, socket }, address, shared, raw }) => {
                    if *shared {
                        let headed =
                            raw.and_then(|raw| Some((raw, raw::write_headers(outbox.with_headroom(index), *address, item.to, item.tos)?)));
                        match headed {
                            Some((raw, start)) => self.group(raw, true).push((index as u32, (HEADROOM - start) as u32)),
                            None => self.group(*fd, false).push((index as u32, 0)),
                        }
                    } else if let Err(error) = send_one(*fd, outbox.data(&item), &item) {
                        self.recover(socket, outbox, index, &error);
                    }
                }
                Some(Port { way: Way::Steered { fd }, address, .. }) => {
                    match raw::write_headers(outbox.with_headroom(index), *address, item.to, item.tos) {
                        Some(start) => self.group(*fd, true).push((index as u32, (HEADROOM - start) as u32)),
                        None => self.failed.push(NotSent { index, blocked: false }),
                    }
                }
                None => self.failed.push(NotSent { index, blocked: false }), // closed a moment ago
            }
        }
        for number in 0..self.used {
            let members = std::mem::take(&mut self.groups[number].members);
            let (fd, raw) = (self.groups[number].fd, self.groups[number].raw);
            self.send_group(fd, raw, &members, outbox, ports);
            self.groups[number].members = members;
        }
    }

    /// Take back with the plane the counts of what was not sent.
    #[cold]
    pub fn report(&mut self, outbox: &Outbox, plane: &mut Plane) {
        for failed in self.failed.drain(..) {
            let item = &outbox.items()[failed.index];
            plane.not_sent(item, outbox.data(item).len(), failed.blocked);
        }
    }

    /// The members of a socket's group.
    fn group(&mut self, fd: RawFd, raw: bool) -> &mut Vec<(u32, u32)> {
        let known = self.groups[..self.used].iter().position(|group| group.fd == fd);
        let number = known.unwrap_or_else(|| {
            self.used += 1;
            if self.groups.len() < self.used {
                self.groups.push(Group::default());
            }
            let group = &mut self.groups[self.used - 1];
            (group.fd, group.raw) = (fd, raw);
            group.members.clear();
            self.used - 1
        });
        &mut self.groups[number].members
    }

    fn send_group(&mut self, fd: RawFd, raw: bool, members: &[(u32, u32)], outbox: &Outbox, ports: &PortTable) {
        let mut rest = members;
        while !rest.is_empty() {
            let count = rest.len().min(BATCH);
            for (place, (index, before)) in rest[..count].iter().enumerate() {
                self.prepare(place, &outbox.items()[*index as usize], raw, outbox, *before as usize);
            }
            let mut done = 0;
            while done < count {
                // SAFETY: the headers from `done` to `count` were prepared just now; what they point to is not touched meanwhile.
                let sent = unsafe { libc::sendmmsg(fd, self.headers[done..].as_mut_ptr(), (count - done) as u32, libc::MSG_DONTWAIT as _) };
                if sent > 0 {
                    done += sent as usize;
                    continue;
                }
                let error = io::Error::last_os_error();
                if error.raw_os_error() == Some(libc::EINTR) {
                    continue;
                }
                if is_blocked(&error) {
                    self.failed.extend(rest[done..].iter().map(|(index, _)| NotSent { index: *index as usize, blocked: true }));
                    return; // the rest would not be taken either
                }
                let index = rest[done].0 as usize;
                match ports.get(outbox.items()[index].port) {
                    Some(Port { way: Way::Own { socket, .. }, .. }) if !raw => self.recover(socket, outbox, index, &error),
                    Some(Port { address, .. }) => self.recover_raw(*address, outbox, index, error),
                    None => self.failed.push(NotSent { index, blocked: false }),
                }
                done += 1;
            }
            rest = &rest[count..];
        }
    }

    /// Fill the place of one datagram, with `before` octets of the room in front of it.
    #[inline]
    fn prepare(&mut self, place: usize, item: &Outgoing, raw: bool, outbox: &Outbox, before: usize) {
        let data = outbox.data_with(item, before);
        self.vectors[place] = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
        let header = &mut self.headers[place].msg_hdr;
        let to = if raw { item.to.with_port(0) } else { item.to };
        header.msg_namelen = self.names[place].set(to);
        if item.tos == 0 || raw {
            (header.msg_control, header.msg_controllen) = (null_mut(), 0);
        } else {
            self.marks[place].set(item.tos, !item.to.is_v4());
            header.msg_control = (&raw mut self.marks[place]).cast();
            header.msg_controllen = size_of::<Mark>() as _;
        }
    }

    /// Try once more where that may help: an ICMP answer to an earlier packet, or a path that is too narrow for this one.
    #[cold]
    fn recover(&mut self, socket: &Socket, outbox: &Outbox, index: usize, error: &io::Error) {
        let item = &outbox.items()[index];
        let again = match error.raw_os_error() {
            Some(libc::ECONNREFUSED) => true,
            Some(libc::EMSGSIZE) => {
                socket.allow_fragments();
                true
            }
            _ => false,
        };
        let error = if again {
            send_one(socket.raw(), outbox.data(item), item).err()
        } else {
            Some(io::Error::from_raw_os_error(raw_error(error)))
        };
        if let Some(error) = error {
            self.failed.push(NotSent { index, blocked: is_blocked(&error) });
        }
    }

    /// The same for a packet whose headers we wrote.
    #[cold]
    fn recover_raw(&mut self, from: Address, outbox: &Outbox, index: usize, error: io::Error) {
        let item = &outbox.items()[index];
        let error = match error.raw_os_error() {
            Some(libc::EMSGSIZE) => raw::send_in_fragments(outbox.data_with(item, UDP_HEADER), from, item.to, item.tos).err(),
            _ => Some(error),
        };
        if let Some(error) = error {
            self.failed.push(NotSent { index, blocked: is_blocked(&error) });
        }
    }
}

fn raw_error(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

fn is_blocked(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN)
}

#[inline]
fn send_one(fd: RawFd, data: &[u8], item: &Outgoing) -> io::Result<()> {
    if item.tos == 0 {
        send_to(fd, data, item.to)
    } else {
        send_marked(fd, data, item.to, item.tos)
    }
}

#[inline]
fn send_to(fd: RawFd, data: &[u8], to: Address) -> io::Result<()> {
    let (name, length) = Name::new(to);
    // SAFETY: `data` and `name` are as long as said.
    let sent = unsafe { libc::sendto(fd, data.as_ptr().cast(), data.len(), libc::MSG_DONTWAIT, (&raw const name).cast(), length) };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Send with a TOS or traffic class of its own (RFC 3542 section 6.5).
fn send_marked(fd: RawFd, data: &[u8], to: Address, tos: u8) -> io::Result<()> {
    let (mut name, length) = Name::new(to);
    // SAFETY: all zeroes are valid values of these.
    let (mut mark, mut header): (Mark, libc::msghdr) = unsafe { (zeroed(), zeroed()) };
    mark.set(tos, !to.is_v4());
    let mut vector = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = length;
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut mark).cast();
    header.msg_controllen = size_of::<Mark>() as _;
    // SAFETY: the header names what lives here, with its lengths.
    let sent = unsafe { libc::sendmsg(fd, &raw const header, libc::MSG_DONTWAIT) };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boringsdp_core::outbox::Kind;
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};
    use std::os::fd::{AsRawFd, OwnedFd};

    fn put(outbox: &mut Outbox, port: u32, to: Address, tos: u8, data: &[u8]) {
        let (mark, buffer) = outbox.begin();
        buffer.extend_from_slice(data);
        outbox.finish(mark, port, to, tos, Kind::Media, None);
    }

    fn address(socket: &UdpSocket) -> Address {
        let name = socket.local_addr().unwrap();
        Address::new(name.ip(), name.port())
    }

    fn table(shared: bool, raw: Option<&OwnedFd>) -> PortTable {
        let socket = Socket::bind(Address::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).unwrap();
        let mut ports = PortTable::default();
        let raw = raw.map(AsRawFd::as_raw_fd);
        ports.set(3, Some(Port { address: socket.address().unwrap(), way: Way::own(socket), shared, raw }));
        ports
    }

    /// The ways in which a port with a socket of its own sends: alone, shared, and shared by a raw socket where that is permitted.
    fn ways() -> impl Iterator<Item = (bool, Option<OwnedFd>)> {
        let raw = raw::sender(Address::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).ok();
        [(false, None), (true, None)].into_iter().chain(raw.map(|raw| (true, Some(raw))))
    }

    #[test]
    fn sends_in_order() {
        for (shared, raw) in ways() {
            for tos in [0, 0xB8] {
                let ports = table(shared, raw.as_ref());
                let own = ports.get(3).unwrap().address.port();
                let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
                let (mut outbox, mut sender) = (Outbox::new(), Sender::new());
                for number in 0..150u8 {
                    put(&mut outbox, 3, address(&peer), tos, &[number; 20]);
                }
                put(&mut outbox, 4, address(&peer), tos, b"to nowhere");
                sender.send(&mut outbox, &ports);
                assert_eq!(sender.failed.iter().map(|failed| failed.index).collect::<Vec<_>>(), [150]);
                for number in 0..150u8 {
                    let mut data = [0; 100];
                    let (length, source) = peer.recv_from(&mut data).unwrap();
                    assert_eq!((length, source.port()), (20, own));
                    assert_eq!(data[0], number);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_sent_is_named_and_the_rest_goes_on() {
        for (shared, raw) in ways() {
            let ports = table(shared, raw.as_ref());
            let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
            let (mut outbox, mut sender) = (Outbox::new(), Sender::new());
            put(&mut outbox, 3, address(&peer), 0, b"first");
            put(&mut outbox, 3, Address::new("::1".parse().unwrap(), 9), 0, b"of another family");
            put(&mut outbox, 3, address(&peer), 0, &[0; 65_600]);
            put(&mut outbox, 3, address(&peer), 0, b"last");
            sender.send(&mut outbox, &ports);
            let failed: Vec<_> = sender.failed.iter().map(|failed| (failed.index, failed.blocked)).collect();
            assert_eq!(failed, [(1, false), (2, false)]);
            let mut data = [0; 100];
            assert_eq!(peer.recv(&mut data).unwrap(), 5);
            assert_eq!(peer.recv(&mut data).unwrap(), 4);
        }
    }
}
