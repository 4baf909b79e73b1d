//! Receipts (签收凭证): our signed evidence that these bytes arrived then, and its verification.
//!
//! A receipt is one JSON object: `type` [`RECEIPT_TYPE`], `version` [`RECEIPT_VERSION`], `leaf`
//! (exactly as it was hashed, see [`crate::journal::evidence`]), `inclusion` (`leaf_index`,
//! `tree_size` and `path`, RFC 6962) and `head`, the signed head of the batch as a compact JWS. It is
//! the same bytes for ever. Verifying needs the receipt, the published keys and the body, and
//! nothing of the gateway.

pub mod audit;
pub mod keys;
mod mismatch;

pub use keys::{Jwks, Keys, KeysError};
pub use mismatch::{Mismatch, VerifyError};

use crate::domain::{Digest, Hasher};
use crate::journal::Journaled;
use crate::journal::chain::{leaf_hash, root_of};
use crate::journal::evidence::{HEAD_TYPE, Head, LEAF_VERSION, Leaf};
use serde::Deserialize;
use std::io::{self, Read};

/// `type` of a receipt.
pub const RECEIPT_TYPE: &str = "portolan-receipt";
/// `version` of a receipt.
pub const RECEIPT_VERSION: u64 = 1;
/// Bytes of a receipt; a real one is a few thousand.
pub const RECEIPT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a body read at a time.
const BODY_BUFFER_BYTES: usize = 64 * 1024;

/// A receipt. It can be made of what the journal returned and of nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    text: String,
}

impl Receipt {
    /// The receipt of an exchange that is in the journal.
    pub fn new(journaled: &Journaled) -> Self {
        let path: Vec<String> = journaled.path().iter().map(|digest| format!("\"{digest}\"")).collect();
        // The leaf is canonical JSON and a JWS needs no escapes: both stand as they are.
        let text = format!(
            r#"{{"type":"{RECEIPT_TYPE}","version":{RECEIPT_VERSION},"leaf":{},"inclusion":{{"leaf_index":{},"tree_size":{},"path":[{}]}},"head":"{}"}}"#,
            journaled.leaf(),
            journaled.leaf_index(),
            journaled.tree_size(),
            path.join(","),
            journaled.head(),
        );
        Self { text }
    }

    /// The receipt as it is sent, kept and verified.
    pub fn to_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// What a receipt that holds proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The evidence of the exchange.
    pub leaf: Leaf,
    /// The signed head that covers it.
    pub head: Head,
    /// Id of the key that signed.
    pub kid: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptText {
    #[serde(rename = "type")]
    kind: String,
    version: u64,
    leaf: Leaf,
    inclusion: Inclusion,
    head: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inclusion {
    leaf_index: u64,
    tree_size: u64,
    path: Vec<Digest>,
}

/// Verifies a receipt with pinned keys, and the body that it is for where there is one.
///
/// # Errors
/// Everything that does not match, not only the first.
pub fn verify(receipt: &[u8], keys: &Jwks, body: Option<impl Read>) -> Result<Verified, VerifyError> {
    let receipt = parse(receipt).map_err(|mismatch| VerifyError { mismatches: vec![mismatch] })?;
    let mut mismatches = Vec::new();
    let signed = match keys.verify_head(&receipt.head) {
        Ok(signed) => {
            check_inclusion(&receipt, &signed.head, &mut mismatches);
            Some(signed)
        }
        Err(mismatch) => {
            mismatches.push(mismatch);
            None
        }
    };
    if let Some(body) = body {
        check_body(&receipt.leaf, body, &mut mismatches);
    }
    match signed {
        Some(signed) if mismatches.is_empty() => Ok(Verified { leaf: receipt.leaf, head: signed.head, kid: signed.kid }),
        _ => Err(VerifyError { mismatches }),
    }
}

fn parse(receipt: &[u8]) -> Result<ReceiptText, Mismatch> {
    if receipt.len() > RECEIPT_BYTES_MAX {
        return Err(Mismatch::ReceiptUnreadable(format!("> {RECEIPT_BYTES_MAX} bytes")));
    }
    let receipt: ReceiptText = serde_json::from_slice(receipt).map_err(|error| Mismatch::ReceiptUnreadable(error.to_string()))?;
    if (receipt.kind.as_str(), receipt.version, receipt.leaf.version) != (RECEIPT_TYPE, RECEIPT_VERSION, LEAF_VERSION) {
        let found = format!("{} {}, leaf {}", receipt.kind, receipt.version, receipt.leaf.version);
        return Err(Mismatch::VersionUnknown(found));
    }
    Ok(receipt)
}

/// Whether the leaf leads to the head's root, from the place where both say that it is.
fn check_inclusion(receipt: &ReceiptText, head: &Head, mismatches: &mut Vec<Mismatch>) {
    let ReceiptText { leaf, inclusion, .. } = receipt;
    let mut agree = |what: &'static str, receipt: u64, head: u64| {
        if receipt != head {
            mismatches.push(Mismatch::Place { what, receipt, head });
        }
    };
    agree("epoch", leaf.epoch, head.epoch);
    agree("index", leaf.index, head.first_index.saturating_add(inclusion.leaf_index));
    agree("tree size", inclusion.tree_size, head.size);
    if head.kind != HEAD_TYPE {
        mismatches.push(Mismatch::HeadUnreadable(format!("type {}", head.kind)));
    }
    let hash = leaf.to_canonical().ok().map(|leaf| leaf_hash(leaf.as_bytes()));
    let root = hash.and_then(|hash| root_of(hash, inclusion.leaf_index, inclusion.tree_size, &inclusion.path));
    if root != Some(head.root) {
        mismatches.push(Mismatch::Root);
    }
}

fn check_body(leaf: &Leaf, body: impl Read, mismatches: &mut Vec<Mismatch>) {
    let (found, bytes) = match hashed(body) {
        Ok(hashed) => hashed,
        Err(error) => return mismatches.push(Mismatch::BodyUnreadable(error.to_string())),
    };
    if bytes != leaf.body.bytes {
        mismatches.push(Mismatch::BodyLength { receipt: leaf.body.bytes, found: bytes });
    }
    if found != leaf.body.sha256 {
        mismatches.push(Mismatch::BodyDigest { receipt: leaf.body.sha256, found });
    }
}

/// The digest of a whole body, and its length.
fn hashed(mut body: impl Read) -> io::Result<(Digest, u64)> {
    let (mut hasher, mut bytes) = (Hasher::default(), 0);
    let mut buffer = vec![0; BODY_BUFFER_BYTES];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), bytes)),
            Ok(read) => {
                hasher.update(buffer.get(..read).unwrap_or_default());
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
