//! From canonical records to a body: each becomes a raw record, which the format writes.

use super::compiled::{CurrencyAt, Field, Group, Mapping};
use super::heading::OneHeading;
use super::kinds::{self, KindContext};
use super::numbered::{self, Part};
use super::place::Place;
use super::schema::at_path;
use super::totals::Filling;
use jiff::tz::TimeZone;
use portolan_contract::{FormatError, Position, RawRecord, Words, WriteRecords};
use serde_json::Value;
use std::io::Write;

/// Why a canonical record cannot be written in a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {}", words.en)]
pub struct Unwritable {
    /// The canonical path.
    pub path: String,
    /// Why.
    pub words: Words,
}

/// Why a body cannot be written any further.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// This record has no form in the format; the next one may have.
    #[error(transparent)]
    Record(#[from] Unwritable),
    /// The format holds no more records than this in one body.
    #[error("one body holds at most {0} records in this format")]
    TooMany(u64),
    /// What the body must say about itself cannot be computed.
    #[error("{}", .0.en)]
    Totals(Words),
    /// The format or its output failed.
    #[error(transparent)]
    Body(#[from] FormatError),
}

/// Writes one body, record by record. It begins with the first one, which holds the values that
/// stand around the records.
pub struct BodyWriter<'m> {
    mapping: &'m Mapping,
    zone: &'m TimeZone,
    totals: Filling<'m>,
    output: Option<Box<dyn Write + 'm>>,
    writer: Option<Box<dyn WriteRecords + 'm>>,
    raw: RawRecord,
    written: u64,
    heading: OneHeading<'m>,
    part: Part,
}

impl<'m> BodyWriter<'m> {
    /// A body with nothing in it. The totals must be those of exactly the records that follow.
    pub fn new(mapping: &'m Mapping, zone: &'m TimeZone, totals: Filling<'m>, output: Box<dyn Write + 'm>) -> Self {
        let (raw, heading) = (RawRecord::default(), OneHeading::new(mapping));
        Self { mapping, zone, totals, output: Some(output), writer: None, raw, written: 0, heading, part: Part::default() }
    }

    /// The body is this part of a message that is cut, and has an id of its own.
    #[must_use]
    pub fn part(self, part: Part) -> Self {
        Self { part, ..self }
    }

    /// Writes one record.
    ///
    /// # Errors
    /// A record that has no form in the format, and what ends the body.
    pub fn write(&mut self, canonical: &Value) -> Result<(), NotWritten> {
        write(self.mapping, self.zone, canonical, self.part, &mut self.raw)?;
        self.heading.take(canonical)?;
        if self.written == self.mapping.written_records_max {
            return Err(NotWritten::TooMany(self.mapping.written_records_max));
        }
        self.written += 1;
        self.totals.fill(&mut self.raw);
        self.begin()?;
        if let Some(writer) = &mut self.writer {
            writer.write(&self.raw)?;
        }
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// As for [`BodyWriter::write`].
    pub fn finish(mut self) -> Result<(), FormatError> {
        if self.writer.is_none() {
            self.raw.clear();
            self.totals.fill(&mut self.raw);
            self.begin()?;
        }
        self.writer.map_or(Ok(()), WriteRecords::finish)
    }

    fn begin(&mut self) -> Result<(), FormatError> {
        if let Some(output) = self.output.take() {
            self.writer = Some(self.mapping.format.writer(output, &self.raw)?);
        }
        Ok(())
    }
}

/// Fills `raw` with what a format writes for a canonical record, in a body that is this part of a message.
///
/// # Errors
/// A value that the format has no code or no form for.
pub(super) fn write(mapping: &Mapping, zone: &TimeZone, canonical: &Value, part: Part, raw: &mut RawRecord) -> Result<(), Unwritable> {
    raw.clear();
    let missing = |path: &&String| lacks(canonical, path);
    if let Some(path) = mapping.required.iter().find(missing) {
        let words = Words::new("此格式不能缺少该值", "the format cannot do without this value");
        return Err(Unwritable { path: path.clone(), words });
    }
    let whole = Whole { mapping, zone, record: canonical, part };
    group(&whole, &mapping.record, canonical, None, raw)
}

/// Whether there is nothing at a path, in one of the items where it leads through a list.
fn lacks(canonical: &Value, path: &str) -> bool {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match (canonical.get(name), rest) {
        (None | Some(Value::Null), _) => true,
        (Some(Value::Array(items)), Some(rest)) => items.iter().any(|item| lacks(item, rest)),
        (Some(Value::Array(items)), None) => items.is_empty(),
        (Some(value), Some(rest)) => lacks(value, rest),
        (Some(_), None) => false,
    }
}

/// What stays the same while one record is written.
struct Whole<'w> {
    mapping: &'w Mapping,
    zone: &'w TimeZone,
    record: &'w Value,
    part: Part,
}

