#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ipmi_proto::oracle::responder(data, std::time::Instant::now()));
