//! IP and UDP headers written by ourselves, to send from any port.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use boringsdp_core::address::Address;
use boringsdp_core::outbox::HEADROOM;

use crate::socket::{self, Name};

pub const UDP_HEADER: usize = 8;
const V4_HEADER: usize = 20;
const V6_HEADER: usize = 40;
const HOPS: u8 = 64;
/// For all calls of a worker together.
const SEND_BUFFER: i32 = 4 << 20;
const UDP: u8 = libc::IPPROTO_UDP as u8;

/// A raw socket that sends whole packets from `host` and hears nothing. `EPERM` without CAP_NET_RAW.
///
/// It is bound to the host, so that the route is chosen as for an ordinary socket that is bound there (rules by source address).
pub fn sender(host: Address) -> io::Result<OwnedFd> {
    let family = if host.is_v4() { libc::AF_INET } else { libc::AF_INET6 };
    let socket = socket::open(family, libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, libc::IPPROTO_RAW)?;
    if !host.is_v4() {
        socket::set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_HDRINCL, 1)?;
    }
    socket::set_buffers(&socket, 0, SEND_BUFFER)?;
    socket::bind(&socket, host.with_port(0))?;
    Ok(socket)
}

/// Write the headers before a datagram: `room` is `HEADROOM` free octets and the payload. Where in it the packet begins.
///
/// None: the families differ, or it is longer than a packet can be. To be sent on the `sender` of `from` to the host of `to`, port 0.
pub fn write_headers(room: &mut [u8], from: Address, to: Address, tos: u8) -> Option<usize> {
    let length = room.len().checked_sub(HEADROOM - UDP_HEADER)?;
    let begin = match (from.v4_octets(), to.v4_octets()) {
        (Some(source), Some(destination)) => {
            let total = u16::try_from(length + V4_HEADER).ok()?;
            let (begin, header) = before::<V4_HEADER>(room)?;
            write_v4(header, total, source, destination, tos);
            begin
        }
        (None, None) => {
            let (begin, header) = before::<V6_HEADER>(room)?;
            write_v6(header, u16::try_from(length).ok()?, from, to, tos);
            begin
        }
        _ => return None,
    };
    let length = length as u16;
    let udp = room.get_mut(HEADROOM - UDP_HEADER..)?;
    let header: &mut [u8; UDP_HEADER] = udp.first_chunk_mut()?;
    header[0..2].copy_from_slice(&from.port().to_be_bytes());
    header[2..4].copy_from_slice(&to.port().to_be_bytes());
    header[4..6].copy_from_slice(&length.to_be_bytes());
    header[6..8].fill(0);
    let checksum = checksum(from, to, length, udp);
    udp[6..8].copy_from_slice(&checksum);
    Some(begin)
}

/// The octets right before the UDP header, and where they begin.
fn before<const LENGTH: usize>(room: &mut [u8]) -> Option<(usize, &mut [u8; LENGTH])> {
    let begin = HEADROOM - UDP_HEADER - LENGTH;
    Some((begin, room.get_mut(begin..)?.first_chunk_mut()?))
}

/// Don't fragment; no id, which such a packet needs none of; the checksum is the kernel's.
fn write_v4(header: &mut [u8; V4_HEADER], total: u16, source: [u8; 4], destination: [u8; 4], tos: u8) {
    let [high, low] = total.to_be_bytes();
    header[..12].copy_from_slice(&[0x45, tos, high, low, 0, 0, 0x40, 0, HOPS, UDP, 0, 0]);
    header[12..16].copy_from_slice(&source);
    header[16..20].copy_from_slice(&destination);
}

fn write_v6(header: &mut [u8; V6_HEADER], length: u16, source: Address, destination: Address, class: u8) {
    let [high, low] = length.to_be_bytes();
    header[..8].copy_from_slice(&[0x60 | class >> 4, class << 4, 0, 0, high, low, UDP, HOPS]);
    header[8..24].copy_from_slice(&source.octets());
    header[24..40].copy_from_slice(&destination.octets());
}

/// The checksum of a UDP packet whose own is 0 as yet, in network order (RFC 768, RFC 8200 §8.1).
///
/// Summed in the machine's order, whatever that is: the ones' complement sum does not mind (RFC 1071 §2). The mapped part of an IPv4
/// address adds 0xffff, which is 0.
fn checksum(from: Address, to: Address, length: u16, udp: &[u8]) -> [u8; 2] {
    let pseudo = u64::from(u16::from_ne_bytes(length.to_be_bytes())) + u64::from(u16::from_ne_bytes([0, UDP]));
    let mut sum = pseudo + add(&from.octets()) + add(&to.octets()) + add(udp);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !(sum as u16) {
        0 => [0xff, 0xff],
        checksum => checksum.to_ne_bytes(),
    }
}

/// A number that is congruent to the ones' complement sum of all 16-bit words, below 2^34.
#[inline]
fn add(octets: &[u8]) -> u64 {
    let mut words = octets.chunks_exact(8);
    let mut sum = 0u128;
    for word in &mut words {
        sum += u128::from(u64::from_ne_bytes([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]]));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(words.remainder()) {
        *to = *from;
    }
    sum += u128::from(u64::from_ne_bytes(last));
    let (high, low) = ((sum >> 64) as u64, sum as u64);
    high + (low >> 32) + (low & 0xffff_ffff)
}

