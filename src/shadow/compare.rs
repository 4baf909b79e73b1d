//! In what two translations of one body differ: verdicts, findings, canonical fields, the message id, and where records go.
//!
//! Both are read as streams, record by record. Every difference is counted; [`DIFFERENCES_KEPT_MAX`] are kept, with personal
//! values masked and texts cut to [`TEXT_CHARS_MAX`].

use crate::domain::{ExchangeId, Finding, FlowId, IndexRow, Outcome, PartnerId, Routed, Severity, Verdict};
use crate::mapping::Canonical;
use crate::mapping::differences::differences;
use crate::mask;
use crate::spool;
use crate::translate::Translated;
use portolan_contract::Words;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{self, Read};

/// Differences of one run that are kept.
pub const DIFFERENCES_KEPT_MAX: usize = 500;
/// Kinds of differences that are counted by themselves; more are counted together.
pub const SUMS_MAX: usize = 200;
/// Characters of a value that are shown.
pub const TEXT_CHARS_MAX: usize = 200;

/// Where differences are counted that are of more than [`SUMS_MAX`] kinds.
const OTHERS: &str = "…";

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Whether a body is accepted (结论).
    Body,
    /// Whether a record is accepted.
    Record,
    /// A finding (校验问题).
    Finding,
    /// A canonical value.
    Field,
    /// The message id.
    MessageId,
    /// Where a record is delivered to.
    Route,
}

impl What {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Record => "record",
            Self::Finding => "finding",
            Self::Field => "field",
            Self::MessageId => "message-id",
            Self::Route => "route",
        }
    }

    /// What people call it, in Chinese and in English.
    pub const fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::Body => ("报文结论", "verdict on the body"),
            Self::Record => ("记录结论", "verdict on the record"),
            Self::Finding => ("校验问题", "finding"),
            Self::Field => ("标准记录字段", "canonical field"),
            Self::MessageId => ("报文标识", "message id"),
            Self::Route => ("投递去向", "destinations"),
        }
    }
}

/// Which exchange is read twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The exchange.
    pub exchange: ExchangeId,
    /// Who sent it.
    pub partner: PartnerId,
    /// Under which flow.
    pub flow: FlowId,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In which exchange.
    pub of: Subject,
    /// In which record; none for the body.
    pub record: Option<u64>,
    /// What differs.
    pub what: What,
    /// The canonical path of a field, the rule of a finding; else empty.
    pub at: String,
    /// What the mapping in force gives, if anything; a value is the same in both languages.
    pub live: Option<Words>,
    /// What the candidate gives, if anything.
    pub candidate: Option<Words>,
}

/// What was found in some exchanges.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Records that were read, by the mapping in force.
    pub records: u64,
    /// Exchanges in which anything differs.
    pub exchanges_differing: u64,
    /// Exchanges with more findings than a report keeps, so that some could not be compared.
    pub exchanges_cut: u64,
    /// How often what differs; a field by its path without indexes.
    pub sums: BTreeMap<(What, String), u64>,
    /// The first differences.
    pub kept: Vec<Difference>,
}

impl Found {
    /// All differences.
    pub fn differences(&self) -> u64 {
        self.sums.values().sum()
    }

    /// Adds what was found in another exchange.
    pub fn add(&mut self, other: Self) {
        self.records += other.records;
        self.exchanges_differing += other.exchanges_differing;
        self.exchanges_cut += other.exchanges_cut;
        other.sums.into_iter().for_each(|(key, times)| self.count(key, times));
        let room = DIFFERENCES_KEPT_MAX - self.kept.len();
        self.kept.extend(other.kept.into_iter().take(room));
    }

    fn count(&mut self, key: (What, String), times: u64) {
        let is_known = self.sums.len() < SUMS_MAX || self.sums.contains_key(&key);
        let key = if is_known { key } else { (key.0, OTHERS.to_owned()) };
        *self.sums.entry(key).or_default() += times;
    }
}

