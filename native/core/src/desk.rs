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

    /// Report what makes the former event of its kind and transport worthless: without room it takes that one's place.
    pub fn report_latest(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            if let Some(former) = self.events.iter_mut().rfind(|known| event.replaces(known)) {
                *former = event;
                return;
            }
        }
        self.report(event);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    fn selected(transport: u64, port: u16) -> Event {
        Event::PathSelected { transport, remote: Address::v4([192, 0, 2, 1], port) }
    }

    #[test]
    fn what_is_worth_nothing_any_more_makes_room() {
        let mut desk = Desk::default();
        desk.report_latest(selected(1, 1));
        desk.report_latest(selected(1, 2));
        assert_eq!(desk.events.len(), 2);
        while desk.events.len() < MAX_EVENTS {
            desk.report_bounded(|| Event::AuthFailures { transport: 3, count: 1 });
        }
        for port in 3..9 {
            desk.report_latest(selected(1, port));
        }
        assert_eq!(desk.events[..2], [selected(1, 1), selected(1, 8)]);
        assert_eq!(desk.events.len(), MAX_EVENTS);
        desk.report_latest(selected(2, 1));
        assert_eq!(desk.events.len(), MAX_EVENTS + 1);
    }
}
