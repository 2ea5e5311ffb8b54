#![no_main]
use picture::Format::Bmp;

libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| picture::fuzzing::picture(untrusted, Bmp));
