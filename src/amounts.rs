//! Amounts of records, added up exactly: by currency and direction, and by the dates that records carry.
//!
//! Translation adds up each body while it passes, the journal adds bodies up by day. Nothing here is ever a
//! binary fraction or rounded. However many records there are, a sum has at most [`DATES_MAX`] dates of a kind and
//! for each [`CURRENCIES_MAX`] currencies (with their directions); what is beyond is added up under [`OTHERS`].

use jiff::civil::Date;
use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;

/// Pairs of currency and direction that one sum tells apart for each date.
pub const CURRENCIES_MAX: usize = 32;
/// Dates of one kind that one sum tells apart.
pub const DATES_MAX: usize = 64;
/// The date, or the currency, of all those that are not told apart.
pub const OTHERS: &str = "…";
/// Characters of a currency, and of a direction; a record that has more has no amount that can be told.
pub const WORD_CHARS_MAX: usize = 16;
/// Digits of an amount, of one record or of many, and digits behind its point.
const DIGITS_MAX: usize = 28;
const SCALE_MAX: usize = 10;
/// What the units of an amount stay below.
const UNITS_END: u128 = 10_u128.pow(DIGITS_MAX as u32);

/// An exact amount: a whole number of the units that `scale` digits behind the point make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    units: i128,
    scale: u8,
}

impl Amount {
    /// The sum; `None` where it has more digits than an amount may have, which no real amounts come to. So a sum that
    /// is written can be read again.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let units = self.units_at(scale)?.checked_add(other.units_at(scale)?)?;
        (units.unsigned_abs() < UNITS_END).then_some(Self { units, scale })
    }

    /// Whether two amounts are worth the same, however many zeros they are written with.
    pub fn same_value(self, other: Self) -> bool {
        let scale = self.scale.max(other.scale);
        self.units_at(scale).is_some_and(|units| other.units_at(scale) == Some(units))
    }

    fn units_at(self, scale: u8) -> Option<i128> {
        self.units.checked_mul(10_i128.checked_pow(u32::from(scale - self.scale))?)
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let fits = !whole.is_empty() && whole.len() + fraction.len() <= DIGITS_MAX && fraction.len() <= SCALE_MAX;
        let dot_is_followed = !unsigned.ends_with('.');
        if !(fits && dot_is_followed && digits(whole) && digits(fraction)) {
            return Err(format!("no decimal of at most {DIGITS_MAX} digits, {SCALE_MAX} of them behind the point"));
        }
        let units: i128 = format!("{whole}{fraction}").parse().map_err(|_| "no decimal".to_owned())?;
        Ok(Self { units: if unsigned.len() < text.len() { -units } else { units }, scale: fraction.len() as u8 })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.units < 0 { "-" } else { "" };
        if scale == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

/// By which date records are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// When they were received (接收日期), or delivered.
    Received,
    /// Their own work date (工作日期).
    Work,
    /// Their own booking date (记账日期).
    Booking,
}

impl Basis {
    /// Every basis.
    pub const ALL: [Self; 3] = [Self::Received, Self::Work, Self::Booking];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Work => "work",
            Self::Booking => "booking",
        }
    }
}

/// What a sum is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// By which date.
    pub basis: Basis,
    /// The records' date; empty where they are added up by when they were received, or have none.
    pub date: String,
    /// The currency; empty where no amount can be told.
    pub currency: String,
    /// Which way the money goes, as the canonical record has it; empty where it does not say.
    pub direction: String,
}

/// So many records, worth so much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Records.
    pub records: u64,
    /// Their amounts; `None` where no amount can be told.
    pub amount: Option<Amount>,
}

impl AddAssign for Sum {
    /// Adds records of the same line. Their amount can be told as long as that of each can, and all together have no more
    /// digits than an amount may have; they are counted in any case.
    fn add_assign(&mut self, other: Self) {
        self.amount = match (self.records, other.records) {
            (0, _) => other.amount,
            (_, 0) => self.amount,
            _ => self.amount.zip(other.amount).and_then(|(one, other)| one.checked_add(other)),
        };
        self.records = self.records.saturating_add(other.records);
    }
}

/// What a record says of its amount and dates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noted<'r> {
    /// The amount, as it is written.
    pub amount: Option<&'r str>,
    /// Its currency.
    pub currency: Option<&'r str>,
    /// Which way it goes.
    pub direction: Option<&'r str>,
    /// The work date; `None` where its kind of record has no such date, empty where this one has none.
    pub work_date: Option<&'r str>,
    /// The booking date, in the same way.
    pub booking_date: Option<&'r str>,
}

/// The amounts of some records, in the order of their lines: those of one basis and date stand together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts(Vec<Vec<(Line, Sum)>>);

