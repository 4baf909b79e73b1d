//! `portolan ops`: what operators look at and do, from the command line.

mod alarms;
mod candidates;
mod cells;
mod feeds;
mod handover;
mod shown;
mod unnamed;
mod words;

use super::call::Access;
use super::desk::{self, Desk};
use super::exit;
use super::terminal::Language;
use crate::domain::{DestinationId, ExchangeId, FlowId, Name, PartnerId};
use crate::http::query::percent_encoded;
use crate::journal::acts::Pausable;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use unnamed::Unnamed;

/// Findings of an exchange that are shown with it.
const FINDINGS_SHOWN: usize = 20;

/// What `--help` shows last.
pub const GROUP_EXAMPLE: &str = "\
Examples:
  access=\"--url https://localhost:8444 --cert operator.pem --key operator.key --ca gateway-ca.pem\"
  portolan ops status $access
  portolan ops partners bank-a $access
  portolan ops flows payment-confirmation --month $access
  portolan ops exchanges --partner bank-a --verdict refused $access
  portolan ops resend --destination tax-bureau/payments --preview $access
  portolan ops alarms acknowledge 7 --reason \"the receiver was called\" $access
  portolan ops pause flow/payment-confirmation --reason \"the mapping is being mended\" $access
  portolan ops handover --reason \"bank-a sends again at 18:00\" $access";

/// What `--help` says.
pub const GROUP_ABOUT: &str = "\
Look after a running gateway: status, exchanges, dead letters, alarms, pauses, changes, handovers

These calls go to the operators' listener, with an operator's certificate. What changes something asks for a reason, which \
the gateway keeps with your name; what is over its threshold waits for a second operator.

Tables are for people: times are 24-hour, of Asia/Shanghai. --json gives what the gateway answered, for scripts: times \
are of UTC.";

/// `portolan ops`.
#[derive(Debug, clap::Subcommand)]
pub enum Ops {
    /// How the gateway stands: flows, destinations, pauses, what ends soon, the chain of evidence
    Status(Common),
    /// Each partner: last seen, the last 24 hours, what waits for it, certificates; with a name, that one: also rules, schedule, limits
    Partners(Span),
    /// What each partner has sent under each flow; with a name, that one: the last 24 hours, rules, schedule, routes
    Flows(Span),
    /// Find exchanges, newest first
    Exchanges(Box<Exchanges>),
    /// One exchange: its records, its life, its first findings, its deliveries with each attempt and answer
    Show(Show),
    /// Queue dead letters again, picked by what they have in common
    Resend(Box<Resend>),
    /// Give dead letters up for good, picked by what they have in common
    Waive(Box<Waive>),
    /// Alarms: list, acknowledge, note
    Alarms(Unnamed<alarms::Alarms, alarms::List>),
    /// The handover: what is open, and the notes of the shifts before; with a reason, leave a note to the next shift
    Handover(handover::Handover),
    /// Which configuration is in force, and what changed, newest first
    Changes(Common),
    /// Candidate mappings: run them against accepted traffic, promote or drop them
    Candidates(Unnamed<candidates::Candidates, Common>),
    /// Reconciliations: how many matters meet and do not; with a name, which
    Reconciliation(Reconciliation),
    /// Pause a flow or a destination
    Pause(Pause),
    /// Resume a flow or a destination
    Resume(Pause),
    /// The log of administrative acts, newest first
    Acts(Acts),
    /// Do what another operator proposed
    Approve(Decide),
    /// Let a proposal fall
    Reject(Decide),
}

/// What every command takes.
#[derive(Debug, clap::Args)]
pub struct Common {
    #[command(flatten)]
    access: Access,
    /// The language of what is shown; by the locale unless given
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<Language>,
    /// Print what the gateway answered
    #[arg(long)]
    json: bool,
}

/// `portolan ops partners` and `flows`.
#[derive(Debug, clap::Args)]
pub struct Span {
    /// This one
    #[arg(value_name = "NAME")]
    name: Option<Name>,
    /// Its last 31 days instead of 24 hours
    #[arg(long, requires = "name")]
    month: bool,
    #[command(flatten)]
    common: Common,
}

