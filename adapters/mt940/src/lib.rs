//! The MT940 adapter: SWIFT customer statements (MT940) and interim reports (MT942).
//!
//! Source paths follow the message's fields. The record is `statement/entry`, one field 61 with the field
//! 86 that follows it; each message is a `statement`.
//!
//! | path below `statement` | what |
//! |---|---|
//! | `sender` | BIC of the sender, from the blocks around the message |
//! | `20`, `21`, `25`, `13D` | the field's text; 13D as `YYYY-MM-DDThh:mm±hh:mm` |
//! | `28C/number`, `28C/page` | statement number and page |
//! | `34F/currency`, `34F/debit`, `34F/credit` | floor limits; one without a mark is both |
//! | `60/…`, `62/…`, `64/…`, `65/…` | balances: `mark` (C, D), `date`, `currency`, `amount`; of 60 and 62 also `option` (F, M) |
//! | `90D/…`, `90C/…` | `count`, `currency`, `amount` |
//! | `86/line` | a line of the information about the whole statement |
//!
//! | path below `statement/entry` | what |
//! |---|---|
//! | `value_date`, `entry_date` | days as `YYYY-MM-DD` |
//! | `direction`, `reversal`, `expected` | C or D as the money moved (RC is D), then `true` or `false` |
//! | `amount`, `funds_code`, `type` | the amount with a point, the currency's third letter, such as `NTRF` |
//! | `reference`, `bank_reference`, `supplementary` | for the owner, the bank's, the second line |
//! | `86/line` | a line of field 86 that has neither of the two forms below |
//! | `86/code`, `86/?20` | three digits and `?`-subfields, as German banks write |
//! | `86/EREF+` | what a keyword at the start of one of `?20` to `?29` and `?60` to `?63` leads; read alone |
//! | `86/EREF` | what stands after `/EREF/`; of the codes in [`info::CODES`] and those that the mapping names |
//!
//! A year of two digits from 80 is 1980 to 1999, else 2000 to 2079. An entry's day has the year that
//! brings it nearest to its value date. Amounts lose their comma: `12,5` is `12.5`.
//!
//! Wire format: CRLF or LF, with or without the blocks `{1:…}{2:…}{4:` and `-}`; without them a message
//! ends with `-` or where the next begins. Written are the characters of the SWIFT X set unless
//! `characters = "any"`; a reference that is missing is NONREF, a type NMSC; 90D and 90C are counted while writing.
//! Written messages are not divided into pages.
//!
//! Findings: `mt940.field` (not in its field's form), `mt940.unknown-field`, `mt940.missing-field`; and of
//! the whole body, told at its end: `mt940.balance` (opening balance and entries do not give the closing
//! one), `mt940.total` (90D, 90C), `mt940.page` (a page does not go on where the one before ended). A
//! field out of its order ends the body.
//!
//! Limits: a field is held whole, and counts as a token.

mod dates;
mod entry;
mod fields;
mod info;
mod outline;
mod read;
mod tally;
mod write;

use portolan_contract::{
    Bound, Charset, Format, FormatError, Limits, NodeId, OptionsError, Outline, Plan, RawRecord, ReadRecords, Repeat, WriteRecords,
};
use serde::Deserialize;
use std::io::{Read, Write};
use std::sync::Arc;

/// The format named `mt940`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mt940;

/// The mapping's `[format]` options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// Which message, 940 or 942.
    message: Message,
    /// The charset of bodies without a byte order mark.
    charset: Charset,
    /// The charset of bodies that are written; that of `charset` unless given.
    write_charset: Option<Charset>,
    /// What is written: `x` (the SWIFT X set) or `any`.
    characters: Characters,
    /// Fields that are passed over, such as a bank's own.
    ignored_fields: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { message: Message::Mt940, charset: Charset::Utf8, write_charset: None, characters: Characters::X, ignored_fields: Vec::new() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Mt940,
    Mt942,
}

