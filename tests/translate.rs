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
use portolan::spool::Spool;
use portolan::translate::{FlowPlan, TranslateLimits, translate};
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
    /// The mapping that the body is read with; a two-way one, so that records are rendered with it.
    mapping: String,
    findings_per_record_max: usize,
    /// The condition of the flow's one route.
    when: Option<String>,
    /// The canonical value that the flow keeps the order by.
    order: Option<String>,
    body: Body,
    expect: Expect,
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
    let library = Library::load(&[]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/translate_cases");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case: Case = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        check(&library, &path, &case);
    }
}

fn check(library: &Library, path: &Path, case: &Case) {
    let verdict = verdict(library, case);
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

fn verdict(library: &Library, case: &Case) -> Verdict {
    let mapping = Arc::clone(library.mapping(&case.mapping).unwrap_or_else(|| panic!("there is no mapping {}", case.mapping)));
    let route = Route { to: "receiver/records".parse().unwrap(), mapping: mapping.name.clone(), when: case.when.clone() };
    let destinations = vec![(Routed { to: route.to.clone(), mapping: mapping.digest }, Arc::clone(&mapping))];
    let flow = flow(case, &mapping.canonical.name, route);
    let router = Router::compile(&flow, mapping.canonical.decimals()).unwrap();
    let zone = TimeZone::get(&flow.zone).unwrap();
    let plan = FlowPlan { flow: Arc::new(flow), zone, canonical: Arc::clone(&mapping.canonical), router, destinations };

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
    let translated = translate(&Stored::Inline(body.into()), digest, Coding::Identity, &mapping, &plan, &limits, &spool);
    translated.unwrap_or_else(|fault| panic!("{fault:?}")).verdict
}

fn flow(case: &Case, canonical: &str, route: Route) -> Flow {
    Flow {
        id: "flow".parse().unwrap(),
        title: Words::new("测试", "test"),
        canonical: canonical.to_owned(),
        senders: [].into(),
        on_invalid: OnInvalid::RefuseRecord,
        zone: "Asia/Shanghai".to_owned(),
        routes: vec![route],
        order: case.order.clone().map_or(Order::None, Order::Key),
        delivery_records_max: 1_000,
        delivery_bytes_max: 1 << 20,
        findings_per_record_max: case.findings_per_record_max,
        findings_per_body_max: 10_000,
        text: "".into(),
        digest: Digest::of(b""),
    }
}
