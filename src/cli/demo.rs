//! `portolan demo`: the whole life of a message, for real, on one machine.

use super::terminal::fail;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `--help` says.
pub const ABOUT: &str = "\
Show the whole life of a message, for real, on this machine

Makes a development authority and an identity for each party, starts the gateway and a tax bureau's receiver on loopback, \
and lets a bank, a platform and customs push synthetic feeds over mutual TLS. It tells three short stories on the way: a \
line that is cut after the commit, wrong cells in a table, and a receiver that is down for a while.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Examples:
  portolan demo                              and leave it running, to look around
  portolan demo --once --records 100000      end when everything is delivered; exit 1 if anything is missing";

/// `portolan demo`.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// End once everything is delivered
    #[arg(long)]
    pub once: bool,
    /// Records that the partners send in all
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    pub records: u64,
    /// Seed of the feeds, for the same ones again; printed when it is not given
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// The folder to work in; a fresh temporary one unless given
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Port of the partner listener
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    pub partner_port: u16,
    /// Port of the operator listener
    #[arg(long, value_name = "PORT", default_value_t = 8444)]
    pub operator_port: u16,
}

/// Runs it.
pub fn run(_args: &Demo) -> ExitCode {
    fail("demo is not built into this binary")
}
