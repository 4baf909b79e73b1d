//! `portolan ops alarms`: what is open, and what operators say of it.

use super::super::desk::Desk;
use super::super::exit;
use super::{Common, change, look, shown};
use serde_json::{Map, Value, json};

/// `portolan ops alarms`.
#[derive(Debug, clap::Subcommand)]
pub enum Alarms {
    /// The alarms that are open, oldest first; with --all closed ones too, newest first. So without a command
    List(List),
    /// Take an alarm on, so that the others see who has it
    Acknowledge(Say),
    /// Keep what was found and done about an alarm, also once it is closed
    Note(Say),
}

/// `portolan ops alarms list`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Closed ones too, newest first
    #[arg(long)]
    all: bool,
    /// Alarms to list with --all
    #[arg(long, value_name = "NUMBER", default_value_t = 50, requires = "all")]
    rows: usize,
    #[command(flatten)]
    common: Common,
}

/// `portolan ops alarms acknowledge` and `note`.
#[derive(Debug, clap::Args)]
pub struct Say {
    /// The alarm's number
    #[arg(value_name = "NUMBER")]
    alarm: u64,
    /// What is to be said; kept by the gateway with your name
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    common: Common,
}

impl From<List> for Alarms {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

/// Runs it.
///
/// # Errors
/// Why there is no answer, or nothing was changed, in words.
pub async fn run(command: &Alarms) -> Result<u8, String> {
    match command {
        Alarms::List(args) if args.all => all(args).await,
        Alarms::List(args) => look(&args.common, "/v1/alarms", shown::alarms).await,
        Alarms::Acknowledge(args) => say(args, "acknowledge").await,
        Alarms::Note(args) => say(args, "note").await,
    }
}

async fn say(args: &Say, act: &str) -> Result<u8, String> {
    change(&args.common, &format!("/v1/alarms/{}/{act}", args.alarm), &args.reason, &Map::new()).await
}

/// Follows the pages until there is enough.
async fn all(args: &List) -> Result<u8, String> {
    let desk = Desk::new(&args.common.access, args.common.language)?;
    let (mut found, mut before) = (Vec::new(), "last".to_owned());
    loop {
        let page = desk.get(&format!("/v1/alarms?before={before}")).await?;
        found.extend(page["alarms"].as_array().cloned().unwrap_or_default());
        match page["next_before"].as_u64() {
            Some(next) if found.len() < args.rows => before = next.to_string(),
            _ => break,
        }
    }
    found.truncate(args.rows);
    let answer: Value = json!({ "alarms": found });
    println!("{}", if args.common.json { answer.to_string() } else { shown::alarms(&answer, &desk) });
    Ok(exit::GOOD)
}
