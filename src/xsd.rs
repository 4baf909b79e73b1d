//! Validity against XML Schema (XSD), for mappings that name the schemas of their standard.
//!
//! The validator is libxml2's `xmllint`, a program of its own: what its C code does with a hostile body
//! stays outside this process, which only reads its messages. It streams, so that a body of any size costs
//! a few MiB there; it is given no network, no catalogue and no environment, and reads nothing but the
//! body on its standard input and copies of the schemas in the mapping's folder.
//!
//! What it does not support: XSD 1.0 is its language, so a schema with 1.1's assertions or alternatives does
//! not compile and is refused at load; entities of a DTD are not looked at, since the XML adapter refuses a
//! DTD before; it names an element and its line, not the whole path to it. An element without a declaration in
//! the named schemas is an error, never passed over. Of a body in a container it is given each document by itself.
//!
//! Limits: [`FINDINGS_MAX`] messages, in [`LINES_MAX`] lines of [`LINE_BYTES_MAX`] bytes, are read, then the
//! validator is stopped; it may take [`TIME_MAX`] for a body, with all its documents.

mod forms;
mod told;

use crate::config::Problem;
use crate::domain::{Finding, Severity};
use crate::mapping::documents::Documents;
use crate::mapping::file::{CheckSeverity, XsdEntry};
use crate::mapping::{Library, Mapping};
use crate::translate::BodyCheck;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// The validator.
const VALIDATOR: &str = "xmllint";
/// Findings of one body; a body with more has been told enough.
pub const FINDINGS_MAX: usize = 100;
/// Lines of the validator that are read: a message has more than one where the sender's text has.
pub const LINES_MAX: usize = 1_000;
/// Bytes of one line that are kept.
pub const LINE_BYTES_MAX: u64 = 4 * 1024;
/// Schemas of one mapping, those that are included counted.
pub const FILES_MAX: usize = 1_000;
/// Bytes of those schemas.
pub const BYTES_MAX: u64 = 64 << 20;
/// The schema that imports the named ones; no name that an operator would choose.
const ENTRY: &str = ".portolan-entry.xsd";
/// Longest time for one body.
pub const TIME_MAX: Duration = Duration::from_secs(600);
/// Its exit code for a schema that does not compile.
const SCHEMA_FAILED: i32 = 5;

/// The schemas of one mapping, ready to be validated against.
pub struct Xsd {
    /// Copies of the schemas, and one that imports all that are named: what is in force does not change under
    /// the operator's editor. It is removed with this value.
    folder: tempfile::TempDir,
    severity: Severity,
}

/// Schemas by the mapping that names them.
pub type Xsds = BTreeMap<String, Arc<Xsd>>;

