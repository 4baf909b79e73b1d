//! The CSV adapter: a table with headings, with labelled values before it and a trailer row after.
//!
//! Source paths are `row/HEADING` (the record is `row`), `header/LABEL` for what stands before the
//! table as `label,value` pairs, and `trailer/HEADING` for the row that ends it. A heading may hold
//! a `/`: it is all that follows `row/`. Headings and labels are matched whole, after white space
//! and byte order marks around them are taken off; other spellings are listed in
//! `heading_aliases`, never guessed. Columns may stand in any order; what the plan does not name is
//! passed over, and a column that is missing leaves its values absent.
//!
//! Wire format: RFC 4180, with LF as well as CRLF, in any charset of the contract. Limits: see
//! [`portolan_contract::Limits`]; a cell counts as a token.

mod cells;
mod read;
mod write;

use portolan_contract::{
    Bound, Charset, Format, FormatError, Limits, NodeId, OptionsError, Plan, RawRecord, ReadRecords, Repeat, SlotId, WriteRecords,
};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::sync::Arc;

/// The format named `csv`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Csv;

/// Rows that are looked at to find the headings, blank ones included.
const HEADING_ROWS_MAX: u64 = 20;

/// The mapping's `[format]` options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// The charset of bodies without a byte order mark.
    charset: Charset,
    /// The charset of bodies that are written; that of `charset` unless given.
    write_charset: Option<Charset>,
    /// The character between cells: `,`, a tab, `;` or another one of ASCII punctuation.
    delimiter: String,
    /// `"` or `none`.
    quote: Quote,
    /// `auto` (the first row, of the first twenty, that holds more than half of the columns), or
    /// the number of the row, counted from 1, blank ones included.
    heading_row: toml::Value,
    /// `pairs` (the rows before the headings hold labels and values in turn) or `none`.
    header: Header,
    /// The first cell of the row that ends the table.
    trailer_label: Option<String>,
    /// Other spellings of a heading or label: the plan's name to a list of them.
    heading_aliases: BTreeMap<String, Vec<String>>,
    /// Written bodies begin with a byte order mark.
    byte_order_mark: bool,
    /// How written lines end: `crlf` or `lf`.
    line_ending: LineEnding,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            charset: Charset::Utf8,
            write_charset: None,
            delimiter: ",".to_owned(),
            quote: Quote::Double,
            heading_row: toml::Value::String("auto".to_owned()),
            header: Header::None,
            trailer_label: None,
            heading_aliases: BTreeMap::new(),
            byte_order_mark: false,
            line_ending: LineEnding::Crlf,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Quote {
    #[serde(rename = "\"")]
    Double,
    #[serde(rename = "none")]
    None,
}

