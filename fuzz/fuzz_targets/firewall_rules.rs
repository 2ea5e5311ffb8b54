#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| firewall::fuzzing::entries(untrusted));
