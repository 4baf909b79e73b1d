//! Synthetic feeds: what partners would send, made from a seed.
//!
//! The same seed, message number and size give the same bytes on every machine. Feeds are written
//! as they are made, so a feed of any length costs the memory of one record. Beside the bytes each
//! feed tells the facts: for every record the canonical record that must arrive at the receiver,
//! computed from the feed's own numbers and not by any mapping, or the cell that must be refused.
//! All of it is labelled synthetic: ids begin with `SYN`.

pub mod camt054;
pub mod ceb603;
pub mod chance;
pub mod digits;
pub mod parties;
pub mod platform_income;
mod text;

use serde_json::Value;
use std::io::{self, Write};

/// How much of a feed to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many records.
    Records(u64),
    /// Whole records until there are at least so many bytes.
    Bytes(u64),
}

/// How much was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Records.
    pub records: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What must become of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Its number in the body, counted from 1.
    pub record: u64,
    /// What must become of it.
    pub expected: Expected,
}

/// What must become of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// It is accepted and becomes this canonical record.
    Accepted(Value),
    /// It is refused because of this cell.
    Refused(WrongCell),
}

/// A cell that was made wrong on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongCell {
    /// Row as a spreadsheet counts it, from 1, header rows included.
    pub row: u64,
    /// Heading of the column.
    pub column: &'static str,
    /// What stands in it.
    pub found: String,
}

/// Takes the facts while a feed is written.
pub type TakeFact<'a> = &'a mut dyn FnMut(Fact);

/// Something that a partner sends.
pub trait Feed {
    /// Writes the body. Where facts are wanted, `facts` is given the fact of each record in order;
    /// a body alone is made faster. Each record is one small write, so a file wants a buffer.
    ///
    /// # Errors
    /// Those of `into` alone.
    fn write(&self, into: &mut dyn Write, facts: Option<TakeFact>) -> io::Result<Written>;

    /// The media type to send it with.
    fn content_type(&self) -> &'static str;

    /// The message id that stands in the body, where its format has one.
    fn message_id(&self) -> Option<String>;

    /// A name for a file of it.
    fn file_name(&self) -> String;

    /// The whole body in memory.
    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        // Writing to memory does not fail.
        let _ = self.write(&mut body, None);
        body
    }

    /// The facts of all records at once: some kilobytes each. For a long feed give `write` a sink and
    /// take the facts one by one.
    fn facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let _ = self.write(&mut io::sink(), Some(&mut |fact| facts.push(fact)));
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::camt054::Camt054;
    use super::ceb603::{Ceb603, Charset};
    use super::platform_income::{PlatformIncome, Wrong};
    use super::*;
    use std::collections::BTreeSet;

    fn feeds(seed: u64, message: u64, size: Size) -> [Box<dyn Feed>; 4] {
        [
            Box::new(Camt054 { seed, message, size }),
            Box::new(PlatformIncome { seed, message, size, wrong: [(2, Wrong::ThirdDecimal)].into() }),
            Box::new(Ceb603 { seed, message, size, charset: Charset::Utf8 }),
            Box::new(Ceb603 { seed, message, size, charset: Charset::Gb2312 }),
        ]
    }

    #[test]
    fn the_same_seed_makes_the_same_bytes_and_another_does_not() {
        let size = Size::Records(40);
        let again = feeds(1, 1, size);
        for (feed, again) in feeds(1, 1, size).iter().zip(&again) {
            assert_eq!(feed.body(), again.body());
            assert_eq!(feed.facts(), again.facts());
        }
        let bodies = |seed, message| feeds(seed, message, size).map(|feed| feed.body());
        let all: BTreeSet<_> = [bodies(1, 1), bodies(1, 2), bodies(2, 1)].concat().into_iter().collect();
        assert_eq!(all.len(), 12);
    }

    #[test]
    fn a_feed_has_as_many_records_as_asked_and_a_fact_for_each() {
        for records in [1, 2, 40, 333] {
            for feed in feeds(5, 1, Size::Records(records)) {
                let numbers: Vec<_> = feed.facts().iter().map(|fact| fact.record).collect();
                assert_eq!(numbers, (1..=records).collect::<Vec<_>>(), "{}", feed.file_name());
            }
        }
    }

    /// A whole entry or record more than asked, and the end of the document.
    const OVERSHOOT_BYTES_MAX: u64 = 16_000;

    #[test]
    fn a_feed_of_so_many_bytes_has_them_and_little_more() {
        for feed in feeds(5, 1, Size::Bytes(100_000)) {
            let written = feed.write(&mut io::sink(), None).expect("a sink takes all");
            assert_eq!(written.bytes, feed.body().len() as u64);
            assert!((100_000..100_000 + OVERSHOOT_BYTES_MAX).contains(&written.bytes), "{} {}", feed.file_name(), written.bytes);
        }
    }

    #[test]
    fn wrong_cells_are_told_where_a_spreadsheet_shows_them() {
        let wrong = [(1, Wrong::ThirdDecimal), (12, Wrong::ImpossiblePeriod), (30, Wrong::FullWidthDigits)];
        let feed = PlatformIncome { seed: 3, message: 1, size: Size::Records(30), wrong: wrong.into() };
        let body = encoding_rs::GB18030.decode(&feed.body()).0.into_owned();
        let mut told = Vec::new();
        for fact in feed.facts() {
            if let Expected::Refused(cell) = fact.expected {
                let line = body.lines().nth(cell.row as usize - 1).expect("a row");
                assert!(line.contains(&cell.found), "{line} has no {}", cell.found);
                told.push((fact.record, cell.row, cell.column));
            }
        }
        assert_eq!(told, [(1, 6, "收入总额"), (12, 17, "收入所属期间"), (30, 35, "交易（订单）笔数")]);
    }
}
