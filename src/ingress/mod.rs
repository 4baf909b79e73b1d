//! How a caller comes in: TLS, identity, limits.

pub mod authorities;
pub mod identity;
pub mod receive;
pub mod tls;
