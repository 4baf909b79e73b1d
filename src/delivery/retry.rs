//! What an answer means and when to try again: no clock, no line, no chance of its own.
//!
//! | answer | meaning |
//! |---|---|
//! | 2xx | acknowledged |
//! | 408, 409, 425, 429, 5xx, no answer | tried again, with growing waits |
//! | 3xx, other 4xx | dead letter; the answer is kept (redirects are never followed) |
//!
//! Waits are exponential with full jitter: a random part of `retry_first` doubled at each attempt,
//! at most `retry_max`. A `Retry-After` (RFC 9110, section 10.2.3) makes a wait longer, never
//! shorter, and at most [`RETRY_AFTER_MAX`]. What was not acknowledged within `give_up_after` becomes
//! a dead letter. The span begins when the delivery could first be made or was resent by hand: time
//! behind a dead letter does not count. A wait never reaches beyond its end, so that there is one
//! attempt then, the last.

use crate::amounts::Amounts;
use crate::config::Destination;
use crate::delivery::later;
use crate::delivery::push::{ReceiverAnswer, TransportError};
use crate::fault::{Fault, FaultCode, Retry};
use crate::journal::{Lease, Settlement};
use jiff::Timestamp;
use std::time::Duration;

/// The longest wait that a receiver may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// A `Retry-After` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// After so long.
    Wait(Duration),
    /// At this moment.
    At(Timestamp),
}

impl RetryAfter {
    /// Reads the field: seconds, or a date as HTTP writes it. Anything else counts as absent.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Some(Self::Wait(Duration::from_secs(text.parse().unwrap_or(u64::MAX))));
        }
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Some(Self::At(date))
    }

    /// The wait from now on, at most [`RETRY_AFTER_MAX`].
    pub(crate) fn wait_from(self, now: Timestamp) -> Duration {
        let wait = match self {
            Self::Wait(wait) => wait,
            Self::At(at) => Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO),
        };
        wait.min(RETRY_AFTER_MAX)
    }
}

/// Why an attempt did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setback {
    /// The fault.
    pub code: FaultCode,
    /// What was seen, for the operator.
    pub detail: String,
    /// The receiver's answer, if there was one.
    pub answer: Option<String>,
    /// When the receiver wants to be asked again.
    pub retry_after: Option<RetryAfter>,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The receiver has it.
    Acknowledged,
    /// It may work later.
    Temporary(Setback),
    /// It will not work as it is.
    Lasting(Setback),
}

impl Judgement {
    /// Judges what came back over the line.
    pub fn of_answer(answer: &Result<ReceiverAnswer, TransportError>) -> Self {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                return Self::Temporary(Setback { code: error.code(), detail: error.to_string(), answer: None, retry_after: None });
            }
        };
        let setback = |code| Setback {
            code,
            detail: format!("HTTP {}", answer.status),
            answer: Some(answer.text()).filter(|text| !text.is_empty()),
            retry_after: answer.retry_after,
        };
        match answer.status {
            200..=299 => Self::Acknowledged,
            408 | 409 | 425 | 429 | 500.. => Self::Temporary(setback(FaultCode::ReceiverFailing)),
            _ => Self::Lasting(setback(FaultCode::ReceiverRefused)),
        }
    }

    /// Judges a fault on our own side, before anything was sent.
    pub fn of_fault(fault: &Fault) -> Self {
        let words = &fault.detail;
        let detail = match &fault.source {
            Some(source) => format!("{} / {}: {source}", words.zh, words.en),
            None => format!("{} / {}", words.zh, words.en),
        };
        let setback = Setback { code: fault.code, detail, answer: None, retry_after: None };
        match fault.retry {
            Retry::Never => Self::Lasting(setback),
            Retry::Later => Self::Temporary(setback),
            Retry::AfterSeconds(seconds) => {
                Self::Temporary(Setback { retry_after: Some(RetryAfter::Wait(Duration::from_secs(seconds))), ..setback })
            }
        }
    }

    /// The settlement that follows; whoever sent the records adds their amounts. `random` is uniform over all of `u64`.
    pub fn settlement(self, lease: &Lease, destination: &Destination, now: Timestamp, random: u64) -> Settlement {
        let setback = match self {
            Self::Acknowledged => return Settlement::Acknowledged(Amounts::default()),
            Self::Lasting(Setback { code, detail, answer, .. }) => {
                return Settlement::Dead { fault: code.to_string(), detail, answer };
            }
            Self::Temporary(setback) => setback,
        };
        let jittered = backoff(destination.retry_first, destination.retry_max, lease.attempt, random);
        let asked = setback.retry_after.map_or(Duration::ZERO, |after| after.wait_from(now));
        let at = later(now, jittered.max(asked));
        let give_up_at = later(lease.due_since, destination.give_up_after);
        if now >= give_up_at {
            let detail = format!("{}: {}", setback.code, setback.detail);
            return Settlement::Dead { fault: FaultCode::DeliveryExpired.to_string(), detail, answer: setback.answer };
        }
        Settlement::RetryAt { at: at.min(give_up_at), fault: setback.code.to_string(), detail: setback.detail, answer: setback.answer }
    }
}

