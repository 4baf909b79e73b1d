//! Containers: archives, forms, envelopes, and what is within.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portolan_fuzz::gateway::Mappings;
use std::sync::LazyLock;

static MAPPINGS: LazyLock<Mappings> = LazyLock::new(Mappings::contained);

fuzz_target!(|input: &[u8]| MAPPINGS.check(input));
