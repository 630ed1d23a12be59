#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ipmi::oracle::cached_records(data));
