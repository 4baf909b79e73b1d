//! What is hashed and what is signed: the leaf of one exchange and the head of one batch.
//!
//! A leaf is canonical JSON (RFC 8785) of [`Leaf`]: text and whole numbers only. A head is a compact
//! JWS (RFC 7515) whose payload is the JSON of [`Head`]. Times are RFC 3339 in UTC with
//! milliseconds, digests lower-case hexadecimal.

use super::ChainPosition;
use super::acts::ActsEnd;
use crate::domain::{Counts, Digest, ExchangeId, FlowId, Outcome, PartnerId, Pins};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Version of the leaf's form.
pub const LEAF_VERSION: u64 = 1;
/// `type` of a head's payload.
pub const HEAD_TYPE: &str = "portolan-head";
/// Largest whole number that RFC 8785 can write exactly: 2^53 − 1.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// The evidence of one exchange, in the order of its canonical JSON. Absent members are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// The body as it was received.
    pub body: LeafBody,
    /// SHA-256 of the canonical NDJSON.
    pub canonical_sha256: Digest,
    /// SHA-256 of the client certificate (DER).
    pub certificate_sha256: Digest,
    /// The exchange that this one corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<ExchangeId>,
    /// Numbers of records.
    pub counts: LeafCounts,
    /// SHA-256 of the body after content decoding.
    pub decoded_sha256: Digest,
    /// Which life of the journal.
    pub epoch: u64,
    /// The exchange.
    pub exchange: ExchangeId,
    /// Why it was refused whole, as a fault code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Under which flow it was sent.
    pub flow: FlowId,
    /// SHA-256 of the `Idempotency-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key_sha256: Option<Digest>,
    /// The exchange's place in the epoch.
    pub index: u64,
    /// The message id that the mapping found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// 128 random bits in hexadecimal, so that a leaf cannot be guessed from its hash.
    pub nonce: String,
    /// Accepted, in part or refused.
    pub outcome: Outcome,
    /// Who sent it.
    pub partner: PartnerId,
    /// What it was read and checked with.
    pub pins: LeafPins,
    /// When its last byte had come in.
    pub received_at: String,
    /// [`LEAF_VERSION`].
    pub version: u64,
}

/// The body of a [`Leaf`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafBody {
    /// Its length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// [`Counts`] in the order of canonical JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafCounts {
    /// Records taken in, those known before included.
    pub accepted: u64,
    /// Records found in the body.
    pub records: u64,
    /// Records refused.
    pub refused: u64,
    /// Accepted records known before by their business key.
    pub repeated: u64,
    /// Findings that are warnings.
    pub warnings: u64,
}

impl From<Counts> for LeafCounts {
    fn from(counts: Counts) -> Self {
        let Counts { records, accepted, refused, warnings, repeated } = counts;
        Self { accepted, records, refused, repeated, warnings }
    }
}

impl From<LeafCounts> for Counts {
    fn from(counts: LeafCounts) -> Self {
        let LeafCounts { accepted, records, refused, repeated, warnings } = counts;
        Self { records, accepted, refused, warnings, repeated }
    }
}

/// [`Pins`] in the order of canonical JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafPins {
    /// Digest of the flow.
    pub flow: Digest,
    /// Digest of the mapping that read the body.
    pub mapping: Digest,
    /// Digest of the canonical schema.
    pub schema: Digest,
}

impl From<Pins> for LeafPins {
    fn from(pins: Pins) -> Self {
        Self { flow: pins.flow, mapping: pins.mapping, schema: pins.schema }
    }
}

impl Leaf {
    /// The place that the leaf says it has.
    pub fn position(&self) -> ChainPosition {
        ChainPosition { epoch: self.epoch, index: self.index }
    }

    /// The leaf as it is hashed.
    ///
    /// # Errors
    /// When a number is beyond [`INTEGER_MAX`].
    pub fn to_canonical(&self) -> Result<String, NotCanonical> {
        let LeafCounts { accepted, records, refused, repeated, warnings } = self.counts;
        let numbers = [self.body.bytes, accepted, records, refused, repeated, warnings, self.epoch, self.index, self.version];
        if numbers.iter().any(|n| *n > INTEGER_MAX) {
            return Err(NotCanonical);
        }
        // Members stand in order, and the escapes of serde_json are those of RFC 8785.
        serde_json::to_string(self).map_err(|_| NotCanonical)
    }
}

/// What the head of a batch says; its signature covers every leaf of the batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// [`HEAD_TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Which life of the journal.
    pub epoch: u64,
    /// Which batch of it, from 0.
    pub batch: u64,
    /// Index of its first leaf in the epoch.
    pub first_index: u64,
    /// Number of its leaves.
    pub size: u64,
    /// Root of the tree of its leaves.
    pub root: Digest,
    /// SHA-256 of the bytes of the head before it (the last one of the epoch before, for the first
    /// of an epoch); all zero for the very first.
    pub previous: Digest,
    /// When it was signed.
    pub signed_at: String,
    /// The end of the log of administrative acts at that moment, once there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acts: Option<ActsEnd>,
}

impl Head {
    /// What a compact JWS says, its signature not verified.
    pub fn of_jws(jws: &str) -> Option<Self> {
        let payload = jws.split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
}

/// A time as evidence has it: RFC 3339, UTC, milliseconds, what is finer cut off.
pub fn time_text(time: Timestamp) -> String {
    let whole = Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time);
    format!("{whole:.3}")
}

/// A value that has no form in canonical JSON as evidence uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("evidence holds only text and whole numbers up to 2^53 - 1")]
pub struct NotCanonical;
