//! What lies on disk: requirements, scenarios and known gaps, held against each other.

use crate::BoxError;
use crate::scenario::{Protocol, Scenario};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The suite.
#[derive(Debug)]
pub struct Suite {
    /// The folder.
    pub folder: PathBuf,
    /// What must be shown: id and one line of words.
    pub requirements: BTreeMap<String, String>,
    /// The scenarios, by name.
    pub scenarios: Vec<Scenario>,
    /// What is known not to hold yet.
    pub gaps: Vec<Gap>,
}

/// A scenario that is known to fail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The scenario.
    pub scenario: String,
    /// The protocol, where it fails with one alone.
    pub protocol: Option<Protocol>,
    /// Why it fails and what would mend it.
    pub reason: String,
}

impl Gap {
    /// Whether it speaks of this play.
    pub fn covers(&self, scenario: &Scenario, protocol: Protocol) -> bool {
        self.scenario == scenario.name && self.protocol.is_none_or(|p| p == protocol)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirements {
    requirements: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gaps {
    #[serde(default)]
    gap: Vec<Gap>,
}

impl Suite {
    /// Reads the suite in a folder.
    ///
    /// # Errors
    /// A file that is missing or says something unknown, a scenario that shows no requirement or one
    /// that is not listed, and a gap of no scenario.
    pub fn load(folder: &Path) -> Result<Self, BoxError> {
        let Requirements { requirements } = read(&folder.join("requirements.toml"))?;
        let Gaps { gap: gaps } = read(&folder.join("gaps.toml"))?;
        let suite = Self { folder: folder.to_owned(), requirements, scenarios: scenarios(&folder.join("scenarios"))?, gaps };
        let problems: Vec<String> = suite.problems().collect();
        if problems.is_empty() { Ok(suite) } else { Err(problems.join("\n").into()) }
    }

    fn problems(&self) -> impl Iterator<Item = String> {
        let nothing = self.scenarios.iter().filter(|s| s.shows.is_empty()).map(|s| format!("scenario {} shows nothing", s.name));
        let unlisted = self.scenarios.iter().flat_map(|s| s.shows.iter().map(move |id| (s, id)));
        let unlisted = unlisted.filter(|(_, id)| !self.requirements.contains_key(*id));
        let unlisted = unlisted.map(|(s, id)| format!("scenario {} shows {id}, which requirements.toml does not list", s.name));
        let gaps = self.gaps.iter().filter(|g| self.scenarios.iter().all(|s| s.name != g.scenario));
        nothing.chain(unlisted).chain(gaps.map(|g| format!("gaps.toml names {}, which is no scenario", g.scenario)))
    }
}

fn scenarios(folder: &Path) -> Result<Vec<Scenario>, BoxError> {
    let mut scenarios = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            let mut scenario: Scenario = read(&path)?;
            scenario.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            scenarios.push(scenario);
        }
    }
    scenarios.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(scenarios)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, BoxError> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()).into())
}
