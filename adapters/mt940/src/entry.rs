//! Fields 61 and the balances: their parts, from the wire and back.

use crate::{dates, tally};

/// Field 61.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Day as `YYYY-MM-DD`.
    pub value_date: String,
    /// Day as `YYYY-MM-DD`.
    pub entry_date: Option<String>,
    /// The money came in; a debit that is reversed is one.
    pub credit: bool,
    /// It takes an earlier entry back.
    pub reversal: bool,
    /// It is announced and not booked (MT942).
    pub expected: bool,
    /// Third letter of the currency.
    pub funds_code: Option<String>,
    /// A decimal.
    pub amount: String,
    /// Such as `NTRF`.
    pub kind: String,
    /// For the account's owner.
    pub reference: String,
    /// The bank's.
    pub bank_reference: Option<String>,
}

/// What was expected of a part of a field, and where in its text.
#[derive(Debug)]
pub struct Misfit {
    /// Where in the field's text.
    pub offset: usize,
    /// What was expected, in zh and en.
    pub words: (&'static str, &'static str),
}

impl Entry {
    /// Reads the first line of field 61; beside each part, where it begins.
    ///
    /// # Errors
    /// The first part that is not as it should be.
    pub fn read(line: &str) -> Result<(Self, Places), Misfit> {
        let mut rest = Rest { line, at: 0 };
        let value_date = rest.take(6, |b| b.is_ascii_digit()).and_then(dates::day);
        let value_date =
            value_date.ok_or(Misfit { offset: 0, words: ("应为起息日，如 260930", "a value date such as 260930 is expected") })?;
        let entry = rest.at;
        let entry_date = match rest.take(4, |b| b.is_ascii_digit()) {
            None => None,
            Some(text) => Some(dates::day_near(text, &value_date).ok_or(Misfit {
                offset: entry,
                words: ("应为存在的记账日，如 0930", "an entry date that exists, such as 0930, is expected"),
            })?),
        };
        let mark = rest.at;
        let (credit, reversal, expected) = rest
            .mark()
            .ok_or(Misfit {
                offset: mark, words: ("应为借贷标记 C、D、RC、RD、EC 或 ED", "a mark C, D, RC, RD, EC or ED is expected")
            })?;
        let funds = rest.at;
        let funds_code = rest.take(1, |b| b.is_ascii_alphabetic()).map(str::to_owned);
        let amount_at = rest.at;
        let wire = rest.take_while(|b| b.is_ascii_digit() || b == b',');
        let amount = tally::amount(wire).ok_or(Misfit {
            offset: amount_at,
            words: ("应为带逗号的金额，如 1234,5", "an amount with a comma, such as 1234,5, is expected"),
        })?;
        let kind_at = rest.at;
        let kind = rest.take(4, |b| b.is_ascii_alphanumeric()).filter(|kind| kind.starts_with(['N', 'F', 'S']));
        let kind = kind
            .ok_or(Misfit { offset: kind_at, words: ("应为交易类型，如 NTRF", "a transaction type such as NTRF is expected") })?;
        let reference_at = rest.at;
        let (reference, bank) = match rest.left().split_once("//") {
            Some((reference, bank)) => (reference, Some(bank)),
            None => (rest.left(), None),
        };
        let places = Places {
            entry,
            mark,
            funds,
            amount: amount_at,
            kind: kind_at,
            reference: reference_at,
            bank: reference_at + reference.len() + 2,
        };
        let (kind, reference, bank_reference) = (kind.to_owned(), reference.to_owned(), bank.map(str::to_owned));
        Ok((Self { value_date, entry_date, credit, reversal, expected, funds_code, amount, kind, reference, bank_reference }, places))
    }

    /// The first line of field 61; `None` where a part has no form, or would be read as another.
    pub fn write(&self) -> Option<String> {
        let entry_date = self.entry_date.as_deref().map(|date| dates::short(date).and_then(|d| Some(d.get(2..)?.to_owned())));
        let side = if self.credit != self.reversal { "C" } else { "D" };
        let line = format!(
            "{}{}{}{side}{}{}{}{}{}{}",
            dates::short(&self.value_date)?,
            entry_date.map_or(Some(String::new()), |date| date)?,
            if self.reversal {
                "R"
            } else if self.expected {
                "E"
            } else {
                ""
            },
            self.funds_code.as_deref().unwrap_or_default(),
            tally::with_comma(&self.amount)?,
            self.kind,
            self.reference,
            if self.bank_reference.is_some() { "//" } else { "" },
            self.bank_reference.as_deref().unwrap_or_default(),
        );
        let fits = self.reference.len() <= 16 && self.bank_reference.as_ref().is_none_or(|bank| bank.len() <= 16);
        Self::read(&line).ok().filter(|(read, _)| fits && read == self).map(|_| line)
    }
}

