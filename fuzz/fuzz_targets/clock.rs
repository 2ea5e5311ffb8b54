#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| services::fuzzing::clock(untrusted));
