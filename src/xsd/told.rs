//! What the validator tells, as findings and problems of our own.
//!
//! A message on a body is `-:LINE: [element NAME: ]Schemas validity error : Element '{NAMESPACE}NAME'[, attribute 'NAME']: SAID`,
//! where a line feed may stand in SAID, with the sender's text. A message on a schema is
//! `FILE:LINE: [element NAME: ]Schemas parser error : SAID`, or the parser's own, with the line and a caret below it.
//!
//! What is told in a form of [`super::forms`] is said in our words under a rule of ours. All else keeps the validator's
//! words, within a sentence in each language. Namespaces and the folder of our copies are left out of both.

use super::forms::{FORMS, Form, OTHER};
use crate::domain::{FOUND_CHARS_MAX, Finding, Severity};
use portolan_contract::{Position, Words};
use std::path::Path;

/// Characters of what a schema expects that a finding repeats.
const EXPECTED_CHARS_MAX: usize = 300;
/// Reasons that are told why a schema does not compile.
const REASONS_MAX: usize = 3;

/// Whether a line begins a message on the body, rather than going on with the one before.
pub fn begins(line: &str) -> bool {
    line.strip_prefix("-:").and_then(|rest| rest.split_once(':')).is_some_and(|(number, _)| number.parse::<u64>().is_ok())
}

/// The findings that lines of the validator tell.
pub fn findings(lines: &[String], severity: Severity) -> Vec<Finding> {
    let mut messages: Vec<String> = Vec::new();
    for line in lines {
        if begins(line) {
            messages.push(line.clone());
        } else if let Some(message) =
            messages.last_mut().filter(|message| message.contains(" validity error : ") && !line.starts_with("- "))
        {
            // The sender's text had a line feed.
            message.push(' ');
            message.push_str(line);
        }
    }
    messages.iter().filter_map(|message| finding(message, severity)).collect()
}

fn finding(message: &str, severity: Severity) -> Option<Finding> {
    let (line, rest) = message.strip_prefix("-:")?.split_once(':')?;
    let line = line.parse().ok()?;
    let told = rest.split_once(" error : ").map_or(rest, |(_, told)| told).trim();
    let (source, said) = split_source(told);
    let (rule, found, words) = in_our_words(said);
    let at = Position { line, byte: 0, column: 0 };
    Some(Finding { severity, rule: rule.to_owned(), record: None, part: None, at, source, canonical: None, found, words })
}

/// The element, or attribute, that a message is about, and what it says of it.
fn split_source(told: &str) -> (Option<String>, &str) {
    let Some((element, rest)) = told.strip_prefix("Element '").and_then(|rest| rest.split_once('\'')) else { return (None, told) };
    let element = local_name(element);
    match rest.strip_prefix(", attribute '").and_then(|rest| rest.split_once("': ")) {
        Some((attribute, said)) => (Some(format!("{element}/@{}", local_name(attribute))), said),
        None => (Some(element.to_owned()), rest.trim_start_matches([':', ' '])),
    }
}

fn in_our_words(said: &str) -> (&'static str, Option<String>, Words) {
    let fitting = FORMS.iter().find_map(|form| holes(form.said, said).map(|holes| (form, holes)));
    let Some((form, holes)) = fitting else {
        let said = cut(&without_namespaces(said), EXPECTED_CHARS_MAX);
        let zh = format!("不符合 XML Schema，校验程序提示：“{said}”");
        return (OTHER, None, Words::new(zh, format!("not valid against the XML Schema; the validator says: \"{said}\"")));
    };
    let found = holes.iter().find(|(name, _)| *name == "found").map(|(_, text)| cut(text.trim_matches([' ', '\'']), FOUND_CHARS_MAX));
    let Form { rule, zh, en, .. } = form;
    let words = Words::new(
        format!("不符合 XML Schema：{}", fill(zh, &holes, true)),
        format!("not valid against the XML Schema: {}", fill(en, &holes, false)),
    );
    (rule, found.filter(|found| !found.is_empty()), words)
}

