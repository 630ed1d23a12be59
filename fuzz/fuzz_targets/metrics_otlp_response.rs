#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telarch_oracles::metrics::otlp_response(data));
