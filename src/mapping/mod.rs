//! Mappings (映射规则): files that say how a format's values and a canonical record's values are the
//! same. A file is compiled once into a [`Mapping`]; nothing here does I/O except [`library`].

mod balance;
pub mod body;
pub mod cases;
mod compile;
mod compiled;
mod containers;
pub mod differences;
pub mod documents;
pub mod draft;
pub mod file;
pub mod findings;
pub mod heading;
mod index;
mod json_place;
pub mod kinds;
pub mod library;
pub mod lineage;
pub mod numbered;
mod outside;
pub mod overview;
mod place;
pub mod profile;
mod ranges;
pub mod read;
pub mod rules;
pub mod schema;
mod tables;
pub mod totals;
pub mod trace;
pub mod write;

pub use compile::CompileProblem;
pub use compiled::{AnswerValue, Bundle, CurrencyAt, Field, Group, ListMap, Mapping};
pub use library::Library;
pub use schema::Canonical;
