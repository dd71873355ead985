//! Which sources one port hears, and where it sends: the rules of `Latch` (symmetric RTP, RFC 4961). A core of one port.
//!
//! A source is first asked for by `hears`; when its packet proved valid (authenticated, where there are keys), `heard` takes it up.

use crate::address::Address;
use crate::spec::Latch;

const ELSEWHERE: u8 = 0;
const SAME_HOST: u8 = 1;
const EXACT: u8 = 2;

/// What one port knows of its peer.
#[derive(Clone, Debug)]
pub struct Latching {
    /// What the peer said.
    pub announced: Option<Address>,
    /// Where to send; None while there is nowhere.
    pub remote: Option<Address>,
    pub latch: Latch,
    /// A packet came from `remote`.
    pub learned: bool,
    /// It is settled, and only that source is heard.
    pub latched: bool,
    /// It was reported since the last announcement.
    pub told: bool,
    learns_until: f64,
    window_ends: f64,
    /// How close to the announced address the best source was that was heard while learning heuristically.
    best: u8,
}

/// All of it as plain values, times in seconds from now.
#[derive(Clone, Debug, PartialEq)]
pub struct LatchingRecord {
    pub announced: Option<Address>,
    pub remote: Option<Address>,
    pub latch: Latch,
    pub learned: bool,
    pub latched: bool,
    pub told: bool,
    pub learns_left: f64,
    pub window_left: f64,
    pub best: u8,
}

impl Default for Latching {
    fn default() -> Self {
        Self::new()
    }
}

impl Latching {
    pub fn new() -> Self {
        Self {
            announced: None,
            remote: None,
            latch: Latch::Strict,
            learned: false,
            latched: false,
            told: false,
            learns_until: 0.0,
            window_ends: 0.0,
            best: ELSEWHERE,
        }
    }

    /// Where the peer says it is. An address that is announced again does not undo what was learned, since a peer behind NAT repeats its
    /// private address; it opens the window for a new one.
    pub fn announce(&mut self, address: Option<Address>, latch: Latch, now: f64, learn_s: f64, window_s: f64) {
        if address != self.announced || matches!(latch, Latch::Strict | Latch::Asymmetric) || !self.learned {
            (self.remote, self.learned) = (address, false);
        }
        (self.announced, self.latch) = (address, latch);
        (self.latched, self.told) = (false, false);
        self.best = ELSEWHERE;
        self.learns_until = if matches!(latch, Latch::Delayed | Latch::Heuristic) { now + learn_s } else { now };
        self.window_ends = self.learns_until + window_s;
    }

    /// Whether a packet of `source` may be looked at now.
    #[inline]
    pub fn hears(&self, source: Address, now: f64) -> bool {
        if Some(source) == self.remote {
            return true;
        }
        match self.latch {
            Latch::Strict => false,
            Latch::Follow | Latch::Asymmetric => true,
            Latch::Once | Latch::Delayed | Latch::Heuristic => {
                !self.latched && now < self.window_ends && self.closeness(source) >= self.best
            }
        }
    }

    /// A valid packet came from `source`, which `hears` allowed: true when that is news of where the peer is.
    pub fn heard(&mut self, source: Address, now: f64) -> bool {
        if matches!(self.latch, Latch::Strict | Latch::Asymmetric) {
            return false;
        }
        let news = Some(source) != self.remote || !self.told;
        (self.remote, self.learned, self.told) = (Some(source), true, true);
        if now < self.learns_until {
            self.best = self.best.max(self.closeness(source));
        } else {
            self.latched = true;
        }
        news
    }

    /// The peer is guessed to be there, until a packet shows where it is.
    pub fn expect(&mut self, address: Address) {
        self.remote = Some(address);
    }

    pub fn record(&self, now: f64) -> LatchingRecord {
        let left = |until: f64| if until > now { until - now } else { 0.0 };
        LatchingRecord {
            announced: self.announced,
            remote: self.remote,
            latch: self.latch,
            learned: self.learned,
            latched: self.latched,
            told: self.told,
            learns_left: left(self.learns_until),
            window_left: left(self.window_ends),
            best: self.best,
        }
    }

    /// Take up what `record` wrote down.
    pub fn restore(&mut self, record: &LatchingRecord, now: f64) {
        *self = Self {
            announced: record.announced,
            remote: record.remote,
            latch: record.latch,
            learned: record.learned,
            latched: record.latched,
            told: record.told,
            learns_until: now + record.learns_left,
            window_ends: now + record.window_left,
            best: record.best,
        };
    }

    /// Whether nothing was ever said of where the peer is. Its answer may be late: a ClientHello is heard from anywhere until then
    /// (RFC 5763 §5), since a lost one comes again only after a second.
    pub fn unannounced(&self) -> bool {
        self.window_ends == 0.0
    }