fn group(whole: &Whole<'_>, of: &Group, canonical: &Value, item: Option<u32>, raw: &mut RawRecord) -> Result<(), Unwritable> {
    for field in of.fields.iter().filter(|f| f.direction.writes()) {
        let needed = field.needs.iter().filter(|_| !lacks(canonical, &field.to)).find(|path| lacks(canonical, path));
        if let Some(path) = needed {
            let (zh, en) =
                (format!("有 {} 时，此格式不能缺少该值", field.to), format!("beside {} the format cannot do without this value", field.to));
            return Err(Unwritable { path: path.clone(), words: Words::new(zh, en) });
        }
        match at_path(canonical, &field.to) {
            None | Some(Value::Null) => {}
            Some(Value::Array(values)) if values.len() > field.items_max => return Err(too_many(&field.to, field.items_max)),
            Some(Value::Array(values)) => values.iter().try_for_each(|value| one(whole, field, canonical, value, item, raw))?,
            Some(value) => one(whole, field, canonical, value, item, raw)?,
        }
    }
    for list in &of.lists {
        let items = at_path(canonical, &list.to).and_then(Value::as_array);
        if items.is_some_and(|items| items.len() > list.items_max) {
            return Err(too_many(&list.to, list.items_max));
        }
        for inner in items.into_iter().flatten() {
            let parent = match &list.pick {
                None => item,
                Some(pick) => Some(pick.find_or_begin(&whole.mapping.plan, item, raw).ok_or_else(|| unplaced(&list.to))?),
            };
            let index = raw.push_item(list.list, parent);
            group(whole, &list.item, inner, Some(index), raw)?;
        }
    }
    Ok(())
}

fn too_many(path: &str, max: usize) -> Unwritable {
    let words = Words::new(format!("此格式最多容纳 {max} 项"), format!("the format has room for {max} of these"));
    Unwritable { path: path.to_owned(), words }
}

fn one(
    whole: &Whole<'_>,
    field: &Field,
    canonical: &Value,
    value: &Value,
    item: Option<u32>,
    raw: &mut RawRecord,
) -> Result<(), Unwritable> {
    let Some(place) = field.places.first() else { return Ok(()) };
    let within = item_of(whole.mapping, place, item, raw).ok_or_else(|| unplaced(&field.to))?;
    if field.yields && raw.find(place.slot, within).is_some() {
        return Ok(());
    }
    let currency = currency(whole, field, canonical, item, raw)?;
    let text = numbered(whole, field, text(whole, field, value, currency)?)?;
    if item.is_some()
        && within.is_none()
        && let Some(known) = raw.find(place.slot, None)
    {
        // Around the items there is one place for what each of them says.
        let words = Words::new("此格式中各项只能共有一个值", "the format has one place for what the items say, and they differ");
        return if raw.text(known) == text { Ok(()) } else { Err(unwritable(field, words)) };
    }
    raw.push(place.slot, within, &text, Position::default());
    Ok(())
}

