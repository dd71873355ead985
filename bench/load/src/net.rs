//! UDP sockets that stand for thousands of addresses: each datagram says which loopback address it comes from and which it came to.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::RawFd;

pub const BATCH: usize = 64;
const ROOM: usize = 2048;
const CONTROL: usize = 64;

/// Datagrams to be sent together, each from an address of its own.
pub struct Sending {
    socket: RawFd,
    buffers: Vec<Vec<u8>>,
    names: Vec<libc::sockaddr_in>,
    controls: Vec<[u8; CONTROL]>,
    vectors: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
    used: usize,
    /// Datagrams that the kernel refused; the first reason is kept.
    pub failed: u64,
    pub error: Option<io::Error>,
}

impl Sending {
    pub fn new(socket: RawFd) -> Self {
        // SAFETY: these are plain structures for which all zeroes is valid.
        let (name, vector, message) = unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        Self {
            socket,
            buffers: (0..BATCH).map(|_| Vec::with_capacity(ROOM)).collect(),
            names: vec![name; BATCH],
            controls: vec![[0; CONTROL]; BATCH],
            vectors: vec![vector; BATCH],
            messages: vec![message; BATCH],
            used: 0,
            failed: 0,
            error: None,
        }
    }

    /// Where the next datagram's octets go; `add` then says from where and whither.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        if self.used == BATCH {
            self.flush();
        }
        let buffer = &mut self.buffers[self.used];
        buffer.clear();
        buffer
    }

    pub fn add(&mut self, from: Ipv4Addr, to: SocketAddrV4) {
        self.names[self.used] = socket_address(to);
        write_source(&mut self.controls[self.used], from);
        self.used += 1;
    }

    pub fn flush(&mut self) {
        for at in 0..self.used {
            self.vectors[at] = libc::iovec { iov_base: self.buffers[at].as_mut_ptr().cast(), iov_len: self.buffers[at].len() };
            let header = &mut self.messages[at].msg_hdr;
            header.msg_name = (&raw mut self.names[at]).cast();
            header.msg_namelen = mem::size_of::<libc::sockaddr_in>() as u32;
            header.msg_iov = &mut self.vectors[at];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[at].as_mut_ptr().cast();
            header.msg_controllen = source_space();
        }
        let mut at = 0;
        while at < self.used {
            // SAFETY: every message points at a buffer, name and control of this object that live until the call has returned.
            let sent = unsafe { libc::sendmmsg(self.socket, &mut self.messages[at], (self.used - at) as u32, 0) };
            if sent > 0 {
                at += sent as usize;
                continue;
            }
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            self.failed += 1;
            self.error.get_or_insert(error);
            at += 1;
        }
        self.used = 0;
    }
}

/// Room for what one system call brings.
pub struct Receiving {
    socket: RawFd,
    buffers: Vec<[u8; ROOM]>,
    names: Vec<libc::sockaddr_in>,
    controls: Vec<[u8; CONTROL]>,
    _vectors: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

/// One datagram: its octets, who sent it, and to which of our addresses.
pub struct Arrived<'a> {
    pub data: &'a mut [u8],
    pub from: SocketAddrV4,
    pub to: Ipv4Addr,
}

impl Receiving {
    pub fn new(socket: RawFd) -> Self {
        // SAFETY: these are plain structures for which all zeroes is valid.
        let (name, vector, message): (libc::sockaddr_in, libc::iovec, libc::mmsghdr) =
            unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        let mut buffers = vec![[0; ROOM]; BATCH];
        let mut names = vec![name; BATCH];
        let mut controls = vec![[0; CONTROL]; BATCH];
        let mut vectors = vec![vector; BATCH];
        let mut messages = vec![message; BATCH];
        for at in 0..BATCH {
            vectors[at] = libc::iovec { iov_base: buffers[at].as_mut_ptr().cast(), iov_len: ROOM };
            let header = &mut messages[at].msg_hdr;
            header.msg_name = (&raw mut names[at]).cast();
            header.msg_iov = &mut vectors[at];
            header.msg_iovlen = 1;
            header.msg_control = controls[at].as_mut_ptr().cast();
        }
        Self { socket, buffers, names, controls, _vectors: vectors, messages }
    }

    /// How many datagrams were waiting, at most `BATCH`; never waits.
    pub fn receive(&mut self) -> usize {
        for message in &mut self.messages {
            message.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_in>() as u32;
            message.msg_hdr.msg_controllen = CONTROL;
        }
        // SAFETY: the messages point into vectors of this object, which are never resized after `new`.
        let count =
            unsafe { libc::recvmmsg(self.socket, self.messages.as_mut_ptr(), BATCH as u32, libc::MSG_DONTWAIT, std::ptr::null_mut()) };
        count.max(0) as usize
    }

    /// The datagram at `at` of those that `receive` counted.
    pub fn get(&mut self, at: usize) -> Arrived<'_> {
        let name = &self.names[at];
        let from = SocketAddrV4::new(Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr)), u16::from_be(name.sin_port));
        let length = (self.messages[at].msg_len as usize).min(ROOM);
        Arrived { data: &mut self.buffers[at][..length], from, to: read_destination(&self.controls[at]) }
    }
}

/// Make a socket ready: addresses with each datagram, large buffers, no fragments, never waiting.
pub fn prepare(socket: RawFd) {
    const BUFFER: libc::c_int = 16 << 20;
    for (level, name, value) in [
        (libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO),
        (libc::SOL_SOCKET, libc::SO_RCVBUF, BUFFER),
        (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, BUFFER),
        (libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, BUFFER),
    ] {
        // SAFETY: the value is an int that lives for the call. Failing is allowed: the forcing options need a capability.
        unsafe { libc::setsockopt(socket, level, name, (&raw const value).cast(), mem::size_of::<libc::c_int>() as u32) };
    }
}

/// Datagrams that the kernel dropped because this socket's buffer was full.
pub fn overflowed(socket: RawFd) -> u32 {
    const SO_MEMINFO: libc::c_int = 55;
    const DROPS: usize = 8;
    let mut figures = [0u32; 16];
    let mut length = mem::size_of_val(&figures) as u32;
    // SAFETY: the kernel writes at most `length` octets into `figures`.
    unsafe { libc::getsockopt(socket, libc::SOL_SOCKET, SO_MEMINFO, figures.as_mut_ptr().cast(), &mut length) };
    figures[DROPS]
}

fn socket_address(to: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*to.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

fn source_space() -> usize {
    // SAFETY: computes a length.
    unsafe { libc::CMSG_SPACE(mem::size_of::<libc::in_pktinfo>() as u32) as usize }
}

// struct cmsghdr { size_t len; int level; int type; } then struct in_pktinfo { int index; in_addr spec_dst; in_addr addr; }
const INFO: usize = mem::size_of::<libc::cmsghdr>();

fn write_source(control: &mut [u8; CONTROL], from: Ipv4Addr) {
    let length = INFO + mem::size_of::<libc::in_pktinfo>();
    control[..8].copy_from_slice(&length.to_ne_bytes());
    control[8..12].copy_from_slice(&libc::IPPROTO_IP.to_ne_bytes());
    control[12..16].copy_from_slice(&libc::IP_PKTINFO.to_ne_bytes());
    control[INFO..INFO + 4].fill(0);
    control[INFO + 4..INFO + 8].copy_from_slice(&from.octets());
    control[INFO + 8..INFO + 12].fill(0);
}

fn read_destination(control: &[u8; CONTROL]) -> Ipv4Addr {
    let mut octets = [0; 4];
    octets.copy_from_slice(&control[INFO + 8..INFO + 12]);
    Ipv4Addr::from(octets)
}
