//! How a caller comes in: TLS, identity, limits.

pub mod authorities;
pub mod identity;
pub mod limits;
pub mod strangers;
pub mod tls;
