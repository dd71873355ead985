//! Ports without sockets of their own: a program in the kernel steers them into a few sockets of each worker.
//!
//! ```text
//!  arriving packet ── sk_lookup program ── (local address, port) open? ── yes ── the socket of its worker and family
//!                                                        └── no ── the kernel's own lookup, as if we were not there
//! ```
//!
//! An open port is an entry in a map and needs no descriptor. Only a number that the kernel may hand out to any program (inside
//! `ip_local_port_range` and not in `ip_local_reserved_ports`) stays bound by a socket that nobody reads.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use boringsdp_core::address::Address;

use crate::bpf::{Link, PortMap, SocketMap};
use crate::handed_out::HandedOut;
use crate::lookup::{cookie, Lookup};
use crate::{raw, socket};

/// For all calls of a worker together: some 150 ms of 1000 calls.
const RECEIVE_BUFFER: i32 = 16 << 20;
const IP_RECVORIGDSTADDR: i32 = libc::IP_ORIGDSTADDR;
const IPV6_RECVORIGDSTADDR: i32 = libc::IPV6_ORIGDSTADDR;

/// What steers ports into sockets: two of them (IPv4, IPv6) for each worker. All is undone when it is dropped.
pub struct Steering {
    range: Option<(u16, u16)>,
    receivers: Vec<Vec<RawFd>>,
    _sockets: Vec<OwnedFd>,
    state: Mutex<State>,
}

struct State {
    /// None when all has ended.
    link: Option<Link>,
    ports: PortMap,
    /// The open ports, each with the socket that keeps others off it, where one is needed.
    open: HashMap<Address, Option<OwnedFd>>,
    /// Raw sockets by worker and host.
    senders: HashMap<(usize, Address), OwnedFd>,
    handed_out: HandedOut,
    /// None where the kernel lacks it: then every port is held by a socket.
    lookup: Option<Lookup>,
}

impl Steering {
    /// `range` holds the numbers that may be opened (both included); None: any. The error says what is missing.
    pub fn new(workers: usize, range: Option<(u16, u16)>) -> Result<Self, String> {
        let ports = PortMap::new().map_err(|error| refused("make a BPF map", &error))?;
        let map = SocketMap::new(2 * workers as u32 + 1).map_err(|error| refused("make a BPF map of sockets", &error))?;
        let (mut sockets, mut receivers) = (Vec::new(), vec![Vec::new(); workers]);
        for (worker, mine) in receivers.iter_mut().enumerate() {
            for v6 in [false, true] {
                let socket = match receiver(v6) {
                    Err(error) if v6 && no_such_family(&error) => continue,
                    made => made.map_err(|error| refused("make a socket", &error))?,
                };
                map.insert(index_of(worker, v6), &socket).map_err(|error| refused("put a socket into a BPF map", &error))?;
                mine.push(socket.as_raw_fd());
                sockets.push(socket);
            }
        }
        raw::sender(loopback(false)).map_err(|error| refused("make a raw socket", &error))?;
        let link = Link::new(&ports, &map).map_err(|(error, log)| match log.as_str() {
            "" => refused("attach an sk_lookup program", &error),
            log => format!("{}\n{log}", refused("load an sk_lookup program", &error)),
        })?;
        let state = State {
            link: Some(link),
            ports,
            open: HashMap::new(),
            senders: HashMap::new(),
            handed_out: HandedOut::default(),
            lookup: Lookup::new().ok(),
        };
        Ok(Self { range, receivers, _sockets: sockets, state: Mutex::new(state) })
    }

    /// Whether this port is to be steered: its number lies in the range (0 does when there is none), and its host is one.
    pub fn takes(&self, address: Address) -> bool {
        let numbered = self.range.is_none_or(|(low, high)| (low..=high).contains(&address.port()));
        numbered && is_sendable(address)
    }

