#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| qubesdb_daemon::fuzzing::header(untrusted));
