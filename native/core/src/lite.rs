//! The ICE-lite responder of one transport (RFC 8445 §2.5, §7.3): checks requests, says what to reply and what a valid one means.
//!
//! It never sends a check of its own. Only the local half of USERNAME is strict: after restartIce() Chromium nominates with our *old* user
//! fragment before it has our answer, so during a restart both credentials are good until the new ones were used.

use crate::address::Address;
use crate::stun::{attribute, error_code, write_stun, Kind, Message, XorAddress};

/// What came of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// MESSAGE-INTEGRITY held and the request was in order, so its source may be learned.
    pub valid: bool,
    /// It carried USE-CANDIDATE.
    pub nominated: bool,
    /// New credentials were used for the first time.
    pub restarted: bool,
}

/// Credentials and answers of one ICE-lite transport.
#[derive(Clone)]
pub struct LiteResponder {
    /// Every accepted pair, the pending one last: user fragment and password.
    pairs: Vec<(String, String)>,
    pending: Option<String>,
}

impl LiteResponder {
    pub fn new(ufrag: &str, password: &str) -> Self {
        Self { pairs: vec![(ufrag.into(), password.into())], pending: None }
    }

    /// Every accepted pair: user fragment and password, the pending one last.
    pub fn credentials(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(ufrag, password)| (ufrag.as_str(), password.as_str()))
    }

    pub fn accepts(&self, ufrag: &str) -> bool {
        self.password(ufrag).is_some()
    }

    /// Accept a second pair; returns the user fragment that is no longer accepted, if an earlier restart was still pending.
    pub fn restart(&mut self, ufrag: &str, password: &str) -> Option<String> {
        let dropped = self.pending.replace(ufrag.into());
        if let Some(dropped) = &dropped {
            self.pairs.retain(|(known, _)| known != dropped);
        }
        self.pairs.push((ufrag.into(), password.into()));
        dropped
    }

    /// Judge a Binding request whose USERNAME names one of our user fragments (RFC 8445 §7.3, RFC 8489 §9.1.3); what is to go back the way
    /// it came is appended to `reply`.
    pub fn receive(&mut self, message: &Message<'_>, source: Address, reply: &mut Vec<u8>) -> Checked {
        let ufrag = message.ufrag().unwrap_or_default();
        let Some(password) = self.password(&ufrag) else {
            write_error(message, 401, None, &[], reply);
            return Checked::default();
        };
        let password = password.as_bytes();
        if !message.has_integrity() {
            write_error(message, 400, None, &[], reply);
            return Checked::default();
        }
        if !message.verify(password) {
            write_error(message, 401, None, &[], reply);
            return Checked::default();
        }
        let unknown = message.unknown_required();
        if !unknown.is_empty() {
            write_error(message, 420, Some(password), &unknown, reply);
            return Checked::default();
        }
        if message.has(attribute::ICE_CONTROLLED) {
            write_error(message, 487, Some(password), &[], reply); // a lite agent is always the controlled one
            return Checked::default();
        }
        let mapped = XorAddress::new(source, &message.transaction);
        let attributes = [(attribute::XOR_MAPPED_ADDRESS, mapped.value())];
        write_stun(Kind::Success, &message.transaction, &attributes, Some(password), true, reply);
        let restarted = self.pending.as_deref() == Some(&*ufrag);
        if restarted {
            self.pairs.retain(|(known, _)| *known == *ufrag);
            self.pending = None;
        }
        Checked { valid: true, nominated: message.use_candidate(), restarted }
    }

    fn password(&self, ufrag: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == ufrag).map(|(_, password)| password.as_str())
    }
}

