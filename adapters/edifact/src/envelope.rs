//! What stands around messages: interchange and groups, whose counts and references must agree, as must the count of a
//! message's line items. A message's reference (0062) stands once in its group, or in an interchange without groups.
//!
//! Limits: references of the first [`REFERENCES_MAX`] messages are kept; a later one is compared with those and with the message
//! before it.

use crate::segments::Segments;
use portolan_contract::{FormatCode, FormatError};
use std::collections::HashSet;

/// References of messages that are kept, and the bytes of a longest one, which is more than any version of the syntax allows.
const REFERENCES_MAX: usize = 10_000;
const REFERENCE_BYTES_MAX: usize = 64;

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    /// Between messages.
    Open,
    InMessage,
    End,
}

/// What a segment around messages means for the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One of [`crate::chart::AROUND`], by its index.
    Around(usize),
    /// A message begins.
    MessageBegins,
    /// A segment of the message.
    InMessage,
    /// The message ends.
    MessageEnds,
}

/// The references and counts of what is open.
#[derive(Debug)]
pub(crate) struct Envelope {
    stage: Stage,
    interchange: String,
    group: Option<String>,
    message: String,
    /// References of the messages before.
    references: HashSet<String>,
    groups: u64,
    /// Messages of the interchange, and of the open group.
    messages: u64,
    messages_in_group: u64,
    segments: u64,
    /// Line items of the message, and those of them that are parts of another.
    lines: u64,
    sublines: u64,
}

impl Default for Envelope {
    fn default() -> Self {
        let (interchange, message) = (String::new(), String::new());
        let (references, groups, messages, messages_in_group, segments, lines, sublines) = (HashSet::new(), 0, 0, 0, 0, 0, 0);
        Self {
            stage: Stage::Start,
            interchange,
            group: None,
            message,
            references,
            groups,
            messages,
            messages_in_group,
            segments,
            lines,
            sublines,
        }
    }
}

impl Envelope {
    /// Takes a segment into account.
    ///
    /// # Errors
    /// A segment that may not stand here, and a count or reference that does not agree.
    pub(crate) fn take(&mut self, segments: &mut Segments<'_>) -> Result<Step, FormatError> {
        self.segments += 1;
        let tag = segments.segment().tag;
        match (self.stage, &tag) {
            (Stage::Start, b"UNB") => {
                segments.begin()?;
                self.interchange = segments.text_at(4, 0).to_owned();
                self.stage = Stage::Open;
                Ok(Step::Around(0))
            }
            (Stage::Open, b"UNG") if self.group.is_none() => {
                self.group = Some(segments.text_at(4, 0).to_owned());
                (self.groups, self.messages_in_group) = (self.groups + 1, 0);
                self.references.clear();
                self.message.clear();
                Ok(Step::Around(1))
            }
            (Stage::Open, b"UNH") => {
                self.begin_message(segments)?;
                (self.messages, self.messages_in_group, self.segments) = (self.messages + 1, self.messages_in_group + 1, 1);
                (self.lines, self.sublines) = (0, 0);
                self.stage = Stage::InMessage;
                Ok(Step::MessageBegins)
            }
            (Stage::InMessage, b"UNT") => {
                agree(segments, "UNT/0074", (0, 0), Told::Count(self.segments))?;
                agree(segments, "UNT/0062", (1, 0), Told::Reference(&self.message))?;
                self.stage = Stage::Open;
                Ok(Step::MessageEnds)
            }
            (Stage::InMessage, b"UNA" | b"UNB" | b"UNG" | b"UNH" | b"UNE" | b"UNZ") => Err(within(segments, &self.message)),
            (Stage::InMessage, b"LIN") => {
                self.lines += 1;
                self.sublines += u64::from([0, 1].iter().any(|&component| !segments.text_at(3, component).is_empty()));
                Ok(Step::InMessage)
            }
            (Stage::InMessage, b"CNT") => self.lines_agree(segments).map(|()| Step::InMessage),
            (Stage::InMessage, _) => Ok(Step::InMessage),
            (Stage::Open, b"UNE") => {
                let Some(reference) = self.group.take() else { return Err(misplaced(segments)) };
                agree(segments, "UNE/0060", (0, 0), Told::Count(self.messages_in_group))?;
                agree(segments, "UNE/0048", (1, 0), Told::Reference(&reference))?;
                Ok(Step::Around(2))
            }
            (Stage::Open, b"UNZ") if self.group.is_none() => {
                let count = if self.groups > 0 { self.groups } else { self.messages };
                agree(segments, "UNZ/0036", (0, 0), Told::Count(count))?;
                agree(segments, "UNZ/0020", (1, 0), Told::Reference(&self.interchange))?;
                self.stage = Stage::End;
                Ok(Step::Around(3))
            }
            _ => Err(misplaced(segments)),
        }
    }