impl Message {
    fn number(self) -> &'static str {
        match self {
            Self::Mt940 => "940",
            Self::Mt942 => "942",
        }
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            940 => Ok(Self::Mt940),
            942 => Ok(Self::Mt942),
            other => Err(serde::de::Error::custom(format!("message {other} is not known; there are 940 and 942"))),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Characters {
    X,
    Any,
}

/// Paths below `statement` and below `statement/entry`; those of field 86 have names of their own.
const STATEMENT_PATHS: &[&str] = &[
    "sender",
    "20",
    "21",
    "25",
    "13D",
    "28C/number",
    "28C/page",
    "34F/currency",
    "34F/debit",
    "34F/credit",
    "60/option",
    "60/mark",
    "60/date",
    "60/currency",
    "60/amount",
    "62/option",
    "62/mark",
    "62/date",
    "62/currency",
    "62/amount",
    "64/mark",
    "64/date",
    "64/currency",
    "64/amount",
    "65/mark",
    "65/date",
    "65/currency",
    "65/amount",
    "90D/count",
    "90D/currency",
    "90D/amount",
    "90C/count",
    "90C/currency",
    "90C/amount",
    "86/line",
];
const ENTRY_PATHS: &[&str] = &[
    "#",
    "##",
    "value_date",
    "entry_date",
    "direction",
    "reversal",
    "expected",
    "amount",
    "funds_code",
    "type",
    "reference",
    "bank_reference",
    "supplementary",
];

impl Format for Mt940 {
    fn name(&self) -> &'static str {
        "mt940"
    }

    fn bind(&self, plan: Arc<Plan>, options: &toml::Table) -> Result<Arc<dyn Bound>, OptionsError> {
        let options: Options = OptionsError::parse(options)?;
        check_plan(&plan)?;
        let names: Vec<String> = (0..plan.nodes.len() as NodeId).map(|id| name_of(&plan, id)).collect();
        let codes = names.iter().filter_map(|name| name.strip_prefix("entry/86/")).filter(|name| info::is_code(name));
        let codes: Vec<String> = codes.chain(info::CODES.iter().copied()).map(str::to_owned).collect();
        Ok(Arc::new(BoundMt940 { plan, options, names, codes }))
    }

    fn outline<'a>(&self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Option<Outline>, FormatError> {
        outline::outline(input, limits).map(Some)
    }
}

struct BoundMt940 {
    plan: Arc<Plan>,
    options: Options,
    /// By node, its path below `statement`.
    names: Vec<String>,
    /// Codes of field 86 that are told from other text between slashes.
    codes: Vec<String>,
}

impl Bound for BoundMt940 {
    fn reader<'a>(&'a self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn ReadRecords + 'a>, FormatError> {
        Ok(Box::new(read::Reader::new(input, self, limits)?))
    }

    fn writer<'a>(&'a self, output: Box<dyn Write + 'a>, head: &RawRecord) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
        Ok(Box::new(write::Writer::new(output, self, head)))
    }

    fn media_type(&self) -> String {
        format!("text/plain; charset={}", self.write_charset().label())
    }
}

impl BoundMt940 {
    fn write_charset(&self) -> Charset {
        self.options.write_charset.unwrap_or(self.options.charset)
    }
}

fn name_of(plan: &Plan, id: NodeId) -> String {
    let path = plan.path(id);
    path.strip_prefix("statement/").unwrap_or(&path).to_owned()
}

/// Refuses what the messages have no place for.
fn check_plan(plan: &Plan) -> Result<(), OptionsError> {
    let record = plan.anchors.iter().map(|&anchor| plan.path(anchor)).collect::<Vec<_>>();
    if record != ["statement/entry"] {
        return Err(OptionsError::new("", "the record of an MT940 body is `statement/entry`, and nothing else"));
    }
    if let Some(list) = plan.lists.first() {
        return Err(OptionsError::new(&list.path, "a statement's entry holds no list of items"));
    }
    for id in 1..plan.nodes.len() as NodeId {
        let node = plan.node(id);
        if node.slot.is_some() || node.constant.is_some() {
            let name = name_of(plan, id);
            let known = match name.strip_prefix("entry/") {
                Some(entry) => ENTRY_PATHS.contains(&entry) || entry.strip_prefix("86/").is_some_and(info::is_part),
                None => STATEMENT_PATHS.contains(&name.as_str()),
            };
            if !known {
                let known = format!(
                    "it has statement/{}, statement/entry/{} and parts of statement/entry/86",
                    STATEMENT_PATHS.join(", "),
                    ENTRY_PATHS.join(", ")
                );
                return Err(OptionsError::new(plan.path(id), format!("is no path of this format; {known}")));
            }
        }
    }
    let wrong = |slot: &&portolan_contract::Slot| slot.repeat == Repeat::List && !slot.path.contains("/86/");
    match plan.slots.iter().find(wrong) {
        Some(slot) => Err(OptionsError::new(&slot.path, "`repeat` may be `list` for parts of field 86 alone")),
        None => Ok(()),
    }
}
