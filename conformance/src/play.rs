//! Playing a scenario: its steps one after the other, then the question whether all is well.

use crate::BoxError;
use crate::client::{Answer, Call, Dial, Line, Outcome, send_on};
use crate::expect::{Played, complaints};
use crate::gateway::Gateway;
use crate::scenario::{Protocol, Scenario, Step, Values};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

/// How often the spool folder is looked at until it is empty.
const SPOOL_LOOKS_MAX: u32 = 100;
/// Time between two looks.
const SPOOL_LOOK: Duration = Duration::from_millis(50);

/// Plays a scenario; what was wrong comes back. Afterwards the gateway must be up, hold nothing half
/// received and take a healthy body.
pub async fn play(gateway: &mut Gateway, folder: &Path, scenario: &Scenario, protocol: Protocol) -> Vec<String> {
    let mut stage = Stage { gateway, folder, protocol, run: run(scenario, protocol), answers: HashMap::new(), held: HashMap::new() };
    let mut wrong = Vec::new();
    for (number, step) in scenario.step.iter().enumerate() {
        let said = stage.step(step).await.unwrap_or_else(|error| vec![format!("it cannot be played: {error}")]);
        let which = if step.name.is_empty() { (number + 1).to_string() } else { step.name.clone() };
        wrong.extend(said.into_iter().map(|words| format!("step {which}: {words}")));
    }
    stage.held.clear();
    wrong.extend(stage.afterwards().await);
    wrong
}

struct Stage<'g> {
    gateway: &'g mut Gateway,
    folder: &'g Path,
    protocol: Protocol,
    run: String,
    answers: HashMap<String, Answer>,
    held: HashMap<String, Line>,
}