/// `portolan ops exchanges`.
#[derive(Debug, clap::Args)]
pub struct Exchanges {
    /// Of this partner
    #[arg(long, value_name = "PARTNER")]
    partner: Option<PartnerId>,
    /// Under this flow
    #[arg(long, value_name = "FLOW")]
    flow: Option<FlowId>,
    /// With this message id
    #[arg(long, value_name = "TEXT")]
    message_id: Option<String>,
    /// Whose record has this business key: the fields of the canonical record's key as JSON; with partner and flow
    #[arg(long, value_name = "JSON")]
    business_key: Option<String>,
    /// With a finding by this rule
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Refused whole with this code
    #[arg(long, value_name = "CODE")]
    fault: Option<String>,
    /// accepted, in-part or refused
    #[arg(long, value_name = "VERDICT")]
    verdict: Option<String>,
    /// With a delivery that is a dead letter
    #[arg(long)]
    dead: bool,
    /// Received at or after, such as 2026-07-01T00:00:00+08:00
    #[arg(long, value_name = "TIME")]
    received_from: Option<Timestamp>,
    /// Received before
    #[arg(long, value_name = "TIME")]
    received_to: Option<Timestamp>,
    /// Exchanges to list
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    rows: usize,
    #[command(flatten)]
    common: Common,
}

/// `portolan ops show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The exchange
    #[arg(value_name = "ID")]
    exchange: ExchangeId,
    #[command(flatten)]
    common: Common,
}

/// Which dead letters.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true, id = "pick")]
pub struct Picked {
    /// To this destination
    #[arg(long, value_name = "PARTNER/PLACE")]
    destination: Option<DestinationId>,
    /// Of what this partner sent
    #[arg(long, value_name = "PARTNER")]
    partner: Option<PartnerId>,
    /// Of this flow
    #[arg(long, value_name = "FLOW")]
    flow: Option<FlowId>,
    /// That failed last with this code
    #[arg(long, value_name = "CODE")]
    fault: Option<String>,
    /// Received at or after
    #[arg(long, value_name = "TIME")]
    received_from: Option<Timestamp>,
    /// Received before
    #[arg(long, value_name = "TIME")]
    received_to: Option<Timestamp>,
    /// All there are
    #[arg(long)]
    everything: bool,
}

/// `portolan ops resend`.
#[derive(Debug, clap::Args)]
pub struct Resend {
    /// So many a second
    #[arg(long, value_name = "NUMBER")]
    per_second: Option<u32>,
    #[command(flatten)]
    waive: Waive,
}

