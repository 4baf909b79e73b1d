//! Faults as others see them: every code has a whole page in both languages, a problem says what the
//! case in `tests/fault_cases/` expects, and a report opens in a spreadsheet without running formulas.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use portolan::domain::{Finding, Severity};
use portolan::fault::problem::{FINDINGS_IN_PROBLEM_MAX, prefers_chinese, problem, report_csv};
use portolan::fault::{Fault, FaultCode};
use portolan_contract::Words;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The parts of a page, in their order.
const ENGLISH: [&str; 4] = ["**Meaning.** ", "**Cause.** ", "**What the sender does.** ", "**What the operator does.** "];
const CHINESE: [&str; 4] = ["**含义**：", "**原因**：", "**报送方怎么办**：", "**运维怎么办**："];
/// Characters that a part has at least, so that an empty phrase is noticed.
const PART_CHARS_MIN: usize = 4;

#[test]
fn every_code_has_a_whole_page_in_both_languages() {
    let problems: Vec<String> = FaultCode::ALL.iter().filter_map(|code| check_page(*code).err()).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn check_page(code: FaultCode) -> Result<(), String> {
    let wrong = |what: &str| format!("{code}.md: {what}");
    let rest =
        code.page().strip_prefix(&format!("# {code}\n\n## English\n\n")).ok_or_else(|| wrong("the title or `## English` is missing"))?;
    let (english, chinese) = rest.split_once("\n\n## 中文\n\n").ok_or_else(|| wrong("`## 中文` is missing"))?;
    for (section, labels) in [(english, ENGLISH), (chinese, CHINESE)] {
        let parts: Vec<&str> = section.trim_end().split("\n\n").collect();
        if parts.len() != labels.len() {
            return Err(wrong(&format!("{} parts instead of {}", parts.len(), labels.len())));
        }
        for (part, label) in parts.iter().zip(labels) {
            let text = part.strip_prefix(label).ok_or_else(|| wrong(&format!("{label} is missing or out of order")))?;
            if text.chars().count() < PART_CHARS_MIN || (labels == CHINESE && !text.chars().any(is_chinese)) {
                return Err(wrong(&format!("{label} says nothing")));
            }
        }
    }
    Ok(())
}

fn is_chinese(c: char) -> bool {
    ('\u{4E00}'..='\u{9FFF}').contains(&c)
}

#[test]
fn no_page_is_without_a_code_and_no_code_stands_twice() {
    let pages: BTreeSet<String> = sorted_files("src/fault/codes").iter().map(|file| stem(file)).collect();
    let codes: BTreeSet<String> = FaultCode::ALL.iter().map(|code| code.to_string()).collect();
    assert_eq!(pages, codes);
    assert_eq!(codes.len(), FaultCode::ALL.len());
}

#[test]
fn a_key_that_a_page_names_is_a_key_of_the_configuration() {
    let reference = portolan::config::reference();
    let looks_like_a_key =
        |word: &&str| word.contains('_') && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    for code in FaultCode::ALL {
        for key in code.page().split('`').skip(1).step_by(2).filter(looks_like_a_key) {
            assert!(reference.contains(&format!("| `{key}` |")), "{code}.md names `{key}`");
        }
    }
}

/// One case: a fault, and what the caller is to be told.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProblemCase {
    code: String,
    #[serde(default)]
    detail: Words,
    retry_after_seconds: Option<u64>,
    exchange: Option<String>,
    #[serde(default)]
    findings: Vec<Finding>,
    #[serde(default)]
    findings_left_out: u64,
    chinese: bool,
    problem: serde_json::Value,
}

#[test]
fn a_problem_tells_the_caller_what_and_whose_it_is() {
    for file in sorted_files("tests/fault_cases/problem") {
        let case: ProblemCase = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let mut fault = Fault::new(case.code.parse().unwrap());
        fault.detail = case.detail;
        fault.exchange = case.exchange.map(|id| id.parse().unwrap());
        fault.findings = case.findings;
        if let Some(seconds) = case.retry_after_seconds {
            fault = fault.retry_after(seconds);
        }
        let bytes = problem(&fault, case.findings_left_out, case.chinese).to_bytes();
        let told: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(told, case.problem, "{}", file.display());
    }
}

#[test]
fn a_problem_repeats_a_bounded_number_of_findings_and_counts_the_rest() {
    let finding = Finding {
        severity: Severity::Error,
        rule: "r".into(),
        record: None,
        part: None,
        at: Default::default(),
        source: None,
        canonical: None,
        found: None,
        words: Words::new("错", "wrong"),
    };
    let mut fault = Fault::new(FaultCode::RecordsRefused);
    fault.findings = vec![finding; FINDINGS_IN_PROBLEM_MAX + 2];
    let told = problem(&fault, 5, false);
    assert_eq!((told.findings.len(), told.findings_left_out), (FINDINGS_IN_PROBLEM_MAX, 7));
}

/// One case: findings, and the lines of their table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportCase {
    findings: Vec<Finding>,
    chinese: bool,
    lines: Vec<String>,
}

#[test]
fn a_report_opens_in_a_spreadsheet_and_runs_no_formula() {
    for file in sorted_files("tests/fault_cases/report") {
        let case: ReportCase = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let expected = format!("\u{FEFF}{}\r\n", case.lines.join("\r\n"));
        assert_eq!(report_csv(&case.findings, case.chinese), expected, "{}", file.display());
    }
}

#[test]
fn chinese_is_spoken_where_it_is_asked_for() {
    let cases = std::fs::read_to_string(here("tests/fault_cases/accept-language.txt")).unwrap();
    for case in cases.lines().filter(|line| !line.starts_with('#')) {
        let (language, field) = case.split_once('|').unwrap();
        assert_eq!(prefers_chinese(Some(field.trim())), language.trim() == "zh", "{case}");
    }
    assert!(!prefers_chinese(None));
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn sorted_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(here(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap().to_str().unwrap().to_owned()
}
