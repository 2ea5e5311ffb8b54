#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| desktop_entries::fuzzing::desktop_entry(untrusted));
