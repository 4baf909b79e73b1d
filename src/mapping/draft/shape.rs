//! The outline of a sample as the entries of a mapping: record, lists, values.

use super::guess::{self, Guess, guess};
use super::names::words;
use super::placed::{self, Texts};
use crate::mapping::file::Kind;
use crate::mapping::schema::Canonical;
use portolan_contract::Outline;
use portolan_contract::outline::{OutlinePath, Sample};
use std::collections::{BTreeMap, BTreeSet};

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
    pub texts: Vec<String>,
    /// What its texts can be.
    pub can_be: Texts,
    /// The whole source path, as the outline has it.
    pub source: String,
    /// What its path is called.
    pub called: Called,
}

/// What a path is called below the record or the item of a list.
#[derive(Debug)]
pub struct Called {
    /// Steps joined by `/`.
    pub steps: String,
    /// They are what the format's codes mean.
    pub meant: bool,
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
    /// The whole source path, as the outline has it.
    pub source: String,
    /// What its path is called.
    pub called: Called,
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
        placed::name_freely(&mut self.record);
    }

    /// Gives each entry the canonical path that its name resembles most; how many resemble none.
    pub fn name_after(&mut self, canonical: &Canonical) -> usize {
        placed::after_canonical(&mut self.record, canonical)
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
