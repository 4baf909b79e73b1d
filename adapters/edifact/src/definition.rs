//! Message definitions: which segments a message has, in which groups, and what stands in them.
//!
//! The text form, one thing a line, `#` before a comment:
//!
//! ```text
//! segments D.21A                    layouts and forms of one directory; `segments D.99B as D.21A` starts from another's
//! C507 2005! 2380 2379              a composite and its components; `!` marks what is mandatory
//! DTM C507!                         a segment and its elements; `C076*3` may be repeated (syntax 4)
//! form an..35 1004 1154             what elements may hold: `an`, or `n` for a number, and the most characters
//! form n 6060                       a number of any length
//! qualifier DTM C507/2005           where a segment's qualifier stands, in every directory
//! name DTM+129 export date          what a qualifier, an element or a segment is called, for people
//! message CUSDEC D.21A              the segments between UNH and UNT, M or C and how often
//! BGM M1
//! SG1 C99                           a group; what is indented by two more spaces stands in it
//!   RFF M1
//! UNS+D M1                          this segment with this qualifier alone; written of itself
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Lines of one definition text.
const LINES_MAX: usize = 20_000;

/// A segment's tag: three capitals or digits.
pub(crate) type Tag = [u8; 3];

/// What may stand at one place of a segment or composite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// Number of the data element, or of the composite.
    pub(crate) id: String,
    pub(crate) mandatory: bool,
    /// How often it may be repeated at this place (syntax version 4).
    pub(crate) repeats: u16,
    /// What it may hold, where the definition says so.
    pub(crate) form: Option<Form>,
    /// Components; none for a simple element.
    pub(crate) components: Vec<Element>,
}

/// The representation of a data element, such as `an..35`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    digits_alone: bool,
    chars_max: usize,
}

impl Form {
    /// A number of any length.
    const NUMBER: Self = Self { digits_alone: true, chars_max: usize::MAX };

    fn of(text: &str) -> Option<Self> {
        if text == "n" {
            return Some(Self::NUMBER);
        }
        let (class, max) = text.split_once("..")?;
        let digits_alone = match class {
            "n" => true,
            "an" => false,
            _ => return None,
        };
        Some(Self { digits_alone, chars_max: max.parse().ok()? })
    }

    /// Whether a text is of it; in a number, sign and decimal mark count for nothing (ISO 9735-1, 10).
    pub(crate) fn fits(self, text: &str) -> bool {
        if !self.digits_alone {
            return text.len() <= self.chars_max || text.chars().count() <= self.chars_max;
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (mut count, mut marks) = (0, 0);
        for byte in digits.bytes() {
            match byte {
                b'0'..=b'9' => count += 1,
                b'.' | b',' => marks += 1,
                _ => return false,
            }
        }
        (1..=self.chars_max).contains(&count) && marks <= 1
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NUMBER => f.write_str("n"),
            Self { digits_alone, chars_max } => write!(f, "{}..{chars_max}", if digits_alone { "n" } else { "an" }),
        }
    }
}

impl Element {
    /// Whether it holds numbers, in which a decimal mark may stand.
    pub(crate) fn is_number(&self) -> bool {
        self.form.is_some_and(|form| form.digits_alone)
    }

    /// What a component of it may hold; of a simple element, the element itself.
    pub(crate) fn form_of(&self, component: u16) -> Option<Form> {
        if self.components.is_empty() { self.form } else { self.components.get(usize::from(component))?.form }
    }

    /// What joins the components of a composite to one text: a line end where they are lines.
    pub(crate) fn joint(&self) -> Option<char> {
        let first = self.components.first()?;
        let lines = self.components.len() > 1 && self.components.iter().all(|component| component.id == first.id);
        Some(if lines { '\n' } else { ':' })
    }
}

/// What stands in a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) elements: Vec<Element>,
    /// Element and component of the qualifier.
    pub(crate) qualifier: Option<(u16, u16)>,
}

/// The layouts of one directory.
#[derive(Clone, Debug, Default)]
struct Directory {
    composites: BTreeMap<String, Vec<String>>,
    segments: BTreeMap<String, Vec<String>>,
    forms: BTreeMap<String, Form>,
}

