//! The cases: a file for each flow of the example, named as the flow is.

use crate::reader::{Flat, flattened};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `FLOW.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// What is sent, in order.
    pub case: Vec<Case>,
    /// By the mapping that writes: canonical paths that do not arrive as they were, each with its reason.
    #[serde(default)]
    pub differs: BTreeMap<String, BTreeMap<String, String>>,
}

/// `cut.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    pub cut: Vec<CutCase>,
}

/// A body that takes several deliveries of one record each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutCase {
    pub flow: String,
    pub case: Case,
    /// By destination, the message ids that arrive there, sorted.
    pub ids: BTreeMap<String, Vec<String>>,
}

/// One body and what becomes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The partner that sends.
    pub sender: String,
    /// The mapping that reads.
    pub mapping: String,
    /// The body, below `mappings`; the records that it means stand beside it (`CASE.out.ndjson`).
    pub body: String,
    /// Texts that stand in the body and in its records, and what stands there instead, as long: ids of its own.
    #[serde(default)]
    pub instead: BTreeMap<String, String>,
    /// `accepted`, `in-part` or `refused`.
    pub verdict: String,
    /// Records read, accepted, refused.
    pub counts: [u64; 3],
    /// Destinations where the accepted records arrive.
    pub to: Vec<String>,
    /// By destination: the numbers of the accepted records that arrive there, where a route's condition leaves some out.
    #[serde(default)]
    pub only: BTreeMap<String, Vec<usize>>,
    /// What the sender is answered, where that is not JSON.
    pub answer: Option<Answer>,
}

/// An answer in a format of the sender's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The mapping that writes it.
    pub mapping: String,
    /// Its media type.
    pub media_type: String,
    /// Values that must be read from it, by canonical path.
    pub values: Flat,
}

impl Flow {
    /// The cases of a flow.
    pub fn load(flow: &str) -> Result<Self, String> {
        let file = folder().join(format!("{flow}.toml"));
        let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        toml::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))
    }
}

impl Case {
    /// The bytes to send.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = std::fs::read(mappings().join(&self.body)).unwrap_or_else(|e| panic!("{}: {e}", self.body));
        for (from, to) in &self.instead {
            assert_eq!(from.len(), to.len(), "{}: {from} and {to} differ in length", self.body);
            let places: Vec<usize> =
                bytes.windows(from.len()).enumerate().filter(|(_, found)| *found == from.as_bytes()).map(|(place, _)| place).collect();
            assert!(!places.is_empty(), "{}: there is no {from}", self.body);
            places.into_iter().for_each(|place| bytes[place..place + to.len()].copy_from_slice(to.as_bytes()));
        }
        bytes
    }

    /// The records that it means, that are accepted, and that arrive at a destination.
    pub fn records(&self, to: &str) -> Vec<Flat> {
        // The records of another mapping's case are a body too: that of the canonical record in JSON.
        let meaning = self.body.split_once(".in.").map_or_else(|| self.body.clone(), |(name, _)| format!("{name}.out.ndjson"));
        let mut text = std::fs::read_to_string(mappings().join(meaning)).unwrap();
        for (from, to) in &self.instead {
            text = text.replace(from, to);
        }
        let goes = |number: &usize| self.only.get(to).is_none_or(|only| only.contains(number));
        let lines = (1..).zip(text.lines()).filter(|(number, _)| goes(number));
        lines.map(|(_, line)| flattened(&serde_json::from_str(line).unwrap())).collect()
    }
}

/// The folder of the cases.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flows")
}

/// The folder of the mappings.
pub fn mappings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings")
}
