//! Writing: the lines before the records, each record's lines, and those after.

use crate::layout::{Column, Line};
use crate::read::signed;
use crate::{Align, BoundFixed, LineEnding, Units};
use portolan_contract::{FormatCode, FormatError, Index, Position, RawRecord, SlotId, TextOutput, WriteRecords};
use std::io::Write;

/// Writes the records of one body.
pub struct Writer<'a> {
    bound: &'a BoundFixed,
    output: TextOutput<'a>,
    head: RawRecord,
    index: Index,
}

impl<'a> Writer<'a> {
    /// A writer at the first record, with the lines before it written.
    ///
    /// # Errors
    /// I/O faults, values longer than their columns, and text that the charset cannot hold.
    pub fn new(output: Box<dyn Write + 'a>, bound: &'a BoundFixed, head: &RawRecord) -> Result<Self, FormatError> {
        let output = TextOutput::new(output, bound.options.write_charset());
        let mut writer = Self { bound, output, head: RawRecord::default(), index: Index::default() };
        writer.roots(0..bound.layout.record, head)?;
        writer.head = head.clone();
        Ok(writer)
    }

    fn roots(&mut self, ranks: std::ops::Range<usize>, record: &RawRecord) -> Result<(), FormatError> {
        self.index.read(&self.bound.plan, record);
        for &root in self.bound.layout.roots.get(ranks).unwrap_or_default() {
            self.lines(root, None, record)?;
        }
        Ok(())
    }

    /// What stands before the records holds for each of them, so each must say the same.
    fn check_head(&self, record: &RawRecord) -> Result<(), FormatError> {
        let layout = &self.bound.layout;
        for line in layout.roots.iter().take(layout.record).filter_map(|&root| layout.lines.get(root)) {
            for (column, slot) in line.columns.iter().filter_map(|column| Some((column, column.slot?))) {
                let text = |record: &'_ RawRecord| record.find(slot, None).map(|v| record.text(v).to_owned()).unwrap_or_default();
                if text(record) != text(&self.head) {
                    let (zh, en) = ("与文件头中的不同，一个文件只能有一个", "is not that of the header, and a file has only one");
                    return Err(unwritable(line, column, zh, en));
                }
            }
        }
        Ok(())
    }

    /// Writes a line of the layout, with those that belong to it: once, or for each of its items.
    fn lines(&mut self, index: usize, item: Option<u32>, record: &RawRecord) -> Result<(), FormatError> {
        let Some(line) = self.bound.layout.lines.get(index) else { return Ok(()) };
        let items: Vec<Option<u32>> = match (line.list, line.several) {
            (Some(list), _) => self.index.items(list, item, record).map(Some).collect(),
            (None, Some(slot)) => {
                let texts: Vec<&str> = self.index.texts(slot, item, record).collect();
                return texts.into_iter().try_for_each(|text| self.line(line, item, record, Some((slot, text))));
            }
            _ if line.optional && !line.node.is_some_and(|node| self.index.holds(node, item)) => Vec::new(),
            _ => vec![item],
        };
        for item in items {
            self.line(line, item, record, None)?;
            for &child in &line.children {
                self.lines(child, item, record)?;
            }
        }
        Ok(())
    }

