//! The gateway as a partner's program meets it: every scenario of `conformance/`, over real TLS.

//!
//! `cargo test --test conformance -- TEXT` plays the scenarios whose name contains TEXT.

use portolan_conformance::suite::Suite;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Other suites are told so to list their tests, or to run those that are set aside; there are none here.
    if arguments.iter().any(|a| a == "--list" || a == "--ignored") {
        return ExitCode::SUCCESS;
    }
    let only = arguments.iter().find(|a| !a.starts_with('-')).map_or("", String::as_str);
    let suite = match Suite::load(portolan_conformance::own_folder()) {
        Ok(suite) => suite,
        Err(error) => return fail(&error.to_string()),
    };
    match portolan_conformance::run(&suite, Path::new(env!("CARGO_BIN_EXE_portolan")), only) {
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
