//! `reconciliations/NAME.toml` as it is written.

use super::{At, RawWords};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// A reconciliation (核对): records of several flows that should meet by a key, in their amounts and in time. The file's
/// name is its name. What has no counterpart, comes late or has another amount is listed, counted and alarmed.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawReconciliation {
    /// What people call it.
    #[schemars(extend("x-required" = true))]
    pub title: Option<At<RawWords>>,
    /// The first day, as `2026-07-01` in the first leg's zone: what was received before is left out. A file that is changed
    /// begins anew from here.
    #[schemars(extend("x-required" = true))]
    pub from: Option<At<String>>,
    /// What should come, in this order: a request first, then what should follow from it. From two to eight.
    #[schemars(extend("x-required" = true))]
    pub leg: Vec<At<RawLeg>>,
}

/// One leg. Its amount is the one that the canonical schema marks for daily statements; where both legs have one, the amounts
/// must be equal, and so must their currencies.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawLeg {
    /// Its name, such as `request`.
    #[schemars(extend("x-required" = true))]
    pub name: Option<At<String>>,
    /// The flow that it comes under.
    #[schemars(extend("x-required" = true))]
    pub flow: Option<At<String>>,
    /// Paths of the canonical record whose values make the key; all legs have as many. Of a list of paths within it the first
    /// that has a value counts.
    #[schemars(extend("x-required" = true))]
    pub key: Vec<RawKeyPart>,
    /// A CEL condition over `record`: only records for which it holds take part; absent, all do.
    pub when: Option<At<String>>,
    /// A CEL condition over `record`: where it holds nothing more is expected, as after a refusal.
    pub ends_when: Option<At<String>>,
    /// Minutes after the leg before it within which it is to come; for every leg but the first.
    pub within_minutes: Option<At<NonZeroU32>>,
}

/// One path of a key, or several of which the first with a value counts.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RawKeyPart {
    /// One path.
    Path(String),
    /// Alternatives.
    FirstOf(Vec<String>),
}
