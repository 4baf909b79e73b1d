//! `portolan ops candidates`: candidate mappings, run against accepted traffic, then promoted or dropped.

use super::super::desk::Desk;
use super::super::exit;
use super::{Common, change, change_shown, look, shown};
use crate::domain::{Digest, Name};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How often it is asked whether a run has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// `portolan ops candidates`.
#[derive(Debug, clap::Subcommand)]
pub enum Candidates {
    /// The candidates, whether they hold, and what their latest runs found. So without a command
    List(Common),
    /// One candidate: its problems, the lines in which it differs, and what its latest run found
    Show(One),
    /// Read accepted traffic again with a candidate, and tell in what it differs; yesterday's unless given
    Run(Run),
    /// End a run
    Cancel(One),
    /// Propose that a candidate takes the place of its mapping; another administrator must approve
    Promote(Promote),
    /// Put a candidate aside
    Drop(Drop),
}

/// Which candidate.
#[derive(Debug, clap::Args)]
pub struct One {
    /// The mapping whose place it is to take
    #[arg(value_name = "MAPPING")]
    mapping: Name,
    #[command(flatten)]
    common: Common,
}

/// `portolan ops candidates run`.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// What was received on this business day, such as 2026-07-01
    #[arg(long, value_name = "DAY", conflicts_with_all = ["received_from", "received_to"])]
    day: Option<Date>,
    /// Received at or after, such as 2026-07-01T00:00:00+08:00
    #[arg(long, value_name = "TIME", requires = "received_to")]
    received_from: Option<Timestamp>,
    /// Received before
    #[arg(long, value_name = "TIME", requires = "received_from")]
    received_to: Option<Timestamp>,
    /// Wait until it has ended
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    one: One,
}

/// `portolan ops candidates promote`.
#[derive(Debug, clap::Args)]
pub struct Promote {
    /// The digest that was run, as the run tells it
    #[arg(long, value_name = "DIGEST")]
    sha256: Digest,
    #[command(flatten)]
    drop: Drop,
}

/// `portolan ops candidates drop`.
#[derive(Debug, clap::Args)]
pub struct Drop {
    /// Why; kept by the gateway with your name
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    one: One,
}

impl From<Common> for Candidates {
    fn from(common: Common) -> Self {
        Self::List(common)
    }
}

/// Runs it.
///
/// # Errors
/// Why there is no answer, or nothing was changed, in words.
pub async fn run(command: &Candidates) -> Result<u8, String> {
    match command {
        Candidates::List(common) => look(common, "/v1/candidates", shown::candidates).await,
        Candidates::Show(one) => look(&one.common, &one.path(""), shown::candidate).await,
        Candidates::Run(args) => begin(args).await,
        Candidates::Cancel(one) => change_shown(&one.common, &one.path("/cancel"), "", &Map::new(), shown::asked_for).await,
        Candidates::Promote(args) => {
            let fields = Map::from_iter([("sha256".to_owned(), json!(args.sha256))]);
            change(&args.drop.one.common, &args.drop.one.path("/promote"), &args.drop.reason, &fields).await
        }
        Candidates::Drop(args) => change(&args.one.common, &args.one.path("/drop"), &args.reason, &Map::new()).await,
    }
}

impl One {
    fn path(&self, act: &str) -> String {
        format!("/v1/candidates/{}{act}", self.mapping)
    }
}

/// Begins a run, and waits for its end where that is asked for. A run that fails or is cancelled is a failure here too.
async fn begin(args: &Run) -> Result<u8, String> {
    let given = [
        ("day", args.day.map(|day| day.to_string())),
        ("received_from", args.received_from.map(|at| at.to_string())),
        ("received_to", args.received_to.map(|at| at.to_string())),
    ];
    let fields = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect();
    let common = &args.one.common;
    if !args.wait {
        return change_shown(common, &args.one.path("/run"), "", &fields, shown::asked_for).await;
    }
    let desk = Desk::new(&common.access, common.language)?;
    desk.change(&args.one.path("/run"), "", &fields).await?;
    let ended: Value = loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let answer = desk.get(&args.one.path("")).await?;
        if answer["run"]["state"] != "running" {
            break answer;
        }
    };
    println!("{}", if common.json { ended.to_string() } else { shown::candidate(&ended, &desk) });
    Ok(if ended["run"]["state"] == "finished" { exit::GOOD } else { exit::FAILED })
}
