//! Where a value stands in a JSON text: values carry no places of their own, so the text is read once more, by and by.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The text from the value on to which the steps lead, or from the last that is there.
pub fn value_at(text: &str, steps: impl IntoIterator<Item = impl AsRef<str>>) -> &str {
    steps.into_iter().try_fold(text, |here, step| below(here, step.as_ref()).ok_or(here)).unwrap_or_else(|last| last)
}

/// The line of a text, from 1, at which a part of it begins.
pub fn line_of_part(text: &str, part: &str) -> usize {
    let byte = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}

fn below<'t>(text: &'t str, step: &str) -> Option<&'t str> {
    if let Ok(mut members) = serde_json::from_str::<BTreeMap<String, &'t RawValue>>(text) {
        return members.remove(step).map(RawValue::get);
    }
    let items: Vec<&'t RawValue> = serde_json::from_str(text).ok()?;
    items.get(step.parse::<usize>().ok()?).map(|item| item.get())
}
