//! What the fuzz targets share: the inputs' forms, and what must hold whatever the input is.
//!
//! An input begins with two bytes, the number (little end first) of the case whose plan reads
//! the rest; `fuzz/seeds` makes such inputs of all cases. A breach is a panic that names the case.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a breach is told by a panic")]

pub mod adapter;
pub mod holds;
pub mod text;

use std::path::PathBuf;

/// A folder of the project.
pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// The choice among `count` with which an input begins, and the rest of it.
pub fn chosen(input: &[u8], count: usize) -> Option<(usize, &[u8])> {
    let (choice, rest) = input.split_first_chunk()?;
    Some((usize::from(u16::from_le_bytes(*choice)).checked_rem(count)?, rest))
}
