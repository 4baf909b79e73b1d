//! Bodies through the mappings that ship.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| portolan_fuzz::mapped::shipped(input));
