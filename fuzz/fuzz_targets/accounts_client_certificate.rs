#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| accounts::oracle::client_certificate(data));
