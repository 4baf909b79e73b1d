//! Portolan 数据交换网关: the modules in the order in which data flows through them.
//!
//! `ARCHITECTURE.md` is the map; the import rules it states are held by `tests/house.rs`.

pub mod config;
pub mod demo;
pub mod domain;
pub mod fault;
pub mod journal;
pub mod seams;
