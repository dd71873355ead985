//! The media plane of BoringSDP: what happens to a datagram, without sockets, threads or clocks.
//!
//! A port of `boringsdp/relay/plane` to Rust, module for module and under the same names; the Python code is the specification. One
//! [`Plane`] is one worker's share and is used by one thread at a time; a [`Cluster`] holds the planes of all workers and carries commands
//! and whatever crosses from one to another.
#![forbid(unsafe_code)]

pub mod address;
pub mod cluster;
mod commands;
mod desk;
pub mod drops;
pub mod error;
pub mod event;
mod handoff;
mod ice_reach;
mod keying;
pub mod keys;
pub mod latching;
pub mod level;
pub mod lite;
mod meet;
pub mod outbox;
pub mod plane;
mod port;
pub mod random;
mod reach;
pub mod reception;
mod restore;
mod rewrite;
mod rtcp_keys;
pub mod rtp;
mod silence;
mod slab;
mod snapshot;
mod source;
pub mod spec;
pub mod srtp;
pub mod statistics;
mod stream;
pub mod stun;
mod tally;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod transport;

pub use cluster::Cluster;
pub use plane::{Datagram, Plane};
