#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hansa_fuzz::wire::websocket(bytes));
