//! Portolan 数据交换网关: the modules in the order in which data flows through them.
//!
//! `ARCHITECTURE.md` is the map; the import rules it states are held by `tests/house/main.rs`.

/// `println!` for a reader that may go away, as `head` does: what it does not hear changes nothing.
macro_rules! println {
    ($($words:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($words)*)));
    }};
}

pub mod alarms;
pub mod alike;
pub mod amounts;
pub mod answer;
pub mod app;
pub mod cells;
pub mod certs;
pub mod cli;
pub mod coding;
pub mod config;
pub mod container;
pub mod convert;
pub mod data;
pub mod delivery;
pub mod demo;
pub mod domain;
pub mod ended;
pub mod exchange;
pub mod expiry;
pub mod fault;
pub mod figures;
pub mod formats;
pub mod http;
pub mod ingress;
pub mod journal;
pub mod lineage;
pub mod lines;
pub mod live;
pub mod mapping;
pub mod mask;
pub mod metrics;
pub mod ops;
pub mod pauses;
pub mod pinned;
pub mod places;
pub mod profile;
pub mod query;
pub mod receipt;
pub mod reconcile;
pub mod references;
pub mod render;
pub mod routing;
pub mod schedule;
pub mod seams;
pub mod shadow;
pub mod spool;
pub mod statement;
pub mod traces;
pub mod translate;
pub mod workbook;
pub mod xsd;
