//! What happened in each hour (UTC): what partners sent under flows, and what reached destinations. Counted in the
//! transaction in which it happens, so that a restart neither loses nor doubles anything.

use crate::domain::{Counts, DestinationId, ExchangeId, FlowId, PartnerId};
use jiff::Timestamp;

/// Upper ends of the latency buckets in milliseconds; what is longer has a bucket of its own.
pub const LATENCY_BOUNDS_MS: [u64; 14] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000, 600_000, 3_600_000, 86_400_000];
/// Rules that are counted by name for one partner, flow and hour; the rest is counted together.
pub const RULES_PER_HOUR_MAX: usize = 50;
/// The name under which the rest is counted.
pub const OTHER_RULES: &str = "other";
/// Rows of one answer.
pub const HOUR_ROWS_MAX: usize = 20_000;
/// Rules of one answer, those with the most records.
pub const RULE_ROWS_MAX: usize = 20;

/// How many took how long, by the buckets of [`LATENCY_BOUNDS_MS`] and one for all that is longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies(pub [u64; LATENCY_BOUNDS_MS.len() + 1]);

impl Latencies {
    /// The bucket of a latency.
    pub fn bucket(milliseconds: i64) -> usize {
        let milliseconds = u64::try_from(milliseconds).unwrap_or(0);
        LATENCY_BOUNDS_MS.iter().position(|bound| milliseconds <= *bound).unwrap_or(LATENCY_BOUNDS_MS.len())
    }

    /// Adds what another hour had.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }

    /// Milliseconds within which this share of all was done: the upper end of the bucket it falls into. `None` where there
    /// is nothing, or where it is beyond the last bound.
    pub fn within_ms(&self, percent: u64) -> Option<u64> {
        let all: u64 = self.0.iter().sum();
        let wanted = (all * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let bucket = self.0.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        LATENCY_BOUNDS_MS.get(bucket?).copied()
    }
}

/// Which hours to read.
#[derive(Clone, Debug)]
pub struct HourFilter {
    /// Only what this partner sent.
    pub partner: Option<PartnerId>,
    /// Only under this flow.
    pub flow: Option<FlowId>,
    /// Hours that begin at or after.
    pub from: Timestamp,
    /// Hours that begin before.
    pub to: Timestamp,
}

/// What one partner sent under one flow in one hour.
#[derive(Clone, Debug)]
pub struct FlowHour {
    /// Its beginning.
    pub hour: Timestamp,
    /// Who.
    pub partner: PartnerId,
    /// Under which flow.
    pub flow: FlowId,
    /// Exchanges, and those of them that were accepted in part and refused.
    pub exchanges: u64,
    /// Those accepted in part.
    pub in_part: u64,
    /// Those refused.
    pub refused: u64,
    /// Their records.
    pub counts: Counts,
    /// Bytes of their bodies as received.
    pub bytes: u64,
    /// From the last byte in to the commit.
    pub latencies: Latencies,
}

/// What reached one destination in one hour.
#[derive(Clone, Debug)]
pub struct DestinationHour {
    /// Its beginning.
    pub hour: Timestamp,
    /// Where to.
    pub to: DestinationId,
    /// Deliveries acknowledged.
    pub acknowledged: u64,
    /// Their records.
    pub records: u64,
    /// Attempts that failed and are made again.
    pub failed: u64,
    /// Deliveries that became dead letters.
    pub dead: u64,
    /// From the receipt of an exchange to its acknowledgement.
    pub latencies: Latencies,
}

/// Findings by one rule.
#[derive(Clone, Debug)]
pub struct RuleCount {
    /// Which.
    pub rule: String,
    /// Findings that were kept.
    pub findings: u64,
    /// The latest exchange that had one.
    pub example: ExchangeId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_fall_into_their_buckets() {
        for (milliseconds, expected) in [(-1, 0), (0, 0), (5, 0), (6, 1), (1_000, 7), (1_001, 8), (86_400_001, 14)] {
            assert_eq!(Latencies::bucket(milliseconds), expected, "{milliseconds}");
        }
    }

    #[test]
    fn a_share_of_all_is_within_the_end_of_its_bucket() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.within_ms(50), None, "nothing");
        (latencies.0[0], latencies.0[3]) = (98, 2);
        assert_eq!((latencies.within_ms(50), latencies.within_ms(98), latencies.within_ms(99)), (Some(5), Some(5), Some(50)));
        latencies.0[14] = 9_900;
        assert_eq!(latencies.within_ms(99), None, "longer than any bound");
    }
}
