#![no_main]
use picture::Format::Gif;

libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| picture::fuzzing::picture(untrusted, Gif));