/// A segment or a group of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The tag, or the group's number such as `SG6`.
    pub(crate) name: String,
    /// The tag; of a group, that of its first segment.
    pub(crate) tag: Tag,
    /// The only qualifier with which the segment may stand here.
    pub(crate) fixed: Option<String>,
    pub(crate) mandatory: bool,
    pub(crate) repeats: u32,
    pub(crate) is_group: bool,
    /// Segments and groups within a group, in order; the first is the segment that it begins with.
    pub(crate) children: Vec<usize>,
    /// For a segment, its layout.
    pub(crate) layout: Layout,
}

/// One message in one directory version. The first entry is the message itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// Such as `CUSDEC`.
    pub(crate) message: String,
    /// Such as `D.99B`.
    pub(crate) version: String,
    pub(crate) entries: Vec<Entry>,
    /// By tag, in order: where a segment's qualifier stands.
    qualifiers: Vec<(Tag, (u16, u16))>,
}

/// Definition texts, read as far as they are needed.
#[derive(Debug, Default)]
pub(crate) struct Definitions<'t> {
    directories: BTreeMap<&'t str, Directory>,
    qualifiers: BTreeMap<&'t str, &'t str>,
    names: BTreeMap<&'t str, &'t str>,
    messages: BTreeMap<(&'t str, &'t str), Vec<(usize, &'t str)>>,
}

/// The directory of the service segments, which every message has.
const SERVICE: &str = "service";

impl<'t> Definitions<'t> {
    /// Adds what a text defines; a later text may replace a message or directory of an earlier one.
    ///
    /// # Errors
    /// A line that is none of the form above, with its number.
    pub(crate) fn read(&mut self, text: &'t str) -> Result<(), String> {
        let mut directory: Option<&'t str> = None;
        let mut message: Option<(&'t str, &'t str)> = None;
        for (index, line) in text.lines().enumerate() {
            let content = line.split('#').next().unwrap_or("").trim_end();
            let words: Vec<&'t str> = content.split_whitespace().collect();
            let wrong = |what: &str| format!("line {}: {what}: {line}", index + 1);
            if index >= LINES_MAX {
                return Err(wrong("a definition has too many lines"));
            }
            match (words.as_slice(), directory, message) {
                ([], ..) => {}
                (&["segments", name], ..) => {
                    (directory, message) = (Some(name), None);
                    self.directories.entry(name).or_default();
                }
                (&["segments", name, "as", other], ..) => {
                    let base = self.directories.get(other).cloned().ok_or_else(|| wrong("there are no such segments"))?;
                    (directory, message) = (Some(name), None);
                    self.directories.insert(name, base);
                }
                (&["message", name, version], ..) => {
                    (directory, message) = (None, Some((name, version)));
                    self.messages.insert((name, version), Vec::new());
                }
                (&["qualifier", tag, place], ..) => drop(self.qualifiers.insert(tag, place)),
                (&["name", of, ..], ..) => {
                    let words = content.split_once(of).map_or("", |(_, words)| words.trim_start());
                    if words.is_empty() {
                        return Err(wrong("words are expected behind what they name"));
                    }
                    self.names.insert(of, words);
                }
                (["form", form, ids @ ..], Some(name), _) => {
                    let form = Form::of(form).ok_or_else(|| wrong("a form is an..35, n..18 or n"))?;
                    self.directories.entry(name).or_default().forms.extend(ids.iter().map(|id| ((*id).to_owned(), form)));
                }
                ([name, parts @ ..], Some(of), _) => {
                    let parts = parts.iter().map(|part| (*part).to_owned()).collect();
                    let directory = self.directories.entry(of).or_default();
                    let lines = if tag_of(name).is_some() { &mut directory.segments } else { &mut directory.composites };
                    lines.insert((*name).to_owned(), parts);
                }
                (_, _, Some(of)) => self.messages.entry(of).or_default().push((index + 1, content)),
                _ => return Err(wrong("this stands before any `segments` or `message`")),
            }
        }
        Ok(())
    }

