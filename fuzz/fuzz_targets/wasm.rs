//! What an adapter from outside gives back, and what the host makes of it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| portolan_fuzz::outside::check(input));