impl Quote {
    fn byte(self) -> Option<u8> {
        match self {
            Self::Double => Some(b'"'),
            Self::None => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Header {
    Pairs,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LineEnding {
    Crlf,
    Lf,
}

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn bind(&self, plan: Arc<Plan>, options: &toml::Table) -> Result<Arc<dyn Bound>, OptionsError> {
        let options: Options = OptionsError::parse(options)?;
        Ok(Arc::new(BoundCsv {
            delimiter: delimiter(&options)?,
            heading_row: heading_row(&options.heading_row)?,
            table: Table::new(&plan, &options)?,
            plan,
            options,
        }))
    }
}

struct BoundCsv {
    plan: Arc<Plan>,
    options: Options,
    delimiter: u8,
    /// `None` where it is to be found.
    heading_row: Option<u64>,
    table: Table,
}

impl Bound for BoundCsv {
    fn reader<'a>(&'a self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn ReadRecords + 'a>, FormatError> {
        Ok(Box::new(read::Reader::new(input, self, limits)?))
    }

    fn writer<'a>(&'a self, output: Box<dyn Write + 'a>, head: &RawRecord) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
        Ok(Box::new(write::Writer::new(output, self, head)?))
    }

    fn media_type(&self) -> String {
        format!("text/csv; charset={}", self.write_charset().label())
    }
}

impl BoundCsv {
    fn write_charset(&self) -> Charset {
        self.options.write_charset.unwrap_or(self.options.charset)
    }
}

/// A column of the table, or a label before it.
struct Column {
    name: String,
    slot: Option<SlotId>,
    /// Written where there is no slot.
    constant: Option<String>,
}

/// What the plan says of the table.
struct Table {
    /// The node of one record.
    row: NodeId,
    /// In the order of writing.
    columns: Vec<Column>,
    /// By every spelling, an index into `columns`.
    column_of: HashMap<String, usize>,
    /// In the order of writing.
    labels: Vec<Column>,
    /// By every spelling, an index into `labels`.
    label_of: HashMap<String, usize>,
    /// By column, the slot that the trailer row fills.
    trailer: Vec<Option<SlotId>>,
}

impl Table {
    fn new(plan: &Plan, options: &Options) -> Result<Self, OptionsError> {
        check_paths(plan, options)?;
        let row = plan.child(0, "row").ok_or_else(|| OptionsError::new("row", "no path of the mapping begins with `row`"))?;
        if plan.anchors != [row] {
            return Err(OptionsError::new("", "the record of a CSV body is `row`, and nothing else"));
        }
        let columns = columns_below(plan, "row");
        if columns.is_empty() {
            return Err(OptionsError::new("row", "the mapping names no column, such as `row/Amount`"));
        }
        let labels = columns_below(plan, "header");
        let trailer = trailer_slots(plan, &columns)?;
        let aliases = &options.heading_aliases;
        if let Some(unknown) = aliases.keys().find(|name| !columns.iter().chain(&labels).any(|c| c.name == **name)) {
            return Err(OptionsError::new("heading_aliases", format!("`{unknown}` is no heading or label of the mapping")));
        }
        let column_of = spellings(&columns, aliases)?;
        let label_of = spellings(&labels, aliases)?;
        Ok(Self { row, columns, column_of, labels, label_of, trailer })
    }
}

fn delimiter(options: &Options) -> Result<u8, OptionsError> {
    match options.delimiter.as_bytes() {
        [byte] if *byte == b'\t' || (byte.is_ascii_punctuation() && Some(*byte) != options.quote.byte()) => Ok(*byte),
        _ => Err(OptionsError::new("delimiter", "must be a tab or one character of ASCII punctuation other than the quote")),
    }
}

fn heading_row(option: &toml::Value) -> Result<Option<u64>, OptionsError> {
    match option {
        toml::Value::String(word) if word == "auto" => Ok(None),
        toml::Value::Integer(row @ 1..) => Ok(Some(row.unsigned_abs())),
        _ => Err(OptionsError::new("heading_row", "must be \"auto\" or the number of a row, from 1")),
    }
}

/// Refuses what a table cannot carry.
fn check_paths(plan: &Plan, options: &Options) -> Result<(), OptionsError> {
    if let Some(list) = plan.lists.first() {
        return Err(OptionsError::new(&list.path, "a CSV row holds no list"));
    }
    for slot in &plan.slots {
        let (group, rest) = slot.path.split_once('/').unwrap_or((&slot.path, ""));
        let counts = plan.node(slot.node).slot.is_none_or(|own| plan.slot(own).path != slot.path);
        let wrong = match group {
            _ if slot.repeat == Repeat::List => "a cell holds one value; `repeat` cannot be `list`",
            "row" if rest.is_empty() => "a row has no text of its own; name a column",
            "row" if counts && slot.path != "row/#" && slot.path != "row/##" => "of a CSV body only rows are counted",
            "row" => continue,
            "header" | "trailer" if rest.is_empty() || counts => "name a label or a column",
            "header" if options.header == Header::None => "is read only with `header = \"pairs\"`",
            "trailer" if options.trailer_label.is_none() => "is read only with a `trailer_label`",
            "trailer" if !slot.after => "stands after the records: its entry needs `after`",
            "header" | "trailer" => continue,
            _ => "a CSV path is `row/HEADING`, `header/LABEL` or `trailer/HEADING`",
        };
        return Err(OptionsError::new(&slot.path, wrong));
    }
    Ok(())
}

/// Everything below a group that has a value, in the order of the plan; the name is the rest of the
/// path.
fn columns_below(plan: &Plan, group: &str) -> Vec<Column> {
    let mut columns = Vec::new();
    let mut left: Vec<NodeId> = plan.child(0, group).into_iter().collect();
    while let Some(id) = left.pop() {
        let node = plan.node(id);
        if node.slot.is_some() || node.constant.is_some() {
            let path = plan.path(id);
            let name = path.split_once('/').map_or(path.as_str(), |(_, name)| name).to_owned();
            columns.push(Column { name, slot: node.slot, constant: node.constant.clone() });
        }
        left.extend(node.children.iter().rev());
    }
    columns
}

fn trailer_slots(plan: &Plan, columns: &[Column]) -> Result<Vec<Option<SlotId>>, OptionsError> {
    let mut slots = vec![None; columns.len()];
    for cell in columns_below(plan, "trailer") {
        let path = format!("trailer/{}", cell.name);
        match columns.iter().position(|column| column.name == cell.name).map(|index| (index, slots.get_mut(index))) {
            Some((1.., Some(slot))) => *slot = cell.slot,
            Some(_) => return Err(OptionsError::new(path, "the label of the trailer stands in the first column")),
            None => return Err(OptionsError::new(path, "a trailer value stands in one of the table's columns: `row` has no such heading")),
        }
    }
    Ok(slots)
}

/// By every spelling of a name, its index.
fn spellings(columns: &[Column], aliases: &BTreeMap<String, Vec<String>>) -> Result<HashMap<String, usize>, OptionsError> {
    let mut index_of = HashMap::new();
    for (index, column) in columns.iter().enumerate() {
        let others = aliases.get(&column.name).into_iter().flatten();
        for spelling in others.chain([&column.name]) {
            if index_of.insert(spelling.clone(), index).is_some_and(|earlier| earlier != index) {
                return Err(OptionsError::new("heading_aliases", format!("`{spelling}` stands for two names")));
            }
        }
    }
    Ok(index_of)
}

/// A heading or label without the white space and byte order marks around it.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}
