//! What a written body says once, around all its records: the header of a message, the labelled values above a table.
//!
//! Records that differ in it cannot stand in one body. A delivery is cut where it changes (`translate/chunks.rs`), and
//! whoever writes a body refuses a record that would need another one ([`OneHeading`]).

use super::compiled::{CurrencyAt, Field, Group, ListMap, Mapping};
use super::schema::at_path;
use super::write::Unwritable;
use portolan_contract::{Plan, SlotId, Words};
use serde_json::Value;

/// The canonical paths whose values a mapping writes around what stands once in a body; of a list the list's own.
pub(super) fn paths(plan: &Plan, once: &str, record: &Group) -> Vec<String> {
    let once = once.split('/').try_fold(0, |at, name| plan.child(at, name)).unwrap_or(0);
    let stands_there = |slot: SlotId| {
        let slot = plan.slot(slot);
        let mut around = Some(slot.node);
        while let Some(node) = around.filter(|&node| node != 0 && !plan.node(node).encloses_record) {
            around = plan.node(node).parent;
        }
        !slot.in_record && around.is_none_or(|around| plan.within(once, around))
    };
    let mut paths: Vec<String> = record.fields.iter().flat_map(|field| of_field(field, &stands_there)).collect();
    paths.extend(record.lists.iter().filter(|list| reaches(list, &stands_there)).map(|list| list.to.clone()));
    paths.sort_unstable();
    paths.dedup();
    paths
}

fn of_field(field: &Field, stands_there: &impl Fn(SlotId) -> bool) -> Vec<String> {
    let own = field.places.first().is_some_and(|place| stands_there(place.slot)).then(|| field.to.clone());
    let currency = match &field.currency {
        CurrencyAt::Places(to, places) if places.first().is_some_and(|place| stands_there(place.slot)) => Some(to),
        _ => None,
    };
    let paths = own.into_iter().chain(currency.map(|to| to.trim_start_matches('/').to_owned()));
    paths.filter(|_| field.direction.writes()).collect()
}

fn reaches(list: &ListMap, stands_there: &impl Fn(SlotId) -> bool) -> bool {
    list.item.fields.iter().any(|field| !of_field(field, stands_there).is_empty())
        || list.item.lists.iter().any(|list| reaches(list, stands_there))
}

/// A record's values at some paths; null where there is none.
pub fn values(paths: &[String], record: &Value) -> Vec<Value> {
    paths.iter().map(|path| at_path(record, path).cloned().unwrap_or_default()).collect()
}

/// The first path at which a record differs from values that were taken earlier.
pub fn differing<'p>(paths: &'p [String], values: &[Value], record: &Value) -> Option<&'p str> {
    let differs = |(path, value): &(&String, &Value)| at_path(record, path).unwrap_or(&Value::Null) != *value;
    paths.iter().zip(values).find(differs).map(|(path, _)| path.as_str())
}

/// The heading of one body: that of its first record.
pub(super) struct OneHeading<'m> {
    paths: &'m [String],
    first: Option<Vec<Value>>,
}

impl<'m> OneHeading<'m> {
    /// No record yet.
    pub(super) fn new(mapping: &'m Mapping) -> Self {
        Self { paths: &mapping.heading, first: None }
    }

    /// Takes the next record in.
    ///
    /// # Errors
    /// It needs another heading.
    pub(super) fn take(&mut self, record: &Value) -> Result<(), Unwritable> {
        let first = self.first.get_or_insert_with(|| values(self.paths, record));
        let Some(path) = differing(self.paths, first, record) else { return Ok(()) };
        let words = Words::new(
            "一份报文中此值只有一处，而此记录与第一条记录不同：须另成一份报文",
            "a body says this once, and the record differs from the first one: it needs a body of its own",
        );
        Err(Unwritable { path: path.to_owned(), words })
    }
}
