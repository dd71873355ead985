//! What a run came to, written as one JSON object.

use serde_json::{json, Value};

use crate::clock;
use crate::histogram::Histogram;

#[derive(Default)]
pub struct Outcome {
    pub calls: usize,
    pub to_peer: Direction,
    pub to_client: Direction,
    /// Ticks of the window, those more than a millisecond late, and the worst, in nanoseconds.
    pub ticks: u64,
    pub late: u64,
    pub worst_late_ns: u64,
    /// Time spent sending and reading, not waiting.
    pub busy_ns: u64,
    pub rtcp_at_client: u64,
    pub rtcp_at_peer: u64,
    pub bad_rtcp: u64,
    pub checks_heard: u64,
    pub checks_answered: u64,
    /// Datagrams to an address that is no call's: answers to hostile ones.
    pub strays: u64,
    pub flood: u64,
    pub not_sent: u64,
    pub not_sent_because: Option<String>,
    /// Datagrams that came, but found our own buffer full.
    pub overflowed: u32,
    begun: Instant,
    ended: Instant,
}

/// Clocks at one moment.
#[derive(Default)]
struct Instant {
    now_ns: u64,
    gateway_ns: u64,
    user_ticks: u64,
    system_ticks: u64,
    own_ns: u64,
}

pub struct Direction {
    pub sent: u64,
    pub received: u64,
    pub bad: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub delays: Histogram,
}

impl Default for Direction {
    fn default() -> Self {
        Self { sent: 0, received: 0, bad: 0, duplicates: 0, reordered: 0, delays: Histogram::new() }
    }
}

impl Outcome {
    /// The window begins: take the clocks.
    pub fn begin(&mut self, pid: i32) {
        self.begun = Instant::take(pid);
    }

    /// Whether the window has begun.
    pub fn begun(&self) -> bool {
        self.begun.now_ns > 0
    }

    pub fn end(&mut self, pid: i32) {
        self.ended = Instant::take(pid);
    }

    pub fn pace(&mut self, late_ns: u64, limit_ns: u64) {
        self.ticks += 1;
        self.late += u64::from(late_ns > limit_ns);
        self.worst_late_ns = self.worst_late_ns.max(late_ns);
    }

    pub fn to_json(&self) -> Value {
        let (begun, ended) = (&self.begun, &self.ended);
        let mut both = Histogram::new();
        both.merge(&self.to_peer.delays);
        both.merge(&self.to_client.delays);
        json!({
            "calls": self.calls,
            "seconds": (ended.now_ns - begun.now_ns) as f64 / 1e9,
            "gateway_cpu_s": (ended.gateway_ns - begun.gateway_ns) as f64 / 1e9,
            "gateway_user_ticks": ended.user_ticks - begun.user_ticks,
            "gateway_system_ticks": ended.system_ticks - begun.system_ticks,
            "own_cpu_s": (ended.own_ns - begun.own_ns) as f64 / 1e9,
            "busy_s": self.busy_ns as f64 / 1e9,
            "sent": self.to_peer.sent + self.to_client.sent,
            "received": self.to_peer.received + self.to_client.received,
            "to_peer": self.to_peer.to_json(),
            "to_client": self.to_client.to_json(),
            "delay_us": delays(&both),
            "ticks": self.ticks,
            "late_ticks": self.late,
            "worst_late_us": self.worst_late_ns as f64 / 1e3,
            "rtcp_at_client": self.rtcp_at_client,
            "rtcp_at_peer": self.rtcp_at_peer,
            "bad_rtcp": self.bad_rtcp,
            "checks_heard": self.checks_heard,
            "checks_answered": self.checks_answered,
            "strays": self.strays,
            "flood": self.flood,
            "not_sent": self.not_sent,
            "not_sent_because": self.not_sent_because,
            "overflowed": self.overflowed,
        })
    }
}

impl Instant {
    fn take(pid: i32) -> Self {
        let (user_ticks, system_ticks) = clock::ticks_of(pid).unwrap_or_default();
        Self {
            now_ns: clock::now_ns(),
            gateway_ns: clock::cpu_of(pid).unwrap_or_default(),
            user_ticks,
            system_ticks,
            own_ns: clock::own_cpu(),
        }
    }
}

impl Direction {
    fn to_json(&self) -> Value {
        json!({
            "sent": self.sent,
            "received": self.received,
            "lost": self.sent.saturating_sub(self.received),
            "bad": self.bad,
            "duplicates": self.duplicates,
            "reordered": self.reordered,
            "delay_us": delays(&self.delays),
        })
    }
}

fn delays(histogram: &Histogram) -> Value {
    json!({
        "count": histogram.count(),
        "p50": histogram.at(0.5),
        "p95": histogram.at(0.95),
        "p99": histogram.at(0.99),
        "max": histogram.max(),
    })
}
