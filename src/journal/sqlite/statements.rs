//! Days in sums: gathered in memory by a group, added once at its end; and the statements that are kept.

use super::commit::Group;
use super::reads::{all, number, one};
use super::writer::{Answer, Work};
use super::{JournalError, SqliteJournal, column};
use crate::amounts::{Amounts, Basis, Line, OTHERS, Sum};
use crate::domain::{Counts, DestinationId, FlowId, Outcome, PartnerId};
use crate::journal::NewExchange;
use crate::journal::statements::{
    CLOSING_SPAN, DayBook, DayExchanges, DaySum, KeptStatement, Measure, SUMS_PER_MEASURE_MAX, StatementBook,
};
use crate::schedule::BusinessDay;
use crate::schedule::day::ZONE_DEFAULT;
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, Row, params};
use std::collections::BTreeMap;

/// Partner, flow and day.
type Key = (String, String, Date);

/// A statement that is to be kept.
pub(super) struct NewStatement {
    pub partner: PartnerId,
    pub flow: FlowId,
    pub day: Date,
    pub kept: KeptStatement,
}

/// What a group adds to days.
#[derive(Default)]
pub(super) struct Days {
    exchanges: BTreeMap<Key, DayExchanges>,
    sums: BTreeMap<(Key, Measure, String), Amounts>,
    rules: BTreeMap<String, BusinessDay>,
}

impl Days {
    /// A new exchange.
    pub fn exchange(&mut self, exchange: &NewExchange, counts: Counts, now: Timestamp) {
        let NewExchange { partner, flow, business_day, verdict, .. } = exchange;
        let day = business_day.of(exchange.received_at).max(business_day.of(now.saturating_sub(CLOSING_SPAN).unwrap_or(now)));
        let key = (partner.to_string(), flow.to_string(), day);
        let exchanges = self.exchanges.entry(key.clone()).or_default();
        exchanges.all += 1;
        exchanges.in_part += u64::from(verdict.outcome == Outcome::InPart);
        exchanges.refused += u64::from(verdict.outcome == Outcome::Refused);
        exchanges.repeated_records += counts.repeated;
        for (measure, amounts) in [(Measure::Accepted, &verdict.tally.accepted), (Measure::Refused, &verdict.tally.refused)] {
            if !amounts.is_empty() {
                self.sums.entry((key.clone(), measure, String::new())).or_default().add(amounts);
            }
        }
        self.rules.insert(flow.to_string(), business_day.clone());
    }

    /// A delivery that was acknowledged. Returns when its exchange was received.
    pub fn delivered(
        &mut self,
        connection: &Connection,
        delivery: i64,
        to: &str,
        amounts: &Amounts,
        now: Timestamp,
    ) -> Result<Option<i64>, JournalError> {
        let find = "SELECT e.partner, e.flow, e.received_at, r.zone, r.cut_off FROM delivery d JOIN exchange e ON e.sequence = d.exchange
            LEFT JOIN day_rule r ON r.flow = e.flow WHERE d.sequence = ?1";
        let of = |row: &Row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, read_rule(row, 3)?));
        let Some((sender, flow, received_at, rule)) = one(connection, find, [delivery], of)? else { return Ok(None) };
        let day = self.rules.get(&flow).unwrap_or(&rule).of(now);
        let receiver = to.parse::<DestinationId>().map(|to| to.partner.to_string()).map_err(JournalError::Damaged)?;
        for (partner, measure, other) in [(sender.clone(), Measure::Delivered, to.to_owned()), (receiver, Measure::Taken, sender)] {
            self.sums.entry(((partner, flow.clone(), day), measure, other)).or_default().add(amounts);
        }
        Ok(Some(received_at))
    }

    /// Adds what was gathered to the tables.
    pub fn write(&self, connection: &Connection) -> Result<(), JournalError> {
        for (flow, rule) in &self.rules {
            let note = "INSERT INTO day_rule (flow, zone, cut_off) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET zone = ?2, cut_off = ?3
                WHERE zone <> ?2 OR cut_off IS NOT ?3";
            connection.prepare_cached(note)?.execute(params![flow, rule.zone(), rule.cut_off().map(|time| time.to_string())])?;
        }
        for ((partner, flow, day), exchanges) in &self.exchanges {
            let DayExchanges { all, in_part, refused, repeated_records } = *exchanges;
            let add = "INSERT INTO day_exchange (partner, flow, day, exchanges, in_part, refused, repeated_records)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET exchanges = exchanges + ?4, in_part = in_part + ?5,
                refused = refused + ?6, repeated_records = repeated_records + ?7";
            let [all, in_part, refused, repeated] = [all, in_part, refused, repeated_records].map(column);
            connection.prepare_cached(add)?.execute(params![partner, flow, day.to_string(), all, in_part, refused, repeated])?;
        }
        for (((partner, flow, day), measure, other), amounts) in &self.sums {
            let mut table = SumTable { connection, partner, flow, day: day.to_string(), measure: *measure, other, rows: None };
            amounts.iter().try_for_each(|(line, sum)| table.add(line, *sum))?;
        }
        Ok(())
    }
}

