//! Reading: the order of a message's fields, what they fill, and what they must add up to.

use crate::entry::{self, Balance, Entry};
use crate::fields::{Event, Field, Fields, sender};
use crate::tally::{self, Tally};
use crate::{BoundMt940, Message, info};
use portolan_contract::{FormatCode, FormatError, Found, Limits, Position, RawRecord, ReadRecords, Walker, Words};
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

/// Findings about messages that are kept until the end of the body.
const LATE_MAX: usize = portolan_contract::walk::RECORD_FINDINGS_MAX;

/// Fields in their order within a message. After field 61 its own field 86 may follow; a second place
/// of that is the statement's.
const ORDER: &[&[&str]] = &[
    &["20"],
    &["21"],
    &["25", "25P"],
    &["28C", "28"],
    &["34F"],
    &["13D"],
    &["60F", "60M"],
    &["61"],
    &["90D"],
    &["90C"],
    &["62F", "62M"],
    &["64"],
    &["65"],
    &["86"],
];
/// Ranks in that order of fields that may come more than once, of field 61 and of the statement's 86.
const REPEATED: [usize; 3] = [4, ENTRY_RANK, 12];
const ENTRY_RANK: usize = 7;
const INFORMATION_RANK: usize = 13;

/// Reads the records of one body.
pub struct Reader<'a> {
    bound: &'a BoundMt940,
    fields: Fields<'a>,
    walker: Walker,
    held: Option<Event>,
    open: Option<Statement>,
    /// Field 61 is open; whether its field 86 has come.
    entry: Option<bool>,
    /// A message was read.
    begun: bool,
    /// The page before.
    page: Option<Page>,
    late: Vec<(&'static str, Position, Words)>,
}

/// The message at hand.
#[derive(Default)]
struct Statement {
    at: Position,
    /// The rank of its last field; `None` at its start.
    rank: Option<usize>,
    /// By rank, whether there was such a field.
    seen: [bool; ORDER.len()],
    page: Page,
    opening: Option<Balance>,
    tally: Tally,
    /// The second 34F.
    limits: usize,
}

/// What tells one page of a statement from another, and how it ended.
#[derive(Clone, Default)]
struct Page {
    account: String,
    number: String,
    page: Option<u64>,
    /// The closing balance is intermediate.
    closing: Option<Balance>,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a body.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn new(input: Box<dyn Read + 'a>, bound: &'a BoundMt940, limits: &Limits) -> Result<Self, FormatError> {
        let fields = Fields::new(input, bound.options.charset, limits.token_bytes_max)?;
        let walker = Walker::new(Arc::clone(&bound.plan), limits);
        Ok(Self { bound, fields, walker, held: None, open: None, entry: None, begun: false, page: None, late: Vec::new() })
    }

    fn late(&mut self, rule: &'static str, at: Position, zh: impl Into<String>, en: impl Into<String>) {
        if self.late.len() < LATE_MAX {
            self.late.push((rule, at, Words::new(zh, en)));
        }
    }

    /// Begins a message; its blocks, where it has them, say who sent it.
    fn open(&mut self, at: Position, blocks: Option<&Field>) -> Result<(), FormatError> {
        self.walker.enter("statement", at)?;
        self.open = Some(Statement { at, ..Statement::default() });
        if let Some(blocks) = blocks {
            let (number, bic) = sender(&blocks.text);
            let expected = self.bound.options.message.number();
            if let Some(number) = number.filter(|number| *number != expected) {
                let (zh, en) = (format!("应为 MT{expected}，实为 MT{number}"), format!("MT{expected} is expected, this is MT{number}"));
                return Err(FormatError::new(FormatCode::NotThisMessage, at, zh, en));
            }
            if let Some((bic, range)) = bic {
                self.part("sender", &bic, blocks, range)?;
            }
        }
        Ok(())
    }

    /// A value that is made of a stretch of a field's text.
    fn part(&mut self, name: &str, value: &str, field: &Field, range: Range<usize>) -> Result<(), FormatError> {
        let at = field.place(range.start);
        self.walker.value_from(name, value, &field.source(range), at)
    }

    /// Ends the message at hand, if there is one.
    fn close(&mut self, at: Position, code: FormatCode) -> Result<(), FormatError> {
        let Some(statement) = self.open.take() else { return Ok(()) };
        let required: &[usize] = match self.bound.options.message {
            Message::Mt940 => &[0, 2, 3, 6, 10],
            Message::Mt942 => &[0, 2, 3, 4, 5],
        };
        let missing = required.iter().filter(|&&rank| statement.seen.get(rank) == Some(&false));
        for tag in missing.filter_map(|&rank| ORDER.get(rank)?.first()) {
            if code == FormatCode::Truncated && *tag == "62F" {
                let (zh, en) =
                    ("报文中断：缺少期末余额（字段 62）", "the body ends within a message: it has no closing balance (field 62)");
                return Err(FormatError::new(code, at, zh, en));
            }
            let (zh, en) = (format!("报文缺少字段 {tag}"), format!("the message has no field {tag}"));
            self.late("mt940.missing-field", statement.at, zh, en);
        }
        self.page = Some(statement.page);
        self.walker.leave(at)?;
        Ok(())
    }

