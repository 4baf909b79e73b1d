//! Which alarms are raised and closed: pure, so that its properties can be tested.
//!
//! A condition must last without a gap for its kind's `raise_after` before its alarm is raised, and be gone
//! without a gap for `clear_after` before it is closed. What is open is told by the journal at each step, so
//! that a restart goes on with what was raised before it, and a step whose changes could not be written is
//! simply made again.

use super::{Condition, Kind};
use crate::config::alarms::Hold;
use crate::journal::alarms::{AlarmChange, AlarmRow, AlarmSubject};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Least time between two updates of the figures of an alarm whose severity stays.
pub const UPDATE_INTERVAL: Duration = Duration::from_secs(30);

type Key = (Kind, AlarmSubject);

/// What must be remembered between two steps.
#[derive(Debug, Default)]
pub struct Engine {
    /// Since when the conditions without an alarm have lasted.
    pending: BTreeMap<Key, Timestamp>,
    /// Since when the conditions of open alarms, by their numbers, have been gone.
    calm: BTreeMap<u64, Timestamp>,
}

impl Engine {
    /// The changes that follow from what is wrong now and what is open.
    pub fn step(&mut self, now: Timestamp, open: &[AlarmRow], conditions: Vec<Condition>, hold: impl Fn(Kind) -> Hold) -> Vec<AlarmChange> {
        let mut found: BTreeMap<Key, Condition> = BTreeMap::new();
        for condition in conditions {
            found.entry((condition.kind, condition.subject.clone())).or_insert(condition);
        }
        let mut changes = Vec::new();
        let numbers: BTreeSet<u64> = open.iter().map(|row| row.number).collect();
        self.calm.retain(|number, _| numbers.contains(number));
        for row in open {
            let key = row.kind.parse::<Kind>().ok().map(|kind| (kind, row.subject.clone()));
            let condition = key.as_ref().and_then(|key| found.remove(key));
            // A kind that this version no longer has is closed at once.
            let clear_after = key.map_or(Duration::ZERO, |(kind, _)| hold(kind).clear_after);
            changes.extend(self.of_open(now, row, condition, clear_after));
        }
        self.pending.retain(|key, _| found.contains_key(key));
        for (key, condition) in found {
            let since = *self.pending.entry(key.clone()).or_insert(now);
            if lasted(since, now, hold(key.0).raise_after) {
                let Condition { kind, subject, state, since: known } = condition;
                let since = known.unwrap_or(since);
                changes.push(AlarmChange::Open { kind: kind.as_str().to_owned(), subject, state, since, at: now });
            }
        }
        changes
    }

    fn of_open(&mut self, now: Timestamp, row: &AlarmRow, condition: Option<Condition>, clear_after: Duration) -> Option<AlarmChange> {
        let Some(Condition { state, .. }) = condition else {
            let since = *self.calm.entry(row.number).or_insert(now);
            return lasted(since, now, clear_after).then_some(AlarmChange::Close { number: row.number, at: now });
        };
        self.calm.remove(&row.number);
        let due = state.severity != row.state.severity || (state != row.state && lasted(row.updated_at, now, UPDATE_INTERVAL));
        due.then_some(AlarmChange::Update { number: row.number, state, at: now })
    }
}

