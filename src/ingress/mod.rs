//! How a caller comes in: TLS, identity, limits.

pub mod authorities;
pub mod identity;
pub mod tls;
