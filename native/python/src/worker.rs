//! A worker thread: waits for datagrams of its ports, lets its plane work them, sends what comes of it.

use std::io::{self, Write};
use std::mem::zeroed;
use std::os::fd::RawFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use boringsdp_core::drops::Reason;
use boringsdp_core::event::Event;
use boringsdp_core::outbox::{Outbox, PortKey};
use boringsdp_core::plane::{Datagram, Handoff};
use boringsdp_core::Plane;

use crate::link::{lock, Known, Link, Token};
use crate::mmsg::{Inbox, BATCH};
use crate::poll;
use crate::send::Sender;
use crate::state::State;

/// Rounds of `BATCH` datagrams taken from one shared socket before others get their turn.
const ROUNDS: usize = 16;
/// Sockets told of at a time.
const EVENTS: usize = 256;
/// Free slots below which a shared socket is read only after the full ones were worked.
const ENOUGH: usize = 16;
/// Octets from which on a datagram is taken for one of a burst, a picture's: more are waiting then, else hardly ever.
const LARGE: usize = 500;
/// A port that has something at two held wake-ups less than so many apart is drained.
const LATELY: u32 = 4;
/// Over how long the rate is measured that decides whether wake-ups are held.
const WINDOW_NS: u64 = 100_000_000;

/// How long events wait for others to be told of together, while wake-ups are held; and those that can wait.
const TELL_NS: u64 = 4_000_000;
const TELL_LATE_NS: u64 = 50_000_000;
/// How long a worker rests after a defect of its own.
const DEFECT_NS: u64 = 10_000_000;

/// When wake-ups are held: above so many packets a second packets wait up to `interval_ns` to be taken together.
#[derive(Clone, Copy)]
pub struct Hold {
    pub interval_ns: u64,
    pub above: u64,
}

/// Whether wake-ups are held now, by the rate of the last moments.
struct Holding {
    hold: Hold,
    on: bool,
    packets: u64,
    since: u64,
    last_wake: u64,
    /// More sockets may have something than were told of at the last wake-up.
    more: bool,
    /// How many held wake-ups there were, and at which of them each port had something last.
    turn: u32,
    turns: Vec<u32>,
}

impl Holding {
    fn new(hold: Hold) -> Self {
        Self { hold, on: false, packets: 0, since: 0, last_wake: 0, more: false, turn: LATELY, turns: Vec::new() }
    }

    /// A held wake-up finds something at a port's own socket: whether it did at those before, as no call does.
    #[inline]
    fn is_busy(&mut self, key: PortKey) -> bool {
        if !self.on {
            return false; // nothing waits long
        }
        let index = key as usize;
        if self.turns.len() <= index {
            self.turns.resize(index + 1, 0);
        }
        let former = std::mem::replace(&mut self.turns[index], self.turn);
        self.turn.wrapping_sub(former) < LATELY
    }

    /// Packets were taken. Held as soon as the window has too many; no longer when one had few enough.
    fn count(&mut self, packets: u64, now: u64) {
        self.packets += packets;
        let elapsed = now.saturating_sub(self.since).min(100 * WINDOW_NS);
        let over = self.packets * 1_000_000_000 > self.hold.above.saturating_mul(elapsed.max(WINDOW_NS));
        if over {
            self.on = true;
        }
        if elapsed >= WINDOW_NS {
            self.on = over;
            (self.packets, self.since) = (0, now);
        }
    }
}

pub struct Worker {
    number: usize,
    state: Arc<State>,
    known: Known,
    events: Box<[libc::epoll_event; EVENTS]>,
    inbox: Inbox,
    outbox: Outbox,
    sender: Sender,
    /// An empty list with room, see `recycle`.
    batch: Vec<Datagram<'static>>,
    outgoing: Vec<(usize, Handoff)>,
    /// The same by worker.
    sorted: Vec<Vec<Handoff>>,
    incoming: Vec<Handoff>,
    lost_handoffs: u64,
    holding: Option<Holding>,
    deadline: Option<f64>,
    /// When it was said last that there are events, in nanoseconds, and whether there are some of which it was not.
    told: u64,
    untold: bool,
    /// Among those is one that cannot wait long.
    urgent: bool,
}

impl Worker {
    pub fn new(number: usize, state: Arc<State>, hold: Option<Hold>) -> Self {
        let sorted = state.links.iter().map(|_| Vec::new()).collect();
        Self {
            number,
            state,
            known: Known::default(),
            // SAFETY: all zeroes is a valid epoll_event.
            events: Box::new(unsafe { zeroed() }),
            inbox: Inbox::new(),
            outbox: Outbox::new(),
            sender: Sender::new(),
            batch: Vec::with_capacity(BATCH),
            outgoing: Vec::new(),
            sorted,
            incoming: Vec::new(),
            lost_handoffs: 0,
            holding: hold.map(Holding::new),
            deadline: None,
            told: 0,
            untold: false,
            urgent: false,
        }
    }