/// `portolan ops waive`.
#[derive(Debug, clap::Args)]
pub struct Waive {
    #[command(flatten)]
    picked: Picked,
    /// Only tell what would happen
    #[arg(long)]
    preview: bool,
    /// Why; kept by the gateway with your name
    #[arg(long, value_name = "TEXT", required_unless_present = "preview")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// `portolan ops reconciliation`.
#[derive(Debug, clap::Args)]
pub struct Reconciliation {
    /// List the matters of this one
    #[arg(value_name = "NAME")]
    name: Option<Name>,
    /// matched, waiting, late, unmatched, amount-different or settled
    #[arg(long, value_name = "STATE", requires = "name")]
    state: Option<String>,
    /// With this key
    #[arg(long, value_name = "KEY", requires = "name")]
    matter: Option<String>,
    /// Matters to list
    #[arg(long, value_name = "NUMBER", default_value_t = 50, requires = "name")]
    rows: usize,
    /// Settle the matter with the given key, which does not meet and has been explained
    #[arg(long, requires_all = ["name", "matter", "reason"], conflicts_with = "state")]
    settle: bool,
    /// Why; kept by the gateway with your name
    #[arg(long, value_name = "TEXT", requires = "settle")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// `portolan ops pause` and `resume`.
#[derive(Debug, clap::Args)]
pub struct Pause {
    /// flow/NAME or destination/PARTNER/PLACE
    #[arg(value_name = "WHAT")]
    what: Pausable,
    /// Why; kept by the gateway with your name
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    common: Common,
}

/// `portolan ops acts`.
#[derive(Debug, clap::Args)]
pub struct Acts {
    /// Only proposals that wait for a second operator
    #[arg(long)]
    waiting: bool,
    #[command(flatten)]
    common: Common,
}

/// `portolan ops approve` and `reject`.
#[derive(Debug, clap::Args)]
pub struct Decide {
    /// The proposal's number
    #[arg(value_name = "NUMBER")]
    proposal: u64,
    /// Why; kept by the gateway with your name
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    common: Common,
}

/// Runs it.
pub fn run(command: &Ops) -> ExitCode {
    desk::run(async {
        match command {
            Ops::Status(common) => look(common, "/status.json", shown::status).await,
            Ops::Partners(args) => partners(args).await,
            Ops::Flows(args) => flows(args).await,
            Ops::Exchanges(args) => exchanges(args).await,
            Ops::Show(args) => show(args).await,
            Ops::Resend(args) => {
                let per_second = args.per_second.map(|rate| ("per_second".to_owned(), json!(rate)));
                dead_letters(&args.waive, "resend", per_second).await
            }
            Ops::Waive(args) => dead_letters(args, "waive", None).await,
            Ops::Alarms(group) => alarms::run(&group.command).await,
            Ops::Handover(args) => handover::run(args).await,
            Ops::Changes(common) => look(common, "/v1/configuration", shown::changes).await,
            Ops::Candidates(group) => candidates::run(&group.command).await,
            Ops::Reconciliation(args) => reconciliation(args).await,
            Ops::Pause(args) => change(&args.common, &format!("{}/pause", path_of(&args.what)), &args.reason, &Map::new()).await,
            Ops::Resume(args) => change(&args.common, &format!("{}/resume", path_of(&args.what)), &args.reason, &Map::new()).await,
            Ops::Acts(args) => look(&args.common, if args.waiting { "/v1/acts?waiting=true" } else { "/v1/acts" }, shown::acts).await,
            Ops::Approve(args) => change(&args.common, &format!("/v1/acts/{}/approve", args.proposal), &args.reason, &Map::new()).await,
            Ops::Reject(args) => change(&args.common, &format!("/v1/acts/{}/reject", args.proposal), &args.reason, &Map::new()).await,
        }
    })
}

/// Prints what is at a path.
async fn look(common: &Common, path: &str, shown: impl Fn(&Value, &Desk) -> String) -> Result<u8, String> {
    let desk = Desk::new(&common.access, common.language)?;
    let answer = desk.get(path).await?;
    println!("{}", if common.json { answer.to_string() } else { shown(&answer, &desk) });
    Ok(exit::GOOD)
}

/// Asks for a change and prints what came of it.
async fn change(common: &Common, path: &str, reason: &str, fields: &Map<String, Value>) -> Result<u8, String> {
    change_shown(common, path, reason, fields, shown::changed).await
}

/// The same, with what came of it shown in another way.
async fn change_shown(
    common: &Common,
    path: &str,
    reason: &str,
    fields: &Map<String, Value>,
    shown: impl Fn(&Value, &Desk) -> String,
) -> Result<u8, String> {
    let desk = Desk::new(&common.access, common.language)?;
    let answer = desk.change(path, reason, fields).await?;
    println!("{}", if common.json { answer.to_string() } else { shown(&answer, &desk) });
    Ok(exit::GOOD)
}

async fn partners(args: &Span) -> Result<u8, String> {
    match &args.name {
        Some(name) => look(&args.common, &format!("/v1/partners/{name}?span={}", args.span()), feeds::partner).await,
        None => look(&args.common, "/v1/partners", feeds::partners).await,
    }
}

async fn flows(args: &Span) -> Result<u8, String> {
    if let Some(name) = &args.name {
        return look(&args.common, &format!("/v1/flows/{name}?span={}", args.span()), feeds::flow).await;
    }
    let desk = Desk::new(&args.common.access, args.common.language)?;
    let answer = json!({ "flows": desk.get("/status.json").await?["flows"] });
    println!("{}", if args.common.json { answer.to_string() } else { feeds::flows(&answer, &desk) });
    Ok(exit::GOOD)
}

async fn exchanges(args: &Exchanges) -> Result<u8, String> {
    let desk = Desk::new(&args.common.access, args.common.language)?;
    let path = |rows: usize, before: Option<String>| args.path(rows, before.as_deref());
    let (found, before) = follow(&desk, "exchanges", args.rows, path, |next| next.as_str().map(str::to_owned)).await?;
    let answer = json!({ "exchanges": found, "next_before": before });
    println!("{}", if args.common.json { answer.to_string() } else { shown::exchanges(&answer, &desk) });
    Ok(exit::GOOD)
}

async fn reconciliation(args: &Reconciliation) -> Result<u8, String> {
    let Some(name) = &args.name else { return look(&args.common, "/v1/reconciliations", shown::reconciliations).await };
    if let (true, Some(key), Some(reason)) = (args.settle, &args.matter, &args.reason) {
        let fields = Map::from_iter([("key".to_owned(), json!(key))]);
        return change(&args.common, &format!("/v1/reconciliations/{name}/settle"), reason, &fields).await;
    }
    let desk = Desk::new(&args.common.access, args.common.language)?;
    let path = |rows: usize, before: Option<u64>| {
        let before = before.map(|number| number.to_string());
        let given = [("state", args.state.clone()), ("key", args.matter.clone()), ("before", before), ("rows", Some(rows.to_string()))];
        let given: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        format!("/v1/reconciliations/{name}/matters?{}", query(&given))
    };
    let (found, before) = follow(&desk, "matters", args.rows, path, Value::as_u64).await?;
    let answer = json!({ "matters": found, "next_before": before });
    println!("{}", if args.common.json { answer.to_string() } else { shown::matters(&answer, &desk) });
    Ok(exit::GOOD)
}

/// Follows the pages of a list until there is enough: a page may be short and not be the last. `path` is that of so many more
/// rows, before the last one that is known. Also returns before what there is more.
async fn follow<B>(
    desk: &Desk,
    list: &str,
    rows: usize,
    path: impl Fn(usize, Option<B>) -> String,
    cursor: impl Fn(&Value) -> Option<B>,
) -> Result<(Vec<Value>, Option<B>), String> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = desk.get(&path(rows - found.len(), before)).await?;
        found.extend(page[list].as_array().cloned().unwrap_or_default());
        before = cursor(&page["next_before"]);
        if before.is_none() || found.len() >= rows {
            found.truncate(rows);
            return Ok((found, before));
        }
    }
}

