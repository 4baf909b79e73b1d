//! Reading: tells the kinds of lines apart, keeps their order, and turns them into records.

use crate::layout::{Column, Line};
use crate::line::{Cell, Lines};
use crate::{Align, BoundFixed, LineEnding, ShortLines, Units};
use portolan_contract::{FormatCode, FormatError, Found, Limits, Position, RawRecord, ReadRecords, Walker, Words};
use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

/// Characters of an unknown tag in a message.
const FOUND_CHARACTERS_MAX: usize = 20;

/// Reads the records of one body.
pub struct Reader<'a> {
    bound: &'a BoundFixed,
    lines: Lines<'a>,
    walker: Walker,
    /// The line that `lines` holds was not taken yet.
    held: bool,
    /// A line was taken.
    begun: bool,
    /// Lines that are open, outermost first.
    open: Vec<OpenLine>,
    /// Index in the layout's roots of the first that may still come.
    next_root: usize,
}

struct OpenLine {
    index: usize,
    at: Position,
    /// Lines that belong to it and have come.
    seen: Vec<usize>,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a body.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn new(input: Box<dyn Read + 'a>, bound: &'a BoundFixed, limits: &Limits) -> Result<Self, FormatError> {
        let options = &bound.options;
        let length = match options.line_ending {
            LineEnding::None => bound.layout.lines.first().map(|line| line.length),
            LineEnding::Crlf | LineEnding::Lf => None,
        };
        let lines = Lines::new(input, options.charset, options.columns, length, limits.token_bytes_max)?;
        let walker = Walker::new(Arc::clone(&bound.plan), limits);
        Ok(Self { bound, lines, walker, held: false, begun: false, open: Vec::new(), next_root: 0 })
    }

    /// The kind of the line that is held; `None` for one that is passed over.
    fn kind(&self) -> Result<Option<(usize, &'a Line)>, FormatError> {
        let layout = &self.bound.layout;
        let Some(place) = &layout.tag else { return Ok(layout.lines.first().map(|line| (0, line))) };
        let found = match self.lines.cell(place) {
            Cell::Whole(text, _) => text.trim_end_matches(' '),
            Cell::Beyond | Cell::Cut(_) => "",
        };
        if self.bound.options.ignored_tags.iter().any(|tag| tag == found) {
            return Ok(None);
        }
        if let Some(known) = layout.lines.iter().enumerate().find(|(_, line)| line.tag == found) {
            return Ok(Some(known));
        }
        let known: Vec<&str> = layout.lines.iter().map(|line| line.tag.as_str()).collect();
        let (known, found): (_, String) = (known.join(", "), found.chars().take(FOUND_CHARACTERS_MAX).collect());
        let code = if self.begun { FormatCode::Syntax } else { FormatCode::NotThisMessage };
        let (zh, en) =
            (format!("记录类型标识 {found:?} 未知；可用 {known}"), format!("no kind of line has the tag {found:?}; there are {known}"));
        Err(FormatError::new(code, self.lines.at(), zh, en))
    }

