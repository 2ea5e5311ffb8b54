#![no_main]
use picture::Format::Xpm;

libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| picture::fuzzing::picture(untrusted, Xpm));
