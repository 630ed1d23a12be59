#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| config::oracle::config_registry_pol(data));
