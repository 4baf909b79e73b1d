//! What operators see and do: the console, whether the gateway is well, its metrics, what becomes of dead letters, and
//! the log of what was done.
//!
//! `ops` changes the journal by administrative acts alone, and it never meets `ingress` or `delivery`: what it
//! needs of them comes in through [`door::Gate`] and [`view::Lookups`], which `app` fulfils.

pub mod access;
pub mod acts;
mod alarms;
pub mod candidates;
pub mod chain;
mod configuration;
pub mod console;
pub mod dead_letters;
pub mod documents;
pub mod door;
mod exchange;
mod gauges;
pub mod guard;
pub mod health;
pub mod kept;
pub mod loopback;
pub mod partners;
mod pauses;
pub mod reconciliations;
pub mod routes;
mod search;
pub mod standing;
mod statements;
pub mod status;
pub mod view;

pub use console::live::Watchers;
pub use door::{Gate, OperatorDoor};
pub use guard::Guard;
pub use health::Health;
pub use loopback::Loopback;
pub use status::Status;
pub use view::{Lookups, OpsView};
