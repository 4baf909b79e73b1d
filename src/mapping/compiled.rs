//! What a mapping file is compiled to: what reading and writing a body go by.

use super::balance::{Balances, Movement};
use super::containers::ARCHIVES;
use super::file::{CheckIf, CheckSeverity, Direction, Kind, XsdEntry};
use super::place::{Besides, Pick, Place};
use super::rules::Expression;
use super::schema::{Canonical, at_path};
use crate::alike::edits;
use crate::container::Contained;
use crate::domain::Digest;
use portolan_contract::{Bound, ListId, Plan, Repeat, SlotId, Words};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A mapping's text with the code files it names: what is pinned by digest at a commit, and all
/// that is needed to compile it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The mapping's name.
    pub name: String,
    /// The text of `mapping.toml`.
    pub mapping: String,
    /// Code files by the name that the mapping uses.
    pub codes: BTreeMap<String, String>,
    /// The component of its format, where that is from outside, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
}

/// A compiled mapping.
pub struct Mapping {
    /// Its name: the folder's.
    pub name: String,
    /// What it is.
    pub title: Words,
    /// The bundle as text: pinned at each commit.
    pub text: Arc<str>,
    /// Digest of that text.
    pub digest: Digest,
    /// Which ways it goes.
    pub direction: Direction,
    /// The format's name.
    pub format_name: String,
    /// The format, bound to the plan, in its containers.
    pub format: Arc<dyn Bound>,
    /// The containers that it stands in.
    pub contained: Option<Arc<Contained>>,
    /// Whether the format is an adapter from outside.
    pub is_outside: bool,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The path from the top to what encloses everything else.
    pub root: String,
    /// The canonical schema.
    pub canonical: Arc<Canonical>,
    /// The XML Schemas of a body.
    pub xsd: Option<XsdEntry>,
    /// The record's values and lists.
    pub record: Group,
    /// Computed values, in order.
    pub computed: Vec<(String, Expression)>,
    /// Business rules.
    pub rules: Vec<Rule>,
    /// Sums and counts.
    pub checks: Vec<Check>,
    /// What the format's own doubts mean, by their rule; an error where nothing is said.
    pub doubts: BTreeMap<String, CheckSeverity>,
    /// Where the message id stands.
    pub message_id: Option<SlotId>,
    /// What a business answer repeats of a body.
    pub answer: Vec<AnswerValue>,
    /// Fewest records of a body.
    pub records_min: u64,
    /// Most records of a body, by its format.
    pub records_max: u64,
    /// Most records of a body that is written.
    pub written_records_max: u64,
    /// Canonical paths that a record must have to be written.
    pub required: Vec<String>,
    /// Canonical paths of what a written body says once, around its records.
    pub heading: Vec<String>,
    /// Canonical paths of what a receiver knows a message by.
    pub numbered: Vec<String>,
}

impl Mapping {
    /// Whether what its documents hold has a place in their bytes; the cells of a workbook have none.
    pub fn has_bytes(&self) -> bool {
        !ARCHIVES.contains(&self.format_name.as_str())
    }

    /// Whether a check's expected value is computed when a body is written: it is about records, and no field writes it.
    pub fn computes(&self, check: &Check) -> bool {
        let mut fields = self.record.fields.iter().filter(|field| field.direction.writes());
        check.once.is_none() && !fields.any(|field| field.places.first().is_some_and(|place| place.slot == check.equals))
    }
}

/// Values and lists of a record or of a list's item.
#[derive(Default)]
pub struct Group {
    /// Values.
    pub fields: Vec<Field>,
    /// Lists.
    pub lists: Vec<ListMap>,
    /// Fixed texts that are checked.
    pub fixed: Vec<Fixed>,
}

/// A text that is the same in every body.
pub struct Fixed {
    /// Where it stands.
    pub slot: SlotId,
    /// The text.
    pub text: String,
}

/// A list and its items.
pub struct ListMap {
    /// Canonical path of the array, from the enclosing group.
    pub to: String,
    /// The list in the plan.
    pub list: ListId,
    /// Which of several like elements holds the items.
    pub pick: Option<Pick>,
    /// Items that the format has room for.
    pub items_max: usize,
    /// An item without values is none.
    pub skip_empty: bool,
    /// Which of the items are none, since other entries choose them.
    pub besides: Option<Besides>,
    /// What an item holds.
    pub item: Group,
}

/// One value.
pub struct Field {
    /// Canonical path from the enclosing group.
    pub to: String,
    /// Where it stands, in the order of preference.
    pub places: Vec<Place>,
    /// An earlier entry writes the same place; this one does where that had nothing to write.
    pub yields: bool,
    /// What the text means.
    pub kind: Kind,
    /// Where an amount's currency stands.
    pub currency: CurrencyAt,
    /// Source code → canonical code, and back.
    pub codes: Option<Codes>,
    /// Layout of a date, time or period.
    pub layout: Option<String>,
    /// Canonical text where the source has none.
    pub default: Option<String>,
    /// Source texts that mean that there is no value.
    pub absent: Vec<String>,
    /// What several values mean.
    pub repeat: Repeat,
    /// White space is removed.
    pub trim: bool,
    /// What a failed check means.
    pub check: CheckSeverity,
    /// When the check holds.
    pub check_if: Option<CheckIf>,
    /// Which ways the entry goes.
    pub direction: Direction,
    /// Values that the format has room for.
    pub items_max: usize,
    /// A receiver knows a message by it, in so many characters.
    pub numbered_max: Option<usize>,
    /// Canonical paths, from the enclosing group, of what must be written with it.
    pub needs: Vec<String>,
}

