#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kerberos::oracle::service_principal_name(data));
