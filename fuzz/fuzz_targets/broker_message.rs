#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| broker::oracle::broker_message(data));
