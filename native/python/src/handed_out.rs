//! Which port numbers the kernel may give to a program that asks for any.

use std::time::{Duration, Instant};

const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
/// For how long the settings are believed.
const FRESH: Duration = Duration::from_secs(10);

/// The settings of this network namespace, IPv6 included.
#[derive(Default)]
pub struct HandedOut {
    read: Option<Instant>,
    /// Both included.
    range: Option<(u16, u16)>,
    reserved: Vec<(u16, u16)>,
}

impl HandedOut {
    /// Whether it may; true when that cannot be found out.
    pub fn contains(&mut self, port: u16) -> bool {
        if self.read.is_none_or(|at| at.elapsed() > FRESH) {
            *self = Self::parse(&read(RANGE), &read(RESERVED));
            self.read = Some(Instant::now());
        }
        let within = |&(low, high): &(u16, u16)| (low..=high).contains(&port);
        self.range.as_ref().is_none_or(within) && !self.reserved.iter().any(within)
    }

    fn parse(range: &str, reserved: &str) -> Self {
        let number = |text: &str| text.trim().parse::<u16>().ok();
        let mut two = range.split_whitespace().map(number);
        let range = two.next().flatten().zip(two.next().flatten());
        let reserved = reserved.split(',').filter_map(|part| {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            number(low).zip(number(high))
        });
        Self { read: None, range, reserved: reserved.collect() }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(range: &str, reserved: &str, port: u16) -> bool {
        let mut settings = HandedOut::parse(range, reserved);
        settings.read = Some(Instant::now());
        settings.contains(port)
    }

    #[test]
    fn goes_by_the_range_without_what_is_reserved() {
        assert!(contains("32768\t60999\n", "\n", 32_768));
        assert!(contains("32768\t60999\n", "\n", 60_999));
        assert!(!contains("32768\t60999\n", "\n", 32_767));
        assert!(!contains("32768\t60999\n", "\n", 61_000));
        assert!(!contains("32768\t60999\n", "40000,50000-50010\n", 40_000));
        assert!(!contains("32768\t60999\n", "40000,50000-50010\n", 50_010));
        assert!(contains("32768\t60999\n", "40000,50000-50010\n", 50_011));
        assert!(!contains("0 0", "", 5004));
    }

    #[test]
    fn says_yes_when_nothing_can_be_read() {
        assert!(contains("", "", 5004));
    }
}
