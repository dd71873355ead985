//! One run: packets of every call at an even pace, everything that comes back counted and timed.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::os::fd::RawFd;

use crate::call::{Call, Verdict};
use crate::clock;
use crate::flood::Flood;
use crate::flow::Arrival;
use crate::net::{overflowed, Receiving, Sending};
use crate::plan::RunPlan;
use crate::random::Random;
use crate::result::{Direction, Outcome};

/// ICE checks and RTCP reports: one each in this time.
const CARE_NS: u64 = 5_000_000_000;
/// So long nothing must come until a packet is lost and not late.
const LAST_ONES_NS: u64 = 400_000_000;
const LATE_NS: u64 = 1_000_000;

pub struct Sockets {
    pub client: RawFd,
    pub peer: RawFd,
    pub peer_rtcp: RawFd,
}

pub struct Runner<'a> {
    plan: &'a RunPlan,
    calls: &'a mut [Call],
    by_client: HashMap<Ipv4Addr, usize>,
    by_peer: HashMap<Ipv4Addr, usize>,
    client_out: Sending,
    peer_out: Sending,
    rtcp_out: Sending,
    client_in: Receiving,
    peer_in: Receiving,
    rtcp_in: Receiving,
    flood: Flood,
    random: Random,
    /// Flows in the order in which they send, twice the number of the call plus 1 for inward.
    order: Vec<usize>,
    ticks: u32,
    /// Ordinals are this much further in each call when the window begins; calls differ in where they stood.
    window: Vec<[std::ops::Range<u64>; 2]>,
    /// Checks and reports sent so far, in all runs: each call's turn comes although runs are short.
    cared: &'a mut u64,
    cared_before: u64,
    /// Calls whose path has been checked in this run.
    checked: usize,
    outcome: Outcome,
}

impl<'a> Runner<'a> {
    pub fn new(plan: &'a RunPlan, calls: &'a mut [Call], cared: &'a mut u64, sockets: &Sockets) -> Self {
        let mut order: Vec<usize> = (0..calls.len() * 2).collect();
        Random::new(1).shuffle(&mut order);
        let (warm, rounds) = ((plan.warm_s * plan.pps) as u64, (plan.seconds * plan.pps) as u64);
        let range = |ordinal: u64| ordinal + warm..ordinal + warm + rounds;
        let window = calls.iter().map(|call| [range(call.outward.ordinal), range(call.inward.ordinal)]).collect();
        Self {
            plan,
            by_client: calls.iter().enumerate().map(|(number, call)| (call.client, number)).collect(),
            by_peer: calls.iter().enumerate().map(|(number, call)| (call.peer, number)).collect(),
            calls,
            client_out: Sending::new(sockets.client),
            peer_out: Sending::new(sockets.peer),
            rtcp_out: Sending::new(sockets.peer_rtcp),
            client_in: Receiving::new(sockets.client),
            peer_in: Receiving::new(sockets.peer),
            rtcp_in: Receiving::new(sockets.peer_rtcp),
            flood: Flood::new(plan),
            random: Random::new(clock::now_ns()),
            order,
            ticks: (8000.0 / plan.pps) as u32,
            window,
            cared_before: *cared,
            cared,
            checked: 0,
            outcome: Outcome::default(),
        }
    }

    pub fn run(mut self, sockets: &Sockets) -> Outcome {
        let dropped = overflowed(sockets.client) + overflowed(sockets.peer);
        let flows = self.order.len() as u64;
        let (warm, rounds) = ((self.plan.warm_s * self.plan.pps) as u64, (self.plan.seconds * self.plan.pps) as u64);
        let (first, last) = (warm * flows, (warm + rounds) * flows);
        let per_ns = flows as f64 * self.plan.pps / 1e9;
        let tick_ns = (self.plan.tick_us * 1e3).max(1e3) as u64;
        let began = clock::now_ns();
        let mut next = began;
        let mut sent = 0;
        while sent < last {
            let now = clock::now_ns();
            if now < next {
                self.wait(next - now);
                continue;
            }
            if self.outcome.begun() {
                self.outcome.pace(now - next, LATE_NS);
            }
            let due = (((next - began) as f64 * per_ns) as u64 + 1).min(last);
            while sent < due {
                if sent == first {
                    self.outcome.begin(self.plan.pid);
                }
                self.send(sent);
                sent += 1;
                if sent.is_multiple_of(32) {
                    self.receive();
                }
            }
            self.care(next - began);
            self.flood.send(next - began, self.calls, &mut self.client_out);
            self.flush();
            self.busy(now);
            next += tick_ns;
        }
        self.outcome.end(self.plan.pid);
        self.wait_for_the_last(rounds * flows);
        self.finish(sockets, dropped, rounds)
    }

    /// Read until every packet of the window is there, or none has come for a while; reports go on coming and do not count.
    fn wait_for_the_last(&mut self, wanted: u64) {
        let received = |outcome: &Outcome| outcome.to_peer.received + outcome.to_client.received;
        let (mut before, mut limit) = (0, 0);
        while received(&self.outcome) < wanted {
            self.receive();
            let now = clock::now_ns();
            if received(&self.outcome) != before {
                (before, limit) = (received(&self.outcome), now + LAST_ONES_NS);
            } else if limit == 0 {
                limit = now + LAST_ONES_NS;
            } else if now > limit {
                return;
            }
        }
    }

