#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| telarch_oracles::psrp::out_of_proc(data));
