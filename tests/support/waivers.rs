//! Mappings that a test leaves out: each with its reason, and only as long as it has to be.

use serde::Deserialize;
use std::collections::BTreeSet;

/// A file of waivers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waivers {
    #[serde(default)]
    waiver: Vec<Waiver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiver {
    mapping: String,
    reason: String,
    /// Its script in `tests/elsewhere` is there, for `tests/flows` alone.
    #[serde(default)]
    has_script: bool,
}

impl Waivers {
    pub fn parse(text: &str) -> Self {
        toml::from_str(text).unwrap()
    }

    /// The mappings that are left out.
    pub fn mappings(&self) -> BTreeSet<&str> {
        self.waiver.iter().map(|waiver| waiver.mapping.as_str()).collect()
    }

    /// What is wrong with the file: waivers that are not needed, by mapping and whether it says to have a script, or have
    /// no reason.
    pub fn problems(&self, needed: impl Fn(&str, bool) -> bool) -> Vec<String> {
        let wrong = self.waiver.iter().filter(|waiver| waiver.reason.is_empty() || !needed(&waiver.mapping, waiver.has_script));
        wrong.map(|waiver| format!("waivers.toml: {} needs no waiver any more, or the waiver has no reason", waiver.mapping)).collect()
    }
}
