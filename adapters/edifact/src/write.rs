//! Writing: records in the order of the message's definition, with the qualifiers that their paths
//! name, and the interchange around them with its counts and references.
//!
//! What a definition demands and no value fills is not written at all: the error names it.

use crate::BoundEdifact;
use crate::cell::Cells;
use crate::chart::{Chart, Role};
use crate::cursor::{Cursor, Placement};
use crate::definition::{Element, Layout};
use portolan_contract::{FormatCode, FormatError, NodeId, Position, RawRecord, Shaper, Sink, TextOutput, WriteRecords};
use std::io::Write;
use std::sync::Arc;

/// Writes the records of one body.
pub(crate) struct Writer<'a> {
    shaper: Shaper,
    output: Output<'a>,
    head: RawRecord,
}

impl<'a> Writer<'a> {
    /// A writer at the start of an interchange.
    ///
    /// # Errors
    /// I/O faults.
    pub(crate) fn new(output: Box<dyn Write + 'a>, bound: &'a BoundEdifact, head: &RawRecord) -> Result<Self, FormatError> {
        let shaper = Shaper::new(Arc::clone(&bound.write_plan));
        Ok(Self { shaper, output: Output::new(output, bound)?, head: head.clone() })
    }
}

impl WriteRecords for Writer<'_> {
    fn write(&mut self, record: &RawRecord) -> Result<(), FormatError> {
        self.shaper.record(record, &mut self.output)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        self.shaper.finish(&self.head, &mut self.output)?;
        self.output.end()
    }
}

/// Writes segments.
struct Output<'a> {
    bound: &'a BoundEdifact,
    chart: &'a Chart,
    text: TextOutput<'a>,
    cursor: Cursor,
    placement: Placement,
    open: Vec<NodeId>,
    groups: Vec<OpenGroup>,
    cells: Cells,
    /// The control reference of the interchange, once its UNB is written.
    interchange: Option<String>,
    messages: u64,
    /// The reference of the message that is open, once its UNH is written.
    message: Option<String>,
    segments: u64,
    line: String,
}

/// A group of which something may be written.
struct OpenGroup {
    node: NodeId,
    /// The entry of its first segment.
    first: usize,
    has_begun: bool,
}

impl<'a> Output<'a> {
    fn new(output: Box<dyn Write + 'a>, bound: &'a BoundEdifact) -> Result<Self, FormatError> {
        let mut text = TextOutput::new(output, bound.writing.charset);
        if let Some(una) = &bound.writing.una {
            text.write("UNA")?;
            text.write(una)?;
            text.write(bound.writing.line_ending)?;
        }
        Ok(Self {
            bound,
            chart: bound.write_chart(),
            text,
            cursor: Cursor::default(),
            placement: Placement::default(),
            open: Vec::new(),
            groups: Vec::new(),
            cells: Cells::default(),
            interchange: None,
            messages: 0,
            message: None,
            segments: 0,
            line: String::new(),
        })
    }

    /// Writes the segment whose values were collected; one without any is not written.
    fn segment(&mut self, node: NodeId) -> Result<(), FormatError> {
        let chart = self.chart;
        match chart.role(node) {
            Role::Around(index) => self.around(node, *index),
            Role::Segment(entry) => {
                let (entry, tag) = (*entry, chart.definition.entry(*entry).tag);
                match &tag {
                    b"UNT" => Ok(()),
                    b"UNH" => self.header(),
                    _ if self.cells.is_empty() => Ok(()),
                    _ => {
                        if self.message.is_none() {
                            self.cells.put_aside();
                            self.header()?;
                            self.cells.take_back();
                        }
                        self.body_segment(node, entry)
                    }
                }
            }
            _ => Ok(()),
        }
    }

