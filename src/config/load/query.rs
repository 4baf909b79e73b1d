//! The checks of `queries/NAME.toml`: that its flows, its provider and those who ask fit one another.

use super::super::raw::{At, RawAsker, RawQuery};
use super::super::{Flow, Query};
use super::{Checker, Flows, Page, Partners, Problem, Span, named_files, size};
use crate::domain::{FlowId, Name, PartnerId};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Reads every query. A flow belongs to one of them, so that whoever repeats a question gets the answer to it.
pub(super) fn load(folder: &Path, partners: &Partners, flows: &Flows, problems: &mut Vec<Problem>) -> BTreeMap<Name, Arc<Query>> {
    let mut queries = BTreeMap::new();
    let mut taken = BTreeMap::new();
    for (service, file) in named_files(&folder.join("queries"), problems) {
        let mut page = Page::read(file);
        let query = page.parse::<RawQuery>().and_then(|raw| {
            let mut checker = Checker { page: &mut page, folder };
            checker.flows_are_free(&service, &raw, &mut taken);
            checker.query(&service, &raw, partners, flows)
        });
        problems.append(&mut page.problems);
        queries.extend(query.map(|query| (service, Arc::new(query))));
    }
    queries
}

impl Checker<'_> {
    fn query(&mut self, service: &Name, raw: &RawQuery, partners: &Partners, flows: &Flows) -> Option<Query> {
        let title = self.title(raw.title.as_ref());
        let question = self.flow_of_query(raw.question.as_ref(), "question", flows);
        let answer = self.flow_of_query(raw.answer.as_ref(), "answer", flows);
        let provider = self.known_destination(raw.provider.as_ref(), "provider", None, partners);
        let mapping = self.page.required(raw.mapping.as_ref(), "mapping", None);
        let mapping = mapping.and_then(|name| self.page.parsed::<Name>(name));
        let askers = self.askers(&raw.asker);
        if let (Some((_, Some(flow))), Some(askers)) = (&question, &askers) {
            self.all_senders_ask(flow, askers, raw);
        }
        if let (Some((_, Some(flow))), Some(provider)) = (&answer, &provider) {
            self.provider_answers(flow, &provider.partner, raw);
        }
        Some(Query {
            service: service.clone(),
            title: title?,
            question: question?.0,
            answer: answer?.0,
            provider: provider?,
            mapping: mapping?.into(),
            answer_lifetime: Duration::from_secs(u64::from(raw.answer_lifetime_s)),
            answer_valid_until: raw.answer_valid_until.as_ref().map(|path| path.value().clone()),
            answer_repeats: raw.answer_repeats.iter().map(|path| path.value().clone()).collect(),
            concurrency_max: size(raw.concurrency_max),
            concurrency_per_asker_max: size(raw.concurrency_per_asker_max),
            askers: askers?,
            text: self.page.text().into(),
        })
    }

    /// A flow that the configuration has, with what it says where that has no problem of its own.
    fn flow_of_query(&mut self, text: Option<&At<String>>, key: &str, flows: &Flows) -> Option<(FlowId, Option<Arc<Flow>>)> {
        let text = self.page.required(text, key, None)?;
        let id = self.page.parsed::<FlowId>(text)?;
        let flow = flows.get(&id);
        match flow {
            None => self.page.note(text.span(), format!("`{key}`: there is no flows/{id}.toml")),
            Some(Some(flow)) if !flow.routes.is_empty() => {
                self.page.note(text.span(), format!("`{key}`: flows/{id}.toml has routes; what a query carries goes nowhere else"));
            }
            _ => {}
        }
        Some((id, flow.cloned().flatten()))
    }

    fn flows_are_free(&mut self, service: &Name, raw: &RawQuery, taken: &mut BTreeMap<String, Name>) {
        for (key, text) in [("question", &raw.question), ("answer", &raw.answer)] {
            let Some(text) = text else { continue };
            if let Some(other) = taken.insert(text.value().clone(), service.clone()) {
                self.page.note(text.span(), format!("`{key}`: the flow {} is taken by the query {other}", text.value()));
            }
        }
    }

    fn askers(&mut self, raw: &BTreeMap<String, At<RawAsker>>) -> Option<BTreeMap<PartnerId, String>> {
        if raw.is_empty() {
            self.page.missing("asker", None);
        }
        let read: Vec<_> = raw.iter().map(|(partner, at)| Some((self.name(partner, at.span())?, self.asker(at)?))).collect();
        read.into_iter().collect()
    }

    fn asker(&mut self, at: &At<RawAsker>) -> Option<String> {
        let mapping = self.page.required(at.value().mapping.as_ref(), "mapping", at.span())?;
        self.page.parsed::<Name>(mapping).map(String::from)
    }

    fn all_senders_ask(&mut self, flow: &Flow, askers: &BTreeMap<PartnerId, String>, raw: &RawQuery) {
        for partner in askers.keys().filter(|partner| !flow.senders.contains_key(*partner)) {
            let at: Span = raw.asker.get(partner.as_str()).and_then(At::span);
            self.page.note(at, format!("asker {partner}: flows/{}.toml has no [sender.{partner}]", flow.id));
        }
        for partner in flow.senders.keys().filter(|partner| !askers.contains_key(*partner)) {
            self.page.note(None, format!("[asker.{partner}] is missing: {partner} may send the flow {}", flow.id));
        }
    }

    fn provider_answers(&mut self, flow: &Flow, provider: &PartnerId, raw: &RawQuery) {
        let at = raw.answer.as_ref().and_then(At::span);
        if !flow.senders.keys().eq([provider]) {
            self.page.note(at.clone(), format!("`answer`: the one sender of flows/{}.toml must be the provider, {provider}", flow.id));
        }
        if flow.senders.values().any(|sender| sender.answer.is_some()) {
            self.page.note(at, format!("`answer`: nobody answers an answer; take `answer` out of flows/{}.toml", flow.id));
        }
    }
}
