//! A body converted offline: into canonical records, from them, or from one format into another.
//!
//! One pass in memory that is bounded by the largest record; where the target states totals before
//! its records, these wait in a temporary file for a second pass. Canonical records are NDJSON: one
//! JSON object a line, at most [`LINE_BYTES_MAX`] bytes each. A record with an error is left out
//! and its findings, at most [`FINDINGS_PER_RECORD_MAX`], are handed over as they come; nothing of
//! a body is kept.

use crate::domain::{Counts, Finding, Severity};
use crate::ended::{Extent, Measured};
use crate::fault::FaultCode;
use crate::mapping::body::{BodyReader, ReadRecord, Step};
use crate::mapping::findings::{FINDINGS_PER_RECORD_MAX, RecordFindings};
use crate::mapping::totals::Totals;
use crate::mapping::trace::{Traced, Tracer};
use crate::mapping::write::{BodyWriter, NotWritten, Unwritable};
use crate::mapping::{Canonical, Mapping};
use crate::translate::{Stop, body_finding, no_records};
use jiff::tz::TimeZone;
use portolan_contract::{Limits, Position, RawRecord, Words};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};

/// Bytes of one line of canonical NDJSON, its line feed included.
pub const LINE_BYTES_MAX: u64 = 16 << 20;

/// What is read.
#[derive(Clone, Copy)]
pub enum Source<'m> {
    /// A body in a mapping's format.
    Body(&'m Mapping),
    /// Canonical records, checked against their schema.
    Canonical(&'m Canonical),
}

/// What is written.
#[derive(Clone, Copy)]
pub enum Target<'m> {
    /// A body in a mapping's format.
    Body(&'m Mapping),
    /// Canonical records.
    Canonical,
    /// Where each canonical value came from, one JSON object a line; there is something to tell
    /// for a [`Source::Body`] alone.
    Trace,
}

/// What became of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Records found, written and left out.
    pub counts: Counts,
    /// Findings of single records that were counted and not handed over.
    pub findings_left_out: u64,
    /// Why the body could not be read to its end, or cannot be taken as a whole.
    pub fault: Option<FaultCode>,
}

/// Converts a body, after content decoding. `noted` is given each finding as it is found.
///
/// # Errors
/// I/O of the input or the output. A body that cannot be read is no error: it has a fault.
pub fn convert<'m>(
    source: Source<'m>,
    target: Target<'m>,
    zone: &'m TimeZone,
    limits: &Limits,
    input: Box<dyn Read + 'm>,
    output: Box<dyn Write + 'm>,
    noted: &mut dyn FnMut(&Finding),
) -> io::Result<Converted> {
    let mut pass = Pass { converted: Converted::default(), noted, sink: Sink::new(target, zone, output)? };
    let (input, extent) = Measured::new(input);
    let read = match source {
        Source::Body(mapping) => pass.body(mapping, zone, limits, Box::new(input)),
        Source::Canonical(schema) => pass.lines(schema, Box::new(input)),
    };
    let Pass { converted, noted, sink } = pass;
    let read = match (read, source) {
        (Ok(()), Source::Body(mapping)) if converted.counts.records < mapping.records_min => Err(no_record(mapping, extent.get())),
        (read, _) => read,
    };
    match read.and_then(|()| end(sink, target, converted.counts, extent.get())) {
        Ok(fault) => Ok(Converted { fault: converted.fault.or(fault), ..converted }),
        Err(Stop::Body(code, finding)) => {
            noted(&finding);
            Ok(Converted { fault: Some(code), ..converted })
        }
        Err(Stop::Gateway(error)) => Err(error),
    }
}

