//! What operators see and do: whether the gateway is well, its metrics, the read-only status page, what
//! becomes of dead letters, and the log of what was done.
//!
//! `ops` changes the journal by administrative acts alone, and it never meets `ingress` or `delivery`: what it
//! needs of them comes in through [`door::Gate`] and [`view::Lookups`], which `app` fulfils.

pub mod access;
pub mod acts;
mod alarms;
mod configuration;
pub mod dead_letters;
pub mod documents;
pub mod door;
mod exchange;
mod gauges;
pub mod guard;
pub mod health;
pub mod loopback;
pub mod page;
pub mod partners;
mod pauses;
pub mod reconciliations;
pub mod routes;
mod search;
mod statements;
pub mod status;
pub mod view;

pub use door::{Gate, OperatorDoor};
pub use guard::Guard;
pub use health::Health;
pub use loopback::Loopback;
pub use page::{Via, render_html};
pub use status::Status;
pub use view::{Lookups, OpsView};
