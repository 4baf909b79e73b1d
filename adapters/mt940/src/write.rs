//! Writing: the fields of each message in their order, with what they add up to.

use crate::entry::{self, Balance, Entry};
use crate::tally::{self, Tally};
use crate::{BoundMt940, Characters, Message, info};
use portolan_contract::{FormatCode, FormatError, NodeId, Position, RawRecord, Shaper, Sink, TextOutput, WriteRecords};
use std::io::Write;
use std::sync::Arc;

/// Writes the records of one body.
pub struct Writer<'a> {
    shaper: Shaper,
    message: Messages<'a>,
    head: RawRecord,
}

impl<'a> Writer<'a> {
    /// A writer at the first message.
    pub fn new(output: Box<dyn Write + 'a>, bound: &'a BoundMt940, head: &RawRecord) -> Self {
        let output = TextOutput::new(output, bound.write_charset());
        let message = Messages {
            bound,
            output,
            begun: false,
            statement: Vec::new(),
            entry: Vec::new(),
            opening: None,
            currency: String::new(),
            tally: Tally::default(),
        };
        Self { shaper: Shaper::new(Arc::clone(&bound.plan)), message, head: head.clone() }
    }
}

impl WriteRecords for Writer<'_> {
    fn write(&mut self, record: &RawRecord) -> Result<(), FormatError> {
        self.shaper.record(record, &mut self.message)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        self.shaper.finish(&self.head, &mut self.message)?;
        self.message.output.finish()
    }
}

/// Collects the parts of fields, which the plan has in an order of its own.
struct Messages<'a> {
    bound: &'a BoundMt940,
    output: TextOutput<'a>,
    /// The fields before the entries are written.
    begun: bool,
    /// Paths below `statement`, with their texts.
    statement: Vec<(&'a str, String)>,
    /// Paths below `statement/entry`, with their texts.
    entry: Vec<(&'a str, String)>,
    opening: Option<i128>,
    /// The currency of the opening balance.
    currency: String,
    tally: Tally,
}

impl Sink for Messages<'_> {
    fn open(&mut self, node: NodeId) -> Result<(), FormatError> {
        match self.name(node) {
            "statement" => {
                self.begun = false;
                self.statement.clear();
                (self.opening, self.tally) = (None, Tally::default());
                Ok(())
            }
            "entry" => {
                self.entry.clear();
                self.begin()
            }
            _ => Ok(()),
        }
    }

    fn attribute(&mut self, _: NodeId, _: &str) -> Result<(), FormatError> {
        Ok(())
    }

    fn text(&mut self, node: NodeId, text: &str) -> Result<(), FormatError> {
        let name = self.name(node);
        match name.strip_prefix("entry/") {
            Some(name) => self.entry.push((name, text.to_owned())),
            None => self.statement.push((name, text.to_owned())),
        }
        Ok(())
    }

    fn close(&mut self, node: NodeId) -> Result<(), FormatError> {
        match self.name(node) {
            "statement" => {
                self.begin()?;
                self.end()
            }
            "entry" => self.write_entry(),
            _ => Ok(()),
        }
    }
}

