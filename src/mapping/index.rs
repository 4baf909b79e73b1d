//! The values and list items of one raw record in the order in which they are asked for, so that
//! reading a record takes little more time than it has values.

use super::compiled::{Field, ListMap};
use super::place::Place;
use portolan_contract::{ListId, Plan, Position, RawRecord, RawValue, SlotId};

/// Finds values and items of one record after another; its memory is used again.
pub struct RecordIndex<'m> {
    plan: &'m Plan,
    /// Slot, item and index of each value, sorted.
    values: Vec<(SlotId, Option<u32>, u32)>,
    /// List, enclosing item and index of each item, sorted.
    items: Vec<(ListId, Option<u32>, u32)>,
    /// Where the first value of each item stands; `None` for an item without values of its own.
    starts: Vec<Option<Position>>,
}

impl<'m> RecordIndex<'m> {
    /// An index over records of this plan, over none as yet.
    pub fn new(plan: &'m Plan) -> Self {
        Self { plan, values: Vec::new(), items: Vec::new(), starts: Vec::new() }
    }

    /// Goes over to another record. All other calls must then be given the same one.
    pub fn fill(&mut self, raw: &RawRecord) {
        self.values.clear();
        self.values.extend(raw.values().iter().zip(0..).map(|(value, at)| (value.slot, value.item, at)));
        self.values.sort_unstable();
        self.items.clear();
        self.items.extend(raw.items().iter().zip(0..).map(|(item, at)| (item.list, item.parent, at)));
        self.items.sort_unstable();
        self.starts.clear();
        self.starts.resize(raw.items().len(), None);
        for value in raw.values() {
            if let Some(start) = value.item.and_then(|item| self.starts.get_mut(item as usize)) {
                start.get_or_insert(value.at);
            }
        }
    }

    /// The values in a slot for an item (or for the record), in the order of the body. Outside a
    /// list, values around the record count as the record's own.
    pub fn values<'s>(&'s self, slot: SlotId, item: Option<u32>, raw: &'s RawRecord) -> impl Iterator<Item = &'s RawValue> {
        let item = if self.plan.slot(slot).list.is_some() { item } else { None };
        let start = self.values.partition_point(|&(s, i, _)| (s, i) < (slot, item));
        let found = self.values.iter().skip(start).take_while(move |&&(s, i, _)| (s, i) == (slot, item));
        found.filter_map(|&(_, _, at)| raw.values().get(at as usize))
    }

    /// The first of a field's slots that has a text, and its rank.
    pub fn present<'s>(&'s self, field: &Field, item: Option<u32>, raw: &'s RawRecord) -> Option<(usize, &'s RawValue)> {
        field.places.iter().enumerate().find_map(|(rank, place)| {
            let says = |text: &str| !text.is_empty() && !field.absent.iter().any(|absent| absent == text);
            let value = self.values_at(place, item, raw).find(|v| says(raw.text(v).trim_ascii()));
            value.map(|v| (rank, v))
        })
    }

    /// The values at a place for an item (or for the record): none where it chooses an element that is not there.
    pub fn values_at<'s>(&'s self, place: &Place, item: Option<u32>, raw: &'s RawRecord) -> impl Iterator<Item = &'s RawValue> {
        let within = match &place.pick {
            None => Some(item),
            Some(pick) => pick.find(self, self.plan, item, raw).map(Some),
        };
        within.into_iter().flat_map(move |within| self.values(place.slot, within, raw))
    }

    /// The items of a list of the mapping within an item (or within the record).
    pub fn items_of<'s>(&'s self, list: &'s ListMap, item: Option<u32>, raw: &'s RawRecord) -> impl Iterator<Item = u32> + 's {
        let within = match &list.pick {
            None => Some(item),
            Some(pick) => pick.find(self, self.plan, item, raw).map(Some),
        };
        let items = within.into_iter().flat_map(move |within| self.items(list.list, within));
        items.filter(move |&i| list.besides.as_ref().is_none_or(|besides| besides.keeps(self, i, raw)))
    }

    /// The items of a list within an item (or within the record), in the order of the body.
    pub fn items(&self, list: ListId, parent: Option<u32>) -> impl Iterator<Item = u32> {
        let start = self.items.partition_point(|&(l, p, _)| (l, p) < (list, parent));
        self.items.iter().skip(start).take_while(move |&&(l, p, _)| (l, p) == (list, parent)).map(|&(_, _, at)| at)
    }

    /// Where an item's first value stands.
    pub fn start(&self, item: u32) -> Option<Position> {
        self.starts.get(item as usize).copied().flatten()
    }
}
