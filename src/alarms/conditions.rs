//! What is wrong, judged from evidence: pure. Each function below finds one kind of alarm, or two.

mod history;

use super::Kind;
use crate::config::Config;
use crate::domain::{DestinationId, FlowId, Name, PartnerId};
use crate::expiry::{URGENT_DAYS, alarm_days, words as words_of_ending};
use crate::fault::Party;
use crate::figures::thousands;
use crate::ingress::identity::{Expiring, Expiry};
use crate::journal::DestinationTotals;
use crate::journal::acts::Pausable;
use crate::journal::alarms::{ActivityRow, AlarmSeverity, AlarmState, AlarmSubject, ProfileRow};
use crate::journal::matters::MatterCounts;
use crate::metrics::recent::Latencies;
use crate::schedule::{Occurrence, Seen, Standing, standing};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use portolan_contract::Words;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The share of deliveries that may take longer than was promised.
pub const SLOW_SHARE_MAX: f64 = 0.05;
/// The day of December from which on the next year's holidays must be known.
const CALENDAR_DAY_OF_DECEMBER: i8 = 15;
/// Days before its time at which a key of the receipts is told of.
const KEY_WARNING_DAYS: i64 = 30;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Of which kind.
    pub kind: Kind,
    /// About what.
    pub subject: AlarmSubject,
    /// What is to be said of it.
    pub state: AlarmState,
    /// Since when, where the data says so.
    pub since: Option<Timestamp>,
}

/// Everything that is judged.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Now.
    pub now: Timestamp,
    /// What is in force.
    pub config: Arc<Config>,
    /// What stands at each destination.
    pub destinations: Vec<DestinationTotals>,
    /// Destinations that are not called because they keep failing.
    pub circuits_open: BTreeSet<DestinationId>,
    /// What operators have paused: what follows from that is nobody else's fault.
    pub paused: BTreeSet<Pausable>,
    /// What is known of feeds with a schedule.
    pub feeds: BTreeMap<(PartnerId, FlowId), Seen>,
    /// What came by hour, this one and the last.
    pub recent: Vec<ActivityRow>,
    /// What came by hour, as far as it is known.
    pub history: Arc<Vec<ActivityRow>>,
    /// Profiles by day, as far as they are known.
    pub profiles: Arc<Vec<ProfileRow>>,
    /// Requests of each partner turned away within the last ten seconds.
    pub throttled: BTreeMap<PartnerId, u64>,
    /// Deliveries of the last minutes, of flows that promise a time.
    pub latencies: BTreeMap<(FlowId, DestinationId), Latencies>,
    /// What ends soon or has ended.
    pub endings: Arc<Vec<Expiry>>,
    /// How the reconciliations stand.
    pub reconciliations: BTreeMap<Name, MatterCounts>,
    /// Free bytes of the data folder's disk, if they can be told.
    pub free_bytes: Option<u64>,
    /// The latest jump of the clock that is still to be shown, in milliseconds.
    pub clock_jump_ms: Option<i64>,
    /// Whether nothing keeps the clock right, as far as the system tells.
    pub clock_unsynchronised: bool,
    /// Since when the key of the receipts signs.
    pub key_since: Option<Timestamp>,
    /// What does not hold in the chain of evidence, the first of it in words, and how much there is.
    pub chain_broken: Option<(Words, u64)>,
}

impl Evidence {
    /// Everything that is wrong.
    pub fn conditions(&self) -> Vec<Condition> {
        let mut found = self.feeds();
        found.extend(history::volumes(self));
        found.extend(history::shares(self));
        found.extend(history::refusals(self));
        found.extend(self.slow_deliveries());
        found.extend(self.destinations_down());
        found.extend(self.floods());
        found.extend(self.endings());
        found.extend(self.disk());
        found.extend(self.clock());
        found.extend(self.receipts_key());
        found.extend(self.chain());
        found.extend(self.calendars());
        found.extend(self.reconciliations());
        found
    }

