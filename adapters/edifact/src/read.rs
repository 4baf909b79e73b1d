//! Reading: each segment finds its place in the message's definition, and what the plan asks of it
//! is filled.

use crate::BoundEdifact;
use crate::chart::{Ask, Chart};
use crate::cursor::{Cursor, Placement};
use crate::definition::Layout;
use crate::envelope::{Envelope, Step};
use crate::segments::{Piece, Segments};
use portolan_contract::{FormatCode, FormatError, Found, Limits, NodeId, Position, RawRecord, ReadRecords, SlotId, Walker, Words};
use std::io::Read;
use std::sync::Arc;

/// The rule that a record of a test interchange breaks.
pub(crate) const TEST: &str = "edifact.test";

/// Reads one body.
pub(crate) struct Reader<'a> {
    bound: &'a BoundEdifact,
    segments: Segments<'a>,
    walker: Walker,
    envelope: Envelope,
    /// The test indicator (0035) in UNB and its place, where the interchange is none of production.
    test: Option<(String, Position)>,
    cursor: Cursor,
    placement: Placement,
    /// The version of the message that is open.
    chart: Option<&'a Chart>,
    /// By open group, the message included, its node; none where no mapping asks for it.
    open: Vec<Option<NodeId>>,
    /// What is still to be done with the segment at hand.
    todo: Todo,
    qualifier: String,
    /// Pieces of the element at hand.
    pieces: Vec<Piece>,
    /// The text of a composite.
    joined: String,
}

/// What is still to be done with the segment at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Todo {
    /// Nothing: the next one is read.
    Next,
    /// Groups close that it does not belong to.
    Close,
    /// Its values are taken.
    Take,
    /// The message closes.
    End,
}

/// What a step has led to.
enum Done {
    Further,
    Record,
    End,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a body.
    ///
    /// # Errors
    /// A body that does not begin as an interchange.
    pub(crate) fn new(input: Box<dyn Read + 'a>, bound: &'a BoundEdifact, limits: &Limits) -> Result<Self, FormatError> {
        Ok(Self {
            bound,
            segments: Segments::new(input, bound.charset, limits)?,
            walker: Walker::new(Arc::clone(&bound.plan), limits),
            envelope: Envelope::default(),
            test: None,
            cursor: Cursor::default(),
            placement: Placement::default(),
            chart: None,
            open: Vec::new(),
            todo: Todo::Next,
            qualifier: String::new(),
            pieces: Vec::new(),
            joined: String::new(),
        })
    }

    fn step(&mut self) -> Result<Done, FormatError> {
        match self.todo {
            Todo::Next => self.next(),
            Todo::Close if self.open.len() > self.placement.depth => {
                self.open.pop();
                self.leave()
            }
            Todo::Close => {
                self.todo = Todo::Take;
                self.enter_groups()
            }
            Todo::Take => {
                self.todo = if self.is_end() { Todo::End } else { Todo::Next };
                self.take_segment()
            }
            Todo::End => {
                self.todo = Todo::Next;
                self.open.clear();
                self.leave()
            }
        }
    }

    fn leave(&mut self) -> Result<Done, FormatError> {
        let whole = self.walker.leave(self.segments.segment().at)?;
        Ok(if whole { Done::Record } else { Done::Further })
    }

    fn is_end(&self) -> bool {
        self.segments.segment().tag == *b"UNT"
    }

    /// Reads a segment and finds where it belongs.
    fn next(&mut self) -> Result<Done, FormatError> {
        if !self.segments.next()? {
            self.envelope.end(&self.segments)?;
            return Ok(Done::End);
        }
        match self.envelope.take(&mut self.segments)? {
            Step::Around(index) => {
                self.note_outside();
                if index == 0 {
                    let indicator = self.segments.text_at(10, 0).to_owned();
                    self.test = Some((indicator, self.segments.place_at(10, 0))).filter(|(text, _)| !matches!(text.as_str(), "" | "0"));
                }
                self.take_around(index)?;
            }
            Step::MessageBegins => {
                self.begin_message()?;
                self.place();
            }
            Step::InMessage | Step::MessageEnds => self.place(),
        }
        Ok(Done::Further)
    }