/// Send in fragments what was too long for its path: `datagram` begins with the UDP header that `write_headers` wrote. Slow.
pub fn send_in_fragments(datagram: &[u8], from: Address, to: Address, tos: u8) -> io::Result<()> {
    let (family, level, class, discover, off) = if from.is_v4() {
        (libc::AF_INET, libc::IPPROTO_IP, libc::IP_TOS, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)
    } else {
        (libc::AF_INET6, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)
    };
    // Not an ordinary socket: the port may be held by one already. The kernel writes the IP headers, the UDP header is ours.
    let socket = socket::open(family, libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, libc::IPPROTO_UDP)?;
    socket::set_option(&socket, level, discover, off)?;
    socket::set_option(&socket, level, class, tos.into())?;
    socket::bind(&socket, from.with_port(0))?;
    send_to(socket.as_raw_fd(), datagram, to.with_port(0))
}

/// Send one whole packet.
pub fn send_to(socket: RawFd, data: &[u8], to: Address) -> io::Result<()> {
    let (name, length) = Name::new(to);
    // SAFETY: both pointers are to as many octets as is said beside them.
    let sent = unsafe { libc::sendto(socket, data.as_ptr().cast(), data.len(), 0, (&raw const name).cast(), length) };
    socket::check(sent as i32).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    const PORT: u16 = 40_001;

    fn packet(length: usize) -> Vec<u8> {
        let mut room = vec![0xaa; HEADROOM];
        room.extend((0..length).map(|at| (at * 31 + length) as u8));
        room
    }

    fn loopback(v6: bool, port: u16) -> Address {
        Address::new(if v6 { "::1" } else { "127.0.0.1" }.parse().unwrap(), port)
    }

    /// None, with a word why, where raw sockets are not permitted.
    fn opened(host: Address) -> Option<OwnedFd> {
        match sender(host) {
            Ok(socket) => Some(socket),
            Err(error) => {
                assert!(std::env::var_os("BORINGSDP_REQUIRE_PEERS").is_none(), "{error}");
                eprintln!("skipped, needs CAP_NET_RAW: {error}");
                None
            }
        }
    }

    fn reference(from: Address, to: Address, udp: &[u8]) -> u16 {
        let mut octets = [from.octets(), to.octets()].concat();
        octets.extend((udp.len() as u16).to_be_bytes());
        octets.extend([0, 17]);
        octets.extend(udp);
        octets.resize(octets.len().next_multiple_of(2), 0);
        let mut sum = octets.chunks(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]]))).sum::<u32>();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        for v6 in [false, true] {
            let (from, to) = (loopback(v6, 5004), loopback(v6, 60_002));
            for length in 0..300 {
                let mut room = packet(length);
                write_headers(&mut room, from, to, 0).unwrap();
                let udp = &mut room[HEADROOM - UDP_HEADER..];
                let written = u16::from_be_bytes([udp[6], udp[7]]);
                udp[6..8].fill(0);
                assert_eq!(written, reference(from, to, udp), "{length} octets");
            }
        }
    }

    #[test]
    fn a_checksum_of_zero_is_sent_as_all_ones() {
        let (from, to) = (loopback(false, 5004), loopback(false, 60_002));
        let found = (0..=u16::MAX).find(|value| {
            let mut room = packet(0);
            room.extend(value.to_be_bytes());
            let mut zeroed = room.clone();
            write_headers(&mut zeroed, from, to, 0).unwrap();
            let udp = &mut zeroed[HEADROOM - UDP_HEADER..];
            let written = [udp[6], udp[7]];
            udp[6..8].fill(0);
            assert_ne!(written, [0, 0]);
            reference(from, to, udp) == 0 && written == [0xff, 0xff]
        });
        assert!(found.is_some());
    }

    #[test]
    fn refuses_what_is_no_packet() {
        let (four, six) = (loopback(false, 1), loopback(true, 1));
        assert_eq!(write_headers(&mut packet(10), four, six, 0), None);
        assert_eq!(write_headers(&mut packet(10), six, four, 0), None);
        assert_eq!(write_headers(&mut packet(65_508), four, four, 0), None);
        assert_eq!(write_headers(&mut packet(65_507), four, four, 0), Some(20));
        assert_eq!(write_headers(&mut packet(65_528), six, six, 0), None);
        assert_eq!(write_headers(&mut [0; HEADROOM - 1], four, four, 0).filter(|_| false), None);
    }

    #[test]
    fn an_ordinary_socket_takes_every_length() {
        for v6 in [false, true] {
            let Some(raw) = opened(loopback(v6, 0)) else { return };
            let peer = UdpSocket::bind(if v6 { "[::1]:0" } else { "127.0.0.1:0" }).unwrap();
            peer.set_read_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
            let to = loopback(v6, peer.local_addr().unwrap().port());
            for length in (0..260).chain([1199, 1200, 1400, 8000]) {
                let mut room = packet(length);
                let begin = write_headers(&mut room, loopback(v6, PORT), to, 0xb8).unwrap();
                send_to(raw.as_raw_fd(), &room[begin..], to.with_port(0)).unwrap();
                let mut taken = [0; 9000];
                let (count, source) = peer.recv_from(&mut taken).unwrap();
                assert_eq!(taken[..count], room[HEADROOM..]);
                assert_eq!(source.port(), PORT);
            }
        }
    }

    #[test]
    fn the_kernel_may_write_the_ip_header() {
        for v6 in [false, true] {
            let Some(_) = opened(loopback(v6, 0)) else { return };
            let peer = UdpSocket::bind(if v6 { "[::1]:0" } else { "127.0.0.1:0" }).unwrap();
            peer.set_read_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
            let to = loopback(v6, peer.local_addr().unwrap().port());
            let mut room = packet(65_000);
            write_headers(&mut room, loopback(v6, PORT), to, 0xb8).unwrap();
            send_in_fragments(&room[HEADROOM - UDP_HEADER..], loopback(v6, PORT), to, 0xb8).unwrap();
            let mut taken = vec![0; 70_000];
            let (count, source) = peer.recv_from(&mut taken).unwrap();
            assert_eq!((&taken[..count], source.port()), (&room[HEADROOM..], PORT));
        }
    }
}