    fn feeds(&self) -> Vec<Condition> {
        let schedules =
            self.config.flows.values().flat_map(|flow| flow.senders.iter().map(move |(partner, sender)| (flow, partner, sender)));
        let judged = schedules.filter_map(|(flow, partner, sender)| {
            let schedule = sender.schedule.as_ref()?;
            let seen = self.feeds.get(&(partner.clone(), flow.id.clone()))?;
            let calendar = schedule.calendar_of(&self.config.calendars);
            let zone = zone(&flow.zone);
            let found = match standing(&schedule.late_by(self.now, calendar, &zone), seen, self.now) {
                Standing::Kept => return None,
                Standing::Late(occurrence) => feed(Kind::FeedLate, partner, &flow.id, &occurrence, 1, &zone),
                Standing::Missed { first, count } => feed(Kind::FeedMissed, partner, &flow.id, &first, count, &zone),
            };
            let paused = self.paused.contains(&Pausable::Flow(flow.id.clone()));
            Some(if paused { while_paused(found) } else { found })
        });
        judged.collect()
    }

    fn slow_deliveries(&self) -> Vec<Condition> {
        let slow = self.latencies.iter().filter(|(_, latencies)| share(latencies.over, latencies.deliveries) > SLOW_SHARE_MAX);
        let told = slow.filter_map(|((flow, to), latencies)| {
            let promise_ms = self.config.flows.get(flow)?.promise?.as_millis();
            let Latencies { deliveries, over, longest } = *latencies;
            let longest_ms = longest.as_millis();
            let words = Words::new(
                format!("{flow} 向 {to} 的近 {deliveries} 次投递中有 {over} 次超过承诺的 {promise_ms} 毫秒，最长 {longest_ms} 毫秒"),
                format!("{over} of the last {deliveries} deliveries of {flow} to {to} took longer than the {promise_ms} ms promised, the longest {longest_ms} ms"),
            );
            let subject = AlarmSubject { flow: Some(flow.clone()), destination: Some(to.clone()), ..AlarmSubject::default() };
            let figures = [
                ("promise_ms", json!(promise_ms as u64)),
                ("longest_ms", json!(longest_ms as u64)),
                ("deliveries", json!(deliveries)),
                ("over", json!(over)),
            ];
            Some(condition(Kind::DeliverySlow, AlarmSeverity::Warning, Party::Receiver, subject, words, figures))
        });
        told.collect()
    }

    fn destinations_down(&self) -> Vec<Condition> {
        let undelivered_max =
            SignedDuration::try_from(self.config.gateway.alarms.thresholds.undelivered_max).unwrap_or(SignedDuration::MAX);
        let configured = self.config.partners.values().flat_map(|partner| partner.destinations.keys().map(move |place| (partner, place)));
        let down = configured.filter_map(|(partner, place)| {
            let to = DestinationId { partner: partner.id.clone(), place: place.clone() };
            let totals = self.destinations.iter().find(|totals| totals.to == to);
            let oldest = totals.and_then(|totals| totals.oldest_waiting);
            let waited = oldest.map_or(SignedDuration::ZERO, |since| self.now.duration_since(since));
            let paused = self.paused.contains(&Pausable::Destination(to.clone()));
            let circuit_open = !paused && self.circuits_open.contains(&to);
            if !circuit_open && waited <= undelivered_max {
                return None;
            }
            let (queued, dead) = totals.map_or((0, 0), |totals| (totals.queued, totals.dead));
            let waited_s = waited.as_secs().max(0);
            let (dead_zh, dead_en) = match dead {
                0 => Default::default(),
                dead => (format!("，{} 条投递失败待处理", thousands(dead)), format!(", {} are in dead letters", thousands(dead))),
            };
            let (zh, en) = if circuit_open {
                ("连续失败，暂不投递", "keeps failing and is not called for the moment")
            } else {
                ("投递积压", "leaves deliveries waiting")
            };
            let words = Words::new(
                format!("{to} {zh}：{} 条记录等待{dead_zh}，最早的已等 {waited_s} 秒", thousands(queued)),
                format!("{to} {en}: {} records wait{dead_en}, the oldest for {waited_s} s", thousands(queued)),
            );
            let subject = AlarmSubject { destination: Some(to), ..AlarmSubject::default() };
            let figures = [
                ("circuit_open", json!(circuit_open)),
                ("queued_records", json!(queued)),
                ("dead_records", json!(dead)),
                ("oldest_waiting_s", json!(waited_s)),
            ];
            let mut condition = condition(Kind::DestinationDown, AlarmSeverity::Critical, Party::Receiver, subject, words, figures);
            condition.since = oldest;
            Some(if paused { while_paused(condition) } else { condition })
        });
        down.collect()
    }

