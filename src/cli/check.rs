//! `portolan check`: every problem of a configuration and its mappings, before anyone runs it.

use super::exit;
use super::library::{folders, same};
use super::terminal::{Paint, counted, fail};
use crate::app::Prepared;
use crate::config::{Draft, Problem};
use crate::expiry::sentence;
use crate::mapping::{Library, cases};
use crate::seams::{SharedClock, SystemClock};
use crate::xsd;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What `--help` says.
pub const ABOUT: &str = "\
Check all configuration and mappings, and run the mappings' cases

Reads the configuration as `serve` does, compiles every mapping, schema, route and rule, reads every certificate, key and \
revocation list, looks at what lies in the data folder, and runs the cases beside the mappings: each body in NAME/cases must \
give the records or findings beside it, and what a two-way mapping writes must be read again as the same. Every problem is \
printed as FILE:LINE: MESSAGE, not only the first; what has ended or ends soon is warned of. Nothing is changed. Whether the \
addresses are free and the data folder is in use is seen at the start alone.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Examples:
  portolan check --config /etc/portolan           a whole configuration
  portolan check --mappings mappings              a folder of mappings alone
  portolan check                                  ./portolan.toml and ./mappings, whichever there are

Exit codes: 0 everything is in order, with or without warnings; 1 there are problems.";

/// `portolan check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The configuration folder; without it, the present one if there is a portolan.toml in it
    #[arg(long, value_name = "FOLDER")]
    config: Option<PathBuf>,
    /// A folder of mappings beside those that the configuration names; may be given again
    #[arg(long, value_name = "FOLDER", num_args = 1..)]
    mappings: Vec<PathBuf>,
}

/// What was looked at and what was found.
#[derive(Debug, Default)]
struct Checked {
    /// Partners, flows and queries, where there is a configuration.
    config: Option<[u64; 3]>,
    mappings: u64,
    cases: u64,
    problems: BTreeSet<Problem>,
    /// What the cases say, in order.
    failures: Vec<String>,
    /// What ends soon or has ended.
    warnings: Vec<String>,
}

/// Runs it.
pub fn run(args: &Check) -> ExitCode {
    let present = Path::new("portolan.toml").exists().then(|| PathBuf::from("."));
    let config = args.config.clone().or(present);
    let folders = folders(&args.mappings);
    if config.is_none() && folders.is_empty() {
        return fail("there is nothing to check here; name a folder with --config or --mappings");
    }
    conclude(&check(config.as_deref(), &folders))
}

fn check(config: Option<&Path>, given: &[PathBuf]) -> Checked {
    let mut checked = Checked::default();
    let mut folders = given.to_vec();
    if let Some(folder) = config {
        let draft = Draft::read(folder);
        checked.config = Some([draft.partners.len(), draft.flows.len(), draft.queries.len()].map(|number| number as u64));
        let more = draft.mappings.iter().flatten().filter(|theirs| !given.iter().any(|ours| same(ours, theirs)));
        folders.extend(more.cloned());
        let clock: SharedClock = Arc::new(SystemClock);
        match Prepared::for_start(draft, &clock) {
            Ok(prepared) => {
                let now = clock.now();
                checked.warnings = prepared.expiring(now).iter().map(|expiry| sentence(expiry, now)).collect();
            }
            Err(problems) => checked.problems.extend(problems),
        }
    }
    let (library, problems) = Library::read(&folders);
    checked.problems.extend(problems);
    checked.problems.extend(xsd::load(&library).err().into_iter().flatten());
    run_cases(&library, &folders, &mut checked);
    checked
}

/// Runs the cases of every mapping that lies in one of the folders; of mappings of the same name
/// the first is in force.
fn run_cases(library: &Library, folders: &[PathBuf], checked: &mut Checked) {
    for mapping in library.mappings() {
        checked.mappings += 1;
        let lies_in = |folder: &&PathBuf| folder.join(&mapping.name).join("mapping.toml").is_file();
        let Some(folder) = folders.iter().find(lies_in) else { continue };
        for case in cases::run(mapping, &folder.join(&mapping.name).join("cases")) {
            checked.cases += 1;
            let input = case.input.display();
            checked.failures.extend(case.failures.iter().map(|failure| format!("{input}: {failure}")));
        }
    }
}

fn conclude(checked: &Checked) -> ExitCode {
    let paint = Paint::stdout();
    checked.problems.iter().for_each(|problem| println!("{problem}"));
    checked.failures.iter().for_each(|failure| println!("{failure}"));
    checked.warnings.iter().for_each(|warning| println!("{} {warning}", paint.yellow("warning:")));
    let problems = (checked.problems.len() + checked.failures.len()) as u64;
    let configured = checked.config.map(|[partners, flows, queries]| [(partners, "partner"), (flows, "flow"), (queries, "query service")]);
    let seen = configured.into_iter().flatten().chain([(checked.mappings, "mapping"), (checked.cases, "case")]);
    let seen: Vec<String> = seen.filter(|(number, _)| *number > 0).map(|(number, noun)| counted(number, noun)).collect();
    let seen = if seen.is_empty() { "nothing could be judged".to_owned() } else { seen.join(", ") };
    let (verdict, code) = match problems {
        0 => (paint.green("everything is in order"), exit::GOOD),
        _ => (paint.red(&counted(problems, "problem")), exit::FAILED),
    };
    println!("{seen}: {verdict}");
    ExitCode::from(code)
}
