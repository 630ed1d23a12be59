#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| provider_linux::oracle::registry(data));
