#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    qfile_unpacker::fuzzing::stream(scratch.path(), untrusted);
});