    /// UNB with its level and version; UNZ is written at the end, and groups are not written.
    fn around(&mut self, node: NodeId, index: usize) -> Result<(), FormatError> {
        if index == 3 || self.cells.is_empty() {
            return Ok(());
        }
        if index != 0 {
            let (zh, en) = ("功能组（UNG、UNE）只读取，不写出", "functional groups (UNG, UNE) are read and never written");
            return Err(refused(zh, en).on(self.chart_path(node)));
        }
        if self.interchange.is_some() {
            let (zh, en) = (
                "各记录的 UNB 值不同：一份报文只写一个交换",
                "the records differ in what stands in UNB: one body is written as one interchange",
            );
            return Err(refused(zh, en).on("UNB"));
        }
        let writing = &self.bound.writing;
        self.cells.put_default(0, 0, &writing.identifier);
        self.cells.put_default(0, 1, &writing.version.to_string());
        let Some(layout) = self.chart.around.first() else { return Ok(()) };
        self.interchange = Some(self.cells.text(4, 0).to_owned());
        self.write_cells("UNB", layout)
    }

    /// UNH: what no value gives is the message's type and version, and a number as its reference.
    fn header(&mut self) -> Result<(), FormatError> {
        let (chart, writing) = (self.chart, &self.bound.writing);
        self.messages += 1;
        let (release, number) = chart.definition.version.split_once('.').unwrap_or(("", ""));
        self.cells.put_default(0, 0, &self.messages.to_string());
        for (component, text) in [chart.definition.message.as_str(), release, number, "UN"].into_iter().enumerate() {
            self.cells.put_default(1, component as u16, text);
        }
        if let Some(association) = &writing.association {
            self.cells.put_default(1, 4, association);
        }
        self.message = Some(self.cells.text(0, 0).to_owned());
        self.cursor.place(&chart.definition, *b"UNH", "", &mut self.placement);
        let layout = &chart.definition.entry(self.placement.entry).layout;
        self.write_cells("UNH", layout)
    }

    /// A segment between UNH and UNT, at its place in the definition.
    fn body_segment(&mut self, node: NodeId, entry: usize) -> Result<(), FormatError> {
        self.begin_groups(node, entry)?;
        let qualifier = self.qualifier_of(node);
        self.place_segment(entry, qualifier).map_err(|e| named(e, &self.chart_path(node)))
    }

    /// Begins the groups around a segment that have not begun: each with its first segment, though nothing but a
    /// qualifier stands in it, or what follows would belong to the group before.
    fn begin_groups(&mut self, node: NodeId, entry: usize) -> Result<(), FormatError> {
        let (chart, above) = (self.chart, self.bound.plan.node(node).parent);
        for index in 0..self.groups.len() {
            let Some(group) = self.groups.get_mut(index) else { break };
            let has_begun = std::mem::replace(&mut group.has_begun, true);
            let (group_node, first) = (group.node, group.first);
            if has_begun || (first == entry && above == Some(group_node)) {
                continue;
            }
            let waiting = std::mem::take(&mut self.cells);
            let begun = self.place_segment(first, chart.qualifier(group_node));
            self.cells = waiting;
            begun.map_err(|e| named(e, &self.chart_path(group_node)))?;
        }
        Ok(())
    }

    /// Writes the values as the segment of an entry, which has this qualifier unless a value says another.
    fn place_segment(&mut self, entry: usize, qualifier: Option<&str>) -> Result<(), FormatError> {
        let chart = self.chart;
        let found = chart.definition.entry(entry);
        let place = found.layout.qualifier;
        if let (Some((element, component)), Some(qualifier)) = (place, qualifier) {
            self.cells.put_default(element, component, qualifier);
        }
        let qualifier = place.map_or("", |(element, component)| self.cells.text(element, component)).to_owned();
        self.cells.put_aside();
        let sections = self.sections(entry);
        self.cells.take_back();
        sections?;
        let known = self.cursor.place(&chart.definition, found.tag, &qualifier, &mut self.placement);
        if !known || self.placement.entry != entry {
            let (zh, en) = (
                "此数据段在报文定义中没有位置：其所在组须先有首段",
                "this segment has no place here by the definition: a group begins with its first segment, which must be written too",
            );
            return Err(refused(zh, en));
        }
        if self.placement.exceeded {
            let (zh, en) = (format!("此处最多 {} 次", found.repeats), format!("this may stand here at most {} times", found.repeats));
            return Err(refused(&zh, &en));
        }
        self.write_cells(&found.name, &found.layout)
    }

