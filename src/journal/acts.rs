//! The log of administrative acts (操作记录): who did what, to what, why, and who approved it.
//!
//! An act is written in the transaction that does it. Its entry is canonical JSON (RFC 8785) of [`Entry`]:
//! text and whole numbers only. Each holds the SHA-256 of the one before, and the signed heads of the chain
//! hold that of the latest, so that whoever has the heads knows whether the log was changed.

use super::evidence::time_text;
use crate::domain::{DeliveryId, DestinationId, Digest, ExchangeId, FlowId, Name, Operator, PartnerId, Role};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Acts that are listed of one delivery, the latest.
pub const ACTS_LISTED_MAX: usize = 20;
/// Deliveries that one act resends or waives; for more, act again.
pub const PICKED_MAX: usize = 5_000;
/// Dead letters that are looked at to pick some.
pub const EXAMINED_MAX: usize = 20_000;
/// Deliveries a second at which an act resends, unless it says otherwise.
pub const RESEND_PER_SECOND_DEFAULT: u32 = 20;
/// Deliveries a second at which an act may resend.
pub const RESEND_PER_SECOND_MAX: u32 = 1_000;
/// Changed files that an act names; more are counted only.
pub const CHANGED_FILES_MAX: usize = 100;
/// Changed keys of one file that an act names; more are counted by the file alone.
pub const CHANGED_KEYS_MAX: usize = 50;

/// What an act does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// Somebody has taken an alarm on (确认告警).
    AcknowledgeAlarm {
        /// The alarm's number.
        number: u64,
    },
    /// A new configuration came into force (配置生效).
    Configure {
        /// Digest of the whole configuration.
        digest: Digest,
        /// Files that are not as they were, where that is known; at most [`CHANGED_FILES_MAX`].
        files: Vec<ChangedFile>,
        /// How many more there are.
        files_left_out: u64,
    },
    /// A candidate mapping was given up, and lies aside (放弃候选).
    DropMapping {
        /// The mapping whose place it was to take.
        mapping: Name,
        /// Digest of its folder.
        sha256: Digest,
    },
    /// One shift tells the next what it should know, in the words of the reason (交接班).
    HandOver {
        /// Numbers of the alarms that were open.
        open: Vec<u64>,
    },
    /// What was found and done about an alarm, in the words of the reason (处理说明).
    NoteAlarm {
        /// The alarm's number.
        number: u64,
    },
    /// Something takes nothing any more, until it is resumed (暂停).
    Pause {
        /// What.
        what: Pausable,
    },
    /// A candidate takes the place of a mapping (候选生效). Always takes two people.
    PromoteMapping {
        /// The mapping.
        mapping: Name,
        /// Digest of the candidate's folder, which was run against accepted traffic.
        sha256: Digest,
    },
    /// A candidate could not take its place, for the reason that is told; the mapping before stays.
    PromotionFailed {
        /// The mapping.
        mapping: Name,
        /// Digest of the candidate's folder.
        sha256: Digest,
    },
    /// Dead letters are queued again, under their ids and with their bytes (重新投递).
    Resend {
        /// So many a second.
        per_second: u32,
        /// Which.
        pick: Pick,
    },
    /// What was paused goes on (恢复).
    Resume {
        /// What.
        what: Pausable,
    },
    /// Personal values of an exchange were shown to whoever asked for it (查看个人信息).
    Reveal {
        /// The exchange.
        exchange: ExchangeId,
        /// What of it.
        what: Revealed,
    },
    /// A matter of a reconciliation that does not meet has been explained, in the words of the reason (核对处置).
    SettleMatter {
        /// The matter's key.
        key: String,
        /// The reconciliation.
        reconciliation: Name,
    },
    /// Dead letters are given up for good, so that their order keys go on (免除).
    Waive {
        /// Which.
        pick: Pick,
    },
}

impl Deed {
    /// The word on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AcknowledgeAlarm { .. } => "acknowledge-alarm",
            Self::Configure { .. } => "configure",
            Self::DropMapping { .. } => "drop-mapping",
            Self::HandOver { .. } => "hand-over",
            Self::NoteAlarm { .. } => "note-alarm",
            Self::Pause { .. } => "pause",
            Self::PromoteMapping { .. } => "promote-mapping",
            Self::PromotionFailed { .. } => "promotion-failed",
            Self::Resend { .. } => "resend",
            Self::Resume { .. } => "resume",
            Self::Reveal { .. } => "reveal",
            Self::SettleMatter { .. } => "settle-matter",
            Self::Waive { .. } => "waive",
        }
    }
}

/// A file of the configuration that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedFile {
    /// Its name within the folder.
    pub file: String,
    /// `added`, `changed` or `removed`.
    pub how: String,
    /// Keys whose values differ, such as `destination.inbox.url`; never the values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// Which dead letters an act is about: those that fit all that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// This one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// Those to this destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationId>,
    /// Those that failed last with this fault code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Those of this flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowId>,
    /// Those that this partner sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<PartnerId>,
    /// Those received at or after this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_from: Option<Timestamp>,
    /// Those received before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_to: Option<Timestamp>,
}

