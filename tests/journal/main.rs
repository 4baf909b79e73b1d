//! The journal: the suite that every store passes, and what only the embedded store can show.

mod chain;
mod crash;
mod durability;
mod receipts;
mod recording_vfs;
mod sqlite;
mod suite;
mod support;
