//! What a transport counts, told apart by port. Nothing here costs an RTP packet anything: RTP is what is left when the rest is counted.

use crate::address::Address;
use crate::outbox::Kind;
use crate::statistics::{PortStatistics, TransportStatistics};
use crate::transport::Transport;

/// Packets and octets of one kind, both ways.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub packets_received: u64,
    pub bytes_received: u64,
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub last_arrival: f64,
}

impl Tally {
    pub fn receive(&mut self, length: usize) {
        self.packets_received += 1;
        self.bytes_received += length as u64;
    }

    pub fn send(&mut self, length: usize) {
        self.packets_sent += 1;
        self.bytes_sent += length as u64;
    }

    /// It was not sent after all.
    pub fn take_back(&mut self, length: usize) {
        self.packets_sent = self.packets_sent.saturating_sub(1);
        self.bytes_sent = self.bytes_sent.saturating_sub(length as u64);
    }
}

impl Transport {
    /// What was counted as sent was not.
    pub fn take_back(&mut self, kind: Kind, length: usize) {
        self.packets_sent = self.packets_sent.saturating_sub(1);
        self.bytes_sent = self.bytes_sent.saturating_sub(length as u64);
        match kind {
            Kind::Rtcp => self.rtcp.take_back(length),
            Kind::Dtls => self.dtls.take_back(length),
            Kind::Media | Kind::Stun => {}
        }
    }

    pub fn statistics(&self) -> TransportStatistics {
        TransportStatistics {
            remote: self.rtp_path().map(|path| path.1),
            rtcp_remote: self.rtcp_path().map(|path| path.1),
            packets_received: self.packets_received,
            bytes_received: self.bytes_received,
            packets_sent: self.packets_sent,
            bytes_sent: self.bytes_sent,
            drops: self.drops.iter().collect(),
            rtp: self.rtp_statistics(),
            rtcp: self.rtcp_statistics(),
        }
    }

    /// The figures of RTP, or of a raw transport's datagrams.
    fn rtp_statistics(&self) -> PortStatistics {
        let (rtcp, dtls) = (&self.rtcp, &self.dtls);
        let (announced, learned) = self.announced(false);
        PortStatistics {
            remote: self.rtp_path().map(|path| path.1),
            announced,
            learned,
            last_arrival: self.sources.iter().map(|source| source.last_arrival).fold(self.last_gone, f64::max),
            packets_received: self.packets_received.saturating_sub(rtcp.packets_received + dtls.packets_received),
            bytes_received: self.bytes_received.saturating_sub(rtcp.bytes_received + dtls.bytes_received),
            packets_sent: self.packets_sent.saturating_sub(rtcp.packets_sent + dtls.packets_sent),
            bytes_sent: self.bytes_sent.saturating_sub(rtcp.bytes_sent + dtls.bytes_sent),
        }
    }

    fn rtcp_statistics(&self) -> PortStatistics {
        let tally = &self.rtcp;
        let (announced, learned) = self.announced(true);
        PortStatistics {
            remote: self.rtcp_path().map(|path| path.1),
            announced,
            learned,
            last_arrival: tally.last_arrival,
            packets_received: tally.packets_received,
            bytes_received: tally.bytes_received,
            packets_sent: tally.packets_sent,
            bytes_sent: tally.bytes_sent,
        }
    }

    /// Where the peer of a port said it is, and whether it was heard from where it is now believed to be.
    fn announced(&self, rtcp: bool) -> (Option<Address>, bool) {
        match &self.plain {
            Some(plain) if !self.speaks_ice => {
                let latching = if rtcp && !self.plain_muxed(plain) { &plain.side } else { &plain.main };
                (latching.announced, latching.learned)
            }
            _ => (None, if rtcp { self.rtcp_path() } else { self.rtp_path() }.is_some()),
        }
    }
}
