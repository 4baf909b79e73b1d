//! Comparing what the receiver holds with what it should hold, field by field.
//!
//! Every record is one line of JSON with its members in order, and stands in memory as the first 16
//! bytes of that line's SHA-256. Only records that differ are kept whole, up to
//! [`DIFFERENCES_SHOWN_MAX`].

use super::ledger::line_of;
use crate::domain::Digest;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

/// Records that a comparison shows of those missing, and of those unexpected.
pub const DIFFERENCES_SHOWN_MAX: usize = 100;

/// Members that tell one record of a flow from another, the first that is present.
const IDENTITIES: [&str; 3] = ["servicer_reference", "seller_id", "declaration_id"];

/// A comparison that is being made.
pub struct Comparison {
    files: Vec<PathBuf>,
    /// How often each record is held and was not yet expected.
    left: HashMap<[u8; 16], u64>,
    compared: Compared,
    missing: BTreeMap<String, Value>,
}

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Records held exactly as expected.
    pub matched: u64,
    /// Records expected that are not held exactly so.
    pub missing: u64,
    /// Records held that were not expected exactly so.
    pub unexpected: u64,
    /// What differs, by record, of as many records as are shown.
    pub differences: Vec<Difference>,
}

impl Compared {
    /// Whether exactly what was expected is held, each record as often as it was expected.
    pub fn is_exact(&self) -> bool {
        self.missing == 0 && self.unexpected == 0
    }
}

/// How one record differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What tells the record from others.
    pub identity: String,
    /// The path of a member, its text as expected and as held; `None` where there is none.
    pub fields: Vec<(String, Option<String>, Option<String>)>,
}

impl Comparison {
    /// Begins with the records in these files, of which none is expected yet.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of(files: Vec<PathBuf>) -> io::Result<Self> {
        let mut left = HashMap::new();
        for file in &files {
            for line in BufReader::new(File::open(file)?).lines() {
                *left.entry(hash(&line?)).or_default() += 1;
            }
        }
        Ok(Self { files, left, compared: Compared::default(), missing: BTreeMap::new() })
    }

    /// One more record is expected.
    pub fn expect(&mut self, record: &Value) {
        let hash = hash(&line_of(record));
        match self.left.get_mut(&hash) {
            Some(count) => {
                *count -= 1;
                if *count == 0 {
                    self.left.remove(&hash);
                }
                self.compared.matched += 1;
            }
            None => {
                self.compared.missing += 1;
                if self.missing.len() < DIFFERENCES_SHOWN_MAX {
                    self.missing.insert(identity(record), record.clone());
                }
            }
        }
    }

    /// All were expected: what is left was not.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn finish(mut self) -> io::Result<Compared> {
        self.compared.unexpected = self.left.values().sum();
        let mut held = if self.left.is_empty() { BTreeMap::new() } else { self.unexpected()? };
        for (identity, expected) in std::mem::take(&mut self.missing) {
            let fields = differing(Some(&expected), held.remove(&identity).as_ref());
            self.compared.differences.push(Difference { identity, fields });
        }
        for (identity, held) in held {
            self.compared.differences.push(Difference { identity, fields: differing(None, Some(&held)) });
        }
        Ok(self.compared)
    }

    /// Records held that were not expected: all that are a missing one under the same identity, and
    /// some others.
    fn unexpected(&self) -> io::Result<BTreeMap<String, Value>> {
        let mut unexpected = BTreeMap::new();
        for file in &self.files {
            for line in BufReader::new(File::open(file)?).lines() {
                let line = line?;
                if self.left.contains_key(&hash(&line)) {
                    let record: Value = serde_json::from_str(&line)?;
                    let identity = identity(&record);
                    if unexpected.len() < DIFFERENCES_SHOWN_MAX || self.missing.contains_key(&identity) {
                        unexpected.insert(identity, record);
                    }
                }
            }
        }
        Ok(unexpected)
    }
}

fn hash(line: &str) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&Digest::of(line.as_bytes()).0[..16]);
    half
}

/// What tells a record from others of its flow; a record without any such member is its own text.
fn identity(record: &Value) -> String {
    IDENTITIES.iter().find_map(|name| record[*name].as_str()).map_or_else(|| line_of(record), str::to_owned)
}

fn differing(expected: Option<&Value>, held: Option<&Value>) -> Vec<(String, Option<String>, Option<String>)> {
    let flat = |record: Option<&Value>| {
        let mut members = BTreeMap::new();
        if let Some(record) = record {
            flatten(record, String::new(), &mut members);
        }
        members
    };
    let (expected, held) = (flat(expected), flat(held));
    let mut paths: Vec<_> = expected.keys().chain(held.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let pairs = paths.into_iter().map(|path| (path.clone(), expected.get(path).cloned(), held.get(path).cloned()));
    pairs.filter(|(_, expected, held)| expected != held).collect()
}

/// Every value that is neither object nor array, by its path: `debtor.name`, `items.0.price`.
fn flatten(value: &Value, path: String, into: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| flatten(value, below(name), into)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| flatten(value, below(&at.to_string()), into)),
        Value::String(text) => drop(into.insert(path, text.clone())),
        other => drop(into.insert(path, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn missing_unexpected_and_differing_records_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("held.ndjson");
        let held = [
            json!({ "seller_id": "A", "fees": "1.00", "operator": { "name": "甲" } }),
            json!({ "seller_id": "B", "fees": "2.00" }),
            json!({ "seller_id": "B", "fees": "2.00" }),
            json!({ "seller_id": "C", "fees": "3.00", "items": [{ "price": "1" }] }),
        ];
        std::fs::write(&file, held.map(|record| line_of(&record) + "\n").concat()).expect("written");

        let mut comparison = Comparison::of(vec![file]).expect("read");
        comparison.expect(&json!({ "operator": { "name": "甲" }, "fees": "1.00", "seller_id": "A" }));
        comparison.expect(&json!({ "seller_id": "B", "fees": "2.00" }));
        comparison.expect(&json!({ "seller_id": "C", "fees": "3.00", "items": [{ "price": "2" }] }));
        comparison.expect(&json!({ "seller_id": "D", "transactions": 4 }));
        let compared = comparison.finish().expect("read");

        assert!(!compared.is_exact());
        assert_eq!((compared.matched, compared.missing, compared.unexpected), (2, 2, 2));
        let text = |text: &str| Some(text.to_owned());
        let difference = |identity: &str, fields: &[(&str, Option<String>, Option<String>)]| Difference {
            identity: identity.to_owned(),
            fields: fields.iter().map(|(path, expected, held)| ((*path).to_owned(), expected.clone(), held.clone())).collect(),
        };
        let expected = [
            difference("C", &[("items.0.price", text("2"), text("1"))]),
            difference("D", &[("seller_id", text("D"), None), ("transactions", text("4"), None)]),
            difference("B", &[("fees", None, text("2.00")), ("seller_id", None, text("B"))]),
        ];
        assert_eq!(compared.differences, expected);
    }

    #[test]
    fn what_is_held_exactly_is_exact() {
        let compared = Comparison::of(Vec::new()).and_then(Comparison::finish).expect("read");
        assert!(compared.is_exact());
    }
}
