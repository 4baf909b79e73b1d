//! From a canonical record to a raw record that a format writes.

use super::compile::{CurrencyAt, Field, Group, Mapping};
use super::kinds::{self, KindContext};
use super::schema::at_path;
use jiff::tz::TimeZone;
use portolan_contract::{Position, RawRecord, Words};
use serde_json::Value;

/// Why a canonical record cannot be written in a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {}", words.en)]
pub struct Unwritable {
    /// The canonical path.
    pub path: String,
    /// Why.
    pub words: Words,
}

/// Fills `raw` with what a format writes for a canonical record.
///
/// # Errors
/// A value that the format has no code or no form for.
pub fn write(mapping: &Mapping, zone: &TimeZone, canonical: &Value, raw: &mut RawRecord) -> Result<(), Unwritable> {
    raw.clear();
    group(mapping, &mapping.record, zone, canonical, None, raw)
}

fn group(
    mapping: &Mapping,
    of: &Group,
    zone: &TimeZone,
    canonical: &Value,
    item: Option<u32>,
    raw: &mut RawRecord,
) -> Result<(), Unwritable> {
    for field in of.fields.iter().filter(|f| f.direction.writes()) {
        match at_path(canonical, &field.to) {
            None | Some(Value::Null) => {}
            Some(Value::Array(values)) => values.iter().try_for_each(|value| one(mapping, field, zone, canonical, value, item, raw))?,
            Some(value) => one(mapping, field, zone, canonical, value, item, raw)?,
        }
    }
    for list in &of.lists {
        let items = at_path(canonical, &list.to).and_then(Value::as_array);
        for inner in items.into_iter().flatten() {
            let index = raw.push_item(list.list, item);
            group(mapping, &list.item, zone, inner, Some(index), raw)?;
        }
    }
    Ok(())
}

fn one(
    mapping: &Mapping,
    field: &Field,
    zone: &TimeZone,
    canonical: &Value,
    value: &Value,
    item: Option<u32>,
    raw: &mut RawRecord,
) -> Result<(), Unwritable> {
    let Some(&slot) = field.slots.first() else { return Ok(()) };
    let unwritable = |words: Words| Unwritable { path: field.to.clone(), words };
    let currency = match &field.currency {
        CurrencyAt::None => None,
        CurrencyAt::Fixed(code, to) => {
            let given = to.as_deref().and_then(|to| at_path(canonical, to)).and_then(Value::as_str);
            if given.is_some_and(|g| g != code) {
                return Err(unwritable(Words::new(
                    format!("此格式只能表示 {code} 金额"),
                    format!("the format holds amounts in {code} alone"),
                )));
            }
            Some(code.as_str())
        }
        CurrencyAt::Slots(to, slots) => {
            let code = at_path(canonical, to).and_then(Value::as_str);
            if let (Some(code), Some(&slot)) = (code, slots.first())
                && raw.find(slot, item).is_none()
            {
                raw.push(slot, item_of(mapping, slot, item), code, Position::default());
            }
            code
        }
    };
    let context = KindContext { layout: field.layout.as_deref(), currency, zone };
    let text = kinds::write(field.kind, value, &context).ok_or_else(|| {
        unwritable(Words::new(format!("值 {value} 无法按此格式书写"), format!("the value {value} has no form in this format")))
    })?;
    let text = match &field.codes {
        None => text,
        Some(codes) => codes
            .source(&text)
            .ok_or_else(|| {
                unwritable(Words::new(
                    format!("代码 {text:?} 在此格式中没有对应代码"),
                    format!("the code {text:?} has no counterpart in this format"),
                ))
            })?
            .to_owned(),
    };
    raw.push(slot, item_of(mapping, slot, item), &text, Position::default());
    Ok(())
}

/// Values around the record belong to no item, even where an item's entry names them.
fn item_of(mapping: &Mapping, slot: u32, item: Option<u32>) -> Option<u32> {
    mapping.plan.slot(slot).list.and(item)
}
