#![no_main]
use picture::Format::WebP;

libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| picture::fuzzing::picture(untrusted, WebP));