async fn show(args: &Show) -> Result<u8, String> {
    let desk = Desk::new(&args.common.access, args.common.language)?;
    let mut answer = desk.get(&format!("/v1/exchanges/{}", args.exchange)).await?;
    let deliveries = desk.get(&format!("/v1/exchanges/{}/deliveries", args.exchange)).await?;
    answer["latest_deliveries"] = deliveries["deliveries"].clone();
    let counts = &answer["counts"];
    // An exchange of which everything was taken in without a warning has none.
    if answer["fault"].is_string() || counts["refused"].as_u64() > Some(0) || counts["warnings"].as_u64() > Some(0) {
        answer["first_findings"] = desk.get(&format!("/v1/exchanges/{}/findings?rows={FINDINGS_SHOWN}", args.exchange)).await?;
    }
    println!("{}", if args.common.json { answer.to_string() } else { shown::exchange(&answer, &desk) });
    Ok(exit::GOOD)
}

async fn dead_letters(args: &Waive, act: &str, more: Option<(String, Value)>) -> Result<u8, String> {
    let fields = args.picked.fields();
    match (&args.reason, args.preview) {
        (Some(reason), false) => {
            let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).chain(more).collect();
            change(&args.common, &format!("/v1/dead-letters/{act}"), reason, &fields).await
        }
        _ => look(&args.common, &format!("/v1/dead-letters/preview?{}", query(&fields)), shown::preview).await,
    }
}

impl Span {
    fn span(&self) -> &'static str {
        if self.month { "month" } else { "day" }
    }
}

impl Exchanges {
    fn path(&self, rows: usize, before: Option<&str>) -> String {
        let given = [
            ("partner", self.partner.as_ref().map(ToString::to_string)),
            ("flow", self.flow.as_ref().map(ToString::to_string)),
            ("message_id", self.message_id.clone()),
            ("business_key", self.business_key.clone()),
            ("rule", self.rule.clone()),
            ("fault", self.fault.clone()),
            ("verdict", self.verdict.clone()),
            ("deliveries", self.dead.then(|| "dead-letter".to_owned())),
            ("received_from", self.received_from.map(|at| at.to_string())),
            ("received_to", self.received_to.map(|at| at.to_string())),
            ("before", before.map(str::to_owned)),
            ("rows", Some(rows.to_string())),
        ];
        let given: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        format!("/v1/exchanges?{}", query(&given))
    }
}

impl Picked {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("destination", self.destination.as_ref().map(ToString::to_string)),
            ("partner", self.partner.as_ref().map(ToString::to_string)),
            ("flow", self.flow.as_ref().map(ToString::to_string)),
            ("fault", self.fault.clone()),
            ("received_from", self.received_from.map(|at| at.to_string())),
            ("received_to", self.received_to.map(|at| at.to_string())),
            ("everything", self.everything.then(|| "true".to_owned())),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn query(pairs: &[(&'static str, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect::<Vec<_>>().join("&")
}

/// The address of what can be paused.
fn path_of(what: &Pausable) -> String {
    match what {
        Pausable::Destination(to) => format!("/v1/destinations/{to}"),
        Pausable::Flow(flow) => format!("/v1/flows/{flow}"),
    }
}