    /// Checks a field's place in the message, and begins the message where it has no blocks.
    fn place(&mut self, field: &Field) -> Result<Option<usize>, FormatError> {
        let known = ORDER.iter().position(|tags| tags.contains(&field.tag.as_str()));
        if known == Some(0) && self.open.as_ref().is_none_or(|open| open.rank.is_some()) {
            self.close(field.at, FormatCode::Syntax)?;
            self.open(field.at, None)?;
        }
        let code = if self.begun { FormatCode::Syntax } else { FormatCode::NotThisMessage };
        let wrong = |zh: String, en: String| Err(FormatError::new(code, field.at, zh, en));
        let tag = &field.tag;
        let Some(open) = &mut self.open else {
            return wrong(format!("报文应以字段 20 开头，实为 {tag}"), format!("a message begins with field 20, this is {tag}"));
        };
        if known != Some(0) && open.rank.is_none() {
            return wrong(format!("报文应以字段 20 开头，实为 {tag}"), format!("a message begins with field 20, this is {tag}"));
        }
        self.begun = true;
        let Some(rank) = known else {
            if !self.bound.options.ignored_fields.contains(tag) {
                let (zh, en) = (format!("未知字段 {tag}"), format!("the field {tag} is not known here"));
                self.late("mt940.unknown-field", field.at, zh, en);
            }
            return Ok(None);
        };
        let again = open.rank == Some(rank) && !REPEATED.contains(&rank);
        if open.rank.is_some_and(|last| rank < last) || again {
            let (zh, en) = (format!("字段 {tag} 的位置或次数不对"), format!("the field {tag} stands out of its order, or twice"));
            return Err(FormatError::new(FormatCode::Syntax, field.at, zh, en));
        }
        open.rank = Some(rank);
        if let Some(seen) = open.seen.get_mut(rank) {
            *seen = true;
        }
        Ok(Some(rank))
    }

    fn take(&mut self, field: &Field) -> Result<(), FormatError> {
        if field.tag == "86" && self.entry.is_some() {
            return self.information(field);
        }
        let Some(rank) = self.place(field)? else { return Ok(()) };
        let fits = match (rank, field.tag.get(..2).unwrap_or_default()) {
            (ENTRY_RANK, _) => return self.entry(field),
            (INFORMATION_RANK, _) => {
                self.lines(field)?;
                true
            }
            (_, "60" | "62" | "64" | "65") => self.balance(field)?,
            (_, "90") => self.total(field)?,
            (_, "34") => self.floor_limit(field)?,
            (_, "28") => self.number(field)?,
            (_, "13") => match entry::moment(field.text.trim_end()) {
                Some(moment) => self.part("13D", &moment, field, 0..field.text.trim_end().len()).map(|()| true)?,
                None => false,
            },
            (_, tag) => {
                let text = field.lines().next().map_or("", |(text, _)| text);
                if let Some(open) = self.open.as_mut().filter(|_| tag == "25") {
                    text.clone_into(&mut open.page.account);
                }
                self.walker.value(tag, text, field.place(0))?;
                !text.is_empty()
            }
        };
        if !fits {
            let tag = &field.tag;
            let (zh, en) = (format!("字段 {tag} 的内容不符合其格式"), format!("the text of field {tag} is not in its form"));
            self.late("mt940.field", field.place(0), zh, en);
        }
        Ok(())
    }

    fn number(&mut self, field: &Field) -> Result<bool, FormatError> {
        let text = field.text.trim_end();
        let (number, page) = text.split_once('/').map_or((text, None), |(number, page)| (number, Some(page)));
        self.walker.enter("28C", field.at)?;
        self.walker.value("number", number, field.place(0))?;
        if let Some(page) = page {
            self.walker.value("page", page, field.place(number.len() + 1))?;
        }
        self.walker.leave(field.at)?;
        let page = page.map(|page| page.parse::<u64>().ok());
        if let Some(open) = &mut self.open {
            open.page = Page { number: number.to_owned(), page: page.flatten(), ..std::mem::take(&mut open.page) };
        }
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        Ok(digits && page != Some(None))
    }