impl Amounts {
    /// Adds a record.
    pub fn note(&mut self, noted: Noted<'_>) {
        let (currency, direction) = (noted.currency.unwrap_or_default(), noted.direction.unwrap_or_default());
        let is_told =
            !matches!(currency, "" | OTHERS) && [currency, direction].iter().all(|word| word.chars().nth(WORD_CHARS_MAX).is_none());
        let amount = noted.amount.filter(|_| is_told).and_then(|text| text.parse::<Amount>().ok());
        let (currency, direction) = if amount.is_some() { (currency, direction) } else { ("", "") };
        let sum = Sum { records: 1, amount };
        for (basis, date) in [(Basis::Received, Some("")), (Basis::Work, noted.work_date), (Basis::Booking, noted.booking_date)] {
            let Some(date) = date.map(|date| if date.parse::<Date>().is_ok() { date } else { "" }) else { continue };
            self.add_at((basis, date, currency, direction), sum);
        }
    }

    /// Adds the records of another.
    pub fn add(&mut self, other: &Self) {
        other.iter().for_each(|(line, sum)| self.add_at((line.basis, &line.date, &line.currency, &line.direction), *sum));
    }

    /// Adds records that nothing is known of, so that there are as many as were counted.
    pub fn fill_up(&mut self, records: u64) {
        let missing = records.saturating_sub(self.records());
        if missing > 0 {
            self.add_at((Basis::Received, "", "", ""), Sum { records: missing, amount: None });
        }
    }

    /// The records, each once.
    pub fn records(&self) -> u64 {
        self.iter().filter(|(line, _)| line.basis == Basis::Received).map(|(_, sum)| sum.records).sum()
    }

    /// The sums in the order of their lines.
    pub fn iter(&self) -> impl Iterator<Item = (&Line, &Sum)> {
        self.0.iter().flatten().map(|(line, sum)| (line, sum))
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds to a line; one that is beyond what is told apart goes to those of all others.
    fn add_at(&mut self, key: Key<'_>, sum: Sum) {
        let (basis, date, currency, direction) = key;
        let place = match self.0.binary_search_by(|lines| date_of(lines).cmp(&(basis, date))) {
            Ok(place) => place,
            Err(_) if date != OTHERS && self.dates(basis) >= DATES_MAX => return self.add_at((basis, OTHERS, currency, direction), sum),
            Err(place) => {
                self.0.insert(place, Vec::new());
                place
            }
        };
        let Some(lines) = self.0.get_mut(place) else { return };
        match lines.binary_search_by(|(line, _)| (line.currency.as_str(), line.direction.as_str()).cmp(&(currency, direction))) {
            Ok(place) => {
                if let Some((_, known)) = lines.get_mut(place) {
                    *known += sum;
                }
            }
            Err(_) if currency != OTHERS && lines.len() >= CURRENCIES_MAX => {
                self.add_at((basis, date, OTHERS, ""), Sum { amount: None, ..sum });
            }
            Err(place) => {
                let line = Line { basis, date: date.to_owned(), currency: currency.to_owned(), direction: direction.to_owned() };
                lines.insert(place, (line, sum));
            }
        }
    }

    /// Dates of a basis.
    fn dates(&self, basis: Basis) -> usize {
        self.0.iter().filter(|lines| date_of(lines).0 == basis).count()
    }
}

/// The basis and the date of lines that stand together.
fn date_of(lines: &[(Line, Sum)]) -> (Basis, &str) {
    lines.first().map_or((Basis::Received, ""), |(line, _)| (line.basis, line.date.as_str()))
}

type Key<'k> = (Basis, &'k str, &'k str, &'k str);

/// The amounts of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Of the records that were taken in.
    pub accepted: Amounts,
    /// Of those that were refused.
    pub refused: Amounts,
}

