//! The canonical path of each entry: that whose name and titles are most like its own, and which can take its texts.

use super::guess::{self, Guess};
use super::names::{Source, Target, snake};
use super::shape::{Called, Group, Value};
use crate::mapping::file::Kind;
use crate::mapping::schema::{Canonical, UNMAPPED, ValueForm};
use portolan_contract::Words;
use portolan_contract::outline::{OutlinePath, Sample};
use std::collections::{BTreeMap, BTreeSet};

/// Characters of a currency or a country, as a standard or customs have them.
const COUNTRY_CHARACTERS_MAX: usize = 3;

/// Names within one group differ: a name that is taken has the step before it put in front.
pub fn name_freely(group: &mut Group) {
    let mut taken = BTreeSet::new();
    for (number, value) in group.values.iter_mut().enumerate() {
        value.to = free_name(&value.source, &value.called, number, &mut taken);
        if let Some((attribute, to)) = &mut value.currency {
            *to = free_name(&format!("{}/{attribute}", value.source), &value.called, number, &mut taken);
        }
    }
    for (number, list) in group.lists.iter_mut().enumerate() {
        list.to = free_name(&list.source, &list.called, number, &mut taken);
        name_freely(&mut list.item);
    }
}

fn free_name(source: &str, called: &Called, number: usize, taken: &mut BTreeSet<String>) -> String {
    let meant = called.meant.then(|| snake(&called.steps)).flatten();
    let steps: Vec<&str> = source.split('/').collect();
    let names = (1..=steps.len()).map(|count| {
        let last = steps.get(steps.len() - count..).unwrap_or_default();
        last.iter().map(|step| snake(step)).collect::<Option<Vec<String>>>().map(|steps| steps.join("_"))
    });
    let numbered = (number + 1..).map(|number| Some(format!("value_{number}")));
    let free = meant.into_iter().chain(names.take_while(Option::is_some).chain(numbered).flatten()).find(|name| !taken.contains(name));
    let name = free.unwrap_or_default();
    taken.insert(name.clone());
    name
}

/// A name that is to be chosen.
struct Unnamed<'g> {
    to: &'g mut String,
    source: Source,
    /// It needs the path of an array.
    repeats: bool,
    /// It is a list of items, and not a value.
    is_list: bool,
    /// What its texts can be; `None` for what has none of its own.
    texts: Option<Texts>,
}

/// What the texts of a value can be.
#[derive(Clone, Copy, Debug)]
pub struct Texts {
    may_be_codes: bool,
    are_ibans: bool,
    are_counts: bool,
    /// Of the longest.
    characters_max: usize,
}

impl Texts {
    /// Of a path; `short` are those that may be codes.
    pub fn of(path: &OutlinePath, guess: &Guess, short: &[String]) -> Self {
        let characters = |sample: &Sample| if sample.cut { usize::MAX } else { sample.text.chars().count() };
        Self {
            may_be_codes: guess.kind != Kind::Text || guess.coded || !short.is_empty(),
            are_ibans: guess.kind == Kind::Iban,
            are_counts: guess::are_counts(path),
            characters_max: path.samples.iter().map(characters).max().unwrap_or_default(),
        }
    }

    /// Whether what a schema says of a value can be true of them.
    fn fit(self, form: &ValueForm) -> bool {
        match form.shared.as_str() {
            "iban" => self.are_ibans,
            "currency" | "country" => self.characters_max <= COUNTRY_CHARACTERS_MAX,
            _ => self.may_be_codes || (form.kind != "boolean" && form.codes.is_empty()),
        }
    }
}

/// Canonical paths in one list (or in none), from there on.
type Here<'t> = Vec<(&'t str, &'t Target)>;

/// Gives each entry of a record the canonical path that its name resembles most; how many resemble none.
pub fn after_canonical(record: &mut Group, canonical: &Canonical) -> usize {
    let target = |path, title: &Words| Target::new(path, list_around(canonical, path), &title.zh, &title.en);
    let targets: Vec<(&str, Target)> = canonical.paths().map(|(path, title)| (path, target(path, title))).collect();
    in_list(record, canonical, &targets, "")
}

/// Names a group after the canonical paths in one list (or in none), the likest pairs first; how many names
/// resemble nothing.
fn in_list(group: &mut Group, canonical: &Canonical, targets: &[(&str, Target)], list: &str) -> usize {
    name_freely(group);
    let here = paths_in(canonical, targets, list);
    let mut names = unnamed(group);
    let chosen = likest(&names, &here, canonical, list);
    for (number, unnamed) in names.iter_mut().enumerate() {
        *unnamed.to = match chosen.get(&number).and_then(|&target| here.get(target)) {
            Some((path, _)) => (*path).to_owned(),
            None => format!("{UNMAPPED}.{}", unnamed.source.name(unnamed.to)),
        };
    }
    let unmapped = names.len() - chosen.len();
    group.values.iter_mut().for_each(|value| suit(value, canonical, list));
    let inner = group.lists.iter_mut().map(|inner| {
        let path = below(list, &inner.to);
        in_list(&mut inner.item, canonical, targets, &path)
    });
    unmapped + inner.sum::<usize>()
}

