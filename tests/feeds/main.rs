//! The synthetic feeds: read by programs that are not ours, and through the gateway's mappings.

mod elsewhere;
mod mapped;