/// Where an amount's currency stands.
pub enum CurrencyAt {
    /// It has none: no amount.
    None,
    /// Always this code, perhaps filling a canonical path.
    Fixed(String, Option<String>),
    /// In a place for each of the field's places, filling a canonical path; one that begins with `/`
    /// is the record's, not the item's.
    Places(String, Vec<Place>),
}

/// A code list.
pub struct Codes {
    /// Source code → canonical code.
    pub to_canonical: BTreeMap<String, String>,
    /// How source codes begin, without the `*`.
    pub beginnings: BTreeMap<String, String>,
    /// Canonical code → source code.
    pub to_source: BTreeMap<String, String>,
    /// The source code of whatever the list does not have.
    pub otherwise: Option<String>,
}

impl Codes {
    /// The canonical code.
    pub fn canonical(&self, source: &str) -> Option<&str> {
        let beginning = || self.beginnings.iter().rev().find(|(beginning, _)| source.starts_with(beginning.as_str())).map(|(_, code)| code);
        self.to_canonical.get(source).or_else(beginning).map(String::as_str)
    }

    /// The source code.
    pub fn source(&self, canonical: &str) -> Option<&str> {
        self.to_source.get(canonical).or(self.otherwise.as_ref()).map(String::as_str)
    }

    /// Each source code with its canonical one, for people.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.to_canonical.iter().map(|(source, canonical)| (source.as_str(), canonical.as_str()))
    }

    /// What a text that is not in the list is told: a list of a few whole, of a longer one what resembles the text most.
    pub fn not_listed(&self, text: &str) -> Words {
        let mut near: Vec<&str> = self.to_canonical.keys().map(String::as_str).collect();
        let all = near.len();
        if all <= CODES_TOLD_MAX {
            let (zh, en) = (near.join("、"), near.join(", "));
            return Words::new(format!("不在代码表中；可用 {zh}"), format!("not in the code list; there are {en}"));
        }
        let asked: String = text.chars().take(CODE_CHARS_COMPARED_MAX).collect();
        near.sort_by_cached_key(|code| edits(&asked, code));
        near.truncate(CODES_TOLD_MAX);
        Words::new(
            format!("不在代码表中；表中共 {all} 个代码，最接近的有 {}", near.join("、")),
            format!("not in the code list; of its {all} codes the nearest are {}", near.join(", ")),
        )
    }
}

/// Codes that a finding names.
const CODES_TOLD_MAX: usize = 12;
/// Characters of a wrong code that are compared with those of the list.
const CODE_CHARS_COMPARED_MAX: usize = 20;

/// A business rule.
pub struct Rule {
    /// Stable id.
    pub id: String,
    /// True for a good record.
    pub holds: Expression,
    /// What a failure means.
    pub severity: CheckSeverity,
    /// Canonical path to point at.
    pub field: Option<String>,
    /// What is wrong and what is expected.
    pub words: Words,
}

/// A sum or count over a group of records.
pub struct Check {
    /// Stable id.
    pub id: String,
    /// Slot of the group's serial number; `None` for the whole body.
    pub group: Option<SlotId>,
    /// Canonical path to add up; `None` to count.
    pub sum: Option<String>,
    /// Canonical paths that differ in a record which counts against the sum.
    pub against: Option<[String; 2]>,
    /// Slot of the serial number of an element around the records, of which the first in it alone counts.
    pub once: Option<SlotId>,
    /// What another canonical value must be for a record to count.
    pub only: Option<CheckIf>,
    /// Slot of the expected value; for balances that of the second's amount.
    pub equals: SlotId,
    /// Canonical paths of balances before and after.
    pub balance: Option<Balances>,
    /// Canonical path and slot that must agree in all records.
    pub comparable: Option<(String, SlotId)>,
    /// What a failure means.
    pub severity: CheckSeverity,
    /// What is wrong and what is expected.
    pub words: Words,
}

impl Check {
    /// Whether a record counts for nothing here.
    pub fn passes_over(&self, canonical: &Value) -> bool {
        self.only.as_ref().is_some_and(|only| !only.holds(canonical))
    }

    /// What a record adds to the sum, or takes from it; `None` where it holds no number there.
    pub fn part(&self, canonical: &Value) -> Option<Decimal> {
        if let Some(balances) = &self.balance {
            let (part, after) = (Movement::at(canonical, self.sum.as_deref()?)?, Movement::at(canonical, &balances.to)?);
            return (part.currency == after.currency).then_some(part.amount);
        }
        let number = Decimal::from_str_exact(at_path(canonical, self.sum.as_deref()?)?.as_str()?).ok()?;
        let differ = |[a, b]: &[String; 2]| at_path(canonical, a).zip(at_path(canonical, b)).is_some_and(|(a, b)| a != b);
        Some(if self.against.as_ref().is_some_and(differ) { -number } else { number })
    }
}

impl CheckIf {
    /// Whether it holds in a record.
    pub fn holds(&self, canonical: &Value) -> bool {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        at_path(canonical, &self.field).map_or(self.or_absent, |value| text(value) == self.is)
    }
}

/// A text of the body that a business answer repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerValue {
    /// Its name in the answer.
    pub to: String,
    /// Where it stands.
    pub slot: SlotId,
    /// Whether it names a record, and not the whole body.
    pub in_record: bool,
}
