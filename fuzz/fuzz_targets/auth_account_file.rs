#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telarch_oracles::auth::account_file(data));
