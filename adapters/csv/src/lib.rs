//! The CSV adapter: a table with headings, with labelled values before it and a trailer row after.
//!
//! Paths and headings are those of every table: see [`portolan_contract::table`].
//!
//! Wire format: RFC 4180, with LF as well as CRLF, in any charset of the contract. Limits: see
//! [`portolan_contract::Limits`]; a cell counts as a token.

mod cells;
mod outline;
mod read;
mod write;

use portolan_contract::table::{Header, Table, TableOptions};
use portolan_contract::{Bound, Charset, Format, FormatError, Limits, OptionsError, Outline, Plan, RawRecord, ReadRecords, WriteRecords};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

/// The format named `csv`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Csv;

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

impl Options {
    fn table(&self) -> TableOptions<'_> {
        TableOptions {
            heading_row: &self.heading_row,
            header: self.header,
            trailer_label: self.trailer_label.as_deref(),
            heading_aliases: &self.heading_aliases,
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
        Ok(Arc::new(BoundCsv { delimiter: delimiter(&options)?, table: Table::new(&plan, &options.table())?, plan, options }))
    }

    fn outline<'a>(&self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Option<Outline>, FormatError> {
        outline::outline(input, limits).map(Some)
    }
}

struct BoundCsv {
    plan: Arc<Plan>,
    options: Options,
    delimiter: u8,
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

fn delimiter(options: &Options) -> Result<u8, OptionsError> {
    match options.delimiter.as_bytes() {
        [byte] if *byte == b'\t' || (byte.is_ascii_punctuation() && Some(*byte) != options.quote.byte()) => Ok(*byte),
        _ => Err(OptionsError::new("delimiter", "must be a tab or one character of ASCII punctuation other than the quote")),
    }
}
