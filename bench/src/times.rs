//! Times of calls, and what is told of them.

use std::time::Duration;

/// Times that were measured of one kind of call.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds one.
    pub fn add(&mut self, took: Duration) {
        let place = self.0.partition_point(|earlier| *earlier <= took);
        self.0.insert(place, took);
    }

    /// The time within which so many of a hundred calls were answered: the nearest rank. Zero where nothing was measured.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.percentile(100)
    }
}

/// Milliseconds as a cell of a table.
pub fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut times = Times::default();
        assert_eq!(times.percentile(50), Duration::ZERO);
        [9, 1, 5, 3, 7].into_iter().for_each(|ms| times.add(Duration::from_millis(ms)));
        let expected = [(1, 1), (20, 1), (21, 3), (50, 5), (99, 9), (100, 9)];
        expected.into_iter().for_each(|(percent, ms)| assert_eq!(times.percentile(percent), Duration::from_millis(ms), "{percent}"));
        assert_eq!(milliseconds(times.max()), "9.00");
    }
}
