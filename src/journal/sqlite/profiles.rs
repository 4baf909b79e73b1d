//! The profile by day of what came, written with the exchanges that it is of.

use super::{JournalError, column};
use crate::domain::{FlowId, PartnerId};
use crate::journal::NewExchange;
use crate::profile::{CODES_MAX, Profile};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// The code that stands for all codes beyond those that are told apart.
pub const OTHER_CODES: &str = "…";

/// What a group adds, by day since 1970.
#[derive(Default)]
pub(super) struct Profiles(BTreeMap<(i64, PartnerId, FlowId), Profile>);

impl Profiles {
    pub fn add(&mut self, exchange: &NewExchange) {
        if exchange.verdict.profile.records > 0 {
            let day = exchange.received_at.as_millisecond().div_euclid(DAY_MS);
            self.0.entry((day, exchange.partner.clone(), exchange.flow.clone())).or_default().add(&exchange.verdict.profile);
        }
    }

    pub fn write(&self, connection: &Connection) -> Result<(), JournalError> {
        self.0.iter().try_for_each(|((day, partner, flow), profile)| write_profile(connection, *day, partner, flow, profile))
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
