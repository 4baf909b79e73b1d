//! Where a value stands: a slot, perhaps within the one of several like elements that says what it is.
//!
//! `Party/TaxScheme[ID=VAT]/Number` is the `Number` of the `TaxScheme` whose `ID` is `VAT`, and
//! `Total[@currency={/Currency}]` the `Total` whose `@currency` is what stands at `/Currency`. Like
//! elements are items of a list, so adapters know nothing of the choice. A canonical list may take
//! the others: `TaxScheme[ID!=VAT|GST]`. Elements that nothing asks for are passed over as ever.

use super::index::RecordIndex;
use portolan_contract::{ListId, Plan, Position, RawRecord, SlotId};

/// A slot, and the element in which it is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The slot.
    pub slot: SlotId,
    /// Which of several like elements; `None` where there is but one.
    pub pick: Option<Pick>,
}

/// How one of several like elements is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The elements, as items.
    pub list: ListId,
    /// What is compared.
    pub by: SlotId,
    /// With what.
    pub is: Is,
}

/// Items of a list that are none, because of what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Besides {
    /// What is compared.
    pub by: SlotId,
    /// With what.
    pub texts: Vec<String>,
}

impl Besides {
    /// Whether an item of a record that was read is one.
    pub fn keeps(&self, index: &RecordIndex<'_>, item: u32, raw: &RawRecord) -> bool {
        !index.values(self.by, Some(item), raw).any(|v| self.texts.iter().any(|text| text == raw.text(v).trim()))
    }
}

/// What a chosen element says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Is {
    /// This text.
    Text(String),
    /// The text of this slot, which stands outside every list.
    Slot(SlotId),
}

/// A path that chooses, taken apart: the element's path, what is compared, with what, and the rest.
pub(super) struct Choice<'p> {
    pub element: &'p str,
    pub by: &'p str,
    pub is: &'p str,
    pub rest: &'p str,
    /// Written with `!=`: what is left out.
    pub besides: bool,
}

impl<'p> Choice<'p> {
    /// Takes a path apart; `None` where it chooses nothing.
    pub(super) fn of(path: &'p str) -> Option<Self> {
        let (element, behind) = path.split_once('[')?;
        let (condition, rest) = behind.split_once(']')?;
        let (by, is) = condition.split_once('=')?;
        let (by, besides) = by.strip_suffix('!').map_or((by, false), |by| (by, true));
        Some(Self { element, by, is, rest: rest.trim_start_matches('/'), besides })
    }
}

impl Place {
    /// The source path as a mapping file writes it, with the choice in it.
    pub fn path(&self, plan: &Plan) -> String {
        let path = &plan.slot(self.slot).path;
        self.pick.as_ref().map_or_else(|| path.clone(), |pick| pick.path(plan, path))
    }
}

impl Pick {
    /// A path at or below the chosen element, with the choice in it.
    pub fn path(&self, plan: &Plan, path: &str) -> String {
        let element = plan.lists.get(self.list as usize).map_or("", |list| list.path.as_str());
        let by = plan.slot(self.by).path.strip_prefix(element).unwrap_or_default().trim_start_matches('/').to_owned();
        let is = match &self.is {
            Is::Text(text) => text.clone(),
            Is::Slot(slot) => format!("{{/{}}}", plan.slot(*slot).path.split_once('/').map_or("", |(_, below)| below)),
        };
        format!("{element}[{by}={is}]{}", path.strip_prefix(element).unwrap_or_default())
    }

    /// The chosen element of a record that was read.
    pub fn find(&self, index: &RecordIndex<'_>, plan: &Plan, item: Option<u32>, raw: &RawRecord) -> Option<u32> {
        let is = self.text(raw)?;
        let parent = self.parent(plan, item);
        index.items(self.list, parent).find(|&i| index.values(self.by, Some(i), raw).next().is_some_and(|v| raw.text(v).trim() == is))
    }

    /// The chosen element of a record to be written, begun if it is not there yet; `None` where
    /// nothing stands in the place that it is to be equal to.
    pub fn find_or_begin(&self, plan: &Plan, item: Option<u32>, raw: &mut RawRecord) -> Option<u32> {
        let is = self.text(raw)?.to_owned();
        let parent = self.parent(plan, item);
        let first = parent.map_or(0, |p| p + 1);
        let says = |i: &u32| raw.find(self.by, Some(*i)).is_some_and(|v| raw.text(v) == is);
        let begun =
            (first..).zip(raw.items().iter().skip(first as usize)).filter(|(_, item)| item.list == self.list && item.parent == parent);
        if let Some(known) = begun.map(|(i, _)| i).find(says) {
            return Some(known);
        }
        let new = raw.push_item(self.list, parent);
        raw.push(self.by, Some(new), &is, Position::default());
        Some(new)
    }

    fn text<'r>(&'r self, raw: &'r RawRecord) -> Option<&'r str> {
        match &self.is {
            Is::Text(text) => Some(text),
            Is::Slot(slot) => raw.find(*slot, None).map(|v| raw.text(v).trim()),
        }
    }

    fn parent(&self, plan: &Plan, item: Option<u32>) -> Option<u32> {
        plan.lists.get(self.list as usize).and_then(|list| list.parent).and(item)
    }
}
