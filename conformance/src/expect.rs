//! Holding an answer against what is expected of it, and against what holds for every answer.

use crate::client::{Answer, Outcome};
use crate::scenario::Expect;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};

/// What a step came to.
pub struct Played<'p> {
    /// The answer, or that there was none.
    pub outcome: &'p Outcome,
    /// How many exchanges of the caller the journal gained.
    pub journaled: usize,
    /// Puts words in the place of placeholders.
    pub fill: &'p dyn Fn(&str) -> String,
    /// The answers so far, by the names of their steps.
    pub answers: &'p HashMap<String, Answer>,
}

/// Everything that is not as expected.
pub fn complaints(expect: &Expect, played: &Played<'_>) -> Vec<String> {
    let mut wrong = match played.outcome {
        Outcome::Answer(answer) => answered(expect, answer, played),
        Outcome::Alert(alert) if expect.alert.as_ref() == Some(alert) => Vec::new(),
        Outcome::Silence(_) if expect.silence => Vec::new(),
        other => vec![format!("{} is expected, but: {other:?}", expected(expect))],
    };
    if expect.journaled.is_some_and(|expected| expected != played.journaled) {
        wrong.push(format!("{:?} exchanges should be journaled, {} are", expect.journaled.unwrap_or(0), played.journaled));
    }
    wrong
}

fn expected(expect: &Expect) -> String {
    match (&expect.alert, expect.status) {
        (Some(alert), _) => format!("the alert {alert}"),
        (None, Some(status)) => format!("status {status}"),
        (None, None) => "silence".to_owned(),
    }
}

fn answered(expect: &Expect, answer: &Answer, played: &Played<'_>) -> Vec<String> {
    if expect.alert.is_some() || expect.silence {
        return vec![format!("{} is expected, but there is an answer: {}", expected(expect), shown(answer))];
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let mut wrong = Vec::new();
    if expect.status.is_some_and(|status| status != answer.status) {
        wrong.push(format!("status {} is expected, but: {}", expect.status.unwrap_or(0), shown(answer)));
    }
    let code = expect.code.iter().map(|code| ("/code", Value::from(code.as_str())));
    let party = expect.party.iter().map(|party| ("/party", Value::from(party.as_str())));
    let retryable = expect.retryable.iter().map(|&retryable| ("/retryable", Value::from(retryable)));
    for (pointer, value) in code.chain(party).chain(retryable) {
        wrong.extend(member(&body, pointer, &value));
    }
    for (pointer, value) in &expect.json {
        wrong.extend(member(&body, pointer, &json(value, played.fill)));
    }
    let there = expect.absent.iter().filter(|pointer| body.pointer(pointer).is_some());
    wrong.extend(there.map(|pointer| format!("there should be nothing at {pointer}")));
    wrong.extend(headers(expect, answer, played));
    wrong.extend(findings(expect, &body, played));
    let text = String::from_utf8_lossy(&answer.body);
    let missing = expect.contains.iter().map(|part| (played.fill)(part)).filter(|part| !text.contains(part.as_str()));
    wrong.extend(missing.map(|part| format!("the body does not contain {part:?}: {}", shown(answer))));
    wrong.extend(receipt(expect, answer, played));
    wrong.extend(always(answer, &body));
    wrong
}

fn member(body: &Value, pointer: &str, expected: &Value) -> Option<String> {
    let found = body.pointer(pointer);
    (found != Some(expected)).then(|| format!("{pointer} should be {expected}, is {}", found.unwrap_or(&Value::Null)))
}

fn headers(expect: &Expect, answer: &Answer, played: &Played<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, value) in &expect.headers {
        let (value, found) = ((played.fill)(value), answer.header(name));
        let part = value.strip_prefix('*').map(|v| v.strip_suffix('*').unwrap_or(v));
        let fits = found.is_some_and(|found| part.map_or(found == value, |part| found.contains(part)));
        if !fits {
            wrong.push(format!("header {name} should be {value:?}, is {found:?}"));
        }
    }
    wrong
}

fn findings(expect: &Expect, body: &Value, played: &Played<'_>) -> Vec<String> {
    let Some(expected) = &expect.findings else { return Vec::new() };
    let found = body.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if expected.len() != found.len() {
        return vec![format!("{} findings are expected, these are there: {}", expected.len(), Value::from(found))];
    }
    let mut wrong = Vec::new();
    for (number, (expected, found)) in expected.iter().zip(found).enumerate() {
        for (name, value) in expected {
            let misfit = member(found, &format!("/{name}"), &json(value, played.fill));
            wrong.extend(misfit.map(|words| format!("finding {}: {words}", number + 1)));
        }
    }
    wrong
}

/// The receipt of this answer, or the answer where it is nothing but one, byte for byte as before.
fn receipt(expect: &Expect, answer: &Answer, played: &Played<'_>) -> Option<String> {
    let step = expect.receipt_of.as_ref()?;
    let Some(first) = played.answers.get(step).and_then(receipt_in) else {
        return Some(format!("step {step} was given no receipt"));
    };
    let second = receipt_in(answer).unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned());
    (first != second).then(|| format!("the receipt should be\n  {first}\nis\n  {second}"))
}

fn receipt_in(answer: &Answer) -> Option<String> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(&answer.body).ok()?;
    members.get("receipt").map(|raw| raw.get().to_owned())
}

/// What holds for every answer: a refusal is problem+json that says who and what in two languages
/// and when to come again, and everybody who is somebody learns what is left of the limits.
fn always(answer: &Answer, body: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, words: &str| {
        if !holds {
            wrong.push(format!("{words}: {}", shown(answer)));
        }
    };
    let code = body.get("code").and_then(Value::as_str).unwrap_or_default();
    let limits = ["ratelimit", "ratelimit-policy"].iter().all(|name| answer.header(name).is_some());
    must(limits || code.starts_with("identity."), "every answer has RateLimit fields");
    if answer.status < 400 {
        return wrong;
    }
    must(answer.header("content-type") == Some("application/problem+json"), "a refusal is application/problem+json");
    must(body.get("status").and_then(Value::as_u64) == Some(u64::from(answer.status)), "a problem repeats the status");
    let address = format!("/v1/errors/{code}");
    must(!code.is_empty() && body.get("type").and_then(Value::as_str) == Some(&address), "a problem's type is its code's page");
    let says = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    must(says("/title") && says("/words/zh") && says("/words/en"), "a problem says what it is in Chinese and in English");
    must(matches!(body.get("party").and_then(Value::as_str), Some("sender" | "gateway" | "receiver")), "a problem says whose fault it is");
    must(body.get("retryable").is_some_and(Value::is_boolean), "a problem says whether to try again");
    let seconds = answer.header("retry-after").and_then(|value| value.parse::<u64>().ok());
    must(!matches!(answer.status, 429 | 503) || seconds.is_some_and(|s| s > 0), "429 and 503 say when to come again");
    wrong
}

fn json(value: &toml::Value, fill: &dyn Fn(&str) -> String) -> Value {
    match value {
        toml::Value::String(text) => Value::from(fill(text)),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(truth) => Value::from(*truth),
        toml::Value::Datetime(time) => Value::from(time.to_string()),
        toml::Value::Array(items) => items.iter().map(|item| json(item, fill)).collect(),
        toml::Value::Table(members) => members.iter().map(|(name, item)| (name.clone(), json(item, fill))).collect(),
    }
}

/// An answer in a line, for a complaint.
fn shown(answer: &Answer) -> String {
    let body: String = String::from_utf8_lossy(&answer.body).chars().take(600).collect();
    format!("{} {body}", answer.status)
}
