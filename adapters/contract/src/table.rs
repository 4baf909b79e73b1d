//! Tables, whatever they are written in: which column fills which slot, which labels stand before the
//! headings, and how the headings are found. Shared by the adapters whose bodies are tables.
//!
//! Source paths are `row/HEADING` (the record is `row`), `header/LABEL` for what stands before the
//! table as labels and values, and `trailer/HEADING` for the row that ends it. A heading may hold a
//! `/`: it is all that follows `row/`. Headings and labels are matched whole, after white space and
//! byte order marks around them are taken off; other spellings are listed in `heading_aliases`,
//! never guessed. Columns may stand in any order; what the plan does not name is passed over, and a
//! column that is missing leaves its values absent.

use crate::error::{FormatCode, FormatError, OptionsError};
use crate::plan::{NodeId, Plan, Repeat, SlotId};
use crate::record::{Position, RawRecord, RawValue};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// Rows that are looked at to find the headings, blank ones included.
pub const HEADING_ROWS_MAX: u64 = 20;
/// Headings that a message lists, and characters of each.
const LISTED_MAX: usize = 20;
const LISTED_CHARACTERS_MAX: usize = 30;

/// The options of a mapping that mean the same in every format of tables.
pub struct TableOptions<'o> {
    /// `auto` (the first row, of the first twenty, that holds more than half of the columns), or
    /// the number of the row, counted from 1, blank ones included.
    pub heading_row: &'o toml::Value,
    /// Whether labels and values stand before the headings.
    pub header: Header,
    /// The first cell of the row that ends the table.
    pub trailer_label: Option<&'o str>,
    /// Other spellings of a heading or label: the plan's name to a list of them.
    pub heading_aliases: &'o BTreeMap<String, Vec<String>>,
}

/// What stands before the headings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Header {
    /// Labels and values in turn.
    Pairs,
    /// Nothing that is read.
    None,
}

/// A cell of a row before the table, or of its headings.
pub struct HeadCell {
    /// Its text.
    pub text: String,
    /// Where it stands.
    pub at: Position,
}

/// The values of the record at hand by slot, for a writer whose columns each ask for theirs.
pub struct RowValues(Vec<Option<RawValue>>);

impl RowValues {
    /// Room for the slots of a plan.
    pub fn new(plan: &Plan) -> Self {
        Self(vec![None; plan.slots.len()])
    }

    /// Takes up the values of the next record.
    pub fn take_up(&mut self, record: &RawRecord) {
        self.0.fill(None);
        for value in record.values() {
            if let Some(place) = self.0.get_mut(value.slot as usize) {
                place.get_or_insert(*value);
            }
        }
    }

    /// What a column holds: the record's value, else the column's constant, else nothing.
    pub fn text<'r>(&self, column: &'r Column, record: &'r RawRecord) -> &'r str {
        let value = column.slot.and_then(|slot| self.0.get(slot as usize)?.as_ref());
        value.map(|v| record.text(v)).or(column.constant.as_deref()).unwrap_or_default()
    }
}

/// What a column of the body fills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColumnSlots {
    /// From a row.
    pub row: Option<SlotId>,
    /// From the trailer row.
    pub trailer: Option<SlotId>,
}

/// A column of the table, or a label before it.
pub struct Column {
    /// Its heading.
    pub name: String,
    /// What it fills.
    pub slot: Option<SlotId>,
    /// Written where there is no slot.
    pub constant: Option<String>,
}

/// What the plan says of the table.
pub struct Table {
    /// The node of one record.
    pub row: NodeId,
    /// In the order of writing.
    pub columns: Vec<Column>,
    /// By every spelling, an index into `columns`.
    column_of: HashMap<String, usize>,
    /// In the order of writing.
    pub labels: Vec<Column>,
    /// By every spelling, an index into `labels`.
    label_of: HashMap<String, usize>,
    /// By column, the slot that the trailer row fills.
    pub trailer: Vec<Option<SlotId>>,
    /// The first cell of the row that ends the table.
    pub trailer_label: Option<String>,
    /// Whether labels and values stand before the headings.
    pub header: Header,
    /// `None` where it is to be found.
    heading_row: Option<u64>,
}