    fn floods(&self) -> Vec<Condition> {
        let max = self.config.gateway.alarms.thresholds.throttled_max;
        let floods = self.throttled.iter().filter(|(_, count)| **count > max);
        let told = floods.map(|(partner, count)| {
            let words = Words::new(
                format!("{partner} 在十秒内有 {count} 个请求因超出限额被退回"),
                format!("{partner} had {count} requests turned away within ten seconds for being over its limits"),
            );
            let subject = AlarmSubject { partner: Some(partner.clone()), ..AlarmSubject::default() };
            condition(Kind::PartnerFlooding, AlarmSeverity::Warning, Party::Sender, subject, words, [("throttled", json!(count))])
        });
        told.collect()
    }

    /// Certificates within [`alarm_days`] of their end; lists once they are due.
    fn endings(&self) -> Vec<Condition> {
        let days_max = alarm_days(&self.config);
        let due =
            self.endings.iter().filter(|expiry| matches!(expiry.what, Expiring::RevocationList { .. }) || expiry.days_left < days_max);
        due.filter(|expiry| !self.is_superseded(expiry)).map(|expiry| ending(expiry, self.now)).collect()
    }

    /// Whether a partner has called with a later certificate of the same subject.
    fn is_superseded(&self, expiry: &Expiry) -> bool {
        let Expiring::PartnerCertificate { partner, subject, .. } = &expiry.what else { return false };
        self.endings.iter().any(|other| {
            let same = matches!(&other.what, Expiring::PartnerCertificate { partner: p, subject: s, .. } if (p, s) == (partner, subject));
            same && other.not_after > expiry.not_after
        })
    }

    fn disk(&self) -> Option<Condition> {
        let free_bytes = self.free_bytes?;
        let (warned_at, stopped_at) =
            (self.config.gateway.alarms.thresholds.disk_free_bytes_min, self.config.gateway.limits.free_bytes_min);
        let severity = match free_bytes {
            free if free < stopped_at => AlarmSeverity::Critical,
            free if free < warned_at => AlarmSeverity::Warning,
            _ => return None,
        };
        let (free_mib, stopped_mib) = (free_bytes >> 20, stopped_at >> 20);
        let words = Words::new(
            format!("数据目录所在磁盘剩余 {free_mib} MiB；低于 {stopped_mib} MiB 时不再接收报文"),
            format!("{free_mib} MiB are free on the data folder's disk; below {stopped_mib} MiB nothing is taken in"),
        );
        Some(condition(Kind::DiskLow, severity, Party::Gateway, AlarmSubject::default(), words, [("free_bytes", json!(free_bytes))]))
    }

    fn clock(&self) -> Option<Condition> {
        let words = match (self.clock_jump_ms, self.clock_unsynchronised) {
            (Some(ms), _) => Words::new(format!("系统时钟跳变了 {ms} 毫秒"), format!("the clock has jumped by {ms} ms")),
            (None, true) => Words::new("系统时钟未与时间服务器同步", "the clock is not synchronised with any server"),
            (None, false) => return None,
        };
        let severity = if self.clock_jump_ms.is_some() { AlarmSeverity::Critical } else { AlarmSeverity::Warning };
        let figures = [("jump_ms", json!(self.clock_jump_ms)), ("synchronised", json!(!self.clock_unsynchronised))];
        Some(condition(Kind::ClockWrong, severity, Party::Gateway, AlarmSubject::default(), words, figures))
    }