    /// A message begins: of a type and version that the mapping reads.
    fn begin_message(&mut self) -> Result<(), FormatError> {
        let [message, release, number] = [0, 1, 2].map(|component| self.segments.text_at(1, component).to_owned());
        let version = format!("{release}.{number}");
        let charts = &self.bound.charts;
        let known = |chart: &&Chart| chart.definition.message == message && chart.definition.version == version;
        let Some(chart) = charts.iter().find(known) else {
            let expected: Vec<String> = charts.iter().map(|c| format!("{} {}", c.definition.message, c.definition.version)).collect();
            let expected = expected.join(", ");
            let (zh, en) = (
                format!("报文为 {message} {version}；此映射规则读取 {expected}"),
                format!("the message is {message} {version}; this mapping reads {expected}"),
            );
            return Err(FormatError::new(FormatCode::NotThisMessage, self.segments.place_at(1, 0), zh, en).on("message/UNH/S009"));
        };
        self.chart = Some(chart);
        self.cursor.start();
        let node = self.walker.plan().child(0, "message");
        self.enter(node, self.segments.segment().at)
    }

    /// Opens the message or a group of it. A record that begins so in a test interchange is told of it, each by itself: one
    /// that is accepted alone would pass as real.
    fn enter(&mut self, node: Option<NodeId>, at: Position) -> Result<(), FormatError> {
        let node = self.walker.enter_node(node, at)?;
        self.open.push(node);
        let begins_record = node.is_some_and(|node| self.walker.plan().node(node).anchor.is_some());
        if let Some((indicator, place)) = self.test.as_ref().filter(|_| begins_record)
            && !self.walker.record().findings.iter().any(|finding| finding.rule == TEST)
        {
            let words = Words::new(
                format!("UNB 的测试标志（0035）为 {indicator:?}：这是测试交换，不是正式业务"),
                format!("the test indicator (0035) in UNB is {indicator:?}: this interchange is a test and not meant as real"),
            );
            self.walker.finding(TEST, *place, None, words);
        }
        Ok(())
    }

    /// Places a segment of the message; what does not belong there is noted and passed over.
    fn place(&mut self) {
        let Some(chart) = self.chart else { return };
        let tag = self.segments.segment().tag;
        self.qualifier.clear();
        if let Some((element, component)) = chart.definition.qualifier_place(tag) {
            self.qualifier.push_str(self.segments.text_at(usize::from(element), component));
        }
        if self.cursor.place(&chart.definition, tag, &self.qualifier, &mut self.placement) {
            self.todo = Todo::Close;
            return;
        }
        let (name, at) = (self.segments.segment().name().to_owned(), self.segments.segment().at);
        let (message, version) = (&chart.definition.message, &chart.definition.version);
        let words = Words::new(
            format!("数据段 {name} 不能出现在此处（{message} {version}），未读取"),
            format!("the segment {name} may not stand here in {message} {version}; it is not read"),
        );
        self.walker.finding("edifact.segment", at, None, words);
    }

    /// Opens the groups that the segment begins, and notes what is wrong with its place.
    fn enter_groups(&mut self) -> Result<Done, FormatError> {
        let Some(chart) = self.chart else { return Ok(Done::Further) };
        let at = self.segments.segment().at;
        for index in 0..self.placement.opens.len() {
            let Some(&entry) = self.placement.opens.get(index) else { break };
            let above = self.open.last().copied().flatten();
            let node = above.and_then(|above| chart.branch(above, entry, &self.qualifier));
            self.enter(node, at)?;
        }
        self.note_outside();
        for &entry in &self.placement.missing {
            let name = &chart.definition.entry(entry).name;
            let words = Words::new(format!("此前缺少必备的 {name}"), format!("{name} must stand before this and is missing"));
            self.walker.finding("edifact.missing", at, None, words);
        }
        if self.placement.exceeded {
            let entry = chart.definition.entry(self.placement.entry);
            let name = &entry.name;
            let words = Words::new(
                format!("{name} 在此处的次数超过 {} 次", entry.repeats),
                format!("{name} stands here more often than the definition allows"),
            );
            self.walker.finding("edifact.repeated", at, None, words);
        }
        Ok(Done::Further)
    }