impl Table {
    /// The table of a plan whose record is `row`.
    ///
    /// # Errors
    /// Options that do not fit, and a plan that a table cannot carry.
    pub fn new(plan: &Plan, options: &TableOptions<'_>) -> Result<Self, OptionsError> {
        check_paths(plan, options)?;
        let heading_row = heading_row(options.heading_row)?;
        let row = plan.child(0, "row").ok_or_else(|| OptionsError::new("row", "no path of the mapping begins with `row`"))?;
        if plan.anchors != [row] {
            return Err(OptionsError::new("", "the record of a table is `row`, and nothing else"));
        }
        let columns = columns_below(plan, "row");
        if columns.is_empty() {
            return Err(OptionsError::new("row", "the mapping names no column, such as `row/Amount`"));
        }
        let labels = columns_below(plan, "header");
        let trailer = trailer_slots(plan, &columns)?;
        let aliases = options.heading_aliases;
        if let Some(unknown) = aliases.keys().find(|name| !columns.iter().chain(&labels).any(|c| c.name == **name)) {
            return Err(OptionsError::new("heading_aliases", format!("`{unknown}` is no heading or label of the mapping")));
        }
        let column_of = spellings(&columns, aliases)?;
        let label_of = spellings(&labels, aliases)?;
        let trailer_label = options.trailer_label.map(str::to_owned);
        Ok(Self { row, columns, column_of, labels, label_of, trailer, trailer_label, header: options.header, heading_row })
    }

    /// What a label before the table fills.
    pub fn label_slot(&self, text: &str) -> Option<SlotId> {
        self.label_of.get(trimmed(text)).and_then(|&index| self.labels.get(index)).and_then(|label| label.slot)
    }

    /// Whether a row's first cell ends the table.
    pub fn is_trailer(&self, first_cell: &str) -> bool {
        self.trailer_label.as_deref().is_some_and(|label| label == trimmed(first_cell))
    }

    /// What stands around a table that is written holds for each of its records, so none may say
    /// otherwise than `head`, which was or will be written. A trailer's value need not be in the records.
    ///
    /// # Errors
    /// The first value that differs.
    pub fn check_around(&self, head: &RawRecord, record: &RawRecord) -> Result<(), FormatError> {
        let differs = |slot: SlotId| {
            let [known, own] = [head, record].map(|raw| raw.find(slot, None).map(|value| raw.text(value)));
            known.unwrap_or_default() != own.unwrap_or_default()
        };
        let label = self.labels.iter().find(|label| label.slot.is_some_and(differs)).map(|label| label.name.clone());
        let told = |slot: &SlotId| record.find(*slot, None).is_some() && differs(*slot);
        let trailer = || {
            Some(format!("trailer, {}", column_letters(self.trailer.iter().position(|slot| slot.as_ref().is_some_and(told))? as u32 + 1)))
        };
        let Some(path) = label.or_else(trailer) else { return Ok(()) };
        let zh = format!("“{path}”的值与已写的不同，一份表格只能有一个");
        let en = format!("the value of `{path}` is not the one of the records before, and a table has only one");
        Err(FormatError::new(FormatCode::ValueUnwritable, Position::default(), zh, en).on(path))
    }

    fn columns_of(&self, headings: &[HeadCell]) -> Result<Vec<ColumnSlots>, FormatError> {
        let mut seen = vec![false; self.columns.len()];
        let mut found = Vec::with_capacity(headings.len());
        for cell in headings {
            let index = self.column_of.get(trimmed(&cell.text)).copied();
            let column = index.and_then(|i| self.columns.get(i).zip(seen.get_mut(i)));
            if let Some((column, seen)) = column
                && std::mem::replace(seen, true)
            {
                let name = &column.name;
                let (zh, en) = (format!("列名“{name}”出现两次"), format!("the heading {name:?} stands twice"));
                return Err(FormatError::new(FormatCode::NotThisMessage, cell.at, zh, en));
            }
            let row = index.and_then(|i| self.columns.get(i)).and_then(|c| c.slot);
            let trailer = index.and_then(|i| self.trailer.get(i)).copied().flatten();
            found.push(ColumnSlots { row, trailer });
        }
        Ok(found)
    }
}

/// Looks for the headings, row by row.
pub struct HeadingSearch<'t> {
    table: &'t Table,
    nearest: Nearest,
}

impl<'t> HeadingSearch<'t> {
    /// A search at the start of a body.
    pub fn new(table: &'t Table) -> Self {
        Self { table, nearest: Nearest::default() }
    }

