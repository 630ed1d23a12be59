#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ipmi_proto::oracle::answers(data, std::time::Instant::now()));
