//! The demonstration (`portolan demo`): what plays the other parties.
//!
//! [`feeds`] makes what partners send; [`receiver`] plays the tax bureau.

pub mod feeds;
pub mod receiver;
