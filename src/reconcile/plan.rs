//! A declaration with its paths and conditions compiled.

use crate::config::{Leg, Reconciliation};
use crate::domain::{Digest, FlowId};
use crate::journal::matters::KEY_CHARS_MAX;
use crate::mapping::Canonical;
use crate::mapping::rules::{Expression, Runner};
use crate::mapping::schema::at_path;
use crate::schedule::BusinessDay;
use crate::translate::FlowPlan;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What stands between the parts of a key.
const BETWEEN_PARTS: &str = " / ";

/// A reconciliation, compiled.
pub struct ReconciliationPlan {
    /// The declaration.
    pub reconciliation: Arc<Reconciliation>,
    /// The digest of its text and of the schemas by which it reads records.
    pub digest: Digest,
    /// Where its first day begins.
    pub begins_at: Timestamp,
    /// Its legs, in order.
    pub legs: Vec<LegPlan>,
}

/// One leg, compiled.
pub struct LegPlan {
    leg: Leg,
    canonical: Arc<Canonical>,
    when: Option<Expression>,
    ends_when: Option<Expression>,
}

/// What a leg makes of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It takes no part, as the leg's condition says.
    None,
    /// It should, but has no key, or a condition cannot be judged of it.
    LeftOut,
    /// It is of this matter; and whether nothing more is expected.
    Of {
        /// The matter's key.
        key: String,
        /// Whether nothing more is expected after it.
        ends: bool,
    },
}

impl ReconciliationPlan {
    /// Compiles a declaration.
    ///
    /// # Errors
    /// Each problem, with a text that stands at its place in the file.
    pub fn compile(reconciliation: &Arc<Reconciliation>, flows: &BTreeMap<FlowId, Arc<FlowPlan>>) -> Result<Self, Vec<(String, String)>> {
        let (mut problems, mut legs) = (Vec::new(), Vec::new());
        let mut texts = reconciliation.text.to_string();
        for leg in &reconciliation.legs {
            // A flow that has a problem of its own is told of there.
            let Some(flow) = flows.get(&leg.flow) else { return Err(problems) };
            texts.push_str(&flow.canonical.digest.to_string());
            legs.extend(LegPlan::compile(leg, &flow.canonical, &mut problems));
        }
        let day = reconciliation.legs.first().and_then(|leg| flows.get(&leg.flow)).map(|flow| flow.flow.business_day());
        let day = day.unwrap_or_else(|| BusinessDay::new("UTC", None));
        if !problems.is_empty() {
            return Err(problems);
        }
        let (begins_at, _) = day.span(reconciliation.from);
        Ok(Self { reconciliation: Arc::clone(reconciliation), digest: Digest::of(texts.as_bytes()), begins_at, legs })
    }

    /// For each leg, how long after the one before it may come.
    pub fn within(&self) -> Vec<Option<SignedDuration>> {
        self.legs.iter().map(|leg| leg.leg.within).collect()
    }
}

impl LegPlan {
    fn compile(leg: &Leg, canonical: &Arc<Canonical>, problems: &mut Vec<(String, String)>) -> Option<Self> {
        let before = problems.len();
        for path in leg.key.iter().flatten().filter(|path| !canonical.knows(path) || canonical.is_list(path)) {
            problems.push((format!("{path:?}"), format!("`key`: {} has no {path:?}", canonical.name)));
        }
        let mut condition = |text: &Option<String>, key: &str| {
            let compiled = text.as_ref().map(|text| Expression::compile(text, canonical.decimals())).transpose();
            compiled.map_err(|message| problems.push((key.to_owned(), format!("leg {}: `{key}`: {message}", leg.name)))).ok().flatten()
        };
        let (when, ends_when) = (condition(&leg.when, "when"), condition(&leg.ends_when, "ends_when"));
        (problems.len() == before).then(|| Self { leg: leg.clone(), canonical: Arc::clone(canonical), when, ends_when })
    }

    /// The flow that it comes under.
    pub fn flow(&self) -> &FlowId {
        &self.leg.flow
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.leg.name.as_str()
    }

    /// The amount of a record with its currency, where it has both.
    pub fn amount(&self, record: &Value) -> Option<(crate::amounts::Amount, String)> {
        let noted = self.canonical.noted(record);
        Some((noted.amount?.parse().ok()?, noted.currency?.to_owned()))
    }

    /// What it makes of a record.
    pub fn part(&self, runner: &Runner, record: &Value) -> Part {
        let holds = |condition: &Option<Expression>, absent: bool| condition.as_ref().map_or(Ok(absent), |c| c.holds(runner, record));
        match holds(&self.when, true) {
            Ok(true) => {}
            Ok(false) => return Part::None,
            Err(_) => return Part::LeftOut,
        }
        match (self.key(record), holds(&self.ends_when, false)) {
            (Some(key), Ok(ends)) => Part::Of { key, ends },
            _ => Part::LeftOut,
        }
    }

    fn key(&self, record: &Value) -> Option<String> {
        let text = |paths: &Vec<String>| {
            let value = paths.iter().find_map(|path| at_path(record, path).filter(|value| !value.is_null()))?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some(text).filter(|text| !text.is_empty())
        };
        let parts = self.leg.key.iter().map(text).collect::<Option<Vec<String>>>()?;
        // One part is itself; of several none can be taken for another's end.
        let key = if parts.len() > 1 {
            parts.iter().map(|part| part.replace('/', "//")).collect::<Vec<_>>().join(BETWEEN_PARTS)
        } else {
            parts.concat()
        };
        Some(if key.chars().count() > KEY_CHARS_MAX { Digest::of(key.as_bytes()).to_string() } else { key })
    }
}
