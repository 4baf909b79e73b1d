//! Looks into lines of fixed width without a layout, and guesses one. Nothing in such a body says where its columns
//! are, so that every column is a guess by what is blank in all lines of a kind: two columns without a blank between them
//! are taken for one.
//!
//! Lines are of several kinds where their first characters tell few apart and the first line or the last has one of its
//! own; the kind with most lines is the record. Columns are counted in bytes, unless only the numbers of characters are
//! the same in each line of a kind.
//!
//! Limits: only the first [`SAMPLE_BYTES`] are looked at.

use portolan_contract::{Charset, FormatCode, FormatError, Limits, Outline, Outliner, Position, TextInput};
use std::io::Read;
use toml::Value;

/// Bytes that are looked at.
const SAMPLE_BYTES: u64 = 1 << 20;
/// Kinds of lines that are told apart.
const KINDS_MAX: usize = 6;
/// Lines from which on one blank column between texts is no accident.
const LINES_MANY: usize = 3;

/// A kind of line.
struct Kind<'l> {
    tag: String,
    path: String,
    lines: Vec<&'l Line>,
    columns: Vec<Column>,
}

/// One line: its text by units, bytes or characters.
struct Line {
    tag: u8,
    units: Vec<String>,
}

/// A guessed column, its start counted from 1.
struct Column {
    name: String,
    start: usize,
    length: usize,
    right: bool,
}

/// The outline of a body and its guessed layout.
///
/// # Errors
/// A body without a line, bytes that are no text, and I/O.
pub fn outline<'a>(input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Outline, FormatError> {
    let at = Position { line: 1, byte: 0, column: 0 };
    let mut sample = Vec::new();
    input.take(SAMPLE_BYTES).read_to_end(&mut sample).map_err(|error| FormatError::from_io(error, at))?;
    if sample.len() as u64 == SAMPLE_BYTES {
        // The last line may be cut.
        sample.truncate(sample.iter().rposition(|&byte| byte == b'\n').map_or(sample.len(), |end| end + 1));
    }
    let charset = if std::str::from_utf8(&sample).is_ok() { Charset::Utf8 } else { Charset::Gb18030 };
    let raw: Vec<&[u8]> = sample.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let raw: Vec<&[u8]> = raw.into_iter().filter(|line| !line.trim_ascii().is_empty()).collect();
    if raw.is_empty() {
        return Err(FormatError::new(FormatCode::NotThisMessage, at, "文件为空，没有数据行", "the file is empty: there is no line"));
    }
    let in_bytes = counted_in_bytes(&raw, charset)?;
    let lines: Vec<Line> = raw.iter().map(|line| Line::new(line, charset, in_bytes)).collect::<Result<_, _>>()?;
    let kinds = kinds(&lines);
    let mut outliner = Outliner::new(limits);
    // The record's line stays open for those that belong to it.
    let mut in_record = false;
    for line in &lines {
        let Some(kind) = kinds.iter().find(|kind| kind.tag.is_empty() || kind.tag.as_bytes() == [line.tag]) else { continue };
        let below = kind.path.strip_prefix(RECORD).and_then(|rest| rest.strip_prefix('/'));
        if below.is_none() && std::mem::take(&mut in_record) {
            outliner.leave();
        }
        outliner.enter(below.unwrap_or(&kind.path), at)?;
        for column in &kind.columns {
            outliner.value(&column.name, line.text(column).trim(), at)?;
        }
        in_record |= kind.path == RECORD;
        if kind.path != RECORD {
            outliner.leave();
        }
    }
    if in_record {
        outliner.leave();
    }
    Ok(Outline { record: Some(RECORD.to_owned()), ..outliner.finish(options(&kinds, charset, in_bytes)) })
}

/// The path of the record's line.
const RECORD: &str = "detail";

impl Line {
    fn new(line: &[u8], charset: Charset, in_bytes: bool) -> Result<Self, FormatError> {
        let mut units = Vec::new();
        for character in decoded(line, charset)?.chars() {
            let mut unit = String::from(character);
            if in_bytes {
                // The character stands in its first byte; the others hold nothing of their own, and are not blank.
                let more = width(character, charset) - 1;
                units.push(std::mem::take(&mut unit));
                units.extend((0..more).map(|_| String::new()));
            } else {
                units.push(unit);
            }
        }
        Ok(Self { tag: line.first().copied().unwrap_or_default(), units })
    }

    fn is_blank(&self, unit: usize) -> bool {
        self.units.get(unit).is_none_or(|text| text == " ")
    }

    fn text(&self, column: &Column) -> String {
        self.units.iter().skip(column.start - 1).take(column.length).map(String::as_str).collect()
    }
}

/// Bytes of a character.
fn width(character: char, charset: Charset) -> usize {
    match charset {
        Charset::Utf8 => character.len_utf8(),
        // What GB 18030 has beyond GBK takes four bytes; the common Chinese characters take two.
        _ if character.is_ascii() => 1,
        _ if u32::from(character) > 0xFFFF => 4,
        _ => 2,
    }
}

fn decoded(line: &[u8], charset: Charset) -> Result<String, FormatError> {
    let mut text = String::new();
    let at = Position { line: 1, byte: 0, column: 0 };
    let mut input = TextInput::new(Box::new(line), charset, 2 * line.len() + 1)?;
    input.read_to_string(&mut text).map_err(|error| FormatError::from_io(error, at))?;
    Ok(text)
}

/// Whether the lines that begin alike have the same number of bytes, or at least not of characters.
fn counted_in_bytes(lines: &[&[u8]], charset: Charset) -> Result<bool, FormatError> {
    let mut same_bytes = true;
    let mut same_characters = true;
    for (line, next) in lines.iter().zip(lines.iter().skip(1)).filter(|(line, next)| line.first() == next.first()) {
        same_bytes &= line.len() == next.len();
        same_characters &= decoded(line, charset)?.chars().count() == decoded(next, charset)?.chars().count();
    }
    Ok(same_bytes || !same_characters)
}

