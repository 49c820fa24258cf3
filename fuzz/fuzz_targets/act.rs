#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zerkalo::fuzzing::run("act", bytes));
