//! Alarms (告警): what operators are told of without having looked.
//!
//! Everything is judged from data: the journal's totals and history, the metrics of the last minutes, the
//! configuration, certificates, disk and clock. [`watch`] gathers it as [`Evidence`] every few seconds,
//! [`conditions`] finds what is wrong in it, [`engine`] decides what is raised and closed, with hold times both
//! ways so that nothing flaps, and the journal keeps it, so that a restart forgets nothing. [`webhook`] tells
//! those who are configured; `ops` shows it and takes acknowledgements.
//!
//! Each kind has a stable id and a page of what to do in `pages/ID.md`, which `portolan explain` prints.

pub mod conditions;
mod declared;
mod drift;
pub mod engine;
mod kinds;
mod notice;
pub mod watch;
pub mod webhook;

pub use conditions::{Condition, Evidence};
pub use declared::is_declared_empty;
pub use kinds::Kind;
pub use notice::alarm_entry;
pub use watch::AlarmWatch;