/// Makes of a guess what its canonical path takes: a whole number is a text where there is a text, and codes are those.
fn suit(value: &mut Value, canonical: &Canonical, list: &str) {
    let Some(form) = canonical.value_form(&below(list, &value.to)) else { return };
    match (form.kind.as_str(), value.guess.kind) {
        (_, Kind::Integer) if canonical.decimals().contains(&below(list, &value.to)) => value.guess.kind = Kind::Decimal,
        ("integer", Kind::Text) if value.can_be.are_counts => {
            value.guess = Guess { kind: Kind::Integer, layout: None, coded: false };
            value.codes.clear();
        }
        ("string", Kind::Integer | Kind::Boolean) | ("boolean", Kind::Integer) | ("integer", Kind::Boolean) => {
            value.guess.kind = Kind::Text;
        }
        _ => {}
    }
    let differ = value.texts.iter().any(|text| !form.codes.contains(text));
    if !form.codes.is_empty() && differ {
        value.guess = Guess { kind: Kind::Text, layout: None, coded: true };
        value.codes.clone_from(&value.texts);
        value.expected.clone_from(&form.codes);
    }
}

/// The innermost list that a canonical path is in; empty where it is in none.
fn list_around<'p>(canonical: &Canonical, path: &'p str) -> &'p str {
    let mut around = path.rmatch_indices('.').filter_map(|(at, _)| path.get(..at));
    around.find(|list| canonical.is_list(list)).unwrap_or_default()
}

fn below(list: &str, path: &str) -> String {
    if list.is_empty() { path.to_owned() } else { format!("{list}.{path}") }
}

/// The paths that lie in this list and in none within it.
fn paths_in<'t>(canonical: &Canonical, targets: &'t [(&'t str, Target)], list: &str) -> Here<'t> {
    let in_this = |(path, target): &'t (&'t str, Target)| {
        let rest = if list.is_empty() { path } else { path.strip_prefix(list)?.strip_prefix('.')? };
        let mut around = rest.match_indices('.').filter_map(|(at, _)| path.get(..path.len() - rest.len() + at));
        (!around.any(|outer| canonical.is_list(outer))).then_some((rest, target))
    };
    targets.iter().filter_map(in_this).collect()
}

fn unnamed(group: &mut Group) -> Vec<Unnamed<'_>> {
    let mut names = Vec::new();
    for value in &mut group.values {
        let repeats = value.repeats;
        names.push(Unnamed {
            to: &mut value.to,
            source: Source::new(&value.called.steps, value.called.meant),
            repeats,
            is_list: false,
            texts: Some(value.can_be),
        });
        if let Some((attribute, to)) = &mut value.currency {
            let source = Source::new(&format!("{}/{attribute}", value.path), false);
            names.push(Unnamed { to, source, repeats, is_list: false, texts: None });
        }
    }
    names.extend(group.lists.iter_mut().map(|list| Unnamed {
        to: &mut list.to,
        source: Source::new(&list.called.steps, list.called.meant),
        repeats: true,
        is_list: true,
        texts: None,
    }));
    names
}

/// By name, the path that it resembles most of those that no other name resembles more.
fn likest(names: &[Unnamed<'_>], here: &Here<'_>, canonical: &Canonical, list: &str) -> BTreeMap<usize, usize> {
    let holds_more = |path: &str| here.iter().any(|(other, _)| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')));
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (number, (path, target)) in here.iter().enumerate() {
        let (is_list, holds_more) = (canonical.is_list(&below(list, path)), holds_more(path));
        let form = canonical.value_form(&below(list, path));
        for (name, unnamed) in names.iter().enumerate() {
            let likeness = unnamed.source.likeness(target);
            if is_list == unnamed.repeats
                && unnamed.texts.zip(form).is_none_or(|(texts, form)| texts.fit(form))
                && (unnamed.is_list || !holds_more)
                && likeness >= unnamed.source.likeness_min()
            {
                pairs.push((likeness, name, number));
            }
        }
    }
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0).then((one.1, one.2).cmp(&(other.1, other.2))));
    let (mut chosen, mut used) = (BTreeMap::new(), BTreeSet::new());
    for (_, name, number) in pairs {
        if !chosen.contains_key(&name) && used.insert(number) {
            chosen.insert(name, number);
        }
    }
    chosen
}