impl Stage<'_> {
    async fn step(&mut self, step: &Step) -> Result<Vec<String>, BoxError> {
        if !step.change.is_empty() {
            self.gateway.change(&step.change).await?;
        }
        let before = self.exchanges(step).await?;
        let mut outcome = self.perform(step).await?;
        for _ in 1..step.attempts_max {
            if matches!(&outcome, Outcome::Answer(answer) if Some(answer.status) == step.expect.status) {
                break;
            }
            outcome = self.perform(step).await?;
        }
        let after = self.exchanges(step).await?;
        if let Outcome::Answer(answer) = &outcome {
            self.answers.insert(step.name.clone(), answer.clone());
        }
        let played = Played {
            outcome: &outcome,
            journaled: after.difference(&before).count(),
            fill: &|text| self.fill(text),
            answers: &self.answers,
        };
        Ok(complaints(&step.expect, &played))
    }

    async fn perform(&mut self, step: &Step) -> Result<Outcome, BoxError> {
        let dial = Dial { address: self.gateway.address, identities: &self.gateway.identities, identity: &step.identity, tls: step.tls };
        if step.expect.alert.is_some() {
            return dial.listen().await;
        }
        let body = step.body.bytes(self.folder, |text| self.fill(text))?;
        if !step.resume.is_empty() {
            let line = self.held.remove(&step.resume).ok_or_else(|| format!("no line of step {:?} is held", step.resume))?;
            return Ok(send_on(line, &body, step.then).await.0);
        }
        if step.raw_head.is_empty() {
            let headers = self.headers(step, &body);
            let (method, path) = (step.method.clone(), self.fill(&step.path));
            return dial
                .call(Call { protocol: self.protocol, method, path, headers, body: Bytes::from(body), chunked: step.chunked })
                .await;
        }
        let head: String = step.raw_head.iter().map(|line| self.fill(line) + "\r\n").collect();
        let (outcome, held) = dial.send(&[head.as_bytes(), b"\r\n", &body].concat(), step.then).await?;
        self.held.extend(held.map(|line| (step.name.clone(), line)));
        Ok(outcome)
    }

    fn headers(&self, step: &Step, body: &[u8]) -> Vec<(String, String)> {
        let sha256 = STANDARD.encode(digest(&SHA256, body));
        let values = step.headers.iter().flat_map(|(name, values)| match values {
            Values::One(value) => vec![(name, value.clone())],
            Values::Long { text, times } => vec![(name, text.repeat(*times))],
            Values::Many(values) => values.iter().map(|value| (name, value.clone())).collect(),
        });
        values.map(|(name, value)| (name.clone(), self.fill(&value).replace("{sha256}", &sha256))).collect()
    }

    /// Puts words in the place of the placeholders.
    fn fill(&self, text: &str) -> String {
        let mut text = text.replace("{run}", &self.run);
        for (name, answer) in &self.answers {
            let exchange = serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
            let exchange = exchange.as_ref().and_then(|body| body.get("exchange")?.as_str());
            text = text.replace(&format!("{{{name}.exchange}}"), exchange.unwrap_or("no-exchange"));
        }
        text
    }

    /// The caller's latest exchanges, where a step asks how many it adds.
    async fn exchanges(&self, step: &Step) -> Result<BTreeSet<String>, BoxError> {
        if step.expect.journaled.is_none() {
            return Ok(BTreeSet::new());
        }
        let dial = Dial { address: self.gateway.address, identities: &self.gateway.identities, identity: &step.identity, tls: None };
        let answer = match dial.call(self.plain("GET", "/v1/exchanges", Vec::new())).await? {
            Outcome::Answer(answer) if answer.status == 200 => answer,
            other => return Err(format!("the caller's exchanges cannot be listed: {other:?}").into()),
        };
        let list: serde_json::Value = serde_json::from_slice(&answer.body)?;
        let rows = list.get("exchanges").and_then(|rows| rows.as_array()).ok_or("the list of exchanges has no member `exchanges`")?;
        Ok(rows.iter().filter_map(|row| row.get("exchange")?.as_str()).map(str::to_owned).collect())
    }

    fn plain(&self, method: &str, path: &str, body: Vec<u8>) -> Call {
        let (method, path) = (method.to_owned(), path.to_owned());
        Call { protocol: self.protocol, method, path, headers: Vec::new(), body: body.into(), chunked: false }
    }

    async fn afterwards(&mut self) -> Vec<String> {
        if let Some(words) = self.gateway.ended() {
            return vec![words];
        }
        let left = self.left_in_spool().await.unwrap_or_else(|error| Some(error.to_string()));
        let unwell = self.unwell().await.unwrap_or_else(|error| Some(error.to_string()));
        let left = left.map(|words| format!("afterwards something is half kept: {words}"));
        left.into_iter().chain(unwell.map(|words| format!("afterwards a healthy body is not taken in: {words}"))).collect()
    }

    /// What lies in the spool folder although nothing is under way.
    async fn left_in_spool(&self) -> Result<Option<String>, BoxError> {
        let mut files = Vec::new();
        for _ in 0..SPOOL_LOOKS_MAX {
            files = std::fs::read_dir(self.gateway.spool())?.filter_map(Result::ok).map(|entry| entry.path()).collect();
            if files.is_empty() {
                return Ok(None);
            }
            tokio::time::sleep(SPOOL_LOOK).await;
        }
        Ok(Some(format!("{files:?}")))
    }

    /// What is wrong with the answer to a healthy body.
    async fn unwell(&self) -> Result<Option<String>, BoxError> {
        let body = std::fs::read_to_string(self.folder.join("bodies").join("camt054.xml"))?;
        let body = body.replace("{run}", &format!("{}-after", self.run)).into_bytes();
        let dial = Dial { address: self.gateway.address, identities: &self.gateway.identities, identity: "bank", tls: None };
        Ok(match dial.call(self.plain("POST", "/v1/flows/payment-confirmation/exchanges", body)).await? {
            Outcome::Answer(answer) if answer.status == 202 => None,
            Outcome::Answer(answer) => Some(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))),
            other => Some(format!("{other:?}")),
        })
    }
}

/// A word of letters, digits and hyphens that no other play has.
fn run(scenario: &Scenario, protocol: Protocol) -> String {
    let sum = digest(&SHA256, format!("{} {protocol}", scenario.name).as_bytes());
    sum.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