/// Compares what the mapping in force and the candidate make of one body. Either schema may mark values as personal.
///
/// # Errors
/// I/O of the gateway.
pub fn compare(of: &Subject, live: &Translated, candidate: &Translated, schemas: &[&Canonical]) -> io::Result<Found> {
    let mut pass = Pass { of, schemas, found: Found::default() };
    let (old, new) = (&live.verdict, &candidate.verdict);
    pass.found.records = old.counts.records;
    pass.found.exchanges_cut = u64::from(old.findings_left_out + new.findings_left_out > 0);
    if (old.outcome, old.fault) != (new.outcome, new.fault) {
        pass.tell(None, What::Body, "", Some(outcome(old)), Some(outcome(new)));
    }
    if old.message_id != new.message_id {
        pass.tell(None, What::MessageId, "", old.message_id.clone().map(plain), new.message_id.clone().map(plain));
    }
    pass.findings(&old.findings, &new.findings);
    // A body that is refused whole has no records to be compared.
    if old.outcome != Outcome::Refused && new.outcome != Outcome::Refused {
        pass.records(old, new)?;
    }
    pass.found.exchanges_differing = u64::from(!pass.found.sums.is_empty());
    Ok(pass.found)
}

struct Pass<'p> {
    of: &'p Subject,
    schemas: &'p [&'p Canonical],
    found: Found,
}

impl Pass<'_> {
    fn tell(&mut self, record: Option<u64>, what: What, at: &str, live: Option<Words>, candidate: Option<Words>) {
        let place: Vec<&str> = at.split('.').filter(|step| what != What::Field || step.parse::<usize>().is_err()).collect();
        self.found.count((what, place.join(".")), 1);
        if self.found.kept.len() < DIFFERENCES_KEPT_MAX {
            let (of, at) = (self.of.clone(), at.to_owned());
            self.found.kept.push(Difference { of, record, what, at, live: live.map(cut), candidate: candidate.map(cut) });
        }
    }

    /// Findings are the same where record, rule, field and severity are; each counts as often as it stands.
    fn findings(&mut self, old: &[Finding], new: &[Finding]) {
        let key = |finding: &Finding| {
            let field = finding.canonical.as_ref().or(finding.source.as_ref()).cloned();
            (finding.record, finding.rule.clone(), field, finding.severity == Severity::Error)
        };
        let mut known: BTreeMap<_, (Vec<&Finding>, Vec<&Finding>)> = BTreeMap::new();
        old.iter().for_each(|finding| known.entry(key(finding)).or_default().0.push(finding));
        new.iter().for_each(|finding| known.entry(key(finding)).or_default().1.push(finding));
        for ((record, rule, ..), (old, new)) in known {
            let same = old.len().min(new.len());
            for gone in old.iter().skip(same) {
                self.tell(record, What::Finding, &rule, Some(self.told(gone)), None);
            }
            for added in new.iter().skip(same) {
                self.tell(record, What::Finding, &rule, None, Some(self.told(added)));
            }
        }
    }

    fn told(&self, finding: &Finding) -> Words {
        let mut finding = finding.clone();
        mask::finding(&mut finding, self.schemas);
        finding.words
    }

    fn records(&mut self, old: &Verdict, new: &Verdict) -> io::Result<()> {
        let (mut of_old, mut of_new) = (Lines::of(old)?, Lines::of(new)?);
        let (mut one, mut other) = (of_old.next()?, of_new.next()?);
        loop {
            match (&one, &other) {
                (None, None) => return Ok(()),
                (Some(line), other_line) if other_line.as_ref().is_none_or(|other| line.row.record < other.row.record) => {
                    let number = line.row.record;
                    self.tell(Some(number), What::Record, "", Some(accepted()), Some(refused_or_absent(new, number)));
                    one = of_old.next()?;
                }
                (one_line, Some(line)) if one_line.as_ref().is_none_or(|one| one.row.record.cmp(&line.row.record) == Ordering::Greater) => {
                    let number = line.row.record;
                    self.tell(Some(number), What::Record, "", Some(refused_or_absent(old, number)), Some(accepted()));
                    other = of_new.next()?;
                }
                (Some(left), Some(right)) => {
                    self.pair(left, right, [&old.destinations, &new.destinations])?;
                    (one, other) = (of_old.next()?, of_new.next()?);
                }
                (None, Some(_)) | (Some(_), None) => return Err(io::Error::other("an index is out of order")),
            }
        }
    }

    fn pair(&mut self, old: &Line, new: &Line, destinations: [&[Routed]; 2]) -> io::Result<()> {
        let record = Some(old.row.record);
        let goes = [(old, destinations[0]), (new, destinations[1])].map(|(line, to)| goes_to(line.row.destinations, to));
        if goes[0] != goes[1] {
            let [live, candidate] = goes;
            self.tell(record, What::Route, "", Some(plain(live)), Some(plain(candidate)));
        }
        if old.text == new.text {
            return Ok(());
        }
        let (one, other): (Value, Value) = (serde_json::from_slice(&old.text)?, serde_json::from_slice(&new.text)?);
        let schemas = self.schemas;
        differences("", Some(&one), Some(&other), &mut |path, live, candidate| {
            let shown = |value: Option<&Value>| {
                value.cloned().map(|mut value| {
                    mask::value(&mut value, path, schemas);
                    plain(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                })
            };
            self.tell(record, What::Field, path, shown(live), shown(candidate));
        });
        Ok(())
    }
}

