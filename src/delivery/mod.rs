//! How accepted records go out.

pub mod tls;
