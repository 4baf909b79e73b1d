//! The row of searches: every kind of question that operators ask, of a gateway on a journal with ten million exchanges.
//!
//! A time is from the request's first byte to the answer's last, seen by the caller on an open connection of the same machine: at
//! least the server's own. Warm is after the questions of all kinds were asked before; cold is a gateway that was just started,
//! with the journal's files taken out of the system's cache before each question.

use crate::cold;
use crate::fill::{Filled, filled};
use crate::gateway::{Gateway, Place};
use crate::past::{Chance, Past};
use crate::progress::Progress;
use crate::questions::{KINDS, Kind};
use crate::table::Table;
use crate::times::{Times, milliseconds};
use clap::Args;
use portolan::fault::BoxError;
use portolan::figures::thousands;
use std::path::Path;
use std::time::Duration;

/// Within which each answer must be there.
const LIMIT: Duration = Duration::from_millis(100);

/// How the row is run.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Exchanges in the journal, 2.8 KB each; one that is kept and has more is taken as it is
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    pub exchanges: u64,
    /// Questions of each kind, warm
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub warm: u64,
    /// Questions of each kind, cold
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub cold: u64,
}

/// What was measured of one kind.
#[derive(Default)]
struct Measured {
    warm: Times,
    cold: Times,
    /// Exchanges found and rows looked at, at most.
    found: usize,
    examined: u64,
}

/// Fills the journal unless it is there, asks, and gives the tables.
///
/// # Errors
/// What cannot be measured, and an answer that is not right.
pub async fn run(options: &Options, folder: &Path, program: &Path) -> Result<Vec<Table>, BoxError> {
    let (data, filled) = filled(folder, options.exchanges).await?;
    let past = Past { exchanges: filled.exchanges };
    let place = Place::new(&data, program)?;
    let mut measured: Vec<Measured> = KINDS.iter().map(|_| Measured::default()).collect();
    let mut progress = Progress::begin(0, (options.warm + 1 + options.cold) * KINDS.len() as u64, "asking");
    let chance = Chance::new(1);

    for _ in 0..options.cold {
        let mut gateway = place.start().await?;
        for (kind, measured) in KINDS.iter().zip(&mut measured) {
            cold::forget(&data)?;
            let took = ask(&mut gateway, past, kind, &chance, measured).await?;
            measured.cold.add(took);
            progress.add(1);
        }
        gateway.end().await?;
    }
    let mut gateway = place.start().await?;
    let ready_after = gateway.ready_after;
    for round in 0..=options.warm {
        for (kind, measured) in KINDS.iter().zip(&mut measured) {
            let took = ask(&mut gateway, past, kind, &chance, measured).await?;
            // The first round warms.
            if round > 0 {
                measured.warm.add(took);
            }
            progress.add(1);
        }
    }
    gateway.end().await?;
    progress.end();
    Ok(vec![times_table(&measured, options, past, ready_after), growth_table(&filled)])
}

async fn ask(gateway: &mut Gateway, past: Past, kind: &Kind, chance: &Chance, measured: &mut Measured) -> Result<Duration, BoxError> {
    let question = (kind.next)(past, chance);
    let path = question.path(past);
    let reply = gateway.ask(&path).await?;
    question.check(past, &reply.body).map_err(|wrong| format!("{}: GET {path}: {wrong}", kind.name))?;
    measured.found = measured.found.max(reply.body["exchanges"].as_array().map(Vec::len).unwrap_or_default());
    measured.examined = measured.examined.max(reply.body["examined"].as_u64().unwrap_or_default());
    Ok(reply.took)
}

fn times_table(measured: &[Measured], options: &Options, past: Past, ready_after: Duration) -> Table {
    let headings = ["question", "found", "looked at", "warm p50", "p99", "max", "cold p50", "p99", "max", "limit", "within"];
    let mut within_limits = true;
    let rows = KINDS.iter().zip(measured).map(|(kind, measured)| {
        let within = measured.warm.percentile(99).max(measured.cold.percentile(99)) <= LIMIT;
        within_limits &= within;
        let mut row = vec![kind.name.to_owned(), thousands(measured.found as u64), thousands(measured.examined)];
        for times in [&measured.warm, &measured.cold] {
            row.extend([times.percentile(50), times.percentile(99), times.max()].map(milliseconds));
        }
        row.extend([LIMIT.as_millis().to_string(), if within { "yes" } else { "NO" }.to_owned()]);
        row
    });
    let rows = rows.collect();
    Table {
        name: "search".to_owned(),
        says: format!(
            "Finding exchanges and looking into one, among {} exchanges. Milliseconds; {} questions of each kind warm, {} cold. \
             The gateway was ready after {} ms.",
            thousands(past.exchanges),
            options.warm,
            options.cold,
            milliseconds(ready_after)
        ),
        headings: headings.map(str::to_owned).to_vec(),
        rows,
        within_limits,
    }
}

/// How the journal took what it was filled with.
fn growth_table(filled: &Filled) -> Table {
    Table {
        name: "growth".to_owned(),
        says: format!(
            "How the journal took {} exchanges, each committed, leased and settled: {:.0} s in all, {} bytes for each.",
            thousands(filled.exchanges),
            filled.seconds,
            thousands(filled.bytes / filled.exchanges.max(1))
        ),
        headings: ["exchanges in the journal", "taken in a second"].map(str::to_owned).to_vec(),
        rows: filled.rates.iter().map(|(held, rate)| vec![thousands(*held), thousands(*rate as u64)]).collect(),
        within_limits: true,
    }
}