/// Ends what was written. Where no record was, a body is none at all: nothing is written.
fn end(sink: Sink<'_>, target: Target<'_>, counts: Counts, read: Extent) -> Result<Option<FaultCode>, Stop> {
    match target {
        Target::Body(_) | Target::Canonical if counts.accepted == 0 && counts.records > 0 => Ok(Some(FaultCode::RecordsRefused)),
        Target::Body(mapping) if counts.accepted < mapping.records_min.min(1) => Err(nothing_to_write(mapping, read.end(mapping))),
        Target::Body(_) | Target::Canonical | Target::Trace => sink.finish().map(|()| None),
    }
}

fn no_record(mapping: &Mapping, read: Extent) -> Stop {
    Stop::Body(FaultCode::NoRecords, Box::new(no_records(mapping, read.end(mapping))))
}

/// What was read is in order and holds no record, such as a statement without entries; what is to be written needs one.
fn nothing_to_write(target: &Mapping, read: Position) -> Stop {
    let words = Words::new(
        format!("所读报文没有记录，而 {} 没有记录就无法写出", target.name),
        format!("what was read holds no record, and {} cannot be written without one", target.name),
    );
    Stop::Body(FaultCode::NoRecords, Box::new(body_finding(FaultCode::NoRecords, read, None, words)))
}

struct Pass<'m, 'n> {
    converted: Converted,
    noted: &'n mut dyn FnMut(&Finding),
    sink: Sink<'m>,
}

impl<'m> Pass<'m, '_> {
    fn body(&mut self, mapping: &'m Mapping, zone: &'m TimeZone, limits: &Limits, input: Box<dyn Read + 'm>) -> Result<(), Stop> {
        let mut reader = BodyReader::new(mapping, zone, limits, FINDINGS_PER_RECORD_MAX, input).map_err(Stop::of)?;
        let mut tracer = Tracer::new(mapping);
        loop {
            match reader.read().map_err(Stop::of)? {
                Step::Record(ReadRecord { number, raw, canonical, findings, of_body }) => {
                    if number > mapping.records_max {
                        return Err(Stop::too_many_records(mapping.records_max, raw.at));
                    }
                    self.converted.counts.records = number;
                    self.whole(&of_body);
                    self.trace(&mut tracer, raw, &canonical)?;
                    self.record(raw.at, &canonical, findings)?;
                }
                Step::End { of_body, .. } => {
                    self.whole(&of_body);
                    break;
                }
            }
        }
        Ok(())
    }

    fn lines(&mut self, schema: &Canonical, input: Box<dyn Read + 'm>) -> Result<(), Stop> {
        let mut lines = Lines { input: BufReader::new(input), at: Position::default(), next: 0, text: Vec::new() };
        while lines.read()? {
            self.converted.counts.records += 1;
            let record = self.converted.counts.records;
            let mut findings = RecordFindings::new(FINDINGS_PER_RECORD_MAX);
            let canonical = match serde_json::from_slice::<Value>(&lines.text) {
                Ok(canonical) => {
                    for found in schema.check(&canonical) {
                        findings.push(finding(record, lines.at, &found.rule, Some(found.path), found.words));
                    }
                    canonical
                }
                Err(error) => {
                    let (column, text) = (error.column(), error.to_string());
                    // serde counts lines too; here there is ever one.
                    let why = text.split(" at line ").next().unwrap_or_default();
                    let words = Words::new(
                        format!("此行不是 JSON：第 {column} 列，{why}"),
                        format!("this line is not JSON: {why} in column {column}"),
                    );
                    let code = FaultCode::SyntaxMalformed.as_str();
                    findings.push(finding(record, lines.at, code, None, words));
                    Value::Null
                }
            };
            self.record(lines.at, &canonical, findings)?;
        }
        Ok(())
    }

    /// Findings of the body as a whole: an error among them means that it cannot be taken.
    fn whole(&mut self, findings: &[Finding]) {
        for finding in findings {
            (self.noted)(finding);
            match finding.severity {
                Severity::Error => self.converted.fault = Some(FaultCode::TotalsMismatch),
                Severity::Warning => self.converted.counts.warnings += 1,
            }
        }
    }

    /// Writes one record unless there is an error in it or the target has no form for it.
    fn record(&mut self, at: Position, canonical: &Value, mut findings: RecordFindings) -> Result<(), Stop> {
        let record = self.converted.counts.records;
        if !findings.refuse()
            && let Some(unwritable) = self.sink.write(record, at, canonical)?
        {
            findings.push(finding(record, at, FaultCode::RenderFailed.as_str(), Some(unwritable.path), unwritable.words));
        }
        match findings.refuse() {
            true => self.converted.counts.refused += 1,
            false => self.converted.counts.accepted += 1,
        }
        self.converted.counts.warnings += findings.warnings();
        let (kept, left_out) = findings.into_kept();
        self.converted.findings_left_out += left_out;
        kept.iter().for_each(|finding| (self.noted)(finding));
        Ok(())
    }

    fn trace(&mut self, tracer: &mut Tracer<'_>, raw: &RawRecord, canonical: &Value) -> Result<(), Stop> {
        let Sink::Trace(output) = &mut self.sink else { return Ok(()) };
        for traced in tracer.trace(raw, canonical) {
            let line = TraceLine { record: self.converted.counts.records, traced };
            serde_json::to_writer(&mut *output, &line).map_err(io::Error::from).map_err(Stop::Gateway)?;
            output.write_all(b"\n").map_err(Stop::Gateway)?;
        }
        Ok(())
    }
}

