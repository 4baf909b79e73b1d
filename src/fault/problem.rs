//! A fault as the partner sees it: problem+json (RFC 9457), and its findings as a table.
//!
//! Wire format: the members of RFC 9457 with `type` as a reference relative to the gateway, and the
//! extension members of [`Problem`], always in the same order. `title`, `detail` and each finding's
//! `message` are in the language that was asked for; both languages stand beside them, so that a
//! program may keep the one that its people read. At most [`FINDINGS_IN_PROBLEM_MAX`] findings; the
//! report has them all.

use super::{Fault, Retry};
use crate::cells::write_row;
use crate::domain::{Finding, Severity};
use portolan_contract::Words;
use serde::Serialize;

/// The media type of a problem.
pub const PROBLEM_TYPE: &str = "application/problem+json";
/// Findings that a problem repeats; the others are counted in `findings_left_out`.
pub const FINDINGS_IN_PROBLEM_MAX: usize = 100;
/// Entries of an Accept-Language field that are looked at.
const LANGUAGES_MAX: usize = 32;

/// The body of a refusal.
#[derive(Clone, Debug, Serialize)]
pub struct Problem<'f> {
    /// Address of the code's page, relative to the gateway.
    pub r#type: String,
    /// What the code means.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What was found in this case, if more than the title says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'f str>,
    /// The stable code.
    pub code: &'static str,
    /// Whose fault it is: `sender`, `gateway` or `receiver`.
    pub party: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The detail, or where there is none the title, in both languages.
    pub words: Words,
    /// The exchange, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// What is wrong in the body.
    pub findings: Vec<FindingEntry<'f>>,
    /// How many more findings there were.
    pub findings_left_out: u64,
}

impl Problem<'_> {
    /// The problem as it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Text and numbers under fixed keys: nothing in it can fail to be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// One finding, in a problem and in a report.
#[derive(Clone, Debug, Serialize)]
pub struct FindingEntry<'f> {
    /// `error` or `warning`.
    pub severity: Severity,
    /// The rule's stable id.
    pub rule: &'f str,
    /// Record number, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// The part of the body, such as a sheet of a workbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<&'f str>,
    /// Line, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Offset in bytes, counted from 0; a cell of a sheet has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// Column of a table, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The place as a spreadsheet or an editor shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Path in the body, or a column's heading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'f str>,
    /// Path in the canonical record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canonical: Option<&'f str>,
    /// The text found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<&'f str>,
    /// What is wrong, in the language asked for.
    pub message: &'f str,
    /// What is wrong, in Chinese.
    pub message_zh: &'f str,
    /// What is wrong, in English.
    pub message_en: &'f str,
}

impl<'f> FindingEntry<'f> {
    /// The finding with its message and place in Chinese or in English.
    pub fn new(finding: &'f Finding, zh: bool) -> Self {
        // A finding of the body as a whole stands nowhere: its line is 0.
        let somewhere = finding.at.line > 0;
        Self {
            severity: finding.severity,
            rule: &finding.rule,
            record: finding.record,
            part: finding.part.as_deref(),
            line: somewhere.then_some(finding.at.line),
            byte: (somewhere && !finding.in_sheet()).then_some(finding.at.byte),
            column: Some(finding.at.column).filter(|column| *column > 0),
            place: finding.is_somewhere().then(|| finding.place(zh)),
            source: finding.source.as_deref(),
            canonical: finding.canonical.as_deref(),
            found: finding.found.as_deref(),
            message: if zh { &finding.words.zh } else { &finding.words.en },
            message_zh: &finding.words.zh,
            message_en: &finding.words.en,
        }
    }
}

/// The problem that tells a caller of a fault, in Chinese or in English. `findings_left_out` are
/// those that the fault itself does not hold any more.
pub fn problem(fault: &Fault, findings_left_out: u64, zh: bool) -> Problem<'_> {
    let (title_zh, title_en) = fault.code.title();
    let detailed = !fault.detail.en.is_empty();
    let shown = fault.findings.iter().take(FINDINGS_IN_PROBLEM_MAX);
    let cut = fault.findings.len().saturating_sub(FINDINGS_IN_PROBLEM_MAX) as u64;
    Problem {
        r#type: format!("/v1/errors/{}", fault.code),
        title: if zh { title_zh } else { title_en },
        status: fault.code.status(),
        detail: detailed.then_some(if zh { &fault.detail.zh } else { &fault.detail.en }),
        code: fault.code.as_str(),
        party: fault.code.party().as_str(),
        retryable: fault.retry != Retry::Never,
        words: if detailed { fault.detail.clone() } else { Words::new(title_zh, title_en) },
        exchange: fault.exchange.map(|id| id.to_string()),
        findings: shown.map(|finding| FindingEntry::new(finding, zh)).collect(),
        findings_left_out: findings_left_out.saturating_add(cut),
    }
}

/// Whether an Accept-Language field (RFC 9110, 12.5.4) asks for Chinese rather than for English.
/// English where it is silent, undecided or malformed.
pub fn prefers_chinese(accept_language: Option<&str>) -> bool {
    let ranges = || accept_language.unwrap_or_default().split(',').take(LANGUAGES_MAX).filter_map(language_range);
    let quality = |language: &str| {
        let named = ranges().filter(|(range, _)| *range == language).map(|(_, quality)| quality).max();
        named.or_else(|| ranges().find(|(range, _)| *range == "*").map(|(_, quality)| quality)).unwrap_or(0)
    };
    quality("zh") > quality("en")
}

/// The primary language of one range, in lower case, and its quality in thousandths.
fn language_range(entry: &str) -> Option<(String, u32)> {
    let (range, weight) = entry.split_once(';').unwrap_or((entry, "q=1"));
    let primary = range.trim().split('-').next().filter(|tag| !tag.is_empty())?;
    let weight = weight.trim().to_ascii_lowercase();
    let quality = weight.strip_prefix("q=")?.trim().parse::<f64>().ok().filter(|q| (0.0..=1.0).contains(q))?;
    Some((primary.to_ascii_lowercase(), (quality * 1000.0).round() as u32))
}

/// The findings as a table that a spreadsheet opens: UTF-8 with a byte order mark, CRLF, RFC 4180
/// quoting, headings in Chinese or in English. A cell that a spreadsheet would take for a formula
/// begins with an apostrophe.
pub fn report_csv(findings: &[Finding], zh: bool) -> String {
    let headings = if zh {
        ["记录", "行", "列", "级别", "规则", "原文", "说明（中文）", "说明（英文）", "位置"]
    } else {
        ["record", "row", "column", "severity", "rule", "found", "message (Chinese)", "message (English)", "place"]
    };
    let mut table = String::from('\u{FEFF}');
    write_row(&mut table, &headings);
    for finding in findings {
        let number = |n: u64| if n > 0 { n.to_string() } else { String::new() };
        let column = finding.source.clone().unwrap_or_else(|| number(u64::from(finding.at.column)));
        let place = if finding.is_somewhere() { finding.place(zh) } else { String::new() };
        let row = [
            &number(finding.record.unwrap_or(0)),
            &number(finding.at.line),
            &column,
            severity_word(finding.severity, zh),
            &finding.rule,
            finding.found.as_deref().unwrap_or_default(),
            &finding.words.zh,
            &finding.words.en,
            &place,
        ];
        write_row(&mut table, &row);
    }
    table
}

fn severity_word(severity: Severity, zh: bool) -> &'static str {
    match (severity, zh) {
        (Severity::Error, true) => "错误",
        (Severity::Error, false) => "error",
        (Severity::Warning, true) => "警告",
        (Severity::Warning, false) => "warning",
    }
}