    fn receipts_key(&self) -> Option<Condition> {
        let days = self.now.duration_since(self.key_since?).as_hours() / 24;
        let days_max = self.config.gateway.alarms.thresholds.receipt_key_days_max;
        if days < days_max - KEY_WARNING_DAYS {
            return None;
        }
        let severity = if days >= days_max { AlarmSeverity::Critical } else { AlarmSeverity::Warning };
        let words = Words::new(
            format!("签收凭证的密钥已使用 {days} 天，应在 {days_max} 天内更换"),
            format!("the key of the receipts has signed for {days} days; it is to be replaced within {days_max}"),
        );
        let figures = [("days_in_use", json!(days)), ("days_max", json!(days_max))];
        Some(condition(Kind::ReceiptsKeyEnding, severity, Party::Gateway, AlarmSubject::default(), words, figures))
    }

    fn chain(&self) -> Option<Condition> {
        let (first, problems) = self.chain_broken.as_ref()?;
        let words = Words::new(
            format!("存证链有 {problems} 处不符，首处：{}", first.zh),
            format!("the chain of evidence does not hold in {problems} place(s), first: {}", first.en),
        );
        let figures = [("problems", json!(problems))];
        Some(condition(Kind::ChainBroken, AlarmSeverity::Critical, Party::Gateway, AlarmSubject::default(), words, figures))
    }

    /// What became late, unmatched or different within the last days: later it is known, and stands in the lists.
    fn reconciliations(&self) -> Vec<Condition> {
        let unmet = self.reconciliations.iter().filter(|(_, counts)| counts.recent > 0);
        let told = unmet.map(|(name, counts)| {
            let MatterCounts { late, unmatched, amount_different, recent, .. } = *counts;
            let words = Words::new(
                format!("{name} 近日有 {recent} 项核对不符；现共逾期 {late} 项、无对应 {unmatched} 项、金额不符 {amount_different} 项"),
                format!("{recent} matters of {name} do not meet of late; in all {late} are late, {unmatched} unmatched, {amount_different} with different amounts"),
            );
            let subject = AlarmSubject { what: Some(name.to_string()), ..AlarmSubject::default() };
            let figures = [
                ("recent", json!(recent)),
                ("late", json!(late)),
                ("unmatched", json!(unmatched)),
                ("amount_different", json!(amount_different)),
            ];
            condition(Kind::ReconciliationUnmet, AlarmSeverity::Warning, Party::Sender, subject, words, figures)
        });
        told.collect()
    }

    /// The calendars that schedules name: this year's must be there, and from 15 December on the next one's.
    fn calendars(&self) -> Vec<Condition> {
        let mut named = BTreeMap::new();
        for flow in self.config.flows.values() {
            let today = self.now.to_zoned_datetime(zone(&flow.zone)).date();
            for name in flow.senders.values().filter_map(|sender| sender.schedule.as_ref()?.calendar.as_ref()) {
                named.entry(name.clone()).or_insert(today);
            }
        }
        let missing = named.iter().flat_map(|(name, today)| {
            let known = |year: i16| self.config.calendars.get(name).is_some_and(|calendar| calendar.knows(year));
            years_needed(*today).into_iter().filter(move |year| !known(*year)).map(move |year| (name, year, year == today.year()))
        });
        let told = missing.map(|(name, year, now)| {
            let severity = if now { AlarmSeverity::Critical } else { AlarmSeverity::Warning };
            let words = Words::new(
                format!("日历 {name} 缺少 {year} 年的节假日安排"),
                format!("the calendar {name} does not know the holidays of {year}"),
            );
            let subject = AlarmSubject { what: Some(format!("{name}/{year}")), ..AlarmSubject::default() };
            condition(Kind::CalendarMissing, severity, Party::Gateway, subject, words, [("year", json!(year))])
        });
        told.collect()
    }
}

