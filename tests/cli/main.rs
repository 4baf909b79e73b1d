//! The program itself, run as people run it.
//!
//! `tests/cli_cases/NAME.toml` holds runs: arguments, standard input, exit code, and texts that must
//! stand in the output. Arguments may name files of `tests/cli_cases/`, in which each run takes place.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod added;
mod author;
mod send;

use serde::Deserialize;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    run: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    arguments: Vec<String>,
    #[serde(default)]
    input: String,
    code: i32,
    #[serde(default)]
    output: Vec<String>,
    /// Texts that must not stand in standard output.
    #[serde(default)]
    lacks: Vec<String>,
    #[serde(default)]
    errors: Vec<String>,
    /// Standard output holds nothing.
    #[serde(default)]
    silent: bool,
}

#[test]
fn runs_give_what_their_cases_say() {
    let (mut count, mut failures) = (0, Vec::new());
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            let cases: Cases = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            failures.extend(cases.run.iter().filter_map(|case| check(case).err()));
            count += cases.run.len();
        }
    }
    assert!(count > 0);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn check(case: &Case) -> Result<(), String> {
    let ran = portolan(&case.arguments, case.input.as_bytes());
    let mut wrong = Vec::new();
    if ran.code != case.code {
        wrong.push(format!("exit code {} instead of {}", ran.code, case.code));
    }
    let missing = |texts: &[String], text: &str| texts.iter().filter(|t| !text.contains(*t)).cloned().collect::<Vec<_>>();
    wrong.extend(missing(&case.output, &ran.output).into_iter().map(|text| format!("{text:?} is not in the output")));
    let unwanted = case.lacks.iter().filter(|text| ran.output.contains(*text));
    wrong.extend(unwanted.map(|text| format!("{text:?} is in the output")));
    wrong.extend(missing(&case.errors, &ran.errors).into_iter().map(|text| format!("{text:?} is not in the errors")));
    if case.silent && !ran.output.is_empty() {
        wrong.push("there is output".to_owned());
    }
    let told = || format!("{:?}: {}\n--- output\n{}\n--- errors\n{}", case.arguments, wrong.join("; "), ran.output, ran.errors);
    if wrong.is_empty() { Ok(()) } else { Err(told()) }
}

#[test]
fn every_command_teaches_with_an_example() {
    let all = portolan(&["--help"], b"");
    let commands = all.output.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert_eq!(commands[..3], ["demo", "check", "convert"], "what a newcomer needs stands first");
    for command in commands {
        let help = portolan(&[command, "--help"], b"");
        assert!(help.code == 0 && help.output.contains("Example"), "{command}: {}", help.output);
    }
}

#[test]
fn what_is_converted_through_pipes_comes_back_the_same() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/camt054/cases");
    let body = std::fs::read(cases.join("v08-tax-payment.in.xml")).unwrap();
    let expected = lines(&std::fs::read_to_string(cases.join("v08-tax-payment.out.ndjson")).unwrap());
    let read = ["convert", "--mapping", "camt054"];
    let canonical = portolan(&[&read[..], &["-"]].concat(), &body);
    assert_eq!(lines(&canonical.output), expected, "{}", canonical.errors);
    let written = portolan(&["convert", "--mapping", "camt054", "--from", "canonical", "-"], canonical.output.as_bytes());
    assert!(written.code == 0 && written.output.contains("camt.054.001.08"), "{}", written.errors);
    assert_eq!(lines(&portolan(&read, written.output.as_bytes()).output), expected);
    let across = portolan(&[&read[..], &["--to", "payment-confirmation-json"]].concat(), &body);
    let back = portolan(&["convert", "--mapping", "payment-confirmation-json"], across.output.as_bytes());
    assert_eq!(lines(&back.output), expected, "{}\n{}", across.errors, back.errors);
}

#[test]
fn a_file_takes_its_name_only_once_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("records.ndjson");
    let arguments = ["convert", "--mapping", "payment-confirmation-json", "-o", output.to_str().unwrap(), "-"];
    assert_eq!(portolan(&arguments, b"{\"amount\": \"1.00\"").code, 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let whole = std::fs::read(self::folder().join("payments.ndjson")).unwrap();
    let ran = portolan(&arguments, &whole);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    assert_eq!(lines(&std::fs::read_to_string(&output).unwrap()), lines(&String::from_utf8(whole).unwrap()));
}

/// Samples in every format that can be looked into: the cases of the mappings that ship with the gateway.
const SAMPLES: [(&str, &str); 9] = [
    ("xml", "camt054/cases/v08-tax-payment.in.xml"),
    ("xml", "ceb603/cases/default-namespace.in.xml"),
    ("csv", "cn-platform-income/cases/columns-in-another-order.in.csv"),
    ("json", "platform-income-json/cases/lines.in.ndjson"),
    ("json", "customs-declaration-json/cases/lines.in.ndjson"),
    ("xlsx", "cn-platform-income-xlsx/cases/columns-in-another-order.in.xlsx"),
    ("mt940", "mt940/cases/blocks-years-end.in.sta"),
    ("edifact", "cusdec/cases/export.in.edi"),
    ("fixed", "bank-return-fixed/cases/gb18030.in.txt"),
];

