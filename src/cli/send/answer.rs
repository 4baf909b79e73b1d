//! What came back: shown as a table, and kept beside the file.

use super::code_of;
use crate::certs::files::write_public;
use crate::cli::call::{Caller, Reply, told};
use crate::cli::exit;
use crate::cli::terminal::{Paint, table, thousands};
use crate::domain::{Counts, ExchangeId, Finding, Outcome, Severity};
use crate::fault::problem::report_csv;
use hyper::Method;
use hyper::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderMap, HeaderValue};
use portolan_contract::{Position, Words};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Findings that the table shows; the report has them all.
const ROWS_SHOWN_MAX: usize = 20;

/// The answer to a submission: what was taken in, or a problem.
#[derive(Debug, Deserialize)]
pub struct Answer<'a> {
    exchange: Option<ExchangeId>,
    verdict: Option<Outcome>,
    counts: Option<Counts>,
    #[serde(default)]
    findings: Vec<AnswerFinding>,
    #[serde(default)]
    findings_left_out: u64,
    report: Option<String>,
    #[serde(borrow)]
    receipt: Option<&'a RawValue>,
    code: Option<String>,
    words: Option<Words>,
}

#[derive(Debug, Deserialize)]
struct AnswerFinding {
    severity: Severity,
    rule: String,
    record: Option<u64>,
    part: Option<String>,
    #[serde(default)]
    line: u64,
    #[serde(default)]
    byte: u64,
    #[serde(default)]
    column: u32,
    source: Option<String>,
    canonical: Option<String>,
    found: Option<String>,
    message_zh: String,
    message_en: String,
}

impl<'a> Answer<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// When something answered that is no gateway.
    pub fn read(reply: &'a Reply) -> Result<Self, String> {
        serde_json::from_slice(&reply.body).map_err(|error| {
            let text: String = String::from_utf8_lossy(&reply.body).chars().take(200).collect();
            format!("HTTP {}, but not an answer of this gateway ({error}): {text}", reply.status)
        })
    }
}

/// Keeps receipt and report, and tells what became of the file. Gives the exit code.
///
/// # Errors
/// When something cannot be kept; what was decided stands in the message.
pub async fn conclude(answer: &Answer<'_>, reply: &Reply, caller: &Caller, file: &Path, zh: bool) -> Result<u8, String> {
    let outcome = answer.verdict.unwrap_or(Outcome::Refused);
    tell_verdict(answer, reply, outcome, zh);
    let findings: Vec<Finding> = answer.findings.iter().map(finding).collect();
    tell_findings(&findings, answer.findings_left_out, zh);
    let receipt = answer.receipt.map(|receipt| keep_receipt(file, answer, receipt.get())).transpose();
    let report = if findings.is_empty() { Ok(None) } else { keep_report(answer, &findings, caller, file, zh).await.map(Some) };
    let receipt = receipt.map_err(|e| format!("the receipt cannot be kept: {e}"))?;
    let mut lines = Vec::new();
    if let Some(exchange) = &answer.exchange {
        lines.push((Words::new("交换单", "exchange"), exchange.to_string()));
    }
    if let Some(receipt) = &receipt {
        lines.push((Words::new("签收凭证", "receipt"), receipt.display().to_string()));
    }
    match report {
        Ok(Some(report)) => lines.push((Words::new("校验报告", "report"), report.display().to_string())),
        Ok(None) => {}
        Err(error) => return Err(format!("the report cannot be kept: {error}")),
    }
    if let Some(receipt) = &receipt {
        let command = format!("portolan verify {} {} --jwks JWKS.json", receipt.display(), file.display());
        lines.push((Words::new("核验", "to verify"), command));
    }
    for (words, text) in lines {
        if zh { println!("{}：{text}", words.zh) } else { println!("{:10} {text}", words.en) }
    }
    Ok(if reply.status < 300 { code_of(outcome) } else { exit::FAILED })
}

fn tell_verdict(answer: &Answer<'_>, reply: &Reply, outcome: Outcome, zh: bool) {
    let paint = Paint::stdout();
    let words = outcome.words();
    let word = if zh { words.zh } else { words.en };
    let word = match outcome {
        Outcome::Accepted => paint.green(&word),
        Outcome::InPart => paint.yellow(&word),
        Outcome::Refused => paint.red(&word),
    };
    let validated = answer.verdict.is_some() && answer.exchange.is_none();
    let checked = match (validated, zh) {
        (true, true) => "（仅校验，未提交）",
        (true, false) => " (checked alone: nothing was kept)",
        (false, _) => "",
    };
    let counts = answer.counts.map(|counts| counts_text(counts, zh)).unwrap_or_default();
    println!("{word}{checked}{counts}");
    if let Some(code) = &answer.code {
        let title = answer.words.as_ref().map_or("", |words| if zh { &words.zh } else { &words.en });
        println!("{} {title}\n    HTTP {} · portolan explain {code}", paint.bold(&format!("{code}:")), reply.status);
    }
}

