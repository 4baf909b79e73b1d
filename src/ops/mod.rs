//! What operators see and do: whether the gateway is well, its metrics, the read-only status page, and
//! what becomes of dead letters.
//!
//! `ops` changes nothing in the journal but dead letters and notes of operators, and it never meets `ingress` or `delivery`: what it
//! needs of them comes in through [`door::Gate`] and [`view::Lookups`], which `app` fulfils.

pub mod alarms;
pub mod dead_letters;
pub mod door;
mod gauges;
pub mod health;
pub mod loopback;

pub mod page;
pub mod status;
pub mod view;

pub use door::{Gate, OperatorDoor};
pub use health::Health;
pub use loopback::Loopback;

pub use page::{Via, render_html};
pub use status::Status;
pub use view::{Lookups, OpsView};
