//! Looks into an interchange without a mapping: the definition of its message says in which group each segment stands, and
//! what its elements are called.
//!
//! The message and its version are those of the first UNH; the paths are as mappings write them. A group is called by the
//! segment that it begins with, and by its qualifier where that says what it is about, which is so where qualifiers have names
//! (`definitions/names.def`). A segment that may stand once alone has no qualifier in its name. What is written of itself
//! is left out: UNH, UNT, UNE, UNZ, sections, and the syntax in UNB.

use crate::chart::AROUND;
use crate::cursor::{Cursor, Placement};
use crate::definition::{Definition, Definitions, Element, Entry, Layout};
use crate::envelope::{Envelope, Step};
use crate::segments::{Piece, Segments};
use portolan_contract::{FormatCode, FormatError, Limits, Outline, Outliner, Position};
use std::io::Read;

/// Segments and composites around messages that are written of themselves.
const OF_THEMSELVES: [&str; 5] = ["UNH", "UNT", "UNE", "UNZ", "S001"];
/// What a composite of a time has, and which of its components says in which layout.
const TIME: &str = "C507";
const TIME_FORMAT: &str = "2379";
/// Layouts by their code (2379).
const TIME_LAYOUTS: [(&str, &str); 5] =
    [("102", "%Y%m%d"), ("101", "%y%m%d"), ("203", "%Y%m%d%H%M"), ("204", "%Y%m%d%H%M%S"), ("201", "%y%m%d%H%M")];
/// When an interchange was made: a day of six digits before syntax version 4, and of eight since.
const MADE: &str = "S004";
const MADE_LAYOUTS: [(usize, &str); 2] = [("260701:0830".len(), "%y%m%d:%H%M"), ("20260701:0830".len(), "%Y%m%d:%H%M")];

/// The outline of an interchange.
///
/// # Errors
/// A body that is no interchange, a message without a definition, and I/O.
pub(crate) fn outline<'a>(input: Box<dyn Read + 'a>, definitions: &Definitions<'_>, limits: &Limits) -> Result<Outline, FormatError> {
    let mut looking = Looking {
        definitions,
        segments: Segments::new(input, None, limits)?,
        outliner: Outliner::new(limits),
        cursor: Cursor::default(),
        placement: Placement::default(),
        definition: None,
        open: 0,
    };
    let mut envelope = Envelope::default();
    let mut syntax = String::new();
    while looking.segments.next()? {
        match envelope.take(&mut looking.segments)? {
            Step::Around(index) => {
                let tag = AROUND.get(index).copied().unwrap_or_default();
                if tag == "UNB" {
                    let [level, version] = [0, 1].map(|component| looking.segments.text_at(0, component).to_owned());
                    syntax = format!("{level}:{version}");
                }
                looking.segment(tag, "", &definitions.service(tag).unwrap_or_default(), false)?;
            }
            Step::MessageBegins => looking.begin()?,
            Step::InMessage => looking.place()?,
            Step::MessageEnds => looking.end(),
        }
    }
    envelope.end(&looking.segments)?;
    let mut options = toml::Table::new();
    if let Some(Definition { message, version, .. }) = looking.definition {
        options.insert("message".to_owned(), message.into());
        options.insert("versions".to_owned(), vec![version].into());
        options.insert("write_syntax".to_owned(), syntax.into());
    }
    Ok(Outline { record: Some("message".to_owned()), ..looking.outliner.finish(options) })
}

struct Looking<'d, 'a> {
    definitions: &'d Definitions<'d>,
    segments: Segments<'a>,
    outliner: Outliner,
    cursor: Cursor,
    placement: Placement,
    definition: Option<Definition>,
    /// Groups that are open, the message included.
    open: usize,
}

impl Looking<'_, '_> {
    fn begin(&mut self) -> Result<(), FormatError> {
        let [message, release, number] = [0, 1, 2].map(|component| self.segments.text_at(1, component).to_owned());
        let version = format!("{release}.{number}");
        let at = self.segments.place_at(1, 0);
        let other = |zh: String, en: String| Err(FormatError::new(FormatCode::NotThisMessage, at, zh, en).on("message/UNH/S009"));
        match &self.definition {
            Some(known) if (&known.message, &known.version) != (&message, &version) => {
                let first = format!("{} {}", known.message, known.version);
                return other(
                    format!("此处的报文为 {message} {version}，而之前的为 {first}；请用只含一种报文的样例"),
                    format!("the message here is {message} {version} and the one before it is {first}; take a sample of one kind"),
                );
            }
            Some(_) => {}
            None => match self.definitions.message(&message, &version) {
                Ok(definition) => self.definition = Some(definition),
                Err(why) => return other(format!("没有 {message} {version} 的报文定义"), why),
            },
        }
        self.cursor.start();
        self.outliner.enter("message", Position::default())?;
        self.open = 1;
        self.place()
    }

