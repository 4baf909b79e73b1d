//! `portolan ops handover`: what is open, and what one shift tells the next.

use super::super::desk::Desk;
use super::cells::{rows, text, told, when};
use super::{Common, change, look, shown};
use crate::ops::console::words::NOTHING;
use serde_json::{Map, Value};

/// `portolan ops handover`.
#[derive(Debug, clap::Args)]
pub struct Handover {
    /// A note to the next shift; kept by the gateway with your name and the alarms that are open
    #[arg(long, value_name = "NOTE")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Runs it.
///
/// # Errors
/// Why there is no answer, or nothing was kept, in words.
pub async fn run(args: &Handover) -> Result<u8, String> {
    match &args.reason {
        Some(note) => change(&args.common, "/v1/handover", note, &Map::new()).await,
        None => look(&args.common, "/v1/handover", both).await,
    }
}

/// The alarms that are open, and the notes, newest first.
fn both(answer: &Value, desk: &Desk) -> String {
    let headings = ["act", "when", "operator", "note", "alarms open then"];
    let chinese = ["操作号", "时间", "交班人", "交班说明", "当时的告警"];
    let notes = rows(&answer["notes"]).map(|row| {
        let open = rows(&row["open"]).map(text).collect::<Vec<_>>().join(" ");
        let open = if open.is_empty() { NOTHING.to_owned() } else { open };
        [text(&row["act"]), when(&row["at"]), text(&row["operator"]), text(&row["note"]), open]
    });
    [shown::alarms(answer, desk), told(desk, headings, chinese, notes).to_string()].join("\n\n")
}
