//! Which destinations a canonical record goes to.

use crate::config::Flow;
use crate::domain::DESTINATIONS_PER_FLOW_MAX;
use crate::mapping::Canonical;
use crate::mapping::rules::{Expression, Runner};
use serde_json::Value;

/// A flow's routes, compiled. The rank of a route is its bit.
pub struct Router {
    conditions: Vec<Option<Expression>>,
}

impl Router {
    /// Compiles the conditions of a flow's routes, for its canonical records.
    ///
    /// # Errors
    /// Each condition that does not compile or names what no record has: the destination, and why.
    pub fn compile(flow: &Flow, canonical: &Canonical) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut conditions = Vec::new();
        for route in flow.routes.iter().take(DESTINATIONS_PER_FLOW_MAX) {
            match route.when.as_deref().map(|text| Expression::compile(text, canonical.decimals())).transpose() {
                Ok(condition) => {
                    let paths = condition.iter().flat_map(Expression::paths).filter(|path| !canonical.knows(path));
                    problems.extend(paths.map(|path| format!("route to {}: {} has no {path:?}", route.to, canonical.name)));
                    conditions.push(condition);
                }
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