impl<'a> Messages<'a> {
    fn name(&self, node: NodeId) -> &'a str {
        self.bound.names.get(node as usize).map_or("", String::as_str)
    }

    /// A value of the statement, or what the mapping always writes in its place.
    fn part(&self, name: &str) -> Option<&str> {
        let written = self.statement.iter().find(|(known, text)| *known == name && !text.is_empty()).map(|(_, text)| text.as_str());
        written.or_else(|| {
            let node = self.bound.names.iter().position(|known| known == name)?;
            self.bound.plan.node(node as NodeId).constant.as_deref()
        })
    }

    fn required(&self, name: &str) -> Result<&str, FormatError> {
        self.part(name).ok_or_else(|| unwritable(name, "缺少必填的值", "is missing and must be there"))
    }

    /// The fields before the entries.
    fn begin(&mut self) -> Result<(), FormatError> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        self.reference("20", true)?;
        self.reference("21", false)?;
        let account = self.required("25")?.to_owned();
        if account.chars().count() > 35 {
            return Err(unwritable("25", "超过 35 个字符", "is longer than 35 characters"));
        }
        self.field("25", &account)?;
        let page = self.part("28C/page").map(|page| format!("/{page}")).unwrap_or_default();
        let number = format!("{}{page}", self.required("28C/number")?);
        let short = |text: &str| (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if !number.split('/').all(short) {
            return Err(unwritable("28C/number", "应为至多五位的数字", "is no number of at most five digits"));
        }
        self.field("28C", &number)?;
        match self.bound.options.message {
            Message::Mt940 => self.opening(),
            Message::Mt942 => self.interim(),
        }
    }

    fn reference(&mut self, tag: &str, required: bool) -> Result<(), FormatError> {
        let Some(text) = (if required { Some(self.required(tag)?) } else { self.part(tag) }) else { return Ok(()) };
        let text = text.to_owned();
        if text.chars().count() > 16 || text.starts_with('/') || text.ends_with('/') || text.contains("//") {
            let (zh, en) =
                ("须至多 16 个字符，首尾无斜杠且无连续斜杠", "must have at most 16 characters, no slash at an end and no two together");
            return Err(unwritable(tag, zh, en));
        }
        self.field(tag, &text)
    }

    fn opening(&mut self) -> Result<(), FormatError> {
        let (text, balance) = self.balance("60")?;
        self.opening = balance.signed();
        self.currency.clone_from(&balance.currency);
        let option = self.part("60/option").unwrap_or("F").to_owned();
        self.field(&format!("60{option}"), &text)
    }

    fn interim(&mut self) -> Result<(), FormatError> {
        let currency = self.required("34F/currency")?.to_owned();
        let limit = |name: &str| {
            let amount = tally::with_comma(self.required(name)?);
            amount.ok_or_else(|| unwritable(name, "不是此格式能表示的金额", "is no amount that fits"))
        };
        let (debit, credit) = (limit("34F/debit")?, limit("34F/credit")?);
        if debit == credit {
            self.field("34F", &format!("{currency}{debit}"))?;
        } else {
            self.field("34F", &format!("{currency}D{debit}"))?;
            self.field("34F", &format!("{currency}C{credit}"))?;
        }
        let moment = entry::moment_written(self.required("13D")?);
        let moment = moment.ok_or_else(|| unwritable("13D", "应为 1980 至 2079 年间的时刻", "is no moment of the years 1980 to 2079"))?;
        self.field("13D", &moment)
    }

    /// The text of a balance, and the balance.
    fn balance(&self, tag: &str) -> Result<(String, Balance), FormatError> {
        let part = |name: &str| self.required(&format!("{tag}/{name}")).map(str::to_owned);
        let balance = Balance { credit: part("mark")? != "D", date: part("date")?, currency: part("currency")?, amount: part("amount")? };
        let text = balance.write();
        let text = text.ok_or_else(|| unwritable(tag, "不是此格式能表示的余额", "is no balance that fits"))?;
        Ok((text, balance))
    }

    fn write_entry(&mut self) -> Result<(), FormatError> {
        let collected = std::mem::take(&mut self.entry);
        let part = |name: &str| collected.iter().find(|(known, text)| *known == name && !text.is_empty()).map(|(_, text)| text.as_str());
        let required = |name: &str| {
            part(name)
                .map(str::to_owned)
                .ok_or_else(|| unwritable(&format!("entry/{name}"), "缺少必填的值", "is missing and must be there"))
        };
        let entry = Entry {
            value_date: required("value_date")?,
            entry_date: part("entry_date").map(str::to_owned),
            credit: required("direction")? == "C",
            reversal: part("reversal") == Some("true"),
            expected: part("expected") == Some("true"),
            funds_code: part("funds_code").map(str::to_owned),
            amount: required("amount")?,
            kind: part("type").unwrap_or("NMSC").to_owned(),
            reference: part("reference").unwrap_or("NONREF").to_owned(),
            bank_reference: part("bank_reference").map(str::to_owned),
        };
        if entry.expected && self.bound.options.message == Message::Mt940 {
            let (zh, en) = ("无法书写：MT940 只容纳已记账的账目", "cannot be written: MT940 holds booked entries alone");
            return Err(unwritable("entry/expected", zh, en));
        }
        let line = entry.write().ok_or_else(|| {
            let (zh, en) = (
                "日期、金额、类型或参考号无法按字段 61 书写（参考号至多 16 个字符）",
                "cannot be written: a day, the amount, the type or a reference does not fit field 61 (a reference has at most 16 characters)",
            );
            unwritable("entry", zh, en)
        })?;
        self.field("61", &line)?;
        if let Some(text) = part("supplementary") {
            if text.chars().count() > 34 || text.starts_with([':', '-', '{']) {
                return Err(unwritable(
                    "entry/supplementary",
                    "须至多 34 个字符",
                    "must have at most 34 characters, and not begin like a field",
                ));
            }
            self.line(text, "entry/supplementary")?;
        }
        self.tally.add(entry.credit, &entry.amount);
        let parts: Vec<(&str, &str)> = collected
            .iter()
            .filter_map(|(name, text)| Some((name.strip_prefix("86/")?, text.as_str())))
            .filter(|(_, text)| !text.is_empty())
            .collect();
        self.information(&parts, "entry/86")
    }

    fn information(&mut self, parts: &[(&str, &str)], path: &str) -> Result<(), FormatError> {
        if parts.is_empty() {
            return Ok(());
        }
        let lines = info::write(parts, &self.bound.codes).ok_or_else(|| {
            let (zh, en) = (
                "无法写成一个字段 86：至多六行、每行 65 个字符，且读回须相同",
                "does not fit one field 86: six lines of 65 characters, which must be read back as the same",
            );
            unwritable(path, zh, en)
        })?;
        for (number, line) in lines.iter().enumerate() {
            if number == 0 { self.field("86", line)? } else { self.line(line, path)? }
        }
        Ok(())
    }

    /// The fields after the entries.
    fn end(&mut self) -> Result<(), FormatError> {
        match self.bound.options.message {
            Message::Mt942 => self.totals()?,
            Message::Mt940 => {
                let (text, balance) = self.balance("62")?;
                let expected = self.opening.and_then(|opening| self.tally.closing(opening));
                if expected != balance.signed() || balance.currency != self.currency {
                    let (zh, en) = ("不等于期初余额加各笔发生额", "is not what the opening balance and the entries give");
                    return Err(unwritable("62/amount", zh, en));
                }
                let option = self.part("62/option").unwrap_or("F").to_owned();
                self.field(&format!("62{option}"), &text)?;
                for tag in ["64", "65"] {
                    if self.part(&format!("{tag}/amount")).is_some() {
                        let (text, _) = self.balance(tag)?;
                        self.field(tag, &text)?;
                    }
                }
            }
        }
        let statement = std::mem::take(&mut self.statement);
        let lines: Vec<(&str, &str)> = statement
            .iter()
            .filter(|(name, text)| *name == "86/line" && !text.is_empty())
            .map(|(_, text)| ("line", text.as_str()))
            .collect();
        self.information(&lines, "86")?;
        self.output.write("-\r\n")
    }

    fn totals(&mut self) -> Result<(), FormatError> {
        let currency = self.required("34F/currency")?.to_owned();
        for (tag, credit) in [("90D", false), ("90C", true)] {
            let side = self.tally.side(credit);
            if side.count == 0 {
                continue;
            }
            let sum = tally::with_comma(&tally::decimal(side.sum, 0)).filter(|_| side.count < 100_000 && !self.tally.unknown);
            let sum = sum.ok_or_else(|| unwritable(tag, "笔数超过五位，或合计过长", "has more than five digits, or too long a sum"))?;
            self.field(tag, &format!("{}{currency}{sum}", side.count))?;
        }
        Ok(())
    }

    fn field(&mut self, tag: &str, text: &str) -> Result<(), FormatError> {
        self.output.write(&format!(":{tag}:"))?;
        self.line(text, tag)
    }

    fn line(&mut self, text: &str, path: &str) -> Result<(), FormatError> {
        let allowed = |c: char| match self.bound.options.characters {
            Characters::X => c.is_ascii_alphanumeric() || "/-?:().,'+ ".contains(c),
            Characters::Any => !c.is_control(),
        };
        if let Some(character) = text.chars().find(|&c| !allowed(c)) {
            let code = character as u32;
            let (zh, en) = (
                format!("SWIFT 字符集无法表示字符 {character:?}（U+{code:04X}）"),
                format!("the SWIFT character set cannot hold {character:?} (U+{code:04X})"),
            );
            return Err(FormatError::new(FormatCode::CharacterUnmappable, Position::default(), zh, en).on(format!("statement/{path}")));
        }
        self.output.write(text).and_then(|()| self.output.write("\r\n")).map_err(|e| e.on(format!("statement/{path}")))
    }
}

fn unwritable(name: &str, zh: &str, en: &str) -> FormatError {
    let path = format!("statement/{name}");
    let (zh, en) = (format!("“{path}”{zh}"), format!("`{path}` {en}"));
    FormatError::new(FormatCode::ValueUnwritable, Position::default(), zh, en).on(path)
}
