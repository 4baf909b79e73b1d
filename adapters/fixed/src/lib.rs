//! The fixed-width adapter: lines whose columns stand at fixed places.
//!
//! The layout is in the mapping's `[format]` options: each kind of line has a path, a tag by which it
//! is known, and named columns. A source path is the line's path and the column's name:
//! `header/批次号`, `detail/金额`, `detail/remark/文字`, `trailer/笔数`. A line with a one-segment path
//! stands by itself; the one that is the mapping's record may repeat, those listed before it come
//! once before the records, those listed after it once after them (their values need `after`). A
//! line with a longer path belongs to the line above it, whose path is its own without the last
//! segment: once, or any number of times where the mapping has a list of that path, or its only value
//! is one of several (`repeat = "list"`). So a record may be several lines, and the lines of one record
//! may come in any order after the first.
//!
//! ```toml
//! [format]
//! name = "fixed"
//! charset = "gb18030"
//! columns = "bytes"                       # or "characters"
//! tag = { start = 1, length = 1 }
//!
//! [[format.line]]
//! path = "header"
//! tag = "H"
//! columns = [{ name = "批次号", start = 2, length = 20 }]
//!
//! [[format.line]]
//! path = "detail"
//! tag = "D"
//! columns = [{ name = "金额", start = 2, length = 15, align = "right", pad = "0", decimals = 2 }]
//! ```
//!
//! Wire format: lines ended by CRLF or LF, or (`line_ending = "none"`) of one length and without
//! ends; in any charset of the contract. Columns are counted from 1, in bytes of the body's charset
//! or in characters. A cell of blanks is no value, whatever the padding. Padding is taken off on its
//! side; of zeros one digit stays, and they stand behind a sign. Wholly empty lines are passed over.
//!
//! Findings: `fixed.line-short`, `fixed.line-long`, `fixed.line-missing`, `fixed.line-repeated`,
//! `fixed.character-cut` (a column begins or ends within a character). A tag that no line has, or a
//! line out of its order, ends the body. On writing a value that is longer than its column, or that
//! would not be read back as the same, is an error; nothing is cut. So is a record whose values before
//! the records are not those of the first.
//!
//! Limits: a line counts as a token; a layout's line has at most [`layout::LINE_UNITS_MAX`] columns;
//! there is one level of header and trailer.

mod layout;
mod line;
mod outline;
mod read;
mod write;

use layout::Layout;
use portolan_contract::{Bound, Charset, Format, FormatError, Limits, OptionsError, Outline, Plan, RawRecord, ReadRecords, WriteRecords};
use serde::Deserialize;
use std::io::{Read, Write};
use std::sync::Arc;

/// The format named `fixed`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

/// The mapping's `[format]` options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The charset of bodies without a byte order mark.
    #[serde(default)]
    charset: Charset,
    /// The charset of bodies that are written; that of `charset` unless given.
    #[serde(default)]
    write_charset: Option<Charset>,
    /// What columns are counted in.
    #[serde(default)]
    columns: Units,
    /// How written lines end, `crlf` or `lf` (both are read), or `none`.
    #[serde(default)]
    line_ending: LineEnding,
    /// The length of every line that has none of its own; else a line ends with its last column.
    #[serde(default)]
    line_length: Option<usize>,
    /// Whether a short line is a finding, or was cut at its trailing blanks.
    #[serde(default)]
    short_lines: ShortLines,
    /// Where the tag stands; may be left out where there is one kind of line.
    #[serde(default)]
    tag: Option<TagEntry>,
    /// Tags of lines that are passed over, such as comments.
    #[serde(default)]
    ignored_tags: Vec<String>,
    /// The kinds of lines, in the order in which they are written.
    line: Vec<LineEntry>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Units {
    #[default]
    Bytes,
    Characters,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LineEnding {
    #[default]
    Crlf,
    Lf,
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ShortLines {
    #[default]
    Finding,
    Filled,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagEntry {
    start: usize,
    length: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineEntry {
    path: String,
    #[serde(default)]
    tag: String,
    /// The line's length, where it is not the layout's `line_length`.
    #[serde(default)]
    length: Option<usize>,
    /// It may be missing, and is written only where it holds a value.
    #[serde(default)]
    optional: bool,
    columns: Vec<ColumnEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnEntry {
    name: String,
    start: usize,
    length: usize,
    #[serde(default)]
    align: Align,
    /// One character of ASCII.
    #[serde(default = "blank")]
    pad: char,
    /// Decimals of a number that is written without its point, such as 2 for an amount in cents.
    #[serde(default)]
    decimals: Option<usize>,
}

fn blank() -> char {
    ' '
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Align {
    #[default]
    Left,
    Right,
}

impl Format for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn bind(&self, plan: Arc<Plan>, options: &toml::Table) -> Result<Arc<dyn Bound>, OptionsError> {
        let options: Options = OptionsError::parse(options)?;
        Ok(Arc::new(BoundFixed { layout: Layout::new(&plan, &options)?, plan, options }))
    }

    fn outline<'a>(&self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Option<Outline>, FormatError> {
        outline::outline(input, limits).map(Some)
    }
}

struct BoundFixed {
    plan: Arc<Plan>,
    options: Options,
    layout: Layout,
}

impl Bound for BoundFixed {
    fn reader<'a>(&'a self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn ReadRecords + 'a>, FormatError> {
        Ok(Box::new(read::Reader::new(input, self, limits)?))
    }

    fn writer<'a>(&'a self, output: Box<dyn Write + 'a>, head: &RawRecord) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
        Ok(Box::new(write::Writer::new(output, self, head)?))
    }

    fn media_type(&self) -> String {
        format!("text/plain; charset={}", self.options.write_charset().label())
    }
}

impl Options {
    fn write_charset(&self) -> Charset {
        self.write_charset.unwrap_or(self.charset)
    }
}
