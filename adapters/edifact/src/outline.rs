//! Looks into an interchange without a mapping: the definition of its message says in which group each segment stands, and
//! what its elements are called.
//!
//! The message and its version are those of the first UNH; the paths are as mappings write them. A group is called by the
//! segment and qualifier that it begins with, or by its number where several of its like stand side by side.

use crate::chart::AROUND;
use crate::cursor::{Cursor, Placement};
use crate::definition::{Definition, Definitions, Element, Layout};
use crate::envelope::{Envelope, Step};
use crate::segments::{Piece, Segments};
use portolan_contract::{FormatCode, FormatError, Limits, Outline, Outliner, Position};
use std::io::Read;

/// The outline of an interchange.
///
/// # Errors
/// A body that is no interchange, a message without a definition, and I/O.
pub(crate) fn outline<'a>(input: Box<dyn Read + 'a>, definitions: &Definitions<'_>, limits: &Limits) -> Result<Outline, FormatError> {
    let mut looking = Looking {
        segments: Segments::new(input, None, limits)?,
        outliner: Outliner::new(limits),
        cursor: Cursor::default(),
        placement: Placement::default(),
        definition: None,
        open: 0,
    };
    let mut envelope = Envelope::default();
    while looking.segments.next()? {
        match envelope.take(&mut looking.segments)? {
            Step::Around(index) => {
                let tag = AROUND.get(index).copied().unwrap_or_default();
                looking.segment(tag, &definitions.service(tag).unwrap_or_default())?;
            }
            Step::MessageBegins => looking.begin(definitions)?,
            Step::InMessage => looking.place()?,
            Step::MessageEnds => looking.end(),
        }
    }
    envelope.end(&looking.segments)?;
    let mut options = toml::Table::new();
    if let Some(Definition { message, version, .. }) = looking.definition {
        options.insert("message".to_owned(), message.into());
        options.insert("versions".to_owned(), vec![version].into());
    }
    Ok(Outline { record: Some("message".to_owned()), ..looking.outliner.finish(options) })
}

struct Looking<'a> {
    segments: Segments<'a>,
    outliner: Outliner,
    cursor: Cursor,
    placement: Placement,
    definition: Option<Definition>,
    /// Groups that are open, the message included.
    open: usize,
}

impl Looking<'_> {
    fn begin(&mut self, definitions: &Definitions<'_>) -> Result<(), FormatError> {
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
            None => match definitions.message(&message, &version) {
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
        for group in std::mem::take(&mut self.placement.opens) {
            self.outliner.enter(&group_name(definition, group, &qualifier), Position::default())?;
            self.open += 1;
        }
        let entry = definition.entry(self.placement.entry);
        self.segment(&with_qualifier(&entry.name, &qualifier), &entry.layout)
    }

    /// Takes the values of a segment, its qualifier left out: that is in its name.
    fn segment(&mut self, name: &str, layout: &Layout) -> Result<(), FormatError> {
        self.outliner.enter(name, Position::default())?;
        for (index, element) in layout.elements.iter().enumerate() {
            let name = numbered(&layout.elements, index);
            let pieces = self.segments.segment().pieces_of(index).to_vec();
            let of_qualifier = layout.qualifier.filter(|(of, _)| usize::from(*of) == index).map(|(_, component)| component);
            let first = pieces.first().map_or(0, |piece| piece.repetition);
            let pieces: Vec<Piece> = pieces.into_iter().filter(|piece| piece.repetition == first && !piece.is_empty()).collect();
            self.element(&name, element, &pieces, of_qualifier)?;
        }
        self.outliner.leave();
        Ok(())
    }

    fn element(&mut self, name: &str, element: &Element, pieces: &[Piece], of_qualifier: Option<u16>) -> Result<(), FormatError> {
        let at = Position::default();
        if element.components.is_empty() || element.joint() == Some('\n') {
            let texts: Vec<String> = pieces.iter().map(|piece| self.text(element, *piece)).collect();
            let is_qualifier = of_qualifier.is_some() && element.components.is_empty();
            return if texts.is_empty() || is_qualifier { Ok(()) } else { self.outliner.value(name, &texts.join("\n"), at) };
        }
        let told: Vec<Piece> = pieces.iter().copied().filter(|piece| Some(piece.component) != of_qualifier).collect();
        if told.is_empty() {
            return Ok(());
        }
        self.outliner.enter(name, at)?;
        for piece in told {
            let Some(component) = element.components.get(usize::from(piece.component)) else { continue };
            let text = self.text(component, piece);
            self.outliner.value(&numbered(&element.components, usize::from(piece.component)), &text, at)?;
        }
        self.outliner.leave();
        Ok(())
    }

    fn text(&mut self, element: &Element, piece: Piece) -> String {
        if element.numeric { self.segments.number(piece).to_owned() } else { self.segments.text(piece).to_owned() }
    }
}

/// An element's number, with which of its like it is where that is not the first.
fn numbered(elements: &[Element], index: usize) -> String {
    let Some(element) = elements.get(index) else { return String::new() };
    match elements.iter().take(index).filter(|before| before.id == element.id).count() {
        0 if elements.iter().skip(index + 1).all(|later| later.id != element.id) => element.id.clone(),
        before => format!("{}#{}", element.id, before + 1),
    }
}

fn with_qualifier(name: &str, qualifier: &str) -> String {
    let plain = !qualifier.is_empty() && qualifier.chars().all(|c| c.is_ascii_alphanumeric());
    if plain { format!("{name}+{qualifier}") } else { name.to_owned() }
}

fn group_name(definition: &Definition, group: usize, qualifier: &str) -> String {
    let entry = definition.entry(group);
    let like = |parent: &&crate::definition::Entry| parent.children.contains(&group);
    let siblings = definition.entries.iter().find(like).map_or(&[][..], |parent| parent.children.as_slice());
    let same = siblings.iter().filter(|&&other| definition.entry(other).is_group && definition.entry(other).tag == entry.tag).count();
    if same > 1 {
        return entry.name.clone();
    }
    with_qualifier(&format!("SG:{}", String::from_utf8_lossy(&entry.tag)), qualifier)
}
