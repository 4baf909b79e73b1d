//! The layout: kinds of lines and their columns, checked and joined with the plan.

use crate::{Align, ColumnEntry, LineEnding, LineEntry, Options, TagEntry, Units};
use portolan_contract::{Charset, ListId, NodeId, OptionsError, Plan, Repeat, SlotId};
use std::ops::Range;

/// Columns of one line.
pub const LINE_UNITS_MAX: usize = 65_536;

/// All kinds of lines.
pub struct Layout {
    /// Where the tag stands, counted from 0.
    pub tag: Option<Range<usize>>,
    /// In the order of writing.
    pub lines: Vec<Line>,
    /// Indices of lines that belong to no other, in that order.
    pub roots: Vec<usize>,
    /// Index in `roots` of the one that begins a record.
    pub record: usize,
}

/// One kind of line.
pub struct Line {
    /// Its path.
    pub path: String,
    /// The text that stands where tags do.
    pub tag: String,
    /// Its node; `None` where no mapping asks for it.
    pub node: Option<NodeId>,
    /// The list whose items are such lines.
    pub list: Option<ListId>,
    /// Its one value, where the line comes once for each of several.
    pub several: Option<SlotId>,
    /// Index of the line that it belongs to.
    pub parent: Option<usize>,
    /// How many lines it is below a root.
    pub depth: usize,
    /// Indices of the lines that belong to it.
    pub children: Vec<usize>,
    /// Its columns by their start.
    pub columns: Vec<Column>,
    /// Its length.
    pub length: usize,
    /// It may be missing.
    pub optional: bool,
}

/// One column.
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its place, counted from 0.
    pub place: Range<usize>,
    /// The side on which its text stands.
    pub align: Align,
    /// What fills the rest.
    pub pad: char,
    /// Decimals of a number without its point.
    pub decimals: Option<usize>,
    /// What it fills.
    pub slot: Option<SlotId>,
    /// Written where there is no value.
    pub constant: Option<String>,
}

impl Line {
    /// It may come any number of times.
    pub fn repeats(&self) -> bool {
        self.list.is_some() || self.several.is_some()
    }
}

impl Layout {
    /// The layout that the options describe.
    ///
    /// # Errors
    /// A layout that contradicts itself, or that does not fit the plan.
    pub fn new(plan: &Plan, options: &Options) -> Result<Self, OptionsError> {
        let tag = options.tag.map(|tag| span("tag", tag.start, tag.length)).transpose()?;
        let mut lines: Vec<Line> = Vec::new();
        for entry in &options.line {
            let line = line(plan, options, entry, tag.as_ref(), &lines)?;
            if let Some(parent) = line.parent.and_then(|at| lines.get_mut(at)) {
                parent.children.push(options.line.iter().position(|e| e.path == entry.path).unwrap_or_default());
            }
            lines.push(line);
        }
        for line in &mut lines {
            line.several = line.several.filter(|_| line.parent.is_some() && line.list.is_none() && line.children.is_empty());
        }
        check_tags(options, &lines)?;
        check_units(options, &lines, tag.as_ref())?;
        let roots: Vec<usize> = lines.iter().enumerate().filter(|(_, line)| line.parent.is_none()).map(|(at, _)| at).collect();
        let is_record = |&at: &usize| lines.get(at).and_then(|line| line.node).is_some_and(|node| plan.anchors == [node]);
        let record = roots.iter().position(is_record);
        let record = record.ok_or_else(|| OptionsError::new("", "the record of a fixed-width body is a line with a one-segment path"))?;
        let layout = Self { tag, lines, roots, record };
        layout.check_plan(plan)?;
        Ok(layout)
    }

