//! Where a plane's news and the counts of what belongs to nobody are put.

use crate::drops::{Drops, Reason};
use crate::event::Event;

/// Events of what peers send that may wait to be taken; more are counted as `events_full`.
pub(crate) const MAX_EVENTS: usize = 4096;

#[derive(Default)]
pub(crate) struct Desk {
    pub events: Vec<Event>,
    /// There is one among them that cannot wait for others.
    pub urgent: bool,
    pub drops: Drops,
}

impl Desk {
    pub fn report(&mut self, event: Event) {
        self.urgent |= !event.can_wait();
        self.events.push(event);
    }

    /// Report what a peer can cause at will. The event is only made when there is room.
    pub fn report_bounded(&mut self, event: impl FnOnce() -> Event) {
        if self.events.len() < MAX_EVENTS {
            self.report(event());
        } else {
            self.drop(Reason::EventsFull);
        }
    }

    pub fn drop(&mut self, reason: Reason) {
        self.drops.count(reason);
    }
}
