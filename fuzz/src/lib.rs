//! What the fuzz targets share: the inputs' forms, and what must hold whatever the input is.
//!
//! Most inputs begin with two bytes, the number (little end first) of the case or mapping whose plan reads the rest;
//! `fuzz/seeds` makes inputs of all cases. A breach is a panic that names the case. `tests/fuzzed.rs` includes this
//! file, and sends every input that was ever found (`fuzz/found`) through its target again.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a breach is told by a panic")]

pub mod adapter;
pub mod cel;
pub mod coding;
pub mod compile;
pub mod config;
pub mod draft;
pub mod holds;
pub mod mapped;
#[cfg(feature = "wasm-adapters")]
pub mod outside;
pub mod query;
pub mod text;

use std::path::{Path, PathBuf};

/// A folder of the project.
pub fn folder(name: &str) -> PathBuf {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.find(|folder| folder.join("mappings").is_dir()).unwrap().join(name)
}

/// The choice among `count` with which an input begins, and the rest of it.
pub fn chosen(input: &[u8], count: usize) -> Option<(usize, &[u8])> {
    let (choice, rest) = input.split_first_chunk()?;
    Some((usize::from(u16::from_le_bytes(*choice)).checked_rem(count)?, rest))
}