    fn floor_limit(&mut self, field: &Field) -> Result<bool, FormatError> {
        let text = field.text.trim_end();
        let mark = text.get(3..4).filter(|mark| matches!(*mark, "C" | "D"));
        let at = 3 + mark.map_or(0, str::len);
        let Some((currency, amount)) = text.get(..3).and_then(entry::currency).zip(text.get(at..).and_then(tally::amount)) else {
            return Ok(false);
        };
        let second = self.open.as_mut().is_some_and(|open| std::mem::replace(&mut open.limits, 1) > 0);
        self.walker.enter("34F", field.at)?;
        if !second {
            self.walker.value("currency", &currency, field.place(0))?;
        }
        for name in ["debit", "credit"].into_iter().filter(|name| mark.is_none_or(|mark| (mark == "D") == (*name == "debit"))) {
            self.part(name, &amount, field, at..text.len())?;
        }
        self.walker.leave(field.at)?;
        Ok(true)
    }

    fn balance(&mut self, field: &Field) -> Result<bool, FormatError> {
        let text = field.text.trim_end();
        let Some(balance) = Balance::read(text) else { return Ok(false) };
        let tag = field.tag.get(..2).unwrap_or_default();
        let option = field.tag.get(2..).unwrap_or_default();
        self.walker.enter(tag, field.at)?;
        if !option.is_empty() {
            self.walker.value("option", option, field.place_of_option())?;
        }
        let [date, currency, amount] = Balance::PLACES;
        for (name, value, range) in [
            ("mark", if balance.credit { "C" } else { "D" }, 0..date),
            ("date", &balance.date, date..currency),
            ("currency", &balance.currency, currency..amount),
            ("amount", &balance.amount, amount..text.len()),
        ] {
            self.part(name, value, field, range)?;
        }
        self.walker.leave(field.at)?;
        match tag {
            "60" => self.opening(field, option == "M", balance),
            "62" => self.closing(field, option == "M", balance),
            _ => {}
        }
        Ok(true)
    }

    /// A page must go on where the one before it ended.
    fn opening(&mut self, field: &Field, intermediate: bool, balance: Balance) {
        let Some(open) = &mut self.open else { return };
        let before = self.page.as_ref().filter(|page| page.account == open.page.account && page.number == open.page.number);
        let goes_on = before.and_then(|before| Some((before.closing.as_ref()?, before.page, open.page.page)));
        let wrong = goes_on.filter(|_| intermediate).is_some_and(|(closing, last, this)| {
            let follows = last.zip(this).is_none_or(|(last, this)| this == last.saturating_add(1));
            !follows || closing.signed() != balance.signed() || closing.currency != balance.currency
        });
        open.opening = Some(balance);
        if wrong {
            self.late(
                "mt940.page",
                field.at,
                "本页未接续上一页的页码或余额",
                "this page does not go on from the number or balance of the one before",
            );
        }
    }

    /// Opening balance and entries must give the closing balance.
    fn closing(&mut self, field: &Field, intermediate: bool, balance: Balance) {
        let Some(open) = &mut self.open else { return };
        let expected = open.opening.as_ref().and_then(|opening| open.tally.closing(opening.signed()?));
        let currencies = open.opening.as_ref().is_none_or(|opening| opening.currency == balance.currency);
        let differs = expected.filter(|expected| balance.signed() != Some(*expected) || !currencies);
        open.page.closing = intermediate.then_some(balance);
        if let Some(expected) = differs {
            let expected = tally::decimal(expected, open.tally.decimals);
            let (zh, en) = (
                format!("期初余额与各笔发生额应得出期末余额（实际为 {expected}）"),
                format!("the opening balance and the entries must give the closing balance (they give {expected})"),
            );
            self.late("mt940.balance", field.at, zh, en);
        }
    }

