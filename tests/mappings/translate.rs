//! Bodies through one pass of translation: what is counted, what is found, and what is left out.
//!
//! A case is a file of `translate_cases`: a body, some of which may be repeated many times, and what
//! must become of it. Hostile bodies among them cost work for each of their values and no more; were
//! it for each pair of them, this test would not end in an hour.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use jiff::tz::TimeZone;
use portolan::coding::{Coding, DecodeLimits};
use portolan::config::{Flow, OnInvalid, Order, Route};
use portolan::domain::{Counts, Digest, Routed, Stored, Verdict};
use portolan::mapping::Library;
use portolan::routing::Router;
use portolan::schedule::BusinessDay;
use portolan::spool::Spool;
use portolan::translate::{Arrived, FlowPlan, TranslateLimits, translate};
use portolan_contract::{Limits, Words};
use serde::Deserialize;
use std::fs;
use std::path::Path;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Why this must be so.
    why: String,
    /// The mapping that the body is read with, one of those beside the cases or built in.
    mapping: String,
    /// The one that records are rendered with, where it is another.
    rendering: Option<String>,
    findings_per_record_max: usize,
    /// The condition of the flow's one route.
    when: Option<String>,
    /// The canonical value that the flow keeps the order by.
    order: Option<String>,
    body: Body,
    expect: Expect,
    /// A part of what the operator is told in place of a verdict: the route does not compile, or the gateway is at fault.
    told_operator: Option<String>,
}

/// `head`, then `again` so many times, then `foot`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    head: String,
    #[serde(default)]
    again: String,
    #[serde(default)]
    times: usize,
    foot: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    fault: Option<String>,
    counts: Counts,
    /// The rules of the findings kept, and how often each stands there in turn.
    findings: Vec<(String, usize)>,
    findings_left_out: u64,
}

#[test]
fn every_body_gives_the_verdict_that_its_case_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/translate_cases");
    let library = Library::load(&[folder.join("mappings")]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.is_file()) {
        let case: Case = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        check(&library, &path, &case);
    }
}

#[test]
fn a_delivery_holds_no_more_records_than_its_format_allows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/totals_cases");
    let library = Library::load(&[folder]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let case = Case {
        why: "one pack of `batches` holds four records".to_owned(),
        mapping: "trailer".to_owned(),
        rendering: None,
        findings_per_record_max: 1,
        when: None,
        order: None,
        body: Body {
            head: "平台,店铺,收入,所属期\n".to_owned(),
            again: "91350100M000100Y43,A,1.00,2026Q3\n".to_owned(),
            times: 9,
            foot: "合计,9,9.00,\n".to_owned(),
        },
        expect: Expect { fault: None, counts: Counts::default(), findings: Vec::new(), findings_left_out: 0 },
        told_operator: None,
    };
    let chunks = verdict(&library, &case, "batches").unwrap().chunks;
    let rows: Vec<(u64, u64)> = chunks.iter().map(|chunk| (chunk.first_row, chunk.rows)).collect();
    assert_eq!(rows, [(0, 4), (4, 4), (8, 1)]);
}