    /// Work until `Link::stop`.
    pub fn run(mut self) {
        poll::sleep_exactly();
        poll::leave_signals_to_others();
        let mut complained = false;
        while !self.link().is_stopping() {
            let round = catch_unwind(AssertUnwindSafe(|| {
                let ready = self.wait();
                self.round(ready);
            }));
            if round.is_err() {
                if !complained {
                    let _ = writeln!(io::stderr(), "boringsdp: worker {} met a defect of its own and goes on", self.number);
                    complained = true;
                }
                poll::sleep_until(poll::nanoseconds() + DEFECT_NS); // whatever it is, it shall not take the whole core
                self.inbox.clear();
                self.outbox.clear();
                self.outgoing.clear();
                self.incoming.clear();
            }
        }
    }

    fn link(&self) -> &Link {
        &self.state.links[self.number]
    }

    /// Wait until there is something to do, or until a held wake-up is due; how many sockets have something.
    fn wait(&mut self) -> usize {
        if !self.known.gone.is_empty() {
            self.known.gone.clear(); // closes their sockets, which no event is about any more
        }
        if self.untold {
            let now = poll::nanoseconds();
            if now >= self.tell_at() || self.holding.as_ref().is_none_or(|holding| !holding.on) {
                self.tell_late(now);
            }
        }
        let link = &self.state.links[self.number];
        if let Some(holding) = self.holding.as_mut().filter(|holding| holding.on) {
            if !holding.more {
                poll::sleep_until(holding.last_wake + holding.hold.interval_ns);
            }
            holding.last_wake = poll::nanoseconds();
            holding.turn = holding.turn.wrapping_add(1);
            let ready = link.epoll.wait(&mut self.events[..], 0);
            holding.more = ready == EVENTS;
            if ready == 0 {
                holding.count(0, holding.last_wake);
            }
            return ready;
        }
        // Look first: under load there is always something, and nobody need ring.
        let mut timeout = self.timeout();
        link.fall_asleep(timeout < 0);
        if timeout < 0 {
            self.deadline = lock(self.state.cluster.plane(self.number)).deadline();
            timeout = self.timeout();
        }
        if link.has_handoffs() || link.has_changed(&self.known) || link.is_stopping() {
            timeout = 0;
        }
        let ready = link.epoll.wait(&mut self.events[..], timeout);
        link.wake_up();
        ready
    }

    /// Milliseconds until the next tick is due; -1: there is nothing to watch.
    fn timeout(&self) -> i32 {
        self.deadline.map_or(-1, |at| ((at - poll::now()) * 1e3).clamp(0.0, 1e4).ceil() as i32)
    }

    /// Take what is there and work it.
    fn round(&mut self, ready: usize) {
        self.catch_up();
        for index in 0..ready {
            match Token::unpack(self.events[index].u64) {
                Token::Port { key, shared: false, fd } => self.take(fd, key),
                Token::Port { key, shared: true, fd } => self.drain(|worker| worker.inbox.take_many(fd, key)),
                Token::Steered { fd } => self.drain(|worker| worker.take_steered(fd)),
                Token::Bell => self.link().drain_bell(),
            }
        }
        if !self.inbox.is_empty() || self.inbox.errors > 0 || self.link().has_handoffs() {
            self.relay();
        }
        if self.deadline.is_some_and(|at| at <= poll::now()) {
            self.tick();
        }
    }

    /// Take what there is likely to be on a port's own socket: one datagram, for a read that finds nothing is dear.
    #[inline]
    fn take(&mut self, fd: RawFd, key: PortKey) {
        let busy = self.holding.as_mut().is_some_and(|holding| holding.is_busy(key));
        for _ in 0..BATCH {
            let length = self.inbox.take_one(fd, key);
            if self.inbox.room() == 0 {
                self.relay();
            }
            if length.is_none_or(|length| length < LARGE && !busy) {
                return;
            }
        }
    }

    /// Take what a shared socket holds, with a bound.
    fn drain(&mut self, take: impl Fn(&mut Self) -> bool) {
        if self.inbox.room() < ENOUGH {
            self.relay();
        }
        for _ in 0..ROUNDS {
            if !take(self) {
                break;
            }
            self.relay();
        }
    }

    /// Take what fits of a socket into which ports are steered; false when it was drained.
    fn take_steered(&mut self, fd: RawFd) -> bool {
        let got = self.inbox.take_steered(fd);
        let link = &self.state.links[self.number];
        if link.has_changed(&self.known) {
            // What was sent to a port right after it was opened is to find it.
            let closed = link.closed();
            self.inbox.retain(|key| !closed.contains(&key));
            link.catch_up(&mut self.known);
        }
        self.inbox.sort(got, &self.known.steered)
    }

