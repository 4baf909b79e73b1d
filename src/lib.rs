//! Portolan 数据交换网关: the modules in the order in which data flows through them.
//!
//! `ARCHITECTURE.md` is the map; the import rules it states are held by `tests/house.rs`.

pub mod certs;
pub mod config;
pub mod delivery;
pub mod domain;
pub mod fault;
pub mod ingress;
pub mod journal;
pub mod receipt;
pub mod seams;