    /// The one address whose packets need no further question.
    #[inline]
    pub fn settled(&self) -> Option<Address> {
        if self.latched || self.latch == Latch::Strict {
            self.remote
        } else {
            None
        }
    }

    fn closeness(&self, source: Address) -> u8 {
        match self.announced {
            Some(announced) if self.latch == Latch::Heuristic && announced.octets() == source.octets() => {
                if announced == source {
                    EXACT
                } else {
                    SAME_HOST
                }
            }
            _ => ELSEWHERE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: Address = Address::v4([203, 0, 113, 9], 40000);
    const PHONE_RTCP: Address = Address::v4([203, 0, 113, 9], 40001);
    const MOVED: Address = Address::v4([198, 51, 100, 1], 1234);

    fn announced(latch: Latch) -> Latching {
        let mut latching = Latching::new();
        latching.announce(Some(PHONE), latch, 100.0, 3.0, 10.0);
        latching
    }

    /// A valid packet comes from `source`: whether it is heard, and whether that is news.
    fn tell(latching: &mut Latching, source: Address, now: f64) -> (bool, bool) {
        let hears = latching.hears(source, now);
        (hears, hears && latching.heard(source, now))
    }

    #[test]
    fn each_rule_moves_as_it_says() {
        let ends = [
            (Latch::Strict, 100.0, false),
            (Latch::Once, 110.0, true),
            (Latch::Follow, f64::INFINITY, true),
            (Latch::Delayed, 113.0, true),
            (Latch::Heuristic, 113.0, true),
            (Latch::Asymmetric, f64::INFINITY, false),
        ];
        for (latch, end, moves) in ends {
            for (now, inside) in [(end - 0.01, true), (end + 0.01, false)] {
                let now = if now.is_finite() { now } else { 5000.0 };
                let hears = end.is_infinite() || (inside && end > 100.0);
                let mut latching = announced(latch);
                assert_eq!(tell(&mut latching, MOVED, now), (hears, hears && moves), "{latch:?} {now}");
                assert_eq!(latching.remote, Some(if hears && moves { MOVED } else { PHONE }), "{latch:?}");
            }
        }
    }

    #[test]
    fn once_hears_the_first_alone() {
        let mut latching = announced(Latch::Once);
        assert_eq!(latching.settled(), None);
        assert_eq!(tell(&mut latching, MOVED, 101.0), (true, true));
        assert_eq!(tell(&mut latching, MOVED, 102.0), (true, false));
        assert_eq!(tell(&mut latching, PHONE, 102.0), (false, false));
        assert_eq!(latching.settled(), Some(MOVED));
        latching.announce(Some(PHONE), Latch::Once, 103.0, 3.0, 10.0); // the same again: what was learned stays
        assert_eq!((latching.remote, latching.settled()), (Some(MOVED), None));
    }

    #[test]
    fn what_is_closer_beats_what_is_further_while_learning() {
        let mut latching = announced(Latch::Heuristic);
        assert_eq!(tell(&mut latching, MOVED, 100.5), (true, true));
        assert_eq!(tell(&mut latching, PHONE_RTCP, 101.0), (true, true));
        assert_eq!(tell(&mut latching, MOVED, 101.5), (false, false));
        assert_eq!(tell(&mut latching, PHONE, 102.0), (true, true));
        assert_eq!(tell(&mut latching, PHONE_RTCP, 102.5), (false, false));
        assert_eq!(tell(&mut latching, PHONE, 103.5), (true, false));
        assert_eq!(latching.settled(), Some(PHONE));
    }

    #[test]
    fn is_written_down_whole() {
        for latch in [Latch::Strict, Latch::Once, Latch::Follow, Latch::Delayed, Latch::Heuristic, Latch::Asymmetric] {
            for steps in 0..27 {
                let mut one = announced(latch);
                let pick = |index: u32| [PHONE, PHONE_RTCP, MOVED][steps / 3usize.pow(index) % 3];
                for index in 0..2 {
                    tell(&mut one, pick(index), 101.0 + f64::from(index) * 1.5);
                }
                let mut other = Latching::new();
                other.restore(&one.record(103.0), 5000.0);
                for index in 0..12 {
                    let step = f64::from(index) * 1.1 + 0.05;
                    assert_eq!(tell(&mut one, pick(index % 3), 103.0 + step), tell(&mut other, pick(index % 3), 5000.0 + step));
                    assert_eq!((one.remote, one.settled()), (other.remote, other.settled()));
                }
            }
        }
    }

    #[test]
    fn knows_that_nothing_was_announced() {
        assert!(Latching::new().unannounced());
        let mut latching = Latching::new();
        latching.announce(None, Latch::Strict, 1.0, 3.0, 0.0);
        assert!(!latching.unannounced());
    }
}
