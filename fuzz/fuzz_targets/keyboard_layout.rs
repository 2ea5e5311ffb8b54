#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| qubes_keymap::fuzzing::value(untrusted));
