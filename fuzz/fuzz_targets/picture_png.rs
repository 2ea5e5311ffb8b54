#![no_main]
use picture::Format::Png;

libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| picture::fuzzing::picture(untrusted, Png));
