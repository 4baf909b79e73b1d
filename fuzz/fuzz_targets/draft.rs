//! Samples, and the mappings that are drafted from them.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| portolan_fuzz::draft::check(input));
