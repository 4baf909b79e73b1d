//! What a body says about itself: counts and sums that no canonical record holds, and that must be
//! known before its first record is written.
//!
//! Each `[[check]]` whose expected value no field of the mapping writes is such a total. Writing
//! then takes two passes over the records: the first counts them in ([`Totals`]), the second writes
//! them with the totals of the groups they stand in ([`Filling`]). In memory there is one number for
//! each group, of at most [`GROUPS_MAX`] groups.

use super::balance::Held;
use super::compiled::{Check, Mapping};
use super::heading::OneHeading;
use super::numbered::Part;
use super::schema::at_path;
use super::write::{self, NotWritten, Unwritable};
use jiff::tz::TimeZone;
use portolan_contract::{FormatError, NodeId, Position, RawRecord, Shaper, Sink, Words};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;

/// Groups with a total of their own in one written body, such as the batches of a pain.008.
pub const GROUPS_MAX: usize = 1 << 20;

/// The first pass: counts records in as they will be written.
pub struct Totals<'m> {
    mapping: &'m Mapping,
    zone: &'m TimeZone,
    /// Decides where a group ends exactly as the writer will.
    shaper: Shaper,
    totals: Vec<Total<'m>>,
    held: Vec<Held<'m>>,
    heading: OneHeading<'m>,
    raw: RawRecord,
}

/// The second pass: knows the totals of each record's groups.
pub struct Filling<'m> {
    totals: Vec<Total<'m>>,
}

/// One total: of every group in the order of the body.
struct Total<'m> {
    check: &'m Check,
    /// The element that opens a group; `None` for the whole body.
    node: Option<NodeId>,
    groups: VecDeque<GroupTotal>,
}

#[derive(Default)]
struct GroupTotal {
    records: u64,
    sum: Decimal,
    /// Records of the group that were written in the second pass.
    written: u64,
}

impl<'m> Totals<'m> {
    /// Nothing counted yet.
    pub fn new(mapping: &'m Mapping, zone: &'m TimeZone) -> Self {
        let node = |check: &Check| check.group.map(|slot| mapping.plan.slot(slot).node);
        let computed = mapping.checks.iter().filter(|check| mapping.computes(check));
        let totals = computed.map(|check| Total { check, node: node(check), groups: VecDeque::new() }).collect();
        let heading = OneHeading::new(mapping);
        let (shaper, held) = (Shaper::new(Arc::clone(&mapping.plan)), Held::of(mapping));
        Self { mapping, zone, shaper, totals, held, heading, raw: RawRecord::default() }
    }

    /// Whether there is anything to count; if not, writing takes one pass.
    pub fn are_needed(&self) -> bool {
        !self.totals.is_empty() || !self.held.is_empty()
    }

    /// Counts one record in. One that cannot be written is not counted.
    ///
    /// # Errors
    /// Why it cannot be written, or why the body cannot.
    pub fn count(&mut self, canonical: &Value) -> Result<(), NotWritten> {
        if !self.are_needed() {
            return Ok(());
        }
        write::write(self.mapping, self.zone, canonical, Part::default(), &mut self.raw)?;
        self.heading.take(canonical)?;
        let parts = self.totals.iter().map(|total| part(total.check, canonical, &self.raw));
        let parts: Vec<Decimal> = parts.collect::<Result<_, _>>()?;
        self.held.iter().try_for_each(|held| held.fits(canonical))?;
        let mut opened = Opened::default();
        if self.totals.iter().any(|total| total.node.is_some()) || !self.held.is_empty() {
            self.shaper.record(&self.raw, &mut opened)?;
        }
        for (total, part) in self.totals.iter_mut().zip(parts) {
            let begins = total.groups.is_empty() || total.node.is_some_and(|node| opened.0.contains(&node));
            total.add(part, begins)?;
        }
        self.held.iter_mut().try_for_each(|held| held.take(canonical, &opened.0)).map_err(NotWritten::Totals)
    }

    /// Every record is counted.
    ///
    /// # Errors
    /// Balances that do not add up.
    pub fn filling(mut self) -> Result<Filling<'m>, Words> {
        self.held.iter_mut().try_for_each(Held::end)?;
        // A body without records says so.
        for total in self.totals.iter_mut().filter(|total| total.node.is_none() && total.groups.is_empty()) {
            total.groups.push_back(GroupTotal::default());
        }
        Ok(Filling { totals: self.totals })
    }
}

impl Filling<'_> {
    /// Adds the totals that stand around the next record, or around none in an empty body.
    pub fn fill(&mut self, raw: &mut RawRecord) {
        for total in &mut self.totals {
            while total.groups.front().is_some_and(|group| group.written == group.records && group.records > 0) {
                total.groups.pop_front();
            }
            let Some(group) = total.groups.front_mut() else { continue };
            group.written += 1;
            let text = if total.check.sum.is_some() { group.sum.to_string() } else { group.records.to_string() };
            raw.push(total.check.equals, None, &text, Position::default());
        }
    }
}

impl Total<'_> {
    fn add(&mut self, part: Decimal, begins: bool) -> Result<(), NotWritten> {
        if begins {
            if self.groups.len() == GROUPS_MAX {
                let zh = format!("报文中带合计的分组超过 {GROUPS_MAX} 个");
                return Err(NotWritten::Totals(Words::new(zh, format!("the body has more than {GROUPS_MAX} groups with a total"))));
            }
            self.groups.push_back(GroupTotal::default());
        }
        let Some(group) = self.groups.back_mut() else { return Ok(()) };
        group.records += 1;
        let too_long = || NotWritten::Totals(Words::new("合计的位数过多", "a total has too many digits"));
        group.sum = group.sum.checked_add(part).ok_or_else(too_long)?;
        Ok(())
    }
}

/// What a record adds to a total.
fn part(check: &Check, canonical: &Value, raw: &RawRecord) -> Result<Decimal, Unwritable> {
    let Some(path) = &check.sum else { return Ok(Decimal::ONE) };
    let unwritable = |zh: &str, en: &str| Unwritable { path: path.clone(), words: Words::new(zh, en) };
    if let Some((field, slot)) = &check.comparable {
        let theirs = raw.find(*slot, None).map(|v| raw.text(v));
        if theirs.is_none() || at_path(canonical, field).and_then(Value::as_str) != theirs {
            return Err(unwritable("币种与合计不同，无法相加", "its currency is not that of the total it adds to"));
        }
    }
    check.part(canonical).ok_or_else(|| unwritable("没有可计入合计的数值", "it has no number to add to the total"))
}

/// The elements that a record opens.
#[derive(Default)]
struct Opened(Vec<NodeId>);

impl Sink for Opened {
    fn open(&mut self, node: NodeId) -> Result<(), FormatError> {
        self.0.push(node);
        Ok(())
    }

    fn attribute(&mut self, _: NodeId, _: &str) -> Result<(), FormatError> {
        Ok(())
    }

    fn text(&mut self, _: NodeId, _: &str) -> Result<(), FormatError> {
        Ok(())
    }

    fn close(&mut self, _: NodeId) -> Result<(), FormatError> {
        Ok(())
    }
}