/// Rows of each delivery, and which ids of its message are those of an earlier one.
#[track_caller]
fn check_cuts(reading: &str, rendering: &str, records: &[&str], expected: &[(u64, u64, u32)]) {
    let library = Library::load(&[]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let case = Case {
        why: "what a body says once is the same for all of a delivery".to_owned(),
        mapping: reading.to_owned(),
        findings_per_record_max: 10,
        when: None,
        order: None,
        rendering: None,
        told_operator: None,
        body: Body { head: records.join("\n"), again: String::new(), times: 0, foot: "\n".to_owned() },
        expect: Expect { fault: None, counts: Counts::default(), findings: Vec::new(), findings_left_out: 0 },
    };
    let verdict = verdict(&library, &case, rendering).unwrap();
    let cuts: Vec<(u64, u64, u32)> = verdict.chunks.iter().map(|chunk| (chunk.first_row, chunk.rows, chunk.repeated_ids)).collect();
    assert_eq!(cuts, expected, "{:?}", verdict.findings);
}

/// The first record of a case, and the same with another text in it.
fn two_records(case: &str, text: &str, instead: &str) -> [String; 2] {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings").join(case);
    let record = fs::read_to_string(file).unwrap().lines().next().unwrap().to_owned();
    assert!(record.contains(text), "{case}: there is no {text}");
    [record.clone(), record.replace(text, instead)]
}

#[test]
fn a_delivery_has_one_heading() {
    let [a, b] = &two_records("camt054/cases/one-payment.out.ndjson", "Ntfctn-SYN-1", "Ntfctn-SYN-2");
    check_cuts("payment-confirmation-json", "camt054", &[a, b, b, a], &[(0, 1, 0), (1, 2, 0), (3, 1, 1)]);
    check_cuts("payment-confirmation-json", "payment-confirmation-json", &[a, b, b, a], &[(0, 4, 0)]);
    // Another notification stands in the same message.
    let [a, b] = &two_records("camt054/cases/one-payment.out.ndjson", "Ntfctn-187", "Ntfctn-188");
    check_cuts("payment-confirmation-json", "camt054", &[a, b, a], &[(0, 3, 0)]);
    // Labelled values above a table.
    let [a, b] = &two_records("cn-platform-income/cases/gb18030.out.ndjson", "2025-10-20", "2025-10-21");
    check_cuts("platform-income-json", "cn-platform-income", &[a, a, b], &[(0, 2, 0), (2, 1, 0)]);
    // A pack has a number of its own, within a message that has one too.
    let [a, b] = &two_records("tips1104/cases/pack.out.ndjson", "00000007", "00000008");
    check_cuts("refund-json", "tips1104", &[a, b, a], &[(0, 1, 0), (1, 1, 1), (2, 1, 3)]);
}

fn check(library: &Library, path: &Path, case: &Case) {
    let verdict = match (verdict(library, case, case.rendering.as_ref().unwrap_or(&case.mapping)), &case.told_operator) {
        (Ok(verdict), None) => verdict,
        (Err(told), Some(part)) if told.contains(part) => return,
        (other, _) => panic!("{}: {other:?}", path.display()),
    };
    let mut findings: Vec<(String, usize)> = Vec::new();
    for finding in verdict.findings {
        match findings.last_mut() {
            Some((rule, times)) if *rule == finding.rule => *times += 1,
            _ => findings.push((finding.rule, 1)),
        }
    }
    let found = (verdict.fault.map(|code| code.as_str().to_owned()), verdict.counts, findings, verdict.findings_left_out);
    let Expect { fault, counts, findings, findings_left_out } = &case.expect;
    assert_eq!(found, (fault.clone(), *counts, findings.clone(), *findings_left_out), "{}: {}", path.display(), case.why);
}

/// Reads the case's body; its records go to one receiver, rendered with `rendering`.
fn verdict(library: &Library, case: &Case, rendering: &str) -> Result<Verdict, String> {
    let known = |name: &str| Arc::clone(library.mapping(name).unwrap_or_else(|| panic!("there is no mapping {name}")));
    let (mapping, rendering) = (known(&case.mapping), known(rendering));
    let route = Route { to: "receiver/records".parse().unwrap(), mapping: rendering.name.clone(), when: case.when.clone() };
    let destinations = vec![(Routed { to: route.to.clone(), mapping: rendering.digest }, rendering)];
    let flow = flow(case, &mapping.canonical.name, route);
    let router = Router::compile(&flow, &mapping.canonical).map_err(|problems| problems.join("\n"))?;
    let zone = TimeZone::get(&flow.zone).unwrap();
    let (business_day, canonical) = (BusinessDay::new(&flow.zone, None), Arc::clone(&mapping.canonical));
    let plan = FlowPlan { flow: Arc::new(flow), zone, business_day, canonical, router, destinations, answers: [].into() };

    let Body { head, again, times, foot } = &case.body;
    let body = format!("{head}{}{foot}", again.repeat(*times)).into_bytes();
    let limits = TranslateLimits {
        decode: DecodeLimits { decoded_bytes_max: 1 << 30, expansion_ratio_max: 100 },
        read: Limits::default(),
        records_max: 1_000_000,
    };
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path(), 1 << 20, 0);
    let digest = Digest::of(&body);
    let translated = translate(
        Arrived { body: &Stored::Inline(body.into()), digest, coding: Coding::Identity, is_answered: false },
        &mapping,
        None,
        &plan,
        &limits,
        &spool,
    );
    translated.map(|translated| translated.verdict).map_err(|fault| format!("{fault:?}"))
}

fn flow(case: &Case, canonical: &str, route: Route) -> Flow {
    Flow {
        id: "flow".parse().unwrap(),
        title: Words::new("测试", "test"),
        canonical: canonical.to_owned(),
        senders: [].into(),
        on_invalid: OnInvalid::RefuseRecord,
        zone: "Asia/Shanghai".to_owned(),
        cut_off: None,
        routes: vec![route],
        order: case.order.clone().map_or(Order::None, Order::Key),
        reference: None,
        promise: None,
        delivery_records_max: 1_000,
        delivery_bytes_max: 1 << 20,
        findings_per_record_max: case.findings_per_record_max,
        findings_per_body_max: 10_000,
        text: "".into(),
        digest: Digest::of(b""),
    }
}
