//! The one command of the benchmarks.

use clap::{Parser, Subcommand};
use portolan::fault::BoxError;
use portolan_bench::table::Table;
use portolan_bench::{journal, search};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measures the gateway, row by row, and writes a table for each.
///
/// Without a row, all of them run. What takes long to make, such as a journal of ten million exchanges, is kept in the
/// folder and used again.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Bench {
    /// Where journals are kept and tables are written
    #[arg(long, global = true, value_name = "FOLDER", default_value = "bench-out")]
    folder: PathBuf,
    #[command(subcommand)]
    row: Option<Row>,
}

#[derive(Clone, Debug, Subcommand)]
enum Row {
    /// Finding exchanges, and looking into one, among ten million
    Search(search::Options),
    /// The journal alone, beside PostgreSQL and Redis
    Journal(journal::Options),
}

/// The rows that run where none is named.
const ROWS: [&str; 2] = ["search", "journal"];

fn main() -> ExitCode {
    // The gateway that is measured is this very program: what `portolan serve` runs, in a process of its own.
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return portolan::cli::run();
    }
    match run(&Bench::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what is asked for. Returns whether every limit was kept.
fn run(bench: &Bench) -> Result<bool, BoxError> {
    std::fs::create_dir_all(&bench.folder)?;
    let rows = match &bench.row {
        Some(row) => vec![row.clone()],
        None => ROWS.iter().filter_map(|row| Bench::try_parse_from(["bench", row]).ok()?.row).collect(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut within_limits = true;
    for row in rows {
        let tables = runtime.block_on(async {
            match &row {
                Row::Search(options) => search::run(options, &bench.folder, &std::env::current_exe()?).await,
                Row::Journal(options) => journal::run(options, &bench.folder).await,
            }
        })?;
        tables.iter().try_for_each(|table| show(table, &bench.folder))?;
        within_limits &= tables.iter().all(|table| table.within_limits);
    }
    Ok(within_limits)
}

fn show(table: &Table, folder: &Path) -> Result<(), BoxError> {
    let text = table.to_markdown();
    let file = folder.join(format!("{}.md", table.name));
    std::fs::write(&file, &text)?;
    println!("\n{text}\nwritten to {}", file.display());
    Ok(())
}
