//! How a caller comes in: TLS, identity, limits, admission, and the whole body.

pub mod admit;
pub mod api;
pub mod authorities;
pub mod identity;
pub mod in_flight;
pub mod limits;
pub mod receive;
pub mod strangers;
pub mod tls;