    /// Writes the sections that must stand before an entry and hold nothing but their name.
    fn sections(&mut self, entry: usize) -> Result<(), FormatError> {
        let chart = self.chart;
        let mut ahead = Placement::default();
        self.cursor.clone().go_to(&chart.definition, entry, &mut ahead);
        for missing in ahead.missing {
            let section = chart.definition.entry(missing);
            let (Some(fixed), Some((element, component))) = (&section.fixed, section.layout.qualifier) else {
                let name = &section.name;
                let (zh, en) = (format!("缺少必备的 {name}，无法写出"), format!("{name} is mandatory before this, and nothing fills it"));
                return Err(refused(&zh, &en));
            };
            self.cursor.place(&chart.definition, section.tag, fixed, &mut self.placement);
            self.cells.put_default(element, component, fixed);
            self.write_cells(&section.name, &section.layout)?;
        }
        Ok(())
    }

    /// UNT, with whatever must stand before it.
    fn end_message(&mut self) -> Result<(), FormatError> {
        self.cells.clear();
        if self.message.is_none() {
            self.header()?;
        }
        let last = self.chart.definition.entry(0).children.last().copied().unwrap_or(0);
        self.sections(last).map_err(|e| named(e, "message"))?;
        let reference = self.message.take().unwrap_or_default();
        self.cells.put_default(0, 0, &(self.segments + 1).to_string());
        self.cells.put_default(1, 0, &reference);
        self.write_cells("UNT", &self.chart.definition.entry(last).layout)
    }

    /// UNZ, and all that is still to be handed on.
    fn end(&mut self) -> Result<(), FormatError> {
        let Some(reference) = self.interchange.take() else { return Err(no_unb()) };
        self.cells.clear();
        self.cells.put_default(0, 0, &self.messages.to_string());
        self.cells.put_default(1, 0, &reference);
        if let Some(layout) = self.chart.around.get(3) {
            self.write_cells("UNZ", layout)?;
        }
        self.text.finish()
    }

    /// The qualifier in a segment's name; of the segment that a group begins with, in the group's.
    fn qualifier_of(&self, node: NodeId) -> Option<&'a str> {
        let chart = self.chart;
        let own = chart.qualifier(node);
        let above = self.bound.plan.node(node).parent?;
        let (Role::Group(group), Role::Segment(entry)) = (chart.role(above), chart.role(node)) else { return own };
        let begins = chart.definition.entry(*group).children.first() == Some(entry);
        own.or_else(|| chart.qualifier(above).filter(|_| begins))
    }

    /// Writes the cells as a segment; nothing mandatory may be missing.
    fn write_cells(&mut self, tag: &str, layout: &Layout) -> Result<(), FormatError> {
        if let Some(missing) = self.cells.missing(layout) {
            let (zh, en) = (format!("缺少必备的 {missing}，无法写出"), format!("{missing} is mandatory, and nothing fills it"));
            return Err(refused(&zh, &en).on(format!("{tag}/{missing}")));
        }
        if let Some((element, form)) = self.cells.unfit(layout) {
            let (zh, en) = (format!("{element} 的值应为 {form}，无法写出"), format!("the value of {element} must be {form}"));
            let error = FormatError::new(FormatCode::ValueUnwritable, Position::default(), &zh, &en);
            return Err(error.on(format!("{tag}/{element}")));
        }
        let writing = &self.bound.writing;
        self.line.clear();
        self.line.push_str(tag.get(..3).unwrap_or(tag));
        self.cells.write(layout, writing, &mut self.line).map_err(|e| e.on(tag.to_owned()))?;
        self.line.push(char::from(writing.characters.terminator));
        self.line.push_str(writing.line_ending);
        self.cells.clear();
        self.segments = if tag == "UNH" { 1 } else { self.segments + 1 };
        self.text.write(&self.line).map_err(|e| e.on(tag.to_owned()))
    }

    /// The layout of the innermost open segment.
    fn layout(&self) -> Option<&'a Layout> {
        let chart = self.chart;
        self.open.iter().rev().find_map(|&node| chart.layout(node))
    }

    fn chart_path(&self, node: NodeId) -> String {
        self.bound.plan.path(node)
    }
}

