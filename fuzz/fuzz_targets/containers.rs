//! Bodies in containers, through a mapping.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| portolan_fuzz::mapped::contained(input));
