//! What has left its own history: volumes, shares of empty values and of codes; and what is refused of late.
//!
//! A day is judged against the days of the same weekday, since feeds keep the week's rhythm. Days on which
//! nothing came are left out of both: whether a feed is absent is its schedule's matter. The day that has not
//! ended yet can only be too much.

use super::super::Kind;
use super::super::drift::History;
use super::{Condition, Evidence, condition, days_before, zone};
use crate::config::alarms::Thresholds;
use crate::domain::{FlowId, PartnerId};
use crate::fault::Party;
use crate::figures::thousands;
use crate::journal::alarms::{Activity, AlarmSeverity, AlarmSubject, HISTORY_DAYS_MAX, ProfileRow};
use crate::profile::Profile;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use portolan_contract::Words;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A deviation of a volume, as a share of the median, below which nothing is unusual.
const LEAST_VOLUME_DEVIATION: f64 = 0.05;
/// Alarms about shares of one feed; more say nothing more.
const SHARES_PER_FEED_MAX: usize = 10;
/// The share of a code that was never there from which on it is told of.
const NEW_CODE_SHARE: f64 = 0.05;

type Feed = (PartnerId, FlowId);

/// Days whose volume is far from that of such days: yesterday, and today where it is too much already.
pub(super) fn volumes(evidence: &Evidence) -> Vec<Condition> {
    let thresholds = &evidence.config.gateway.alarms.thresholds;
    let mut found = Vec::new();
    for (feed, days) in by_day(evidence) {
        let Some(flow) = evidence.config.flows.get(&feed.1) else { continue };
        let today = evidence.now.to_zoned_datetime(zone(&flow.zone)).date();
        let yesterday = days_before(today, 1);
        let judged = [(today, true), (yesterday, false)];
        found.extend(judged.into_iter().find_map(|(day, unfinished)| volume(&feed, &days, day, unfinished, thresholds)));
    }
    found
}

fn volume(feed: &Feed, days: &BTreeMap<Date, u64>, day: Date, unfinished: bool, thresholds: &Thresholds) -> Option<Condition> {
    let records = *days.get(&day).filter(|records| **records > 0)?;
    let before = (1..=HISTORY_DAYS_MAX / 7).filter_map(|weeks| days.get(&days_before(day, weeks * 7)));
    let sample: Vec<f64> = before.filter(|records| **records > 0).map(|records| *records as f64).collect();
    let history = History::of(&sample, thresholds.history_days_min)?;
    let deviations = history.deviations(records as f64, (LEAST_VOLUME_DEVIATION * history.median).max(1.0));
    let over = deviations > thresholds.volume_deviations_max;
    let under = deviations < -thresholds.volume_deviations_max && !unfinished;
    if !over && !under {
        return None;
    }
    let (partner, flow) = feed;
    let median = history.median.round() as u64;
    let words = Words::new(
        format!("{partner} 的 {flow} 在 {day} 有 {} 条记录，同一星期几的中位数为 {}", thousands(records), thousands(median)),
        format!("{flow} of {partner} had {} records on {day}; the median of such weekdays is {}", thousands(records), thousands(median)),
    );
    let figures =
        [("day", json!(day.to_string())), ("records", json!(records)), ("median", json!(median)), ("deviations", rounded(deviations))];
    Some(condition(Kind::VolumeDrift, AlarmSeverity::Warning, Party::Sender, subject(feed, None), words, figures))
}

/// Shares of empty values and of codes, of the latest day with enough records, that have left their medians.
pub(super) fn shares(evidence: &Evidence) -> Vec<Condition> {
    let thresholds = &evidence.config.gateway.alarms.thresholds;
    let mut feeds: BTreeMap<Feed, Vec<&ProfileRow>> = BTreeMap::new();
    for row in evidence.profiles.iter().filter(|row| row.profile.records >= thresholds.share_records_min) {
        feeds.entry((row.partner.clone(), row.flow.clone())).or_default().push(row);
    }
    let today = evidence.now.as_second().div_euclid(86_400);
    let mut found = Vec::new();
    for (feed, rows) in feeds {
        // What was unusual stays so for a day; an old day is no news.
        let Some((latest, before)) = rows.split_last().filter(|(latest, _)| today - latest.day <= 1) else { continue };
        let mut of_feed = empties(&feed, latest, before, thresholds);
        of_feed.extend(codes(&feed, latest, before, thresholds));
        of_feed.truncate(SHARES_PER_FEED_MAX);
        found.append(&mut of_feed);
    }
    found
}

fn empties(feed: &Feed, latest: &ProfileRow, before: &[&ProfileRow], thresholds: &Thresholds) -> Vec<Condition> {
    let (partner, flow) = feed;
    let empty = |profile: &Profile, path: &str| profile.present.get(path).map(|present| 1.0 - part(*present, profile.records));
    let unusual = latest.profile.present.keys().filter_map(|path| {
        let sample: Vec<f64> = before.iter().filter_map(|row| empty(&row.profile, path)).collect();
        let (share, usual) = left(empty(&latest.profile, path)?, &sample, thresholds)?;
        let words = Words::new(
            format!("{partner} 的 {flow} 中 {path} 为空的比例为 {}，通常为 {}", percent(share), percent(usual)),
            format!("in {flow} of {partner} {path} is empty in {} of records; usually {}", percent(share), percent(usual)),
        );
        let figures =
            [("path", json!(path)), ("share", rounded(share)), ("median", rounded(usual)), ("records", json!(latest.profile.records))];
        Some(condition(Kind::NullShareDrift, AlarmSeverity::Warning, Party::Sender, subject(feed, Some(path)), words, figures))
    });
    unusual.collect()
}