impl Pick {
    /// One delivery.
    pub fn one(delivery: DeliveryId) -> Self {
        Self { delivery: Some(delivery), ..Self::default() }
    }
}

/// What can be paused, written `flow/NAME` or `destination/PARTNER/PLACE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pausable {
    /// A destination is not called.
    Destination(DestinationId),
    /// A flow takes nothing in.
    Flow(FlowId),
}

impl fmt::Display for Pausable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Destination(to) => write!(f, "destination/{to}"),
            Self::Flow(flow) => write!(f, "flow/{flow}"),
        }
    }
}

impl FromStr for Pausable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some(("destination", to)) => to.parse().map(Self::Destination),
            Some(("flow", flow)) => flow.parse().map(Self::Flow),
            _ => Err(format!("{text:?} can not be paused: write flow/NAME or destination/PARTNER/PLACE")),
        }
    }
}

impl TryFrom<String> for Pausable {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Pausable> for String {
    fn from(what: Pausable) -> Self {
        what.to_string()
    }
}

/// What of an exchange is shown with its personal values, written `answer`, `body`, `canonical`, `findings` or
/// `record/NUMBER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Revealed {
    /// What its sender was given in a format of its own.
    Answer,
    /// The body.
    Body,
    /// Canonical records.
    Canonical,
    /// Findings.
    Findings,
    /// One record beside its original.
    Record(u64),
}

impl fmt::Display for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer => f.write_str("answer"),
            Self::Body => f.write_str("body"),
            Self::Canonical => f.write_str("canonical"),
            Self::Findings => f.write_str("findings"),
            Self::Record(number) => write!(f, "record/{number}"),
        }
    }
}

impl TryFrom<String> for Revealed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let record = text.strip_prefix("record/").and_then(|number| number.parse().ok()).map(Self::Record);
        match text.as_str() {
            "answer" => Ok(Self::Answer),
            "body" => Ok(Self::Body),
            "canonical" => Ok(Self::Canonical),
            "findings" => Ok(Self::Findings),
            _ => record.ok_or_else(|| format!("{text:?} is nothing of an exchange that is revealed")),
        }
    }
}

impl From<Revealed> for String {
    fn from(what: Revealed) -> Self {
        what.to_string()
    }
}

/// What an operator asks the journal to do.
#[derive(Clone, Debug)]
pub struct NewAct {
    /// Who; `None` is the gateway itself.
    pub operator: Option<Operator>,
    /// When.
    pub at: Timestamp,
    /// Why, in the operator's own words.
    pub reason: String,
    /// What.
    pub request: ActRequest,
    /// Deliveries that may be changed without a second person.
    pub deliveries_alone_max: u64,
    /// Until when a proposal waits for one.
    pub proposal_until: Timestamp,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActRequest {
    /// This.
    Do(Deed),
    /// What was proposed under this number, to be done now.
    Approve(u64),
    /// What was proposed under this number, never to be done. Its proposer may say so too.
    Reject(u64),
}

/// What became of a [`NewAct`].
#[derive(Clone, Debug)]
pub enum Acted {
    /// Done, or rejected as asked for.
    Done {
        /// As the log has it.
        act: Act,
        /// Where something may have become due.
        woken: Vec<DestinationId>,
    },
    /// It waits for a second person.
    Proposed(Act),
    /// It is so already; nothing was changed or logged.
    Unchanged,
    /// No dead letter fits.
    NothingPicked,
    /// There is no such alarm, or it takes no such act (any more).
    AlarmUnknown,
    /// No such proposal waits.
    ProposalUnknown,
    /// A proposal is approved by somebody else.
    OwnProposal,
}

/// Where an act stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActStanding {
    /// Done (已执行).
    Done,
    /// Waiting for a second person (待批准).
    Proposed,
    /// Of a proposal: never to be done (已否决).
    Rejected,
}

impl ActStanding {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Proposed => "proposed",
            Self::Rejected => "rejected",
        }
    }
}

/// An act as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// What it says.
    pub entry: Entry,
    /// SHA-256 of the entry's text.
    pub hash: Digest,
    /// Of a proposal: by which act it was decided.
    pub decided_by: Option<u64>,
    /// Of a proposal: until when it waits.
    pub waits_until: Option<Timestamp>,
}

/// The entry of one act, in the order of its canonical JSON. Absent members are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When: RFC 3339, UTC, milliseconds.
    pub at: String,
    /// Whether everything that was picked is changed; else some is left for another act.
    pub complete: bool,
    /// What is done.
    pub deed: Deed,
    /// Deliveries that it changed, or that a proposal would have changed when it was made.
    pub deliveries: u64,
    /// Its number, from 1 without gaps.
    pub number: u64,
    /// Who; absent for the gateway itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<EntryOperator>,
    /// SHA-256 of the entry before; all zero for the first.
    pub previous: Digest,
    /// The proposal that it decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<u64>,
    /// Why.
    pub reason: String,
    /// Whether it is done.
    pub standing: ActStanding,
}

