#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| qrexec_ssh::wire::fuzzing::request(untrusted));
