//! The types and functions of `adapters/wit/adapter.wit`, made from its text.
#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

wasmtime::component::bindgen!({ path: "../wit", world: "adapter" });

pub use exports::portolan::adapter::format::*;
