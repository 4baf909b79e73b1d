//! What the journal keeps for those on duty: alarms with what was said of them, and what came by hour and by
//! day, from which alarms judge. What operators say of alarms, and one shift to the next, are acts
//! ([`super::acts`]).

use super::JournalError;
use super::acts::{Act, Deed};
use crate::domain::{DestinationId, FlowId, PartnerId};
use crate::profile::Profile;
use jiff::Timestamp;
use portolan_contract::Words;
use std::collections::BTreeMap;

/// Alarms that are kept once they are closed; older ones go.
pub const CLOSED_ALARMS_MAX: usize = 20_000;
/// Alarms that may be open at once; more are not opened.
pub const OPEN_ALARMS_MAX: usize = 5_000;
/// Acts on one alarm; a further one is turned away.
pub const ACTS_PER_ALARM_MAX: usize = 50;
/// Days for which it is known what came.
pub const HISTORY_DAYS_MAX: i64 = 70;
/// Rows of history that one read gives.
pub const HISTORY_ROWS_MAX: usize = 500_000;

/// How bad an alarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmSeverity {
    /// Somebody should look at it (警告).
    Warning,
    /// Somebody must act on it now (严重).
    Critical,
}

impl AlarmSeverity {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The word for people.
    pub fn words(self) -> Words {
        match self {
            Self::Warning => Words::new("警告", "warning"),
            Self::Critical => Words::new("严重", "critical"),
        }
    }
}

/// What an alarm is about; its kind says which of these it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlarmSubject {
    /// A partner.
    pub partner: Option<PartnerId>,
    /// A flow.
    pub flow: Option<FlowId>,
    /// A destination.
    pub destination: Option<DestinationId>,
    /// Anything else: a certificate, a calendar's year, a field of a record.
    pub what: Option<String>,
}

/// What an alarm says at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmState {
    /// How bad.
    pub severity: AlarmSeverity,
    /// Whose fault: `sender`, `gateway` or `receiver`.
    pub party: String,
    /// In a sentence, in both languages.
    pub words: Words,
    /// Its figures by name.
    pub figures: BTreeMap<String, serde_json::Value>,
}

/// An alarm as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmRow {
    /// Its number, from 1.
    pub number: u64,
    /// Its kind's stable id.
    pub kind: String,
    /// What it is about.
    pub subject: AlarmSubject,
    /// What it says, or said last.
    pub state: AlarmState,
    /// Since when its cause is known.
    pub since: Timestamp,
    /// When it was raised.
    pub opened_at: Timestamp,
    /// When its state was last written.
    pub updated_at: Timestamp,
    /// When it was closed, its cause being gone.
    pub closed_at: Option<Timestamp>,
    /// When everyone who is to be told of it had been told that it was raised.
    pub told_opened_at: Option<Timestamp>,
    /// And that it was closed.
    pub told_closed_at: Option<Timestamp>,
    /// What operators said of it, oldest first: acknowledgement and notes.
    pub acts: Vec<Act>,
}

impl AlarmRow {
    /// By which act somebody has taken it on, if somebody has.
    pub fn acknowledgement(&self) -> Option<&Act> {
        self.acts.iter().find(|act| matches!(act.entry.deed, Deed::AcknowledgeAlarm { .. }))
    }
}

/// A change of an alarm, as its engine decides.
#[derive(Clone, Debug)]
pub enum AlarmChange {
    /// It is raised; nothing where one of its kind and subject is open already.
    Open {
        /// Its kind's id.
        kind: String,
        /// What it is about.
        subject: AlarmSubject,
        /// What it says.
        state: AlarmState,
        /// Since when its cause is known.
        since: Timestamp,
        /// Now.
        at: Timestamp,
    },
    /// It says something else.
    Update {
        /// Which.
        number: u64,
        /// What it says.
        state: AlarmState,
        /// Now.
        at: Timestamp,
    },
    /// Its cause is gone.
    Close {
        /// Which.
        number: u64,
        /// Now.
        at: Timestamp,
    },
    /// Everyone was told.
    Told {
        /// Which.
        number: u64,
        /// That it was closed; else that it was raised.
        closed: bool,
        /// Now.
        at: Timestamp,
    },
}

/// Which alarms to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmFilter {
    /// All that are open, oldest first.
    Open,
    /// Those that were closed and of whom this must still be told, oldest first, a page of them.
    ClosedUntold,
    /// All, newest first, a page of those before this number.
    Before(Option<u64>),
}

/// What one partner sent under one flow within one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityRow {
    /// Who.
    pub partner: PartnerId,
    /// Under which flow.
    pub flow: FlowId,
    /// Hours since 1970.
    pub hour: i64,
    /// What came.
    pub activity: Activity,
}

/// What came within some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Exchanges.
    pub exchanges: u64,
    /// Those refused whole.
    pub refused_exchanges: u64,
    /// Records.
    pub records: u64,
    /// Those refused.
    pub refused_records: u64,
}

/// The profile of what one partner sent under one flow on one day of UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRow {
    /// Who.
    pub partner: PartnerId,
    /// Under which flow.
    pub flow: FlowId,
    /// Days since 1970.
    pub day: i64,
    /// What it was.
    pub profile: Profile,
}

/// What the journal keeps for those on duty.
#[async_trait::async_trait]
pub trait DutyBook: Send + Sync {
    /// Makes changes of alarms durable, all of them or none.
    async fn change_alarms(&self, changes: Vec<AlarmChange>) -> Result<(), JournalError>;

    /// Alarms.
    async fn alarms(&self, filter: AlarmFilter) -> Result<Vec<AlarmRow>, JournalError>;

    /// What came since an hour (counted since 1970), newest first.
    async fn activity(&self, from_hour: i64) -> Result<Vec<ActivityRow>, JournalError>;

    /// The profiles since a day (counted since 1970), by day.
    async fn profiles(&self, from_day: i64) -> Result<Vec<ProfileRow>, JournalError>;

    /// Forgets the profiles before a day (counted since 1970).
    async fn forget_profiles(&self, before_day: i64) -> Result<(), JournalError>;

    /// When the latest exchange of a partner under a flow was received that had a record accepted.
    async fn last_accepted(&self, partner: &PartnerId, flow: &FlowId) -> Result<Option<Timestamp>, JournalError>;

    /// When the journal was begun.
    async fn begun_at(&self) -> Result<Timestamp, JournalError>;
}