    fn finish(mut self, sockets: &Sockets, dropped: u32, rounds: u64) -> Outcome {
        let sent = rounds * self.calls.len() as u64;
        self.outcome.to_peer.sent = sent;
        self.outcome.to_client.sent = sent;
        self.outcome.calls = self.calls.len();
        self.outcome.flood = self.flood.sent;
        self.outcome.not_sent = self.client_out.failed + self.peer_out.failed + self.rtcp_out.failed;
        self.outcome.not_sent_because = self.client_out.error.as_ref().or(self.peer_out.error.as_ref()).map(ToString::to_string);
        self.outcome.overflowed = overflowed(sockets.client) + overflowed(sockets.peer) - dropped;
        self.outcome
    }

    fn send(&mut self, position: u64) {
        let flow = self.order[(position % self.order.len() as u64) as usize];
        let call = &mut self.calls[flow / 2];
        if flow.is_multiple_of(2) {
            call.send_outward(&mut self.client_out, self.plan.payload, self.ticks, self.flood.active());
        } else {
            call.send_inward(&mut self.peer_out, self.plan.payload, self.ticks);
        }
    }

    /// Send the checks and reports whose turn it is: three a call, spread evenly; and first a check of every call, for the last may be old.
    fn care(&mut self, passed_ns: u64) {
        let warm_ns = self.plan.warm_s.max(0.1) * 1e9;
        let first = (self.calls.len() as f64 * passed_ns as f64 / warm_ns) as usize;
        for call in self.calls.iter_mut().take(first).skip(self.checked) {
            call.send_check(&mut self.client_out, self.random.next());
            self.checked += 1;
        }
        let all = self.calls.len() as u64 * 3;
        let due = self.cared_before + passed_ns * all / CARE_NS;
        while *self.cared < due {
            let (kind, number) = (*self.cared % 3, *self.cared / 3 % self.calls.len() as u64);
            let call = &mut self.calls[number as usize];
            match kind {
                0 => call.send_check(&mut self.client_out, self.random.next()),
                1 => call.send_client_report(&mut self.client_out),
                _ => call.send_peer_report(&mut self.rtcp_out),
            }
            *self.cared += 1;
        }
    }

    fn flush(&mut self) {
        self.client_out.flush();
        self.peer_out.flush();
        self.rtcp_out.flush();
    }

    /// Read what is there, then pass a few microseconds: the gateway may share the core's execution units.
    fn wait(&mut self, ns: u64) {
        const PAUSE_NS: u64 = 4_000;
        let began = clock::now_ns();
        if self.receive() {
            self.busy(began);
            return;
        }
        if self.plan.sleep {
            clock::sleep_ns(ns);
            return;
        }
        let until = began + ns.min(PAUSE_NS);
        while clock::now_ns() < until {
            for _ in 0..16 {
                std::hint::spin_loop();
            }
        }
    }

    /// Work has been done since then.
    fn busy(&mut self, since: u64) {
        if self.outcome.begun() {
            self.outcome.busy_ns += clock::now_ns() - since;
        }
    }

    /// Whether anything came.
    fn receive(&mut self) -> bool {
        let at_client = self.client_in.receive();
        let now = clock::now_ns();
        for at in 0..at_client {
            self.one_at_client(at, now);
        }
        let at_peer = self.peer_in.receive();
        let now = clock::now_ns();
        for at in 0..at_peer {
            self.one_at_peer(at, now);
        }
        if self.cared.is_multiple_of(8) {
            self.outcome.rtcp_at_peer += self.rtcp_in.receive() as u64;
        }
        at_client + at_peer > 0
    }

    fn one_at_client(&mut self, at: usize, now: u64) {
        let arrived = self.client_in.get(at);
        let Some(&number) = self.by_client.get(&arrived.to) else {
            self.outcome.strays += 1;
            return;
        };
        let call = &mut self.calls[number];
        let whole = number.is_multiple_of(self.plan.check.max(1));
        match arrived.data {
            [128..=191, 192..=223, ..] => {
                self.outcome.rtcp_at_client += 1;
                self.outcome.bad_rtcp += u64::from(whole && !call.receive_report(arrived.data));
            }
            [128..=191, ..] => {
                let verdict = call.receive_at_client(arrived.data, self.plan.payload, whole);
                count(&mut self.outcome.to_client, verdict, now, &self.window[number][1]);
            }
            [0, ..] => self.outcome.checks_answered += u64::from(call.answer_check(&mut self.client_out, arrived.data, arrived.from)),
            [1, ..] => self.outcome.checks_heard += 1,
            _ => {}
        }
    }

    fn one_at_peer(&mut self, at: usize, now: u64) {
        let arrived = self.peer_in.get(at);
        let Some(&number) = self.by_peer.get(&arrived.to) else {
            self.outcome.strays += 1;
            return;
        };
        let whole = number.is_multiple_of(self.plan.check.max(1));
        if let [128..=191, 192..=223, ..] = arrived.data {
            self.outcome.rtcp_at_peer += 1;
            return;
        }
        let verdict = self.calls[number].receive_at_peer(arrived.data, self.plan.payload, whole);
        count(&mut self.outcome.to_peer, verdict, now, &self.window[number][0]);
    }
}

fn count(direction: &mut Direction, verdict: Verdict, now: u64, window: &std::ops::Range<u64>) {
    let Verdict::Packet(ordinal, arrival, sent_at) = verdict else {
        direction.bad += 1;
        return;
    };
    if !window.contains(&ordinal) {
        return;
    }
    match arrival {
        Arrival::Duplicate => {
            direction.duplicates += 1;
            return;
        }
        Arrival::Reordered => direction.reordered += 1,
        Arrival::New => {}
    }
    direction.received += 1;
    if let Some(sent_at) = sent_at {
        direction.delays.add(now.saturating_sub(sent_at));
    }
}
