//! Exchanges of a [`Past`] as translation would hand them to the journal. Bodies are small and inline.

use crate::past::{CANONICAL, FLOWS, Facts, Past, READ_BY, WRITTEN_BY, mix, partner_name};
use jiff::{SignedDuration, Timestamp};
use portolan::domain::{Chunk, Counts, Digest, Finding, IndexRow, Outcome, PartnerId, Pins, Routed, Severity, Stored, Verdict};
use portolan::fault::BoxError;
use portolan::journal::NewExchange;
use portolan::mapping::Library;
use portolan::mapping::schema::Canonical;
use portolan::schedule::BusinessDay;
use portolan::traces::TraceContext;
use portolan_contract::Words;
use std::sync::Arc;

/// Makes them.
pub struct Exchanges {
    /// What they are of.
    pub past: Past,
    texts: Texts,
}

/// The texts that everything is read, checked and rendered with.
struct Texts {
    canonical: Arc<Canonical>,
    pinned: Vec<(Digest, Arc<str>)>,
    pins: Pins,
    written_by: Digest,
}

impl Texts {
    fn of(library: &Library) -> Result<Self, BoxError> {
        let mapping = |name: &str| library.mapping(name).cloned().ok_or_else(|| format!("there is no mapping {name}"));
        let (read, written) = (mapping(READ_BY)?, mapping(WRITTEN_BY)?);
        let canonical = library.canonical(CANONICAL).cloned().ok_or_else(|| format!("there is no schema {CANONICAL}"))?;
        let flow: Arc<str> = "# A flow of the benchmark.\n".into();
        let pins = Pins { mapping: read.digest, schema: canonical.digest, flow: Digest::of(flow.as_bytes()) };
        let pinned = vec![
            (read.digest, read.text.clone()),
            (written.digest, written.text.clone()),
            (canonical.digest, canonical.text.clone()),
            (pins.flow, flow),
        ];
        Ok(Self { canonical, pinned, pins, written_by: written.digest })
    }
}

impl Exchanges {
    /// Ready to make those of a past.
    ///
    /// # Errors
    /// Mappings that are not there.
    pub fn of(past: Past) -> Result<Self, BoxError> {
        let library = Library::load(&[]).map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        Ok(Self { past, texts: Texts::of(&library)? })
    }

    /// One of them.
    ///
    /// # Errors
    /// None that occurs: what it is made of is known to be well-formed.
    pub fn exchange(&self, facts: &Facts) -> Result<NewExchange, BoxError> {
        let (partner, flow): (PartnerId, _) = (partner_name(facts.partner).parse()?, FLOWS[facts.flow].0.parse()?);
        let received_at = Timestamp::from_millisecond(facts.received_ms)?;
        let body = format!("REF{:012};6222{:012};synthetic", facts.number, facts.partner).into_bytes();
        let key_space = format!("{partner}/{}", self.texts.canonical.key_space());
        let verdict = self.verdict(facts, &body)?;
        Ok(NewExchange {
            id: facts.id(),
            partner,
            flow,
            received_at,
            translated_at: received_at + SignedDuration::from_millis(2),
            business_day: BusinessDay::new("Asia/Shanghai", None),
            idempotency_key: None,
            question: None,
            certificate: Digest::of(&facts.partner.to_be_bytes()),
            corrects: None,
            mapping: READ_BY.to_owned(),
            key_space,
            content_type: Some("application/xml".to_owned()),
            content_encoding: String::new(),
            trace: TraceContext::kept(&format!("{:032x}", u128::from(mix(facts.number)) << 8 | 1), "00f067aa0ba902b7", 1, ""),
            body_digest: Digest::of(&body),
            body: Stored::Inline(body.into()),
            verdict,
            answer: None,
            pinned: self.texts.pinned.clone(),
        })
    }

    fn verdict(&self, facts: &Facts, body: &[u8]) -> Result<Verdict, BoxError> {
        let (records, accepted) = (facts.records(), facts.accepted());
        let record = facts.record();
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        let key = self.texts.canonical.business_key(&record);
        let length = u32::try_from(line.len())?;
        let row = |number: u64| {
            let offset = (number - 1) * u64::from(length);
            IndexRow { record: number, offset, length, source_line: number as u32, destinations: 1, key }.to_bytes()
        };
        let index: Vec<u8> = (1..=accepted).flat_map(row).collect();
        let canonical = line.repeat(usize::try_from(accepted)?);
        let warnings = u64::from(facts.rule.is_some() && facts.outcome == Outcome::Accepted);
        let chunk = Chunk { destination: 0, first_row: 0, rows: accepted, order_key: None, repeated_ids: 0 };
        Ok(Verdict {
            outcome: facts.outcome,
            counts: Counts { records, accepted, refused: records - accepted, warnings, repeated: 0 },
            fault: facts.fault,
            findings: facts.rule.map(|rule| finding(rule, facts.outcome, records)).into_iter().collect(),
            findings_left_out: 0,
            message_id: Some(facts.message_id()),
            decoded_digest: Digest::of(body),
            canonical_digest: Digest::of(&canonical),
            canonical: Stored::Inline(canonical.into()),
            index: Stored::Inline(index.into()),
            destinations: vec![Routed { to: FLOWS[facts.flow].1.parse()?, mapping: self.texts.written_by }],
            chunks: if accepted > 0 { vec![chunk] } else { Vec::new() },
            pins: self.texts.pins,
            profile: Default::default(),
            tally: Default::default(),
        })
    }
}

fn finding(rule: &str, outcome: Outcome, record: u64) -> Finding {
    let warning = outcome == Outcome::Accepted;
    Finding {
        severity: if warning { Severity::Warning } else { Severity::Error },
        rule: rule.to_owned(),
        record: Some(record),
        part: None,
        at: Default::default(),
        source: Some("Document/BkToCstmrDbtCdtNtfctn/Ntfctn/Ntry/Amt".to_owned()),
        canonical: Some("amount".to_owned()),
        found: Some("12,50".to_owned()),
        words: Words::new("不是金额", "not an amount"),
    }
}
