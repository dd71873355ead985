//! Why packets were not passed on, counted. The names are the contract's (`TransportStatistics.drops`).

macro_rules! reasons {
    ($($variant:ident => $name:literal),* $(,)?) => {
        /// A reason for which something is dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Reason { $($variant),* }

        impl Reason {
            pub const ALL: &'static [Reason] = &[$(Reason::$variant),*];
            pub fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name),* }
            }
        }
    };
}

reasons! {
    Unverified => "unverified", Replayed => "replayed", Duplicate => "duplicate", Jumped => "jumped", Malformed => "malformed",
    NoKeys => "no_keys", UnknownSource => "unknown_source", UnknownSsrc => "unknown_ssrc", TooManySsrcs => "too_many_ssrcs",
    PayloadType => "payload_type", PaddingOnly => "padding_only", FormerSsrc => "former_ssrc", StunRefused => "stun_refused",
    Silenced => "silenced", TooLong => "too_long", NotForwarded => "not_forwarded", Late => "late", NoAddress => "no_address",
    SendBlocked => "send_blocked", SendFailed => "send_failed", SendReplayed => "send_replayed", SendTooLong => "send_too_long",
    SendMalformed => "send_malformed", SendUnverified => "send_unverified", SendKeyUsedUp => "send_key_used_up",
    KeyUsedUp => "key_used_up", AddressTaken => "address_taken",
    // of no transport
    Empty => "empty", StunMalformed => "stun_malformed", StunIgnored => "stun_ignored", StunUnknownUfrag => "stun_unknown_ufrag",
    StunUnanswered => "stun_unanswered", EventsFull => "events_full", ReceiveError => "receive_error", UnknownPort => "unknown_port",
    HandoffFull => "handoff_full",
}

/// Counters by reason: a short list, since few reasons ever occur on one transport.
#[derive(Clone, Debug, Default)]
pub struct Drops(Vec<(Reason, u64)>);

impl Drops {
    #[inline(never)]
    pub fn count(&mut self, reason: Reason) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.0.push((reason, 1)),
        }
    }

    /// Add what another has counted.
    pub fn add(&mut self, other: &Drops) {
        for &(reason, count) in &other.0 {
            match self.0.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, total)) => *total += count,
                None => self.0.push((reason, count)),
            }
        }
    }

    pub fn get(&self, reason: Reason) -> u64 {
        self.0.iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count)
    }

    /// In the order in which they first occurred.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(reason, count)| (reason.name(), *count))
    }
}
