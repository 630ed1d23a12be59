#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| http::oracle::header_value(data));
