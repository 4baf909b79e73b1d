//! An alarm as JSON: what webhooks and operators' calls show of it.

use super::Kind;
use crate::journal::acts::{Act, Deed};
use crate::journal::alarms::AlarmRow;
use serde_json::{Value, json};

/// An alarm with everything that is known of it. Times are RFC 3339 in UTC.
pub fn alarm_entry(row: &AlarmRow) -> Value {
    let title = row.kind.parse::<Kind>().ok().map(|kind| kind.title());
    let subject = &row.subject;
    json!({
        "number": row.number,
        "kind": row.kind,
        "title": title.map(|(zh, en)| json!({ "zh": zh, "en": en })),
        "severity": row.state.severity.as_str(),
        "party": row.state.party,
        "partner": subject.partner,
        "flow": subject.flow,
        "destination": subject.destination,
        "what": subject.what,
        "message": row.state.words,
        "figures": row.state.figures,
        "since": row.since.to_string(),
        "opened_at": row.opened_at.to_string(),
        "updated_at": row.updated_at.to_string(),
        "closed_at": row.closed_at.map(|at| at.to_string()),
        "acknowledged": row.acknowledgement().map(note_entry),
        "notes": row.acts.iter().map(note_entry).collect::<Vec<_>>(),
    })
}

/// What an operator said, by the act that says it.
fn note_entry(act: &Act) -> Value {
    let note = if matches!(act.entry.deed, Deed::AcknowledgeAlarm { .. }) { "acknowledged" } else { "done" };
    json!({
        "act": act.entry.number,
        "note": note,
        "at": act.entry.at,
        "operator": act.entry.operator.as_ref().map(|operator| &operator.name),
        "text": act.entry.reason,
    })
}