/// How a row tells the days of a flow apart; a flow without a commit of its own has the usual zone.
fn read_rule(row: &Row, first: usize) -> Result<BusinessDay, JournalError> {
    let (zone, cut_off): (Option<String>, Option<String>) = (row.get(first)?, row.get(first + 1)?);
    let cut_off = cut_off.map(|text| text.parse()).transpose().map_err(|error: jiff::Error| JournalError::Damaged(error.to_string()))?;
    Ok(BusinessDay::new(zone.as_deref().unwrap_or(ZONE_DEFAULT), cut_off))
}

/// The sums of one day and measure with one other party, as they are added to. Each party has room of its own, so that
/// none takes that of all others.
struct SumTable<'a> {
    connection: &'a Connection,
    partner: &'a str,
    flow: &'a str,
    day: String,
    measure: Measure,
    other: &'a str,
    /// How many there are, once that was asked: counted once for all that a group adds.
    rows: Option<i64>,
}

impl SumTable<'_> {
    /// Adds to one sum. There are no more than there may be: what is beyond goes to those of other dates, then to those
    /// of other currencies, which have no amount.
    fn add(&mut self, line: &Line, sum: Sum) -> Result<(), JournalError> {
        let known = self.read(line)?;
        if known.is_none()
            && let Some(others) = beyond(line)
            && self.is_full(line.date != OTHERS)?
        {
            let amount = sum.amount.filter(|_| others.currency != OTHERS);
            return self.add(&others, Sum { amount, ..sum });
        }
        if known.is_none() {
            self.rows = self.rows.map(|rows| rows + 1);
        }
        let mut added = known.unwrap_or_default();
        added += sum;
        let write = "INSERT OR REPLACE INTO day_sum (partner, flow, day, measure, other, basis, date, currency, direction, records, amount)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        self.connection.prepare_cached(write)?.execute(params![
            self.partner,
            self.flow,
            self.day,
            measure_number(self.measure),
            self.other,
            basis_number(line.basis),
            line.date,
            line.currency,
            line.direction,
            column(added.records),
            added.amount.map(|amount| amount.to_string())
        ])?;
        Ok(())
    }

    fn read(&self, line: &Line) -> Result<Option<Sum>, JournalError> {
        let find = "SELECT records, amount FROM day_sum WHERE partner = ?1 AND flow = ?2 AND day = ?3 AND measure = ?4 AND other = ?5
            AND basis = ?6 AND date = ?7 AND currency = ?8 AND direction = ?9";
        let of = params![
            self.partner,
            self.flow,
            self.day,
            measure_number(self.measure),
            self.other,
            basis_number(line.basis),
            line.date,
            line.currency,
            line.direction
        ];
        one(self.connection, find, of, |row| Ok(Sum { records: number(row, 0)?, amount: amount_of(row.get(1)?)? }))
    }

    /// Whether there are all the sums that there may be; those of other dates have some room behind that.
    fn is_full(&mut self, of_dates: bool) -> Result<bool, JournalError> {
        let rows = match self.rows {
            Some(rows) => rows,
            None => {
                let count = "SELECT count(*) FROM day_sum WHERE partner = ?1 AND flow = ?2 AND day = ?3 AND measure = ?4 AND other = ?5";
                let of = params![self.partner, self.flow, self.day, measure_number(self.measure), self.other];
                *self.rows.insert(self.connection.prepare_cached(count)?.query_row(of, |row| row.get(0))?)
            }
        };
        let max = if of_dates { SUMS_PER_MEASURE_MAX } else { SUMS_PER_MEASURE_MAX + SUMS_PER_MEASURE_MAX / 8 };
        Ok(rows >= column(max as u64))
    }
}

/// The line that has what a line has no room for; the last one of all always has room.
fn beyond(line: &Line) -> Option<Line> {
    match (line.date == OTHERS, line.currency == OTHERS) {
        (false, _) => Some(Line { date: OTHERS.to_owned(), ..line.clone() }),
        (true, false) => Some(Line { currency: OTHERS.to_owned(), direction: String::new(), ..line.clone() }),
        (true, true) => None,
    }
}

