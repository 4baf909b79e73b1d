//! `portolan convert`: a file through a mapping, both ways, offline.

use super::exit;
use super::library::{load, named};
use super::terminal::{Paint, byte_bar, counted, fail, fault_lines, finding_lines};
use crate::coding::{self, Coding, DecodeLimits};
use crate::convert::{Converted, Source, Target, convert};
use crate::domain::{Finding, Severity};
use crate::fault::FaultCode;
use crate::mapping::documents::Documents;
use crate::mapping::{Library, Mapping};
use crate::translate::BodyCheck;
use crate::xsd;
use indicatif::ProgressBar;
use jiff::tz::TimeZone;
use portolan_contract::Limits;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `--help` says.
pub const ABOUT: &str = "\
Convert a file through a mapping, either way, offline

Reads a body in the mapping's format and writes canonical records as NDJSON, or the other way with --from canonical, or \
a body in another mapping's format with --to. It streams: a file of any size takes the memory of its largest record; a format that \
states totals before its records makes it wait in a temporary file. \
What is wrong is told on standard error, with its place in the file and what was expected; a record with an error is left \
out.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Examples:
  portolan convert --mapping camt054 feed.xml -o feed.ndjson
  portolan convert --mapping camt054 --from canonical feed.ndjson -o feed.xml
  portolan convert --mapping camt053 --to payment-confirmation-json statement.xml
  zcat feed.xml.gz | portolan convert --mapping camt054 - | head -3
  portolan convert --mapping cn-platform-income --trace income.csv    where each value stood

Exit codes: 0 all records converted, 3 some were refused, 1 all were, or the body cannot be read.";

/// Findings that are printed unless --findings says otherwise.
const FINDINGS_SHOWN_MAX: u64 = 100;
/// Bytes of one read and of one write.
const BUFFER_BYTES: usize = 256 * 1024;
/// Compressed bodies are trusted further than over the network, but not for ever.
pub(super) const DECODE_LIMITS: DecodeLimits = DecodeLimits { decoded_bytes_max: 1 << 40, expansion_ratio_max: 1100 };

/// `portolan convert`.
#[derive(Debug, clap::Args)]
pub struct Convert {
    /// The mapping of the format
    #[arg(long, value_name = "NAME")]
    mapping: String,
    /// A folder with mappings of your own; may be given again
    #[arg(long, value_name = "FOLDER")]
    mappings: Vec<PathBuf>,
    /// Read canonical records and write the mapping's format
    #[arg(long, value_name = "canonical", value_parser = ["canonical"], conflicts_with_all = ["to", "trace"])]
    from: Option<String>,
    /// What to write: canonical, or the name of another mapping
    #[arg(long, value_name = "WHAT", default_value = "canonical")]
    to: String,
    /// The zone of times that are written without one
    #[arg(long, value_name = "ZONE", default_value = "Asia/Shanghai", value_parser = zone)]
    zone: TimeZone,
    /// The input is compressed: gzip or zstd
    #[arg(long, value_name = "CODING", value_parser = coding_of)]
    content_encoding: Option<Coding>,
    /// Instead of records, print where each value of each record stood, as NDJSON
    #[arg(long, conflicts_with = "to")]
    trace: bool,
    /// How many findings to print; the others are counted
    #[arg(long, value_name = "NUMBER", default_value_t = FINDINGS_SHOWN_MAX)]
    findings: u64,
    /// The file to write; standard output unless given
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// The file to read; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    input: PathBuf,
}

pub(super) fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| "not a time zone of the IANA list, such as Asia/Shanghai or UTC".to_owned())
}

pub(super) fn coding_of(text: &str) -> Result<Coding, String> {
    Coding::from_header(text).ok_or_else(|| "write gzip, zstd or identity".to_owned())
}