    /// Steer the port to a worker; its real address. `EADDRINUSE` when it is taken, by whomever.
    pub fn open(&self, address: Address, worker: usize) -> io::Result<Address> {
        let state = &mut *self.state();
        if state.open.contains_key(&address) {
            return Err(taken());
        }
        // Who binds the port now holds it until the map has it: of two engines that open it at once, one is refused.
        let probe = probe(address)?;
        let address = socket::address_of(&probe)?;
        if state.is_steered_elsewhere(address, &probe) {
            return Err(taken());
        }
        state.sender(worker, address)?;
        if let Err(error) = state.ports.insert(address, index_of(worker, !address.is_v4())) {
            state.ports.remove(address);
            return Err(error);
        }
        let held = state.lookup.is_none() || state.handed_out.contains(address.port());
        state.open.insert(address, held.then_some(probe));
        Ok(address)
    }

    pub fn close(&self, address: Address) {
        let state = &mut *self.state();
        state.ports.remove(address); // first, so that nothing arrives for a port that is somebody else's by now
        state.open.remove(&address);
    }

    /// Steer nothing any more. The kernel has room for 64 programs in a namespace, so that it does not wait until this is dropped.
    pub fn end(&self) {
        let state = &mut *self.state();
        state.link = None;
        state.open.clear();
    }

    /// Whether a steered port would share this address with a socket that is bound there, which the kernel need not notice.
    pub fn uses(&self, address: Address) -> bool {
        let state = self.state();
        let wild = address.ip().is_unspecified();
        address.port() != 0
            && match wild {
                true => state.open.keys().any(|open| open.port() == address.port() && open.is_v4() == address.is_v4()),
                false => state.open.contains_key(&address),
            }
    }

    /// The sockets that a worker reads, by `recvmmsg`: each datagram with its original destination in ancillary data.
    pub fn receivers(&self, worker: usize) -> &[RawFd] {
        self.receivers.get(worker).map_or(&[], Vec::as_slice)
    }

