//! What is in force: a checked configuration with everything that it names compiled.
//!
//! A reload builds a new [`Live`] beside the old one and swaps it in whole; a configuration with
//! any problem is refused whole, and the old one stays.

use crate::answer::CANONICAL;
use crate::config::{Config, Destination, Draft, Flow, Order, Problem, Query, Reference};
use crate::domain::{FlowId, Name, Routed};
use crate::mapping::{Library, Mapping};
use crate::query::QueryPlan;
use crate::reconcile::ReconciliationPlan;
use crate::routing::Router;
use crate::translate::FlowPlan;
use crate::xsd::{self, Xsds};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration in force.
pub struct Live {
    /// The configuration.
    pub config: Arc<Config>,
    /// Mappings and schemas.
    pub library: Library,
    /// XML Schemas by the mapping that names them.
    pub xsds: Xsds,
    /// Every flow, compiled.
    pub flows: BTreeMap<FlowId, Arc<FlowPlan>>,
    /// Every query service, compiled.
    pub queries: BTreeMap<Name, Arc<QueryPlan>>,
    /// Every reconciliation, compiled.
    pub reconciliations: BTreeMap<Name, Arc<ReconciliationPlan>>,
}

impl Live {
    /// Reads and compiles a configuration folder.
    ///
    /// # Errors
    /// Every problem in every file.
    pub fn load(folder: &Path) -> Result<Self, Vec<Problem>> {
        Self::compile(Draft::read(folder))
    }

    /// Compiles what was read. What has a problem of its own keeps nobody from hearing about the rest.
    ///
    /// # Errors
    /// Every problem in every file.
    pub fn compile(draft: Draft) -> Result<Self, Vec<Problem>> {
        Self::compile_with(draft, None)
    }

    /// Reads and compiles a configuration folder as it would be with a candidate, the folder of one mapping, promoted.
    ///
    /// # Errors
    /// Every problem in every file.
    pub fn with_candidate(folder: &Path, candidate: &Path) -> Result<Self, Vec<Problem>> {
        Self::compile_with(Draft::read(folder), Some(candidate))
    }

    fn compile_with(mut draft: Draft, candidate: Option<&Path>) -> Result<Self, Vec<Problem>> {
        // Without its folders nobody can say which mappings there are.
        let Some(folders) = &draft.mappings else { return Err(draft.problems) };
        let (library, mut problems) = Library::read_with(folders, candidate);
        let xsds = xsd::load(&library).map_err(|mut found| problems.append(&mut found)).unwrap_or_default();
        let flows = compile_flows(&draft, &library, &mut problems);
        let queries = compile_queries(&draft, &flows, &library, &mut problems);
        let reconciliations = compile_reconciliations(&draft, &flows, &mut problems);
        draft.problems.append(&mut problems);
        draft.problems.sort();
        let config = Arc::new(draft.finish()?);
        Ok(Self { config, library, xsds, flows, queries, reconciliations })
    }
}

fn compile_flows(draft: &Draft, library: &Library, problems: &mut Vec<Problem>) -> BTreeMap<FlowId, Arc<FlowPlan>> {
    let mut flows = BTreeMap::new();
    for (id, flow) in draft.flows.iter().filter_map(|(id, flow)| Some((id, flow.as_ref()?))) {
        match compile(flow, draft, library) {
            Ok(plan) => drop(flows.insert(id.clone(), Arc::new(plan))),
            Err(messages) => {
                let file = draft.folder.join("flows").join(format!("{id}.toml"));
                problems.extend(messages.into_iter().map(|(needle, message)| problem(&file, &flow.text, &needle, message)));
            }
        }
    }
    flows
}