    /// Refuses what the layout has no place for.
    fn check_plan(&self, plan: &Plan) -> Result<(), OptionsError> {
        for slot in &plan.slots {
            let (above, name) = slot.path.rsplit_once('/').unwrap_or(("", &slot.path));
            let counted = matches!(name, "#" | "##");
            let root = slot.path.split('/').next().unwrap_or_default();
            let rank = self.roots.iter().position(|&at| self.lines.get(at).is_some_and(|line| line.path == root));
            let wrong = match (rank, self.lines.iter().find(|line| line.path == above)) {
                (Some(_), Some(line)) if !counted && line.columns.iter().all(|column| column.name != name) => {
                    let names: Vec<&str> = line.columns.iter().map(|column| column.name.as_str()).collect();
                    return Err(OptionsError::new(
                        &slot.path,
                        format!("the line `{above}` has no such column; it has {}", names.join(", ")),
                    ));
                }
                (Some(_), Some(line)) if slot.repeat == Repeat::List && line.several.is_none() => {
                    "`repeat` may be `list` for the only value of a line that belongs to another and has no lines of its own"
                }
                (Some(rank), Some(_)) if (rank > self.record) != slot.after => {
                    "values of lines after the record need `after`, and only those"
                }
                (Some(rank), Some(_)) if counted && rank != self.record => "only lines of the record are counted",
                (Some(_), Some(_)) => continue,
                _ => return Err(OptionsError::new(&slot.path, self.no_line())),
            };
            return Err(OptionsError::new(&slot.path, wrong));
        }
        let inside = |path: &str| self.lines.iter().any(|line| line.path == path && line.parent.is_some());
        if let Some(list) = plan.lists.iter().find(|list| !inside(&list.path) || !self.anchored(plan, list.node)) {
            return Err(OptionsError::new(&list.path, "a list's path is that of a line which belongs to the record's line"));
        }
        let known = |id: NodeId| {
            let path = plan.path(id);
            self.lines.iter().any(|line| line.path == path || line.columns.iter().any(|c| format!("{}/{}", line.path, c.name) == path))
        };
        match (1..plan.nodes.len() as NodeId).find(|&id| !known(id)) {
            Some(id) => Err(OptionsError::new(plan.path(id), self.no_line())),
            None => Ok(()),
        }
    }

    fn anchored(&self, plan: &Plan, node: NodeId) -> bool {
        plan.anchors.first().is_some_and(|&anchor| plan.within(node, anchor))
    }

    fn no_line(&self) -> String {
        let paths: Vec<String> = self.lines.iter().map(|line| format!("{}/COLUMN", line.path)).collect();
        format!("is no path of this layout; it has {}", paths.join(", "))
    }
}

fn line(plan: &Plan, options: &Options, entry: &LineEntry, tag: Option<&Range<usize>>, above: &[Line]) -> Result<Line, OptionsError> {
    let wrong = |message: &str| Err(OptionsError::new(&entry.path, message));
    if entry.path.split('/').any(|name| name.is_empty() || name.starts_with(['#', '@'])) {
        return wrong("is no line's path: names joined by `/`");
    }
    if above.iter().any(|line| line.path == entry.path) {
        return wrong("is listed twice");
    }
    let parent = match entry.path.rsplit_once('/') {
        None => None,
        Some((path, _)) => match above.iter().position(|line| line.path == path) {
            Some(at) => Some(at),
            None => return wrong("belongs to a line that is not listed before it"),
        },
    };
    let node = entry.path.split('/').try_fold(0, |at, name| plan.child(at, name));
    let mut columns = Vec::new();
    for column in &entry.columns {
        columns.push(compiled(plan, node, &entry.path, column)?);
    }
    columns.sort_by_key(|column| column.place.start);
    let end = columns.last().map(|column| column.place.end).max(tag.map(|tag| tag.end)).unwrap_or(0);
    let length = entry.length.or(options.line_length).unwrap_or(end);
    if columns.is_empty() || end > length {
        return wrong(&format!("its columns must end within its {length} places, and there must be one"));
    }
    span(&entry.path, 1, length)?;
    let mut places: Vec<&Range<usize>> = columns.iter().map(|column| &column.place).chain(tag).collect();
    places.sort_by_key(|place| place.start);
    if places.windows(2).any(|pair| matches!(pair, [a, b] if a.end > b.start)) {
        return wrong("two of its columns, or a column and the tag, overlap");
    }
    Ok(Line {
        path: entry.path.clone(),
        tag: entry.tag.clone(),
        node,
        list: node.and_then(|node| plan.node(node).list),
        several: several(plan, &columns),
        parent,
        depth: entry.path.matches('/').count(),
        children: Vec::new(),
        columns,
        length,
        optional: entry.optional,
    })
}

