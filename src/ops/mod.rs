//! What operators see: whether the gateway is well, its metrics, and the read-only status page.
//!
//! `ops` reads the journal and never changes it, and it never meets `ingress` or `delivery`: what it
//! needs of them comes in through [`door::Gate`] and [`view::Lookups`], which `app` fulfils.

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
