//! Our D.21A definitions compared with the directory as other people have converted it.
//!
//! Their files lie outside the repository, in `../shared/corpora/edifact/d21a`; without them this
//! test says so and passes. Their CONTRL shows each group within the one before it, which is not what
//! ISO 9735-4 draws, so of it only the segments and how often they may stand are compared.

use crate::DEFINITIONS;
use crate::definition::{Definition, Definitions, Element};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

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

fn ours(definition: &Definition, group: usize, depth: usize, nested: bool, shown: &mut String) {
    for &child in &definition.entry(group).children {
        let entry = definition.entry(child);
        let (letter, indent) = (if entry.mandatory { "M" } else { "C" }, if nested { depth } else { 0 });
        writeln!(shown, "{}{} {letter}{}", "  ".repeat(indent), entry.name, entry.repeats).unwrap();
        ours(definition, child, depth + 1, nested, shown);
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
        let mut shown = String::new();
        ours(&definitions().message(name, "D.21A").unwrap(), 0, 0, true, &mut shown);
        assert_eq!(shown, theirs(&text, true), "{name}");
    }
    let text = fs::read_to_string(folder.join("contrl.service-v300.xml")).unwrap();
    let mut shown = String::new();
    ours(&definitions().message("CONTRL", "D.3").unwrap(), 0, 0, false, &mut shown);
    assert_eq!(shown, theirs(&text, false), "CONTRL");
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
            let mut shown = String::new();
            for element in &entry.layout.elements {
                show(element, " ", &mut shown);
                element.components.iter().for_each(|component| show(component, "/", &mut shown));
            }
            assert_eq!(&shown, theirs, "{}", entry.name);
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
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
    assert_eq!(read, 9 * 2 + 1 + 2);
}