/// The slot of several values, where it is the only one.
fn several(plan: &Plan, columns: &[Column]) -> Option<SlotId> {
    let mut slots = columns.iter().filter_map(|column| column.slot);
    let first = slots.next().filter(|&slot| plan.slot(slot).repeat == Repeat::List);
    first.filter(|_| slots.next().is_none())
}

fn compiled(plan: &Plan, line: Option<NodeId>, path: &str, entry: &ColumnEntry) -> Result<Column, OptionsError> {
    let path = format!("{path}/{}", entry.name);
    let wrong = |message: &str| Err(OptionsError::new(&path, message));
    if entry.name.is_empty() || entry.name.contains('/') || entry.name.starts_with(['#', '@']) {
        return wrong("is no column's name: no `/`, and no `#` or `@` before it");
    }
    if !(entry.pad == ' ' || entry.pad.is_ascii_graphic()) {
        return wrong("`pad` is one character of ASCII");
    }
    if entry.pad.is_ascii_digit() && !(entry.pad == '0' && entry.align == Align::Right) {
        return wrong("`pad` may be 0 with align = \"right\", and no other digit");
    }
    if entry.decimals.is_some_and(|decimals| decimals >= entry.length) {
        return wrong("`decimals` leave no digit before the point");
    }
    let node = line.and_then(|line| plan.child(line, &entry.name)).map(|node| plan.node(node));
    Ok(Column {
        place: span(&path, entry.start, entry.length)?,
        name: entry.name.clone(),
        align: entry.align,
        pad: entry.pad,
        decimals: entry.decimals,
        slot: node.and_then(|node| node.slot),
        constant: node.and_then(|node| node.constant.clone()),
    })
}

fn span(key: &str, start: usize, length: usize) -> Result<Range<usize>, OptionsError> {
    match start.checked_add(length) {
        Some(end) if start > 0 && length > 0 && end <= LINE_UNITS_MAX + 1 => Ok(start - 1..end - 1),
        _ => Err(OptionsError::new(key, format!("places are counted from 1, and a line has at most {LINE_UNITS_MAX}"))),
    }
}

/// Every line must be told from every other.
fn check_tags(options: &Options, lines: &[Line]) -> Result<(), OptionsError> {
    let Some(TagEntry { length, .. }) = options.tag else {
        let alone = lines.len() == 1 && options.ignored_tags.is_empty() && lines.iter().all(|line| line.tag.is_empty());
        return if alone { Ok(()) } else { Err(OptionsError::new("tag", "more than one kind of line needs a tag")) };
    };
    let mut known: Vec<&str> = Vec::new();
    for tag in lines.iter().map(|line| line.tag.as_str()).chain(options.ignored_tags.iter().map(String::as_str)) {
        let fits = !tag.is_empty() && tag.len() <= length && tag.bytes().all(|b| b.is_ascii_graphic());
        if !fits {
            return Err(OptionsError::new("tag", format!("{tag:?} must be 1 to {length} characters of ASCII without blanks")));
        }
        if known.contains(&tag) {
            return Err(OptionsError::new("tag", format!("{tag:?} stands for two kinds of line")));
        }
        known.push(tag);
    }
    Ok(())
}

/// Lines without ends have one length; in UTF-16 a byte is no character's end.
fn check_units(options: &Options, lines: &[Line], tag: Option<&Range<usize>>) -> Result<(), OptionsError> {
    if options.line_ending == LineEnding::None && lines.windows(2).any(|pair| matches!(pair, [a, b] if a.length != b.length)) {
        return Err(OptionsError::new("line_ending", "lines without ends must have the same length: give `line_length`"));
    }
    let wide = |charset: Charset| matches!(charset, Charset::Utf16Le | Charset::Utf16Be);
    if options.columns == Units::Characters || !(wide(options.charset) || wide(options.write_charset())) {
        return Ok(());
    }
    let odd = |place: &Range<usize>| !place.start.is_multiple_of(2) || !place.end.is_multiple_of(2);
    let columns = lines.iter().flat_map(|line| line.columns.iter().map(|column| &column.place));
    if columns.chain(tag).any(odd) || lines.iter().any(|line| !line.length.is_multiple_of(2)) {
        return Err(OptionsError::new("columns", "in UTF-16 every column has an even number of bytes; or count in characters"));
    }
    Ok(())
}
