#![no_main]
use picture::Format::Jpeg;

libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| picture::fuzzing::picture(untrusted, Jpeg));