/// What stands in a form's holes where it fits, by name. The last hole is found first, and as far behind as it can
/// be: what the sender wrote stands before it, and may itself read like the form.
fn holes<'s>(form: &'static str, said: &'s str) -> Option<Vec<(&'static str, &'s str)>> {
    let Some((before, hole)) = form.rsplit_once('<') else { return (form == said).then(Vec::new) };
    let (name, after) = hole.split_once('>')?;
    let said = said.strip_suffix(after)?;
    let literal = before.rsplit_once('>').map_or(before, |(_, literal)| literal);
    let at = if before.contains('<') { said.rfind(literal)? } else { said.starts_with(literal).then_some(0)? };
    let (left, text) = said.split_at_checked(at + literal.len())?;
    let mut holes = holes(before, left)?;
    holes.push((name, text));
    Some(holes)
}

/// A template with its holes filled.
fn fill(template: &str, holes: &[(&str, &str)], zh: bool) -> String {
    let mut pieces = template.split('<');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for (name, after) in pieces.filter_map(|piece| piece.split_once('>')) {
        let said = holes.iter().find(|(of, _)| *of == name).map_or("", |(_, said)| said);
        text.push_str(&match name {
            "children" => children(said, zh),
            "type" => type_name(said, zh),
            "name" => local_name(said).to_owned(),
            _ => cut(said, EXPECTED_CHARS_MAX),
        });
        text.push_str(after);
    }
    text
}

/// The elements that a schema expects, without their namespaces.
fn children(said: &str, zh: bool) -> String {
    let name = |name| match (local_name(name), zh) {
        ("*", true) => "其他命名空间的元素",
        ("*", false) => "any element of another namespace",
        (name, _) => name,
    };
    let names: Vec<&str> = said.split(", ").map(name).collect();
    cut(&names.join(if zh { "、" } else { ", " }), EXPECTED_CHARS_MAX)
}

/// A type, with an example of those that senders get wrong most.
fn type_name(said: &str, zh: bool) -> String {
    let example = match said {
        "xs:date" => "2026-07-01",
        "xs:dateTime" => "2026-07-01T08:30:00+08:00",
        "xs:time" => "08:30:00",
        "xs:decimal" => "1234.50",
        "xs:boolean" => "true",
        "xs:gYear" => "2026",
        "xs:gYearMonth" => "2026-07",
        _ => return local_name(said).to_owned(),
    };
    if zh { format!("{said}（如 {example}）") } else { format!("{said} (such as {example})") }
}

/// A name without the namespace that the validator writes in braces before it.
fn local_name(name: &str) -> &str {
    name.rsplit_once('}').map_or(name, |(_, local)| local)
}

/// A text without the namespaces that the validator writes in braces, of schemas and others.
fn without_namespaces(said: &str) -> String {
    let mut text = String::new();
    let mut rest = said;
    while let Some((before, (_, after))) = rest.split_once("'{").and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        text.push_str(before);
        text.push('\'');
        rest = after;
    }
    text + rest
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Why schemas do not compile: in which of the files in `folder`, at which line, and why. What the validator could not
/// load stands first, since the rest follows from it.
pub fn refusal(lines: &[String], folder: &Path) -> Refusal {
    let prefix = format!("{}/", folder.display());
    let said: Vec<String> = lines.iter().map(|line| without_namespaces(&line.replace(&prefix, ""))).collect();
    let unloaded = said.iter().filter_map(|line| line.strip_prefix("I/O error : Attempt to load network entity "));
    let mut reasons: Vec<String> = unloaded.map(|place| format!("{place} is not fetched: put a copy into the mapping's folder")).collect();
    let mut at = None;
    for line in &said {
        let Some((place, reason)) = line.split_once(" error : ").filter(|(place, _)| place.contains(':')) else { continue };
        let mut place = place.splitn(3, ':');
        if let (Some(file), Some(number)) = (place.next(), place.next().and_then(|number| number.parse().ok())) {
            at.get_or_insert((file.to_owned(), number));
            let element = place.next().and_then(|rest| rest.trim().strip_prefix("element ")?.split(':').next());
            let element = element.filter(|element| !reason.contains(&format!("'{element}'")));
            reasons.push(element.map_or_else(|| reason.to_owned(), |element| format!("at the element '{element}': {reason}")));
        }
    }
    reasons.dedup();
    let more = reasons.len().saturating_sub(REASONS_MAX);
    reasons.truncate(REASONS_MAX);
    let mut reason = reasons.join("; ");
    if more > 0 {
        reason.push_str(&format!("; and {more} more"));
    }
    if reason.is_empty() {
        reason = said.join("; ");
    }
    Refusal { at, reason }
}

