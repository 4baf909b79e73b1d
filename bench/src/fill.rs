//! Fills a journal with a [`Past`], through the journal's own code: exchanges are committed in groups as large as the writer
//! takes them, deliveries are leased and settled as a worker would. Bodies are small and inline.
//!
//! A filled folder is kept, with [`FILLED`] in it, and used again by whoever asks for as much or less. What is not there yet is
//! added, and a filling that was ended goes on where it was.

use crate::exchanges::Exchanges;
use crate::past::{Delivered, FLOWS, Past, PastClock, number_at};
use crate::progress::Progress;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::SignedDuration;
use portolan::data::DataFolder;
use portolan::domain::DestinationId;
use portolan::fault::BoxError;
use portolan::journal::search::Search;
use portolan::journal::sqlite::{GROUP_CALLS_MAX, Options, SqliteJournal};
use portolan::journal::{Committed, Journal, Lease, Settlement};
use portolan::receipt::Keys;
use portolan::receipt::keys::keys_folder;
use portolan::seams::Clock;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Says that a folder is filled whole, and how that went.
pub const FILLED: &str = "filled.json";
/// Exchanges that are committed before their deliveries are settled.
const BLOCK: u64 = 16 * 1024;
/// Calls that wait for the writer at once: two groups, so that one is ready when the other is done.
const CALLS_AT_ONCE: usize = 2 * GROUP_CALLS_MAX;
/// Leases of one call.
const LEASES: usize = 256;
/// How long after its receipt a delivery was acknowledged.
const DELIVERY_MS: i64 = 40;
/// When what failed once is tried again: in no run.
const RETRY_DAYS: i64 = 9 * 365;

/// How a filling went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filled {
    /// Exchanges.
    pub exchanges: u64,
    /// How long it took.
    pub seconds: f64,
    /// Exchanges in a second, deliveries settled, in each tenth of it; with how many there were at its end.
    pub rates: Vec<(u64, f64)>,
    /// Bytes that the folder holds.
    pub bytes: u64,
}

/// A data folder with a journal of so many exchanges or more, filled now as far as it is not.
///
/// # Errors
/// A folder that cannot be used; the journal's failures.
pub async fn filled(folder: &Path, exchanges: u64) -> Result<(PathBuf, Filled), BoxError> {
    let data = folder.join("journal");
    let mark = data.join(FILLED);
    let before: Filled = if mark.exists() { serde_json::from_slice(&fs::read(&mark)?)? } else { Filled::default() };
    if before.exchanges >= exchanges {
        return Ok((data, before));
    }
    let begun = Instant::now();
    let rates = fill(&data, exchanges).await?;
    let filled = Filled {
        exchanges,
        seconds: before.seconds + begun.elapsed().as_secs_f64(),
        rates: [before.rates, rates].concat(),
        bytes: bytes_of(&data)?,
    };
    fs::write(mark, serde_json::to_vec_pretty(&filled)?)?;
    Ok((data, filled))
}

fn bytes_of(folder: &Path) -> Result<u64, BoxError> {
    fs::read_dir(folder)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}

async fn fill(data: &Path, exchanges: u64) -> Result<Vec<(u64, f64)>, BoxError> {
    let folder = DataFolder::take(data)?;
    let mut from = newest(data).await?.map_or(0, |newest| newest / BLOCK * BLOCK);
    let clock = Arc::new(PastClock::at(from));
    let keys = Arc::new(Keys::open_or_create(&keys_folder(data), clock.clone())?);
    let journal = SqliteJournal::open_in(folder, keys, clock.clone(), Options::default())?;
    let filler = Filler { clock, journal, exchanges: Exchanges::of(Past { exchanges })? };
    let mut progress = Progress::begin(from, exchanges, "filling the journal");
    while from < exchanges {
        let to = (from + BLOCK).min(exchanges);
        filler.commit(from..to).await?;
        filler.deliver().await?;
        progress.add(to - from);
        from = to;
    }
    Ok(progress.end())
}

/// The newest exchange of a folder that may have a journal.
async fn newest(data: &Path) -> Result<Option<u64>, BoxError> {
    if !data.join("journal.db").exists() {
        return Ok(None);
    }
    let found = SqliteJournal::look(data)?.search(Search { rows_max: 1, ..Search::default() }).await?;
    Ok(found.exchanges.first().map(|newest| number_at(newest.received_at)))
}

struct Filler {
    clock: Arc<PastClock>,
    journal: SqliteJournal,
    exchanges: Exchanges,
}

impl Filler {
    async fn commit(&self, numbers: std::ops::Range<u64>) -> Result<(), BoxError> {
        let commits = stream::iter(numbers).map(|number| async move {
            let facts = self.exchanges.past.facts(number);
            self.clock.reach(facts.received_ms);
            match self.journal.commit(self.exchanges.exchange(&facts)?).await? {
                // A repeat is of the block at which an earlier filling ended.
                Committed::New(_) | Committed::Repeat(_) => Ok::<_, BoxError>(()),
                other => Err(format!("exchange {number} is another's: {other:?}").into()),
            }
        });
        commits.buffer_unordered(CALLS_AT_ONCE).try_collect().await
    }

    /// Settles everything that is due.
    async fn deliver(&self) -> Result<(), BoxError> {
        let destinations = FLOWS.iter().map(|(_, to)| Ok(to.parse::<DestinationId>()?)).collect::<Result<Vec<_>, BoxError>>()?;
        let each = stream::iter(destinations).map(|to| async move {
            loop {
                let now = self.clock.now();
                let leases = self.journal.lease(&to, now, now + SignedDuration::from_hours(1), LEASES).await?;
                if leases.is_empty() {
                    return Ok::<_, BoxError>(());
                }
                let settled = stream::iter(leases).map(|lease| self.settle(lease)).buffer_unordered(LEASES);
                settled.try_collect::<()>().await?;
            }
        });
        each.buffer_unordered(FLOWS.len()).try_collect().await
    }

    async fn settle(&self, lease: Lease) -> Result<(), BoxError> {
        let past = self.exchanges.past;
        let facts = past.facts(number_at(lease.received_at));
        let at = lease.received_at + SignedDuration::from_millis(DELIVERY_MS);
        let settlement = match facts.delivered {
            Some(Delivered::Acknowledged) => Settlement::Acknowledged(Default::default()),
            Some(Delivered::Dead) => Settlement::Dead {
                fault: "delivery.refused".to_owned(),
                detail: "HTTP 422".to_owned(),
                answer: Some("{\"error\":\"the account is closed\"}".to_owned()),
            },
            Some(Delivered::Waiting) => Settlement::RetryAt {
                at: at + SignedDuration::from_hours(24 * RETRY_DAYS),
                fault: "delivery.failing".to_owned(),
                detail: "HTTP 503".to_owned(),
                answer: None,
            },
            None => return Err(format!("exchange {} has a delivery", facts.number).into()),
        };
        match self.journal.settle(lease.delivery, lease.token, at, settlement).await? {
            true => Ok(()),
            false => Err("a lease was lost".into()),
        }
    }
}
