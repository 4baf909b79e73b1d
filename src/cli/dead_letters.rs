//! `portolan dead-letters`: what an operator does about deliveries that were given up.

use super::call::Access;
use super::desk::{self, Desk, plain};
use super::exit;
use super::terminal::{Language, Paint, table};
use crate::domain::{DeliveryId, DestinationId};
use crate::http::query::percent_encoded;
use portolan_contract::Words;
use serde::Deserialize;
use serde_json::Map;
use std::process::ExitCode;

/// What `--help` shows last.
pub const GROUP_EXAMPLE: &str = "\
Example:
  portolan dead-letters list --url https://localhost:8444 \\
    --cert operator.pem --key operator.key --ca gateway-ca.pem

  portolan dead-letters resend 0197c3… --reason \"receiver repaired, ticket 4711\" --url …";

/// What `--help` says.
pub const GROUP_ABOUT: &str = "\
List, resend or waive deliveries that were given up

A delivery that its receiver refused, or did not acknowledge in time, becomes a dead letter (投递失败待处理): nothing is lost, \
and nothing is sent until someone decides. In an ordered flow everything behind it waits too.

First see why: `list` shows the fault and the receiver's answer, and `portolan explain CODE` what to do about it. Then \
resend what the receiver can take now, or waive what it has got in another way. Both ask for a reason, which the gateway \
keeps with your name.

These calls go to the operators' listener, with an operator's certificate.";

const LIST_EXAMPLE: &str = "\
Examples:
  portolan dead-letters list --url https://localhost:8444 \\
    --cert operator.pem --key operator.key --ca gateway-ca.pem

  portolan dead-letters list … --destination tax-bureau/payments    of one destination";

const RESEND_ABOUT: &str = "\
Queue dead letters again

Each goes out at once, under the same id and with the same bytes, so that a receiver which has it already can tell. The \
span after which it is given up begins anew.";

const RESEND_EXAMPLE: &str = "\
Example: two at once, oldest first
  portolan dead-letters resend 0197c3… 0197c4… --reason \"receiver repaired, ticket 4711\" \\
    --url https://localhost:8444 --cert operator.pem --key operator.key --ca gateway-ca.pem

Exit codes: 0 all are queued, 1 some are not.";

const WAIVE_ABOUT: &str = "\
Give dead letters up for good

The receiver never gets them from this gateway. In an ordered flow the deliveries behind them go on. This cannot be undone.";

const WAIVE_EXAMPLE: &str = "\
Example:
  portolan dead-letters waive 0197c3… --reason \"handed over on paper, receipt 88/2026\" \\
    --url https://localhost:8444 --cert operator.pem --key operator.key --ca gateway-ca.pem

Exit codes: 0 all are waived, 1 some are not.";

/// Pages that are listed; each is as long as the gateway makes it.
const PAGES_MAX: usize = 50;

/// `portolan dead-letters`.
#[derive(Debug, clap::Subcommand)]
pub enum DeadLetters {
    /// List dead letters, with the fault and the receiver's answer
    #[command(after_help = LIST_EXAMPLE)]
    List(List),
    /// Queue dead letters again
    #[command(long_about = RESEND_ABOUT, after_help = RESEND_EXAMPLE)]
    Resend(Decide),
    /// Give dead letters up for good
    #[command(long_about = WAIVE_ABOUT, after_help = WAIVE_EXAMPLE)]
    Waive(Decide),
}

/// `portolan dead-letters list`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only those of this destination
    #[arg(long, value_name = "PARTNER/PLACE")]
    destination: Option<DestinationId>,
    #[command(flatten)]
    access: Access,
    /// The language of what is shown; by the locale unless given
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<Language>,
}

/// `portolan dead-letters resend` and `waive`.
#[derive(Debug, clap::Args)]
pub struct Decide {
    /// The deliveries, by their ids from the list
    #[arg(value_name = "ID", required = true)]
    deliveries: Vec<DeliveryId>,
    /// Why; kept by the gateway with your name
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    access: Access,
    /// The language of what is shown; by the locale unless given
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<Language>,
}