    fn end(&mut self) {
        (0..std::mem::take(&mut self.open)).for_each(|_| self.outliner.leave());
    }

    /// Finds where a segment belongs, closes and opens groups up to there, and takes its values. What does not belong
    /// there is passed over.
    fn place(&mut self) -> Result<(), FormatError> {
        let Some(definition) = self.definition.take() else { return Ok(()) };
        let placed = self.place_in(&definition);
        self.definition = Some(definition);
        placed
    }

    fn place_in(&mut self, definition: &Definition) -> Result<(), FormatError> {
        let tag = self.segments.segment().tag;
        let place = definition.qualifier_place(tag);
        let qualifier = place.map(|(element, component)| self.segments.text_at(usize::from(element), component).to_owned());
        let qualifier = qualifier.unwrap_or_default();
        if !self.cursor.place(definition, tag, &qualifier, &mut self.placement) {
            return Ok(());
        }
        while self.open > self.placement.depth {
            self.outliner.leave();
            self.open -= 1;
        }
        let entry = definition.entry(self.placement.entry);
        let about = self.about(entry, &qualifier);
        let opens = std::mem::take(&mut self.placement.opens);
        for &group in &opens {
            self.outliner.enter(&group_name(definition, group, about), Position::default())?;
            self.outliner.meaning(&self.words(&entry.name, about));
            self.open += 1;
        }
        if !opens.is_empty() {
            return self.segment(&entry.name, "", &entry.layout, about.is_some());
        }
        let about = about.filter(|_| entry.repeats > 1);
        let words = self.words(&entry.name, about);
        self.segment(&with_qualifier(&entry.name, about), &words, &entry.layout, about.is_some() || entry.fixed.is_some())
    }

