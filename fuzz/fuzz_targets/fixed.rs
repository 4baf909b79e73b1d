//! The reader and the writer of `adapters/fixed`, with the plans of its cases.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| portolan_fuzz::adapter::fixed(input));