#[derive(serde::Serialize)]
struct TraceLine {
    record: u64,
    #[serde(flatten)]
    traced: Traced,
}

fn finding(record: u64, at: Position, rule: &str, canonical: Option<String>, words: Words) -> Finding {
    let (rule, record) = (rule.to_owned(), Some(record));
    Finding { severity: Severity::Error, rule, record, part: None, at, source: None, canonical, found: None, words }
}

/// Lines of canonical NDJSON; blank ones are passed over.
struct Lines<R> {
    input: BufReader<R>,
    /// Where the present line begins.
    at: Position,
    /// Where the next one does, in bytes.
    next: u64,
    text: Vec<u8>,
}

impl<R: Read> Lines<R> {
    /// Reads the next line; `false` at the end.
    fn read(&mut self) -> Result<bool, Stop> {
        loop {
            self.text.clear();
            let read = (&mut self.input).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut self.text).map_err(line_stop)? as u64;
            self.at = Position { line: self.at.line + 1, byte: self.next, column: 0 };
            self.next += read;
            if read > LINE_BYTES_MAX {
                let words =
                    Words::new(format!("此行超过 {LINE_BYTES_MAX} 字节"), format!("this line is longer than {LINE_BYTES_MAX} bytes"));
                let code = FaultCode::RecordExceeded;
                let finding = Finding { record: None, ..finding(0, self.at, code.as_str(), None, words) };
                return Err(Stop::Body(code, Box::new(finding)));
            }
            if read == 0 || !self.text.trim_ascii().is_empty() {
                return Ok(read > 0);
            }
        }
    }
}

/// A coding's error travels inside an I/O error, as it does below a format.
fn line_stop(error: io::Error) -> Stop {
    Stop::of(portolan_contract::FormatError::from_io(error, Position::default()))
}