    /// Closes open lines until `depth` are left, or a record is whole.
    fn close_to(&mut self, depth: usize) -> Result<bool, FormatError> {
        while self.open.len() > depth {
            let Some(closed) = self.open.pop() else { break };
            self.note_missing(&closed);
            if self.walker.leave(self.lines.at())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn note_missing(&mut self, closed: &OpenLine) {
        let lines = &self.bound.layout.lines;
        for &child in lines.get(closed.index).map_or(&[][..], |line| &line.children) {
            let Some(line) = lines.get(child) else { continue };
            if !line.optional && !line.repeats() && !closed.seen.contains(&child) {
                let (zh, en) = (format!("缺少“{}”行（标识 {}）", line.path, line.tag), missing(line));
                self.walker.finding("fixed.line-missing", closed.at, None, Words::new(zh, en));
            }
        }
    }

    /// Checks that a line which stands by itself comes in its order.
    fn place_root(&mut self, index: usize, line: &Line) -> Result<(), FormatError> {
        let layout = &self.bound.layout;
        let rank = layout.roots.iter().position(|&root| root == index).unwrap_or_default();
        if rank < self.next_root {
            let (zh, en) = (format!("“{}”行不应出现在此处", line.path), format!("a line `{}` may not stand here", line.path));
            return Err(FormatError::new(FormatCode::Syntax, self.lines.at(), zh, en));
        }
        self.require_roots(rank, if self.begun { FormatCode::Syntax } else { FormatCode::NotThisMessage })?;
        self.next_root = if rank == layout.record { rank } else { rank + 1 };
        Ok(())
    }

    /// Lines before `rank` that must have come.
    fn require_roots(&self, rank: usize, code: FormatCode) -> Result<(), FormatError> {
        let layout = &self.bound.layout;
        for passed in self.next_root..rank {
            let line = layout.roots.get(passed).and_then(|&at| layout.lines.get(at));
            if let Some(line) = line.filter(|line| !line.optional && passed != layout.record) {
                let (zh, en) = (format!("此处之前缺少“{}”行（标识 {}）", line.path, line.tag), missing(line));
                return Err(FormatError::new(code, self.lines.at(), zh, en));
            }
        }
        Ok(())
    }

    /// Takes the line that is held, whose enclosing lines are open.
    fn take(&mut self, index: usize, line: &'a Line) -> Result<(), FormatError> {
        let at = self.lines.at();
        let mut node = line.node;
        match line.parent {
            None => self.place_root(index, line)?,
            Some(parent) => {
                let Some(open) = self.open.last_mut().filter(|open| open.index == parent) else {
                    let (zh, en) = (
                        format!("“{}”行之前没有它所属的行", line.path),
                        format!("a line `{}` stands without the line that it belongs to", line.path),
                    );
                    return Err(FormatError::new(FormatCode::Syntax, at, zh, en));
                };
                let again = open.seen.contains(&index);
                if again && !line.repeats() {
                    let (zh, en) = (format!("“{}”行只应出现一次", line.path), format!("the line `{}` may occur only once", line.path));
                    self.walker.finding("fixed.line-repeated", at, None, Words::new(zh, en));
                    node = None;
                } else if !again {
                    open.seen.push(index);
                }
            }
        }
        self.begun = true;
        self.walker.enter_node(node, at)?;
        self.open.push(OpenLine { index, at, seen: Vec::new() });
        self.check_length(line);
        for column in &line.columns {
            self.fill(line, column, node.is_some())?;
        }
        Ok(())
    }

    fn check_length(&mut self, line: &Line) {
        let (found, expected) = (self.lines.units(), line.length);
        let short = found < expected && self.bound.options.short_lines == ShortLines::Finding;
        if !short && found <= expected {
            return;
        }
        let rule = if short { "fixed.line-short" } else { "fixed.line-long" };
        let (zh_unit, en_unit) = match self.bound.options.columns {
            Units::Bytes => ("字节", "bytes"),
            Units::Characters => ("字符", "characters"),
        };
        let (zh, en) = (
            format!("“{}”行应长 {expected} {zh_unit}，实为 {found}", line.path),
            format!("a line `{}` is {expected} {en_unit} long, this one {found}", line.path),
        );
        self.walker.finding(rule, self.lines.at(), None, Words::new(zh, en));
    }

    fn fill(&mut self, line: &Line, column: &Column, asked: bool) -> Result<(), FormatError> {
        match self.lines.cell(&column.place) {
            Cell::Beyond => Ok(()),
            Cell::Whole(text, at) => match column.slot.filter(|_| asked) {
                Some(slot) => self.walker.fill_from(slot, &column.value(text), text, at),
                None => Ok(()),
            },
            Cell::Cut(at) => {
                let (zh, en) = (
                    format!("“{}/{}”栏的边界落在一个字符中间", line.path, column.name),
                    format!("the column `{}/{}` begins or ends within a character", line.path, column.name),
                );
                self.walker.finding("fixed.character-cut", at, column.slot, Words::new(zh, en));
                Ok(())
            }
        }
    }
}

fn missing(line: &Line) -> String {
    format!("the line `{}` (tag {}) is missing", line.path, line.tag)
}

impl ReadRecords for Reader<'_> {
    fn read(&mut self) -> Result<Found<'_>, FormatError> {
        loop {
            if !self.held && !self.lines.next()? {
                if self.close_to(0)? {
                    return Ok(Found::Record(self.walker.record()));
                }
                self.require_roots(self.bound.layout.roots.len(), FormatCode::Truncated)?;
                return Ok(Found::End(self.walker.end()));
            }
            self.held = true;
            if !self.lines.is_empty()
                && let Some((index, line)) = self.kind()?
            {
                if self.close_to(line.depth)? {
                    return Ok(Found::Record(self.walker.record()));
                }
                self.take(index, line)?;
            }
            self.held = false;
        }
    }

    fn held(&self) -> &RawRecord {
        self.walker.record()
    }
}

impl Column {
    /// The value of a cell: without what fills it up.
    pub fn value<'t>(&self, cell: &'t str) -> Cow<'t, str> {
        if cell.bytes().all(|b| b == b' ') {
            return Cow::Borrowed("");
        }
        match (self.align, self.decimals) {
            (Align::Left, None) => Cow::Borrowed(cell.trim_end_matches(self.pad)),
            (Align::Left, Some(decimals)) => with_point(cell.trim_end_matches(self.pad), decimals),
            (Align::Right, Some(decimals)) if self.pad == '0' => with_point(cell.trim_start_matches(' '), decimals),
            (Align::Right, Some(decimals)) => with_point(cell.trim_start_matches(self.pad), decimals),
            (Align::Right, None) if self.pad == '0' => without_zeros(cell),
            (Align::Right, None) => Cow::Borrowed(cell.trim_start_matches(self.pad)),
        }
    }
}

/// The sign of a number, and the rest.
pub fn signed(text: &str) -> (&str, &str) {
    text.split_at(usize::from(text.starts_with(['+', '-'])))
}

/// Leading zeros are taken off while a digit follows.
fn without_zeros(text: &str) -> Cow<'_, str> {
    let (sign, digits) = signed(text);
    let zeros = digits.bytes().zip(digits.bytes().skip(1)).take_while(|(zero, next)| *zero == b'0' && next.is_ascii_digit()).count();
    match (zeros, sign) {
        (0, _) => Cow::Borrowed(text),
        (_, "") => Cow::Borrowed(digits.get(zeros..).unwrap_or_default()),
        _ => Cow::Owned(format!("{sign}{}", digits.get(zeros..).unwrap_or_default())),
    }
}

/// A number of digits alone gets its point; anything else stays for the value's type to refuse.
fn with_point(text: &str, decimals: usize) -> Cow<'_, str> {
    let (sign, digits) = signed(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Cow::Borrowed(text);
    }
    let digits = format!("{digits:0>width$}", width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let point = if decimals == 0 { "" } else { "." };
    Cow::Owned(format!("{sign}{}{point}{part}", without_zeros(whole)))
}
