#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| config::oracle::config_policy_toml(data));
