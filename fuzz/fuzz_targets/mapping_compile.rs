//! The compiler of mappings and of canonical schemas.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| portolan_fuzz::compile::check(input));
