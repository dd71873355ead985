//! SRTP and SRTCP of one transport, one direction each (RFC 3711, 7714).
//!
//! The behaviour is that of `boringsdp/rtp/srtp.py` on libsrtp: the same packets pass, and the others are refused for the same reason.

mod cm;
mod ctr;
mod gcm;
mod header;
mod kdf;
mod receiver;
mod replay;
mod sender;
mod session;
mod streams;
#[cfg(test)]
mod tests;
mod transform;

pub use receiver::SrtpReceiver;
pub use sender::SrtpSender;

/// The longest packet that is protected, in octets.
pub const MAX_PROTECT: usize = 1356;
/// The longest packet that is unprotected, in octets, its MKI not counted.
const MAX_UNPROTECT: usize = 1500;
/// How long former keys still receive after a change, in seconds.
pub const OLD_KEYS_S: f64 = 10.0;
