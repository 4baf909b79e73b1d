//! Canonical records from a seed, as one mapping can write them: every second optional value is there, in the first body all
//! of them, in the second none.

use crate::limits::{Balances, Limits};
use crate::values::Values;
use jiff::tz::TimeZone;
use portolan::mapping::rules::{Expression, Runner};
use portolan::mapping::{CurrencyAt, Field, Group, Mapping};
use portolan_contract::Repeat;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Attempts at one record before the limits are taken to be impossible.
const ATTEMPTS_MAX: usize = 300;
/// Items of a list, and values of a repeated field.
const ITEMS_MAX: usize = 4;

/// Makes the records of one mapping.
pub struct Maker<'m> {
    mapping: &'m Mapping,
    limits: &'m Limits,
    schema: Value,
    values: Values<'m>,
    /// Paths that must be there, found by asking the schema.
    needed: BTreeSet<String>,
    /// What follows from other values, by the limits.
    following: Vec<(&'m str, Expression)>,
    presence: Presence,
    runner: Runner,
}

#[derive(Clone, Copy, PartialEq)]
enum Presence {
    All,
    None,
    Half,
}

impl<'m> Maker<'m> {
    pub fn new(mapping: &'m Mapping, limits: &'m Limits, zone: &'m TimeZone, seed: u64) -> Self {
        Self {
            mapping,
            limits,
            schema: serde_json::from_str(&mapping.canonical.text).expect("a schema is JSON"),
            values: Values::new(limits, zone, seed),
            needed: limits.always.clone(),
            following: limits.computed.iter().map(|computed| (computed.to.as_str(), compiled(&computed.cel))).collect(),
            presence: Presence::Half,
            runner: Runner::new(),
        }
    }

    /// The records of a body.
    pub fn body(&mut self, number: usize) -> Result<Vec<Value>, String> {
        let presence = [Presence::All, Presence::None].get(number).copied().unwrap_or(Presence::Half);
        let count = 1 + self.values.below(self.limits.records_max.unwrap_or(3));
        let mut records = vec![self.record(presence)?];
        let shared = self.shared();
        while records.len() < count {
            let mut record = self.record(presence)?;
            for path in &shared {
                set(&mut record, path, get(&records[0], path).cloned());
            }
            self.make_equal(&mut record);
            self.compute(&mut record);
            let unfit = self.mapping.canonical.check(&record);
            if unfit.is_empty() {
                records.push(record);
            }
        }
        if let Some(balances) = &self.limits.balances {
            close(balances, &mut records);
        }
        Ok(records)
    }

    /// What all records of a body share.
    fn shared(&self) -> Vec<String> {
        if let Some(given) = &self.limits.same_in_body {
            return given.iter().cloned().collect();
        }
        let around = |field: &&Field| field.places.first().is_some_and(|place| !self.mapping.plan.slot(place.slot).in_record);
        let mut paths = Vec::new();
        for field in self.mapping.record.fields.iter().filter(around) {
            paths.push(field.to.clone());
            paths.extend(currency_path(field).map(str::to_owned));
        }
        paths
    }

    /// One record that fits the schema and the limits.
    fn record(&mut self, presence: Presence) -> Result<Value, String> {
        let mut last = Vec::new();
        for attempt in 0..ATTEMPTS_MAX {
            // What the schema asks for in other words than `required` is found by chance.
            self.presence = if attempt > 20 { Presence::Half } else { presence };
            let mapping = self.mapping;
            let mut record = Value::Object(self.group(&mapping.record, "", None));
            self.make_equal(&mut record);
            self.compute(&mut record);
            let unfit = mapping.canonical.check(&record);
            if unfit.is_empty() {
                return Ok(record);
            }
            last = unfit.into_iter().map(|f| format!("{} {}: {}", f.rule, f.path, f.words.en)).collect();
            let unfit = mapping.canonical.check(&record);
            for finding in unfit.iter().filter(|f| f.rule == "schema.required") {
                let names: Vec<&str> = finding.path.split('.').filter(|name| name.parse::<usize>().is_err()).collect();
                self.needed.insert(names.join("."));
            }
        }
        Err(format!("no record of {} fits its schema within the limits: {}", self.mapping.canonical.name, last.join("; ")))
    }

    fn make_equal(&self, record: &mut Value) {
        for (path, other) in &self.limits.equal {
            if get(record, path).is_some() {
                let value = get(record, other).cloned();
                set(record, path, value);
            }
        }
    }

