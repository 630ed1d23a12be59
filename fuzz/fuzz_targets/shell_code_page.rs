#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| plugin_shell::oracle::code_page(data));
