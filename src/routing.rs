//! Which destinations a canonical record goes to.

use crate::config::Flow;
use crate::domain::DESTINATIONS_PER_FLOW_MAX;
use crate::mapping::rules::{Expression, Runner};
use serde_json::Value;
use std::collections::BTreeSet;

/// A flow's routes, compiled. The rank of a route is its bit.
pub struct Router {
    conditions: Vec<Option<Expression>>,
}

impl Router {
    /// Compiles the conditions of a flow's routes.
    ///
    /// # Errors
    /// Each condition that does not compile: the destination, and why.
    pub fn compile(flow: &Flow, decimals: &BTreeSet<String>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut conditions = Vec::new();
        for route in flow.routes.iter().take(DESTINATIONS_PER_FLOW_MAX) {
            match route.when.as_deref().map(|text| Expression::compile(text, decimals)).transpose() {
                Ok(condition) => conditions.push(condition),
                Err(message) => problems.push(format!("route to {}: {message}", route.to)),
            }
        }
        if problems.is_empty() { Ok(Self { conditions }) } else { Err(problems) }
    }

    /// One bit for each destination of a record.
    ///
    /// # Errors
    /// A condition that cannot be judged for this record.
    pub fn destinations(&self, runner: &Runner, record: &Value) -> Result<u64, String> {
        let mut bits = 0;
        for (bit, condition) in self.conditions.iter().enumerate() {
            let goes = condition.as_ref().map_or(Ok(true), |c| c.holds(runner, record))?;
            bits |= u64::from(goes) << bit;
        }
        Ok(bits)
    }
}
