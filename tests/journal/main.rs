//! The journal: the suite that every store passes, and what only the embedded store can show.

// A test that cannot go on fails; clippy knows test functions by their attribute, and not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod books;
#[path = "../support/cases.rs"]
mod cases;
mod chain;
mod crash;
mod durability;
mod duty;
mod receipts;
mod recording_vfs;
mod sqlite;
mod suite;
mod support;