impl Tally {
    /// Nothing is taken in after all.
    pub fn refuse(&mut self) {
        let accepted = std::mem::take(&mut self.accepted);
        self.refused.add(&accepted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    #[test]
    fn amounts_are_read_and_written_as_they_are() {
        for text in ["0", "0.00", "-0.05", "12345678901234567890.12", "-7", "0.0000000001"] {
            assert_eq!(text.parse::<Amount>().unwrap().to_string(), text);
        }
        for text in ["", ".", "1.", ".5", "+1", "1e3", "1,0", "--1", "٣", "12345678901234567890123456789", "0.00000000001", "NaN"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }

    fn noted<'r>(amount: &'r str, currency: &'r str, booking_date: &'r str) -> Noted<'r> {
        Noted { amount: Some(amount), currency: Some(currency), booking_date: Some(booking_date), ..Noted::default() }
    }

    /// The lines as text.
    fn lines(amounts: &Amounts) -> Vec<String> {
        let told = |(line, sum): (&Line, &Sum)| {
            let amount = sum.amount.map_or("-".to_owned(), |amount| amount.to_string());
            format!("{} {} {} {} {amount}", line.basis.as_str(), line.date, line.currency, sum.records)
        };
        amounts.iter().map(told).collect()
    }

    #[test]
    fn records_are_added_up_by_currency_and_date() {
        let mut amounts = Amounts::default();
        amounts.note(noted("0.10", "CNY", "2026-07-01"));
        amounts.note(noted("0.2", "CNY", "2026-07-02"));
        amounts.note(noted("five", "CNY", "2026-07-02"));
        amounts.note(Noted::default());
        amounts.fill_up(5);
        assert_eq!(
            lines(&amounts),
            [
                "received   3 -",
                "received  CNY 2 0.30",
                "booking 2026-07-01 CNY 1 0.10",
                "booking 2026-07-02  1 -",
                "booking 2026-07-02 CNY 1 0.2"
            ]
        );
        assert_eq!(amounts.records(), 5);
    }

    #[test]
    fn what_cannot_be_told_is_counted() {
        let mut amounts = Amounts::default();
        let nines = "9".repeat(DIGITS_MAX);
        for amount in [nines.as_str(), "0.01", "1.00"] {
            amounts.note(noted(amount, "CNY", ""));
        }
        amounts.note(noted("1.00", "EUR", ""));
        for currency in ["", OTHERS, "A".repeat(WORD_CHARS_MAX + 1).as_str()] {
            amounts.note(noted("1.00", currency, ""));
        }
        amounts.note(Noted { direction: Some(&nines), ..noted("1.00", "CNY", "") });
        assert_eq!(
            lines(&amounts),
            ["received   4 -", "received  CNY 3 -", "received  EUR 1 1.00", "booking   4 -", "booking  CNY 3 -", "booking  EUR 1 1.00"]
        );
    }

    #[test]
    fn a_body_chooses_neither_dates_nor_currencies() {
        let mut amounts = Amounts::default();
        let start: Date = "2026-01-01".parse().unwrap();
        for day in 0..200 {
            let date = start.checked_add(jiff::Span::new().days(day)).unwrap().to_string();
            amounts.note(noted("1.00", "CNY", &date));
        }
        for number in 0..200 {
            amounts.note(noted("1.00", &format!("C{number}"), "2026-01-01"));
        }
        assert_eq!(amounts.records(), 400);
        let of = |basis| amounts.iter().filter(move |(line, _)| line.basis == basis).map(|(_, sum)| sum.records).sum::<u64>();
        assert_eq!(of(Basis::Booking), 400, "nothing is left out");
        assert!(amounts.iter().count() <= 3 * (CURRENCIES_MAX + 1) * (DATES_MAX + 1));
        let other_dates = amounts.iter().find(|(line, _)| line.date == OTHERS && line.currency == "CNY").unwrap().1;
        assert_eq!(other_dates.amount.unwrap().to_string(), format!("{}.00", 200 - DATES_MAX));
    }

    proptest! {
        /// However records are split into bodies, and in whatever order they come, the sums are those that another
        /// library's decimals come to.
        #[test]
        fn splitting_changes_nothing(
            cents in prop::collection::vec((-10_000_000_000_i64..10_000_000_000, 0..3_usize, 0..4_usize), 0..60),
            cut in 0..60_usize,
        ) {
            let texts: Vec<(String, &str, &str)> = cents.iter().map(|(cents, currency, day)| {
                (Decimal::new(*cents, 2).to_string(), ["CNY", "EUR", "JPY"][*currency], ["2026-07-01", "2026-07-02", "2026-07-03", ""][*day])
            }).collect();
            let of = |part: &[(String, &str, &str)]| {
                let mut amounts = Amounts::default();
                part.iter().for_each(|(amount, currency, date)| amounts.note(noted(amount, currency, date)));
                amounts
            };
            let whole = of(&texts);
            let (first, second) = texts.split_at(cut.min(texts.len()));
            let mut joined = of(second);
            joined.add(&of(first));
            prop_assert_eq!(&joined, &whole);
            for currency in ["CNY", "EUR", "JPY"] {
                let own = cents.iter().zip(&texts).filter(|(_, (_, of, _))| *of == currency).map(|((cents, ..), _)| Decimal::new(*cents, 2));
                let expected = own.clone().fold(Decimal::ZERO, |sum, amount| sum + amount);
                let found = whole.iter().find(|(line, _)| line.basis == Basis::Received && line.currency == currency);
                prop_assert_eq!(found.map_or(0, |(_, sum)| sum.records), own.count() as u64);
                let amount = found.and_then(|(_, sum)| sum.amount).map_or(Decimal::ZERO, |amount| amount.to_string().parse().unwrap());
                prop_assert_eq!(amount, expected);
            }
        }
    }
}
