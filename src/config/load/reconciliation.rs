//! The checks of `reconciliations/NAME.toml`. Whether paths and conditions fit the flows' records is for those who know all
//! schemas.

use super::super::raw::{At, RawKeyPart, RawLeg, RawReconciliation};
use super::super::reconciliation::{Leg, Reconciliation};
use super::{Checker, Flows, Page, Problem, named_files};
use crate::domain::{FlowId, Name};
use jiff::SignedDuration;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Reconciliations of one configuration: each reads what was committed on its own.
pub const RECONCILIATIONS_MAX: usize = 64;
/// Legs of one reconciliation.
pub const LEGS_MAX: usize = 8;
/// Parts of a key, and paths of one part.
pub const KEY_PARTS_MAX: usize = 8;

/// Reads every reconciliation.
pub(super) fn load(folder: &Path, flows: &Flows, problems: &mut Vec<Problem>) -> BTreeMap<Name, Arc<Reconciliation>> {
    let mut found = BTreeMap::new();
    let folder_of_files = folder.join("reconciliations");
    for (name, file) in named_files(&folder_of_files, problems) {
        let mut page = Page::read(file);
        let read = page.parse::<RawReconciliation>().and_then(|raw| Checker { page: &mut page, folder }.reconciliation(&name, &raw, flows));
        problems.append(&mut page.problems);
        found.extend(read.map(|read| (name, Arc::new(read))));
    }
    if found.len() > RECONCILIATIONS_MAX {
        problems.push(Problem { file: folder_of_files, line: 0, message: format!("more than {RECONCILIATIONS_MAX} reconciliations") });
    }
    found
}

impl Checker<'_> {
    fn reconciliation(&mut self, name: &Name, raw: &RawReconciliation, flows: &Flows) -> Option<Reconciliation> {
        let title = self.title(raw.title.as_ref());
        let from = self.page.required(raw.from.as_ref(), "from", None);
        let from = from.and_then(|text| self.first_day(text));
        if raw.leg.is_empty() {
            self.page.missing("leg", None);
        } else if !(2..=LEGS_MAX).contains(&raw.leg.len()) {
            self.page.note(raw.leg.first().and_then(At::span), format!("a reconciliation has from 2 to {LEGS_MAX} legs"));
        }
        let legs: Vec<_> = raw.leg.iter().enumerate().map(|(place, at)| self.leg(place, at, flows)).collect();
        let legs: Vec<Leg> = legs.into_iter().collect::<Option<_>>()?;
        let mut names = BTreeSet::new();
        for (leg, at) in legs.iter().zip(&raw.leg) {
            if !names.insert(&leg.name) {
                self.page.note(at.span(), format!("a second leg is named {}", leg.name));
            }
            if legs.first().is_some_and(|first| first.key.len() != leg.key.len()) {
                self.page.note(at.span(), "`key`: the keys of all legs have as many parts");
            }
        }
        Some(Reconciliation { name: name.clone(), title: title?, from: from?, legs, text: self.page.text().into() })
    }

    fn first_day(&mut self, text: &At<String>) -> Option<Date> {
        let day = text.value().parse::<Date>().ok().filter(|day| day.to_string() == *text.value());
        if day.is_none() {
            self.page.note(text.span(), format!("`from`: {:?} is no day; write it as 2026-07-01", text.value()));
        }
        day
    }

    fn leg(&mut self, place: usize, at: &At<RawLeg>, flows: &Flows) -> Option<Leg> {
        let raw = at.value();
        let name = self.page.required(raw.name.as_ref(), "name", at.span());
        let name = name.and_then(|name| self.page.parsed::<Name>(name));
        let flow = self.page.required(raw.flow.as_ref(), "flow", at.span());
        let flow = flow.and_then(|text| {
            let id = self.page.parsed::<FlowId>(text)?;
            if !flows.contains_key(&id) {
                self.page.note(text.span(), format!("`flow`: there is no flows/{id}.toml"));
            }
            Some(id)
        });
        let key = self.key(raw, at);
        let within = raw.within_minutes.as_ref();
        match (place, within) {
            (0, Some(given)) => self.page.note(given.span(), "`within_minutes`: the first leg waits for none"),
            (1.., None) => self.page.missing("within_minutes", at.span()),
            _ => {}
        }
        let text = |condition: &Option<At<String>>| condition.as_ref().map(|condition| condition.value().clone());
        Some(Leg {
            name: name?,
            flow: flow?,
            key: key?,
            when: text(&raw.when),
            ends_when: text(&raw.ends_when),
            within: within.map(|minutes| SignedDuration::from_mins(i64::from(minutes.value().get()))),
        })
    }

    fn key(&mut self, raw: &RawLeg, at: &At<RawLeg>) -> Option<Vec<Vec<String>>> {
        let parts = raw.key.iter().map(|part| match part {
            RawKeyPart::Path(path) => vec![path.clone()],
            RawKeyPart::FirstOf(paths) => paths.clone(),
        });
        let parts: Vec<Vec<String>> = parts.collect();
        if parts.is_empty() {
            self.page.missing("key", at.span());
            return None;
        }
        if parts.len() > KEY_PARTS_MAX || parts.iter().any(|paths| !(1..=KEY_PARTS_MAX).contains(&paths.len())) {
            self.page.note(at.span(), format!("`key`: from 1 to {KEY_PARTS_MAX} parts, each of 1 to {KEY_PARTS_MAX} paths"));
            return None;
        }
        Some(parts)
    }
}