fn amount_of(text: Option<String>) -> Result<Option<crate::amounts::Amount>, JournalError> {
    text.map(|text| text.parse().map_err(JournalError::Damaged)).transpose()
}

fn measure_number(measure: Measure) -> i64 {
    match measure {
        Measure::Accepted => 0,
        Measure::Refused => 1,
        Measure::Delivered => 2,
        Measure::Taken => 3,
    }
}

fn basis_number(basis: Basis) -> i64 {
    match basis {
        Basis::Received => 0,
        Basis::Work => 1,
        Basis::Booking => 2,
    }
}

impl Group<'_> {
    pub(super) fn keep_statement(&self, new: &NewStatement) -> Result<Answer, JournalError> {
        let keep = "INSERT INTO statement (partner, flow, day, text, workbook) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
        let (partner, flow, day) = (new.partner.as_str(), new.flow.as_str(), new.day.to_string());
        self.connection.prepare_cached(keep)?.execute(params![partner, flow, day, new.kept.text, new.kept.workbook])?;
        Ok(Answer::Changed(true))
    }
}

#[async_trait::async_trait]
impl StatementBook for SqliteJournal {
    async fn day_book(&self, partner: &PartnerId, flow: &FlowId, day: Date) -> Result<DayBook, JournalError> {
        let (partner, flow) = (partner.to_string(), flow.to_string());
        self.list_readers.read(move |connection| day_book(connection, &partner, &flow, day)).await
    }

    async fn statement(&self, partner: &PartnerId, flow: &FlowId, day: Date) -> Result<Option<KeptStatement>, JournalError> {
        let (partner, flow) = (partner.to_string(), flow.to_string());
        let find = "SELECT text, workbook FROM statement WHERE partner = ?1 AND flow = ?2 AND day = ?3";
        let read = move |connection: &Connection| {
            one(connection, find, params![partner, flow, day.to_string()], |row| {
                Ok(KeptStatement { text: row.get(0)?, workbook: row.get(1)? })
            })
        };
        self.list_readers.read(read).await
    }

    async fn keep_statement(
        &self,
        partner: &PartnerId,
        flow: &FlowId,
        day: Date,
        statement: KeptStatement,
    ) -> Result<KeptStatement, JournalError> {
        let new = NewStatement { partner: partner.clone(), flow: flow.clone(), day, kept: statement };
        self.write(Work::Statement(Box::new(new))).await?.changed()?;
        self.statement(partner, flow, day).await?.ok_or_else(|| JournalError::Damaged("a statement that was kept is gone".to_owned()))
    }
}

fn day_book(connection: &Connection, partner: &str, flow: &str, day: Date) -> Result<DayBook, JournalError> {
    let of = params![partner, flow, day.to_string()];
    let find = "SELECT exchanges, in_part, refused, repeated_records FROM day_exchange WHERE partner = ?1 AND flow = ?2 AND day = ?3";
    let exchanges = one(connection, find, of, |row| {
        Ok(DayExchanges { all: number(row, 0)?, in_part: number(row, 1)?, refused: number(row, 2)?, repeated_records: number(row, 3)? })
    })?;
    let find = "SELECT measure, other, basis, date, currency, direction, records, amount FROM day_sum
        WHERE partner = ?1 AND flow = ?2 AND day = ?3 ORDER BY measure, other, basis, date, currency, direction";
    let sums = all(connection, find, params![partner, flow, day.to_string()], |row| {
        let measures = [Measure::Accepted, Measure::Refused, Measure::Delivered, Measure::Taken];
        Ok(DaySum {
            measure: nth(measures, row.get(0)?)?,
            other: row.get(1)?,
            line: Line { basis: nth(Basis::ALL, row.get(2)?)?, date: row.get(3)?, currency: row.get(4)?, direction: row.get(5)? },
            sum: Sum { records: number(row, 6)?, amount: amount_of(row.get(7)?)? },
        })
    })?;
    Ok(DayBook { exchanges: exchanges.unwrap_or_default(), sums })
}

fn nth<T: Copy, const N: usize>(all: [T; N], number: i64) -> Result<T, JournalError> {
    let found = usize::try_from(number).ok().and_then(|number| all.get(number).copied());
    found.ok_or_else(|| JournalError::Damaged(format!("{number} is no kind of a day's sum")))
}
