//! Field 86: the forms that its text may have.

use std::ops::Range;

/// Codes that stand between slashes at the start of a part.
pub const CODES: &[&str] = &[
    "ADDR", "BENM", "BIC", "CHGS", "CNTP", "CSID", "EREF", "EXCH", "IBAN", "ID", "IREF", "ISDT", "KREF", "MARF", "MREF", "NAME", "OAMT",
    "OCMT", "ORDP", "PREF", "PURP", "REMI", "RTRN", "SUBID", "SVCL", "SWEB", "TRCD", "TRTP", "ULTB", "ULTC", "ULTD",
];
/// Keywords at the start of a `?`-subfield of German banks.
const KEYWORDS: &[&str] =
    &["ABWA+", "ABWE+", "BIC+", "COAM+", "CRED+", "DEBT+", "EREF+", "IBAN+", "KREF+", "MREF+", "OAMT+", "PURP+", "SVWZ+"];
/// Characters of one line, and lines of the field, on writing.
pub const LINE_CHARACTERS_MAX: usize = 65;
const LINES_MAX: usize = 6;

/// A part of the text: its name, its value, and where that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Such as `code`, `?20`, `EREF+` or `EREF`.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where in the text the value stands, with the marks between the subfields that it is made of.
    pub range: Range<usize>,
}

/// The names of the parts that banks agree on, those of single lines left out.
pub fn known_parts() -> impl Iterator<Item = String> {
    let numbers = [0, 10].into_iter().chain(20..=34).chain([38]).chain(60..=63);
    let subfields = numbers.map(|number| format!("?{number:02}"));
    std::iter::once("code".to_owned()).chain(subfields).chain(KEYWORDS.iter().chain(CODES).map(|name| (*name).to_owned()))
}

/// Whether a path below `86` is the name of a part.
pub fn is_part(name: &str) -> bool {
    let subfield = name.strip_prefix('?').is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()));
    name == "line" || name == "code" || subfield || KEYWORDS.contains(&name) || is_code(name)
}

/// Whether a name can be a code between slashes.
pub fn is_code(name: &str) -> bool {
    (2..=8).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// The parts of a text that is in one of the two forms; none otherwise.
pub fn parts(text: &str, codes: &[String]) -> Vec<Part> {
    let subfields = subfields(text);
    if subfields.is_empty() { coded(text, codes) } else { subfields }
}

fn subfields(text: &str) -> Vec<Part> {
    let digits = |text: &str, count: usize| text.get(..count).is_some_and(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let mut starts = text.match_indices('?').map(|(at, _)| at).filter(|&at| text.get(at + 1..).is_some_and(|rest| digits(rest, 2)));
    if !digits(text, 3) || !matches!(starts.next(), Some(3)) {
        return Vec::new();
    }
    let starts: Vec<usize> = [3].into_iter().chain(starts).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let mut parts = vec![part("code", text, 0..3)];
    let mut keyword: Option<usize> = None;
    for (&start, end) in starts.iter().zip(ends) {
        let name = text.get(start..start + 3).unwrap_or_default();
        let value = text.get(start + 3..end).unwrap_or_default();
        parts.push(part(name, text, start + 3..end));
        if !matches!(name.as_bytes(), [_, b'2', _] | [_, b'6', b'0'..=b'3']) {
            continue;
        }
        if let Some(found) = KEYWORDS.iter().find(|keyword| value.starts_with(*keyword)) {
            keyword = Some(parts.len());
            parts.push(part(found, text, start + 3 + found.len()..end));
        } else if let Some(open) = keyword.and_then(|at| parts.get_mut(at)) {
            open.value.push_str(value);
            open.range.end = end;
        }
    }
    parts
}

fn coded(text: &str, codes: &[String]) -> Vec<Part> {
    // A code is one of those known: a slash within a value is no code's.
    let code_at = |at: usize| {
        let (name, _) = text.get(at..)?.strip_prefix('/')?.split_once('/')?;
        codes.iter().any(|code| code == name).then(|| (at, name, at + name.len() + 2))
    };
    let mut found: Vec<(usize, &str, usize)> = Vec::new();
    for (at, _) in text.match_indices('/') {
        // The slash that ends a code begins no other.
        if found.last().is_none_or(|(_, _, value)| at >= *value) {
            found.extend(code_at(at));
        }
    }
    if found.first().is_none_or(|(start, _, _)| *start != 0) {
        return Vec::new();
    }
    let ends = found.iter().skip(1).map(|(start, _, _)| *start).chain([text.len()]);
    found.iter().zip(ends).map(|((_, name, value), end)| part(name, text, *value..end)).collect()
}

fn part(name: &str, text: &str, range: Range<usize>) -> Part {
    Part { name: name.to_owned(), value: text.get(range.clone()).unwrap_or_default().to_owned(), range }
}

/// The lines of the field for parts or for lines of text; `None` where they have no form, would be
/// read as others, or need too many lines.
pub fn write(parts: &[(&str, &str)], codes: &[String]) -> Option<Vec<String>> {
    if parts.iter().all(|(name, _)| *name == "line") {
        let lines: Vec<String> = parts.iter().map(|(_, text)| (*text).to_owned()).collect();
        let fits = |line: &String| line.chars().count() <= LINE_CHARACTERS_MAX && may_begin(line) && !line.is_empty();
        let plain = self::parts(&lines.concat(), codes).is_empty();
        // The first line follows the tag, so it may begin with anything.
        let fit = lines
            .iter()
            .enumerate()
            .all(|(at, line)| fits(line) || (at == 0 && !line.is_empty() && line.chars().count() <= LINE_CHARACTERS_MAX));
        return (plain && fit && lines.len() <= LINES_MAX).then_some(lines);
    }
    let mut text = String::new();
    for (name, value) in parts {
        match *name {
            "code" => text.push_str(value),
            name if name.starts_with('?') => text.push_str(&format!("{name}{value}")),
            name if is_code(name) => text.push_str(&format!("/{name}/{value}")),
            _ => return None,
        }
    }
    let again = self::parts(&text, codes);
    let again: Vec<(&str, &str)> =
        again.iter().filter(|part| !part.name.ends_with('+')).map(|part| (part.name.as_str(), part.value.as_str())).collect();
    (again == parts).then(|| wrapped(&text)).flatten()
}

/// Lines of at most 65 characters, of which none but the first begins like a field or an end; nor does
/// one break at a blank, which many a reader takes off.
fn wrapped(text: &str) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.char_indices().nth(LINE_CHARACTERS_MAX).map_or(rest.len(), |(at, _)| at);
        let breaks = |at: usize| {
            rest.get(at..)
                .is_some_and(|next| may_begin(next) && !next.starts_with(' ') && !rest.get(..at).unwrap_or_default().ends_with(' '))
        };
        let end = if end == rest.len() { end } else { (1..=end).rev().find(|&at| breaks(at))? };
        let (line, next) = rest.split_at(end);
        lines.push(line.to_owned());
        rest = next;
    }
    (lines.len() <= LINES_MAX).then_some(lines)
}

/// Whether a line after the first may begin so.
fn may_begin(line: &str) -> bool {
    !line.starts_with([':', '-', '{', '$', '\u{3}'])
}
