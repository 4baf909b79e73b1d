//! The demonstration (`portolan demo`): a whole exchange on one machine, with every party real.
//!
//! [`world`] makes the folder, [`feeds`] what partners send, [`party`] sends it, [`receiver`] plays
//! the tax bureau, [`play`] runs it all and [`stories`] tells what matters.

pub mod feeds;
pub mod party;
pub mod play;
pub mod receiver;
pub mod stories;
pub mod world;
