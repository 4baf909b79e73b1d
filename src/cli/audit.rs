//! `portolan audit`: the evidence of a gateway as a whole.

use super::exit;
use super::terminal::{Paint, fail, thousands};
use super::verify::read_jwks;
use crate::journal::sqlite::SqliteJournal;
use crate::receipt::audit::{AuditReport, verify_chain};
use std::path::PathBuf;
use std::process::ExitCode;

/// What `--help` shows last.
pub const GROUP_EXAMPLE: &str = "\
Example:
  portolan audit verify --data /var/lib/portolan --jwks jwks.json";

const ABOUT: &str = "\
Verify the whole chain: every head, every leaf, every stored body, every administrative act

Walks the journal from its first head to its last: signatures, links from head to head, the root of every batch, and the \
digest of every body that is stored. It goes on after each problem and names them all. Nothing in the folder is \
changed, and the gateway may run meanwhile: what it commits after the beginning may be in the walk or not.

A chain that was cut off at its end looks whole from inside: compare the last head with what an outside witness has.";

const EXAMPLE: &str = "\
Example:
  portolan audit verify --data /var/lib/portolan --jwks jwks.json

Exit codes: 0 the chain holds, 1 it does not.";

/// `portolan audit`.
#[derive(Debug, clap::Subcommand)]
pub enum Audit {
    /// Verify the whole chain: every head, every leaf, every stored body
    #[command(long_about = ABOUT, after_help = EXAMPLE)]
    Verify(VerifyChain),
}

/// `portolan audit verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyChain {
    /// The gateway's data folder
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// The keys to trust, kept from /.well-known/jwks.json
    #[arg(long, value_name = "FILE")]
    jwks: PathBuf,
}

/// Runs it.
pub fn run(args: &Audit) -> ExitCode {
    let Audit::Verify(args) = args;
    match audit(args) {
        Ok(report) => conclude(&report),
        Err(message) => fail(&message),
    }
}

fn audit(args: &VerifyChain) -> Result<AuditReport, String> {
    let keys = read_jwks(&args.jwks)?;
    if !args.data.join("journal.db").is_file() {
        return Err(format!("{}: there is no journal.db in it", args.data.display()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(|e| e.to_string())?;
    let journal = SqliteJournal::look(&args.data).map_err(|e| e.to_string())?;
    Ok(runtime.block_on(verify_chain(&journal, &keys)))
}

fn conclude(report: &AuditReport) -> ExitCode {
    let paint = Paint::stdout();
    for problem in &report.problems {
        let exchange = problem.exchange.map_or(String::new(), |id| format!(", exchange {id}"));
        let place = match problem.act {
            Some(number) => format!("administrative act {number}"),
            None => format!("epoch {}, batch {}{exchange}", problem.epoch, problem.batch),
        };
        println!("{place}\n    {}\n    {}", problem.words.zh, problem.words.en);
    }
    if report.problems_left_out > 0 {
        println!("and {} more problems", thousands(report.problems_left_out));
    }
    let [epochs, heads, exchanges, acts] = [report.epochs, report.heads, report.exchanges, report.acts].map(thousands);
    let verdict = if report.holds() {
        paint.green("the chain holds · 存证链完整")
    } else {
        paint.red("THE CHAIN IS BROKEN · 存证链不完整")
    };
    println!("{verdict}\n    epochs {epochs}, heads {heads}, exchanges {exchanges}, administrative acts {acts}");
    if let Some((epoch, batch, digest)) = &report.last_head {
        println!("    last head: epoch {epoch}, batch {batch}, SHA-256 {digest}");
    }
    ExitCode::from(if report.holds() { exit::GOOD } else { exit::FAILED })
}
