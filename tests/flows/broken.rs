//! Interchanges that cannot be read to their end are answered in their own format too, where they say whose they are.
//! The cases are `broken.toml`.

use crate::example::Example;
use crate::line::{Answer, Line, get};
use crate::{Expectation, Expected, cases, reader};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const FLOW: &str = "payment-confirmation";
const SENDER: &str = "foreign-bank";
const BODY: &str = "creadv/cases/posted.in.edi";
const EDIFACT: &str = "application/edifact; charset=iso-8859-1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// What stands in the body, and what is sent instead.
    #[serde(default)]
    instead: BTreeMap<String, String>,
    /// Nothing is sent from this text on.
    ends_before: Option<String>,
    /// Why it is refused.
    code: String,
    /// Records that were whole before it broke.
    #[serde(default)]
    records: u64,
    /// The segments of the CONTRL between UNH and UNT; none where JSON is answered.
    report: Option<String>,
}

#[tokio::test]
async fn a_broken_interchange_is_answered_with_contrl() {
    let example = Example::start("").await;
    let mut line = example.line(SENDER).await;
    let cases: Cases = toml::from_str(include_str!("broken.toml")).unwrap();
    let (mut failures, mut reports) = (Vec::new(), Vec::new());
    for case in &cases.case {
        match refused(&mut line, case).await {
            Ok(report) => reports.extend(report.map(|bytes| (case.name.clone(), bytes))),
            Err(message) => failures.push(format!("{}: {message}", case.name)),
        }
    }
    failures.extend(read_elsewhere(reports));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Sends a body twice, for JSON and for the sender's own format; returns what was answered in the latter.
async fn refused(line: &mut Line, case: &Case) -> Result<Option<Vec<u8>>, String> {
    let body = case.body();
    let problem = line.ask(&submission(&body, "accept: application/json\r\n")).await.map_err(|e| e.to_string())?;
    let told = problem.json();
    if (told["code"].as_str(), told["counts"]["records"].as_u64()) != (Some(case.code.as_str()), Some(case.records)) {
        return Err(format!("it is refused otherwise: {told}"));
    }
    let answer = line.ask(&submission(&body, "")).await.map_err(|e| e.to_string())?;
    if answer.status != problem.status {
        return Err(format!("its status is {}, and in JSON {}", answer.status, problem.status));
    }
    let location = answer.headers.get("location").cloned().ok_or("it has no location")?;
    let kept = line.ask(&get(&format!("{location}/answer"))).await.map_err(|e| e.to_string())?;
    let Some(report) = &case.report else {
        let is_problem = media_type(&answer) == "application/problem+json" && kept.status == 404;
        return if is_problem { Ok(None) } else { Err(format!("it is answered with {}", media_type(&answer))) };
    };
    if media_type(&answer) != EDIFACT || (kept.status, &kept.body) != (200, &answer.body) {
        return Err(format!("it is answered with {}, and later with {}", media_type(&answer), kept.status));
    }
    let text = String::from_utf8_lossy(&answer.body);
    let (_, inner) = text.split_once("UNH+1+CONTRL:D:3:UN'").ok_or("no CONTRL")?;
    match inner.split_once("UNT+") {
        Some((found, _)) if found == report => Ok(Some(answer.body.clone())),
        _ => Err(format!("it is answered with {text}")),
    }
}

fn media_type(answer: &Answer) -> &str {
    answer.headers.get("content-type").map(String::as_str).unwrap_or_default()
}

fn submission(body: &[u8], headers: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /v1/flows/{FLOW}/exchanges?mapping=creadv HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/edifact\r\n\
         content-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// What a program that is not ours reads otherwise from the answers.
fn read_elsewhere(reports: Vec<(String, Vec<u8>)>) -> Vec<String> {
    let told = [("readable", "false"), ("message.reference", "ADV0001"), ("message.sender", "BANK"), ("message.receiver", "TAX")];
    let values: reader::Flat = told.into_iter().map(|(path, value)| (path.to_owned(), value.to_owned())).collect();
    let expectations: Vec<Expectation> = reports
        .into_iter()
        .map(|(name, body)| Expectation { name, bodies: vec![body], expected: Expected::Values(values.clone()), differs: BTreeSet::new() })
        .collect();
    crate::read("contrl", &expectations).unwrap_or_else(|message| vec![message])
}

impl Case {
    fn body(&self) -> Vec<u8> {
        let mut text = std::fs::read_to_string(cases::mappings().join(BODY)).unwrap();
        for (from, to) in &self.instead {
            assert!(text.contains(from), "{}: there is no {from}", self.name);
            text = text.replacen(from, to, 1);
        }
        if let Some(end) = &self.ends_before {
            text.truncate(text.find(end).unwrap_or_else(|| panic!("{}: there is no {end}", self.name)));
        }
        text.into_bytes()
    }
}
