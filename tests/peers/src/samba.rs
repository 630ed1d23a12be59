//! Samba's own reader and writer of `Registry.pol`, which its policies come from.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::run::run;

/// Registry value: key, name, type number, and data as number, text, or hexadecimal bytes.
pub type Record = (String, String, u32, Value);

/// `samba.dcerpc.preg` of python3-samba.
pub struct Samba(());

impl Samba {
    /// Samba's modules for Python, where they are installed; else none, and a word about it.
    #[must_use]
    pub fn installed() -> Option<Self> {
        let mut command = Command::new(PYTHON);
        command.args(["-c", "import samba.dcerpc.preg"]).stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().is_ok_and(|status| status.success()) {
            return Some(Self(()));
        }
        skips::skip!(
            "Samba's reader of Registry.pol is missing (./test --install, or Debian: apt-get install python3-samba)"
        );
        None
    }

    /// Has it write a file of each list of records, and read each of these files.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn registry_pol(&self, write: &[Vec<Record>], read: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<Vec<Record>>) {
        let read: Vec<String> = read.iter().map(|octets| hex(octets)).collect();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/registry_pol.py");
        let command = json!({"write": write, "read": read}).to_string();
        let ended = run(Command::new(PYTHON).arg(script), command.as_bytes(), LIMIT);
        let answer: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
        let (written, read): (Vec<String>, _) = serde_json::from_value(answer).expect("texts and records");
        (written.iter().map(|text| octets(text)).collect(), read)
    }
}

/// The modules are those of the system's Python.
const PYTHON: &str = "/usr/bin/python3";
const LIMIT: Duration = Duration::from_secs(60);

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets(hex: &str) -> Vec<u8> {
    let pair = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).map(|at| pair(at).expect("hex")).collect()
}
