#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| services::fuzzing::chosen_path(untrusted));
