//! The running program from outside: `portolan serve` over real mutual TLS, on a configuration that
//! changes under it.
//!
//! What takes time is waited for, at most [`world::PATIENCE`]; nothing asserts how long it took.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

mod answers;
mod bounds;
mod business_answers;
mod changes;
mod collector;
mod identity;
mod keys;
mod lifecycle;
mod limits;
mod line;
mod lineage;
mod names;
mod pauses;
mod queries;
#[allow(dead_code, reason = "not every reply is scripted here")]
#[path = "../delivery/receiver.rs"]
mod receiver;
mod reconciliations;
mod references;
mod refused;
mod reload;
mod schema;
mod search;
mod statements;
mod storage;
#[allow(dead_code, reason = "ports are the system's choice here")]
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tools.rs"]
mod tools;
mod traces;
mod world;