/// The currency of an amount, which is written too where it has a place of its own.
fn currency<'v>(
    whole: &Whole<'v>,
    field: &'v Field,
    canonical: &'v Value,
    item: Option<u32>,
    raw: &mut RawRecord,
) -> Result<Option<&'v str>, Unwritable> {
    match &field.currency {
        CurrencyAt::None => Ok(None),
        CurrencyAt::Fixed(code, to) => {
            let given = to.as_deref().and_then(|to| at_path(canonical, to)).and_then(Value::as_str);
            if given.is_some_and(|g| g != code) {
                let words = Words::new(format!("此格式只能表示 {code} 金额"), format!("the format holds amounts in {code} alone"));
                return Err(unwritable(field, words));
            }
            Ok(Some(code.as_str()))
        }
        CurrencyAt::Places(to, places) => {
            let code = to.strip_prefix('/').map_or_else(|| at_path(canonical, to), |to| at_path(whole.record, to)).and_then(Value::as_str);
            if let (Some(code), Some(place)) = (code, places.first())
                && let Some(within) = item_of(whole.mapping, place, item, raw)
            {
                match raw.find(place.slot, within).map(|known| raw.text(known)) {
                    None => raw.push(place.slot, within, code, Position::default()),
                    Some(known) if known == code => {}
                    Some(known) => {
                        let (zh, en) = (
                            format!("此格式中币种只有一处，已为 {known}"),
                            format!("the format has one place for currencies, and there is {known}"),
                        );
                        return Err(unwritable(field, Words::new(zh, en)));
                    }
                }
            }
            Ok(code)
        }
    }
}

/// The text of a value in the format, as the format's code where the field has codes.
fn text(whole: &Whole<'_>, field: &Field, value: &Value, currency: Option<&str>) -> Result<String, Unwritable> {
    let context = KindContext { layout: field.layout.as_deref(), currency, zone: whole.zone };
    let text = kinds::write(field.kind, value, &context).ok_or_else(|| {
        let words = Words::new(format!("值 {value} 无法按此格式书写"), format!("the value {value} has no form in this format"));
        unwritable(field, words)
    })?;
    let Some(codes) = &field.codes else { return Ok(text) };
    codes.source(&text).map(str::to_owned).ok_or_else(|| {
        let words =
            Words::new(format!("代码 {text:?} 在此格式中没有对应代码"), format!("the code {text:?} has no counterpart in this format"));
        unwritable(field, words)
    })
}

/// A text by which the receiver knows the message, as that of the part which is written.
fn numbered(whole: &Whole<'_>, field: &Field, text: String) -> Result<String, Unwritable> {
    let Some(chars_max) = field.numbered_max else { return Ok(text) };
    let index = whole.mapping.numbered.iter().position(|path| *path == field.to);
    let goes_on_from = index.filter(|&index| whole.part.repeats(index)).map(|_| whole.part.record);
    numbered::fitting(&text, goes_on_from, chars_max).ok_or_else(|| {
        let words = Words::new(
            format!("此标识在 {chars_max} 个字符内写不下；拆分投递的各部分须有自己的标识"),
            format!("{chars_max} characters have no room for this id; each part of a message that is cut has one of its own"),
        );
        unwritable(field, words)
    })
}

fn unwritable(field: &Field, words: Words) -> Unwritable {
    Unwritable { path: field.to.clone(), words }
}

/// The item to which a value at a place belongs; the outer `None` where its element cannot be told.
/// Values around the record belong to no item, even where an item's entry names them.
fn item_of(mapping: &Mapping, place: &Place, item: Option<u32>, raw: &mut RawRecord) -> Option<Option<u32>> {
    match &place.pick {
        None => Some(mapping.plan.slot(place.slot).list.and(item)),
        Some(pick) => pick.find_or_begin(&mapping.plan, item, raw).map(Some),
    }
}

/// A value whose element is told by another value, which is missing.
fn unplaced(path: &str) -> Unwritable {
    let words = Words::new("缺少据以确定其位置的值", "the value that tells its place in this format is missing");
    Unwritable { path: path.to_owned(), words }
}