/// One for each code list: the code that has moved farthest.
fn codes(feed: &Feed, latest: &ProfileRow, before: &[&ProfileRow], thresholds: &Thresholds) -> Vec<Condition> {
    let (partner, flow) = feed;
    let known = before.iter().flat_map(|row| row.profile.codes.keys());
    let all: BTreeSet<&(String, String)> = latest.profile.codes.keys().chain(known).collect();
    let share_of = |profile: &Profile, key: &(String, String)| {
        // Of those records that have a value there at all, so that an empty column is told of once.
        let present = *profile.present.get(&key.0)?;
        (present > 0).then(|| part(profile.codes.get(key).copied().unwrap_or(0), present))
    };
    let mut farthest: BTreeMap<&str, (f64, f64, &str)> = BTreeMap::new();
    for key in all {
        let sample: Vec<f64> = before.iter().filter_map(|row| share_of(&row.profile, key)).collect();
        let Some(share) = share_of(&latest.profile, key) else { continue };
        let is_new = share >= NEW_CODE_SHARE && sample.len() >= thresholds.history_days_min && sample.iter().all(|share| *share == 0.0);
        let Some((share, usual)) = left(share, &sample, thresholds).or(is_new.then_some((share, 0.0))) else { continue };
        let entry = farthest.entry(&key.0).or_insert((share, usual, &key.1));
        if (share - usual).abs() > (entry.0 - entry.1).abs() {
            *entry = (share, usual, &key.1);
        }
    }
    let told = farthest.into_iter().map(|(path, (share, usual, code))| {
        let words = Words::new(
            format!("{partner} 的 {flow} 中 {path} 的代码 {code} 占 {}，通常为 {}", percent(share), percent(usual)),
            format!("in {flow} of {partner} the code {code} of {path} stands in {} of records; usually {}", percent(share), percent(usual)),
        );
        let figures = [("path", json!(path)), ("code", json!(code)), ("share", rounded(share)), ("median", rounded(usual))];
        condition(Kind::CodeListDrift, AlarmSeverity::Warning, Party::Sender, subject(feed, Some(path)), words, figures)
    });
    told.collect()
}

/// A share and its median, where they are too far from each other.
fn left(share: f64, sample: &[f64], thresholds: &Thresholds) -> Option<(f64, f64)> {
    let history = History::of(sample, thresholds.history_days_min)?;
    let limit = thresholds.share_change_max.max(thresholds.volume_deviations_max * history.deviation);
    ((share - history.median).abs() > limit).then_some((share, history.median))
}

/// Feeds of which too much was refused within this hour and the last: records, or bodies that were refused before
/// their records could be counted.
pub(super) fn refusals(evidence: &Evidence) -> Vec<Condition> {
    let thresholds = &evidence.config.gateway.alarms.thresholds;
    let mut feeds: BTreeMap<Feed, Activity> = BTreeMap::new();
    for row in &evidence.recent {
        let sum = feeds.entry((row.partner.clone(), row.flow.clone())).or_default();
        sum.exchanges += row.activity.exchanges;
        sum.refused_exchanges += row.activity.refused_exchanges;
        sum.records += row.activity.records;
        sum.refused_records += row.activity.refused_records;
    }
    let too_many = |refused: u64, all: u64| all >= thresholds.refused_records_min && part(refused, all) > thresholds.refused_share_max;
    let told = feeds.into_iter().filter_map(|(feed, sum)| {
        let (refused, all, zh, en) = if too_many(sum.refused_records, sum.records) {
            (sum.refused_records, sum.records, "条记录", "records")
        } else if too_many(sum.refused_exchanges, sum.exchanges) {
            (sum.refused_exchanges, sum.exchanges, "份报文", "bodies")
        } else {
            return None;
        };
        let (partner, flow) = &feed;
        let words = Words::new(
            format!("{partner} 的 {flow} 近两小时 {} {zh}中退回 {}", thousands(all), thousands(refused)),
            format!("{} of {} {en} of {flow} of {partner} were refused within two hours", thousands(refused), thousands(all)),
        );
        let figures = [("refused", json!(refused)), ("of", json!(all)), ("share", rounded(part(refused, all)))];
        Some(condition(Kind::RefusalsHigh, AlarmSeverity::Warning, Party::Sender, subject(&feed, None), words, figures))
    });
    told.collect()
}

/// Records of each feed by day of its flow's zone. A zone that is half an hour off has its days to the hour.
fn by_day(evidence: &Evidence) -> BTreeMap<Feed, BTreeMap<Date, u64>> {
    let zones: BTreeMap<&FlowId, TimeZone> = evidence.config.flows.values().map(|flow| (&flow.id, zone(&flow.zone))).collect();
    let mut feeds: BTreeMap<Feed, BTreeMap<Date, u64>> = BTreeMap::new();
    for row in evidence.history.iter() {
        let begun = row.hour.checked_mul(3600).and_then(|second| Timestamp::from_second(second).ok());
        let (Some(zone), Some(begun)) = (zones.get(&row.flow), begun) else { continue };
        let days = feeds.entry((row.partner.clone(), row.flow.clone())).or_default();
        *days.entry(begun.to_zoned_datetime(zone.clone()).date()).or_default() += row.activity.records;
    }
    feeds
}

fn subject(feed: &Feed, what: Option<&str>) -> AlarmSubject {
    let (partner, flow) = feed.clone();
    AlarmSubject { partner: Some(partner), flow: Some(flow), destination: None, what: what.map(str::to_owned) }
}

fn part(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A figure of three decimals, so that it does not change with every look.
fn rounded(number: f64) -> serde_json::Value {
    json!((number * 1000.0).round() / 1000.0)
}
