//! News from the plane upwards: the events of `boringsdp/relay/engine.py`.

use crate::address::Address;
use crate::spec::{StreamId, TransportId};

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    PathSelected {
        transport: TransportId,
        remote: Address,
    },
    RtcpPathSelected {
        transport: TransportId,
        remote: Address,
    },
    ConsentLost {
        transport: TransportId,
    },
    IceRestarted {
        transport: TransportId,
    },
    DtlsReceived {
        transport: TransportId,
        data: Vec<u8>,
        rtcp: bool,
        source: Option<Address>,
    },
    RtcpReceived {
        transport: TransportId,
        data: Vec<u8>,
        at: f64,
    },
    TelephoneEventReceived {
        stream: StreamId,
        ssrc: u32,
        timestamp: u32,
        payload_type: u8,
        event: u8,
        end: bool,
        volume: u8,
        duration: u16,
        at: f64,
    },
    SsrcSeen {
        stream: StreamId,
        ssrc: u32,
        payload_type: u8,
    },
    MediaReceiving {
        stream: StreamId,
        receiving: bool,
    },
    AuthFailures {
        transport: TransportId,
        count: u64,
    },
    NotKept {
        stream: StreamId,
        sequences: Vec<u16>,
    },
    /// A defect of ours met in a packet of this transport, which carries nothing any more.
    TransportFailed {
        transport: TransportId,
    },
}

impl Event {
    /// Whether nobody misses the event for some time: a regular report (SR, RR, SDES, XR), which says itself when it came.
    pub fn can_wait(&self) -> bool {
        let Event::RtcpReceived { data, .. } = self else { return false };
        let mut rest = data.as_slice();
        while let [_, 200..=202 | 207, high, low, ..] = *rest {
            match rest.get(4 + 4 * usize::from(u16::from_be_bytes([high, low]))..) {
                Some(next) => rest = next,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// Of whom a message is: a transport's number, or a stream's from above. None for what is no message, but a state.
    pub(crate) fn sender(&self) -> Option<u64> {
        match self {
            Self::DtlsReceived { transport, .. } | Self::RtcpReceived { transport, .. } => Some(*transport),
            Self::TelephoneEventReceived { stream, .. } => Some(!stream),
            _ => None,
        }
    }

    /// Whether nobody needs the other one any more, which came before.
    pub(crate) fn replaces(&self, former: &Self) -> bool {
        match (self, former) {
            (Self::PathSelected { transport, .. }, Self::PathSelected { transport: other, .. })
            | (Self::RtcpPathSelected { transport, .. }, Self::RtcpPathSelected { transport: other, .. }) => transport == other,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_can_wait_and_feedback_cannot() {
        let event = |data: &[&[u8]]| Event::RtcpReceived { transport: 1, data: data.concat(), at: 0.0 };
        let (report, nack): (&[u8], &[u8]) = (&[0x80, 201, 0, 1, 1, 2, 3, 4], &[0x81, 205, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 0]);
        assert!(event(&[report]).can_wait() && event(&[report, report]).can_wait());
        assert!(!event(&[report, nack]).can_wait() && !event(&[nack]).can_wait());
        assert!(!event(&[&report[..7]]).can_wait() && !event(&[&[0x80, 201, 0xFF, 0xFF]]).can_wait());
        assert!(!Event::ConsentLost { transport: 1 }.can_wait());
    }
}