    /// Writes one line; `one` is the value of several that stands on it.
    fn line(&mut self, line: &Line, item: Option<u32>, record: &RawRecord, one: Option<(SlotId, &str)>) -> Result<(), FormatError> {
        let mut cells: Vec<(usize, usize, String)> = Vec::with_capacity(line.columns.len() + 1);
        for column in &line.columns {
            let value = one.filter(|(slot, _)| column.slot == Some(*slot)).map(|(_, text)| text);
            let value = value.or_else(|| self.index.text(column.slot?, item, record));
            let text = value.or(column.constant.as_deref()).unwrap_or_default();
            let cell = self.cell(column, text).map_err(|(zh, en)| unwritable(line, column, &zh, &en))?;
            cells.push((column.place.start, column.place.end, cell));
        }
        if let Some(place) = &self.bound.layout.tag {
            let blanks = self.blanks(place.len().saturating_sub(self.width(&line.tag)));
            let cell = format!("{}{blanks}", line.tag);
            cells.insert(cells.partition_point(|cell| cell.0 < place.start), (place.start, place.end, cell));
        }
        let mut at = 0;
        for (start, end, cell) in cells {
            self.output.write(&self.blanks(start.saturating_sub(at)))?;
            self.output.write(&cell).map_err(|e| e.on(&line.path))?;
            at = end;
        }
        self.output.write(&self.blanks(line.length.saturating_sub(at)))?;
        self.output.write(match self.bound.options.line_ending {
            LineEnding::Crlf => "\r\n",
            LineEnding::Lf => "\n",
            LineEnding::None => "",
        })
    }

    /// A cell of the column's whole length; else why it cannot hold the text, in zh and en.
    fn cell(&self, column: &Column, text: &str) -> Result<String, (String, String)> {
        if text.contains(['\r', '\n', '\0']) {
            return Err(("含有换行或 NUL 字符".to_owned(), "holds a line end or NUL".to_owned()));
        }
        let digits = match column.decimals.filter(|_| !text.is_empty()) {
            Some(decimals) => Some(
                without_point(text, decimals)
                    .ok_or_else(|| (format!("不是至多 {decimals} 位小数的数"), format!("is no number with at most {decimals} decimals")))?,
            ),
            None => None,
        };
        let body = digits.as_deref().unwrap_or(text);
        let (width, room) = (self.width(body), column.place.len());
        let Some(left) = room.checked_sub(width) else {
            return Err((format!("长 {width}，超出栏宽 {room}"), format!("is {width} long, and the column {room}")));
        };
        if text.is_empty() {
            return Ok(self.blanks(left));
        }
        let fill = self.blanks(left).replace(' ', column.pad.encode_utf8(&mut [0; 4]));
        let cell = match (column.align, column.pad) {
            (Align::Left, _) => format!("{body}{fill}"),
            (Align::Right, '0') => {
                let (sign, digits) = signed(body);
                format!("{sign}{fill}{digits}")
            }
            (Align::Right, _) => format!("{fill}{body}"),
        };
        if digits.is_none() && column.value(&cell) != text {
            return Err((
                "与填充字符相混，读回时会改变".to_owned(),
                "would be read as another: it cannot be told from its padding".to_owned(),
            ));
        }
        Ok(cell)
    }

    fn width(&self, text: &str) -> usize {
        match self.bound.options.columns {
            Units::Bytes => self.bound.options.write_charset().bytes_of(text),
            Units::Characters => text.chars().count(),
        }
    }

    /// Blanks for so many places.
    fn blanks(&self, places: usize) -> String {
        " ".repeat(places / self.width(" ").max(1))
    }
}

impl WriteRecords for Writer<'_> {
    fn write(&mut self, record: &RawRecord) -> Result<(), FormatError> {
        let rank = self.bound.layout.record;
        self.check_head(record)?;
        self.roots(rank..rank + 1, record)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        let head = std::mem::take(&mut self.head);
        self.roots(self.bound.layout.record + 1..self.bound.layout.roots.len(), &head)?;
        self.output.finish()
    }
}

/// A decimal number as digits alone; `None` for what is none, or has more decimals.
fn without_point(text: &str, decimals: usize) -> Option<String> {
    let (sign, number) = signed(text);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || part.len() > decimals || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let whole = if decimals == 0 { whole } else { whole.trim_start_matches('0') };
    Some(format!("{sign}{whole}{part:0<decimals$}"))
}

fn unwritable(line: &Line, column: &Column, zh: &str, en: &str) -> FormatError {
    let path = format!("{}/{}", line.path, column.name);
    let (zh, en) = (format!("“{path}”栏的值{zh}"), format!("the value of `{path}` {en}"));
    FormatError::new(FormatCode::ValueUnwritable, Position::default(), zh, en).on(path)
}
