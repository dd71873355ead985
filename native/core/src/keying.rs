//! The keys of a transport: what protects each way, and what did before.

use crate::error::{Command, CommandError};
use crate::keys::{Keys, Way};
use crate::srtp::{SrtpReceiver, SrtpSender};
use crate::transport::Transport;

impl Transport {
    pub fn set_receive_keys(&mut self, keys: Keys, rollover: &[(u32, i64)], now: f64) -> Command<()> {
        if self.receiver.is_none() {
            self.receiver = self.parked_receiver.take().map(|parked| *parked);
            self.resumed.set(Way::Receive, self.receiver.is_some());
        }
        match &mut self.receiver {
            None => self.receiver = Some(SrtpReceiver::new(keys, rollover)?),
            Some(receiver) => {
                let mut indices: Vec<_> = self.sources.iter().map(|source| (source.ssrc, source.reception.highest)).collect();
                indices.retain(|(ssrc, _)| !rollover.iter().any(|(given, _)| given == ssrc));
                indices.extend_from_slice(rollover);
                receiver.rekey(keys, &indices, now)?;
            }
        }
        for source in self.sources.iter_mut() {
            source.reception.trusted = true;
        }
        Ok(())
    }

    /// `indices` is the last extended sequence number of each stream's SSRC.
    pub fn set_send_keys(&mut self, keys: Keys, indices: &[(u32, i64)]) -> Command<()> {
        if self.sender.is_none() {
            self.sender = self.parked_sender.take().map(|parked| *parked);
            self.resumed.set(Way::Send, self.sender.is_some());
        }
        match &mut self.sender {
            None => self.sender = Some(SrtpSender::new(keys)?),
            Some(sender) => sender.rekey(keys, indices)?,
        }
        self.refresh();
        Ok(())
    }

    /// That way is in the clear again, or nothing when the transport is to be secured.
    pub fn drop_keys(&mut self, way: Way) {
        if let Some(keys) = &mut self.rtcp_keys {
            keys.share(way);
        }
        if way == Way::Receive {
            if let Some(receiver) = self.receiver.take() {
                self.parked_receiver = Some(Box::new(receiver));
                self.parked_indices = self.indices();
            }
            for source in self.sources.iter_mut() {
                source.reception.trusted = false;
            }
        } else {
            if let Some(sender) = self.sender.take() {
                self.parked_sender = Some(Box::new(sender));
            }
            self.refresh();
        }
    }

    pub fn parked_receive_keys(&self) -> Option<&Keys> {
        let resumed = self.receiver.as_ref().filter(|_| self.resumed.has(Way::Receive));
        self.parked_receiver.as_deref().or(resumed).map(SrtpReceiver::keys)
    }

    pub fn parked_send_keys(&self) -> Option<&Keys> {
        let resumed = self.sender.as_ref().filter(|_| self.resumed.has(Way::Send));
        self.parked_sender.as_deref().or(resumed).map(SrtpSender::keys)
    }

    /// Whether anything was ever sent under keys that may be used again.
    pub fn has_keyed(&self) -> bool {
        let rtcp = self.rtcp_keys.as_ref().is_some_and(|keys| keys.former(Way::Send).is_some());
        rtcp || self.sender.is_some() || self.parked_sender.is_some()
    }

    /// Refused on a transport without an RTCP port.
    pub fn set_rtcp_keys(&mut self, way: Way, keys: Option<Keys>, now: f64) -> Command<()> {
        if self.spec.rtcp_port.is_none() {
            return Err(CommandError::wrong("transport without an RTCP port", "set_keys"));
        }
        self.rtcp_keys.get_or_insert_default().set(way, keys, now)
    }

    /// The last packet index of every SSRC that was heard.
    pub fn indices(&self) -> Vec<(u32, i64)> {
        let mut indices: Vec<_> = self.sources.iter().map(|source| (source.ssrc, source.reception.highest)).collect();
        let gone = self.retired.iter().filter(|(ssrc, _)| !self.sources.iter().any(|source| source.ssrc == **ssrc));
        indices.extend(gone.map(|(ssrc, highest)| (*ssrc, *highest)));
        indices
    }
}
