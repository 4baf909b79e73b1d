//! The program itself, run as people run it.
//!
//! `tests/cli_cases/NAME.toml` holds runs: arguments, standard input, exit code, and texts that must
//! stand in the output. Arguments may name files of `tests/cli_cases/`, in which each run takes place.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

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
