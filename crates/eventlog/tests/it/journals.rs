//! Journals for tests.

use std::io::Write as _;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

/// Appends entries to a journal file, or creates it. Returns whether `systemd-journal-remote` exists.
pub(crate) fn remote(path: &Path, text: &[u8], options: &[&str]) -> bool {
    let path_variable = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path_variable).chain(["/lib/systemd".into()]);
    let mut programs = folders.map(|folder| folder.join("systemd-journal-remote"));
    let Some(program) = programs.find(|program| program.exists()) else { return false };
    let mut child = Command::new(program)
        .args(options)
        .arg("-o")
        .arg(path)
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    assert!(child.wait().unwrap().success());
    true
}

/// Returns entries in the export format: with repeated, binary, long and multi-line fields.
pub(crate) fn export_text(numbers: Range<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    for number in numbers {
        let transport = ["journal", "syslog", "kernel", "stdout"][usize::try_from(number % 4).unwrap()];
        let text = format!(
            "__CURSOR=s=0;i={number:x}\n__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n\
             _BOOT_ID=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nPRIORITY={}\nSYSLOG_FACILITY={}\n\
             SYSLOG_IDENTIFIER=program{}\n_TRANSPORT={transport}\n_PID={number}\n_UID=0\n_HOSTNAME=web1\n\
             MESSAGE=message {number} <&> ä\n",
            1_700_000_000_000_000 + number * 1_000,
            number * 1_000,
            number % 8,
            number % 12,
            number % 5
        );
        out.extend_from_slice(text.as_bytes());
        if number % 10 == 0 {
            out.extend_from_slice(b"TAG=one\nTAG=two\n");
        }
        if number % 7 == 0 {
            binary(&mut out, "BINARY", &[0, 1, 2, 10, 255]);
        }
        if number % 13 == 0 {
            binary(&mut out, "LONG", format!("first\nsecond {}", "x".repeat(3_000)).as_bytes());
        }
        out.push(b'\n');
    }
    out
}

fn binary(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(&u64::try_from(value.len()).unwrap().to_le_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}
