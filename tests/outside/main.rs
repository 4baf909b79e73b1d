//! Adapters from outside: the examples of `adapters/wit/examples`, built by their own build command, in the sandbox, in the
//! commands and in a running gateway. They need the feature `wasm-adapters`, which `make test` turns on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

mod built;
mod commands;
mod gateway;
#[allow(dead_code, reason = "shared with tests of the whole program")]
#[path = "../serve/line.rs"]
mod line;
#[allow(dead_code, reason = "not every reply is scripted here")]
#[path = "../delivery/receiver.rs"]
mod receiver;
mod sandbox;
#[allow(dead_code, reason = "ports are the system's choice here")]
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tools.rs"]
mod tools;
#[allow(dead_code, reason = "shared with tests of the whole program")]
#[path = "../serve/world.rs"]
mod world;
