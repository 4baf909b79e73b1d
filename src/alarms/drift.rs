//! Whether a number has left its own history: the median, and the median absolute deviation, which a few bad days
//! do not move.

/// What makes a deviation of the median absolute kind comparable to a standard deviation of a normal distribution.
const NORMAL: f64 = 1.4826;

/// Numbers of the days that are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    /// Their median.
    pub median: f64,
    /// The scaled median of their distances from it.
    pub deviation: f64,
}

impl History {
    /// The history of some numbers; `None` where they are fewer than `days_min`.
    pub fn of(numbers: &[f64], days_min: usize) -> Option<Self> {
        if numbers.len() < days_min.max(1) {
            return None;
        }
        let median = median(numbers)?;
        let distances: Vec<f64> = numbers.iter().map(|number| (number - median).abs()).collect();
        Some(Self { median, deviation: NORMAL * self::median(&distances)? })
    }

    /// How many deviations a number is away, where a deviation is `least` at least.
    pub fn deviations(&self, number: f64, least: f64) -> f64 {
        (number - self.median) / self.deviation.max(least)
    }
}

fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 { Some(upper) } else { Some((sorted.get(middle - 1)? + upper) / 2.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_as_worked_out_by_hand() {
        assert_eq!(History::of(&[], 0), None);
        assert_eq!(History::of(&[1.0, 2.0], 3), None);
        // Median 3; distances 2 1 0 1 97, whose median is 1.
        let history = History::of(&[1.0, 2.0, 3.0, 4.0, 100.0], 4).unwrap();
        assert_eq!((history.median, history.deviation), (3.0, 1.4826));
        assert_eq!(History::of(&[4.0, 1.0, 3.0, 2.0], 4).unwrap().median, 2.5);
        // Always the same: the least deviation counts.
        let steady = History::of(&[10.0; 6], 4).unwrap();
        assert_eq!((steady.deviations(12.0, 1.0), steady.deviations(5.0, 2.5)), (2.0, -2.0));
    }
}
