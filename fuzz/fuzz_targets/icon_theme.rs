#![no_main]
libfuzzer_sys::fuzz_target!(|untrusted: &[u8]| icon_themes::fuzzing::icon_theme(untrusted));
