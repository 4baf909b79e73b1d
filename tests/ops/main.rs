//! What operators see, over real sockets: the door with its certificates, the page, the one-time link.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod access;
mod acts;
#[path = "../support/cases.rs"]
mod cases;
mod command;
mod dead_letters;
mod desk;
mod door;
mod exchanges;
mod loopback;
mod page;
mod partners;
#[path = "../journal/support.rs"]
#[allow(dead_code, reason = "the journal's tests use more of it")]
mod samples;
mod world;
