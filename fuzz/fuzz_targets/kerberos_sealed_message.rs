#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kerberos::oracle::sealed_message(data));
