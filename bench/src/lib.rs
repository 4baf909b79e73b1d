//! The benchmarks: `make bench` runs them all, `make bench BENCH="search --exchanges 1000000"` one row in its own way.
//!
//! A row of what is measured is a module with its options and one function that returns [`table::Table`]s; `main.rs` lists the
//! rows. What rows share lies beside them: a [`past`] that a journal is filled with by [`fill`], the [`gateway`] as a process of
//! its own, the [`peers`] that a team would use instead, and [`times`]. Every figure comes with its answer compared: a fast wrong answer is a failure.

pub mod cold;
pub mod exchanges;
pub mod fill;
pub mod gateway;
pub mod journal;
pub mod past;
pub mod peers;
pub mod progress;
pub mod questions;
pub mod search;
pub mod table;
pub mod times;
