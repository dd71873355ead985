//! The media plane of one worker: ports, transports, streams and routes, and what happens to a datagram.
#![allow(unused_variables, dead_code)]

use crate::address::Address;
use crate::drops::Reason;
use crate::event::Event;
use crate::outbox::{Outbox, Outgoing, PortKey};
use crate::random::Randomness;

pub use crate::handoff::Handoff;

/// One datagram that came to a port. Its octets are decrypted in place.
pub struct Datagram<'a> {
    pub port: PortKey,
    pub source: Address,
    pub data: &'a mut [u8],
}

/// Everything that one worker decides. `receive` never fails and never panics.
pub struct Plane {
    worker: usize,
    random: Box<dyn Randomness>,
}

impl Plane {
    pub fn new(worker: usize, random: Box<dyn Randomness>) -> Self {
        Self { worker, random }
    }

    /// Take datagrams in the order in which they came; what is to be sent is put into `out`, in order.
    pub fn receive(&mut self, batch: &mut [Datagram<'_>], now: f64, out: &mut Outbox) {
        todo!()
    }

    /// Look after timeouts: consent, silence, old keys and addresses. Call when `deadline` is over.
    pub fn tick(&mut self, now: f64) {
        todo!()
    }

    /// When `tick` is due; None while there is nothing to watch.
    pub fn deadline(&self) -> Option<f64> {
        todo!()
    }

    pub fn has_events(&self) -> bool {
        todo!()
    }

    /// Append the events that wait to `events`. Commands make events too: look after them as after `receive`.
    pub fn take_events(&mut self, events: &mut Vec<Event>) {
        todo!()
    }

    /// A datagram of an outbox of this plane could not be sent: take its count back, and count why (`blocked`: the socket was full).
    /// `length` is the datagram's. Call it with the lock held again after sending; late calls harm nothing.
    pub fn not_sent(&mut self, item: &Outgoing, length: usize, blocked: bool) {
        todo!()
    }

    /// Count what belongs to no transport (`ReceiveError` and the like).
    pub fn count(&mut self, reason: Reason) {
        todo!()
    }

    pub fn has_handoffs(&self) -> bool {
        todo!()
    }

    /// Append what is for other workers to `handoffs`, each with the worker it goes to. Look after `receive` and `receive_handoffs`.
    pub fn take_handoffs(&mut self, handoffs: &mut Vec<(usize, Handoff)>) {
        todo!()
    }

    /// Take what other workers handed over, in order; empties `handoffs`. May make handoffs and datagrams in turn.
    pub fn receive_handoffs(&mut self, handoffs: &mut Vec<Handoff>, now: f64, out: &mut Outbox) {
        todo!()
    }
}
