//! What came, counted by hour, and its profile by day, written with the exchanges that it counts.

use super::{JournalError, column};
use crate::domain::{Counts, FlowId, Outcome, PartnerId};
use crate::journal::NewExchange;
use crate::journal::alarms::Activity;
use crate::profile::{CODES_MAX, Profile};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;
/// The code that stands for all codes beyond those that are told apart.
pub const OTHER_CODES: &str = "…";

/// What a group adds.
#[derive(Default)]
pub(super) struct Added {
    hours: BTreeMap<(i64, PartnerId, FlowId), Activity>,
    days: BTreeMap<(i64, PartnerId, FlowId), Profile>,
}

impl Added {
    pub fn add(&mut self, exchange: &NewExchange, counts: Counts) {
        let hour = exchange.received_at.as_millisecond().div_euclid(HOUR_MS);
        let of = |time: i64| (time, exchange.partner.clone(), exchange.flow.clone());
        let activity = self.hours.entry(of(hour)).or_default();
        activity.exchanges += 1;
        activity.refused_exchanges += u64::from(exchange.verdict.outcome == Outcome::Refused);
        activity.records += counts.records;
        activity.refused_records += counts.refused;
        if exchange.verdict.profile.records > 0 {
            self.days.entry(of(hour.div_euclid(24))).or_default().add(&exchange.verdict.profile);
        }
    }

    pub fn write(&self, connection: &Connection) -> Result<(), JournalError> {
        let mut insert = connection.prepare_cached(
            "INSERT INTO activity (hour, partner, flow, exchanges, refused_exchanges, records, refused_records)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET exchanges = exchanges + ?4, refused_exchanges = refused_exchanges + ?5,
             records = records + ?6, refused_records = refused_records + ?7",
        )?;
        for ((hour, partner, flow), activity) in &self.hours {
            let Activity { exchanges, refused_exchanges, records, refused_records } = *activity;
            let numbers = [exchanges, refused_exchanges, records, refused_records].map(column);
            insert.execute(params![hour, partner.as_str(), flow.as_str(), numbers[0], numbers[1], numbers[2], numbers[3]])?;
        }
        for ((day, partner, flow), profile) in &self.days {
            write_profile(connection, *day, partner, flow, profile)?;
        }
        Ok(())
    }
}

fn write_profile(connection: &Connection, day: i64, partner: &PartnerId, flow: &FlowId, profile: &Profile) -> Result<(), JournalError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO profile (day, partner, flow, path, code, records) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET records = records + ?6",
    )?;
    let mut known =
        connection.prepare_cached("SELECT 1 FROM profile WHERE day = ?1 AND partner = ?2 AND flow = ?3 AND path = ?4 AND code = ?5")?;
    let mut codes = connection
        .prepare_cached("SELECT count(*) FROM profile WHERE day = ?1 AND partner = ?2 AND flow = ?3 AND path = ?4 AND code <> ''")?;
    let (partner, flow) = (partner.as_str(), flow.as_str());
    let all = profile.present.iter().map(|(path, records)| (path.as_str(), "", records));
    for (path, code, records) in std::iter::once(("", "", &profile.records)).chain(all) {
        insert.execute(params![day, partner, flow, path, code, column(*records)])?;
    }
    for ((path, code), records) in &profile.codes {
        // A day has as many codes of a path as a body may have.
        let room = known.exists(params![day, partner, flow, path, code])?
            || codes.query_row(params![day, partner, flow, path], |row| row.get::<_, i64>(0))? < column(CODES_MAX as u64);
        let code = if room { code } else { OTHER_CODES };
        insert.execute(params![day, partner, flow, path, code, column(*records)])?;
    }
    Ok(())
}
