//! Night duty (值班): what goes wrong at a real gateway raises the right alarm, and the written action closes it.
//!
//! Causes are made through certificates, traffic and receivers alone. What takes time is waited for; that an alarm
//! is there within ten seconds follows from the times of the configuration, which `times.rs` adds up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

mod calls;
mod drill;
mod duty;
mod judged;
#[path = "../serve/line.rs"]
#[allow(dead_code, reason = "the serving tests use the rest")]
mod line;
mod pages;
mod prometheus;
#[path = "../delivery/receiver.rs"]
#[allow(dead_code, reason = "the deliveries' tests use the rest")]
mod receiver;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;
mod times;
mod webhook;
#[path = "../serve/world.rs"]
#[allow(dead_code, reason = "the serving tests use the rest")]
mod world;
