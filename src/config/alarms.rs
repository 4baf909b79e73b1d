//! Alarms as a checked configuration has them.

use super::{Identity, NamedFile};
use crate::alarms::Kind;
use crate::domain::{Digest, FlowId, Name};
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// When alarms are raised, when they are told of, and to whom.
#[derive(Clone, Debug)]
pub struct Alarms {
    /// How often everything is looked at.
    pub evaluation_interval: Duration,
    /// How long a cause must last, and be gone, unless `holds` says otherwise.
    pub hold: Hold,
    /// The same for single kinds.
    pub holds: BTreeMap<Kind, Hold>,
    /// From where on something is an alarm.
    pub thresholds: Thresholds,
    /// When alarms are told of later.
    pub quiet: Vec<QuietHours>,
    /// Who is told.
    pub webhooks: BTreeMap<Name, Arc<Webhook>>,
}

impl Alarms {
    /// The times of a kind.
    pub fn hold_of(&self, kind: Kind) -> Hold {
        self.holds.get(&kind).copied().unwrap_or(self.hold)
    }
}

/// How long a cause must last before its alarm is raised, and be gone before it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Before it is raised.
    pub raise_after: Duration,
    /// Before it is closed.
    pub clear_after: Duration,
}

/// From where on something is an alarm; see `RawAlarms`.
#[derive(Clone, Debug)]
pub struct Thresholds {
    /// Days known before anything is judged by them.
    pub history_days_min: usize,
    /// Deviations from the median.
    pub volume_deviations_max: f64,
    /// Share, of 1.
    pub share_change_max: f64,
    /// Records of a day.
    pub share_records_min: u64,
    /// Share, of 1.
    pub refused_share_max: f64,
    /// Records of an hour or two.
    pub refused_records_min: u64,
    /// Requests turned away within ten seconds.
    pub throttled_max: u64,
    /// Age of the oldest delivery.
    pub undelivered_max: Duration,
    /// Free bytes of the disk.
    pub disk_free_bytes_min: u64,
    /// Jump of the clock.
    pub clock_jump_max: Duration,
    /// Days of a key of the receipts.
    pub receipt_key_days_max: i64,
}

/// Times of the day in which nobody is told of some alarms.
#[derive(Clone, Debug)]
pub struct QuietHours {
    /// Their beginning.
    pub from: Time,
    /// Their end, on the next day where it is not after the beginning.
    pub to: Time,
    /// Their zone.
    pub zone: TimeZone,
    /// Only these kinds; empty is all.
    pub kinds: Vec<Kind>,
    /// Only these flows; empty is all.
    pub flows: Vec<FlowId>,
}

impl QuietHours {
    /// Whether an alarm of a kind and a flow is not to be told of at a moment.
    pub fn hold_back(&self, kind: Kind, flow: Option<&FlowId>, now: Timestamp) -> bool {
        let time = now.to_zoned_datetime(self.zone.clone()).time();
        let within = if self.from < self.to { (self.from..self.to).contains(&time) } else { time >= self.from || time < self.to };
        let of_kind = self.kinds.is_empty() || self.kinds.contains(&kind);
        within && of_kind && (self.flows.is_empty() || flow.is_some_and(|flow| self.flows.contains(flow)))
    }
}

/// One who is told of alarms.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its name.
    pub name: Name,
    /// `https://…`.
    pub url: String,
    /// Authorities of its server certificate.
    pub authorities: Vec<NamedFile>,
    /// SHA-256 of its server's public key; any of them.
    pub server_keys: Vec<Digest>,
    /// Client identity to present.
    pub identity: Option<Identity>,
    /// File of the secret that signs.
    pub secret: NamedFile,
    /// Time for one attempt.
    pub timeout: Duration,
    /// Only these kinds; empty is all.
    pub kinds: Vec<Kind>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_go_over_midnight() {
        let hours = |from: &str, to: &str| QuietHours {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            zone: TimeZone::get("Asia/Shanghai").unwrap(),
            kinds: vec![Kind::FeedLate],
            flows: vec!["invoice".parse().unwrap()],
        };
        let flow = "invoice".parse().unwrap();
        // 14:00Z is 22:00 in Shanghai.
        let cases = [
            ("22:00", "07:00", "2026-03-01T14:00:00Z", true),
            ("22:00", "07:00", "2026-03-01T13:59:59Z", false),
            ("22:00", "07:00", "2026-03-01T22:59:59Z", true),
            ("22:00", "07:00", "2026-03-01T23:00:00Z", false),
            ("12:00", "13:00", "2026-03-01T04:30:00Z", true),
            ("12:00", "13:00", "2026-03-01T05:00:00Z", false),
        ];
        for (from, to, now, expected) in cases {
            let (hours, now) = (hours(from, to), now.parse().unwrap());
            assert_eq!(hours.hold_back(Kind::FeedLate, Some(&flow), now), expected, "{from} {to} {now}");
            assert!(!hours.hold_back(Kind::FeedMissed, Some(&flow), now), "another kind");
            assert!(!hours.hold_back(Kind::FeedLate, None, now), "no flow");
        }
    }
}
