#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    qubes_devices::fuzzing::properties(untrusted, scratch.path());
});