/// The wait after attempt number `attempt` (from 1): a random part of `first` × 2^(attempt − 1), at
/// most of `longest`. Counted in whole milliseconds.
pub fn backoff(first: Duration, longest: Duration, attempt: u32, random: u64) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let ceiling_ms = u64::try_from(doubled.min(longest).as_millis()).unwrap_or(u64::MAX);
    let part = (u128::from(ceiling_ms) * u128::from(random)) >> 64;
    Duration::from_millis(u64::try_from(part).unwrap_or(ceiling_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Digest, Id, Pins};
    use crate::traces::TraceContext;

    /// The rows of a case file: fields between `|`, without empty lines and comments.
    fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
        text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(|l| l.split('|').map(str::trim).collect())
    }

    fn outcome(text: &str, retry_after: &str) -> Result<ReceiverAnswer, TransportError> {
        Err(match text {
            "unreachable" => TransportError::Unreachable("refused".into()),
            "timeout" => TransportError::Timeout,
            "untrusted" => TransportError::Untrusted("UnknownIssuer".into()),
            "broken" => TransportError::Broken("reset".into()),
            "unusable" => TransportError::Unusable("no key".into()),
            status => {
                let status = status.parse().unwrap();
                return Ok(ReceiverAnswer {
                    status,
                    media_type: None,
                    body: "why".into(),
                    certificate: Digest([0; 32]),
                    retry_after: RetryAfter::parse(retry_after),
                });
            }
        })
    }

    fn seconds(text: &str) -> Duration {
        Duration::from_secs(text.parse().unwrap())
    }

    fn destination(first: &str, longest: &str, give_up: &str) -> Destination {
        Destination {
            id: "tax/push".parse().unwrap(),
            url: "https://localhost/".into(),
            authorities: Vec::new(),
            server_keys: Vec::new(),
            identity: None,
            concurrency_max: 1,
            timeout: Duration::from_secs(1),
            retry_first: seconds(first),
            retry_max: seconds(longest),
            give_up_after: seconds(give_up),
            circuit_failures: 1,
            circuit_pause: Duration::from_secs(1),
        }
    }

    /// A lease of an exchange that was received long before it was due.
    fn lease(attempt: u32, due_since: Timestamp) -> Lease {
        Lease {
            delivery: Id::new(0, [1; 10]),
            token: 1,
            until: due_since,
            exchange: Id::new(0, [2; 10]),
            partner: "bank".parse().unwrap(),
            flow: "payments".parse().unwrap(),
            received_at: due_since - jiff::SignedDuration::from_hours(2400),
            due_since,
            to: "tax/push".parse().unwrap(),
            mapping: Digest::default(),
            pins: Pins::default(),
            attempt,
            rendered: None,
            trace: TraceContext::kept("", "", 0, ""),
            bit: 0,
            first_row: 0,
            rows: 1,
            repeated_ids: 0,
            records: 1,
        }
    }

    #[test]
    fn answers() {
        for row in rows(include_str!("cases/answers.txt")) {
            let [answer, expected, code] = row[..] else { panic!("{row:?} has not 3 fields") };
            let (found, setback) = match Judgement::of_answer(&outcome(answer, "")) {
                Judgement::Acknowledged => ("acknowledged", None),
                Judgement::Temporary(setback) => ("again", Some(setback)),
                Judgement::Lasting(setback) => ("dead letter", Some(setback)),
            };
            assert_eq!(found, expected, "{answer}");
            assert_eq!(setback.as_ref().map_or("", |s| s.code.as_str()), code, "{answer}");
            if let (Some(setback), Ok(_)) = (&setback, answer.parse::<u16>()) {
                assert_eq!(setback.answer.as_deref(), Some("why"), "{answer}: the answer is kept");
            }
        }
    }

    #[test]
    fn waits() {
        for row in rows(include_str!("cases/waits.txt")) {
            let [first, longest, attempt, sixteenths, expected] = row[..] else { panic!("{row:?} has not 5 fields") };
            let random = match sixteenths {
                "16" => u64::MAX,
                part => part.parse::<u64>().unwrap() << 60,
            };
            let found = backoff(
                Duration::from_millis(first.parse().unwrap()),
                Duration::from_millis(longest.parse().unwrap()),
                attempt.parse().unwrap(),
                random,
            );
            assert_eq!(found.as_millis().to_string(), expected, "{row:?}");
        }
    }

    #[test]
    fn settlements() {
        for row in rows(include_str!("cases/settlements.txt")) {
            let [answer, retry_after, attempt, age, expected, code] = row[..] else { panic!("{row:?} has not 6 fields") };
            let now: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
            let due_since = now - jiff::SignedDuration::from_secs(age.parse().unwrap());
            let lease = lease(attempt.parse().unwrap(), due_since);
            // Half of all chance: waits of half the ceiling, of 10, 20, 40, 60, 60 … seconds.
            let settlement =
                Judgement::of_answer(&outcome(answer, retry_after)).settlement(&lease, &destination("10", "60", "86400"), now, 1 << 63);
            let (found, found_code) = match settlement {
                Settlement::Acknowledged(_) => ("acknowledged".to_owned(), String::new()),
                Settlement::RetryAt { at, fault, .. } => (at.duration_since(now).as_secs().to_string(), fault),
                Settlement::Dead { fault, .. } => ("dead letter".to_owned(), fault),
            };
            assert_eq!((found.as_str(), found_code.as_str()), (expected, code), "{row:?}");
        }
    }

    #[test]
    fn our_own_faults() {
        let lasting = Fault::new(FaultCode::RenderFailed).detail("第 3 条", "record 3");
        let Judgement::Lasting(setback) = Judgement::of_fault(&lasting) else { panic!("not lasting") };
        assert_eq!(setback.detail, "第 3 条 / record 3");
        assert!(matches!(Judgement::of_fault(&Fault::new(FaultCode::Unavailable)), Judgement::Temporary(_)));
    }
}
