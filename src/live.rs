//! What is in force: a checked configuration with everything that it names compiled.
//!
//! A reload builds a new [`Live`] beside the old one and swaps it in whole; a configuration with
//! any problem is refused whole, and the old one stays.

use crate::answer::CANONICAL;
use crate::config::{Config, Flow, Order, Problem, Query, Reference};
use crate::domain::{FlowId, Name, Routed};
use crate::mapping::{Library, Mapping};
use crate::query::QueryPlan;
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
}

impl Live {
    /// Reads and compiles a configuration folder.
    ///
    /// # Errors
    /// Every problem in every file.
    pub fn load(folder: &Path) -> Result<Self, Vec<Problem>> {
        let config = Config::load(folder)?;
        let library = Library::load(&config.gateway.mappings)?;
        let xsds = xsd::load(&library)?;
        let mut problems = Vec::new();
        let mut flows = BTreeMap::new();
        for (id, flow) in &config.flows {
            match compile(flow, &config, &library) {
                Ok(plan) => drop(flows.insert(id.clone(), Arc::new(plan))),
                Err(messages) => {
                    let file = folder.join("flows").join(format!("{id}.toml"));
                    problems.extend(messages.into_iter().map(|(needle, message)| problem(&file, &flow.text, &needle, message)));
                }
            }
        }
        let (mut queries, mut unfit) = (BTreeMap::new(), Vec::new());
        // Without its flows a query cannot be judged.
        for (service, query) in config.queries.iter().filter(|_| problems.is_empty()) {
            match compile_query(query, &config, &flows, &library) {
                Ok(plan) => drop(queries.insert(service.clone(), Arc::new(plan))),
                Err(messages) => {
                    let file = folder.join("queries").join(format!("{service}.toml"));
                    unfit.extend(messages.into_iter().map(|(needle, message)| problem(&file, &query.text, &needle, message)));
                }
            }
        }
        problems.append(&mut unfit);
        if problems.is_empty() { Ok(Self { config: Arc::new(config), library, xsds, flows, queries }) } else { Err(problems) }
    }
}

/// A problem at the line of a file in which `needle` first stands.
fn problem(file: &Path, text: &str, needle: &str, message: String) -> Problem {
    let line = text.lines().position(|l| l.contains(needle)).map_or(0, |n| n + 1);
    Problem { file: PathBuf::from(file), line, message }
}

/// Compiles a flow. Each problem comes with a text that stands at its place in the file.
fn compile(flow: &Arc<Flow>, config: &Config, library: &Library) -> Result<FlowPlan, Vec<(String, String)>> {
    let mut problems = Vec::new();
    let canonical = library.canonical(&flow.canonical).cloned();
    if canonical.is_none() {
        problems.push((flow.canonical.clone(), format!("there is no canonical schema {:?}", flow.canonical)));
    }
    let senders = flow.senders.values().flat_map(|s| &s.mappings);
    for name in senders {
        if let Err(message) = fitting(library, name, &flow.canonical, "read", |m| m.direction.reads()) {
            problems.push((name.clone(), message));
        }
    }
    let mut destinations = Vec::new();
    for route in &flow.routes {
        match fitting(library, &route.mapping, &flow.canonical, "write", |m| m.direction.writes()) {
            Ok(mapping) => destinations.push((Routed { to: route.to.clone(), mapping: mapping.digest }, mapping)),
            Err(message) => problems.push((route.mapping.clone(), message)),
        }
    }
    let mut answers = BTreeMap::new();
    for (partner, sender) in &flow.senders {
        let Some(name) = &sender.answer else { continue };
        match fitting(library, name, CANONICAL, "write", |m| m.direction.writes()) {
            Ok(mapping) => drop(answers.insert(partner.clone(), mapping)),
            Err(message) => problems.push((name.clone(), message)),
        }
    }
    if let Some(Reference { flow: other, field, .. }) = &flow.reference {
        if !config.flows.contains_key(other) {
            problems.push((format!("{other:?}"), format!("`reference`: there is no flow {other}")));
        }
        if canonical.as_ref().is_some_and(|canonical| !canonical.knows(field)) {
            problems.push((format!("{field:?}"), format!("`reference`: {} has no {field:?}", flow.canonical)));
        }
    }
    if let (Order::Key(path), Some(canonical)) = (&flow.order, &canonical)
        && !canonical.knows(path)
    {
        problems.push((format!("{path:?}"), format!("`order`: {} has no {path:?}", flow.canonical)));
    }
    let zone = TimeZone::get(&flow.zone).unwrap_or(TimeZone::UTC);
    let Some(canonical) = canonical else { return Err(problems) };
    match Router::compile(flow, &canonical) {
        Ok(router) if problems.is_empty() => Ok(FlowPlan { flow: Arc::clone(flow), zone, canonical, router, destinations, answers }),
        Ok(_) => Err(problems),
        Err(messages) => {
            problems.extend(messages.into_iter().map(|m| ("when".to_owned(), m)));
            Err(problems)
        }
    }
}

