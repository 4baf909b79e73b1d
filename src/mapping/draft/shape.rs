//! The outline of a sample as the entries of a mapping: record, lists, values.

use super::guess::{self, Guess, guess};
use super::names::{Source, Target, snake, words};
use crate::mapping::file::Kind;
use crate::mapping::schema::{Canonical, UNMAPPED, ValueForm};
use portolan_contract::outline::{OutlinePath, Sample};
use portolan_contract::{Outline, Words};
use std::collections::{BTreeMap, BTreeSet};

/// Characters of a currency or a country, as a standard or customs have them.
const COUNTRY_CHARACTERS_MAX: usize = 3;
/// A record holds at least one in so many of the paths with a text.
const RECORD_SHARE: u64 = 4;

/// The entries of a draft.
#[derive(Debug, Default)]
pub struct Shape {
    /// `body.root`.
    pub root: String,
    /// `body.record`, below the root.
    pub record_at: String,
    /// The whole path of the record.
    pub record_path: String,
    /// How often it occurs.
    pub records: u64,
    /// Other paths that repeat and could be the record.
    pub others: Vec<String>,
    /// Paths without a text, and those that no entry can hold.
    pub left_out: Vec<String>,
    /// Where a message id seems to stand.
    pub message_id: Option<String>,
    /// The record's values and lists.
    pub record: Group,
}

/// Values and lists of the record or of a list's items.
#[derive(Debug, Default)]
pub struct Group {
    /// Values.
    pub values: Vec<Value>,
    /// Lists.
    pub lists: Vec<List>,
}

/// One value.
#[derive(Debug)]
pub struct Value {
    /// The canonical path, from the enclosing group.
    pub to: String,
    /// The source path, as a mapping writes it.
    pub path: String,
    /// What its texts seem to mean.
    pub guess: Guess,
    /// For an amount: source path and canonical path of its currency.
    pub currency: Option<(String, String)>,
    /// Codes, where they are a short list.
    pub codes: Vec<String>,
    /// It occurs several times in a record or item.
    pub repeats: bool,
    /// It stands after the records.
    pub after: bool,
    /// Every record or item has it.
    pub always: bool,
    /// What is behind the guess.
    pub evidence: String,
    /// Codes that its canonical path takes, where the sample has others.
    pub expected: Vec<String>,
    /// What the sample has, where that may be codes.
    texts: Vec<String>,
    can_be: Texts,
    source: String,
    called: Called,
}

/// What a path is called below the record or the item of a list.
#[derive(Debug)]
struct Called {
    /// Steps joined by `/`.
    steps: String,
    /// They are what the format's codes mean.
    meant: bool,
}

/// A list.
#[derive(Debug)]
pub struct List {
    /// The canonical path, from the enclosing group.
    pub to: String,
    /// The source path of an item.
    pub path: String,
    /// How many items there are, for the comment.
    pub evidence: String,
    /// What an item holds.
    pub item: Group,
    source: String,
    called: Called,
}

impl Group {
    /// Values and lists, those within lists included.
    pub fn entries(&self) -> usize {
        self.values.len() + self.lists.iter().map(|list| 1 + list.item.entries()).sum::<usize>()
    }
}

impl Shape {
    /// The entries that an outline suggests.
    /// The record is at `given` where a path is given; it must be one of the outline.
    pub fn of(outline: &Outline, given: Option<&str>) -> Self {
        let tree = Tree::new(outline);
        let given = given.and_then(|given| outline.paths.iter().position(|path| path.path == given));
        let Some(record) = given.or_else(|| tree.known()).or_else(|| tree.record()) else { return Self::default() };
        let root = tree.root(record);
        let mut shape = Self {
            root: root.map_or_else(String::new, |root| tree.path(root).to_owned()),
            record_at: tree.below(record, root),
            record_path: tree.path(record).to_owned(),
            records: tree.at(record).map_or(0, |path| path.times),
            others: tree.repeating().filter(|&other| other != record).map(|other| tree.path(other).to_owned()).collect(),
            ..Self::default()
        };
        tree.outside(record, root, &mut shape);
        shape.record = tree.group(record, &mut shape.left_out, std::mem::take(&mut shape.record.values));
        shape
    }

