#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telarch_oracles::auth::service_principal_name(data));
