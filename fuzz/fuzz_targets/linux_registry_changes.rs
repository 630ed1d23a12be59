#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| linux::oracle::registry_changes(data));
