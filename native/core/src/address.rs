//! Where a peer is.

use std::net::{IpAddr, Ipv6Addr};

/// An IP address and UDP port. IPv4 is held as IPv4-mapped IPv6, so that both hash and compare as 18 octets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    octets: [u8; 16],
    port: u16,
}

impl Address {
    /// None in particular.
    pub const UNSPECIFIED: Self = Self { octets: [0; 16], port: 0 };

    pub fn new(ip: IpAddr, port: u16) -> Self {
        let octets = match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        Self { octets, port }
    }

    /// From the octets of an IPv4 address, in network order.
    #[inline]
    pub const fn v4(octets: [u8; 4], port: u16) -> Self {
        let [a, b, c, d] = octets;
        Self { octets: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d], port }
    }

    /// From the octets of an IPv6 address (an IPv4-mapped one is IPv4).
    #[inline]
    pub const fn v6(octets: [u8; 16], port: u16) -> Self {
        Self { octets, port }
    }

    #[inline]
    pub fn port(&self) -> u16 {
        self.port
    }

    #[inline]
    pub fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    #[inline]
    pub fn is_v4(&self) -> bool {
        matches!(self.octets, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ..])
    }

    /// The IPv4 octets, when it is IPv4.
    #[inline]
    pub fn v4_octets(&self) -> Option<[u8; 4]> {
        self.is_v4().then(|| [self.octets[12], self.octets[13], self.octets[14], self.octets[15]])
    }

    /// All 16 octets, IPv4-mapped for IPv4.
    #[inline]
    pub fn octets(&self) -> [u8; 16] {
        self.octets
    }

    /// The address without the port; never IPv4-mapped.
    pub fn ip(&self) -> IpAddr {
        Ipv6Addr::from(self.octets).to_canonical()
    }
}

/// In three steps instead of one for each octet: this is done for every packet.
impl std::hash::Hash for Address {
    #[inline]
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let all = u128::from_ne_bytes(self.octets);
        state.write_u64(all as u64);
        state.write_u64((all >> 64) as u64);
        state.write_u16(self.port);
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", std::net::SocketAddr::new(self.ip(), self.port))
    }
}
