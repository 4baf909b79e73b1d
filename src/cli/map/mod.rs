//! `portolan map`: what the author of a mapping does all day.

mod new;
mod show;
mod test;

use std::process::ExitCode;

/// What `--help` says.
pub const ABOUT: &str = "\
Write, read and test mappings

A mapping says how a format's values and a canonical record's values are the same; it is one file, NAME/mapping.toml. \
`new` drafts one from a sample, `show` prints one as a table, and `test` runs its cases and tells each value that differs. `portolan explain-record` tells \
where one record's values came from, and `portolan check` looks at everything together.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Examples:
  portolan map new csv income.csv --out own  a draft from a sample
  portolan map show camt054                  the mapping as a table
  portolan map test own/acme-income          its cases, value by value";

/// `portolan map`.
#[derive(Debug, clap::Subcommand)]
pub enum Map {
    /// Draft a mapping from a sample file
    #[command(long_about = new::ABOUT, after_help = new::EXAMPLE)]
    New(new::New),
    /// Print a mapping as a table
    #[command(long_about = show::ABOUT, after_help = show::EXAMPLE)]
    Show(show::Show),
    /// Run the cases of a mapping and tell every value that differs
    #[command(long_about = test::ABOUT, after_help = test::EXAMPLE)]
    Test(test::Test),
}

/// Runs one of them.
pub fn run(command: &Map) -> ExitCode {
    match command {
        Map::New(args) => new::run(args),
        Map::Show(args) => show::run(args),
        Map::Test(args) => test::run(args),
    }
}
