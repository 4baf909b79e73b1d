//! An alarm as JSON: what webhooks and operators' calls show of it.

use super::Kind;
use crate::journal::alarms::{AlarmNote, AlarmRow};
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
        "notes": row.notes.iter().map(note_entry).collect::<Vec<_>>(),
    })
}

fn note_entry(note: &AlarmNote) -> Value {
    json!({ "note": note.kind.as_str(), "at": note.at.to_string(), "operator": note.operator, "text": note.text })
}
