//! `portolan map new`: a draft of a mapping from a sample file.

use crate::cli::convert::{DECODE_LIMITS, coding_of};
use crate::cli::library::{folders, tell};
use crate::cli::print;
use crate::cli::terminal::{Paint, fail, fault_lines, finding_lines};
use crate::coding::{self, Coding};
use crate::formats::formats;
use crate::mapping::Library;
use crate::mapping::draft::{Draft, Request, draft};
use crate::translate::Stop;
use portolan_contract::{Limits, Outline};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `--help` says.
pub const ABOUT: &str = "\
Draft a mapping from a sample file

Looks through the whole sample and writes NAME/mapping.toml: where records stand (the outermost thing that repeats), lists \
within them, and for each value its source path, what its texts seem to mean, and the canonical path that its name resembles \
most. Each entry has a comment that says it is a guess and what is behind it: how many values, how many different, and an \
example, of which little is shown where it may be about a person.

The columns of lines of fixed width are guessed by what is blank in all lines of a kind; the groups of an EDIFACT message are \
those of its definition, and its codes are told in words where they have a name. What stands in a container, such as an archive or \
an envelope with the document in base64, must be taken out first, by you. An adapter from outside (a component) cannot be asked: its interface reads bodies for a plan, and has no way to look into one without.

With --canonical, a value that resembles nothing there gets the path unmapped.NAME, which `portolan check` names with its \
line until you choose. Without it, a canonical schema is drafted beside the mapping, with titles to fill in. Nothing that is \
there already is written over.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Example: a platform's table, from the first look to the first case
  portolan map new csv income.csv --canonical platform-income.v1 --name acme-income --out own
  portolan check --mappings own                            what is left to choose
  portolan map show own/acme-income
  portolan explain-record income.csv --mapping own/acme-income --record 1
  portolan map test own/acme-income                       once there are cases";

/// Characters of a name that is made from the sample's.
const NAME_CHARACTERS_MAX: usize = 60;

/// Paths of the sample that a message names.
const PATHS_TOLD_MAX: usize = 40;

/// `portolan map new`.
#[derive(Debug, clap::Args)]
pub struct New {
    /// The format: xml, json, csv, xlsx, edifact, mt940 or fixed
    #[arg(value_name = "FORMAT")]
    format: String,
    /// The sample file
    #[arg(value_name = "SAMPLE")]
    sample: PathBuf,
    /// The canonical record; a new one is drafted unless given
    #[arg(long, value_name = "NAME.vN")]
    canonical: Option<String>,
    /// The new mapping's name; after the sample's unless given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The path of the record in the sample, such as Document/Ntry; what repeats outermost unless given
    #[arg(long, value_name = "PATH")]
    record: Option<String>,
    /// The folder of mappings to write into
    #[arg(long, value_name = "FOLDER", default_value = "mappings")]
    out: PathBuf,
    /// A folder with mappings and canonical schemas of your own; may be given again
    #[arg(long, value_name = "FOLDER")]
    mappings: Vec<PathBuf>,
    /// The sample is compressed: gzip or zstd
    #[arg(long, value_name = "CODING", value_parser = coding_of)]
    content_encoding: Option<Coding>,
}

/// Runs it.
pub fn run(args: &New) -> ExitCode {
    let mut known = folders(&args.mappings);
    if args.out.is_dir() {
        known.insert(0, args.out.clone());
    }
    let library = match Library::of_canonicals(&known) {
        Ok(library) => library,
        Err(problems) => return tell(&problems),
    };
    let canonical = match &args.canonical {
        None => None,
        Some(name) => match library.canonical(name) {
            Some(canonical) => Some(&**canonical),
            None => return fail(&format!("there is no canonical record {name:?}; there are {}", library.canonical_names().join(", "))),
        },
    };
    let outline = match outline(args) {
        Ok(outline) => outline,
        Err(code) => return code,
    };
    if let Some(record) = args.record.as_deref().filter(|record| !outline.paths.iter().any(|path| path.path == **record)) {
        let groups = outline.paths.iter().filter(|path| path.texts == 0).map(|path| path.path.as_str()).take(PATHS_TOLD_MAX);
        return fail(&format!("the sample has no path {record:?}; it has {}", groups.collect::<Vec<_>>().join(", ")));
    }
    let sample = args.sample.file_name().unwrap_or_default().to_string_lossy();
    let name = args.name.clone().unwrap_or_else(|| name_after(&sample));
    let drafted = draft(&Request {
        name: &name,
        format: &args.format,
        sample: &sample,
        record: args.record.as_deref(),
        outline: &outline,
        canonical,
    });
    match keep(args, &name, &drafted) {
        Ok(written) => told(args, &name, &drafted, &written),
        Err(message) => fail(&message),
    }
}