/// Why schemas do not compile.
pub struct Refusal {
    /// The first file, as it lies in the folder, and its line.
    pub at: Option<(String, usize)>,
    /// Why, in the validator's words.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forms of xmllint's messages (libxml2 2.9 to 2.13), with the rule and texts that they give.
    #[test]
    fn messages_are_told_in_our_words() {
        let cases = include_str!("cases/told.tsv");
        for case in cases.lines().filter(|line| !line.starts_with('#')) {
            let [said, line, source, rule, found, zh, en] = case.split('\t').collect::<Vec<_>>()[..] else {
                panic!("seven columns: {case}")
            };
            let lines: Vec<String> = said.split("\\n").map(str::to_owned).collect();
            let [finding] = &findings(&lines, Severity::Error)[..] else { panic!("one finding: {case}") };
            let got = (finding.at.line.to_string(), finding.source.clone().unwrap_or_default(), finding.found.clone().unwrap_or_default());
            assert_eq!((got.0.as_str(), got.1.as_str(), got.2.as_str()), (line, source, found), "{case}");
            assert_eq!((finding.rule.as_str(), finding.words.zh.as_str(), finding.words.en.as_str()), (rule, zh, en), "{case}");
        }
    }

    #[test]
    fn every_form_fills_its_own_templates() {
        for form in FORMS {
            let names = holes(form.said, form.said).unwrap();
            for template in [form.zh, form.en] {
                let asked = template.split('<').skip(1).filter_map(|piece| piece.split_once('>')).map(|(name, _)| name);
                asked.for_each(|name| assert!(names.iter().any(|(of, _)| *of == name), "{template}: {name}"));
            }
            let zh = form.zh.replace("XML Schema", "").replace("xsi:type", "").replace("xsi:nil", "");
            let outside: String = zh.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, after)| after)).collect();
            assert!(!outside.contains(|c: char| c.is_ascii_alphabetic()), "English in {}", form.zh);
        }
    }

    #[test]
    fn a_schema_that_is_refused_is_told_without_our_folder() {
        let lines = [
            "I/O error : Attempt to load network entity http://x.example/e.xsd",
            "warning: failed to load external entity \"http://x.example/e.xsd\"",
            "/copies/a/one.xsd:3: element import: Schemas parser warning : Skipping the import of '/copies/b.xsd'.",
            "/copies/a/one.xsd:7: element e: Schemas parser error : Element '{http://www.w3.org/2001/XMLSchema}element': no T.",
            "/copies/a/one.xsd:9: parser error : attributes construct error",
            "",
            "^",
            "XSD schema /copies/.entry.xsd failed to compile",
        ];
        let told = refusal(&lines.map(str::to_owned), Path::new("/copies"));
        assert_eq!(told.at, Some(("a/one.xsd".to_owned(), 7)));
        let expected = "http://x.example/e.xsd is not fetched: put a copy into the mapping's folder; at the element 'e': Element 'element': no T.; \
                        attributes construct error";
        assert_eq!(told.reason, expected);
    }
}
