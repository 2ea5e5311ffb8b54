#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| meminfo_writer::fuzzing::answers(untrusted));
