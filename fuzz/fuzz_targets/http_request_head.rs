#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| http::oracle::request_head(data));