/// An accepted record as translation wrote it.
struct Line {
    row: IndexRow,
    text: Vec<u8>,
}

/// The accepted records of a verdict, one after the other.
struct Lines {
    rows_left: u64,
    index: Box<dyn Read + Send>,
    canonical: Box<dyn Read + Send>,
}

impl Lines {
    fn of(verdict: &Verdict) -> io::Result<Self> {
        let rows_left = verdict.index.length() / IndexRow::BYTES as u64;
        Ok(Self { rows_left, index: spool::open(&verdict.index)?, canonical: spool::open(&verdict.canonical)? })
    }

    fn next(&mut self) -> io::Result<Option<Line>> {
        if self.rows_left == 0 {
            return Ok(None);
        }
        self.rows_left -= 1;
        let mut row = [0; IndexRow::BYTES];
        self.index.read_exact(&mut row)?;
        let row = IndexRow::from_bytes(&row);
        let mut text = vec![0; row.length as usize];
        self.canonical.read_exact(&mut text)?;
        Ok(Some(Line { row, text }))
    }
}

fn outcome(verdict: &Verdict) -> Words {
    let Words { zh, .. } = verdict.outcome.words();
    let fault = verdict.fault.map(|fault| format!(" {}", fault.as_str())).unwrap_or_default();
    Words::new(format!("{zh}{fault}"), format!("{}{fault}", verdict.outcome.as_str()))
}

fn accepted() -> Words {
    Words::new(Outcome::Accepted.words().zh, Outcome::Accepted.as_str())
}

fn refused_or_absent(verdict: &Verdict, number: u64) -> Words {
    if number <= verdict.counts.records {
        Words::new(Outcome::Refused.words().zh, Outcome::Refused.as_str())
    } else {
        Words::new("没有此记录", "absent")
    }
}

fn goes_to(bits: u64, destinations: &[Routed]) -> String {
    let names = destinations.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, routed)| routed.to.to_string());
    names.collect::<Vec<_>>().join(" ")
}

/// A text that is the same in both languages.
fn plain(text: String) -> Words {
    Words::new(text.clone(), text)
}

fn cut(Words { zh, en }: Words) -> Words {
    let cut = |text: String| match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    Words::new(cut(zh), cut(en))
}