    fn total(&mut self, field: &Field) -> Result<bool, FormatError> {
        let text = field.text.trim_end();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, rest) = text.split_at(digits);
        let parts = rest.get(..3).and_then(entry::currency).zip(rest.get(3..).and_then(tally::amount));
        let Some(((currency, amount), number)) = parts.zip(count.parse::<u64>().ok()) else { return Ok(false) };
        self.walker.enter(&field.tag, field.at)?;
        let ends = [("count", count, digits), ("currency", &*currency, digits + 3), ("amount", &*amount, text.len())];
        let mut start = 0;
        for (name, value, end) in ends {
            self.part(name, value, field, start..end)?;
            start = end;
        }
        self.walker.leave(field.at)?;
        let Some(open) = &self.open else { return Ok(true) };
        let (side, unknown) = (open.tally.side(field.tag == "90C"), open.tally.unknown);
        if !unknown && (side.count != number || Some(side.sum) != tally::millionths(&amount)) {
            let (count, sum) = (side.count, tally::decimal(side.sum, open.tally.decimals));
            let (zh, en) = (
                format!("笔数与金额应与各笔发生额相符（实际为 {count} 笔，{sum}）"),
                format!("count and sum must be those of the entries (they give {count} and {sum})"),
            );
            self.late("mt940.total", field.at, zh, en);
        }
        Ok(true)
    }

    fn entry(&mut self, field: &Field) -> Result<(), FormatError> {
        self.walker.enter("entry", field.at)?;
        self.entry = Some(false);
        let mut lines = field.lines();
        let first = lines.next().map_or("", |(text, _)| text);
        let second = lines.next();
        let beyond = lines.next().map(|(_, at)| at);
        let first = first.trim_end();
        let (entry, places) = match Entry::read(first) {
            Ok(read) => read,
            Err(misfit) => {
                if let Some(open) = &mut self.open {
                    open.tally.unknown = true;
                }
                let (zh, en) = misfit.words;
                self.walker.finding("mt940.field", field.place(misfit.offset), None, Words::new(zh, en));
                return Ok(());
            }
        };
        if let Some(open) = &mut self.open {
            open.tally.add(entry.credit, &entry.amount);
        }
        let truth = |is: bool| if is { "true" } else { "false" };
        let direction = if entry.credit { "C" } else { "D" };
        let reference = places.reference..places.reference + entry.reference.len();
        for (name, value, range) in [
            ("value_date", Some(entry.value_date.as_str()), 0..places.entry),
            ("entry_date", entry.entry_date.as_deref(), places.entry..places.mark),
            ("direction", Some(direction), places.mark..places.funds),
            ("reversal", Some(truth(entry.reversal)), places.mark..places.funds),
            ("expected", Some(truth(entry.expected)), places.mark..places.funds),
            ("funds_code", entry.funds_code.as_deref(), places.funds..places.amount),
            ("amount", Some(entry.amount.as_str()), places.amount..places.kind),
            ("type", Some(entry.kind.as_str()), places.kind..places.reference),
            ("reference", Some(entry.reference.as_str()), reference),
            ("bank_reference", entry.bank_reference.as_deref(), places.bank..first.len()),
        ] {
            if let Some(value) = value {
                self.part(name, value, field, range)?;
            }
        }
        if let Some((text, at)) = second {
            self.walker.value("supplementary", text, at)?;
        }
        if let Some(at) = beyond {
            self.walker.finding("mt940.field", at, None, Words::new("字段 61 最多两行", "field 61 has at most two lines"));
        }
        Ok(())
    }

    /// The field 86 of an entry.
    fn information(&mut self, field: &Field) -> Result<(), FormatError> {
        if self.entry.replace(true) == Some(true) {
            let words = Words::new("一笔发生额只有一个字段 86", "an entry has one field 86 only");
            self.walker.finding("mt940.field", field.at, None, words);
            return Ok(());
        }
        let parts = info::parts(&field.text, &self.bound.codes);
        if parts.is_empty() {
            return self.lines(field);
        }
        self.walker.enter("86", field.at)?;
        for part in &parts {
            self.part(&part.name, &part.value, field, part.range.clone())?;
        }
        self.walker.leave(field.at)?;
        Ok(())
    }

    fn lines(&mut self, field: &Field) -> Result<(), FormatError> {
        self.walker.enter("86", field.at)?;
        for (text, at) in field.lines() {
            self.walker.value("line", text, at)?;
        }
        self.walker.leave(field.at)?;
        Ok(())
    }
}

impl Event {
    fn at(&self) -> Position {
        match self {
            Self::Close(at) | Self::End(at) => *at,
            Self::Blocks(field) | Self::Field(field) => field.at,
        }
    }

    /// It belongs to field 61 before it.
    fn is_information(&self) -> bool {
        matches!(self, Self::Field(field) if field.tag == "86")
    }
}

impl ReadRecords for Reader<'_> {
    fn read(&mut self) -> Result<Found<'_>, FormatError> {
        loop {
            let event = match self.held.take() {
                Some(event) => event,
                None => self.fields.next()?,
            };
            if self.entry.is_some() && !event.is_information() {
                self.entry = None;
                if self.walker.leave(event.at())? {
                    self.held = Some(event);
                    return Ok(Found::Record(self.walker.record()));
                }
            }
            match event {
                Event::Blocks(blocks) => {
                    self.close(blocks.at, FormatCode::Syntax)?;
                    self.open(blocks.at, Some(&blocks))?;
                }
                Event::Field(field) => self.take(&field)?,
                Event::Close(at) => self.close(at, FormatCode::Syntax)?,
                Event::End(at) => {
                    self.close(at, FormatCode::Truncated)?;
                    if !self.begun {
                        let (zh, en) = ("文件中没有报文", "there is no message in the body");
                        return Err(FormatError::new(FormatCode::NotThisMessage, at, zh, en));
                    }
                    for (rule, at, words) in std::mem::take(&mut self.late) {
                        self.walker.finding(rule, at, None, words);
                    }
                    return Ok(Found::End(self.walker.end()));
                }
            }
        }
    }

    fn held(&self) -> &RawRecord {
        self.walker.record()
    }
}
