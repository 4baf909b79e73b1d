//! The row of the journal alone: accepts in a second with so many in flight, beside PostgreSQL and Redis on the same disk in the same run.
//!
//! An accept of ours is a whole one: body, canonical record, index and evidence, its message id and business key bound, its delivery
//! queued, its head signed. PostgreSQL inserts the same body with an id and a digest, each with an index, in a transaction of its own
//! (`synchronous_commit` on, `shared_buffers` 256 MiB, prepared statements, over a Unix socket); Redis sets a random key to it
//! (`appendfsync always`). The limit is `fdatasync` after each 4 KiB of a file that was written before, one after the other: what a
//! store could do that never grouped.

use crate::exchanges::Exchanges;
use crate::past::Past;
use crate::peers::{Postgres, Redis};
use crate::progress::Progress;
use crate::table::Table;
use clap::Args;
use futures_util::future::try_join_all;
use portolan::domain::{Digest, Stored};
use portolan::fault::BoxError;
use portolan::figures::thousands;
use portolan::journal::sqlite::SqliteJournal;
use portolan::journal::{Committed, Journal};
use portolan::receipt::Keys;
use portolan::seams::SystemClock;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Accepts in flight at once.
const IN_FLIGHT: [usize; 4] = [1, 16, 64, 512];
/// Bytes of each body.
pub const BODY_BYTES: usize = 2048;
/// Bytes of the file whose syncs are the limit, and of each write in it.
const FILE_BYTES: u64 = 64 << 20;
const WRITE_BYTES: usize = 4096;

/// How the row is run.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Runs, the stores one after the other in each
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub runs: usize,
    /// Seconds of each store in each run, for each number in flight
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub seconds: u64,
}

/// Accepts in a second of each run.
#[derive(Default)]
struct Rates {
    ours: Vec<f64>,
    postgres: Vec<f64>,
    redis: Vec<f64>,
}

/// Measures, and gives the table.
///
/// # Errors
/// A peer that is not installed or does not start; the journal's failures.
pub async fn run(options: &Options, folder: &Path) -> Result<Vec<Table>, BoxError> {
    let scratch = tempfile::Builder::new().prefix("stores-").tempdir_in(fs::canonicalize(folder)?)?;
    // PostgreSQL may run as a user of its own.
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o755))?;
    let span = Duration::from_secs(options.seconds);
    let (postgres, redis) = (Postgres::start(&scratch.path().join("postgres"))?, Redis::start(&scratch.path().join("redis"))?);
    let accepts = Arc::new(Accepts::open(&scratch.path().join("journal"))?);
    let mut rates: Vec<Rates> = IN_FLIGHT.iter().map(|_| Rates::default()).collect();
    let mut limit = Vec::new();
    let mut progress = Progress::begin(0, (options.runs * (3 * IN_FLIGHT.len() + 1)) as u64, "accepting");
    for _ in 0..options.runs {
        limit.push(syncs(&scratch.path().join("synced"), span)?);
        for (in_flight, rates) in IN_FLIGHT.into_iter().zip(&mut rates) {
            rates.ours.push(ours(&accepts, in_flight, span).await?);
            rates.postgres.push(postgres.inserts(in_flight, span)?);
            rates.redis.push(redis.sets(in_flight, span)?);
            progress.add(3);
        }
        progress.add(1);
    }
    progress.end();
    Ok(vec![table(&rates, &limit, options)])
}

/// What is accepted, each time something new.
struct Accepts {
    journal: SqliteJournal,
    exchanges: Exchanges,
    next: AtomicU64,
}

impl Accepts {
    fn open(folder: &Path) -> Result<Self, BoxError> {
        fs::create_dir(folder)?;
        let keys = Keys::open_or_create(&folder.join("keys"), Arc::new(SystemClock))?;
        let journal = SqliteJournal::open(&folder.join("data"), Arc::new(keys), Arc::new(SystemClock))?;
        // More than any run accepts.
        let past = Past { exchanges: 1 << 32 };
        Ok(Self { journal, exchanges: Exchanges::of(past)?, next: AtomicU64::new(0) })
    }

    async fn accept(&self) -> Result<(), BoxError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut exchange = self.exchanges.exchange(&self.exchanges.past.facts(number))?;
        let mut body = format!("{number:020}").into_bytes();
        body.resize(BODY_BYTES, b'x');
        exchange.body_digest = Digest::of(&body);
        exchange.body = Stored::Inline(body.into());
        match self.journal.commit(exchange).await? {
            Committed::New(_) => Ok(()),
            other => Err(format!("exchange {number} is not new: {other:?}").into()),
        }
    }
}

async fn ours(accepts: &Arc<Accepts>, in_flight: usize, span: Duration) -> Result<f64, BoxError> {
    let begun = Instant::now();
    let callers = (0..in_flight).map(|_| {
        let accepts = Arc::clone(accepts);
        tokio::spawn(async move {
            let mut accepted = 0_u64;
            while begun.elapsed() < span {
                accepts.accept().await?;
                accepted += 1;
            }
            Ok::<_, BoxError>(accepted)
        })
    });
    let accepted = try_join_all(callers).await?.into_iter().sum::<Result<u64, _>>()?;
    Ok(accepted as f64 / begun.elapsed().as_secs_f64())
}

/// Syncs of a file in a second.
fn syncs(path: &Path, span: Duration) -> Result<f64, BoxError> {
    let file = File::create(path)?;
    for place in 0..FILE_BYTES / (1 << 20) {
        file.write_all_at(&[1; 1 << 20], place << 20)?;
    }
    file.sync_all()?;
    let (begun, mut synced) = (Instant::now(), 0_u64);
    while begun.elapsed() < span {
        file.write_all_at(&[2; WRITE_BYTES], synced * WRITE_BYTES as u64 % FILE_BYTES)?;
        file.sync_data()?;
        synced += 1;
    }
    Ok(synced as f64 / begun.elapsed().as_secs_f64())
}

fn table(rates: &[Rates], limit: &[f64], options: &Options) -> Table {
    let row = |(in_flight, rates): (usize, &Rates)| {
        let ratio = |peer: &[f64]| format!("{:.2}", median(&rates.ours) / median(peer).max(f64::EPSILON));
        let cells = [&rates.ours, &rates.postgres, &rates.redis].map(|rates| spread(rates));
        let [ours, postgres, redis] = cells;
        vec![in_flight.to_string(), ours, postgres, ratio(&rates.postgres), redis, ratio(&rates.redis), spread(limit)]
    };
    let headings = ["in flight", "ours", "PostgreSQL", "ours to it", "Redis", "ours to it", "fdatasync, one by one"];
    Table {
        name: "journal".to_owned(),
        says: format!(
            "Accepts of {BODY_BYTES} bytes in a second: the median of {} runs of {} s, and in brackets the least and the most.",
            options.runs, options.seconds
        ),
        headings: headings.map(str::to_owned).to_vec(),
        rows: IN_FLIGHT.into_iter().zip(rates).map(row).collect(),
        within_limits: true,
    }
}

fn sorted(rates: &[f64]) -> Vec<f64> {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(rates: &[f64]) -> f64 {
    sorted(rates).get(rates.len() / 2).copied().unwrap_or_default()
}

fn spread(rates: &[f64]) -> String {
    let sorted = sorted(rates);
    let whole = |rate: Option<&f64>| thousands(rate.copied().unwrap_or_default() as u64);
    format!("{} ({}–{})", thousands(median(rates) as u64), whole(sorted.first()), whole(sorted.last()))
}
