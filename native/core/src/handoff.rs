//! What one worker's plane hands to another's.

/// Part of the way of a packet whose route leads to another worker, or a count that comes back. Opaque outside this crate.
#[derive(Debug)]
pub struct Handoff(pub(crate) u8);