    /// Takes the values of a segment of the message.
    fn take_segment(&mut self) -> Result<Done, FormatError> {
        let Some(chart) = self.chart else { return Ok(Done::Further) };
        let entry = self.placement.entry;
        self.check_extent(&chart.definition.entry(entry).layout);
        self.check_forms(&chart.definition.entry(entry).layout);
        let above = self.open.last().copied().flatten();
        let Some(node) = above.and_then(|above| chart.branch(above, entry, &self.qualifier)) else { return Ok(Done::Further) };
        self.take_values(chart, node)
    }

    /// Takes the values of a segment around messages.
    fn take_around(&mut self, index: usize) -> Result<(), FormatError> {
        let bound = self.bound;
        let Some(chart) = bound.charts.first() else { return Ok(()) };
        if let Some(layout) = chart.around.get(index) {
            self.check_extent(layout);
            self.check_forms(layout);
        }
        match bound.around.get(index).copied().flatten() {
            Some(node) => self.take_values(chart, node).map(drop),
            None => Ok(()),
        }
    }

    fn take_values(&mut self, chart: &Chart, node: NodeId) -> Result<Done, FormatError> {
        self.walker.enter_node(Some(node), self.segments.segment().at)?;
        for ask in chart.asks.get(node as usize).into_iter().flatten() {
            self.take_element(ask)?;
        }
        self.leave()
    }

    /// Takes what is asked of an element, wherever it stands and however often.
    fn take_element(&mut self, ask: &Ask) -> Result<(), FormatError> {
        for &place in &ask.places {
            self.pieces.clear();
            self.pieces.extend_from_slice(self.segments.segment().pieces_of(usize::from(place)));
            let mut start = 0;
            while let Some(first) = self.pieces.get(start).copied() {
                let same = |piece: &&Piece| piece.repetition == first.repetition;
                let end = start + self.pieces.iter().skip(start).take_while(same).count();
                self.take_repetition(ask, start, end)?;
                start = end;
            }
        }
        Ok(())
    }

    /// Takes one element; the pieces from `start` to `end` are its components.
    fn take_repetition(&mut self, ask: &Ask, start: usize, end: usize) -> Result<(), FormatError> {
        let Some(first) = self.pieces.get(start).copied() else { return Ok(()) };
        if ask.is_list {
            if self.pieces.iter().take(end).skip(start).all(|piece| piece.is_empty()) {
                return Ok(());
            }
            self.walker.enter_node(Some(ask.node), self.segments.place(first))?;
        }
        match (ask.slot, ask.joint) {
            (Some(slot), Some(joint)) => self.fill_joined(slot, joint, start, end)?,
            _ => self.fill(ask, first)?,
        }
        for below in &ask.components {
            for index in start..end {
                let Some(piece) = self.pieces.get(index).copied().filter(|p| below.places.contains(&p.component)) else { continue };
                self.take_component(below, piece)?;
            }
        }
        if ask.is_list {
            self.walker.leave(self.segments.place(first))?;
        }
        Ok(())
    }

    fn take_component(&mut self, ask: &Ask, piece: Piece) -> Result<(), FormatError> {
        if piece.is_empty() || !ask.is_list {
            return self.fill(ask, piece);
        }
        let at = self.segments.place(piece);
        self.walker.enter_node(Some(ask.node), at)?;
        self.fill(ask, piece)?;
        self.walker.leave(at).map(drop)
    }