    /// Gives each entry a name of its own, after the source.
    pub fn name_freely(&mut self) {
        name_group(&mut self.record);
    }

    /// Gives each entry the canonical path that its name resembles most; how many resemble none.
    pub fn name_after(&mut self, canonical: &Canonical) -> usize {
        let target = |path, title: &Words| Target::new(path, list_around(canonical, path), &title.zh, &title.en);
        let targets: Vec<(&str, Target)> = canonical.paths().map(|(path, title)| (path, target(path, title))).collect();
        after_canonical(&mut self.record, canonical, &targets, "")
    }
}

/// An outline that can be walked downwards.
struct Tree<'o> {
    outline: &'o Outline,
    children: BTreeMap<Option<usize>, Vec<usize>>,
}

impl<'o> Tree<'o> {
    fn new(outline: &'o Outline) -> Self {
        let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        outline.paths.iter().enumerate().for_each(|(index, path)| children.entry(path.parent).or_default().push(index));
        Self { outline, children }
    }

    fn at(&self, index: usize) -> Option<&'o OutlinePath> {
        self.outline.paths.get(index)
    }

    fn path(&self, index: usize) -> &'o str {
        self.at(index).map_or("", |path| path.path.as_str())
    }

    fn below_of(&self, index: usize) -> &[usize] {
        self.children.get(&Some(index)).map_or(&[], Vec::as_slice)
    }

    /// Whether there are elements, members or cells below it, and not attributes alone.
    fn is_group(&self, index: usize) -> bool {
        self.below_of(index).iter().any(|&child| !self.path(child).rsplit('/').next().unwrap_or("").starts_with('@'))
    }

    fn around(&self, index: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.at(index).and_then(|path| path.parent), |&index| self.at(index).and_then(|path| path.parent))
    }

    fn leaves(&self, index: usize) -> u64 {
        let own = u64::from(self.at(index).is_some_and(|path| path.texts > 0));
        own + self.below_of(index).iter().map(|&child| self.leaves(child)).sum::<u64>()
    }

    /// Groups that occur several times within one.
    fn repeating(&self) -> impl Iterator<Item = usize> {
        let all = self.outline.paths.iter().enumerate();
        all.filter(|(index, path)| path.times_within_max > 1 && self.is_group(*index)).map(|(index, _)| index)
    }

    /// The record that the format itself names.
    fn known(&self) -> Option<usize> {
        let record = self.outline.record.as_ref()?;
        self.outline.paths.iter().position(|path| path.path == *record)
    }

    /// The outermost group that repeats, that with most texts where there are several; else, or where that holds
    /// little of what there is, the innermost that holds everything.
    fn record(&self) -> Option<usize> {
        let repeating: BTreeSet<usize> = self.repeating().collect();
        let outermost = |&index: &usize| !self.around(index).any(|around| repeating.contains(&around));
        let weight = |index: &usize| self.leaves(*index) * self.at(*index).map_or(0, |path| path.times);
        let mut top = *self.children.get(&None)?.first()?;
        let whole = self.leaves(top);
        let holds_much = |index: &usize| self.leaves(*index) * RECORD_SHARE >= whole;
        let found = repeating.iter().copied().filter(outermost).max_by_key(weight).filter(holds_much);
        found.or_else(|| {
            while let [only] = self.below_of(top)
                && self.is_group(*only)
            {
                top = *only;
            }
            Some(top)
        })
    }

    /// The innermost path around the record that occurs once and holds every text; the record itself where
    /// nothing is around it, and `None` where the format says itself what its records are, whose paths have no root.
    fn root(&self, record: usize) -> Option<usize> {
        let all = (0..self.outline.paths.len()).filter(|&index| self.at(index).is_some_and(|path| path.texts > 0));
        let all: Vec<usize> = all.collect();
        let holds = |outer: usize| all.iter().all(|&leaf| leaf == outer || self.around(leaf).any(|around| around == outer));
        if self.outline.record.is_some() {
            return None;
        }
        let around: Vec<usize> = self.around(record).filter(|&outer| self.at(outer).is_some_and(|path| path.times == 1)).collect();
        let found = around.iter().copied().find(|&outer| holds(outer) && !all.contains(&outer));
        found.or_else(|| self.at(record)?.parent.is_none().then_some(record))
    }

    /// A path below another, as a mapping writes it.
    fn below(&self, index: usize, outer: Option<usize>) -> String {
        let path = self.path(index);
        match outer {
            None => path.to_owned(),
            Some(outer) => path.strip_prefix(self.path(outer)).unwrap_or(path).trim_start_matches('/').to_owned(),
        }
    }

    /// The values around the record. What repeats there belongs to no record.
    fn outside(&self, record: usize, root: Option<usize>, shape: &mut Shape) {
        for (index, path) in self.outline.paths.iter().enumerate() {
            let within = index == record || self.around(index).any(|around| around == record);
            if within || path.texts == 0 {
                continue;
            }
            let repeats = path.times_within_max > 1
                || self.around(index).any(|around| {
                    let holds_record = self.around(record).any(|outer| outer == around);
                    !holds_record && self.at(around).is_some_and(|path| path.times_within_max > 1)
                });
            if repeats {
                shape.left_out.push(format!("{} (repeats outside the record)", path.path));
                continue;
            }
            let written = format!("/{}", self.below(index, root));
            let named = words(&self.last_word(index));
            let is_id = named.last().is_some_and(|word| word == "id") && named.iter().any(|word| word == "message");
            if is_id && path.times == 1 {
                shape.message_id.get_or_insert(written.clone());
            }
            let after = index > record && (path.times == 1 || self.outline.record.is_some());
            shape.record.values.push(self.value(index, None, written, path.texts == path.times && path.times == 1, after));
        }
        self.join_currencies(&mut shape.record.values);
    }

    /// The values and lists below a group, `values` standing first.
    fn group(&self, group: usize, left_out: &mut Vec<String>, mut values: Vec<Value>) -> Group {
        let mut own = Vec::new();
        let mut lists = Vec::new();
        if self.at(group).is_some_and(|path| path.texts > 0) {
            own.push(self.value(group, None, ".".to_owned(), false, false));
        }
        let mut left: Vec<usize> = self.below_of(group).iter().rev().copied().collect();
        while let Some(index) = left.pop() {
            let Some(path) = self.at(index) else { continue };
            let inner = self.below_of(index);
            let written = self.below(index, Some(group));
            if written.starts_with(['#', '/']) {
                left_out.push(format!("{} (no path can be written so)", path.path));
                continue;
            }
            if path.times_within_max > 1 && !inner.is_empty() {
                let evidence = format!("{}{} items, at most {} in one", self.told(index, Some(group)), path.times, path.times_within_max);
                let item = self.group(index, left_out, Vec::new());
                let (source, called) = (path.path.clone(), self.called(index, Some(group), &written));
                lists.push(List { to: String::new(), path: written, evidence, item, source, called });
                continue;
            }
            if path.texts > 0 {
                own.push(self.value(index, Some(group), written, self.is_always_in(index, group), false));
            } else if inner.is_empty() {
                left_out.push(format!("{} (always empty)", path.path));
            }
            left.extend(inner.iter().rev());
        }
        self.join_currencies(&mut own);
        values.extend(own);
        Group { values, lists }
    }

    /// Whether each occurrence of a group has a text at this path.
    fn is_always_in(&self, index: usize, group: usize) -> bool {
        let steps = std::iter::once(index).chain(self.around(index)).take_while(|&step| step != group);
        let each = |step: usize| {
            let Some(path) = self.at(step) else { return false };
            path.parent.and_then(|parent| self.at(parent)).is_some_and(|parent| path.holders == parent.times)
        };
        self.at(index).is_some_and(|path| path.texts == path.times) && steps.into_iter().all(each)
    }

    /// What the steps of a path below a group mean, outermost first; none where they are no codes.
    fn meanings(&self, index: usize, group: Option<usize>) -> Vec<&'o str> {
        let steps = std::iter::once(index).chain(self.around(index)).take_while(|&step| Some(step) != group);
        let mut meanings: Vec<&str> = steps.filter_map(|step| Some(self.at(step)?.meaning.as_str())).filter(|m| !m.is_empty()).collect();
        meanings.reverse();
        meanings
    }

    fn called(&self, index: usize, group: Option<usize>, written: &str) -> Called {
        let meanings = self.meanings(index, group);
        let meant = !meanings.is_empty();
        Called { steps: if meant { meanings.join("/") } else { written.to_owned() }, meant }
    }

    /// The same for a comment, with what separates it from what follows.
    fn told(&self, index: usize, group: Option<usize>) -> String {
        let meanings = self.meanings(index, group);
        if meanings.is_empty() { String::new() } else { format!("{}; ", meanings.join(", ")) }
    }

    /// The name of a path's last step, or what it means.
    fn last_word(&self, index: usize) -> String {
        let own = self.path(index).rsplit('/').next().unwrap_or("");
        self.meanings(index, None).last().map_or(own, |meaning| *meaning).to_owned()
    }

    fn value(&self, index: usize, group: Option<usize>, written: String, always: bool, after: bool) -> Value {
        let none = OutlinePath::default();
        let path = self.at(index).unwrap_or(&none);
        let guess = guess(path, &words(&self.last_word(index)));
        let (different, more) = (path.samples.len(), if path.samples_left_out > 0 { " or more" } else { "" });
        let example = guess::example(path, &guess);
        let plural = |number: u64| if number == 1 { "value" } else { "values" };
        let texts = guess::short_texts(path);
        let told = self.told(index, group);
        let evidence = format!("{told}{} {}, {different}{more} different, such as {example}", path.texts, plural(path.texts));
        Value {
            to: String::new(),
            called: self.called(index, group, &written),
            path: written,
            codes: if guess.coded { path.samples.iter().map(|sample| sample.text.clone()).collect() } else { Vec::new() },
            expected: Vec::new(),
            can_be: Texts::of(path, &guess, &texts),
            texts,
            guess,
            currency: None,
            repeats: path.times_within_max > 1,
            after,
            always,
            evidence,
            source: path.path.clone(),
        }
    }

    /// Makes an amount of a decimal that has a currency as its attribute.
    fn join_currencies(&self, values: &mut Vec<Value>) {
        let samples = |source: &str| -> &'o [Sample] {
            self.outline.paths.iter().find(|path| path.path == source).map_or(&[], |path| path.samples.as_slice())
        };
        let mut joined = BTreeSet::new();
        for index in 0..values.len() {
            let Some((source, attribute)) = values.get(index).and_then(|value| value.source.rsplit_once('/')) else { continue };
            let (source, attribute) = (source.to_owned(), attribute.to_owned());
            let is_currency = words(&attribute).iter().any(|word| word == "currency") && attribute.starts_with('@');
            let amount = values.iter_mut().find(|value| value.source == source);
            if let Some(amount) = amount.filter(|_| is_currency)
                && guess::is_money(samples(&source), samples(&format!("{source}/{attribute}")))
            {
                amount.guess = Guess { kind: Kind::Money, layout: None, coded: false };
                amount.codes.clear();
                amount.currency = Some((attribute, String::new()));
                joined.insert(index);
            }
        }
        let mut index = 0;
        values.retain(|_| {
            index += 1;
            !joined.contains(&(index - 1))
        });
    }
}

/// Names within one group differ: a name that is taken has the step before it put in front.
fn name_group(group: &mut Group) {
    let mut taken = BTreeSet::new();
    for (number, value) in group.values.iter_mut().enumerate() {
        value.to = free_name(&value.source, &value.called, number, &mut taken);
        if let Some((attribute, to)) = &mut value.currency {
            *to = free_name(&format!("{}/{attribute}", value.source), &value.called, number, &mut taken);
        }
    }
    for (number, list) in group.lists.iter_mut().enumerate() {
        list.to = free_name(&list.source, &list.called, number, &mut taken);
        name_group(&mut list.item);
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
struct Texts {
    may_be_codes: bool,
    are_ibans: bool,
    are_counts: bool,
    /// Of the longest.
    characters_max: usize,
}

impl Texts {
    fn of(path: &OutlinePath, guess: &Guess, short: &[String]) -> Self {
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

/// Names a group after the canonical paths in one list (or in none), the likest pairs first; how many names
/// resemble nothing.
fn after_canonical(group: &mut Group, canonical: &Canonical, targets: &[(&str, Target)], list: &str) -> usize {
    name_group(group);
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
        after_canonical(&mut inner.item, canonical, targets, &path)
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