#[test]
fn a_draft_compiles_and_reads_its_sample_without_a_finding() {
    let mappings = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    for (format, sample) in SAMPLES {
        let folder = tempfile::tempdir().unwrap();
        let (own, sample) = (folder.path().to_str().unwrap(), mappings.join(sample));
        let new = ["map", "new", format, sample.to_str().unwrap(), "--name", "draft", "--out", own];
        let drafted = portolan(&new, b"");
        assert_eq!(drafted.code, 0, "{}", drafted.errors);
        let checked = portolan(&["check", "--mappings", own], b"");
        assert_eq!(checked.code, 0, "{sample:?}: {}", checked.output);
        let read = portolan(&["convert", "--mappings", own, "--mapping", "draft", sample.to_str().unwrap()], b"");
        assert_eq!(read.code, 0, "{sample:?}: {}", read.errors);
        assert!(!lines(&read.output).is_empty());
        let again = portolan(&new, b"");
        assert!(again.code == 1 && again.errors.contains("is there already"), "{}", again.errors);
    }
}

#[test]
fn a_member_with_an_empty_name_is_left_out_of_a_draft() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().to_str().unwrap();
    let sample = folder.path().join("sample.json");
    std::fs::write(&sample, r#"[{"id": "A", "": 1, "n": 2}, {"id": "B", "": {"x": 3}, "n": 4}]"#).unwrap();
    let drafted = portolan(&["map", "new", "json", sample.to_str().unwrap(), "--name", "draft", "--out", own], b"");
    assert_eq!(drafted.code, 0, "{}", drafted.errors);
    let text = std::fs::read_to_string(folder.path().join("draft/mapping.toml")).unwrap();
    assert!(text.contains("# left out: 2 with an empty name"), "{text}");
    let checked = portolan(&["check", "--mappings", own], b"");
    assert_eq!(checked.code, 0, "{}", checked.output);
}

#[test]
fn a_draft_for_a_known_record_names_what_is_left_to_choose() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().to_str().unwrap();
    let sample = folder.path().join("sample.csv");
    // The taxpayer number is the published example of GB 32100-2015; all else is made up.
    let rows: String = (1..=6).map(|n| format!("91350100M000100Y43,测试 {n},S-{n},{n}00.50,2026Q3,A{}\n", n % 2)).collect();
    std::fs::write(&sample, format!("统一社会信用代码（纳税人识别号）,店主姓名,seller id,收入总额,Period,Grade\n{rows}")).unwrap();
    let new = ["map", "new", "csv", sample.to_str().unwrap(), "--canonical", "platform-income.v1", "--name", "acme", "--out", own];
    let drafted = portolan(&new, b"");
    assert!(drafted.code == 0 && drafted.output.contains("2 of them resemble nothing in platform-income.v1"), "{}", drafted.output);
    let text = std::fs::read_to_string(folder.path().join("acme/mapping.toml")).unwrap();
    let held = [
        "to = \"operator.taxpayer_number\"\npath = \"统一社会信用代码（纳税人识别号）\"\ntype = \"uscc\"",
        "# guess: text; 6 values, 6 different, such as 测…\n[[field]]\nto = \"unmapped.店主姓名\"",
        "# guess: decimal; 6 values, 6 different, such as 100.50\n[[field]]\nto = \"gross_income\"",
        "to = \"period\"\npath = \"Period\"\ntype = \"tax-period\"\nlayout = \"quarter\"",
        "to = \"unmapped.grade\"\npath = \"Grade\"\ncodes = { \"A1\" = \"A1\", \"A0\" = \"A0\" }",
    ];
    held.iter().for_each(|held| assert!(text.contains(held), "{held:?} is not in\n{text}"));
    let line = text.lines().position(|line| line.contains("unmapped.grade")).unwrap();
    let checked = portolan(&["check", "--mappings", own], b"");
    // A problem of an entry is told at the line where the entry begins.
    assert!(checked.code == 1 && checked.output.contains(&format!("mapping.toml:{line}: platform-income.v1 has no \"unmapped.grade\"")));
    // It is shown all the same, with what is still to be done.
    let shown = portolan(&["map", "show", &format!("{own}/acme"), "--language", "en"], b"");
    let held = ["unmapped.grade", "a draft: its", "gross_income", "required and filled by nothing yet: currency"];
    held.iter()
        .for_each(|held| assert!(shown.code == 0 && shown.output.contains(held), "{held:?} is not in\n{}{}", shown.output, shown.errors));
    // A draft that is not done yet is in no other's way.
    let new = ["map", "new", "csv", sample.to_str().unwrap(), "--canonical", "platform-income.v1", "--name", "second", "--out", own];
    let drafted = portolan(&new, b"");
    assert_eq!(drafted.code, 0, "{}", drafted.errors);
}

#[test]
fn a_reader_that_went_away_changes_no_verdict() {
    for (arguments, code) in
        [(["check", "--mappings", "own-mappings"], 1), (["verify", "changed.receipt.json", "--jwks=payments.jwks.json"], 1)]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = Command::new(env!("CARGO_BIN_EXE_portolan")).args(arguments).current_dir(folder()).stdout(writer).output().unwrap();
        assert_eq!(ran.status.code(), Some(code), "{}", String::from_utf8_lossy(&ran.stderr));
    }
}

struct Ran {
    code: i32,
    output: String,
    errors: String,
}

fn portolan<A: AsRef<str>>(arguments: &[A], input: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portolan"))
        .args(arguments.iter().map(AsRef::as_ref))
        .current_dir(folder())
        .env("COLUMNS", "120")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that does not read its input closes it.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let ran = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    Ran { code: ran.status.code().unwrap(), output: String::from_utf8(ran.stdout).unwrap(), errors: String::from_utf8(ran.stderr).unwrap() }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli_cases")
}