    /// Makes what the mapping computes, as it does when it reads.
    fn compute(&self, record: &mut Value) {
        for (path, expression) in &self.mapping.computed {
            let value = expression.value(&self.runner, record).ok().filter(|value| !value.is_null());
            set(record, path, value);
        }
        for (to, expression) in &self.following {
            // Of a record that lacks a part none is made, nor is it one that fits.
            let value = |of: &Value| expression.value(&self.runner, of).ok().filter(|value| !value.is_null());
            let (list, within) = to.split_once('.').unwrap_or((to, ""));
            match record.get_mut(list) {
                Some(Value::Array(items)) => items.iter_mut().for_each(|item| set(item, within, value(item))),
                _ if within.is_empty() => set(record, to, value(record)),
                _ => {}
            }
        }
    }

    /// `record` is what of the record is made where the group is a list's item.
    fn group(&mut self, group: &Group, prefix: &str, record: Option<&Value>) -> Map<String, Value> {
        let present = self.present(group, prefix);
        let mut made = Value::Object(Map::new());
        let mut currencies: BTreeMap<String, String> = BTreeMap::new();
        for field in group.fields.iter().filter(|f| present.contains(&f.to)) {
            let path = format!("{prefix}{}", field.to);
            let currency = match &field.currency {
                CurrencyAt::None => None,
                CurrencyAt::Fixed(code, to) => {
                    to.iter().for_each(|to| set(&mut made, to, Some(Value::from(code.as_str()))));
                    Some(code.clone())
                }
                CurrencyAt::Places(to, _) if to.starts_with('/') => {
                    let of_record = get(record.unwrap_or(&made), to.trim_start_matches('/')).and_then(Value::as_str);
                    // Without one the record is not good, and another is made.
                    Some(of_record.unwrap_or("CNY").to_owned())
                }
                CurrencyAt::Places(to, _) => {
                    let chosen = currencies.entry(to.clone()).or_insert_with(|| self.values.currency(&format!("{prefix}{to}"))).clone();
                    set(&mut made, to, Some(Value::from(chosen.as_str())));
                    Some(chosen)
                }
            };
            let schema = self.schema_at(&path);
            let value = if field.repeat == Repeat::List {
                let count = 1 + self.values.below(self.items_max(&path));
                let items = self.resolved(schema.get("items").cloned().unwrap_or_default());
                (0..count).map(|_| self.values.value(field, &path, &items, currency.as_deref())).collect()
            } else {
                self.values.value(field, &path, &schema, currency.as_deref())
            };
            // A currency with an entry of its own is the one that its amounts have.
            match currencies.get(&field.to) {
                Some(code) => set(&mut made, &field.to, Some(Value::from(code.as_str()))),
                None => set(&mut made, &field.to, Some(value)),
            }
        }
        for list in group.lists.iter().filter(|l| present.contains(&l.to)) {
            let path = format!("{prefix}{}", list.to);
            let count = 1 + self.values.below(self.items_max(&path));
            let known = record.unwrap_or(&made);
            let items: Vec<Value> = (0..count).map(|_| Value::Object(self.group(&list.item, &format!("{path}."), Some(known)))).collect();
            set(&mut made, &list.to, Some(Value::from(items)));
        }
        match made {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// Which fields and lists of a group are there.
    fn present(&mut self, group: &Group, prefix: &str) -> BTreeSet<String> {
        let fields: Vec<&Field> = group.fields.iter().filter(|f| f.direction.reads() && f.direction.writes()).collect();
        let mut choice: Vec<(String, bool)> = fields.iter().map(|f| (f.to.clone(), f.default.is_some())).collect();
        choice.extend(group.lists.iter().map(|l| (l.to.clone(), false)));
        let mut present = BTreeSet::new();
        for (to, has_default) in &choice {
            let path = format!("{prefix}{to}");
            // An object is needed when anything below it will do, so its parts are.
            let needed = *has_default || self.needed.iter().any(|n| *n == path || path.starts_with(&format!("{n}.")));
            let by_chance = match self.presence {
                Presence::All => true,
                Presence::None => false,
                Presence::Half => self.values.below(2) == 0,
            };
            if (needed || by_chance) && !self.limits.never.contains(&path) {
                present.insert(to.clone());
            }
        }
        // A currency that the schema asks for comes with an amount.
        for field in &fields {
            if currency_path(field).is_some_and(|to| self.limits.always.contains(&format!("{prefix}{to}"))) {
                present.insert(field.to.clone());
            }
        }
        // An item without any value would be no item in many formats.
        if present.is_empty() && !choice.is_empty() && !prefix.is_empty() {
            let at = self.values.below(choice.len());
            present.insert(choice[at].0.clone());
        }
        self.narrow(prefix, &mut present);
        present
    }

    /// Holds the sets of which at most one, or all, are there.
    fn narrow(&mut self, prefix: &str, present: &mut BTreeSet<String>) {
        let limits = self.limits;
        let within = |set: &[String]| -> Vec<String> { set.iter().filter_map(|p| p.strip_prefix(prefix)).map(str::to_owned).collect() };
        for set in &limits.one_of {
            let mut there: Vec<String> = within(set).into_iter().filter(|to| present.contains(to)).collect();
            if there.len() > 1 {
                there.swap_remove(self.values.below(there.len()));
                present.retain(|to| !there.contains(to));
            }
        }
        for set in &limits.together {
            let all = within(set);
            if all.iter().any(|to| present.contains(to)) {
                present.extend(all);
            }
        }
    }

    fn items_max(&self, path: &str) -> usize {
        let schema = self.schema_at(path).get("maxItems").and_then(Value::as_u64).map_or(ITEMS_MAX, |max| max as usize);
        self.limits.max.get(path).copied().unwrap_or(ITEMS_MAX).min(schema)
    }

    /// The schema of a canonical path.
    fn schema_at(&self, path: &str) -> Value {
        path.split('.').fold(self.schema.clone(), |schema, name| {
            let schema = self.resolved(schema);
            let of = if schema.get("items").is_some() { self.resolved(schema["items"].clone()) } else { schema };
            self.resolved(of["properties"][name].clone())
        })
    }

    fn resolved(&self, schema: Value) -> Value {
        match schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
            Some(pointer) => self.schema.pointer(pointer).cloned().unwrap_or_default(),
            None => schema,
        }
    }
}

fn compiled(cel: &str) -> Expression {
    Expression::compile(cel, &BTreeSet::new()).unwrap_or_else(|e| panic!("{cel}: {e}"))
}

/// Gives all records of a body the balance that the booked ones lead to, of the day of the first balance.
fn close(Balances { from, to, entry }: &Balances, records: &mut [Value]) {
    let at = |record: &Value, path: &str| if path.is_empty() { record.clone() } else { get(record, path).cloned().unwrap_or_default() };
    let signed = |of: Value| {
        let amount: Decimal = of["amount"].as_str().and_then(|text| text.parse().ok()).expect("an amount");
        if of["credit_debit"] == "debit" { -amount } else { amount }
    };
    let opening = at(&records[0], from);
    let booked = records.iter().filter(|record| record["status"] == "booked");
    let closing = booked.fold(signed(opening.clone()), |sum, record| sum + signed(at(record, entry)));
    let direction = if closing < Decimal::ZERO { "debit" } else { "credit" };
    for record in records {
        let parts = [("amount", Value::from(closing.abs().to_string())), ("currency", opening["currency"].clone())];
        for (name, value) in parts.into_iter().chain([("credit_debit", Value::from(direction)), ("date", opening["date"].clone())]) {
            set(record, &format!("{to}.{name}"), Some(value));
        }
    }
}

fn currency_path(field: &Field) -> Option<&str> {
    match &field.currency {
        CurrencyAt::None => None,
        CurrencyAt::Fixed(_, to) => to.as_deref(),
        CurrencyAt::Places(to, _) => Some(to).filter(|to| !to.starts_with('/')).map(String::as_str),
    }
}

fn get<'v>(record: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(record, |value, name| value.get(name))
}

/// Puts a value at a path, or takes it away together with what it leaves empty.
fn set(record: &mut Value, path: &str, value: Option<Value>) {
    let Value::Object(members) = record else { return };
    match (path.split_once('.'), value) {
        (None, Some(value)) => drop(members.insert(path.to_owned(), value)),
        (None, None) => drop(members.remove(path)),
        (Some((name, rest)), value) => {
            let inner = members.entry(name).or_insert_with(|| Value::Object(Map::new()));
            set(inner, rest, value);
            if inner.as_object().is_some_and(Map::is_empty) {
                members.remove(name);
            }
        }
    }
}