    /// The raw socket that a worker sends from for an open port; it lives as long as this.
    pub fn sender(&self, worker: usize, address: Address) -> io::Result<RawFd> {
        self.state().sender(worker, address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether what comes to the port is given to another socket than the one that is bound to it, by a program like ours.
    fn is_steered_elsewhere(&mut self, address: Address, bound: &OwnedFd) -> bool {
        let Some(lookup) = &mut self.lookup else { return false };
        match (lookup.find(address), cookie(bound)) {
            (Ok(found), Ok(own)) => found.is_some_and(|found| found != own),
            _ => {
                self.lookup = None;
                false
            }
        }
    }

    fn sender(&mut self, worker: usize, address: Address) -> io::Result<RawFd> {
        let host = address.with_port(0);
        if let Some(socket) = self.senders.get(&(worker, host)) {
            return Ok(socket.as_raw_fd());
        }
        let socket = raw::sender(host)?;
        let fd = socket.as_raw_fd();
        self.senders.insert((worker, host), socket);
        Ok(fd)
    }
}

fn index_of(worker: usize, v6: bool) -> u32 {
    2 * worker as u32 + u32::from(v6) + 1 // 0 is none
}

fn loopback(v6: bool) -> Address {
    if v6 {
        Address::v6(std::net::Ipv6Addr::LOCALHOST.octets(), 0)
    } else {
        Address::v4([127, 0, 0, 1], 0)
    }
}

/// Whether a raw socket can be bound to the host, and tell what to write as the source: it is one host, on whichever link.
pub fn is_sendable(address: Address) -> bool {
    !address.ip().is_unspecified() && !address.ip().is_multicast() && !is_link_local(address)
}

fn is_link_local(address: Address) -> bool {
    matches!(address.ip(), std::net::IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// The socket that takes what is steered. It is bound to a number of its own, which nobody is told.
fn receiver(v6: bool) -> io::Result<OwnedFd> {
    let socket = udp(v6)?;
    socket::set_buffers(&socket, RECEIVE_BUFFER, 0)?;
    if v6 {
        socket::set_option(&socket, libc::IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1)?;
    } else {
        socket::set_option(&socket, libc::IPPROTO_IP, IP_RECVORIGDSTADDR, 1)?;
    }
    socket::bind(&socket, loopback(v6))?;
    Ok(socket)
}

/// A socket bound to the port, to see whether it is free. Nothing that comes to it is ever read.
fn probe(address: Address) -> io::Result<OwnedFd> {
    let socket = udp(!address.is_v4())?;
    socket::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, 0)?;
    socket::bind(&socket, address)?;
    Ok(socket)
}

fn udp(v6: bool) -> io::Result<OwnedFd> {
    let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    let socket = socket::open(family, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0)?;
    if v6 {
        socket::set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    Ok(socket)
}

fn taken() -> io::Error {
    io::Error::from_raw_os_error(libc::EADDRINUSE)
}

/// The machine speaks no IPv6.
fn no_such_family(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

/// Why something failed, as the operator can mend it.
fn refused(what: &str, error: &io::Error) -> String {
    let why = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => match missing().as_slice() {
            [] => "the process has the capabilities, but not where it counts (a user namespace, as in a rootless container), or a \
                   security policy (seccomp, LSM) forbids it"
                .to_owned(),
            missing => format!("needs {}", missing.join(", ")),
        },
        Some(libc::ENOSYS) => "the kernel has no bpf(2)".to_owned(),
        Some(libc::EINVAL) => "the kernel is older than Linux 5.9, or built without it".to_owned(),
        _ => error.to_string(),
    };
    format!("cannot {what}: {why} ({})", errno_name(error))
}

fn errno_name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => "EPERM".to_owned(),
        Some(libc::EACCES) => "EACCES".to_owned(),
        Some(libc::EINVAL) => "EINVAL".to_owned(),
        Some(libc::ENOSYS) => "ENOSYS".to_owned(),
        Some(number) => format!("errno {number}"),
        None => error.kind().to_string(),
    }
}

/// The capabilities that this process lacks.
fn missing() -> Vec<&'static str> {
    const SYS_ADMIN: u64 = 1 << 21; // has CAP_BPF in it
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let Some(effective) = effective else { return Vec::new() };
    let wanted = [("CAP_BPF", 1 << 39 | SYS_ADMIN), ("CAP_NET_ADMIN", 1 << 12), ("CAP_NET_RAW", 1 << 13)];
    wanted.iter().filter(|(_, mask)| effective & mask == 0).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmsg::Inbox;
    use std::net::{SocketAddr, UdpSocket};
    use std::time::Duration;

    /// A number that no kernel hands out unless it is told to.
    const LOW: u16 = 23_456;

    /// None, with a word why, where steering is not permitted.
    fn steering(workers: usize) -> Option<Steering> {
        match Steering::new(workers, None) {
            Ok(steering) => Some(steering),
            Err(why) => {
                assert!(std::env::var_os("BORINGSDP_REQUIRE_PEERS").is_none(), "{why}");
                eprintln!("skipped: {why}");
                None
            }
        }
    }

    fn address(text: &str) -> Address {
        let address: SocketAddr = text.parse().unwrap();
        Address::new(address.ip(), address.port())
    }

    fn socket_address(address: Address) -> SocketAddr {
        SocketAddr::new(address.ip(), address.port())
    }

    fn errno<T>(result: io::Result<T>) -> Option<i32> {
        result.err().and_then(|error| error.raw_os_error())
    }

    /// What comes next to a socket that is steered to, when it was sent to this port; None when nothing does.
    fn take(socket: RawFd, port: Address) -> Option<Vec<u8>> {
        let mut ready = libc::pollfd { fd: socket, events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd.
        unsafe { libc::poll(&raw mut ready, 1, 100) };
        let mut inbox = Inbox::new();
        let got = inbox.take_steered(socket);
        inbox.sort(got, &[(port, 7)].into_iter().collect());
        let data = inbox.datagrams().next().map(|(_, _, data)| data.to_vec());
        data
    }

    fn send(data: &[u8], to: Address) -> UdpSocket {
        let socket = UdpSocket::bind(if to.is_v4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
        socket.send_to(data, socket_address(to)).unwrap();
        socket
    }

    #[test]
    fn an_open_port_is_steered_to_its_worker() {
        let Some(steering) = steering(2) else { return };
        for (host, index) in [("127.0.0.1", 0), ("[::1]", 1)] {
            for worker in [0, 1] {
                let port = steering.open(address(&format!("{host}:0")), worker).unwrap();
                assert!(port.port() > 0);
                send(b"to a port", port);
                assert_eq!(take(steering.receivers(worker)[index], port), Some(b"to a port".to_vec()));
                assert_eq!(take(steering.receivers(1 - worker)[index], port), None);
            }
        }
    }

    #[test]
    fn one_socket_takes_for_several_hosts() {
        let Some(steering) = steering(1) else { return };
        let ports = ["127.0.0.11:23001", "127.0.0.12:23001", "127.0.0.12:23002"].map(|text| steering.open(address(text), 0).unwrap());
        for port in ports {
            send(b"hello", port);
            assert_eq!(take(steering.receivers(0)[0], port), Some(b"hello".to_vec()));
        }
    }

    #[test]
    fn hosts_of_one_number_come_and_go() {
        let Some(steering) = steering(1) else { return };
        for hosts in [["127.0.0.13", "127.0.0.14", "127.0.0.15"].as_slice(), &["[::1]"]] {
            let ports: Vec<_> = hosts.iter().map(|host| address(&format!("{host}:{LOW}"))).collect();
            let mut open = HashMap::new();
            for turn in [0, 1, 2, 0, 0, 1, 2, 0] {
                let port = ports[turn % ports.len()];
                if open.remove(&port).is_some() {
                    steering.close(port);
                } else {
                    open.insert(port, steering.open(port, 0).unwrap());
                }
                for port in &ports {
                    send(b"hello", *port);
                    assert_eq!(take(steering.receivers(0)[usize::from(!port.is_v4())], *port).is_some(), open.contains_key(port));
                }
            }
            assert_eq!(steering.state().open.len(), open.len());
            open.values().for_each(|port| steering.close(*port));
        }
    }

    #[test]
    fn what_is_not_open_is_left_alone() {
        let Some(steering) = steering(1) else { return };
        let ours = steering.open(address(&format!("127.0.0.21:{LOW}")), 0).unwrap();
        let other = UdpSocket::bind(format!("127.0.0.22:{LOW}")).unwrap();
        other.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        send(b"not for us", address(&format!("127.0.0.22:{LOW}")));
        assert_eq!(other.recv_from(&mut [0; 100]).unwrap().0, 10);
        assert_eq!(take(steering.receivers(0)[0], ours), None);
    }

    #[test]
    fn a_closed_port_is_nobodys() {
        let Some(steering) = steering(1) else { return };
        for number in [0, LOW] {
            let port = steering.open(address(&format!("127.0.0.31:{number}")), 0).unwrap();
            steering.close(port);
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            client.connect(socket_address(port)).unwrap();
            client.send(b"too late").unwrap();
            assert_eq!(client.recv(&mut [0; 100]).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
            assert_eq!(steering.open(port, 0).unwrap(), port);
        }
    }

    #[test]
    fn only_a_number_that_may_be_handed_out_is_held() {
        let Some(steering) = steering(1) else { return };
        let any = steering.open(address("127.0.0.41:0"), 0).unwrap();
        let low = steering.open(address(&format!("127.0.0.41:{LOW}")), 0).unwrap();
        let state = steering.state();
        assert!(state.lookup.is_some(), "this kernel has no udp_diag");
        assert!(state.open[&any].is_some() && state.open[&low].is_none());
    }

    #[test]
    fn a_port_that_is_taken_is_refused() {
        let (Some(steering), Some(other)) = (steering(1), steering(1)) else { return };
        let bound = UdpSocket::bind("127.0.0.51:0").unwrap().local_addr().unwrap();
        let bound = UdpSocket::bind(bound).unwrap();
        let wild = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
        let wild = UdpSocket::bind(("0.0.0.0", wild)).unwrap();
        for taken in [bound.local_addr().unwrap().to_string(), format!("127.0.0.51:{}", wild.local_addr().unwrap().port())] {
            assert_eq!(errno(steering.open(address(&taken), 0)), Some(libc::EADDRINUSE), "{taken}");
        }
        for ours in ["127.0.0.51:0".to_owned(), format!("127.0.0.51:{LOW}"), format!("[::1]:{LOW}")] {
            let port = steering.open(address(&ours), 0).unwrap();
            assert_eq!(errno(steering.open(port, 0)), Some(libc::EADDRINUSE), "{ours} by the same engine");
            assert_eq!(errno(other.open(port, 0)), Some(libc::EADDRINUSE), "{ours} by another");
            steering.close(port);
            assert_eq!(other.open(port, 0).unwrap(), port);
        }
        assert_eq!(errno(steering.open(address("192.0.2.250:5004"), 0)), Some(libc::EADDRNOTAVAIL));
    }

    #[test]
    fn two_engines_steer_beside_each_other() {
        let (Some(first), Some(second)) = (steering(1), steering(1)) else { return };
        let one = first.open(address(&format!("127.0.0.61:{LOW}")), 0).unwrap();
        let two = second.open(address("127.0.0.61:23457"), 0).unwrap();
        for (engine, port) in [(&first, one), (&second, two)] {
            send(b"mine", port);
            assert_eq!(take(engine.receivers(0)[0], port), Some(b"mine".to_vec()));
        }
        drop(first);
        send(b"still mine", two);
        assert_eq!(take(second.receivers(0)[0], two), Some(b"still mine".to_vec()));
    }

    #[test]
    fn a_steered_port_answers_from_itself() {
        let Some(steering) = steering(1) else { return };
        for host in ["127.0.0.71", "[::1]"] {
            let port = steering.open(address(&format!("{host}:0")), 0).unwrap();
            let client = send(b"who is there", port);
            client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let to = client.local_addr().unwrap();
            let mut room = [&[0; boringsdp_core::outbox::HEADROOM][..], b"I am"].concat();
            let begin = raw::write_headers(&mut room, port, address(&to.to_string()), 0).unwrap();
            raw::send_to(steering.sender(0, port).unwrap(), &room[begin..], address(&to.to_string()).with_port(0)).unwrap();
            let mut taken = [0; 100];
            assert_eq!(client.recv_from(&mut taken).unwrap(), (4, socket_address(port)));
            assert_eq!(&taken[..4], b"I am");
        }
    }

    #[test]
    fn takes_hosts_in_the_range_only() {
        let Ok(steering) = Steering::new(1, Some((20_000, 29_999))) else { return };
        for (text, taken) in [
            ("127.0.0.1:20000", true),
            ("[2001:db8::1]:29999", true),
            ("127.0.0.1:19999", false),
            ("127.0.0.1:0", false),
            ("0.0.0.0:20000", false),
            ("[::]:20000", false),
            ("[fe80::1]:20000", false),
        ] {
            assert_eq!(steering.takes(address(text)), taken, "{text}");
        }
    }

    #[test]
    fn says_what_is_in_use_beside_it() {
        let Some(steering) = steering(1) else { return };
        steering.open(address(&format!("127.0.0.81:{LOW}")), 0).unwrap();
        for (text, used) in [("127.0.0.81", true), ("0.0.0.0", true), ("127.0.0.82", false), ("[::]", false)] {
            assert_eq!(steering.uses(address(&format!("{text}:{LOW}"))), used, "{text}");
        }
    }
}