    fn catch_up(&mut self) {
        let link = &self.state.links[self.number];
        if link.has_changed(&self.known) {
            link.catch_up(&mut self.known);
        }
    }

    /// Let the plane work what was taken and what others handed over, and send what comes of it.
    fn relay(&mut self) {
        let link = &self.state.links[self.number];
        if link.has_handoffs() {
            link.take_handoffs(&mut self.incoming);
        }
        let now = poll::nanoseconds();
        let mut plane = lock(self.state.cluster.plane(self.number));
        if link.has_changed(&self.known) {
            let closed = link.closed();
            self.inbox.retain(|key| !closed.contains(&key));
        }
        if self.inbox.errors + self.inbox.strays + self.lost_handoffs > 0 {
            self.inbox.count_losses(&mut plane);
            for _ in 0..std::mem::take(&mut self.lost_handoffs) {
                plane.count(Reason::HandoffFull);
            }
        }
        let mut batch = recycle(std::mem::take(&mut self.batch));
        batch.extend(self.inbox.datagrams().map(|(port, source, data)| Datagram { port, source, data }));
        if !batch.is_empty() {
            plane.receive(&mut batch, now as f64 / 1e9, &mut self.outbox);
        }
        self.batch = recycle(batch);
        if !self.incoming.is_empty() {
            plane.receive_handoffs(&mut self.incoming, now as f64 / 1e9, &mut self.outbox);
        }
        if plane.has_handoffs() {
            plane.take_handoffs(&mut self.outgoing);
        }
        self.deadline = plane.deadline();
        let (news, urgent) = (plane.has_events(), plane.has_urgent_events());
        drop(plane);
        let taken = self.inbox.len() as u64;
        self.inbox.clear();
        if let Some(holding) = &mut self.holding {
            holding.count(taken, now);
        }
        if news {
            self.tell(urgent, now);
        }
        self.hand_over();
        self.flush();
    }

    /// Send what the plane wants sent.
    fn flush(&mut self) {
        if self.outbox.is_empty() {
            return;
        }
        self.catch_up();
        self.sender.send(&mut self.outbox, &self.known.ports);
        if !self.sender.failed.is_empty() {
            self.sender.report(&self.outbox, &mut lock(self.state.cluster.plane(self.number)));
        }
        self.outbox.clear();
    }

    /// Give other workers what is theirs.
    fn hand_over(&mut self) {
        if self.outgoing.is_empty() {
            return;
        }
        for (worker, handoff) in self.outgoing.drain(..) {
            self.sorted[worker].push(handoff);
        }
        for (link, theirs) in self.state.links.iter().zip(&mut self.sorted).filter(|(_, theirs)| !theirs.is_empty()) {
            self.lost_handoffs += link.hand(theirs) as u64;
        }
    }

    fn tick(&mut self) {
        let mut plane = lock(self.state.cluster.plane(self.number));
        plane.tick_some(poll::now());
        self.deadline = plane.deadline();
        let (news, urgent) = (plane.has_events(), plane.has_urgent_events());
        drop(plane);
        if news {
            self.tell(urgent, poll::nanoseconds());
        }
    }

    /// Say that there are events; while wake-ups are held, not at once after the last time: each wakes the interpreter.
    fn tell(&mut self, urgent: bool, now: u64) {
        self.urgent = urgent;
        self.untold = self.holding.as_ref().is_some_and(|holding| holding.on) && now < self.tell_at();
        if !self.untold {
            self.told = now;
            self.state.news.tell();
        }
    }

    /// When what was put off is to be told of, in nanoseconds.
    fn tell_at(&self) -> u64 {
        self.told + if self.urgent { TELL_NS } else { TELL_LATE_NS }
    }

    /// Say what was put off, unless it was taken meanwhile.
    #[cold]
    fn tell_late(&mut self, now: u64) {
        let plane = lock(self.state.cluster.plane(self.number));
        let (news, urgent) = (plane.has_events(), plane.has_urgent_events());
        drop(plane);
        self.untold = false;
        if news {
            self.tell(urgent, now);
        }
    }
}

/// An empty list of datagrams with the room of this one, whatever it borrowed.
fn recycle<'a>(mut batch: Vec<Datagram<'_>>) -> Vec<Datagram<'a>> {
    batch.clear();
    batch.into_iter().map(|_| unreachable!()).collect()
}

/// Append at most so many events of each plane; when there are more, that is said once more.
pub fn take_events(state: &State, most: usize, events: &mut Vec<Event>) {
    state.news.hear();
    if state.cluster.take_some_events(most, events) {
        state.news.tell();
    }
}

impl Inbox {
    /// Count with the plane what could not be received.
    fn count_losses(&mut self, plane: &mut Plane) {
        for _ in 0..std::mem::take(&mut self.errors) {
            plane.count(Reason::ReceiveError);
        }
        for _ in 0..std::mem::take(&mut self.strays) {
            plane.count(Reason::UnknownPort);
        }
    }
}
