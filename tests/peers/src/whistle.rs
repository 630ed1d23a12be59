//! The WS-Management shell of Debian (`wsl`, "whistle"): scripts around curl and xmllint.

use std::process::Command;
use std::time::Duration;

use crate::installed::installed;
use crate::run::{Run, run};
use crate::telarchd::{PASSWORD, Telarchd, USER};

/// Runs one of its programs, such as `wslenum`, against the plain listener of a service; none, and a word on standard
/// error, where it is not installed.
///
/// # Panics
///
/// When it does not end.
#[must_use]
pub fn whistle(service: &Telarchd, program: &str, words: &[&str]) -> Option<Run> {
    let needed = [program, "xmllint", "uuidgen", "curl"];
    if let Some(missing) = needed.iter().find(|name| installed(name).is_none()) {
        skips::skip!("{missing} is missing\n  install it with: ./test --install");
        return None;
    }
    let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for its files");
    let endpoint = service.http().trim_start_matches("http://").trim_end_matches("/wsman");
    let mut command = Command::new(program);
    command.args(words).current_dir(folder.path()).env("HOME", folder.path());
    // The plug-in passes the password to another shell unchanged.
    command.env("WSENDPOINT", endpoint).env("WSUSER", USER).env("WSPASS", format!("'{PASSWORD}'"));
    command.env("WSNOSSL", "true").env("KEEPHISTORY", "0").env("OUTPREFIX", folder.path());
    Some(run(&mut command, b"", Duration::from_secs(60)))
}