fn compile_queries(
    draft: &Draft,
    flows: &BTreeMap<FlowId, Arc<FlowPlan>>,
    library: &Library,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Name, Arc<QueryPlan>> {
    let mut queries = BTreeMap::new();
    for (service, query) in &draft.queries {
        // A query whose flows or provider have a problem of their own cannot be judged.
        let Some(parties) = Parties::of(query, draft, flows, library) else { continue };
        match compile_query(query, parties, library) {
            Ok(plan) => drop(queries.insert(service.clone(), Arc::new(plan))),
            Err(messages) => {
                let file = draft.folder.join("queries").join(format!("{service}.toml"));
                problems.extend(messages.into_iter().map(|(needle, message)| problem(&file, &query.text, &needle, message)));
            }
        }
    }
    queries
}

fn compile_reconciliations(
    draft: &Draft,
    flows: &BTreeMap<FlowId, Arc<FlowPlan>>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Name, Arc<ReconciliationPlan>> {
    let mut plans = BTreeMap::new();
    for (name, reconciliation) in &draft.reconciliations {
        match ReconciliationPlan::compile(reconciliation, flows) {
            Ok(plan) => drop(plans.insert(name.clone(), Arc::new(plan))),
            Err(messages) => {
                let file = draft.folder.join("reconciliations").join(format!("{name}.toml"));
                problems.extend(messages.into_iter().map(|(needle, message)| problem(&file, &reconciliation.text, &needle, message)));
            }
        }
    }
    plans
}

/// A problem at the line of a file in which `needle` first stands.
fn problem(file: &Path, text: &str, needle: &str, message: String) -> Problem {
    let line = text.lines().position(|l| l.contains(needle)).map_or(0, |n| n + 1);
    Problem { file: PathBuf::from(file), line, message }
}

/// Compiles a flow. Each problem comes with a text that stands at its place in the file.
fn compile(flow: &Arc<Flow>, draft: &Draft, library: &Library) -> Result<FlowPlan, Vec<(String, String)>> {
    let mut problems = Vec::new();
    let canonical = library.canonical(&flow.canonical).cloned();
    if canonical.is_none() && !library.is_broken(&flow.canonical) {
        problems.push((flow.canonical.clone(), format!("there is no canonical schema {:?}", flow.canonical)));
    }
    let mut fits = |name: &String, canonical: &str, way: Way| match fitting(library, name, canonical, way) {
        Ok(mapping) => Some(mapping),
        Err(message) => {
            problems.extend(message.map(|message| (name.clone(), message)));
            None
        }
    };
    let read: Option<Vec<_>> = all(flow.senders.values().flat_map(|s| &s.mappings).map(|name| fits(name, &flow.canonical, Way::Read)));
    let destinations = all(flow.routes.iter().map(|route| {
        let mapping = fits(&route.mapping, &flow.canonical, Way::Write)?;
        Some((Routed { to: route.to.clone(), mapping: mapping.digest }, mapping))
    }));
    let answering = flow.senders.iter().filter_map(|(partner, sender)| Some((partner, sender.answer.as_ref()?)));
    let answers = all(answering.map(|(partner, name)| Some((partner.clone(), fits(name, CANONICAL, Way::Write)?))));
    if let Some(reference) = &flow.reference {
        reference_problems(reference, flow, draft, library, &mut problems);
    }
    if let (Order::Key(path), Some(canonical)) = (&flow.order, &canonical)
        && !canonical.knows(path)
    {
        problems.push((format!("{path:?}"), format!("`order`: {} has no {path:?}", flow.canonical)));
    }
    let zone = TimeZone::get(&flow.zone).unwrap_or(TimeZone::UTC);
    let Some(canonical) = canonical else { return Err(problems) };
    let router = Router::compile(flow, &canonical)
        .map_err(|messages| problems.extend(messages.into_iter().map(|message| ("when".to_owned(), message))));
    match (router, read, destinations, answers) {
        (Ok(router), Some(_), Some(destinations), Some(answers)) if problems.is_empty() => {
            let answers = answers.into_iter().collect();
            let business_day = flow.business_day();
            Ok(FlowPlan { flow: Arc::clone(flow), zone, business_day, canonical, router, destinations, answers })
        }
        _ => Err(problems),
    }
}

/// What is wrong with what a flow's records refer to. A file that cannot be used has its own problems.
fn reference_problems(reference: &Reference, flow: &Flow, draft: &Draft, library: &Library, problems: &mut Vec<(String, String)>) {
    let Reference { flow: other, field, key, .. } = reference;
    if !draft.flows.contains_key(other) {
        problems.push((format!("{other:?}"), format!("`reference`: there is no flow {other}")));
    }
    if let Some(canonical) = library.canonical(&flow.canonical) {
        let unknown = std::iter::once(field).chain(key.iter().map(|(_, ours)| ours)).filter(|path| !canonical.knows(path));
        problems.extend(unknown.map(|path| (format!("{path:?}"), format!("`reference`: {} has no {path:?}", flow.canonical))));
    }
    let theirs = draft.flows.get(other).and_then(Option::as_ref).and_then(|other| library.canonical(&other.canonical));
    if let Some(theirs) = theirs {
        let outside = key.iter().map(|(theirs, _)| theirs).filter(|path| !theirs.is_in_key(path));
        problems.extend(
            outside.map(|path| (format!("{path:?}"), format!("`reference`: {path:?} is not in the business key of {}", theirs.name))),
        );
    }
}

/// Who takes part in a query, and how.
struct Parties {
    question: Arc<FlowPlan>,
    answer: Arc<FlowPlan>,
    provider: Arc<Destination>,
    reading: Arc<Mapping>,
}

impl Parties {
    fn of(query: &Query, draft: &Draft, flows: &BTreeMap<FlowId, Arc<FlowPlan>>, library: &Library) -> Option<Self> {
        let answer = flows.get(&query.answer)?;
        let provider = draft.partners.get(&query.provider.partner)?.as_ref()?.destinations.get(&query.provider.place)?;
        let mapping = answer.flow.senders.get(&query.provider.partner)?.mappings.first()?;
        Some(Self {
            question: Arc::clone(flows.get(&query.question)?),
            answer: Arc::clone(answer),
            provider: Arc::clone(provider),
            reading: Arc::clone(library.mapping(mapping)?),
        })
    }
}

/// Compiles a query. Each problem comes with a text that stands at its place in the file.
fn compile_query(query: &Arc<Query>, parties: Parties, library: &Library) -> Result<QueryPlan, Vec<(String, String)>> {
    let Parties { question, answer, provider, reading } = parties;
    let mut problems = Vec::new();
    let mut writing = |name: &String, canonical: &str| {
        let fits = fitting(library, name, canonical, Way::Write);
        fits.map_err(|message| problems.extend(message.map(|message| (name.clone(), message)))).ok()
    };
    let mapping = writing(&query.mapping, &question.flow.canonical);
    let askers = all(query.askers.iter().map(|(partner, name)| Some((partner.clone(), writing(name, &answer.flow.canonical)?))));
    let repeated = query.answer_repeats.iter().flat_map(|path| [(path, &question), (path, &answer)]);
    for (path, flow) in repeated.chain(query.answer_valid_until.iter().map(|path| (path, &answer))) {
        if !flow.canonical.knows(path) {
            problems.push((path.clone(), format!("{} has no {path:?}", flow.flow.canonical)));
        }
    }
    match (mapping, askers) {
        (Some(mapping), Some(askers)) if problems.is_empty() => {
            Ok(QueryPlan { query: Arc::clone(query), question, answer, provider, mapping, reading, askers: askers.into_iter().collect() })
        }
        _ => Err(problems),
    }
}

/// Which way a mapping must go.
#[derive(Clone, Copy)]
enum Way {
    Read,
    Write,
}

/// Everything, or nothing where one is missing; all are looked at.
fn all<T>(found: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    found.collect::<Vec<_>>().into_iter().collect()
}

/// A mapping for this canonical record and way; what is wrong with it, unless that is told already.
fn fitting(library: &Library, name: &str, canonical: &str, way: Way) -> Result<Arc<Mapping>, Option<String>> {
    let Some(mapping) = library.mapping(name) else {
        let known: Vec<&str> = library.mappings().map(|m| m.name.as_str()).collect();
        let unknown = || format!("there is no mapping {name:?}; there are {}", known.join(", "));
        return Err((!library.is_broken(name)).then(unknown));
    };
    if mapping.canonical.name != canonical {
        return Err(Some(format!("the mapping {name:?} is for {}, not for {canonical}", mapping.canonical.name)));
    }
    let (goes, way) = match way {
        Way::Read => (mapping.direction.reads(), "read"),
        Way::Write => (mapping.direction.writes(), "write"),
    };
    if goes { Ok(Arc::clone(mapping)) } else { Err(Some(format!("the mapping {name:?} cannot {way}"))) }
}
