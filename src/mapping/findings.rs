//! The findings of one record, capped while they are made: a record of twenty thousand bad values
//! costs no more memory than the findings that someone will read.

use crate::domain::{Finding, Severity};
use std::collections::HashSet;

/// Findings kept of one record where no flow says how many.
pub const FINDINGS_PER_RECORD_MAX: usize = 1_000;

/// Findings of one record. Errors go first, so that a cap never hides why a record was refused.
#[derive(Debug)]
pub struct RecordFindings {
    kept_max: usize,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    errors_found: u64,
    warnings_found: u64,
}

impl RecordFindings {
    /// None yet; at most `kept_max` will be kept.
    pub fn new(kept_max: usize) -> Self {
        Self { kept_max, errors: Vec::new(), warnings: Vec::new(), errors_found: 0, warnings_found: 0 }
    }

    /// Adds one; beyond the cap it is only counted.
    pub fn push(&mut self, finding: Finding) {
        let severity = finding.severity;
        if self.has_room(severity) {
            self.kept(severity).push(finding);
        }
        self.count(severity, 1);
    }

    /// Whether another finding of this severity would be kept.
    pub fn has_room(&self, severity: Severity) -> bool {
        let kept = if severity == Severity::Error { &self.errors } else { &self.warnings };
        kept.len() < self.kept_max
    }

    /// Counts findings that are not made, since there is no room for them.
    pub fn count(&mut self, severity: Severity, findings: u64) {
        match severity {
            Severity::Error => self.errors_found += findings,
            Severity::Warning => self.warnings_found += findings,
        }
    }

    /// Whether there is an error, so that the record is not to be taken in.
    pub fn refuse(&self) -> bool {
        self.errors_found > 0
    }

    /// How many warnings there were, kept or not.
    pub fn warnings(&self) -> u64 {
        self.warnings_found
    }

    /// The findings kept, errors first, and how many more there were.
    pub fn into_kept(self) -> (Vec<Finding>, u64) {
        let found = self.errors_found + self.warnings_found;
        let mut kept = self.errors;
        kept.extend(self.warnings);
        kept.truncate(self.kept_max);
        let left_out = found - kept.len() as u64;
        (kept, left_out)
    }

    fn kept(&mut self, severity: Severity) -> &mut Vec<Finding> {
        match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        }
    }
}

/// The canonical paths of a record that an error names, and every path that encloses one.
#[derive(Debug, Default)]
pub struct Named(HashSet<String>);

impl Named {
    /// Takes note of a path.
    pub fn add(&mut self, path: &str) {
        let mut path = path;
        // Where a path is known, those around it are.
        while self.0.insert(path.to_owned()) {
            match path.rsplit_once('.') {
                Some((around, _)) => path = around,
                None => return,
            }
        }
    }

    /// Whether an error names this path or one below it.
    pub fn holds(&self, path: &str) -> bool {
        self.0.contains(path)
    }
}