/// Where the parts of field 61 begin in its line.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Places {
    pub entry: usize,
    pub mark: usize,
    pub funds: usize,
    pub amount: usize,
    pub kind: usize,
    pub reference: usize,
    pub bank: usize,
}

/// What is left of a line.
struct Rest<'l> {
    line: &'l str,
    at: usize,
}

impl<'l> Rest<'l> {
    fn left(&self) -> &'l str {
        self.line.get(self.at..).unwrap_or_default()
    }

    /// So many bytes of a kind, or nothing.
    fn take(&mut self, length: usize, kind: fn(u8) -> bool) -> Option<&'l str> {
        let text = self.left().get(..length).filter(|text| text.bytes().all(kind))?;
        self.at += length;
        Some(text)
    }

    fn take_while(&mut self, kind: fn(u8) -> bool) -> &'l str {
        let left = self.left();
        let length = left.bytes().take_while(|&b| kind(b)).count();
        self.at += length;
        left.get(..length).unwrap_or_default()
    }

    /// Direction of the money, reversal, expected.
    fn mark(&mut self) -> Option<(bool, bool, bool)> {
        let marks = [
            ("RC", (false, true, false)),
            ("RD", (true, true, false)),
            ("EC", (true, false, true)),
            ("ED", (false, false, true)),
            ("C", (true, false, false)),
            ("D", (false, false, false)),
        ];
        let (mark, meaning) = marks.into_iter().find(|(mark, _)| self.left().starts_with(mark))?;
        self.at += mark.len();
        Some(meaning)
    }
}

/// A balance: fields 60, 62, 64 and 65.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// It is a credit.
    pub credit: bool,
    /// Day as `YYYY-MM-DD`.
    pub date: String,
    /// ISO 4217.
    pub currency: String,
    /// A decimal.
    pub amount: String,
}

impl Balance {
    /// Where date, currency and amount begin in the field's text.
    pub const PLACES: [usize; 3] = [1, 7, 10];

    /// Reads a balance; `None` for what is none.
    pub fn read(text: &str) -> Option<Self> {
        let credit = match text.get(..1)? {
            "C" => true,
            "D" => false,
            _ => return None,
        };
        let currency = currency(text.get(7..10)?)?;
        Some(Self { credit, date: dates::day(text.get(1..7)?)?, currency, amount: tally::amount(text.get(10..)?)? })
    }

    /// The field's text; `None` where a part has no form.
    pub fn write(&self) -> Option<String> {
        let mark = if self.credit { "C" } else { "D" };
        let text = format!("{mark}{}{}{}", dates::short(&self.date)?, self.currency, tally::with_comma(&self.amount)?);
        Self::read(&text).filter(|read| read == self).map(|_| text)
    }

    /// In millionths, debits below zero.
    pub fn signed(&self) -> Option<i128> {
        tally::millionths(&self.amount).map(|amount| if self.credit { amount } else { -amount })
    }
}

/// Three capital letters.
pub fn currency(text: &str) -> Option<String> {
    (text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())).then(|| text.to_owned())
}

/// `YYMMDDhhmm+hhmm` as `YYYY-MM-DDThh:mm+hh:mm`; the offset may be missing.
pub fn moment(text: &str) -> Option<String> {
    let (day, clock, offset) = (dates::day(text.get(..6)?)?, text.get(6..10)?, text.get(10..)?);
    let digits = |text: &str| text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
    let offset = match (offset.get(..1), offset.get(1..)) {
        (None, _) => String::new(),
        (Some(sign @ ("+" | "-")), Some(rest)) if digits(rest) => format!("{sign}{}:{}", rest.get(..2)?, rest.get(2..)?),
        _ => return None,
    };
    digits(clock).then(|| format!("{day}T{}:{}{offset}", clock.get(..2).unwrap_or_default(), clock.get(2..).unwrap_or_default()))
}

/// The way back from [`moment`]; seconds must be zero.
pub fn moment_written(text: &str) -> Option<String> {
    let (day, rest) = text.split_once('T')?;
    let (hour, minute) = (rest.get(..2)?, rest.get(3..5)?);
    let offset = rest.get(5..)?;
    let offset = offset.strip_prefix(":00").unwrap_or(offset);
    let offset: String = if offset == "Z" { "+0000".to_owned() } else { offset.split(':').collect() };
    let written = format!("{}{hour}{minute}{offset}", dates::short(day)?);
    moment(&written).map(|_| written)
}