/// Append an error response no longer than need be: FINGERPRINT only when the request had one, no reason phrase, few unknown attributes.
pub fn write_error(message: &Message<'_>, code: u16, password: Option<&[u8]>, unknown: &[u16], out: &mut Vec<u8>) {
    let named: Vec<u8> = unknown.iter().take(8).flat_map(|kind| kind.to_be_bytes()).collect();
    let code = error_code(code);
    let attributes = [(attribute::ERROR_CODE, &code[..]), (attribute::UNKNOWN_ATTRIBUTES, &named[..])];
    let used = if unknown.is_empty() { 1 } else { 2 };
    write_stun(Kind::Error, &message.transaction, &attributes[..used], password, message.has_fingerprint(), out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::parse_stun;

    const HERE: Address = Address::v4([192, 0, 2, 1], 4000);
    const PASSWORD: &str = "password-of-22-letters";

    fn check(name: &[u8], password: Option<&str>, more: &[(u16, &[u8])]) -> Vec<u8> {
        let attributes = [&[(attribute::USERNAME, name)][..], more].concat();
        let mut out = Vec::new();
        write_stun(Kind::Request, b"0123456789ab", &attributes, password.map(str::as_bytes), true, &mut out);
        out
    }

    fn judge(core: &mut LiteResponder, request: &[u8]) -> (Checked, Vec<u8>) {
        let mut reply = Vec::new();
        let checked = core.receive(&parse_stun(request).unwrap(), HERE, &mut reply);
        (checked, reply)
    }

    fn code(reply: &[u8]) -> u16 {
        let value = parse_stun(reply).unwrap().attribute(attribute::ERROR_CODE).unwrap();
        u16::from(value[2]) * 100 + u16::from(value[3])
    }

    #[test]
    fn a_good_check() {
        let mut core = LiteResponder::new("ufrag", PASSWORD);
        let (checked, reply) = judge(&mut core, &check(b"ufrag:peer", Some(PASSWORD), &[]));
        assert_eq!(checked, Checked { valid: true, ..Checked::default() });
        let answer = parse_stun(&reply).unwrap();
        assert!(answer.kind == Kind::Success && answer.verify(PASSWORD.as_bytes()) && answer.has_fingerprint());
        let (checked, _) = judge(&mut core, &check(b"ufrag", Some(PASSWORD), &[(attribute::USE_CANDIDATE, b"")]));
        assert!(checked.nominated);
    }

    #[test]
    fn bad_checks_are_answered_with_an_error() {
        let mut core = LiteResponder::new("ufrag", PASSWORD);
        let unknown: Vec<(u16, &[u8])> = (0x7000..0x7010).map(|kind| (kind, &b""[..])).collect();
        let cases = [
            (check(b"ufrag:x", Some("wrong"), &[]), 401),
            (check(b"other:x", Some(PASSWORD), &[]), 401),
            (check(b"ufrag:x", None, &[]), 400),
            (check(b"ufrag:x", Some(PASSWORD), &[(attribute::ICE_CONTROLLED, &[0; 8])]), 487),
            (check(b"ufrag:x", Some(PASSWORD), &unknown), 420),
        ];
        for (request, expected) in cases {
            let (checked, reply) = judge(&mut core, &request);
            assert_eq!((checked, code(&reply)), (Checked::default(), expected));
            assert!(reply.len() <= request.len());
            assert_eq!(parse_stun(&reply).unwrap().verify(PASSWORD.as_bytes()), matches!(expected, 487 | 420));
        }
    }

    #[test]
    fn a_restart_takes_both_until_the_new_is_used() {
        let mut core = LiteResponder::new("ufrag", PASSWORD);
        assert_eq!(core.restart("early", "e"), None);
        assert_eq!(core.restart("later", "l").as_deref(), Some("early"));
        assert!(!core.accepts("early"));
        assert_eq!(judge(&mut core, &check(b"ufrag:x", Some(PASSWORD), &[])).0, Checked { valid: true, ..Checked::default() });
        assert_eq!(core.credentials().collect::<Vec<_>>(), [("ufrag", PASSWORD), ("later", "l")]);
        assert!(judge(&mut core, &check(b"later:x", Some("l"), &[])).0.restarted);
        assert_eq!(core.credentials().collect::<Vec<_>>(), [("later", "l")]);
        assert!(!judge(&mut core, &check(b"later:x", Some("l"), &[])).0.restarted);
        assert!(!judge(&mut core, &check(b"ufrag:x", Some(PASSWORD), &[])).0.valid);
    }
}