/// Runs it.
pub fn run(args: &Convert) -> ExitCode {
    let library = match load(&args.mappings) {
        Ok(library) => library,
        Err(code) => return code,
    };
    let (source, target) = match ends(args, &library) {
        Ok(ends) => ends,
        Err(message) => return fail(&message),
    };
    let input_failed = |error: io::Error| fail(&format!("{}: {error}", args.input.display()));
    match valid(args, source) {
        Ok(None) => {}
        Ok(Some(invalid)) => return invalid,
        Err(error) => return input_failed(error),
    }
    let (input, bar) = match open(args) {
        Ok(input) => input,
        Err(error) => return input_failed(error),
    };
    let output = match Output::open(&args.output) {
        Ok(output) => output,
        Err(error) => return fail(&format!("{}: {error}", args.output.display())),
    };
    let mut notes = Notes { bar: &bar, shown_max: args.findings, shown: 0, left_out: 0 };
    let writer = BufWriter::with_capacity(BUFFER_BYTES, &output);
    let converted = convert(source, target, &args.zone, &limits(), input, Box::new(writer), &mut |f| notes.add(f));
    notes.left_out += converted.as_ref().map_or(0, |converted| converted.findings_left_out);
    notes.finish();
    let kept = converted.and_then(|converted| output.keep(converted.fault.is_none()).map(|()| converted));
    match kept {
        Ok(converted) => conclude(&converted, args.trace),
        // A reader that has gone away, such as `head`, has had all that it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(exit::GOOD),
        Err(error) => fail(&error.to_string()),
    }
}

/// What is read and what is written.
fn ends<'l>(args: &Convert, library: &'l Library) -> Result<(Source<'l>, Target<'l>), String> {
    let mapping = named(library, &args.mapping)?;
    if args.from.is_some() {
        writes(mapping)?;
        return Ok((Source::Canonical(&mapping.canonical), Target::Body(mapping)));
    }
    if !mapping.direction.reads() {
        return Err(format!("the mapping {} writes alone; use --from canonical", mapping.name));
    }
    let source = Source::Body(mapping);
    if args.trace {
        return Ok((source, Target::Trace));
    }
    if args.to == "canonical" {
        return Ok((source, Target::Canonical));
    }
    let other = named(library, &args.to)?;
    writes(other)?;
    if other.canonical.name != mapping.canonical.name {
        let (one, two) = (&mapping.canonical.name, &other.canonical.name);
        return Err(format!("{} is for {one} and {} for {two}: one cannot become the other", mapping.name, other.name));
    }
    Ok((source, Target::Body(other)))
}

fn writes(mapping: &Mapping) -> Result<(), String> {
    if mapping.direction.writes() { Ok(()) } else { Err(format!("the mapping {} reads alone", mapping.name)) }
}

/// Caps on reading: what may be packed in a body is trusted as far as what it is packed in.
fn limits() -> Limits {
    let DecodeLimits { decoded_bytes_max, expansion_ratio_max } = DECODE_LIMITS;
    Limits { expanded_bytes_max: decoded_bytes_max, expansion_ratio_max, ..Limits::default() }
}

/// Checks the whole input against the XML Schemas that its mapping names, before anything is converted; an
/// exit code where that settles it.
fn valid(args: &Convert, source: Source<'_>) -> io::Result<Option<ExitCode>> {
    let Source::Body(mapping) = source else { return Ok(None) };
    let xsd = match xsd::of(mapping) {
        Ok(None) => return Ok(None),
        Ok(Some(xsd)) => xsd,
        Err(problem) => return Ok(Some(fail(&problem.to_string()))),
    };
    if args.input == Path::new("-") {
        return Ok(Some(fail("a body that is checked against an XML Schema is read twice: name a file instead of -")));
    }
    let latest = RefCell::new(ProgressBar::hidden());
    let opened = || {
        open(args).map(|(input, bar)| -> Box<dyn Read> {
            latest.replace(bar).finish_and_clear();
            input
        })
    };
    let limits = limits();
    let findings = xsd.findings(&Documents::new(mapping, &limits, Box::new(opened)))?;
    let bar = latest.borrow();
    let mut notes = Notes { bar: &bar, shown_max: args.findings, shown: 0, left_out: 0 };
    findings.iter().for_each(|finding| notes.add(finding));
    notes.finish();
    let invalid = findings.iter().any(|finding| finding.severity == Severity::Error);
    let refused = Converted { fault: Some(FaultCode::SchemaInvalid), ..Converted::default() };
    Ok(invalid.then(|| conclude(&refused, args.trace)))
}

