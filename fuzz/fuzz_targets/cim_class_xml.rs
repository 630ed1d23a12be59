#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cim::oracle::class_xml(data));
