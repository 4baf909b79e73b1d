//! Validity against XML Schema (XSD), for mappings that name the schemas of their standard.
//!
//! The validator is libxml2's `xmllint`, a program of its own: what its C code does with a hostile body
//! stays outside this process, which only reads its messages. It streams, so that a body of any size costs
//! a few MiB there; it is given no network, no catalogue and no environment, and reads nothing but the
//! body on its standard input and copies of the schemas in the mapping's folder.
//!
//! What it does not support: XSD 1.0 is its language, so a schema with 1.1's assertions or alternatives does
//! not compile and is refused at load; entities of a DTD are not looked at, since the XML adapter refuses a
//! DTD before. An element without a declaration in the named schemas is an error, never passed over.
//!
//! Limits: [`FINDINGS_MAX`] messages of [`LINE_BYTES_MAX`] bytes are read, then the validator is stopped;
//! it may take [`TIME_MAX`] for a body.

use crate::config::Problem;
use crate::domain::{Finding, Severity};
use crate::fault::FaultCode;
use crate::mapping::file::{CheckSeverity, XsdEntry};
use crate::mapping::{Library, Mapping};
use crate::translate::BodyCheck;
use portolan_contract::{Position, Words};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// The validator.
const VALIDATOR: &str = "xmllint";
/// Findings of one body; a body with more has been told enough.
pub const FINDINGS_MAX: usize = 100;
/// Bytes of one message that are kept.
pub const LINE_BYTES_MAX: u64 = 4 * 1024;
/// Schemas of one mapping, those that are included counted.
pub const FILES_MAX: usize = 1_000;
/// Bytes of those schemas.
pub const BYTES_MAX: u64 = 64 << 20;
/// The schema that imports the named ones; no name that an operator would choose.
const ENTRY: &str = ".portolan-entry.xsd";
/// Longest time for one body.
pub const TIME_MAX: Duration = Duration::from_secs(600);
/// Its exit code for a body that is not valid.
const INVALID: i32 = 3;
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
    let problem = |message| {
        let message = format!("[xsd] of the mapping {}: {message}", mapping.name);
        Problem { file: named.file.clone(), line: named.line, message }
    };
    Xsd::compile(named, severity).map(Some).map_err(problem)
}

impl Xsd {
    fn compile(named: &XsdEntry, severity: Severity) -> Result<Self, String> {
        let failed = |error: io::Error| error.to_string();
        let beside = named.file.parent().unwrap_or(Path::new(""));
        let folder = tempfile::Builder::new().prefix("portolan-xsd-").tempdir().map_err(failed)?;
        let mut room = Room { files: FILES_MAX, bytes: BYTES_MAX };
        copy_schemas(beside, folder.path(), &mut room).map_err(failed)?;
        let missing =
            |file: &&PathBuf| !file.components().all(|c| matches!(c, Component::Normal(_))) || !folder.path().join(file).is_file();
        if let Some(missing) = named.files.values().find(missing) {
            return Err(format!("there is no schema {}; it must be an .xsd file in the mapping's folder", missing.display()));
        }
        std::fs::write(folder.path().join(ENTRY), importing(&named.files)).map_err(failed)?;
        let xsd = Self { folder, severity };
        // Any body shows whether the schema compiles; that this one is not valid is of no interest.
        xsd.run(&mut b"<any/>".as_slice()).map_err(failed)?;
        Ok(xsd)
    }

    /// Runs the validator over a body.
    ///
    /// # Errors
    /// A validator that cannot be started, takes too long, or does not do its work.
    fn run(&self, body: &mut (dyn Read + Send)) -> io::Result<Vec<Finding>> {
        let mut child = start(&self.folder.path().join(ENTRY))?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let (told, tell) = mpsc::channel();
        let (messages, copied) = std::thread::scope(|scope| {
            scope.spawn(move || told.send(messages(stderr)));
            // A validator that has said enough is stopped, and its input with it.
            let copying = scope.spawn(move || stdin.map_or(Ok(0), |mut stdin| io::copy(body, &mut stdin)));
            let messages = tell.recv_timeout(TIME_MAX);
            let whole = messages.as_ref().is_ok_and(|m| m.as_ref().is_ok_and(|m| m.len() < FINDINGS_MAX));
            if !whole {
                let _ = child.kill();
            }
            (messages, copying.join())
        });
        let status = child.wait()?;
        let messages =
            messages.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("{VALIDATOR} took longer than {TIME_MAX:?}")))??;
        if let Ok(Err(error)) = copied
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            return Err(error);
        }
        let findings: Vec<Finding> = messages.iter().filter_map(|message| self.finding(message)).collect();
        match status.code() {
            Some(0) => Ok(findings),
            Some(SCHEMA_FAILED) => Err(io::Error::other(messages.join("; "))),
            // The killed one has no code; it has told FINDINGS_MAX findings.
            Some(INVALID) | None if !findings.is_empty() => Ok(findings),
            // Not well-formed to it, though it was to the adapter: what it says of it is a finding too.
            Some(_) if !findings.is_empty() => Ok(findings),
            code => Err(io::Error::other(format!("{VALIDATOR} ended with {code:?}: {}", messages.join("; ")))),
        }
    }

    /// A message such as `-:12: element Amt: Schemas validity error : Element '{urn:x}Amt': …`; others, such as
    /// its last word on the whole, are none.
    fn finding(&self, message: &str) -> Option<Finding> {
        let (line, rest) = message.strip_prefix("-:")?.split_once(':')?;
        let line = line.parse().ok()?;
        let said = rest.split_once(" error : ").map_or(rest, |(_, said)| said).trim();
        let element = said.strip_prefix("Element '").and_then(|name| name.split_once('\'')).map(|(name, _)| local_name(name).to_owned());
        Some(Finding {
            severity: self.severity,
            rule: FaultCode::SchemaInvalid.as_str().to_owned(),
            record: None,
            part: None,
            at: Position { line, byte: 0, column: 0 },
            source: element,
            canonical: None,
            found: None,
            words: Words::new(format!("不符合 XML Schema：{said}"), format!("not valid against the XML Schema: {said}")),
        })
    }
}

impl BodyCheck for Xsd {
    fn findings(&self, body: &mut (dyn Read + Send)) -> io::Result<Vec<Finding>> {
        self.run(body)
    }
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

/// The first messages of the validator, each cut to [`LINE_BYTES_MAX`].
fn messages(stderr: Option<impl Read>) -> io::Result<Vec<String>> {
    let mut messages = Vec::new();
    let Some(stderr) = stderr else { return Ok(messages) };
    let mut lines = BufReader::new(stderr);
    while messages.len() < FINDINGS_MAX {
        let mut line = Vec::new();
        if (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.last() != Some(&b'\n') {
            lines.skip_until(b'\n')?;
        }
        messages.push(String::from_utf8_lossy(&line).trim_end().to_owned());
    }
    Ok(messages)
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

/// A name without the namespace that the validator writes in braces before it.
fn local_name(name: &str) -> &str {
    name.rsplit_once('}').map_or(name, |(_, local)| local)
}
