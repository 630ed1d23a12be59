#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| consumers::oracle::mail(data));