    /// What something is called: an element or composite by its number, a segment by its tag, a qualifier as `DTM+129`.
    pub(crate) fn name_of(&self, what: &str) -> Option<&'t str> {
        self.names.get(what).copied()
    }

    /// Whether any qualifier of a segment has a name: it says what the segment is about, and is no value like others.
    pub(crate) fn names_qualifiers(&self, segment: &str) -> bool {
        let begins = |name: &&str| name.strip_prefix(segment).is_some_and(|rest| rest.starts_with('+'));
        self.names.range(segment..).find(|(name, _)| **name != segment).is_some_and(|(name, _)| begins(name))
    }

    /// What there are names of.
    #[cfg(test)]
    pub(crate) fn named(&self) -> impl Iterator<Item = &'t str> {
        self.names.keys().copied()
    }

    /// Names of the messages and their versions.
    pub(crate) fn known(&self) -> impl Iterator<Item = (&'t str, &'t str)> {
        self.messages.keys().copied()
    }

    /// The layout of a service segment around messages.
    ///
    /// # Errors
    /// A service segment that is not defined.
    pub(crate) fn service(&self, tag: &str) -> Result<Layout, String> {
        self.layout(SERVICE, tag)
    }

    /// A message in a version.
    ///
    /// # Errors
    /// A message that is not defined, and what is wrong in its definition.
    pub(crate) fn message(&self, name: &str, version: &str) -> Result<Definition, String> {
        let lines = self.messages.get(&(name, version)).ok_or_else(|| {
            let known: Vec<&str> = self.known().filter(|(n, _)| *n == name).map(|(_, v)| v).collect();
            if known.is_empty() {
                let names: BTreeSet<&str> = self.known().map(|(n, _)| n).collect();
                return format!("there is no definition of {name}; there are {}", joined(names));
            }
            format!("there is no definition of {name} {version}; there are {}", joined(known))
        })?;
        let (entries, qualifiers) = (vec![message_entry()], Vec::new());
        let mut definition = Definition { message: name.to_owned(), version: version.to_owned(), entries, qualifiers };
        self.add(&mut definition, 0, "UNH", None, true, 1)?;
        let mut open: Vec<usize> = vec![0];
        for (number, line) in lines {
            self.read_entry(&mut definition, &mut open, line).map_err(|e| format!("line {number}: {e}: {}", line.trim()))?;
        }
        self.add(&mut definition, 0, "UNT", None, true, 1)?;
        if let Some(empty) = definition.entries.iter().find(|e| e.is_group && e.tag == [0; 3]) {
            return Err(format!("the group {} does not begin with a segment", empty.name));
        }
        let places = definition.entries.iter().filter(|e| !e.is_group).filter_map(|e| Some((e.tag, e.layout.qualifier?)));
        definition.qualifiers = places.collect();
        definition.qualifiers.sort_unstable();
        definition.qualifiers.dedup();
        Ok(definition)
    }

    fn read_entry(&self, definition: &mut Definition, open: &mut Vec<usize>, line: &str) -> Result<(), String> {
        let indent = line.len() - line.trim_start().len();
        let depth = indent / 2 + 1;
        if !indent.is_multiple_of(2) || depth > open.len() {
            return Err("groups are indented by two spaces".to_owned());
        }
        open.truncate(depth);
        let parent = *open.last().unwrap_or(&0);
        let [name, often] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err("a segment or group, and `M` or `C` with how often, is expected".to_owned());
        };
        let (mandatory, count) = match often.split_at_checked(1) {
            Some(("M", count)) => (true, count),
            Some(("C", count)) => (false, count),
            _ => return Err("`M` or `C` is expected".to_owned()),
        };
        let repeats: u32 = count.parse().map_err(|_| "how often is expected, such as C99".to_owned())?;
        if name.strip_prefix("SG").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
            let entry = Entry { name: name.to_owned(), mandatory, repeats, ..message_entry() };
            let index = push(definition, parent, entry);
            open.push(index);
            return Ok(());
        }
        let (tag, fixed) = name.split_once('+').map_or((name, None), |(tag, fixed)| (tag, Some(fixed)));
        self.add(definition, parent, tag, fixed, mandatory, repeats)
    }

    fn add(
        &self,
        definition: &mut Definition,
        parent: usize,
        name: &str,
        fixed: Option<&str>,
        mandatory: bool,
        repeats: u32,
    ) -> Result<(), String> {
        let tag = tag_of(name).ok_or("a segment's tag has three capitals or digits")?;
        let layout = self.layout(&definition.version, name)?;
        if fixed.is_some() && layout.qualifier.is_none() {
            return Err(format!("{name} has no qualifier"));
        }
        let fixed = fixed.map(str::to_owned);
        let entry = Entry { name: name.to_owned(), tag, fixed, mandatory, repeats, is_group: false, children: Vec::new(), layout };
        push(definition, parent, entry);
        Ok(())
    }

    fn layout(&self, version: &str, tag: &str) -> Result<Layout, String> {
        let directories = [version, SERVICE].map(|name| self.directories.get(name));
        let found = directories.into_iter().flatten().find_map(|d| Some((d, d.segments.get(tag)?)));
        let (directory, parts) = found.ok_or_else(|| format!("the segment {tag} is not among `segments {version}`"))?;
        let element = |part: &String| -> Result<Element, String> {
            let mut element = element(part, directory)?;
            if let Some(components) = directory.composites.get(&element.id) {
                element.components = components.iter().map(|part| self::element(part, directory)).collect::<Result<_, _>>()?;
            } else if element.id.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return Err(format!("the composite {} of {tag} is not among `segments {version}`", element.id));
            }
            Ok(element)
        };
        let elements: Vec<Element> = parts.iter().map(element).collect::<Result<_, _>>()?;
        let qualifier = self.qualifiers.get(tag).and_then(|place| place_of(&elements, place));
        Ok(Layout { elements, qualifier })
    }
}

