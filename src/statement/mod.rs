//! The daily statement (日对账单): what one partner sent under one flow on one business day and what became of it, in
//! records and amounts, so that both sides can compare; signed with the receipts' key.
//!
//! Wire format: a JSON object of `type` [`STATEMENT_TYPE`], `version` [`STATEMENT_VERSION`], `statement` (canonical
//! JSON, RFC 8785, of [`Statement`]) and `signature`, a detached JWS (RFC 7515, appendix F) of the kind
//! [`SIGNATURE_TYPE`] over it. The same sums stand in a workbook whose digest the statement names, so that one
//! signature is for both. Of a day that is over, both are the same bytes for ever.

pub mod book;
mod sheet;

pub use book::Statements;

use crate::amounts::{Basis, Line, Sum};
use crate::domain::{Digest, FlowId, PartnerId};
use crate::journal::statements::{DayBook, Measure};
use crate::receipt::{Jwks, Mismatch};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `type` of a statement.
pub const STATEMENT_TYPE: &str = "portolan-statement";
/// `version` of a statement.
pub const STATEMENT_VERSION: u64 = 1;
/// `typ` of its signature.
pub const SIGNATURE_TYPE: &str = "portolan-statement+jws";
/// Bytes of a statement; all the sums that a measure may have with one other party are about half a megabyte.
pub const STATEMENT_BYTES_MAX: usize = 4 << 20;

/// A statement, in the order of its canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The time at which the next day begins, where that is not midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<String>,
    /// The day.
    pub day: String,
    /// Exchanges received.
    pub exchanges: Exchanges,
    /// Under which flow.
    pub flow: FlowId,
    /// Where the day begins; RFC 3339.
    pub from: String,
    /// The sums.
    pub lines: Vec<StatementLine>,
    /// Whose statement.
    pub partner: PartnerId,
    /// Whether the day is not over yet: the numbers may still change.
    pub provisional: bool,
    /// Accepted records that were known before and are not delivered again.
    pub repeated_records: u64,
    /// When it was signed; RFC 3339.
    pub signed_at: String,
    /// Where the day is over; RFC 3339.
    pub to: String,
    /// SHA-256 of the workbook with the same sums.
    pub workbook_sha256: Digest,
    /// The zone of the day.
    pub zone: String,
}

/// Exchanges of a day, by what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchanges {
    /// All.
    pub all: u64,
    /// Accepted in part.
    pub in_part: u64,
    /// Refused whole.
    pub refused: u64,
}

/// One sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementLine {
    /// The amount; absent where none can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// By which date: `received`, `work` or `booking`.
    pub basis: String,
    /// The currency; empty where no amount can be told.
    pub currency: String,
    /// The date; empty for records without such a date.
    pub date: String,
    /// Which way the money goes, where the records say so.
    pub direction: String,
    /// `sent`, `accepted`, `refused`, `delivered` or `taken`.
    pub measure: String,
    /// The destination that acknowledged, or the sender of what was taken; else empty.
    pub other: String,
    /// Records.
    pub records: u64,
}

/// Why a statement cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("a statement cannot be written: {0}")]
pub struct Unwritable(String);

impl Statement {
    /// The statement as it is signed.
    ///
    /// # Errors
    /// None that is known of: its members are texts, truths and whole numbers.
    pub fn to_canonical(&self) -> Result<String, Unwritable> {
        serde_json::to_string(self).map_err(|error| Unwritable(error.to_string()))
    }

    /// The name that its files have, without their extension.
    pub fn file_name(&self) -> String {
        format!("{}_{}_{}_statement", self.partner, self.flow, self.day.replace('-', ""))
    }
}

/// The lines of a day: what was sent first, which is what was accepted and what was refused.
fn lines(book: &DayBook, day: Date) -> Vec<StatementLine> {
    let mut sent: BTreeMap<&Line, Sum> = BTreeMap::new();
    for sum in book.sums.iter().filter(|sum| matches!(sum.measure, Measure::Accepted | Measure::Refused)) {
        *sent.entry(&sum.line).or_default() += sum.sum;
    }
    let line = |measure: &str, other: &str, line: &Line, sum: &Sum| StatementLine {
        amount: sum.amount.map(|amount| amount.to_string()),
        basis: line.basis.as_str().to_owned(),
        currency: line.currency.clone(),
        date: if line.basis == Basis::Received { day.to_string() } else { line.date.clone() },
        direction: line.direction.clone(),
        measure: measure.to_owned(),
        other: other.to_owned(),
        records: sum.records,
    };
    let sent = sent.into_iter().map(|(of, sum)| line("sent", "", of, &sum));
    sent.chain(book.sums.iter().map(|sum| line(measure_word(sum.measure), &sum.other, &sum.line, &sum.sum))).collect()
}

fn measure_word(measure: Measure) -> &'static str {
    match measure {
        Measure::Accepted => "accepted",
        Measure::Refused => "refused",
        Measure::Delivered => "delivered",
        Measure::Taken => "taken",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementText {
    #[serde(rename = "type")]
    kind: String,
    version: u64,
    statement: Statement,
    signature: String,
}

/// Whether a file says that it is a statement.
pub fn is_statement(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: String,
    }
    serde_json::from_slice::<Kind>(text).is_ok_and(|kind| kind.kind == STATEMENT_TYPE)
}

/// Verifies a statement with pinned keys, and its workbook where there is one. Returns the statement and the id of
/// the key that signed it.
///
/// # Errors
/// Everything that does not match.
pub fn verify(text: &[u8], keys: &Jwks, workbook: Option<Digest>) -> Result<(Statement, String), Vec<Mismatch>> {
    let StatementText { kind, version, statement, signature } =
        serde_json::from_slice(text).map_err(|error| vec![Mismatch::ReceiptUnreadable(error.to_string())])?;
    if (kind.as_str(), version) != (STATEMENT_TYPE, STATEMENT_VERSION) {
        return Err(vec![Mismatch::VersionUnknown(format!("{kind} {version}"))]);
    }
    let payload = statement.to_canonical().map_err(|error| vec![Mismatch::ReceiptUnreadable(error.to_string())])?;
    let signed = keys.verify_detached(SIGNATURE_TYPE, payload.as_bytes(), &signature, &statement.signed_at);
    let named = statement.workbook_sha256;
    let other = workbook.filter(|found| *found != named).map(|found| Mismatch::Workbook { statement: named, found });
    match (signed, other) {
        (Ok(kid), None) => Ok((statement, kid)),
        (signed, other) => Err(signed.err().into_iter().chain(other).collect()),
    }
}
