//! The reader and the writer of `adapters/edifact`, with the plans of its cases.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portolan_fuzz::adapter::Adapter;
use std::sync::LazyLock;

static ADAPTER: LazyLock<Adapter> = LazyLock::new(|| Adapter::load(&portolan_edifact::Edifact));

fuzz_target!(|input: &[u8]| ADAPTER.check(input));