impl Definition {
    /// The entry with this index; the message where there is none.
    pub(crate) fn entry(&self, index: usize) -> &Entry {
        self.entries.get(index).unwrap_or(&self.entries[0])
    }

    /// Element and component of a segment's qualifier.
    pub(crate) fn qualifier_place(&self, tag: Tag) -> Option<(u16, u16)> {
        let index = self.qualifiers.binary_search_by_key(&tag, |(tag, _)| *tag).ok()?;
        self.qualifiers.get(index).map(|(_, place)| *place)
    }
}

fn message_entry() -> Entry {
    let layout = Layout { elements: Vec::new(), qualifier: None };
    Entry {
        name: "message".to_owned(),
        tag: [0; 3],
        fixed: None,
        mandatory: true,
        repeats: 1,
        is_group: true,
        children: Vec::new(),
        layout,
    }
}

fn push(definition: &mut Definition, parent: usize, entry: Entry) -> usize {
    let (index, tag, is_group) = (definition.entries.len(), entry.tag, entry.is_group);
    definition.entries.push(entry);
    if let Some(above) = definition.entries.get_mut(parent) {
        if above.children.is_empty() && !is_group {
            above.tag = tag;
        }
        above.children.push(index);
    }
    index
}

/// One element: its number, `!` where it is mandatory, `*n` where it may be repeated.
fn element(part: &str, directory: &Directory) -> Result<Element, String> {
    let (rest, repeats) = part.split_once('*').map_or((part, "1"), |(rest, count)| (rest, count));
    let repeats = repeats.parse().map_err(|_| format!("{part:?} is no element"))?;
    let (id, mandatory) = rest.strip_suffix('!').map_or((rest, false), |id| (id, true));
    let known = id.len() == 4 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !known {
        return Err(format!("{part:?} is no element: a number such as 2005, or a composite such as C507, is expected"));
    }
    let form = directory.forms.get(id).copied();
    Ok(Element { id: id.to_owned(), mandatory, repeats, form, components: Vec::new() })
}

fn place_of(elements: &[Element], place: &str) -> Option<(u16, u16)> {
    let (element, component) = place.split_once('/').map_or((place, None), |(e, c)| (e, Some(c)));
    let index = elements.iter().position(|e| e.id == element)?;
    let within = match component {
        None => 0,
        Some(component) => elements.get(index)?.components.iter().position(|c| c.id == component)?,
    };
    Some((u16::try_from(index).ok()?, u16::try_from(within).ok()?))
}

/// A tag as bytes; `None` for what is none.
pub(crate) fn tag_of(name: &str) -> Option<Tag> {
    let tag: Tag = name.as_bytes().try_into().ok()?;
    let letter = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    (tag.first().is_some_and(u8::is_ascii_uppercase) && tag.iter().all(letter)).then_some(tag)
}

fn joined<'s>(names: impl IntoIterator<Item = &'s str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let cases = [
            ("an..3", "ABC", true),
            ("an..3", "ABCD", false),
            ("an..3", "税务局", true),
            ("n..5", "-123.45", true),
            ("n..5", "123,45", true),
            ("n..5", "123456", false),
            ("n..5", "1.2.3", false),
            ("n..5", "12A", false),
            ("n..5", "-", false),
            ("n", "5000,50", true),
            ("n", "5000,50,50", false),
        ];
        for (form, text, fits) in cases {
            assert_eq!(Form::of(form).unwrap().fits(text), fits, "{form} {text}");
        }
        for wrong in ["a", "x..3", "an..", "an35"] {
            assert_eq!(Form::of(wrong), None, "{wrong}");
        }
    }
}
