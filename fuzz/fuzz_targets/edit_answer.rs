#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| qfile_proto::fuzzing::edit_answer(untrusted));
