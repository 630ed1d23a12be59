//! Compares every message that this crate writes with a file in `tests/golden`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p telarch-wsman` rewrites the files; review the differences.

mod client;
mod eventing;
mod fault;
mod server;

use std::path::Path;
use std::{env, fs};

use telarch_wsman::Uuid;

/// Compares a message with the stored one.
///
/// The files have one tag per line; the messages have no line breaks between tags.
fn golden(name: &str, message: &str) {
    assert!(!message.contains(">\n<"), "{name} has line ends between tags");
    let written = format!("{}\n", message.replace("><", ">\n<"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(&path, written).unwrap();
        return;
    }
    let stored = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display()));
    let mut lines =
        (1..).zip(stored.lines().map(Some).chain([None]).zip(written.lines().map(Some).chain([None])));
    if let Some((number, (stored, written))) = lines.find(|(_, (stored, written))| stored != written) {
        panic!("{name}, line {number}\n  stored:  {stored:?}\n  written: {written:?}");
    }
    assert_eq!(stored, written, "{name} differs in its line ends");
}

/// Identifier of the written message.
fn message_id() -> Uuid {
    Uuid::from_random([0xA1; 16])
}

/// Identifier of the request.
fn request_id() -> Uuid {
    Uuid::from_random([0xB2; 16])
}

const SHELL_ID: &str = "11111111-2222-4333-8444-555555555555";
const COMMAND_ID: &str = "66666666-7777-4888-9999-AAAAAAAAAAAA";
const ENDPOINT: &str = "http://server.example:5985/wsman";
