//! The circuit of one destination: after a number of failures in a row nothing more is leased for
//! a while, then a single attempt probes whether the receiver is back.

use crate::delivery::later;
use jiff::Timestamp;
use std::time::Duration;

/// Closed while the receiver answers; open for a pause after too many failures in a row; when the
/// pause is over it admits one attempt at a time until one succeeds.
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    failures: u32,
    open_until: Option<Timestamp>,
}

impl Circuit {
    /// How many more attempts may begin now, out of `free`, with `under_way` begun and not ended.
    pub fn admits(&self, now: Timestamp, free: usize, under_way: usize) -> usize {
        match self.open_until {
            None => free,
            Some(until) if now < until || under_way > 0 => 0,
            Some(_) => free.min(1),
        }
    }

    /// Until when nothing is tried; `None` while closed.
    pub fn open_until(&self) -> Option<Timestamp> {
        self.open_until
    }

    /// The receiver answered and was able to. Returns whether that closed the circuit.
    pub fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.open_until.take().is_some()
    }

    /// An attempt failed for the receiver's sake. Returns whether that opened a closed circuit.
    /// Attempts that began before it opened do not make the pause longer.
    pub fn failed(&mut self, now: Timestamp, failures_max: u32, pause: Duration) -> bool {
        self.failures = self.failures.saturating_add(1);
        match self.open_until {
            None if self.failures < failures_max => false,
            Some(until) if now < until => false,
            before => {
                self.open_until = Some(later(now, pause));
                before.is_none()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a case: each line is a moment (in seconds), an event, and what is admitted of 8 after it.
    fn check(name: &str, case: &str) {
        let mut circuit = Circuit::default();
        for line in case.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let mut fields = line.split_whitespace();
            let mut next = || fields.next().unwrap_or_else(|| panic!("{name}: {line}: a field is missing"));
            let now = Timestamp::from_second(next().parse().unwrap()).unwrap();
            let changed = match next() {
                "fails" => circuit.failed(now, 3, Duration::from_secs(10)),
                "succeeds" => circuit.succeeded(),
                "waits" => false,
                other => panic!("{name}: {other} is no event"),
            };
            assert_eq!(if changed { "changed" } else { "same" }, next(), "{name}: {line}: state");
            let under_way = next().parse().unwrap();
            assert_eq!(circuit.admits(now, 8, under_way).to_string(), next(), "{name}: {line}: admitted");
        }
    }

    #[test]
    fn cases() {
        check("opens", include_str!("cases/circuit-opens.txt"));
        check("probes", include_str!("cases/circuit-probes.txt"));
        check("stragglers", include_str!("cases/circuit-stragglers.txt"));
    }
}
