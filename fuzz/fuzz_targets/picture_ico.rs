#![no_main]
use picture::Format::Ico;

libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| picture::fuzzing::picture(untrusted, Ico));
