//! Candidate mappings (候选映射): their shadow run (试跑) against accepted traffic, then promotion or not.
//!
//! | call | answer |
//! |---|---|
//! | `GET /v1/candidates` | 200, each candidate, with its problems, what differs from the mapping in force, and its latest run |
//! | `GET /v1/candidates/NAME` | 200, one of them, with the differences that its run has kept |
//! | `POST /v1/candidates/NAME/run` | 202, it is run: against yesterday's traffic, or that of `day`, or from `received_from` to `received_to` |
//! | `POST /v1/candidates/NAME/cancel` | 200, its run ends after the body that it reads |
//! | `POST /v1/candidates/NAME/promote` | 202 as [`super::acts`] says: it always takes two people. `sha256` is the digest that was run |
//! | `POST /v1/candidates/NAME/drop` | 200 as [`super::acts`] says: it is put aside |
//!
//! A run changes nothing that holds, and takes no reason. A promotion is logged, then done: whoever approves it must be an administrator,
//! and a candidate that has changed since it was run is refused. Where its files cannot be moved the mapping before stays, and
//! that is logged too.

use super::access::{Ask, Said, bad_field};
use super::acts::{act, answer, told};
use super::view::OpsView;
use crate::domain::{Digest, Name, Role};
use crate::fault::{Fault, FaultCode};
use crate::http::Response;
use crate::journal::acts::{ActFilter, ActRequest, Acted, Deed, NewAct};
use crate::lines::Change;
use crate::shadow::Candidate;
use crate::shadow::compare::{Difference, What};
use crate::shadow::run::{Run, RunState, Span, Standing};
use hyper::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use portolan_contract::Words;
use serde_json::{Value, json};

/// Every candidate.
///
/// # Errors
/// A folder that cannot be read.
pub(super) async fn list(view: &OpsView, _ask: Ask<'_>) -> Result<Response, Fault> {
    let found = view.shadow.candidates().await?;
    let candidates: Vec<Value> = found.candidates.iter().map(|candidate| whole(view, candidate, None)).collect();
    Ok(answer(StatusCode::OK, &json!({ "candidates": candidates, "ignored": found.ignored })))
}

/// One of them.
///
/// # Errors
/// A candidate that there is not.
pub(super) async fn show(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let candidate = view.shadow.candidate(&mapping(&ask)?).await?;
    Ok(answer(StatusCode::OK, &whole(view, &candidate, Some(ask.zh))))
}

/// Begins a run.
///
/// # Errors
/// What [`crate::shadow::Shadow::start`] refuses; a span that is none.
pub(super) async fn run(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&["day", "received_from", "received_to"])?;
    let (name, span) = (mapping(&ask)?, span(&ask)?);
    let run = view.shadow.start(&name, span, ask.operator.to_string()).await?;
    tracing::info!(mapping = %name, sha256 = %run.digest, operator = %ask.operator, "an operator began a shadow run");
    Ok(told(&ask, Said::UnderWay, StatusCode::ACCEPTED, &json!({ "changed": true, "run": run_json(&run, Some(ask.zh)) })))
}

/// Ends a run.
///
/// # Errors
/// A candidate that there is not.
pub(super) async fn cancel(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&[])?;
    let name = mapping(&ask)?;
    let running = view.shadow.run_of(&name).filter(|run| run.state().standing == Standing::Running);
    if let Some(run) = &running {
        run.cancel();
        tracing::info!(mapping = %name, operator = %ask.operator, "an operator cancelled a shadow run");
    }
    let said = if running.is_some() { Said::UnderWay } else { Said::Unchanged };
    Ok(told(&ask, said, StatusCode::OK, &json!({ "changed": running.is_some() })))
}

/// Proposes that a candidate takes its place.
///
/// # Errors
/// A candidate that is not what was run, or does not hold.
pub(super) async fn promote(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&["sha256"])?;
    let mapping = mapping(&ask)?;
    let sha256 = ask.fields.parsed("sha256")?.ok_or_else(|| bad_field("sha256"))?;
    view.shadow.may_be_promoted(&mapping, sha256).await?;
    act(view, &ask, ActRequest::Do(Deed::PromoteMapping { mapping, sha256 })).await
}

/// Puts a candidate aside.
///
/// # Errors
/// A candidate that there is not, or whose files cannot be moved.
pub(super) async fn drop_one(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    ask.fields.only(&[])?;
    let mapping = mapping(&ask)?;
    let sha256 = view.shadow.candidate(&mapping).await?.digest.unwrap_or_default();
    let answered = act(view, &ask, ActRequest::Do(Deed::DropMapping { mapping: mapping.clone(), sha256 })).await?;
    view.shadow.drop_candidate(&mapping).await?;
    Ok(answered)
}

