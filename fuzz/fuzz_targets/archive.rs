#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| tar2qfile::fuzzing::archive(untrusted));
