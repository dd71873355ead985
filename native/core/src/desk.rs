//! Where a plane's news and the counts of what belongs to nobody are put.

use std::collections::hash_map::Entry;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::drops::{Drops, Reason};
use crate::event::Event;

/// Events of what peers send that may wait to be taken; more are counted as `events_full`.
pub(crate) const MAX_EVENTS: usize = 4096;

/// Messages of one peer (DTLS, RTCP, digits) that may wait when more than half of the room is taken, so that nobody has all of it.
const MAX_MESSAGES: u32 = 64;

#[derive(Default)]
pub(crate) struct Desk {
    pub events: Vec<Event>,
    /// There is one among them that cannot wait for others.
    pub urgent: bool,
    pub drops: Drops,
    /// The messages among the events, by who sent them.
    messages: HashMap<u64, u32, RandomState>,
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

    /// Report a message of the peer that `sender` names, see `Event::sender`.
    pub fn report_message(&mut self, sender: u64, event: impl FnOnce() -> Event) {
        let waiting = self.messages.get(&sender).copied().unwrap_or_default();
        if self.events.len() < MAX_EVENTS / 2 || (waiting < MAX_MESSAGES && self.events.len() < MAX_EVENTS) {
            self.messages.insert(sender, waiting + 1);
            self.report(event());
        } else {
            self.drop(Reason::EventsFull);
        }
    }

    /// Append at most so many of the events that wait, the oldest.
    pub fn take(&mut self, most: usize, events: &mut Vec<Event>) {
        if most >= self.events.len() {
            self.messages.clear();
            self.urgent = false;
            events.append(&mut self.events);
            return;
        }
        for event in self.events.drain(..most) {
            if let Some(Entry::Occupied(mut waiting)) = event.sender().map(|sender| self.messages.entry(sender)) {
                if *waiting.get() > 1 {
                    *waiting.get_mut() -= 1;
                } else {
                    waiting.remove();
                }
            }
            events.push(event);
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

    #[test]
    fn nobody_takes_the_room_of_all() {
        let mut desk = Desk::default();
        let message = |transport| move || Event::RtcpReceived { transport, data: Vec::new(), at: 0.0 };
        for _ in 0..MAX_EVENTS {
            desk.report_message(1, message(1));
        }
        assert_eq!(desk.events.len(), MAX_EVENTS / 2);
        for _ in 0..MAX_EVENTS {
            desk.report_message(2, message(2));
        }
        assert_eq!(desk.events.len(), MAX_EVENTS / 2 + MAX_MESSAGES as usize);
        let mut taken = Vec::new();
        desk.take(MAX_EVENTS / 2 + 10, &mut taken);
        assert_eq!((taken.len(), desk.messages.get(&1), desk.messages[&2]), (MAX_EVENTS / 2 + 10, None, MAX_MESSAGES - 10));
        desk.take(usize::MAX, &mut taken);
        assert!(desk.messages.is_empty() && desk.events.is_empty());
    }
}
