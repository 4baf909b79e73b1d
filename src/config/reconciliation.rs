//! Reconciliations as a checked configuration has them.

use crate::domain::{FlowId, Name};
use jiff::SignedDuration;
use jiff::civil::Date;
use portolan_contract::Words;
use std::sync::Arc;

/// A reconciliation (`reconciliations/NAME.toml`).
#[derive(Clone, Debug)]
pub struct Reconciliation {
    /// Its name: the file's.
    pub name: Name,
    /// Its title in both languages.
    pub title: Words,
    /// The first day.
    pub from: Date,
    /// What should come, in order.
    pub legs: Vec<Leg>,
    /// The file's text.
    pub text: Arc<str>,
}

/// One leg.
#[derive(Clone, Debug)]
pub struct Leg {
    /// Its name.
    pub name: Name,
    /// The flow that it comes under.
    pub flow: FlowId,
    /// Paths of its key; of each part the first that has a value.
    pub key: Vec<Vec<String>>,
    /// Which records take part.
    pub when: Option<String>,
    /// After which records nothing more is expected.
    pub ends_when: Option<String>,
    /// How long after the leg before it may come.
    pub within: Option<SignedDuration>,
}
