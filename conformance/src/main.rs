//! `portolan-conformance`: plays the suite against a binary and prints what came of it.

use clap::Parser;
use portolan_conformance::suite::Suite;
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "Examples:
  portolan-conformance --binary target/debug/portolan
  portolan-conformance --binary target/debug/portolan --only xml

It exits 0 when every requirement is shown but for the gaps that gaps.toml lists.";

/// Play conformance scenarios against a gateway, over mutual TLS and from outside.
#[derive(Parser)]
#[command(after_help = EXAMPLES)]
struct Arguments {
    /// The `portolan` binary
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// Folder with requirements.toml, gaps.toml, scenarios/, bodies/ and gateway/
    #[arg(long, value_name = "FOLDER", default_value = portolan_conformance::own_folder().as_os_str())]
    suite: PathBuf,
    /// Play only scenarios whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let suite = match Suite::load(&arguments.suite) {
        Ok(suite) => suite,
        Err(error) => return fail(&error.to_string()),
    };
    match portolan_conformance::run(&suite, &arguments.binary, &arguments.only) {
        Ok(report) => {
            print!("{report}");
            if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(words: &str) -> ExitCode {
    eprintln!("{words}");
    ExitCode::FAILURE
}