fn years_needed(today: Date) -> Vec<i16> {
    let next = today.month() == 12 && today.day() >= CALENDAR_DAY_OF_DECEMBER;
    [Some(today.year()), today.year().checked_add(1).filter(|_| next)].into_iter().flatten().collect()
}

fn feed(kind: Kind, partner: &PartnerId, flow: &FlowId, occurrence: &Occurrence, count: usize, zone: &TimeZone) -> Condition {
    let Occurrence { period, due_at, .. } = occurrence;
    let due = due_at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
    let (severity, words) = if kind == Kind::FeedLate {
        let zh = format!("{partner} 的 {flow}（{period}）应于 {due} 前报送，尚未收到");
        (AlarmSeverity::Warning, Words::new(zh, format!("{flow} of {partner} for {period} was due at {due} and is not there")))
    } else {
        let zh = format!("{partner} 的 {flow} 自 {period} 起已有 {count} 期未报，最早一期应于 {due} 前报送");
        let en = format!("{flow} of {partner} has been missed {count} time(s), first for {period}, which was due at {due}");
        (AlarmSeverity::Critical, Words::new(zh, en))
    };
    let subject = AlarmSubject { partner: Some(partner.clone()), flow: Some(flow.clone()), ..AlarmSubject::default() };
    let figures = [("period", json!(period.to_string())), ("due_at", json!(due_at.to_string())), ("missed", json!(count))];
    Condition { since: Some(*due_at), ..condition(kind, severity, Party::Sender, subject, words, figures) }
}

/// The same of something that an operator has paused: the gateway's own doing, and no surprise.
fn while_paused(mut condition: Condition) -> Condition {
    condition.state.severity = AlarmSeverity::Warning;
    condition.state.party = Party::Gateway.as_str().to_owned();
    let Words { zh, en } = condition.state.words;
    condition.state.words = Words::new(format!("{zh}（已由运维暂停）"), format!("{en} (an operator has paused it)"));
    condition
}

fn ending(expiry: &Expiry, now: Timestamp) -> Condition {
    let Expiry { what, not_after, days_left, .. } = expiry;
    let named = words_of_ending(what);
    let kind = match what {
        Expiring::RevocationList { .. } => Kind::RevocationListExpiring,
        _ => Kind::CertificateExpiring,
    };
    let (partner, party) = match what {
        Expiring::PartnerCertificate { partner, .. } => (Some(partner.clone()), Party::Sender),
        _ => (None, Party::Gateway),
    };
    let severity = if *days_left < URGENT_DAYS { AlarmSeverity::Critical } else { AlarmSeverity::Warning };
    let words = if *not_after <= now {
        Words::new(format!("{} 已于 {not_after} 到期", named.zh), format!("{} ended at {not_after}", named.en))
    } else {
        Words::new(format!("{} 还有 {days_left} 天到期", named.zh), format!("{} ends in {days_left} days", named.en))
    };
    let subject = AlarmSubject { partner, what: Some(named.en), ..AlarmSubject::default() };
    condition(kind, severity, party, subject, words, [("not_after", json!(not_after.to_string())), ("days_left", json!(days_left))])
}

fn condition<const N: usize>(
    kind: Kind,
    severity: AlarmSeverity,
    party: Party,
    subject: AlarmSubject,
    words: Words,
    figures: [(&str, Value); N],
) -> Condition {
    let figures = figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Condition { kind, subject, state: AlarmState { severity, party: party.as_str().to_owned(), words, figures }, since: None }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A zone that the configuration has checked.
fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// The day that so many days lie before another.
fn days_before(day: Date, days: i64) -> Date {
    day.saturating_sub(days.days())
}