    /// The qualifier of a segment, where that says what the segment is about and can stand in a path.
    fn about<'q>(&self, entry: &Entry, qualifier: &'q str) -> Option<&'q str> {
        let plain = !qualifier.is_empty() && qualifier.chars().all(|c| c.is_ascii_alphanumeric());
        (plain && self.definitions.names_qualifiers(&entry.name)).then_some(qualifier)
    }

    /// What a segment with this qualifier is called; the two as they are where they have no name.
    fn words(&self, segment: &str, about: Option<&str>) -> String {
        let named = self.definitions.name_of(&with_qualifier(segment, about)).map(str::to_owned);
        named.or_else(|| about.map(|qualifier| format!("{segment} {qualifier}"))).unwrap_or_default()
    }

    /// Takes the values of a segment; not its qualifier where that is `told` in a name.
    fn segment(&mut self, name: &str, words: &str, layout: &Layout, told: bool) -> Result<(), FormatError> {
        if OF_THEMSELVES.contains(&name) || name == "UNS" {
            return Ok(());
        }
        self.outliner.enter(name, Position::default())?;
        self.outliner.meaning(words);
        for (index, element) in layout.elements.iter().enumerate() {
            let name = numbered(&layout.elements, index);
            let pieces = self.segments.segment().pieces_of(index).to_vec();
            let of_qualifier = layout.qualifier.filter(|(of, _)| told && usize::from(*of) == index).map(|(_, component)| component);
            let first = pieces.first().map_or(0, |piece| piece.repetition);
            let pieces: Vec<Piece> = pieces.into_iter().filter(|piece| piece.repetition == first && !piece.is_empty()).collect();
            if !OF_THEMSELVES.contains(&element.id.as_str()) {
                self.element(&name, element, &pieces, of_qualifier)?;
            }
        }
        self.outliner.leave();
        Ok(())
    }

    fn element(&mut self, name: &str, element: &Element, pieces: &[Piece], of_qualifier: Option<u16>) -> Result<(), FormatError> {
        let texts: Vec<String> = pieces.iter().map(|piece| self.text(element, *piece)).collect();
        let meaning = self.definitions.name_of(&element.id).unwrap_or_default();
        let layout = self.time_layout(element, pieces, &texts);
        if element.components.is_empty() || element.joint() == Some('\n') || layout.is_some() {
            let joint = if layout.is_some() { ":" } else { "\n" };
            let is_qualifier = of_qualifier.is_some() && element.components.is_empty();
            return if texts.is_empty() || is_qualifier {
                Ok(())
            } else {
                self.value(name, meaning, &texts.join(joint), layout.as_deref())
            };
        }
        let told: Vec<Piece> = pieces.iter().copied().filter(|piece| Some(piece.component) != of_qualifier).collect();
        if told.is_empty() {
            return Ok(());
        }
        self.outliner.enter(name, Position::default())?;
        self.outliner.meaning(meaning);
        for piece in told {
            let Some(component) = element.components.get(usize::from(piece.component)) else { continue };
            let text = self.text(component, piece);
            let meaning = self.definitions.name_of(&component.id).unwrap_or_default();
            self.value(&numbered(&element.components, usize::from(piece.component)), meaning, &text, None)?;
        }
        self.outliner.leave();
        Ok(())
    }

    fn value(&mut self, name: &str, meaning: &str, text: &str, layout: Option<&str>) -> Result<(), FormatError> {
        self.outliner.enter(name, Position::default())?;
        self.outliner.meaning(meaning);
        layout.into_iter().for_each(|layout| self.outliner.layout(layout));
        self.outliner.text(text);
        self.outliner.leave();
        Ok(())
    }

    /// The layout of a composite that holds a time, as its whole text has it.
    fn time_layout(&self, element: &Element, pieces: &[Piece], texts: &[String]) -> Option<String> {
        if element.id == MADE {
            let length = texts.join(":").len();
            return MADE_LAYOUTS.iter().find(|(of, _)| *of == length).map(|(_, layout)| (*layout).to_owned());
        }
        if element.id != TIME {
            return None;
        }
        let is_format = |piece: &Piece| element.components.get(usize::from(piece.component)).is_some_and(|c| c.id == TIME_FORMAT);
        let format = texts.get(pieces.iter().position(is_format)?)?;
        let (_, layout) = TIME_LAYOUTS.iter().find(|(code, _)| code == format)?;
        let [qualifier, _, _] = texts else { return None };
        qualifier.bytes().all(|b| b.is_ascii_alphanumeric()).then(|| format!("{qualifier}:{layout}:{format}"))
    }

    fn text(&mut self, element: &Element, piece: Piece) -> String {
        if element.is_number() { self.segments.number(piece).to_owned() } else { self.segments.text(piece).to_owned() }
    }
}

/// An element's number, with which of its like it is where they do not stand side by side: those that do repeat one another.
fn numbered(elements: &[Element], index: usize) -> String {
    let Some(element) = elements.get(index) else { return String::new() };
    let like: Vec<usize> = (0..elements.len()).filter(|&other| elements.get(other).is_some_and(|e| e.id == element.id)).collect();
    let in_row = like.windows(2).all(|pair| matches!(pair, [one, other] if one + 1 == *other));
    match like.iter().position(|&other| other == index) {
        Some(before) if !in_row => format!("{}#{}", element.id, before + 1),
        _ => element.id.clone(),
    }
}

fn with_qualifier(name: &str, qualifier: Option<&str>) -> String {
    qualifier.map_or_else(|| name.to_owned(), |qualifier| format!("{name}+{qualifier}"))
}

/// A group by the segment that it begins with, and which of its like it is after the first.
fn group_name(definition: &Definition, group: usize, qualifier: Option<&str>) -> String {
    let entry = definition.entry(group);
    let holds = |parent: &&Entry| parent.children.contains(&group);
    let siblings = definition.entries.iter().find(holds).map_or(&[][..], |parent| parent.children.as_slice());
    let is_like = |other: &&usize| definition.entry(**other).is_group && definition.entry(**other).tag == entry.tag;
    let before = siblings.iter().take_while(|&&other| other != group).filter(is_like).count();
    let name = with_qualifier(&format!("SG:{}", String::from_utf8_lossy(&entry.tag)), qualifier);
    if before == 0 { name } else { format!("{name}#{}", before + 1) }
}
