//! Keys of RTCP alone: DTLS without rtcp-mux makes one association for each port (RFC 5764 §4.1).

use crate::error::Command;
use crate::keys::{Keys, Way};
use crate::srtp::{SrtpReceiver, SrtpSender};

pub(crate) const WAYS: [Way; 2] = [Way::Receive, Way::Send];

/// What is so in one way, and in the other.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ways([bool; 2]);

impl Ways {
    pub fn has(self, way: Way) -> bool {
        self.0[way as usize]
    }

    pub fn set(&mut self, way: Way, so: bool) {
        self.0[way as usize] = so;
    }
}

/// `own` are the ways in which RTCP does not use the keys of RTP, `keyed` those of them in which keys have come.
///
/// What keyed a way stays here when its keys are taken away: the same keys may come back, and must neither be replayed nor reuse a nonce.
#[derive(Default)]
pub(crate) struct RtcpKeys {
    pub own: Ways,
    pub keyed: Ways,
    receiver: Option<SrtpReceiver>,
    sender: Option<SrtpSender>,
}

impl RtcpKeys {
    /// Take keys for RTCP that way; None: it has none yet. Refuses keys that do not fit or are used up.
    pub fn set(&mut self, way: Way, keys: Option<Keys>, now: f64) -> Command<()> {
        let keyed = keys.is_some();
        if let Some(keys) = keys {
            match (way, &mut self.receiver, &mut self.sender) {
                (Way::Receive, Some(receiver), _) => receiver.rekey(keys, &[], now)?,
                (Way::Receive, none, _) => *none = Some(SrtpReceiver::new(keys, &[])?),
                (Way::Send, _, Some(sender)) => sender.rekey(keys, &[])?,
                (Way::Send, _, none) => *none = Some(SrtpSender::new(keys)?),
            }
        }
        self.keyed.set(way, keyed);
        self.own.set(way, true);
        Ok(())
    }

    /// RTCP that way uses the keys of RTP again.
    pub fn share(&mut self, way: Way) {
        self.own.set(way, false);
        self.keyed.set(way, false);
    }

    pub fn receiver(&mut self) -> Option<&mut SrtpReceiver> {
        self.receiver.as_mut().filter(|_| self.keyed.has(Way::Receive))
    }

    pub fn sender(&mut self) -> Option<&mut SrtpSender> {
        self.sender.as_mut().filter(|_| self.keyed.has(Way::Send))
    }

    /// What keyed a way last, whether it does now or not.
    pub fn former(&self, way: Way) -> Option<&Keys> {
        match way {
            Way::Receive => self.receiver.as_ref().map(SrtpReceiver::keys),
            Way::Send => self.sender.as_ref().map(SrtpSender::keys),
        }
    }

    pub fn tick(&mut self, now: f64) {
        if let Some(receiver) = &mut self.receiver {
            receiver.tick(now);
        }
    }
}
