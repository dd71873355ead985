//! Delays counted in buckets, so that millions of them cost nothing to keep; each bucket is 1.6 % wide.

const PER_OCTAVE_BITS: u32 = 6;
const PER_OCTAVE: usize = 1 << PER_OCTAVE_BITS;
const BUCKETS: usize = (36 - PER_OCTAVE_BITS as usize) * PER_OCTAVE;

pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0, max: 0 }
    }

    pub fn add(&mut self, ns: u64) {
        if let Some(bucket) = self.counts.get_mut(bucket_of(ns).min(BUCKETS - 1)) {
            *bucket += 1;
        }
        self.count += 1;
        self.max = self.max.max(ns);
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The delay in microseconds that the `part` (0 to 1) of all do not exceed; 0 when there are none.
    pub fn at(&self, part: f64) -> f64 {
        let wanted = (self.count as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return middle_of(index).min(self.max) as f64 / 1e3;
            }
        }
        0.0
    }

    pub fn max(&self) -> f64 {
        self.max as f64 / 1e3
    }

    pub fn count(&self) -> u64 {
        self.count
    }
}

fn bucket_of(ns: u64) -> usize {
    let octave = (64 - PER_OCTAVE_BITS).saturating_sub(ns.leading_zeros() + 1);
    (octave as usize) * PER_OCTAVE + (ns >> octave) as usize
}

fn middle_of(bucket: usize) -> u64 {
    if bucket < 2 * PER_OCTAVE {
        return bucket as u64;
    }
    let octave = bucket / PER_OCTAVE - 1;
    let low = ((bucket - octave * PER_OCTAVE) as u64) << octave;
    low + (1 << octave) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other() {
        for ns in 0..100_000u64 {
            assert!(bucket_of(ns + 1) - bucket_of(ns) <= 1);
            let middle = middle_of(bucket_of(ns));
            assert!(middle.abs_diff(ns) * 50 <= ns.max(50), "{ns} stands as {middle}");
        }
    }

    #[test]
    fn the_middle_of_a_hundred() {
        let mut histogram = Histogram::new();
        (1..=100).for_each(|us| histogram.add(us * 1000));
        assert!((histogram.at(0.5) - 50.0).abs() < 1.0);
        assert!((histogram.at(0.99) - 99.0).abs() < 2.0);
        assert_eq!((histogram.max(), histogram.count()), (100.0, 100));
    }
}