/// Compiles the schemas of every mapping that names some.
///
/// # Errors
/// Every schema that cannot be read or does not compile, and a validator that is not there.
pub fn load(library: &Library) -> Result<Xsds, Vec<Problem>> {
    let mut xsds = Xsds::new();
    let mut problems = Vec::new();
    for mapping in library.mappings() {
        match of(mapping) {
            Ok(None) => {}
            Ok(Some(xsd)) => drop(xsds.insert(mapping.name.clone(), Arc::new(xsd))),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(xsds) } else { Err(problems) }
}

/// Compiles the schemas of one mapping, if it names some.
///
/// # Errors
/// As for [`load`].
pub fn of(mapping: &Mapping) -> Result<Option<Xsd>, Problem> {
    let Some(named) = &mapping.xsd else { return Ok(None) };
    let severity = match named.severity {
        CheckSeverity::Off => return Ok(None),
        CheckSeverity::Warning => Severity::Warning,
        CheckSeverity::Error => Severity::Error,
    };
    Xsd::compile(named, severity)
        .map(Some)
        .map_err(|problem| Problem { message: format!("[xsd] of the mapping {}: {}", mapping.name, problem.message), ..problem })
}

impl Xsd {
    fn compile(named: &XsdEntry, severity: Severity) -> Result<Self, Problem> {
        let problem = |message: String| Problem { file: named.file.clone(), line: named.line, message };
        let failed = |error: io::Error| problem(error.to_string());
        let beside = named.file.parent().unwrap_or(Path::new(""));
        let folder = tempfile::Builder::new().prefix("portolan-xsd-").tempdir().map_err(failed)?;
        let mut room = Room { files: FILES_MAX, bytes: BYTES_MAX };
        copy_schemas(beside, folder.path(), &mut room).map_err(failed)?;
        let missing =
            |file: &&PathBuf| !file.components().all(|c| matches!(c, Component::Normal(_))) || !folder.path().join(file).is_file();
        if let Some(missing) = named.files.values().find(missing) {
            return Err(problem(format!("there is no schema {}; it must be an .xsd file in the mapping's folder", missing.display())));
        }
        std::fs::write(folder.path().join(ENTRY), importing(&named.files)).map_err(failed)?;
        let xsd = Self { folder, severity };
        // Any body shows whether the schema compiles; that this one is not valid is of no interest.
        let ran = xsd.run(&mut b"<any/>".as_slice(), TIME_MAX).map_err(failed)?;
        if ran.code != Some(SCHEMA_FAILED) {
            return Ok(xsd);
        }
        let refusal = told::refusal(&ran.lines, xsd.folder.path());
        // The schema that imports the others is nothing that an operator has written.
        match refusal.at.filter(|(file, _)| file != ENTRY) {
            Some((file, line)) => Err(Problem { file: beside.join(file), line, message: refusal.reason }),
            None => Err(problem(refusal.reason)),
        }
    }

    /// Runs the validator over a document.
    ///
    /// # Errors
    /// A validator that cannot be started or takes too long, and a document that cannot be read.
    fn run(&self, document: &mut dyn Read, time_max: Duration) -> io::Result<Ran> {
        let mut child = start(&self.folder.path().join(ENTRY))?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let (told, tell) = mpsc::channel();
        let watched = &mut child;
        let (lines, copied) = std::thread::scope(|scope| {
            scope.spawn(move || told.send(lines(stderr)));
            // A validator that has said enough is stopped, and its input with it.
            let watching = scope.spawn(move || {
                let lines = tell.recv_timeout(time_max);
                if !matches!(lines, Ok(Ok((_, true)))) {
                    let _ = watched.kill();
                }
                lines
            });
            let copied = stdin.map_or(Ok(0), |mut stdin| io::copy(document, &mut stdin));
            (watching.join(), copied)
        });
        let code = child.wait()?.code();
        let too_long = || io::Error::new(io::ErrorKind::TimedOut, format!("{VALIDATOR} took longer than {TIME_MAX:?}"));
        let (lines, _) = lines.ok().and_then(Result::ok).ok_or_else(too_long)??;
        match copied {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(Ran { lines, code }),
        }
    }

    /// What is wrong with one document, in the order of its lines.
    fn findings_of(&self, document: &mut dyn Read, time_max: Duration) -> io::Result<Vec<Finding>> {
        let Ran { lines, code } = self.run(document, time_max)?;
        let mut findings = told::findings(&lines, self.severity);
        findings.sort_by_key(|finding| finding.at.line);
        // Without a finding the document is valid only where the validator says so: what it fails at is no verdict.
        if code == Some(0) || !findings.is_empty() {
            return Ok(findings);
        }
        Err(io::Error::other(format!("{VALIDATOR} ended with {code:?}: {}", told::refusal(&lines, self.folder.path()).reason)))
    }
}

/// What a validator has said, and its exit code; none where it was stopped.
struct Ran {
    lines: Vec<String>,
    code: Option<i32>,
}

impl BodyCheck for Xsd {
    fn findings(&self, documents: &Documents<'_>) -> io::Result<Vec<Finding>> {
        let until = Instant::now() + TIME_MAX;
        let mut findings: Vec<Finding> = Vec::new();
        documents.each(&mut |name, document| {
            let found = self.findings_of(document, until.saturating_duration_since(Instant::now()))?;
            findings.extend(found.into_iter().map(|finding| Finding { part: name.map(str::to_owned), ..finding }));
            Ok(if findings.len() < FINDINGS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        findings.truncate(FINDINGS_MAX);
        if !findings.is_empty() {
            place_lines(&mut findings, documents)?;
        }
        Ok(findings)
    }
}

/// Fills in where the lines of findings begin, of which the validator tells the number alone.
fn place_lines(findings: &mut [Finding], documents: &Documents<'_>) -> io::Result<()> {
    documents.each(&mut |name, document| {
        let here = findings.iter_mut().filter(|finding| finding.part.as_deref() == name);
        place_lines_of(here, document).map(ControlFlow::Continue)
    })
}

/// The same in one document, whose findings are in the order of its lines. Lines of UTF-16 are not told by a byte: their
/// findings stay at the number.
fn place_lines_of<'f>(findings: impl Iterator<Item = &'f mut Finding>, document: &mut dyn Read) -> io::Result<()> {
    let mut document = BufReader::new(document);
    if matches!(document.fill_buf()?, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return Ok(());
    }
    let (mut line, mut byte) = (1, 0);
    for finding in findings {
        while line < finding.at.line {
            let skipped = document.skip_until(b'\n')?;
            if skipped == 0 {
                return Ok(());
            }
            (line, byte) = (line + 1, byte + skipped as u64);
        }
        finding.at.byte = byte;
    }
    Ok(())
}

/// Starts the validator with nothing but the schema and its pipes.
fn start(schema: &Path) -> io::Result<Child> {
    let mut command = Command::new(VALIDATOR);
    command.args(["--stream", "--noout", "--nonet", "--schema"]).arg(schema).arg("-");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C").env("XML_CATALOG_FILES", "");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(error.kind(), format!("the validator {VALIDATOR} is not installed; on Debian or Ubuntu it is in libxml2-utils"))
        }
        _ => error,
    })
}