    /// Fills the text of a composite: its components, joined. Empty ones at its end are none, since a sender may leave them
    /// out, and nor are empty lines.
    fn fill_joined(&mut self, slot: SlotId, joint: char, start: usize, end: usize) -> Result<(), FormatError> {
        let pieces = self.pieces.get(start..end).unwrap_or(&[]);
        let Some(first) = pieces.iter().find(|piece| !piece.is_empty()) else { return Ok(()) };
        let at = self.segments.place(*first);
        let filled = 1 + pieces.iter().rposition(|piece| !piece.is_empty()).unwrap_or(0);
        self.joined.clear();
        for piece in pieces.iter().take(filled) {
            if piece.component > 0 {
                self.joined.push(joint);
            }
            for character in self.segments.text(*piece).chars() {
                if joint == ':' && matches!(character, ':' | '?') {
                    self.joined.push('?');
                }
                self.joined.push(character);
            }
        }
        let text = if joint == '\n' { self.joined.trim_end_matches('\n') } else { &self.joined };
        if text.is_empty() {
            return Ok(());
        }
        self.walker.fill(slot, text, at)
    }

    fn fill(&mut self, ask: &Ask, piece: Piece) -> Result<(), FormatError> {
        let Some(slot) = ask.slot.filter(|_| !piece.is_empty()) else { return Ok(()) };
        let at = self.segments.place(piece);
        let text = if ask.numeric { self.segments.number(piece) } else { self.segments.text(piece) };
        self.walker.fill(slot, text, at)
    }

    /// Notes elements and components beyond what the segment has.
    fn check_extent(&mut self, layout: &Layout) {
        let segment = self.segments.segment();
        let mut beyond: Option<Piece> = segment.pieces_of(layout.elements.len()).first().copied();
        for (index, element) in layout.elements.iter().enumerate().take(segment.element_count()) {
            let (components, repeats) = (element.components.len().max(1), element.repeats);
            let fits = |piece: &&Piece| usize::from(piece.component) < components && piece.repetition < repeats.max(1);
            beyond = segment.pieces_of(index).iter().find(|piece| !fits(piece)).copied().or(beyond);
        }
        let Some(piece) = beyond else { return };
        let (name, at) = (segment.name().to_owned(), self.segments.place(piece));
        let words = Words::new(
            format!("数据段 {name} 在此处没有更多数据元或成分"),
            format!("the segment {name} has no further element or component here"),
        );
        self.walker.finding("edifact.element", at, None, words);
    }

    /// Notes values that are longer than their element, or no number where it holds numbers alone.
    fn check_forms(&mut self, layout: &Layout) {
        for (index, element) in layout.elements.iter().enumerate() {
            self.pieces.clear();
            self.pieces.extend_from_slice(self.segments.segment().pieces_of(index));
            for at in 0..self.pieces.len() {
                let Some((piece, form)) = self.pieces.get(at).and_then(|piece| Some((*piece, element.form_of(piece.component)?))) else {
                    continue;
                };
                if piece.is_empty() || form.fits(self.segments.text(piece)) {
                    continue;
                }
                let component = element.components.get(usize::from(piece.component)).map_or_else(String::new, |c| format!("/{}", c.id));
                let name = format!("{}/{}{component}", self.segments.segment().name(), element.id);
                let words = Words::new(format!("{name} 的值应为 {form}"), format!("the value of {name} must be {form}"));
                self.walker.finding("edifact.form", self.segments.place(piece), None, words);
            }
        }
    }

    /// Notes a character that the interchange's own level does not have.
    fn note_outside(&mut self) {
        let Some((character, at)) = self.segments.outside() else { return };
        let code = u32::from(character);
        let words = Words::new(
            format!("字符 {character:?}（U+{code:04X}）不在 UNB 所声明的字符集级别之内"),
            format!("the character {character:?} (U+{code:04X}) is not of the level that UNB declares"),
        );
        self.walker.finding("edifact.repertoire", Position { column: 0, ..at }, None, words);
    }
}

impl ReadRecords for Reader<'_> {
    fn read(&mut self) -> Result<Found<'_>, FormatError> {
        loop {
            match self.step()? {
                Done::Further => {}
                Done::Record => return Ok(Found::Record(self.walker.record())),
                Done::End => return Ok(Found::End(self.walker.end())),
            }
        }
    }

    fn held(&self) -> &RawRecord {
        self.walker.record()
    }
}
