//! Looks into a statement without a mapping: it is read with every path that there is, of field 86 those of the codes,
//! keywords and subfields that banks agree on.
//!
//! Which message it is, 940 or 942, is told by the fields that one of them alone has.

use crate::{ENTRY_PATHS, Mt940, STATEMENT_PATHS, info};
use portolan_contract::{
    Charset, Format, FormatCode, FormatError, Found, Limits, Outline, Outliner, Plan, PlanBuilder, PlanError, Position,
};
use portolan_contract::{RawRecord, Repeat};
use std::io::{Cursor, Read};
use std::sync::Arc;

/// Bytes by which message and charset are guessed.
const BEGINNING_BYTES: u64 = 64 * 1024;
/// Fields of a statement that stand behind its entries.
const AFTER: &[&str] = &["62/", "64/", "65/", "90D/", "90C/", "86/"];

/// The outline of a body.
///
/// # Errors
/// A body that is no such message, and I/O.
pub fn outline<'a>(mut input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Outline, FormatError> {
    let mut beginning = Vec::new();
    let start = Position { line: 1, byte: 0, column: 0 };
    (&mut input).take(BEGINNING_BYTES).read_to_end(&mut beginning).map_err(|error| FormatError::from_io(error, start))?;
    let is_utf8 = std::str::from_utf8(&beginning).map_or_else(|error| error.error_len().is_none(), |_| true);
    let holds = |field: &[u8]| beginning.windows(field.len()).any(|window| window == field);
    let message = if [b":34F:".as_slice(), b":13D:"].into_iter().any(holds) { 942 } else { 940 };
    let mut options = toml::Table::new();
    options.insert("message".to_owned(), message.into());
    if !is_utf8 {
        options.insert("charset".to_owned(), Charset::Gb18030.label().to_ascii_lowercase().into());
    }
    let unusable = |why: String| FormatError::new(FormatCode::NotThisMessage, start, why.clone(), why);
    let plan = Arc::new(everything().map_err(|error| unusable(error.to_string()))?);
    let bound = Mt940.bind(Arc::clone(&plan), &options).map_err(|error| unusable(error.to_string()))?;
    let mut reader = bound.reader(Box::new(Cursor::new(beginning).chain(input)), limits)?;
    let mut statements = Statements { outliner: Outliner::new(limits), plan: &plan, open: None };
    loop {
        match reader.read()? {
            Found::Record(raw) => statements.entry(raw)?,
            Found::End(raw) => {
                statements.end(raw)?;
                let outline = statements.outliner.finish(options);
                return Ok(Outline { record: Some("statement/entry".to_owned()), ..outline });
            }
        }
    }
}

/// A plan with every path.
fn everything() -> Result<Plan, PlanError> {
    let mut plan = PlanBuilder::new();
    plan.anchor("statement/entry")?;
    for path in STATEMENT_PATHS {
        let repeat = if path.starts_with("86/") { Repeat::List } else { Repeat::First };
        plan.slot(&format!("statement/{path}"), repeat, AFTER.iter().any(|after| path.starts_with(after)))?;
    }
    for path in ENTRY_PATHS.iter().filter(|path| !path.starts_with('#')) {
        plan.slot(&format!("statement/entry/{path}"), Repeat::First, false)?;
    }
    plan.slot("statement/entry/86/line", Repeat::List, false)?;
    for part in info::known_parts() {
        plan.slot(&format!("statement/entry/86/{part}"), Repeat::First, false)?;
    }
    plan.build()
}

/// The statements of a body, one open at a time.
struct Statements<'p> {
    outliner: Outliner,
    plan: &'p Plan,
    /// What stands before the entries of the one that is open.
    open: Option<Vec<(String, String)>>,
}

impl Statements<'_> {
    fn entry(&mut self, raw: &RawRecord) -> Result<(), FormatError> {
        let head = self.texts(raw, |path, after| !after && !path.starts_with("entry/"));
        self.begin(head)?;
        let entry = self.texts(raw, |path, _| path.starts_with("entry/"));
        self.outliner.enter("entry", Position::default())?;
        self.values(entry.iter().map(|(path, text)| (path.strip_prefix("entry/").unwrap_or(path), text.as_str())))?;
        self.outliner.leave();
        Ok(())
    }

    fn end(&mut self, raw: &RawRecord) -> Result<(), FormatError> {
        if self.open.is_none() {
            let head = self.texts(raw, |_, after| !after);
            self.begin(head)?;
        }
        let tail = self.texts(raw, |_, after| after);
        self.values(tail.iter().map(|(path, text)| (path.as_str(), text.as_str())))?;
        self.outliner.leave();
        Ok(())
    }

    /// Opens a statement, unless it is the one that is open.
    fn begin(&mut self, head: Vec<(String, String)>) -> Result<(), FormatError> {
        if self.open.as_ref() == Some(&head) {
            return Ok(());
        }
        if self.open.is_some() {
            self.outliner.leave();
        }
        self.outliner.enter("statement", Position::default())?;
        self.values(head.iter().map(|(path, text)| (path.as_str(), text.as_str())))?;
        self.open = Some(head);
        Ok(())
    }

    /// The texts below `statement` whose path is wanted.
    fn texts(&self, raw: &RawRecord, wanted: impl Fn(&str, bool) -> bool) -> Vec<(String, String)> {
        let told = raw.values().iter().filter_map(|value| {
            let slot = self.plan.slot(value.slot);
            let path = slot.path.strip_prefix("statement/")?;
            wanted(path, slot.after).then(|| (path.to_owned(), raw.text(value).to_owned()))
        });
        told.collect()
    }

    /// Tells values; those of one field that follow one another stand in it together.
    fn values<'v>(&mut self, values: impl Iterator<Item = (&'v str, &'v str)>) -> Result<(), FormatError> {
        let at = Position::default();
        let mut open: Option<&str> = None;
        for (path, text) in values {
            let (field, part) = path.split_once('/').map_or((None, path), |(field, part)| (Some(field), part));
            if open != field {
                if open.is_some() {
                    self.outliner.leave();
                }
                field.map_or(Ok(()), |field| self.outliner.enter(field, at))?;
                open = field;
            }
            self.outliner.value(part, text, at)?;
        }
        if open.is_some() {
            self.outliner.leave();
        }
        Ok(())
    }
}
