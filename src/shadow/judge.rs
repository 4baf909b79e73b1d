//! A candidate as it lies there: whether it compiles within the configuration, what its cases say, and in which lines it
//! differs from what is in force.

use super::folder;
use crate::domain::{Digest, Name};
use crate::lines::{ChangedLine, changed};
use crate::live::Live;
use crate::mapping::{Bundle, Mapping, cases};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Problems, and failures of cases, that are told of one candidate.
const TOLD_MAX: usize = 200;
/// Lines that are told to differ.
const LINES_TOLD_MAX: usize = 1_000;

/// A candidate mapping, judged.
pub struct Candidate {
    /// Its name: that of the mapping whose place it is to take.
    pub name: Name,
    /// The digest of its folder; nothing where that cannot be read.
    pub digest: Option<Digest>,
    /// What a reload would refuse, as `portolan check` writes it.
    pub problems: Vec<String>,
    /// Cases that were run.
    pub cases: usize,
    /// What they say where they fail.
    pub failures: Vec<String>,
    /// The configuration with it in its place, if that compiles.
    pub live: Option<Arc<Live>>,
    /// In which lines its files differ from those of the mapping in force; none where there is no such mapping.
    pub lines: Vec<(String, Vec<ChangedLine>)>,
    /// Lines that differ and are not told.
    pub lines_left_out: usize,
    /// Under which configuration this was found out.
    base: Arc<Live>,
}

impl Candidate {
    /// What was found out before, where neither the folder nor the configuration has changed since; else judged anew.
    pub(super) fn known_or_judged(kept: Option<Arc<Self>>, base: &Arc<Live>, name: Name, folder: &Path) -> Arc<Self> {
        let found = folder::digest(folder);
        let known =
            kept.filter(|kept| Arc::ptr_eq(&kept.base, base) && kept.digest.is_some() && kept.digest == found.as_ref().ok().copied());
        known.unwrap_or_else(|| {
            let mut judged = Self {
                name,
                digest: found.as_ref().ok().copied(),
                problems: found.err().map(|error| error.to_string()).into_iter().collect(),
                cases: 0,
                failures: Vec::new(),
                live: None,
                lines: Vec::new(),
                lines_left_out: 0,
                base: Arc::clone(base),
            };
            judged.judge(folder);
            Arc::new(judged)
        })
    }

    /// Whether it compiles and its cases hold.
    pub fn holds(&self) -> bool {
        self.live.is_some() && self.problems.is_empty() && self.failures.is_empty()
    }

    /// The mapping, if it compiles.
    pub fn mapping(&self) -> Option<&Arc<Mapping>> {
        self.live.as_ref()?.library.mapping(self.name.as_str())
    }

    /// The mapping in force whose place it is to take.
    pub fn replaces(&self) -> Option<&Arc<Mapping>> {
        self.base.library.mapping(self.name.as_str())
    }

    fn judge(&mut self, folder: &Path) {
        if self.digest.is_none() {
            return;
        }
        match Live::with_candidate(&self.base.config.folder, folder) {
            Ok(live) => self.live = Some(Arc::new(live)),
            Err(problems) => self.problems.extend(problems.iter().take(TOLD_MAX).map(ToString::to_string)),
        }
        if self.live.is_some() && !folder.join("mapping.toml").is_file() {
            self.problems.push(format!("{}: there is no mapping.toml", folder.display()));
        }
        if let Some(mapping) = self.mapping().cloned() {
            let ran = cases::run(&mapping, &folder.join("cases"));
            self.cases = ran.len();
            let failures = ran.iter().flat_map(|case| case.failures.iter().map(|failure| format!("{}: {failure}", case.input.display())));
            self.failures = failures.take(TOLD_MAX).collect();
            let lines = self.replaces().map(|replaced| differing(replaced, &mapping)).unwrap_or_default();
            self.tell(lines);
        }
        if folder::digest(folder).ok() != self.digest {
            self.problems.push(format!("{}: was changed while it was read; look again", folder.display()));
        }
    }

    fn tell(&mut self, lines: Vec<(String, Vec<ChangedLine>)>) {
        let mut room = LINES_TOLD_MAX;
        for (file, mut lines) in lines {
            self.lines_left_out += lines.len().saturating_sub(room);
            lines.truncate(room);
            room -= lines.len();
            self.lines.push((file, lines));
        }
    }
}

/// The lines in which the files of two mappings differ, each mapping with what it extends.
fn differing(old: &Mapping, new: &Mapping) -> Vec<(String, Vec<ChangedLine>)> {
    let (old, new) = (files(old), files(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let text = |files: &BTreeMap<String, String>, name: &String| files.get(name).cloned().unwrap_or_default();
    let lines = names.into_iter().map(|name| (name.clone(), changed(&text(&old, name), &text(&new, name))));
    lines.filter(|(_, lines)| !lines.is_empty()).collect()
}

fn files(mapping: &Mapping) -> BTreeMap<String, String> {
    let bundle = serde_json::from_str::<Bundle>(&mapping.text).ok();
    let files = bundle.map(|bundle| bundle.codes.into_iter().chain([("mapping.toml".to_owned(), bundle.mapping)]).collect());
    files.unwrap_or_default()
}
