//! What operators see and say of alarms (告警), and what one shift tells the next (交接班).
//!
//! | call | answer |
//! |---|---|
//! | `GET /v1/alarms` | 200: `open`, oldest first, as the journal has them |
//! | `GET /v1/alarms?before=NUMBER` | 200: `alarms`, closed ones too, newest first, a page of those before the number (`last`: of the newest); `next_before` of the next page |
//! | `POST /v1/alarms/NUMBER/acknowledge` | 200: the alarm; 404 `request.alarm-unknown` where it is not open or is acknowledged |
//! | `POST /v1/alarms/NUMBER/note` | 200: the alarm, with what was found and done |
//! | `GET /v1/handover` | 200: `open` alarms, `notes` of the shifts before, newest first |
//! | `POST /v1/handover` | 200: the note, kept with the alarms that were open |
//!
//! A `POST` needs `Portolan-Reason`, as an act on a dead letter does. The journal keeps it with the operator's
//! name; nothing else changes an alarm, which is raised and closed by the data alone.

use super::dead_letters::{json_answer, reason};
use super::view::OpsView;
use crate::alarms::alarm_entry;
use crate::fault::{Fault, FaultCode};
use crate::http::query::{bad_query, parse_query};
use crate::http::{self, Response};
use crate::journal::PAGE_ROWS_MAX;
use crate::journal::alarms::{AlarmFilter, AlarmNote, Handover, NoteKind};
use hyper::Method;
use hyper::http::request;
use serde_json::{Value, json};

/// What an address asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call<'p> {
    /// Alarms.
    List,
    /// A note on an alarm, by its number as it stands in the address.
    Note(NoteKind, &'p str),
    /// Notes between shifts.
    Handover,
}

impl<'p> Call<'p> {
    /// The call at an address.
    pub(super) fn at(path: &'p str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').collect();
        match segments[..] {
            ["", "v1", "alarms"] => Some(Self::List),
            ["", "v1", "alarms", number, "acknowledge"] => Some(Self::Note(NoteKind::Acknowledged, number)),
            ["", "v1", "alarms", number, "note"] => Some(Self::Note(NoteKind::Done, number)),
            ["", "v1", "handover"] => Some(Self::Handover),
            _ => None,
        }
    }
}

impl OpsView {
    /// Answers a call about alarms.
    pub(super) async fn answer_alarms(
        &self,
        call: Call<'_>,
        request: &request::Parts,
        operator: &str,
        zh: bool,
    ) -> Result<Response, Fault> {
        match (call, &request.method) {
            (Call::List, &Method::GET | &Method::HEAD) => self.alarms(request.uri.query().unwrap_or_default()).await,
            (Call::List, _) => Ok(http::method_not_allowed("GET, HEAD", zh)),
            (Call::Note(kind, number), &Method::POST) => self.note(kind, number, reason(&request.headers)?, operator).await,
            (Call::Note(..), _) => Ok(http::method_not_allowed("POST", zh)),
            (Call::Handover, &Method::GET | &Method::HEAD) => self.handovers().await,
            (Call::Handover, &Method::POST) => self.hand_over(reason(&request.headers)?, operator).await,
            (Call::Handover, _) => Ok(http::method_not_allowed("GET, HEAD, POST", zh)),
        }
    }

    async fn alarms(&self, query: &str) -> Result<Response, Fault> {
        let mut filter = AlarmFilter::Open;
        for (name, value) in parse_query(query) {
            let fits = match name.as_str() {
                "before" if value == "last" => Some(None),
                "before" => value.parse().ok().map(Some),
                // The language, as on every page here.
                "lang" => continue,
                _ => None,
            };
            filter = AlarmFilter::Before(fits.ok_or_else(|| bad_query(&name, "before=NUMBER, before=last, lang=zh, lang=en"))?);
        }
        let rows = self.journal.alarms(filter).await?;
        let entries: Vec<Value> = rows.iter().map(alarm_entry).collect();
        if filter == AlarmFilter::Open {
            return Ok(json_answer(&json!({ "open": entries })));
        }
        let next = rows.last().filter(|_| rows.len() == PAGE_ROWS_MAX).map(|row| row.number);
        Ok(json_answer(&json!({ "alarms": entries, "next_before": next })))
    }

    async fn note(&self, kind: NoteKind, number: &str, text: String, operator: &str) -> Result<Response, Fault> {
        let unknown = || Fault::new(FaultCode::AlarmUnknown);
        let number: u64 = number.parse().map_err(|_| unknown())?;
        let note = AlarmNote { kind, at: self.clock.now(), operator: operator.to_owned(), text };
        let row = self.journal.note_alarm(number, note.clone()).await?.ok_or_else(unknown)?;
        tracing::info!(number, kind = row.kind, act = kind.as_str(), operator, text = note.text, "an operator noted something on an alarm");
        Ok(json_answer(&alarm_entry(&row)))
    }

    async fn handovers(&self) -> Result<Response, Fault> {
        let open = self.journal.alarms(AlarmFilter::Open).await?;
        let notes = self.journal.handovers().await?;
        Ok(json_answer(&json!({
            "open": open.iter().map(alarm_entry).collect::<Vec<_>>(),
            "notes": notes.iter().map(handover_entry).collect::<Vec<_>>(),
        })))
    }

    async fn hand_over(&self, note: String, operator: &str) -> Result<Response, Fault> {
        let open = self.journal.alarms(AlarmFilter::Open).await?.iter().map(|row| row.number).collect();
        let handover = Handover { at: self.clock.now(), operator: operator.to_owned(), note, open };
        self.journal.hand_over(handover.clone()).await?;
        tracing::info!(operator, note = handover.note, "an operator left a note to the next shift");
        Ok(json_answer(&handover_entry(&handover)))
    }
}

fn handover_entry(handover: &Handover) -> Value {
    json!({ "at": handover.at.to_string(), "operator": handover.operator, "note": handover.note, "open": handover.open })
}
