//! `[traces]` of `portolan.toml` as it is written.

use super::{At, RawIdentity, count};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::PathBuf;

/// Where traces are sent, and how many.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawTraces {
    /// Address to which spans are posted: `https://HOST[:PORT]/PATH`, usually with port 4318 and path `/v1/traces`; or
    /// `http://` to this machine itself.
    #[schemars(extend("x-required" = true))]
    pub endpoint: Option<At<String>>,
    /// PEM files of the authorities that the collector's certificate must chain to; at least one with `https://`.
    pub authorities: Vec<At<PathBuf>>,
    /// Client identity to present to the collector; none unless given.
    pub identity: Option<At<RawIdentity>>,
    /// The name of this gateway in the traces (`service.name`).
    pub service_name: At<String>,
    /// Share of the traces that begin here which is recorded, from 0.0 to 1.0. Where a request comes with a `traceparent`,
    /// its caller has decided.
    pub sampled_share: At<f64>,
    /// Spans that wait to be sent, at most 1000000; what has no room is dropped and counted.
    pub queue_spans_max: At<NonZeroU32>,
    /// Spans sent at once; at most `queue_spans_max`.
    pub batch_spans_max: At<NonZeroU32>,
    /// Longest time that a span waits for others to be sent with.
    pub batch_wait_ms: NonZeroU32,
    /// Time for the collector to take a batch.
    pub timeout_ms: NonZeroU32,
}

impl Default for RawTraces {
    fn default() -> Self {
        Self {
            endpoint: None,
            authorities: Vec::new(),
            identity: None,
            service_name: At::default_value("portolan".to_owned()),
            sampled_share: At::default_value(1.0),
            queue_spans_max: At::default_value(count(8_192)),
            batch_spans_max: At::default_value(count(512)),
            batch_wait_ms: count(1_000),
            timeout_ms: count(10_000),
        }
    }
}
