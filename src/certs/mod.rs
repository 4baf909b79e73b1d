//! How identities are made and read: PEM files, what a certificate says, and a small private
//! certificate authority for development and for a bureau that has none.
//!
//! Limits: see the constants of each module. Files: see [`authority`] for its folder; every private
//! key is PKCS#8 PEM, readable by its owner alone, and is refused otherwise.

pub mod authority;
mod certified;
pub mod cli;
pub mod files;
pub mod summary;

pub use authority::{Authority, CertsError, Issued, Names, Usage, Validity};
pub use certified::Certified;
pub use summary::Summary;