/// Compiles a query. Each problem comes with a text that stands at its place in the file.
fn compile_query(
    query: &Arc<Query>,
    config: &Config,
    flows: &BTreeMap<FlowId, Arc<FlowPlan>>,
    library: &Library,
) -> Result<QueryPlan, Vec<(String, String)>> {
    let missing = |name: &Name| vec![(name.to_string(), format!("{name} is not in the configuration"))];
    let question = flows.get(&query.question).ok_or_else(|| missing(&query.question))?;
    let answer = flows.get(&query.answer).ok_or_else(|| missing(&query.answer))?;
    let provider = config.partners.get(&query.provider.partner).and_then(|partner| partner.destinations.get(&query.provider.place));
    let provider = provider.ok_or_else(|| missing(&query.provider.partner))?;
    let reading = answer.flow.senders.get(&query.provider.partner).and_then(|sender| library.mapping(sender.mappings.first()?));
    let reading = reading.ok_or_else(|| missing(&query.provider.partner))?;
    let mut problems = Vec::new();
    let mut writing = |name: &String, canonical: &str| {
        let fits = fitting(library, name, canonical, "write", |m| m.direction.writes());
        fits.map_err(|message| problems.push((name.clone(), message))).ok()
    };
    let mapping = writing(&query.mapping, &question.flow.canonical);
    let askers: Option<Vec<_>> =
        query.askers.iter().map(|(partner, name)| Some((partner.clone(), writing(name, &answer.flow.canonical)?))).collect();
    let repeated = query.answer_repeats.iter().flat_map(|path| [(path, question), (path, answer)]);
    for (path, flow) in repeated.chain(query.answer_valid_until.iter().map(|path| (path, answer))) {
        if !flow.canonical.knows(path) {
            problems.push((path.clone(), format!("{} has no {path:?}", flow.flow.canonical)));
        }
    }
    match (mapping, askers) {
        (Some(mapping), Some(askers)) if problems.is_empty() => Ok(QueryPlan {
            query: Arc::clone(query),
            question: Arc::clone(question),
            answer: Arc::clone(answer),
            provider: Arc::clone(provider),
            mapping,
            reading: Arc::clone(reading),
            askers: askers.into_iter().collect(),
        }),
        _ => Err(problems),
    }
}

fn fitting(library: &Library, name: &str, canonical: &str, way: &str, goes: impl Fn(&Mapping) -> bool) -> Result<Arc<Mapping>, String> {
    let mapping = library.mapping(name).ok_or_else(|| {
        let known: Vec<&str> = library.mappings().map(|m| m.name.as_str()).collect();
        format!("there is no mapping {name:?}; there are {}", known.join(", "))
    })?;
    if mapping.canonical.name != canonical {
        return Err(format!("the mapping {name:?} is for {}, not for {canonical}", mapping.canonical.name));
    }
    if goes(mapping) { Ok(Arc::clone(mapping)) } else { Err(format!("the mapping {name:?} cannot {way}")) }
}