/// A page of the list.
#[derive(Debug, Deserialize)]
struct Page {
    dead_letters: Vec<DeadLetter>,
    next_after: Option<DeliveryId>,
}

#[derive(Debug, Deserialize)]
struct DeadLetter {
    delivery: DeliveryId,
    to: DestinationId,
    records: u64,
    attempts: u32,
    fault: Option<String>,
    detail: Option<String>,
    answer: Option<String>,
}

/// Runs it.
pub fn run(command: &DeadLetters) -> ExitCode {
    desk::run(async {
        match command {
            DeadLetters::List(args) => list(args).await,
            DeadLetters::Resend(args) => decide(args, "resend", &Words::new("已重新投递", "resent")).await,
            DeadLetters::Waive(args) => decide(args, "waive", &Words::new("已免除", "waived")).await,
        }
    })
}

async fn list(args: &List) -> Result<u8, String> {
    let desk = Desk::new(&args.access, args.language)?;
    let zh = desk.zh;
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let page = page(&desk, args.destination.as_ref(), after).await?;
        found.extend(page.dead_letters);
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    match (found.is_empty(), zh) {
        (true, true) => println!("没有投递失败待处理"),
        (true, false) => println!("there are no dead letters"),
        (false, _) => println!("{}", shown(&found, zh)),
    }
    match (after, zh) {
        (None, _) => {}
        (Some(_), true) => println!("还有更多，请先处理以上各项"),
        (Some(_), false) => println!("there are more; deal with these first"),
    }
    Ok(exit::GOOD)
}

async fn page(desk: &Desk, to: Option<&DestinationId>, after: Option<DeliveryId>) -> Result<Page, String> {
    let destination = to.map(|to| format!("destination={}", percent_encoded(&to.to_string())));
    let pairs = [destination, after.map(|id| format!("after={id}"))];
    let query = pairs.into_iter().flatten().collect::<Vec<_>>().join("&");
    let path = if query.is_empty() { "/v1/dead-letters".to_owned() } else { format!("/v1/dead-letters?{query}") };
    serde_json::from_value(desk.get(&path).await?).map_err(|error| format!("not an answer of this gateway: {error}"))
}

fn shown(found: &[DeadLetter], zh: bool) -> String {
    let headings =
        if zh { ["投递", "目的地", "记录", "尝试", "原因"] } else { ["delivery", "destination", "records", "attempts", "why"] };
    let rows = found.iter().map(|letter| {
        [letter.delivery.to_string(), letter.to.to_string(), letter.records.to_string(), letter.attempts.to_string(), why(letter)]
    });
    table(headings, rows).to_string()
}

/// Fault, detail and answer in a cell. Text of others may hold what steers a terminal.
fn why(letter: &DeadLetter) -> String {
    let texts = [letter.fault.as_deref(), letter.detail.as_deref(), letter.answer.as_deref()];
    let lines: Vec<String> = texts.into_iter().flatten().filter(|text| !text.is_empty()).map(plain).collect();
    lines.join("\n")
}

/// Decides about each delivery in turn; one that cannot be had does not keep the rest.
async fn decide(args: &Decide, act: &str, done: &Words) -> Result<u8, String> {
    let desk = Desk::new(&args.access, args.language)?;
    let mut code = exit::GOOD;
    for delivery in &args.deliveries {
        match desk.change(&format!("/v1/deliveries/{delivery}/{act}"), &args.reason, &Map::new()).await {
            Ok(_) => println!("{delivery} {}", desk.say(&done.zh, &done.en)),
            Err(why) => {
                eprintln!("{} {delivery}: {why}", Paint::stderr().red("error:"));
                code = exit::FAILED;
            }
        }
    }
    Ok(code)
}
