#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telarch_oracles::kerberos::message_token(data));
