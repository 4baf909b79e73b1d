//! The reader and the writer of `adapters/mt940`, with the plans of its cases.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portolan_fuzz::adapter::Adapter;
use std::sync::LazyLock;

static ADAPTER: LazyLock<Adapter> = LazyLock::new(|| Adapter::load(&portolan_mt940::Mt940));

fuzz_target!(|input: &[u8]| ADAPTER.check(input));