/// The operator of an [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryOperator {
    /// SHA-256 of the certificate.
    pub certificate_sha256: Digest,
    /// The operator's name.
    pub name: Name,
    /// The role that it had then.
    pub role: Role,
}

/// The end of the log, as a signed head holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActsEnd {
    /// Number of the latest act; 0 for none.
    pub number: u64,
    /// SHA-256 of its entry.
    pub sha256: Digest,
}

impl Entry {
    /// The entry as it is kept and hashed.
    ///
    /// # Errors
    /// None is known of: there is text and whole numbers alone.
    pub fn to_canonical(&self) -> Result<String, serde_json::Error> {
        // A value's members stand in the order of their names, and the escapes of serde_json are those of RFC 8785.
        serde_json::to_value(self).and_then(|value| serde_json::to_string(&value))
    }

    /// The entry that follows the end of the log. An operator whom no file lists has no name to act under.
    pub(super) fn after(end: ActsEnd, act: &NewAct, deed: Deed, standing: ActStanding) -> Self {
        let operator = act.operator.as_ref().and_then(|operator| {
            let (certificate_sha256, role) = (operator.certificate, operator.role);
            operator.name.clone().map(|name| EntryOperator { certificate_sha256, name, role })
        });
        Self {
            at: time_text(act.at),
            complete: true,
            deed,
            deliveries: 0,
            number: end.number + 1,
            operator,
            previous: end.sha256,
            proposal: None,
            reason: act.reason.clone(),
            standing,
        }
    }
}

/// What an act on the dead letters that fit would change.
#[derive(Clone, Debug, Default)]
pub struct PickSummary {
    /// By destination.
    pub destinations: BTreeMap<DestinationId, PickedPart>,
    /// Deliveries of which nothing was ever sent.
    pub never_sent: u64,
    /// Deliveries that the receiver refused last.
    pub refused: u64,
    /// Deliveries that the receiver may have: they were sent, and it did not refuse them. They go out under their
    /// own ids, by which it can tell.
    pub maybe_received: u64,
    /// When the oldest was received.
    pub oldest_received_at: Option<Timestamp>,
    /// Whether no others fit.
    pub complete: bool,
}

/// The part of a [`PickSummary`] that goes to one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PickedPart {
    /// Deliveries.
    pub deliveries: u64,
    /// Their records.
    pub records: u64,
}

impl PickSummary {
    /// Deliveries to all destinations.
    pub fn deliveries(&self) -> u64 {
        self.destinations.values().map(|part| part.deliveries).sum()
    }

    /// Records to all destinations.
    pub fn records(&self) -> u64 {
        self.destinations.values().map(|part| part.records).sum()
    }
}

/// Which acts to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ActFilter {
    /// Only those before this one, for the next page.
    pub before: Option<u64>,
    /// Only acts of this kind.
    pub kind: Option<String>,
    /// Only proposals that wait at this moment, whatever their kind.
    pub waiting_at: Option<Timestamp>,
    /// At most so many; capped at [`super::PAGE_ROWS_MAX`].
    pub rows_max: usize,
}

/// Something that is paused, and by which act.
#[derive(Clone, Debug)]
pub struct Paused {
    /// What.
    pub what: Pausable,
    /// By whom, since when and why.
    pub act: Act,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8785, section 3.2.3: members are sorted by their names.
    #[test]
    fn members_stand_in_the_order_of_their_names() {
        let changed = ChangedFile { file: "flows/a.toml".to_owned(), how: "changed".to_owned(), keys: vec!["zone".to_owned()] };
        let deed = Deed::Configure { digest: Digest::default(), files: vec![changed], files_left_out: 0 };
        let at = Timestamp::UNIX_EPOCH;
        let (reason, request) = ("files".to_owned(), ActRequest::Do(deed.clone()));
        let act = NewAct { operator: None, at, reason, request, deliveries_alone_max: 0, proposal_until: at };
        let text = Entry::after(ActsEnd::default(), &act, deed, ActStanding::Done).to_canonical().unwrap();
        let zeros = "0".repeat(64);
        let expected = format!(
            "{{\"at\":\"1970-01-01T00:00:00.000Z\",\"complete\":true,\"deed\":{{\"digest\":\"{zeros}\",\"files\":[{{\"file\":\"flows/a.toml\",\
             \"how\":\"changed\",\"keys\":[\"zone\"]}}],\"files_left_out\":0,\"kind\":\"configure\"}},\"deliveries\":0,\"number\":1,\
             \"previous\":\"{zeros}\",\"reason\":\"files\",\"standing\":\"done\"}}"
        );
        assert_eq!(text, expected);
    }
}
