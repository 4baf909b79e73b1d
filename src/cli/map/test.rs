//! `portolan map test`: the cases of mappings, value by value.

use crate::cli::library::{choose, code, named};
use crate::cli::print;
use crate::cli::terminal::{Paint, counted, fail};
use crate::mapping::Mapping;
use crate::mapping::cases::{self, Case, Difference, Failure};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `--help` says.
pub const ABOUT: &str = "\
Run the cases of a mapping and tell every value that differs

NAME/cases/CASE.in.EXT is a body. CASE.out.ndjson beside it holds the canonical records that it must give, and \
CASE.findings.json what must be found wrong. Each value that differs is told with what was expected, what came out, and the \
text in the body that it was made from; what a two-way mapping writes must be read again as the same.

Expected values come from the format's standard or its documentation, or from another program. There is no option that \
takes the mapping's own output for them: such a case could not fail.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Examples:
  portolan map test own/acme-income        one mapping
  portolan map test own                    each one in a folder

Exit codes: 0 every case holds, 1 something differs.";

/// `portolan map test`.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// The mapping: its name or its folder; or a folder of mappings
    #[arg(value_name = "NAME|FOLDER")]
    mapping: String,
    /// A folder with mappings of your own; may be given again
    #[arg(long, value_name = "FOLDER")]
    mappings: Vec<PathBuf>,
}

/// Runs it.
pub fn run(args: &Test) -> ExitCode {
    let chosen = match choose(&args.mapping, &args.mappings) {
        Ok(chosen) => chosen,
        Err(code) => return code,
    };
    let (mut text, mut failed) = (String::new(), false);
    for name in &chosen.names {
        let folder = chosen.folders.iter().map(|folder| folder.join(name)).find(|own| own.join("mapping.toml").is_file());
        let Some(folder) = folder else {
            return fail(&format!("{name} ships with the gateway, and its cases with its sources: name its folder there"));
        };
        let mapping = match named(&chosen.library, name) {
            Ok(mapping) => mapping,
            Err(message) => return fail(&message),
        };
        failed |= !tested(mapping, &folder.join("cases"), &mut text);
    }
    print(&text);
    code(failed)
}

/// Runs the cases of one mapping; `true` when there are some and all hold.
fn tested(mapping: &Mapping, folder: &Path, text: &mut String) -> bool {
    let paint = Paint::stdout();
    let cases = cases::run(mapping, folder);
    for case in cases.iter().filter(|case| !case.failures.is_empty()) {
        let _ = writeln!(text, "{}", paint.bold(&case.input.display().to_string()));
        told(mapping, case, paint, text);
    }
    let failing = cases.iter().filter(|case| !case.failures.is_empty()).count() as u64;
    let verdict = match (cases.len(), failing) {
        (0, _) => paint.red(&format!("there is no case in {}", folder.display())),
        (_, 0) => paint.green("all hold"),
        (_, failing) => paint.red(&format!("{failing} failed")),
    };
    let _ = writeln!(text, "{}: {}: {verdict}", mapping.name, counted(cases.len() as u64, "case"));
    !cases.is_empty() && failing == 0
}

fn told(mapping: &Mapping, case: &Case, paint: Paint, text: &mut String) {
    for failure in &case.failures {
        let _ = match failure {
            Failure::Told(message) => writeln!(text, "  {message}"),
            Failure::Differs(differs) => writeln!(text, "{}", difference(mapping, differs, paint)),
        };
    }
}

fn difference(mapping: &Mapping, differs: &Difference, paint: Paint) -> String {
    let path = &differs.canonical;
    let title = mapping.canonical.title(path);
    let again = if differs.again { "written and read again: " } else { "" };
    let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "no value".to_owned(), Value::to_string);
    let mut text = format!("  {again}record {}, {} {}", differs.record, paint.bold(path), paint.dim(&title.zh));
    let _ = write!(text, "\n    expected  {}", paint.green(&value(&differs.expected)));
    let _ = write!(text, "\n    got       {}", paint.red(&value(&differs.got)));
    if let Some(source) = &differs.source {
        let spot = source.spot(false).map_or_else(String::new, |spot| format!(", {spot}"));
        let _ = write!(text, "\n    from      {:?}{spot}, {}", source.raw(), source.source);
    }
    text
}
