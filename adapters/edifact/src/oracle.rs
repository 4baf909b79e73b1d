//! Our definitions compared with the directories as other people have converted them.
//!
//! D.21A: their files lie outside the repository, in `../shared/corpora/edifact/d21a`; without them this
//! test says so and passes. Their CONTRL shows each group within the one before it, which is not what
//! ISO 9735-4 draws, so of it only the segments and how often they may stand are compared. They cut what
//! may stand a million times to five digits; D.17B, whose messages are those of D.21A, has such counts whole.
//!
//! D.96A and D.99B, and the messages of D.17B: from a Python package that `make tools` brings.

use crate::DEFINITIONS;
use crate::definition::{Definition, Definitions, Element, Entry};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MESSAGES: [&str; 9] = ["CUSDEC", "CUSRES", "CUSCAR", "PAYMUL", "CREADV", "DEBADV", "FINSTA", "INVOIC", "APERAK"];

#[allow(clippy::explicit_write, reason = "the harness shows what eprintln says for failed tests alone")]
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/edifact/d21a");
    if folder.is_dir() {
        return Some(folder);
    }
    use std::io::Write as _;
    writeln!(std::io::stderr(), "NOTE: {} is not there, so nothing was compared with it", folder.display()).unwrap();
    None
}

/// The value of an attribute in a line with one tag.
fn attribute<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    line.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

fn status(line: &str) -> String {
    let mandatory = attribute(line, "required") == Some("true");
    format!("{}{}", if mandatory { "M" } else { "C" }, attribute(line, "maxrepeat").unwrap())
}

/// How many digits of a count the conversion of D.21A shows.
const COUNT_DIGITS: usize = 5;

/// A message of theirs: depth, name, status and repetition, a line each.
fn theirs(text: &str, nested: bool) -> String {
    let (mut depth, mut shown) = (0, String::new());
    for line in text.lines().map(str::trim) {
        if line.starts_with("</group") {
            depth -= 1;
        } else if line.starts_with("<group") || line.starts_with("<segment") {
            let indent = if nested { depth } else { 0 };
            writeln!(shown, "{}{} {}", "  ".repeat(indent), attribute(line, "id").unwrap(), status(line)).unwrap();
            depth += usize::from(line.starts_with("<group"));
        }
    }
    shown
}

/// A message of ours, the same way.
fn ours(definition: &Definition, nested: bool, count_digits: usize) -> String {
    let mut shown = String::new();
    show_group(definition, 0, 0, &mut |depth, entry| {
        let (letter, indent, often) = (if entry.mandatory { "M" } else { "C" }, if nested { depth } else { 0 }, entry.repeats.to_string());
        writeln!(shown, "{}{} {letter}{}", "  ".repeat(indent), entry.name, often.get(..count_digits).unwrap_or(&often)).unwrap();
    });
    shown
}

fn show_group(definition: &Definition, group: usize, depth: usize, show: &mut impl FnMut(usize, &Entry)) {
    for &child in &definition.entry(group).children {
        show(depth, definition.entry(child));
        show_group(definition, child, depth + 1, show);
    }
}

fn definitions() -> Definitions<'static> {
    let mut definitions = Definitions::default();
    for text in DEFINITIONS {
        definitions.read(text).unwrap();
    }
    definitions
}

#[test]
fn messages_are_those_of_the_directory() {
    let Some(folder) = folder() else { return };
    for name in MESSAGES {
        let text = fs::read_to_string(folder.join(format!("{}.xml", name.to_lowercase()))).unwrap();
        let definition = definitions().message(name, "D.21A").unwrap();
        assert_eq!(ours(&definition, true, COUNT_DIGITS), theirs(&text, true), "{name}");
    }
    let text = fs::read_to_string(folder.join("contrl.service-v300.xml")).unwrap();
    let definition = definitions().message("CONTRL", "D.3").unwrap();
    assert_eq!(ours(&definition, false, COUNT_DIGITS), theirs(&text, false), "CONTRL");
}