    /// The last row in which the headings may stand.
    pub fn rows_max(&self) -> u64 {
        self.table.heading_row.unwrap_or(HEADING_ROWS_MAX)
    }

    /// Looks at one row: what each of its columns fills, if it is that of the headings.
    ///
    /// # Errors
    /// A heading that stands twice.
    pub fn look(&mut self, number: u64, row: &[HeadCell]) -> Result<Option<Vec<ColumnSlots>>, FormatError> {
        let known = row.iter().filter(|cell| self.table.column_of.contains_key(trimmed(&cell.text))).count();
        self.nearest.offer(known, row);
        let is_heading = match self.table.heading_row {
            Some(heading_row) => number == heading_row && known > 0,
            None => known * 2 > self.table.columns.len(),
        };
        if is_heading { self.table.columns_of(row).map(Some) } else { Ok(None) }
    }

    /// The error that there are no headings.
    pub fn not_found(&self) -> FormatError {
        let nearest = &self.nearest;
        let expected = listed(self.table.columns.iter().map(|c| c.name.as_str()));
        let (zh, en) = match &nearest.listed {
            None => (format!("文件为空；应有列名：{expected}"), format!("the file is empty; expected the headings {expected}")),
            Some(found) => (
                format!("未找到表头；应有列名：{expected}；最接近的一行为：{found}"),
                format!("no heading row; expected {expected}; the nearest row holds {found}"),
            ),
        };
        FormatError::new(FormatCode::NotThisMessage, nearest.at, zh, en)
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
fn check_paths(plan: &Plan, options: &TableOptions<'_>) -> Result<(), OptionsError> {
    if let Some(list) = plan.lists.first() {
        return Err(OptionsError::new(&list.path, "a row holds no list"));
    }
    for slot in &plan.slots {
        let (group, rest) = slot.path.split_once('/').unwrap_or((&slot.path, ""));
        let counts = plan.node(slot.node).slot.is_none_or(|own| plan.slot(own).path != slot.path);
        let wrong = match group {
            _ if slot.repeat == Repeat::List => "a cell holds one value; `repeat` cannot be `list`",
            "row" if rest.is_empty() => "a row has no text of its own; name a column",
            "row" if counts && slot.path != "row/#" && slot.path != "row/##" => "of a table only rows are counted",
            "row" => continue,
            "header" | "trailer" if rest.is_empty() || counts => "name a label or a column",
            "header" if options.header == Header::None => "is read only with `header = \"pairs\"`",
            "trailer" if options.trailer_label.is_none() => "is read only with a `trailer_label`",
            "trailer" if !slot.after => "stands after the records: its entry needs `after`",
            "header" | "trailer" => continue,
            _ => "a path of a table is `row/HEADING`, `header/LABEL` or `trailer/HEADING`",
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
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// The row that comes nearest to the headings, for the message that none was found.
struct Nearest {
    known: usize,
    at: Position,
    listed: Option<String>,
}

impl Default for Nearest {
    fn default() -> Self {
        Self { known: 0, at: Position { line: 1, byte: 0, column: 0 }, listed: None }
    }
}

impl Nearest {
    fn offer(&mut self, known: usize, row: &[HeadCell]) {
        let blank = row.iter().all(|cell| trimmed(&cell.text).is_empty());
        if blank || (self.listed.is_some() && known <= self.known) {
            return;
        }
        self.known = known;
        self.at = row.first().map_or(self.at, |cell| Position { column: 0, ..cell.at });
        self.listed = Some(listed(row.iter().map(|cell| trimmed(&cell.text))));
    }
}

fn listed<'t>(names: impl Iterator<Item = &'t str>) -> String {
    let mut listed = String::new();
    for (index, name) in names.enumerate() {
        if index == LISTED_MAX {
            listed.push_str(", …");
            break;
        }
        listed.push_str(if index == 0 { "" } else { ", " });
        listed.extend(name.chars().take(LISTED_CHARACTERS_MAX));
    }
    listed
}

/// A column's letters as spreadsheets write them: the first is `A`, and `AA` follows `Z`.
pub fn column_letters(column: u32) -> String {
    let mut letters = Vec::new();
    let mut left = column;
    while left > 0 {
        letters.push(char::from(b'A' + ((left - 1) % 26) as u8));
        left = (left - 1) / 26;
    }
    letters.iter().rev().collect()
}
