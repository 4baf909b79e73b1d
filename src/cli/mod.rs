//! The command line: one module for each command, declared in the order a newcomer needs them.
//!
//! Results go to standard output, everything else to standard error. Exit codes are those of
//! [`exit`]; clap itself exits with 2 where the arguments are wrong.

mod audit;
mod call;
mod check;
mod convert;
mod dead_letters;
mod demo;
mod desk;
mod explain;
mod explain_record;
mod keys;
mod library;
mod map;
mod ops;
mod send;
mod serve;
mod terminal;
mod verify;

use crate::certs::{self, cli::CertsCommand};
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
    /// Show the whole life of a message, for real, on this machine
    #[command(long_about = demo::ABOUT, after_help = demo::EXAMPLE)]
    Demo(demo::Demo),
    /// Check all configuration and mappings, and run the mappings' cases
    #[command(long_about = check::ABOUT, after_help = check::EXAMPLE)]
    Check(check::Check),
    /// Convert a file through a mapping, either way, offline
    #[command(long_about = convert::ABOUT, after_help = convert::EXAMPLE)]
    Convert(convert::Convert),
    /// Write, read and test mappings
    #[command(subcommand, long_about = map::ABOUT, after_help = map::EXAMPLE)]
    Map(map::Map),
    /// Tell where each value of a record came from
    #[command(long_about = explain_record::ABOUT, after_help = explain_record::EXAMPLE)]
    ExplainRecord(explain_record::ExplainRecord),
    /// Tell what a fault code means and what to do about it
    #[command(long_about = explain::ABOUT, after_help = explain::EXAMPLE)]
    Explain(explain::Explain),
    /// Make certificates: a development or small private authority
    #[command(subcommand, long_about = CERTS_ABOUT, after_help = CERTS_EXAMPLE)]
    Certs(CertsCommand),
    /// Run the gateway
    #[command(long_about = serve::ABOUT, after_help = serve::EXAMPLE)]
    Serve(serve::Serve),
    /// Send a file to a gateway as a partner, over mutual TLS
    #[command(long_about = send::ABOUT, after_help = send::EXAMPLE)]
    Send(send::Send),
    /// List, resend or waive deliveries that were given up
    #[command(subcommand, long_about = dead_letters::GROUP_ABOUT, after_help = dead_letters::GROUP_EXAMPLE)]
    DeadLetters(dead_letters::DeadLetters),
    /// Look after a running gateway: status, exchanges, dead letters, pauses
    #[command(subcommand, long_about = ops::GROUP_ABOUT, after_help = ops::GROUP_EXAMPLE)]
    Ops(ops::Ops),
    /// Prove offline what a receipt says
    #[command(long_about = verify::ABOUT, after_help = verify::EXAMPLE)]
    Verify(verify::Verify),
    /// Check a gateway's evidence as a whole
    #[command(subcommand, after_help = audit::GROUP_EXAMPLE)]
    Audit(audit::Audit),
    /// Change the key that signs receipts
    #[command(subcommand, after_help = keys::GROUP_EXAMPLE)]
    Keys(keys::KeysCommand),
    /// Print the reference of all configuration files, as Markdown
    #[command(after_help = "Example:\n  portolan config-reference > configuration.md")]
    ConfigReference,
    /// Print a completion script for your shell
    #[command(after_help = COMPLETIONS_EXAMPLE)]
    Completions(Completions),
}

const CERTS_ABOUT: &str = "\
Make certificates: a development or small private authority

Everything that mutual TLS needs, without another tool: an authority, identities for the gateway and its partners, \
renewal and revocation. Keys are readable by their owner alone, and a partner never needs to be given one: it makes its \
own and you sign its request.";

const CERTS_EXAMPLE: &str = "\
Example: an authority, the gateway's identity, and a partner's
  portolan certs init --folder ca --name \"Development CA\"
  portolan certs issue --folder ca --name gateway --use server --dns localhost --ip 127.0.0.1
  portolan certs sign bank-a.csr --folder ca --name bank-a --use client

A partner whose program wants PKCS#12 or a Java keystore makes one from its own key:
  openssl pkcs12 -export -inkey bank-a.key -in bank-a.pem -certfile ca/ca.pem \\
    -name bank-a -out bank-a.p12
  keytool -importkeystore -srckeystore bank-a.p12 -srcstoretype PKCS12 -destkeystore bank-a.jks
  keytool -importcert -file ca/ca.pem -alias gateway-authority -keystore trust.jks";

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
        Command::Check(args) => check::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Map(command) => map::run(&command),
        Command::ExplainRecord(args) => explain_record::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Certs(command) => match certs::cli::run(command) {
            Ok(()) => ExitCode::from(exit::GOOD),
            Err(error) => terminal::fail(&error.to_string()),
        },
        Command::Serve(args) => serve::run(&args),
        Command::Send(args) => send::run(&args),
        Command::DeadLetters(command) => dead_letters::run(&command),
        Command::Ops(command) => ops::run(&command),
        Command::Verify(args) => verify::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Keys(command) => keys::run(&command),
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
