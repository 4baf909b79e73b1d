//! How partners stand, in the words that operators use: from the alarms that are open, what is paused, and their numbers.

use super::partners::PartnerRow;
use crate::alarms::Kind;
use crate::domain::{DestinationId, FlowId, PartnerId};
use crate::journal::acts::{Pausable, Paused};
use crate::journal::alarms::{AlarmRow, AlarmSeverity};
use jiff::Timestamp;

/// How a partner stands; in the order of trouble, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing is wrong.
    Healthy,
    /// A certificate of it ends soon.
    Expiring,
    /// What it sends is unlike what it sent.
    Unusual,
    /// An operator has paused a place of it.
    Paused,
    /// It is turned away for being over its limits (限流).
    Throttled,
    /// It takes longer than was promised.
    Slow,
    /// A feed of it is late (迟报).
    Late,
    /// A feed of it did not come (未报).
    Silent,
    /// It does not take what it is sent, or too much of what it sends is refused.
    Failing,
}

impl State {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Expiring => "expiring",
            Self::Unusual => "unusual",
            Self::Paused => "paused",
            Self::Throttled => "throttled",
            Self::Slow => "slow",
            Self::Late => "late",
            Self::Silent => "silent",
            Self::Failing => "failing",
        }
    }

    /// The word for people, in Chinese.
    pub const fn in_chinese(self) -> &'static str {
        match self {
            Self::Healthy => "正常",
            Self::Expiring => "证书将到期",
            Self::Unusual => "数据异常",
            Self::Paused => "已暂停",
            Self::Throttled => "限流",
            Self::Slow => "投递慢",
            Self::Late => "迟报",
            Self::Silent => "未报",
            Self::Failing => "故障",
        }
    }

    /// What an alarm about a partner says of it; nothing where it is about the gateway.
    pub fn of_alarm(alarm: &AlarmRow) -> Option<Self> {
        match alarm.kind.parse().ok()? {
            Kind::FeedLate => Some(Self::Late),
            Kind::FeedMissed => Some(Self::Silent),
            Kind::VolumeDrift | Kind::NullShareDrift | Kind::CodeListDrift => Some(Self::Unusual),
            Kind::RefusalsHigh | Kind::DestinationDown => Some(Self::Failing),
            Kind::DeliverySlow => Some(Self::Slow),
            Kind::PartnerFlooding => Some(Self::Throttled),
            Kind::CertificateExpiring => Some(Self::Expiring),
            Kind::RevocationListExpiring
            | Kind::DiskLow
            | Kind::ClockWrong
            | Kind::ChainBroken
            | Kind::ReceiptsKeyEnding
            | Kind::CalendarMissing
            | Kind::ReconciliationUnmet => None,
        }
    }
}

/// How a partner stands, the worst first; healthy alone where nothing is wrong.
pub fn states(row: &PartnerRow, alarms: &[AlarmRow], paused: &[Paused], expiring_days: i64, now: Timestamp) -> Vec<State> {
    let mut states: Vec<State> = alarms.iter().filter(|alarm| concerns(alarm, &row.partner)).filter_map(State::of_alarm).collect();
    let is_paused = paused.iter().any(|paused| matches!(&paused.what, Pausable::Destination(to) if to.partner == row.partner));
    let found = [
        (State::Failing, !row.circuits_open.is_empty() || row.dead > 0),
        (State::Paused, is_paused),
        (State::Expiring, row.facts.days_left(now).is_some_and(|days| days < expiring_days)),
    ];
    states.extend(found.into_iter().filter_map(|(state, is_so)| is_so.then_some(state)));
    states.sort_unstable_by(|one, other| other.cmp(one));
    states.dedup();
    if states.is_empty() {
        states.push(State::Healthy);
    }
    states
}

/// Whether an alarm is about a partner, or a place of it.
pub fn concerns(alarm: &AlarmRow, partner: &PartnerId) -> bool {
    let subject = &alarm.subject;
    subject.partner.as_ref() == Some(partner) || subject.destination.as_ref().is_some_and(|to| to.partner == *partner)
}

/// The worst of the alarms about what a partner sends under a flow.
pub fn worst_of_feed<'a>(alarms: &'a [AlarmRow], partner: &PartnerId, flow: &FlowId) -> Option<&'a AlarmRow> {
    let about = |alarm: &&AlarmRow| {
        let subject = &alarm.subject;
        let of_feed = subject.partner.as_ref() == Some(partner) && subject.flow.as_ref() == Some(flow);
        let of_all = subject.partner.as_ref() == Some(partner) && subject.flow.is_none() && subject.what.is_none();
        of_feed || of_all
    };
    worst(alarms.iter().filter(about))
}

/// The worst of the alarms about deliveries to a destination: of one flow, or of any.
pub fn worst_of_route<'a>(alarms: &'a [AlarmRow], flow: Option<&FlowId>, to: &DestinationId) -> Option<&'a AlarmRow> {
    let about = |alarm: &&AlarmRow| {
        let subject = &alarm.subject;
        subject.destination.as_ref() == Some(to) && flow.is_none_or(|flow| subject.flow.as_ref().is_none_or(|of| of == flow))
    };
    worst(alarms.iter().filter(about))
}

fn worst<'a>(alarms: impl Iterator<Item = &'a AlarmRow>) -> Option<&'a AlarmRow> {
    alarms.max_by_key(|alarm| (alarm.state.severity == AlarmSeverity::Critical, std::cmp::Reverse(alarm.number)))
}
