#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| raw_device::fuzzing::stream_end(untrusted));
