//! The profile of a body: how often values and codes stood in its records. Translation makes it, the journal adds it
//! up by day, and alarms see from it that a feed has changed.

use std::collections::BTreeMap;

/// Fields of one body that are profiled.
pub const FIELDS_MAX: usize = 64;
/// Different codes of one field that are told apart in a body; the others are one.
pub const CODES_MAX: usize = 64;

/// How often values stood in some records of a body, by canonical path: a sample from its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Records looked at.
    pub records: u64,
    /// By path: records that have the value.
    pub present: BTreeMap<String, u64>,
    /// By path of a code list and by code: records that have the code.
    pub codes: BTreeMap<(String, String), u64>,
}

impl Profile {
    /// Adds what another body has.
    pub fn add(&mut self, other: &Self) {
        self.records += other.records;
        for (path, records) in &other.present {
            *self.present.entry(path.clone()).or_default() += records;
        }
        for (code, records) in &other.codes {
            *self.codes.entry(code.clone()).or_default() += records;
        }
    }
}