/// The promotion that a proposal is about, if it is about one and may be approved.
///
/// # Errors
/// An approver who is no administrator; a candidate that has changed; the journal's failures.
pub(super) async fn promotion(view: &OpsView, ask: &Ask<'_>, proposal: u64) -> Result<Option<(Name, Digest)>, Fault> {
    let filter = ActFilter { before: proposal.checked_add(1), rows_max: 1, ..ActFilter::default() };
    let proposed = view.journal.acts(filter).await?.into_iter().find(|act| act.entry.number == proposal);
    let Some(Deed::PromoteMapping { mapping, sha256 }) = proposed.map(|act| act.entry.deed) else { return Ok(None) };
    if ask.operator.role < Role::Administer {
        return Err(Fault::new(FaultCode::RoleForbidden)
            .detail("批准映射规则生效需要“管理”角色", "to approve a promotion takes the role administer"));
    }
    view.shadow.is_as_it_was(&mapping, sha256).await?;
    Ok(Some((mapping, sha256)))
}

/// Does what was approved, and logs it where that fails.
///
/// # Errors
/// Files that cannot be moved: the mapping before stays.
pub(super) async fn promote_now(view: &OpsView, (mapping, sha256): (Name, Digest)) -> Result<(), Fault> {
    let Err(fault) = view.shadow.promote(&mapping, sha256).await else { return Ok(()) };
    let (at, reason) = (view.clock.now(), fault.detail.en.chars().take(500).collect());
    tracing::error!(%mapping, %sha256, reason, "a candidate mapping could not be promoted; the mapping before stays");
    let request = ActRequest::Do(Deed::PromotionFailed { mapping, sha256 });
    let failed = NewAct { operator: None, at, reason, request, deliveries_alone_max: 0, proposal_until: at };
    view.journal.act(failed).await.map(|_: Acted| ())?;
    Err(fault)
}

fn mapping(ask: &Ask<'_>) -> Result<Name, Fault> {
    ask.segment(0).parse().map_err(|_| Fault::new(FaultCode::CandidateUnknown))
}

fn span(ask: &Ask<'_>) -> Result<Span, Fault> {
    let (from, to): (Option<Timestamp>, Option<Timestamp>) = (ask.fields.parsed("received_from")?, ask.fields.parsed("received_to")?);
    match (ask.fields.parsed::<Date>("day")?, from, to) {
        (day, None, None) => Ok(Span::Day(day)),
        (None, Some(from), Some(to)) if from < to => Ok(Span::Between(from, to)),
        (Some(_), ..) => Err(bad_field("day")),
        (None, None, Some(_)) => Err(bad_field("received_from")),
        (None, Some(_), _) => Err(bad_field("received_to")),
    }
}

/// A candidate as the API shows it; the differences of its run where they are asked for, in Chinese or in English.
fn whole(view: &OpsView, candidate: &Candidate, differences_in_zh: Option<bool>) -> Value {
    let lines = candidate.lines.iter().map(|(file, lines)| {
        let lines = lines.iter().map(|line| {
            let change = if line.change == Change::Removed { "removed" } else { "added" };
            json!({ "change": change, "line": line.number, "text": line.text })
        });
        json!({ "file": file, "lines": lines.collect::<Vec<_>>() })
    });
    json!({
        "mapping": candidate.name,
        "title": candidate.mapping().map(|mapping| &mapping.title),
        "sha256": candidate.digest,
        "replaces": candidate.replaces().map(|mapping| mapping.digest),
        "holds": candidate.holds(),
        "problems": candidate.problems,
        "cases": candidate.cases,
        "failures": candidate.failures,
        "lines": lines.collect::<Vec<_>>(),
        "lines_left_out": candidate.lines_left_out,
        "run": view.shadow.run_of(&candidate.name).map(|run| run_json(&run, differences_in_zh)),
    })
}

fn run_json(run: &Run, differences_in_zh: Option<bool>) -> Value {
    let RunState { standing, ended_at, exchanges_total, exchanges_done, exchanges_left_out, more, found } = run.state();
    let failure = if let Standing::Failed(message) = &standing { Some(message) } else { None };
    let sums = found.sums.iter().map(|((what, at), times)| json!({ "what": what.as_str(), "at": at, "times": times }));
    let mut told = json!({
        "sha256": run.digest,
        "by": run.by,
        "state": standing.as_str(),
        "failure": failure,
        "started_at": run.started_at.to_string(),
        "ended_at": ended_at.map(|at| at.to_string()),
        "exchanges": {
            "total": exchanges_total, "done": exchanges_done, "left_out": exchanges_left_out,
            "differing": found.exchanges_differing, "findings_cut": found.exchanges_cut,
        },
        "complete": !more,
        "records": found.records,
        "differences": found.differences(),
        "sums": sums.collect::<Vec<_>>(),
    });
    if let Some(zh) = differences_in_zh {
        told["kept"] = json!(found.kept.iter().map(|one| difference(one, zh)).collect::<Vec<_>>());
    }
    told
}

/// A finding is told in the language that is asked for; verdicts are the words on the wire.
fn difference(difference: &Difference, zh: bool) -> Value {
    let zh = zh && difference.what == What::Finding;
    let text = |words: &Option<Words>| words.as_ref().map(|words| if zh { words.zh.clone() } else { words.en.clone() });
    json!({
        "exchange": difference.of.exchange,
        "partner": difference.of.partner,
        "flow": difference.of.flow,
        "record": difference.record,
        "what": difference.what.as_str(),
        "at": difference.at,
        "live": text(&difference.live),
        "candidate": text(&difference.candidate),
    })
}
