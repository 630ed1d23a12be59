#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| auth::oracle::certificate_proof(data));
