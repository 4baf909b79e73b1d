//! Expressions of rules, computed values and routes.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| portolan_fuzz::cel::check(input));
