//! `MAPPING.toml`: what a mapping's format cannot carry although the canonical schema allows it.
//!
//! Paths are canonical, with the members of a list's items as `items.name`. Without a file there are no limits.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The limits of one format. Every entry has its reason as a comment in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most records of one body; three where it is not given.
    pub records_max: Option<usize>,
    /// Values that all records of a body share; where it is not given, all that stand around the records.
    pub same_in_body: Option<BTreeSet<String>>,
    /// Never there.
    pub never: BTreeSet<String>,
    /// Always there.
    pub always: BTreeSet<String>,
    /// At most one of each set is there.
    pub one_of: Vec<Vec<String>>,
    /// All of each set are there, or none.
    pub together: Vec<Vec<String>>,
    /// The only values there are.
    pub values: BTreeMap<String, Vec<toml::Value>>,
    /// The same as another value: path = other path.
    pub equal: BTreeMap<String, String>,
    /// Values that follow from others of the record, or of the list's item that they stand in; one after the other.
    pub computed: Vec<Computed>,
    /// Two balances, of which the second is made to be the first with all booked records of the body.
    pub balances: Option<Balances>,
    /// A regular expression that the text at a path matches. That of `*` matches one character: of such consist all
    /// texts that have no expression of their own.
    pub pattern: BTreeMap<String, String>,
    /// Characters that no text of kind `text` has.
    pub without: String,
    /// The most characters of a text, or items of a list.
    pub max: BTreeMap<String, usize>,
    /// The most digits before the point of an amount or a decimal; fifteen where it is not given.
    pub digits_max: Option<usize>,
    /// The first and the last year of dates; 1900 and 9999 where it is not given.
    pub years: Option<(i16, i16)>,
    /// Digits of a second's fraction; nine where it is not given.
    pub fraction_digits_max: Option<usize>,
    /// Decimals of a decimal number; as the schema says where it is not given.
    pub decimals_max: Option<usize>,
}

/// A value and the CEL expression that makes it, where that gives one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Computed {
    pub to: String,
    /// Over `record`; for a value in a list that is the item.
    pub cel: String,
}

/// Canonical objects with `amount`, `currency` and `credit_debit`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Balances {
    pub from: String,
    pub to: String,
    /// What is added up; the record itself where it is not given.
    #[serde(default)]
    pub entry: String,
}

impl Limits {
    /// The limits in a file; none where there is no file.
    pub fn of(path: &Path) -> Result<Self, String> {
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }
}
