//! `glpi-agent`, of which no distribution has a package: GLPI's project builds them (GLPI Agent).

use std::fs;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::installed::installed;
use crate::python::served_pem;
use crate::run::{Run, run};
use crate::telarchd::{PASSWORD, Telarchd, USER};

/// GLPI's agent with nothing it remembers, asking a service of these tests for the inventory of its machine.
pub struct GlpiAgent {
    remote: String,
    files: TempDir,
}

impl GlpiAgent {
    /// One that signs in to a service with Basic over HTTPS, whose certificate it trusts; none, and a word on standard
    /// error, where it is not installed.
    ///
    /// # Panics
    ///
    /// When its files cannot be made.
    #[must_use]
    pub fn against(service: &Telarchd) -> Option<Self> {
        if installed("glpi-agent").is_none() {
            skips::skip!(
                "glpi-agent is missing\n  take it from the releases of glpi-project/glpi-agent and put it \
                 into PATH"
            );
            return None;
        }
        let files =
            tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for its files");
        fs::write(files.path().join("served.pem"), served_pem(service.https())).expect("a fresh file");
        fs::write(files.path().join("agent.cfg"), "").expect("a fresh file");
        for folder in ["state", "inventory"] {
            fs::create_dir(files.path().join(folder)).expect("a fresh folder");
        }
        let place = service.https().trim_start_matches("https://").trim_end_matches("/wsman");
        Some(Self { remote: format!("winrm://{place}/?mode=ssl"), files })
    }

    /// One run without these categories, separated by commas; what it tells is on standard error.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    #[must_use]
    pub fn run(&self, left_out: &str) -> Run {
        let file = |name| self.files.path().join(name).display().to_string();
        let mut command = Command::new("glpi-agent");
        // The agent interprets this variable as its own client certificate.
        command.env("USERNAME", USER).env("PASSWORD", PASSWORD).env_remove("SSL_CERT_FILE");
        command.args(["--debug", "--logger=stderr", "--tasks=remoteinventory"]);
        command.arg(format!("--conf-file={}", file("agent.cfg"))).arg(format!("--vardir={}", file("state")));
        command.arg(format!("--ca-cert-file={}", file("served.pem")));
        command.arg(format!("--local={}", file("inventory"))).arg(format!("--remote={}", self.remote));
        command.arg(format!("--no-category={left_out}"));
        run(&mut command, b"", Duration::from_secs(300))
    }

    /// The name and the XML of each inventory that it has written.
    ///
    /// # Panics
    ///
    /// When one cannot be read.
    #[must_use]
    pub fn inventories(&self) -> Vec<(String, String)> {
        let entries = fs::read_dir(self.files.path().join("inventory")).expect("its folder");
        let read = |entry: fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read_to_string(entry.path()).expect("an inventory"))
        };
        entries.map(|entry| read(entry.expect("an entry"))).collect()
    }
}
