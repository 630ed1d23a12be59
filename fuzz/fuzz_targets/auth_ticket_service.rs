#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| auth::oracle::ticket_service(data));