enum Sink<'m> {
    Lines(Box<dyn Write + 'm>),
    Trace(Box<dyn Write + 'm>),
    Body(Box<BodyWriter<'m>>),
    Waiting(Box<Waiting<'m>>),
}

/// Records that wait in a temporary file until the totals that stand before them are known.
struct Waiting<'m> {
    mapping: &'m Mapping,
    zone: &'m TimeZone,
    totals: Totals<'m>,
    lines: BufWriter<File>,
    output: Box<dyn Write + 'm>,
}

impl<'m> Sink<'m> {
    fn new(target: Target<'m>, zone: &'m TimeZone, output: Box<dyn Write + 'm>) -> io::Result<Self> {
        let mapping = match target {
            Target::Canonical => return Ok(Self::Lines(output)),
            Target::Trace => return Ok(Self::Trace(output)),
            Target::Body(mapping) => mapping,
        };
        let totals = Totals::new(mapping, zone);
        if !totals.are_needed() {
            let filling = totals.filling().map_err(|words| io::Error::other(words.en))?;
            return Ok(Self::Body(Box::new(BodyWriter::new(mapping, zone, filling, output))));
        }
        let lines = BufWriter::new(tempfile::tempfile()?);
        Ok(Self::Waiting(Box::new(Waiting { mapping, zone, totals, lines, output })))
    }

    /// Writes one record; what comes back is why it has no form in the target's format.
    fn write(&mut self, record: u64, at: Position, canonical: &Value) -> Result<Option<Unwritable>, Stop> {
        match self {
            Self::Lines(output) => line(output, canonical).map(|()| None),
            Self::Trace(_) => Ok(None),
            Self::Body(body) => written(body.write(canonical), record, at),
            Self::Waiting(waiting) => match written(waiting.totals.count(canonical), record, at)? {
                None => line(&mut waiting.lines, &(record, at, canonical)).map(|()| None),
                unwritable => Ok(unwritable),
            },
        }
    }

    fn finish(self) -> Result<(), Stop> {
        match self {
            Self::Lines(mut output) | Self::Trace(mut output) => output.flush().map_err(Stop::Gateway),
            Self::Body(body) => body.finish().map_err(Stop::of),
            Self::Waiting(waiting) => waiting.finish(),
        }
    }
}

impl Waiting<'_> {
    fn finish(self) -> Result<(), Stop> {
        let mut file = self.lines.into_inner().map_err(|e| Stop::Gateway(e.into_error()))?;
        file.rewind().map_err(Stop::Gateway)?;
        let filling = self.totals.filling().map_err(|words| not_adding_up(words, Position::default()))?;
        let mut body = BodyWriter::new(self.mapping, self.zone, filling, self.output);
        for waiting in serde_json::Deserializer::from_reader(BufReader::new(file)).into_iter::<(u64, Position, Value)>() {
            let (record, at, canonical) = waiting.map_err(|e| Stop::Gateway(e.into()))?;
            if let Some(unwritable) = written(body.write(&canonical), record, at)? {
                // The first pass took it: the totals that were written would be wrong without it.
                return Err(Stop::Gateway(io::Error::other(unwritable)));
            }
        }
        body.finish().map_err(Stop::of)
    }
}

/// What became of one record in the target's format. What ends the body names the record and its place in the
/// input: where in the output it would have stood says nothing.
fn written(result: Result<(), NotWritten>, record: u64, at: Position) -> Result<Option<Unwritable>, Stop> {
    match result {
        Ok(()) => Ok(None),
        Err(NotWritten::Record(unwritable)) => Ok(Some(unwritable)),
        Err(NotWritten::TooMany(max)) => Err(Stop::too_many_records(max, at)),
        Err(NotWritten::Totals(words)) => Err(not_adding_up(words, at)),
        Err(NotWritten::Body(error)) => Err(match Stop::of(error) {
            Stop::Body(code, finding) => Stop::Body(code, Box::new(Finding { record: Some(record), at, ..*finding })),
            gateway => gateway,
        }),
    }
}

fn not_adding_up(words: Words, at: Position) -> Stop {
    let code = FaultCode::RenderFailed;
    Stop::Body(code, Box::new(Finding { record: None, ..finding(0, at, code.as_str(), None, words) }))
}

fn line(output: &mut dyn Write, canonical: &impl serde::Serialize) -> Result<(), Stop> {
    serde_json::to_writer(&mut *output, canonical).map_err(io::Error::from).map_err(Stop::Gateway)?;
    output.write_all(b"\n").map_err(Stop::Gateway)
}
