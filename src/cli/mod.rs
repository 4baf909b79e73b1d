//! The command line: one module for each command, declared in the order a newcomer needs them.
//!
//! Results go to standard output, everything else to standard error. Exit codes are those of
//! [`exit`]; clap itself exits with 2 where the arguments are wrong.

mod check;
mod convert;
mod demo;
mod explain;
mod serve;
mod terminal;

use clap::{CommandFactory, Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Exit codes.
pub mod exit {
    /// Everything is in order.
    pub const GOOD: u8 = 0;
    /// It failed, or it was refused.
    pub const FAILED: u8 = 1;
    /// It was done in part: some records were refused.
    pub const IN_PART: u8 = 3;
}

const AFTER_HELP: &str = "\
Exit codes: 0 all is well, 1 failed or refused, 2 wrong arguments, 3 some records were refused.

Examples:
  portolan demo                                          see everything at work
  portolan convert --mapping camt054 feed.xml | head -1  one bank's format as canonical records
  portolan explain records.none                          what a code in an answer means

Every command has an example of its own: portolan COMMAND --help";

/// Portolan 数据交换网关: a government data-exchange gateway.
///
/// Partners push feeds in their own formats over mutual TLS; the gateway checks them, keeps them,
/// answers with signed receipts, and delivers them in the formats that receivers asked for.
#[derive(Debug, Parser)]
#[command(name = "portolan", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See everything at work on this machine
    #[command(long_about = demo::ABOUT, after_help = demo::EXAMPLE)]
    Demo(demo::Demo),
    /// Run the gateway
    #[command(long_about = serve::ABOUT, after_help = serve::EXAMPLE)]
    Serve(serve::Serve),
    /// Check all configuration and mappings, and run the mappings' cases
    #[command(long_about = check::ABOUT, after_help = check::EXAMPLE)]
    Check(check::Check),
    /// Convert a file through a mapping, either way, offline
    #[command(long_about = convert::ABOUT, after_help = convert::EXAMPLE)]
    Convert(convert::Convert),
    /// Tell what a fault code means and what to do about it
    #[command(long_about = explain::ABOUT, after_help = explain::EXAMPLE)]
    Explain(explain::Explain),
    /// Print the reference of all configuration files, as Markdown
    #[command(after_help = "Example:\n  portolan config-reference > configuration.md")]
    ConfigReference,
    /// Print a completion script for your shell
    #[command(after_help = COMPLETIONS_EXAMPLE)]
    Completions(Completions),
}

const COMPLETIONS_EXAMPLE: &str = "\
Examples:
  portolan completions bash > ~/.local/share/bash-completion/completions/portolan
  portolan completions zsh > \"${fpath[1]}/_portolan\"
  portolan completions fish > ~/.config/fish/completions/portolan.fish";

/// `portolan completions`.
#[derive(Debug, clap::Args)]
struct Completions {
    /// Your shell
    shell: clap_complete::Shell,
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::ConfigReference => print(&crate::config::reference()),
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "portolan", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

/// Prints a result. A reader that has gone away, such as `head`, is no failure.
fn print(text: &str) -> ExitCode {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => terminal::fail(&format!("cannot print: {error}")),
        _ => ExitCode::from(exit::GOOD),
    }
}