impl Sink for Output<'_> {
    fn open(&mut self, node: NodeId) -> Result<(), FormatError> {
        let chart = self.chart;
        let layout = self.layout();
        self.open.push(node);
        match chart.role(node) {
            Role::None => {
                let version = &chart.definition.version;
                let (zh, en) =
                    (format!("{version} 版报文中没有此项"), format!("there is no such thing in version {version} of the message"));
                return Err(refused(&zh, &en).on(self.chart_path(node)));
            }
            Role::Message => {
                if self.interchange.is_none() {
                    return Err(no_unb());
                }
                self.cursor.start();
                self.message = None;
            }
            Role::Segment(_) | Role::Around(_) => self.cells.clear(),
            Role::Element(places) => {
                let version = self.bound.writing.version;
                let room = layout.is_some_and(|layout| self.cells.begin_element(places, layout, version));
                if !room {
                    return Err(no_room().on(self.chart_path(node)));
                }
            }
            Role::Component(places) => {
                if !self.cells.begin_component(places) {
                    return Err(no_room().on(self.chart_path(node)));
                }
            }
            Role::Group(entry) => {
                let first = chart.definition.entry(*entry).children.first().copied().unwrap_or(*entry);
                self.groups.push(OpenGroup { node, first, has_begun: false });
            }
            Role::Top => {}
        }
        Ok(())
    }

    fn attribute(&mut self, _: NodeId, _: &str) -> Result<(), FormatError> {
        Ok(())
    }

    fn text(&mut self, node: NodeId, text: &str) -> Result<(), FormatError> {
        match self.chart.role(node) {
            Role::Element(places) => {
                let element = places.first().zip(self.layout()).and_then(|(&place, layout)| layout.elements.get(usize::from(place)));
                match element.and_then(Element::joint) {
                    Some(joint) if !self.cells.put_joined(text, joint, element.map_or(0, |e| e.components.len())) => {
                        return Err(no_room().on(self.chart_path(node)));
                    }
                    Some(_) => {}
                    None => self.cells.put(text),
                }
            }
            Role::Component(_) => self.cells.put(text),
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, node: NodeId) -> Result<(), FormatError> {
        self.open.pop();
        match self.chart.role(node) {
            Role::Segment(_) | Role::Around(_) => self.segment(node),
            Role::Message => self.end_message(),
            Role::Group(_) => {
                self.groups.pop();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The error with a path, where it has none of its own.
fn named(mut error: FormatError, path: &str) -> FormatError {
    error.path = Some(path.to_owned());
    error
}

fn no_unb() -> FormatError {
    let (zh, en) = (
        "没有任何值可写入 UNB：映射须给出发送方、接收方、时间和参考号",
        "nothing fills UNB: a mapping gives sender, recipient, time and control reference",
    );
    refused(zh, en).on("UNB")
}

fn no_room() -> FormatError {
    refused("此处没有更多位置", "there is no room for another one here")
}

fn refused(zh: &str, en: &str) -> FormatError {
    FormatError::new(FormatCode::ValueUnwritable, Position::default(), zh, en)
}