    /// Takes the reference of a message, which none before it may have: a message that was sent twice would count twice.
    fn begin_message(&mut self, segments: &mut Segments<'_>) -> Result<(), FormatError> {
        let reference = segments.text_at(0, 0).to_owned();
        if !reference.is_empty() && (reference == self.message || self.references.contains(&reference)) {
            let (zh, en) = (
                format!("报文参考号（0062）{reference:?} 重复：此前的一个报文已使用该号"),
                format!("the message reference (0062) {reference:?} stands twice: a message before this one has it"),
            );
            return Err(FormatError::new(FormatCode::Syntax, segments.place_at(0, 0), zh, en).on("message/UNH/0062"));
        }
        if self.references.len() < REFERENCES_MAX && reference.len() <= REFERENCE_BYTES_MAX {
            self.references.insert(reference.clone());
        }
        self.message = reference;
        Ok(())
    }

    /// Checks the number of line items of a message that has any, UNTDID 6069 code 2. It does not say whether a line item that
    /// is a part of another (C829 in LIN) counts, so it need not.
    fn lines_agree(&self, segments: &mut Segments<'_>) -> Result<(), FormatError> {
        let is_of_lines = self.lines > 0 && segments.text_at(0, 0) == "2";
        if !is_of_lines || segments.text_at(0, 1).parse() == Ok(self.lines - self.sublines) {
            return Ok(());
        }
        agree(segments, "CNT/C270/6066", (0, 1), Told::Count(self.lines))
    }

    /// Checks that the body may end here.
    ///
    /// # Errors
    /// An interchange that has no UNZ.
    pub(crate) fn end(&self, segments: &Segments<'_>) -> Result<(), FormatError> {
        if self.stage == Stage::End {
            return Ok(());
        }
        let missing = if self.stage == Stage::InMessage { "UNT" } else { "UNZ" };
        let (zh, en) = (format!("报文在此中断，缺少 {missing}"), format!("the body breaks off here: {missing} is missing"));
        Err(FormatError::new(FormatCode::Truncated, segments.here(), zh, en))
    }
}

/// What a trailer must tell.
enum Told<'e> {
    Count(u64),
    Reference(&'e str),
}

fn agree(segments: &mut Segments<'_>, path: &str, (element, component): (usize, u16), expected: Told<'_>) -> Result<(), FormatError> {
    let found = segments.text_at(element, component).to_owned();
    let (agrees, zh, en) = match expected {
        Told::Count(count) => (
            found.parse() == Ok(count),
            format!("{path} 为 {found:?}，实际有 {count} 个"),
            format!("{path} says {found:?}, but there are {count}"),
        ),
        Told::Reference(reference) => (
            found == reference,
            format!("{path} 为 {found:?}，与开头的参考号 {reference:?} 不同"),
            format!("{path} says {found:?}, but the reference at the start is {reference:?}"),
        ),
    };
    if agrees {
        return Ok(());
    }
    Err(FormatError::new(FormatCode::Syntax, segments.place_at(element, component), zh, en).on(path))
}

fn within(segments: &Segments<'_>, message: &str) -> FormatError {
    let name = segments.segment().name();
    let (zh, en) = (
        format!("{name} 出现在报文 {message:?} 之内：其前缺少 UNT"),
        format!("{name} stands within the message {message:?}: the UNT before it is missing"),
    );
    FormatError::new(FormatCode::Syntax, segments.segment().at, zh, en)
}

fn misplaced(segments: &Segments<'_>) -> FormatError {
    let name = segments.segment().name();
    let (zh, en) = (
        format!("{name} 不应出现在此处：一次报送为一个交换，依次为 UNB、报文（UNH 至 UNT，可在 UNG 至 UNE 内）、UNZ"),
        format!("{name} may not stand here: a body is one interchange, UNB, messages from UNH to UNT (perhaps within UNG and UNE), UNZ"),
    );
    FormatError::new(FormatCode::Syntax, segments.segment().at, zh, en)
}
