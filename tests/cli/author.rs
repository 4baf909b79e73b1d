//! A mapping author's day, from a sample to a mapping that is tested and explained.
//!
//! `tests/cli_author_cases/FORMAT/` holds a sample of a made-up layout, `expected.ndjson`, which says what the sample means
//! and was written by hand from it, and `day.toml`: what the author changes in the draft, and what is told of a value that is
//! expected wrongly, and of where values came from.

use crate::{lines, portolan};
use serde::Deserialize;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    canonical: String,
    /// Entries of the draft for which no canonical path was found.
    unplaced: usize,
    edit: Vec<Edit>,
    /// Entries that the author adds.
    #[serde(default)]
    added: String,
    wrong: Wrong,
    explained: Explained,
}

/// What the author makes of an entry of the draft.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    /// The entry, by the canonical path that the draft guesses.
    entry: String,
    /// The canonical path that is right; the entry is taken away without.
    to: Option<String>,
    /// Lines that are put in the place of those of the same key, or added.
    #[serde(default)]
    set: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    find: String,
    put: String,
    told: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Explained {
    record: u32,
    told: Vec<String>,
}

/// The entries of a draft: what stands between blank lines.
struct Sheet(Vec<Vec<String>>);

impl Sheet {
    /// A draft whose guesses are confirmed.
    fn of(draft: &str) -> Self {
        let lines = |block: &str| block.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        Self(draft.split("\n\n").map(lines).collect())
    }

    fn edit(&mut self, edit: &Edit) {
        let own = format!("to = {:?}", edit.entry);
        let place = self.0.iter().position(|block| block.contains(&own)).unwrap_or_else(|| panic!("the draft has no {own}"));
        let Some(to) = &edit.to else {
            self.0.remove(place);
            return;
        };
        let block = &mut self.0[place];
        for line in edit.set.iter().cloned().chain([format!("to = {to:?}")]) {
            let key = line.split_once(" = ").unwrap().0.to_owned();
            match block.iter_mut().find(|old| old.split_once(" = ").is_some_and(|(old, _)| old == key)) {
                Some(old) => *old = line,
                None => block.push(line),
            }
        }
    }

    fn text(&self) -> String {
        self.0.iter().map(|block| block.join("\n")).collect::<Vec<_>>().join("\n\n")
    }
}

fn holds(texts: &[String], output: &str) {
    texts.iter().for_each(|text| assert!(output.contains(text), "{text:?} is not in\n{output}"));
}

fn day(format: &str, extension: &str) {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli_author_cases").join(format);
    let day: Day = toml::from_str(&fs::read_to_string(cases.join("day.toml")).unwrap()).unwrap();
    let sample = cases.join(format!("sample.{extension}"));
    let folder = tempfile::tempdir().unwrap();
    let (own, mapping) = (folder.path().to_str().unwrap(), folder.path().join("day"));
    let (file, named) = (mapping.join("mapping.toml"), mapping.to_str().unwrap());

    let new = ["map", "new", format, sample.to_str().unwrap(), "--canonical", &day.canonical, "--name", "day", "--out", own];
    let drafted = portolan(&new, b"");
    assert_eq!(drafted.code, 0, "{}", drafted.errors);
    let draft = fs::read_to_string(&file).unwrap();
    assert_eq!(draft.matches("to = \"unmapped.").count(), day.unplaced, "{draft}");
    // Every entry says what is behind it.
    let blocks = draft.split("\n\n").filter(|block| block.contains("\nto = "));
    blocks.for_each(|block| assert!(block.trim_start().starts_with("# guess: "), "{block}"));

    let mut sheet = Sheet::of(&draft);
    day.edit.iter().for_each(|edit| sheet.edit(edit));
    fs::write(&file, sheet.text() + "\n" + &day.added).unwrap();
    let shown = portolan(&["map", "show", named, "--language", "en"], b"");
    assert!(shown.code == 0 && !shown.output.contains("unmapped") && shown.output.contains("reads and writes"), "{}", shown.output);

    let (body, records) = (mapping.join(format!("cases/plain.in.{extension}")), mapping.join("cases/plain.out.ndjson"));
    let expected = fs::read_to_string(cases.join("expected.ndjson")).unwrap();
    fs::create_dir(mapping.join("cases")).unwrap();
    fs::copy(&sample, &body).unwrap();
    fs::write(&records, &expected).unwrap();
    let tested = portolan(&["map", "test", named], b"");
    assert!(tested.code == 0 && tested.output.contains("day: 1 case: all hold"), "{}{}", tested.output, tested.errors);

    assert_eq!(expected.matches(&day.wrong.find).count(), 1);
    fs::write(&records, expected.replace(&day.wrong.find, &day.wrong.put)).unwrap();
    let tested = portolan(&["map", "test", named], b"");
    assert!(tested.code == 1 && tested.output.contains("day: 1 case: 1 failed"), "{}", tested.output);
    holds(&day.wrong.told, &tested.output);
    // That value and no other.
    assert_eq!(tested.output.lines().filter(|line| line.trim_start().starts_with("expected ")).count(), 1, "{}", tested.output);

    let record = day.explained.record.to_string();
    let explain = ["explain-record", body.to_str().unwrap(), "--mapping", named, "--record", &record, "--language", "en"];
    let explained = portolan(&explain, b"");
    assert_eq!(explained.code, 0, "{}", explained.errors);
    holds(&day.explained.told, &explained.output);

    // The gateway's own commands know it as they know those that ship.
    let read = portolan(&["convert", "--mappings", own, "--mapping", "day", sample.to_str().unwrap()], b"");
    assert_eq!(lines(&read.output), lines(&expected), "{}", read.errors);
}

#[test]
fn a_table_of_a_platform_is_mapped_in_a_day() {
    day("csv", "csv");
}

#[test]
fn a_notice_of_a_bank_is_mapped_in_a_day() {
    day("xml", "xml");
}

#[test]
fn a_customs_declaration_in_edifact_is_mapped_in_a_day() {
    day("edifact", "edi");
}