/// What the validator says, each line cut to [`LINE_BYTES_MAX`], and whether that is all: no more is read than
/// [`FINDINGS_MAX`] messages have.
fn lines(stderr: Option<impl Read>) -> io::Result<(Vec<String>, bool)> {
    let (mut lines, mut messages) = (Vec::new(), 0);
    let Some(stderr) = stderr else { return Ok((lines, true)) };
    let mut input = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        if (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok((lines, true));
        }
        if line.last() != Some(&b'\n') {
            input.skip_until(b'\n')?;
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        messages += usize::from(told::begins(&line));
        if messages > FINDINGS_MAX || lines.len() == LINES_MAX {
            return Ok((lines, false));
        }
        lines.push(line);
    }
}

/// Files and bytes that may still be copied.
struct Room {
    files: usize,
    bytes: u64,
}

/// Copies the schemas of a folder and those below it, which the named ones may include.
fn copy_schemas(from: &Path, to: &Path, room: &mut Room) -> io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            std::fs::create_dir(&target)?;
            copy_schemas(&path, &target, room)?;
        } else if path.extension().is_some_and(|extension| extension == "xsd") {
            let bytes = std::fs::copy(&path, &target)?;
            let (Some(files), Some(bytes)) = (room.files.checked_sub(1), room.bytes.checked_sub(bytes)) else {
                return Err(io::Error::other(format!("there are more than {FILES_MAX} schemas or {BYTES_MAX} bytes of them")));
            };
            *room = Room { files, bytes };
        }
    }
    Ok(())
}

/// A schema that imports each of the named ones; the one without a namespace is included.
fn importing(files: &BTreeMap<String, PathBuf>) -> String {
    let mut schema = "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">\n".to_owned();
    for (namespace, file) in files {
        let place = escaped(&file.to_string_lossy());
        schema.push_str(&match namespace.as_str() {
            "" => format!("<xs:include schemaLocation=\"{place}\"/>\n"),
            namespace => format!("<xs:import namespace=\"{}\" schemaLocation=\"{place}\"/>\n", escaped(namespace)),
        });
    }
    schema + "</xs:schema>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
