#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wmi::oracle::query(data));
