#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telarch_oracles::ipmi_proto::responder(data, std::time::Instant::now()));