#[test]
fn segments_are_those_of_the_directory() {
    let Some(folder) = folder() else { return };
    let text = fs::read_to_string(folder.join("segments.xml")).unwrap();
    let mut theirs: BTreeMap<String, String> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        let (indent, line) = (line.len() - line.trim_start().len(), line.trim());
        let (Some(id), true) = (attribute(line, "id"), line.starts_with('<')) else { continue };
        if line.starts_with("<segment ") {
            name = id.to_owned();
            continue;
        }
        let mandatory = if attribute(line, "required") == Some("true") { "!" } else { "" };
        let repeats = attribute(line, "repeat").filter(|n| indent == 4 && *n != "1").map_or(String::new(), |n| format!("*{n}"));
        let level = if indent == 4 { " " } else { "/" };
        let form = attribute(line, "maxlength").map_or(String::new(), |max| format!(":{}..{max}", attribute(line, "type").unwrap()));
        theirs.entry(name.clone()).or_default().push_str(&format!("{level}{id}{mandatory}{repeats}{form}"));
    }
    let mut compared = 0;
    for message in MESSAGES {
        for entry in definitions().message(message, "D.21A").unwrap().entries.iter().filter(|e| !e.is_group) {
            let Some(theirs) = theirs.get(entry.name.get(..3).unwrap()) else {
                assert!(entry.name.starts_with("UN"), "{} is not in the directory", entry.name);
                continue;
            };
            assert_eq!(&elements(entry), theirs, "{}", entry.name);
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
}

/// What has a name is in our definitions, and a qualifier in the code list that its directory gives.
#[test]
fn names_are_of_what_there_is() {
    let definitions = definitions();
    let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (message, version) in definitions.known() {
        for entry in definitions.message(message, version).unwrap().entries {
            let ids = entry.layout.elements.iter().flat_map(|element| std::iter::once(element).chain(&element.components));
            known.extend(ids.map(|element| (element.id.clone(), None)));
            let qualifier = entry.layout.qualifier.map(|(element, component)| {
                let element = &entry.layout.elements[usize::from(element)];
                element.components.get(usize::from(component)).unwrap_or(element).id.clone()
            });
            known.insert(String::from_utf8(entry.tag.to_vec()).unwrap(), qualifier);
        }
    }
    for tag in ["UNB", "UNG"] {
        let layout = definitions.service(tag).unwrap();
        let ids = layout.elements.iter().flat_map(|element| std::iter::once(element).chain(&element.components));
        known.extend(ids.map(|element| (element.id.clone(), None)));
    }
    let codes = folder().map(|folder| fs::read_to_string(folder.join("data_elements.xml")).unwrap());
    for name in definitions.named() {
        let (of, code) = name.split_once('+').map_or((name, None), |(tag, code)| (tag, Some(code)));
        let qualifier = known.get(of).unwrap_or_else(|| panic!("{name}: there is no {of}"));
        let (Some(code), Some(codes)) = (code, &codes) else { continue };
        let element = qualifier.as_deref().unwrap_or_else(|| panic!("{name}: {of} has no qualifier"));
        let list = codes.split_once(&format!("<data_element id=\"{element}\"")).unwrap().1.split("</data_element>").next().unwrap();
        assert!(list.contains(&format!("<code id=\"{code}\"")), "{name}: {element} has no {code}");
    }
}

/// What the package of `tests/directory.py` has of a directory: its messages, and its segments by their tags.
fn package(version: &str) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let built = std::env::current_exe().unwrap();
    let python = built.ancestors().map(|folder| folder.join("tools/python/bin/python")).find(|python| python.exists());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/directory.py");
    let output = Command::new(python.expect("no Python in the build's folder: run `make tools`"))
        .arg(program)
        .arg(version)
        .args(MESSAGES)
        .output()
        .unwrap();
    assert!(output.status.success(), "run `make tools`: {}", String::from_utf8_lossy(&output.stderr));
    let (mut messages, mut segments, mut name) = (BTreeMap::new(), BTreeMap::new(), String::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if let Some(message) = line.strip_prefix("message ") {
            name = message.to_owned();
        } else if let Some(segment) = line.strip_prefix("segment ") {
            let (tag, elements) = segment.split_at(3);
            segments.insert(tag.to_owned(), elements.to_owned());
        } else {
            writeln!(messages.entry(name.clone()).or_insert_with(String::new), "{line}").unwrap();
        }
    }
    (messages, segments)
}

#[test]
fn older_directories_are_those_of_the_package() {
    for (theirs, version, compares_segments) in [("D96A", "D.96A", true), ("D99B", "D.99B", true), ("D17B", "D.21A", false)] {
        let (messages, segments) = package(theirs);
        for name in MESSAGES {
            let definition = definitions().message(name, version).unwrap();
            // Which section a UNS begins, the package does not say.
            let shown = ours(&definition, true, usize::MAX).replace("UNS+S", "UNS").replace("UNS+D", "UNS");
            assert_eq!(&shown, messages.get(name).unwrap(), "{name} {version}");
            let own = definition.entries.iter().filter(|e| !e.is_group && !e.name.starts_with("UN"));
            for entry in own.filter(|_| compares_segments) {
                assert_eq!(&elements(entry), segments.get(&entry.name).unwrap(), "{} {version}", entry.name);
            }
        }
    }
}

/// What stands in a segment of ours.
fn elements(entry: &Entry) -> String {
    let mut shown = String::new();
    for element in &entry.layout.elements {
        show(element, " ", &mut shown);
        element.components.iter().for_each(|component| show(component, "/", &mut shown));
    }
    shown
}

fn show(element: &Element, level: &str, shown: &mut String) {
    let repeats = if element.repeats > 1 { format!("*{}", element.repeats) } else { String::new() };
    let form = element.form.map_or(String::new(), |form| format!(":{form}"));
    write!(shown, "{level}{}{}{repeats}{form}", element.id, if element.mandatory { "!" } else { "" }).unwrap();
}

#[test]
fn every_definition_can_be_read() {
    let definitions = definitions();
    let mut read = 0;
    for (name, version) in definitions.known() {
        definitions.message(name, version).unwrap_or_else(|e| panic!("{name} {version}: {e}"));
        read += 1;
    }
    assert_eq!(read, 9 * 3 + 2);
}
