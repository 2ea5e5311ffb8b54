#![no_main]
use picture::Format::Svg;

libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| picture::fuzzing::picture(untrusted, Svg));
