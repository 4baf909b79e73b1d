//! What came of the plays, and the table that says so.

use crate::scenario::{Protocol, Scenario};
use crate::suite::Suite;
use std::fmt;

/// The report.
pub struct Report<'s> {
    suite: &'s Suite,
    plays: Vec<Play<'s>>,
    unshown: Vec<&'s str>,
}

struct Play<'s> {
    scenario: &'s Scenario,
    protocol: Protocol,
    complaints: Vec<String>,
    gap: Option<&'s str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Pass,
    Fail,
    /// It fails, as is known.
    Gap,
    /// It passes although it is listed as a gap.
    Closed,
}

impl<'s> Report<'s> {
    /// An empty report.
    pub fn new(suite: &'s Suite) -> Self {
        Self { suite, plays: Vec::new(), unshown: Vec::new() }
    }

    /// Adds a play and what was wrong with it.
    pub fn played(&mut self, scenario: &'s Scenario, protocol: Protocol, complaints: Vec<String>) {
        let gap = self.suite.gaps.iter().find(|gap| gap.covers(scenario, protocol)).map(|gap| gap.reason.as_str());
        self.plays.push(Play { scenario, protocol, complaints, gap });
    }

    /// Notes the requirements that no scenario shows.
    pub fn note_unshown(&mut self) {
        let shown = |id: &&str| self.plays.iter().any(|play| play.scenario.shows.iter().any(|s| s == id));
        self.unshown = self.suite.requirements.keys().map(String::as_str).filter(|id| !shown(id)).collect();
    }

    /// Whether everything holds but what is listed as a gap, and every listed gap is one.
    pub fn is_good(&self) -> bool {
        self.unshown.is_empty() && self.plays.iter().all(|play| matches!(play.verdict(), Verdict::Pass | Verdict::Gap))
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.plays.iter().filter(|play| play.verdict() == verdict).count()
    }
}

impl Play<'_> {
    fn verdict(&self) -> Verdict {
        match (self.complaints.is_empty(), self.gap) {
            (true, None) => Verdict::Pass,
            (false, None) => Verdict::Fail,
            (false, Some(_)) => Verdict::Gap,
            (true, Some(_)) => Verdict::Closed,
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.plays.iter().map(|play| play.scenario.name.len()).max().unwrap_or(0);
        for play in &self.plays {
            let (verdict, scenario) = (play.verdict(), play.scenario);
            writeln!(f, "{verdict:6} {:width$}  {:8}  {}", scenario.name, play.protocol, scenario.title)?;
            match (verdict, play.gap) {
                (Verdict::Fail, _) => play.complaints.iter().try_for_each(|c| writeln!(f, "       - {c}"))?,
                (Verdict::Gap, Some(reason)) => writeln!(f, "       - {reason}")?,
                (Verdict::Closed, _) => writeln!(f, "       - it holds now: take it out of gaps.toml")?,
                _ => {}
            }
        }
        for id in &self.unshown {
            writeln!(f, "unshown {id}: no scenario shows it")?;
        }
        writeln!(
            f,
            "{} requirements; {} plays passed, {} failed, {} are known gaps, {} gaps are closed",
            self.suite.requirements.len(),
            self.count(Verdict::Pass),
            self.count(Verdict::Fail),
            self.count(Verdict::Gap),
            self.count(Verdict::Closed),
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Gap => "gap",
            Self::Closed => "CLOSED",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Gap;

    /// What a suite of one scenario comes to when it is played with these complaints.
    fn check(gap: bool, shows: &str, complaints: &[&str], good: bool) {
        let mut scenario: Scenario = toml::from_str(&format!("title = \"\"\nshows = [\"{shows}\"]\nstep = []")).unwrap();
        scenario.name = "one".to_owned();
        let gaps = gap.then(|| Gap { scenario: "one".to_owned(), protocol: Some(Protocol::Http1), reason: String::new() });
        let requirements = [("a".to_owned(), String::new())].into();
        let suite = Suite { folder: "".into(), requirements, scenarios: vec![scenario], gaps: gaps.into_iter().collect() };
        let mut report = Report::new(&suite);
        report.played(&suite.scenarios[0], Protocol::Http1, complaints.iter().map(|&c| c.to_owned()).collect());
        report.note_unshown();
        assert_eq!(report.is_good(), good, "{report}");
    }

    #[test]
    fn a_suite_is_good_when_all_is_shown_and_every_gap_is_one() {
        check(false, "a", &[], true);
        check(false, "a", &["wrong"], false);
        check(true, "a", &["wrong"], true);
        check(true, "a", &[], false);
        check(false, "b", &[], false);
    }
}