fn counts_text(counts: Counts, zh: bool) -> String {
    let of = |zh_word: &str, en_word: &str, number: u64| match zh {
        true => format!("{zh_word} {}", thousands(number)),
        false => format!("{} {}", thousands(number), if number == 1 { en_word.trim_end_matches('s') } else { en_word }),
    };
    let mut parts = vec![of("记录", "records", counts.records), of("接收", "accepted", counts.accepted)];
    let rest = [("退回", "refused", counts.refused), ("已知", "known before", counts.repeated), ("警告", "warnings", counts.warnings)];
    parts.extend(rest.into_iter().filter(|(.., number)| *number > 0).map(|(zh, en, number)| of(zh, en, number)));
    if zh { format!("：{}", parts.join("，")) } else { format!(": {}", parts.join(", ")) }
}

fn tell_findings(findings: &[Finding], left_out: u64, zh: bool) {
    if findings.is_empty() {
        return;
    }
    let tabular = findings.iter().any(|f| f.at.column > 0);
    let headings = match (zh, tabular) {
        (true, true) => ["行", "列", "原文", "说明"],
        (true, false) => ["行", "位置", "原文", "说明"],
        (false, true) => ["row", "column", "found", "what is wrong"],
        (false, false) => ["line", "path", "found", "what is wrong"],
    };
    let rows = findings.iter().take(ROWS_SHOWN_MAX).map(|finding| {
        let line = match (&finding.part, finding.at.line) {
            (Some(_), _) => finding.spot(zh),
            (None, 0) => "—".to_owned(),
            (None, line) => line.to_string(),
        };
        let place = finding.source.clone().or_else(|| finding.canonical.clone()).unwrap_or_default();
        let words = if zh { &finding.words.zh } else { &finding.words.en };
        let mark = match (finding.severity, zh) {
            (Severity::Error, _) => "",
            (Severity::Warning, true) => "警告：",
            (Severity::Warning, false) => "warning: ",
        };
        [line, place, finding.found.clone().unwrap_or_default(), format!("{mark}{words}")]
    });
    println!("{}", table(headings, rows));
    match (findings.len().saturating_sub(ROWS_SHOWN_MAX) as u64, zh) {
        (0, _) => {}
        (more, true) => println!("另有 {} 项，见校验报告", thousands(more)),
        (more, false) => println!("and {} more; see the report", thousands(more)),
    }
    match (left_out, zh) {
        (0, _) => {}
        (left_out, true) => println!("超出上限而未列入报告：{} 项；先改正已列出的，再发送一次", thousands(left_out)),
        (left_out, false) => println!("{} beyond what a report holds; put right what it names, and send again", thousands(left_out)),
    }
}

fn finding(from: &AnswerFinding) -> Finding {
    Finding {
        severity: from.severity,
        rule: from.rule.clone(),
        record: from.record,
        part: from.part.clone(),
        at: Position { line: from.line, byte: from.byte, column: from.column },
        source: from.source.clone(),
        canonical: from.canonical.clone(),
        found: from.found.clone(),
        words: Words::new(from.message_zh.clone(), from.message_en.clone()),
    }
}

/// Keeps a receipt beside the file. Evidence is never overwritten: where another receipt lies there
/// already, the exchange goes into the name.
fn keep_receipt(file: &Path, answer: &Answer<'_>, receipt: &str) -> io::Result<PathBuf> {
    let mut path = beside(file, "receipt.json");
    let other = fs::read(&path).is_ok_and(|there| there != receipt.as_bytes());
    if let (true, Some(exchange)) = (other, &answer.exchange) {
        path = beside(file, &format!("{exchange}.receipt.json"));
    }
    write_public(&path, receipt.as_bytes())?;
    Ok(path)
}

/// Keeps the report of all findings as a table: the gateway's, or where it keeps none what it said.
async fn keep_report(answer: &Answer<'_>, findings: &[Finding], caller: &Caller, file: &Path, zh: bool) -> Result<PathBuf, String> {
    let report = match &answer.report {
        None => report_csv(findings, zh).into_bytes(),
        Some(address) => {
            let language = HeaderValue::from_static(if zh { "zh" } else { "en" });
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/csv")), (ACCEPT_LANGUAGE, language)]);
            let reply = caller.call(Method::GET, address, &headers, None).await.map_err(|e| told(&e))?;
            if reply.status != 200 {
                return Err(format!("HTTP {} at {address}", reply.status));
            }
            reply.body.to_vec()
        }
    };
    let path = beside(file, "report.csv");
    write_public(&path, &report).map_err(|e| e.to_string())?;
    Ok(path)
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