/// What the sample looks like.
fn outline(args: &New) -> Result<Outline, ExitCode> {
    let all = formats();
    let names = || all.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ");
    let format = all.iter().find(|format| format.name() == args.format);
    let format = format.ok_or_else(|| fail(&format!("there is no format {:?}; there are {}", args.format, names())))?;
    let place = |error: io::Error| fail(&format!("{}: {error}", args.sample.display()));
    let file = File::open(&args.sample).map_err(place)?;
    let bytes = file.metadata().map_err(place)?.len();
    let input = coding::decode(args.content_encoding.unwrap_or_default(), Box::new(BufReader::new(file)), bytes, DECODE_LIMITS);
    match format.outline(Box::new(input.map_err(place)?), &Limits::default()) {
        Ok(Some(outline)) if outline.paths.iter().any(|path| path.texts > 0) => Ok(outline),
        Ok(Some(_)) => Err(fail(&format!("{} holds no value to draft an entry from", args.sample.display()))),
        Ok(None) => {
            Err(fail(&format!("{0} cannot be looked into without a mapping: begin with a copy of one that reads {0}", args.format)))
        }
        Err(error) => match Stop::of(error) {
            Stop::Body(code, finding) => {
                eprintln!("{}", finding_lines(&finding, Paint::stderr()));
                eprintln!("{}", fault_lines(code, Paint::stderr()));
                Err(fail(&format!("{} cannot be read as {}", args.sample.display(), args.format)))
            }
            Stop::Gateway(error) => Err(place(error)),
        },
    }
}

/// A name in the style of those that ship with the gateway.
fn name_after(sample: &str) -> String {
    let stem = sample.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let steps: Vec<&str> = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|step| !step.is_empty()).collect();
    let name: String = steps.join("-").chars().take(NAME_CHARACTERS_MAX).collect();
    if name.is_empty() { "new-mapping".to_owned() } else { name }
}

/// Writes the files of a draft, none of them over another.
fn keep(args: &New, name: &str, drafted: &Draft) -> Result<Vec<PathBuf>, String> {
    if name.starts_with('.') || name.contains(['/', '\\']) {
        return Err(format!("{name:?} cannot be a folder's name"));
    }
    let mut files = vec![(args.out.join(name).join("mapping.toml"), &drafted.mapping)];
    if let Some((canonical, text)) = &drafted.schema {
        files.push((args.out.join("canonical").join(format!("{canonical}.schema.json")), text));
    }
    if let Some((there, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(format!("{} is there already; choose another --name or --out", there.display()));
    }
    let write = |path: &Path, text: &str| -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
    };
    for (path, text) in &files {
        write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

fn told(args: &New, name: &str, drafted: &Draft, written: &[PathBuf]) -> ExitCode {
    let paint = Paint::stdout();
    let mut text = String::new();
    for path in written {
        let _ = writeln!(text, "{}", paint.bold(&path.display().to_string()));
    }
    let entries = drafted.entries as u64;
    let noun = if entries == 1 { "entry" } else { "entries" };
    let _ = write!(text, "{entries} {noun}, each a guess; the record is {}", drafted.record);
    if drafted.unmapped > 0 {
        let of = args.canonical.as_deref().unwrap_or_default();
        let verb = if drafted.unmapped == 1 { "resembles" } else { "resemble" };
        let left = paint.yellow(&format!("{} of them {verb} nothing in {of}", drafted.unmapped));
        let _ = write!(text, "\n{left}: choose for each `unmapped.…`");
    }
    let out = args.out.display();
    let _ = write!(text, "\nnext:\n  portolan check --mappings {out}\n  portolan map show {}\n", args.out.join(name).display());
    let _ = writeln!(text, "  portolan convert --mappings {out} --mapping {name} {}", args.sample.display());
    print(&text)
}
