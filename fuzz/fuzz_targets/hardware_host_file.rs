#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hardware::oracle::host_file(data));
