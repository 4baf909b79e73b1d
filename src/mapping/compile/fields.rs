//! One value: its places, how they are chosen among their like, its currency and its codes.

use super::{Compiler, dotted, join};
use crate::mapping::compiled::{Codes, CurrencyAt, Field};
use crate::mapping::file::{Currency, Direction, FieldEntry, Kind};
use crate::mapping::kinds::layout_problem;
use crate::mapping::place::{Choice, Is, Pick, Place};
use crate::mapping::tables;
use portolan_contract::{Form, ListId, Repeat};
use std::collections::BTreeMap;

/// What the text of an entry is to a format whose cells have types.
fn form(entry: &FieldEntry) -> Form {
    let is_code = entry.codes.is_some() || entry.codes_file.is_some();
    match entry.kind {
        _ if is_code => Form::Text,
        Kind::Money | Kind::Integer => Form::Amount,
        Kind::Decimal | Kind::Fraction => Form::Number,
        Kind::Date | Kind::WorkDate if entry.layout.is_none() => Form::Date,
        _ => Form::Text,
    }
}

impl Compiler<'_> {
    pub(super) fn field(&mut self, entry: &FieldEntry, base: &str, to_base: &str, list: Option<ListId>) -> Option<Field> {
        let to = dotted(to_base, &entry.to);
        self.knows(&to);
        if entry.direction.reads() && !self.filled.insert(to.clone()) {
            self.problem(format!("{to:?} is filled twice; give one entry several paths instead"));
        }
        let paths: Vec<String> = entry.path.as_slice().iter().map(|p| self.resolve(base, p)).collect();
        if paths.is_empty() {
            self.problem("path = [] names no path".to_owned());
        }
        let places: Vec<Place> = paths.iter().filter_map(|p| self.place(p, entry, list)).collect();
        if entry.numbered_max.is_some() && (!to_base.is_empty() || entry.kind != Kind::Text || !entry.direction.writes()) {
            self.problem(format!("numbered_max: {to:?} must be a text that is written for the whole message"));
        }
        entry.needs.iter().for_each(|path| self.knows(&dotted(to_base, path)));
        places.iter().for_each(|place| self.plan.form(place.slot, form(entry)));
        let currency = self.currency(entry, &paths, to_base, list);
        let codes = self.codes(entry);
        if let Some(problem) = entry.layout.as_deref().and_then(|layout| layout_problem(entry.kind, layout, entry.direction)) {
            self.problem(problem);
        }
        let first = places.first().filter(|_| entry.direction.writes());
        let yields = first.is_some_and(|place| self.written.contains(place));
        self.written.extend(first.cloned());
        (places.len() == paths.len()).then(|| Field {
            to: entry.to.clone(),
            places,
            yields,
            kind: entry.kind,
            currency,
            codes,
            layout: entry.layout.clone(),
            default: entry.default.clone(),
            absent: entry.absent.clone(),
            repeat: entry.repeat,
            trim: entry.trim,
            check: entry.check,
            check_if: entry.check_if.clone(),
            direction: entry.direction,
            items_max: entry.items_max.unwrap_or(usize::MAX),
            numbered_max: entry.numbered_max,
            needs: entry.needs.clone(),
        })
    }

    /// The place of a path that may choose one of several like elements.
    fn place(&mut self, path: &str, entry: &FieldEntry, list: Option<ListId>) -> Option<Place> {
        let (pick, path) = self.pick(path)?;
        let slot = self.plan.slot(&path, entry.repeat, entry.after);
        let slot = self.note(slot)?;
        self.expected.push((slot, pick.as_ref().map(|p| p.list).or(list), self.line));
        Some(Place { slot, pick })
    }

    /// The list of the like elements at a path.
    pub(super) fn like(&mut self, element: &str) -> Option<ListId> {
        if let Some(&list) = self.chosen.get(element) {
            return Some(list);
        }
        let list = self.plan.list(element);
        let list = self.note(list)?;
        self.chosen.insert(element.to_owned(), list);
        Some(list)
    }

    /// How a path chooses among like elements, and the path itself; the outer `None` for a problem.
    pub(super) fn pick(&mut self, path: &str) -> Option<(Option<Pick>, String)> {
        let Some(choice) = Choice::of(path) else { return Some((None, path.to_owned())) };
        if choice.besides {
            self.problem(format!("{path:?}: `!=` belongs at the end of a list's path, where it leaves elements out"));
            return None;
        }
        let list = self.like(choice.element)?;
        // What is asked for is written before what it is told by, unless an earlier entry says else.
        let placed = self.plan.place(&join(choice.element, choice.rest));
        self.note(placed)?;
        let by = self.plan.slot(&join(choice.element, choice.by), Repeat::Once, false);
        let by = self.note(by)?;
        let is = match choice.is.strip_prefix("{/").and_then(|is| is.strip_suffix('}')) {
            None => Is::Text(choice.is.to_owned()),
            Some(other) => {
                let slot = self.plan.slot(&join(&self.body.root, other), Repeat::Once, false);
                Is::Slot(self.note(slot)?)
            }
        };
        Some((Some(Pick { list, by, is }), join(choice.element, choice.rest)))
    }

    fn currency(&mut self, entry: &FieldEntry, paths: &[String], to_base: &str, list: Option<ListId>) -> CurrencyAt {
        match (&entry.currency, entry.kind) {
            (None, Kind::Money) => {
                self.problem("type = \"money\" needs currency = \"CNY\", or currency = { to = …, path = … }".to_owned());
                CurrencyAt::None
            }
            (None, _) => CurrencyAt::None,
            (Some(Currency::From { .. }), Kind::Decimal) | (Some(_), Kind::Money) => self.currency_of(entry, paths, to_base, list),
            (Some(_), _) => {
                self.problem("currency belongs to type = \"money\", and one that stands in the source to \"decimal\"".to_owned());
                CurrencyAt::None
            }
        }
    }

    fn currency_of(&mut self, entry: &FieldEntry, paths: &[String], to_base: &str, list: Option<ListId>) -> CurrencyAt {
        match entry.currency.as_ref() {
            None => CurrencyAt::None,
            Some(Currency::Fixed(code)) => self.fixed(code, None),
            Some(Currency::FixedTo { to, is }) => {
                let path = dotted(to_base, to);
                self.knows(&path);
                self.filled.insert(path);
                self.fixed(is, Some(to.clone()))
            }
            Some(Currency::From { to, path }) => {
                let canonical = to.strip_prefix('/').map_or_else(|| dotted(to_base, to), str::to_owned);
                self.knows(&canonical);
                self.filled.insert(canonical);
                let places = paths.iter().filter_map(|amount| {
                    let path = self.resolve(amount, path);
                    self.place(&path, entry, list)
                });
                CurrencyAt::Places(to.clone(), places.collect())
            }
        }
    }

    fn fixed(&mut self, code: &str, to: Option<String>) -> CurrencyAt {
        if tables::currency_decimals(code).is_none() {
            self.problem(format!("{code:?} is no ISO 4217 currency"));
        }
        CurrencyAt::Fixed(code.to_owned(), to)
    }

    fn codes(&mut self, entry: &FieldEntry) -> Option<Codes> {
        let mut to_canonical: BTreeMap<String, String> = entry.codes.clone().unwrap_or_default();
        if let Some(file) = &entry.codes_file {
            match self.bundle.codes.get(file).map(|text| toml::from_str::<BTreeMap<String, String>>(text)) {
                Some(Ok(codes)) => to_canonical.extend(codes),
                Some(Err(e)) => self.problem(format!("codes_file {file:?}: {}", e.message())),
                None => self.problem(format!("codes_file {file:?} cannot be read; it is looked for beside mapping.toml")),
            }
        }
        let writes_alone = self.direction == Direction::Write || entry.direction == Direction::Write;
        for (option, is_said) in [("codes_else", entry.codes_else.is_some()), ("codes_written", !entry.codes_written.is_empty())] {
            if is_said && !writes_alone {
                self.problem(format!("{option} cannot be read back; say direction = \"write\""));
            }
        }
        if entry.codes.is_none() && entry.codes_file.is_none() && entry.codes_else.is_none() && entry.codes_written.is_empty() {
            return None;
        }
        let (beginnings, to_canonical): (BTreeMap<_, _>, BTreeMap<_, _>) =
            to_canonical.into_iter().partition(|(source, _)| source.ends_with('*'));
        let beginnings = beginnings.into_iter().map(|(source, code)| (source.trim_end_matches('*').to_owned(), code)).collect();
        let mut to_source: BTreeMap<String, String> = to_canonical.iter().map(|(s, c)| (c.clone(), s.clone())).collect();
        if to_source.len() < to_canonical.len() && self.direction == Direction::Both && entry.direction == Direction::Both {
            let twice = to_canonical.iter().find(|(s, c)| to_source.get(*c) != Some(s)).map_or("", |(_, c)| c.as_str());
            self.problem(format!("two source codes mean {twice:?}, so it cannot be written; say direction = \"read\" or make them differ"));
        }
        to_source.extend(entry.codes_written.clone());
        Some(Codes { to_canonical, beginnings, to_source, otherwise: entry.codes_else.clone() })
    }
}
