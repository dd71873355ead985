//! SRTP and SRTCP of one transport, one direction each (RFC 3711, 7714).
//!
//! The behaviour is that of `boringsdp/rtp/srtp.py` on libsrtp: the same packets pass, and the others are refused for the same reason.

mod receiver;
mod sender;

pub use receiver::SrtpReceiver;
pub use sender::SrtpSender;

/// The longest packet that is protected, in octets.
pub const MAX_PROTECT: usize = 1356;
/// How long former keys still receive after a change, in seconds.
pub const OLD_KEYS_S: f64 = 10.0;