/// Whether a span is over; a clock that was put back has not moved on.
fn lasted(since: Timestamp, now: Timestamp, span: Duration) -> bool {
    now.duration_since(since) >= SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::alarms::{AlarmSeverity, AlarmState};
    use portolan_contract::Words;
    use proptest::prelude::*;

    const HOLD: Hold = Hold { raise_after: Duration::from_secs(4), clear_after: Duration::from_secs(30) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn condition(severity: AlarmSeverity) -> Condition {
        let state = AlarmState { severity, party: "receiver".into(), words: Words::new("停", "down"), figures: BTreeMap::new() };
        Condition { kind: Kind::DestinationDown, subject: AlarmSubject::default(), state, since: None }
    }

    /// What a journal would hold after the changes.
    fn write(rows: &mut Vec<AlarmRow>, changes: Vec<AlarmChange>) -> Vec<&'static str> {
        let mut told = Vec::new();
        for change in changes {
            match change {
                AlarmChange::Open { kind, subject, state, since, at } => {
                    assert!(!rows.iter().any(|row| row.closed_at.is_none() && row.subject == subject), "opened twice");
                    let number = rows.len() as u64 + 1;
                    let (told_opened_at, told_closed_at) = (None, None);
                    let row = AlarmRow {
                        number,
                        kind,
                        subject,
                        state,
                        since,
                        opened_at: at,
                        updated_at: at,
                        closed_at: None,
                        told_opened_at,
                        told_closed_at,
                        acts: Vec::new(),
                    };
                    rows.push(row);
                    told.push("open");
                }
                AlarmChange::Close { number, at } => {
                    rows[number as usize - 1].closed_at = Some(at);
                    told.push("close");
                }
                AlarmChange::Update { number, state, at } => {
                    let row = &mut rows[number as usize - 1];
                    (row.state, row.updated_at) = (state, at);
                    told.push("update");
                }
                AlarmChange::Told { .. } => unreachable!("the engine tells nobody"),
            }
        }
        told
    }

    /// Plays seconds at which the condition is (`x`) or is not (`.`), and tells what changed when.
    fn play(engine: &mut Engine, rows: &mut Vec<AlarmRow>, from: i64, seconds: &str) -> Vec<String> {
        let mut told = Vec::new();
        for (second, letter) in (from..).zip(seconds.chars()) {
            let conditions = match letter {
                'x' => vec![condition(AlarmSeverity::Warning)],
                'X' => vec![condition(AlarmSeverity::Critical)],
                _ => Vec::new(),
            };
            let open: Vec<AlarmRow> = rows.iter().filter(|row| row.closed_at.is_none()).cloned().collect();
            let changes = engine.step(at(second), &open, conditions, |_| HOLD);
            told.extend(write(rows, changes).into_iter().map(|what| format!("{what} {second}")));
        }
        told
    }

    #[test]
    fn it_is_raised_and_closed_after_its_holds() {
        let (mut engine, mut rows) = (Engine::default(), Vec::new());
        assert_eq!(play(&mut engine, &mut rows, 0, "xx.xxxx.xxxxxx"), ["open 12"], "a gap begins the time anew");
        assert_eq!((rows[0].since, rows[0].opened_at), (at(8), at(12)));
        assert_eq!(play(&mut engine, &mut rows, 14, &format!("{}x{}", ".".repeat(29), ".".repeat(31))), ["close 74"]);
    }

    #[test]
    fn a_restart_forgets_nothing_but_the_time_that_was_waited() {
        let (mut engine, mut rows) = (Engine::default(), Vec::new());
        assert_eq!(play(&mut engine, &mut rows, 0, "xxxxx"), ["open 4"]);
        let mut engine = Engine::default();
        assert_eq!(play(&mut engine, &mut rows, 100, "xxxxxx"), [""; 0], "it is still the same alarm");
        let mut engine = Engine::default();
        assert_eq!(play(&mut engine, &mut rows, 200, &".".repeat(40)), ["close 230"]);
    }

    #[test]
    fn a_worse_state_is_written_at_once() {
        let (mut engine, mut rows) = (Engine::default(), Vec::new());
        assert_eq!(play(&mut engine, &mut rows, 0, "xxxxxXXXx"), ["open 4", "update 5", "update 8"]);
    }

    proptest! {
        /// However a condition comes and goes, there is one alarm at a time, it stays open for `clear_after` at
        /// least, and `raise_after` lies between two.
        #[test]
        fn nothing_flaps(seconds in "[x.]{0,300}") {
            let (mut engine, mut rows) = (Engine::default(), Vec::new());
            play(&mut engine, &mut rows, 0, &seconds);
            for pair in rows.windows(2) {
                let closed_at = pair[0].closed_at.unwrap();
                prop_assert!(pair[1].opened_at.duration_since(closed_at) >= SignedDuration::from_secs(4));
            }
            for row in &rows {
                prop_assert!(row.opened_at.duration_since(row.since) >= SignedDuration::from_secs(4));
                if let Some(closed_at) = row.closed_at {
                    prop_assert!(closed_at.duration_since(row.opened_at) >= SignedDuration::from_secs(30));
                }
            }
            // Whatever holds for long enough at the end is open, and what is gone for long enough is not.
            let open = rows.iter().any(|row| row.closed_at.is_none());
            if seconds.ends_with("xxxxx") { prop_assert!(open); }
            if seconds.ends_with(&".".repeat(31)) { prop_assert!(!open); }
        }
    }
}