/// The kinds of lines, in the order in which they first come.
fn kinds(lines: &[Line]) -> Vec<Kind<'_>> {
    let mut tags: Vec<u8> = Vec::new();
    for line in lines {
        if !tags.contains(&line.tag) {
            tags.push(line.tag);
        }
    }
    let times = |tag: u8| lines.iter().filter(|line| line.tag == tag).count();
    let has_own = |line: Option<&Line>| line.is_some_and(|line| times(line.tag) == 1);
    let tagged = (2..=KINDS_MAX).contains(&tags.len())
        && tags.iter().all(u8::is_ascii_alphanumeric)
        && (has_own(lines.first()) || has_own(lines.last()));
    if !tagged {
        let columns = columns(&lines.iter().collect::<Vec<_>>(), 0);
        return vec![Kind { tag: String::new(), path: RECORD.to_owned(), lines: lines.iter().collect(), columns }];
    }
    let record = tags.iter().copied().rev().max_by_key(|&tag| times(tag)).unwrap_or_default();
    let first = lines.iter().position(|line| line.tag == record).unwrap_or_default();
    let last = lines.iter().rposition(|line| line.tag == record).unwrap_or_default();
    let mut kinds = Vec::new();
    for tag in tags {
        let own: Vec<&Line> = lines.iter().filter(|line| line.tag == tag).collect();
        let begins = lines.iter().position(|line| line.tag == tag).unwrap_or_default();
        let tag = String::from(char::from(tag));
        let path = match () {
            () if begins == first => RECORD.to_owned(),
            () if begins < first && own.len() == 1 => numbered("header", &kinds),
            () if begins > last && own.len() == 1 => numbered("trailer", &kinds),
            // A line before the first record belongs to none.
            () if begins < first => continue,
            () => format!("{RECORD}/{}", numbered("line", &kinds)),
        };
        let columns = columns(&own, 1);
        kinds.push(Kind { tag, path, lines: own, columns });
    }
    kinds
}

fn numbered(name: &str, kinds: &[Kind<'_>]) -> String {
    match kinds.iter().filter(|kind| kind.path.rsplit('/').next().is_some_and(|last| last.starts_with(name))).count() {
        0 => name.to_owned(),
        before => format!("{name}{}", before + 1),
    }
}

/// Columns by what is blank in each of the lines, from `from` on.
fn columns(lines: &[&Line], from: usize) -> Vec<Column> {
    let width = lines.iter().map(|line| line.units.len()).max().unwrap_or_default();
    let blank: Vec<bool> = (0..width).map(|unit| lines.iter().all(|line| line.is_blank(unit))).collect();
    let gap = if lines.len() >= LINES_MANY { 1 } else { 2 };
    let blanks_before = |unit: usize| (from..unit).rev().take_while(|&before| blank.get(before) == Some(&true)).count();
    let begins = |unit: &usize| blank.get(*unit) == Some(&false) && (*unit == from || blanks_before(*unit) >= gap.min(unit - from));
    let mut starts: Vec<usize> = (from..width).filter(begins).collect();
    if starts.first().is_some_and(|&first| first > from) {
        // What is blank before the first text may be its padding.
        starts.first_mut().into_iter().for_each(|first| *first = from);
    }
    let ends = starts.iter().skip(1).copied().chain([width]).collect::<Vec<_>>();
    let column = |(start, end): (&usize, &usize)| {
        let text = (*start..*end).rev().find(|&unit| blank.get(unit) == Some(&false)).unwrap_or(*start);
        let right = lines.iter().all(|line| !line.is_blank(text)) && lines.iter().any(|line| line.is_blank(*start));
        Column { name: format!("column_{}", start + 1), start: start + 1, length: end - start, right }
    };
    starts.iter().zip(&ends).map(column).collect()
}

/// The `[format]` options of the layout.
fn options(kinds: &[Kind<'_>], charset: Charset, in_bytes: bool) -> toml::Table {
    let mut options = toml::Table::new();
    options.insert("charset".to_owned(), charset.label().to_ascii_lowercase().into());
    options.insert("columns".to_owned(), if in_bytes { "bytes" } else { "characters" }.into());
    options.insert("short_lines".to_owned(), "filled".into());
    if kinds.iter().any(|kind| !kind.tag.is_empty()) {
        let tag = [("start", 1), ("length", 1)].map(|(name, value)| (name.to_owned(), Value::Integer(value)));
        options.insert("tag".to_owned(), Value::Table(tag.into_iter().collect()));
    }
    let number = |number: usize| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let column = |column: &Column| {
        let mut table = toml::Table::new();
        table.insert("name".to_owned(), column.name.clone().into());
        table.insert("start".to_owned(), number(column.start));
        table.insert("length".to_owned(), number(column.length));
        if column.right {
            table.insert("align".to_owned(), "right".into());
        }
        Value::Table(table)
    };
    let line = |kind: &Kind<'_>| {
        let mut table = toml::Table::new();
        table.insert("path".to_owned(), kind.path.clone().into());
        if !kind.tag.is_empty() {
            table.insert("tag".to_owned(), kind.tag.clone().into());
        }
        if kind.path != RECORD && kind.lines.len() > 1 {
            table.insert("optional".to_owned(), true.into());
        }
        table.insert("columns".to_owned(), Value::Array(kind.columns.iter().map(column).collect()));
        Value::Table(table)
    };
    options.insert("line".to_owned(), Value::Array(kinds.iter().map(line).collect()));
    options
}
