#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| qrexec::command::fuzzing::command(untrusted));
