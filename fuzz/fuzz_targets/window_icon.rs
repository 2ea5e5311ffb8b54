#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| icon_sender::fuzzing::properties(untrusted));
