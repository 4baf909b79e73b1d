//! `portolan explain-record`: where each value of a record came from, offline.

use super::convert::{DECODE_LIMITS, coding_of, zone};
use super::library::{choose, named};
use super::print;
use super::terminal::{Language, Paint, fail, fault_lines, finding_lines, speaks_chinese};
use crate::coding::{self, Coding};
use crate::domain::{Finding, spot};
use crate::lineage::to_json;
use crate::mapping::Mapping;
use crate::mapping::findings::FINDINGS_PER_RECORD_MAX;
use crate::mapping::lineage::{Asked, Lineage, Reached, lineage};
use crate::mapping::trace::{SourceText, Traced};
use crate::translate::Stop;
use jiff::tz::TimeZone;
use portolan_contract::{Limits, Position};
use serde_json::Value;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;

/// What `--help` says.
pub const ABOUT: &str = "\
Tell where each value of a record came from

For each canonical value of one record: the source path, line and byte range, the text that stands there, and the rule that \
made the value from it (type, layout, code list entry, default, constant, computed expression); then what is wrong with the \
record. The file is read up to that record and no further. A gateway tells the same of what it was sent: \
GET /v1/exchanges/ID/records/N.

A byte range is given where the bytes of the file are the text itself; where something in it is escaped (&amp; in XML, a \
doubled quote in CSV) only the place where it begins is known. The end of a range is the byte after the text. In a container \
it is one of the member, which is named; a cell of a workbook has none. Where the format makes another text of what stands in \
the file (12345 in columns with two decimals is 123.45), both are told.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Examples:
  portolan explain-record feed.xml --mapping camt054 --record 2
  portolan explain-record income.csv --mapping own/acme-income --record 17 --format json
  portolan explain-record feed.xml.gz --mapping camt054 --record 1 --content-encoding gzip

Exit codes: 0 the record is told, 1 there is none of this number, or the file cannot be read so far.";

/// `portolan explain-record`.
#[derive(Debug, clap::Args)]
pub struct ExplainRecord {
    /// The file that holds the record
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The mapping to read it with: its name, its folder, or its mapping.toml
    #[arg(long, value_name = "NAME|FILE")]
    mapping: String,
    /// The record's number in the file, from 1
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    record: u64,
    /// A folder with mappings of your own; may be given again
    #[arg(long, value_name = "FOLDER")]
    mappings: Vec<PathBuf>,
    /// The zone of times that are written without one
    #[arg(long, value_name = "ZONE", default_value = "Asia/Shanghai", value_parser = zone)]
    zone: TimeZone,
    /// The file is compressed: gzip or zstd
    #[arg(long, value_name = "CODING", value_parser = coding_of)]
    content_encoding: Option<Coding>,
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// The language of what is said; by the locale unless given
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<Language>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// As the gateway serves it
    Json,
}

/// Runs it.
pub fn run(args: &ExplainRecord) -> ExitCode {
    let chosen = match choose(&args.mapping, &args.mappings) {
        Ok(chosen) => chosen,
        Err(code) => return code,
    };
    let [name] = &chosen.names[..] else { return fail(&format!("{} holds several mappings; name one of them", args.mapping)) };
    let mapping = match named(&chosen.library, name) {
        Ok(mapping) => mapping,
        Err(message) => return fail(&message),
    };
    let limits = Limits::default();
    let asked = Asked { mapping, zone: &args.zone, limits: &limits, findings_max: FINDINGS_PER_RECORD_MAX, record: args.record };
    let zh = speaks_chinese(args.language);
    match lineage(&asked, &|| open(args)).map_err(Stop::of) {
        Ok(Reached::Record(lineage)) if args.format == Format::Json => print(&format!("{:#}\n", to_json(mapping, &lineage, zh))),
        Ok(Reached::Record(lineage)) => print(&told(mapping, &lineage, zh)),
        Ok(Reached::End(records)) => {
            fail(&format!("{} ends after record {records}; there is no record {}", args.file.display(), args.record))
        }
        Err(Stop::Body(code, finding)) => {
            eprintln!("{}", finding_lines(&finding, Paint::stderr()));
            eprintln!("{}", fault_lines(code, Paint::stderr()));
            fail(&format!("{} cannot be read as far as record {}", args.file.display(), args.record))
        }
        Err(Stop::Gateway(error)) => fail(&format!("{}: {error}", args.file.display())),
    }
}

/// The file from its start, after content decoding.
fn open(args: &ExplainRecord) -> io::Result<Box<dyn Read + Send>> {
    let file = File::open(&args.file)?;
    let bytes = file.metadata()?.len();
    coding::decode(args.content_encoding.unwrap_or_default(), Box::new(BufReader::new(file)), bytes, DECODE_LIMITS)
}

fn told(mapping: &Mapping, lineage: &Lineage, zh: bool) -> String {
    let paint = Paint::stdout();
    let Lineage { record, at: Position { line, byte, .. }, .. } = *lineage;
    let begin = match (&lineage.part, zh) {
        (Some(part), _) if !mapping.has_bytes() => spot(Some(part), lineage.at, true, zh),
        (Some(part), true) => format!("{part}：第 {line} 行字节 {byte} "),
        (Some(part), false) => format!("{part}: line {line}, byte {byte}"),
        (None, true) => format!("第 {line} 行字节 {byte} "),
        (None, false) => format!("line {line}, byte {byte}"),
    };
    let head = match zh {
        true => format!("第 {record} 条记录，自{begin}起，映射规则 {}", mapping.name),
        false => format!("record {record}, from {begin}, through {}", mapping.name),
    };
    let mut text = format!("{}\n", paint.bold(&head));
    for traced in &lineage.fields {
        let title = mapping.canonical.title(&traced.canonical);
        let value = match &traced.value {
            Some(Value::String(value)) => value.clone(),
            Some(value) => value.to_string(),
            None if zh => paint.red("（无法读取）"),
            None => paint.red("(not readable)"),
        };
        let about = paint.dim(if zh { &title.zh } else { &title.en });
        let _ = write!(text, "\n{}  {value}  {about}\n", paint.bold(&traced.canonical));
        let _ = writeln!(text, "    {}", made(traced, zh));
    }
    if !lineage.findings.is_empty() {
        let lines = |finding: &Finding| finding_lines(finding, paint);
        let _ = write!(text, "\n{}\n", lineage.findings.iter().map(lines).collect::<Vec<_>>().join("\n"));
    }
    text
}

/// The rule that made a value, and the text that it was made from.
fn made(traced: &Traced, zh: bool) -> String {
    let words = traced.rule.words();
    let rule = if zh { words.zh } else { words.en };
    traced.source.as_ref().map_or_else(|| rule.clone(), |source| format!("{}\n    {rule}", place(source, zh)))
}

fn place(source: &SourceText, zh: bool) -> String {
    let (comma, colon) = if zh { ("，", "：") } else { (", ", ": ") };
    let spot = source.spot(zh).map_or_else(String::new, |spot| format!("{comma}{spot}"));
    let read_as = source.raw.as_ref().map_or_else(String::new, |_| format!(" → {:?}", source.text));
    format!("{}{spot}{colon}{:?}{read_as}", source.source, source.raw())
}