/// The input after content decoding, and the bar that follows it.
fn open(args: &Convert) -> io::Result<(Box<dyn Read + Send>, ProgressBar)> {
    let (raw, bytes): (Box<dyn Read + Send>, _) = if args.input == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(&args.input)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        (Box::new(file), Some(about.len()).filter(|_| about.is_file()))
    };
    let bar = byte_bar(bytes, "converting");
    let raw = Box::new(BufReader::with_capacity(BUFFER_BYTES, bar.wrap_read(raw)));
    let input = coding::decode(args.content_encoding.unwrap_or_default(), raw, bytes.unwrap_or(u64::MAX), DECODE_LIMITS)?;
    Ok((input, bar))
}

/// Where the result goes: a stream as it comes, or a file that takes its name once it is whole.
enum Output {
    Stdout(io::Stdout),
    /// Something that is there and is no regular file, such as a named pipe.
    Special(File),
    File(tempfile::NamedTempFile, PathBuf),
}

impl Output {
    fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(io::stdout()));
        }
        if path.metadata().is_ok_and(|about| !about.is_file()) {
            return File::options().write(true).open(path).map(Self::Special);
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As for any file that a program makes: what the process's mask leaves of it.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        Ok(Self::File(builder.prefix(".portolan-").tempfile_in(folder)?, path.to_owned()))
    }

    fn keep(self, whole: bool) -> io::Result<()> {
        match self {
            Self::File(file, path) if whole => file.persist(path).map(|_| ()).map_err(|e| e.error),
            Self::File(..) | Self::Stdout(_) | Self::Special(_) => Ok(()),
        }
    }
}

impl Write for &Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stdout(stdout) => stdout.lock().write(bytes),
            Output::Special(file) => (&mut &*file).write(bytes),
            Output::File(file, _) => file.as_file().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Stdout(stdout) => stdout.lock().flush(),
            Output::Special(_) | Output::File(..) => Ok(()),
        }
    }
}

/// Prints findings above the bar, up to a number.
struct Notes<'b> {
    bar: &'b ProgressBar,
    shown_max: u64,
    shown: u64,
    left_out: u64,
}

impl Notes<'_> {
    fn add(&mut self, finding: &Finding) {
        if self.shown == self.shown_max {
            self.left_out += 1;
            return;
        }
        self.shown += 1;
        self.bar.suspend(|| eprintln!("{}", finding_lines(finding, Paint::stderr())));
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
        if self.left_out > 0 {
            eprintln!("{} not shown; --findings NUMBER shows more", counted(self.left_out, "more finding"));
        }
    }
}

fn conclude(converted: &Converted, trace: bool) -> ExitCode {
    let counts = converted.counts;
    let paint = Paint::stderr();
    let verb = if trace { "traced" } else { "converted" };
    let mut summary = vec![format!("{}: {} {verb}", counted(counts.records, "record"), super::terminal::thousands(counts.accepted))];
    if counts.refused > 0 {
        summary.push(paint.red(&format!("{} refused", super::terminal::thousands(counts.refused))));
    }
    if counts.warnings > 0 {
        summary.push(paint.yellow(&counted(counts.warnings, "warning")));
    }
    eprintln!("{}", summary.join(", "));
    match converted.fault {
        Some(code) => {
            eprintln!("{}", fault_lines(code, paint));
            ExitCode::from(exit::FAILED)
        }
        None if counts.refused > 0 => ExitCode::from(exit::IN_PART),
        None => ExitCode::from(exit::GOOD),
    }
}
