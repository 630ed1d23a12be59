//! PowerShell endpoint of psrpcore, an implementation of the protocol in Python.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Service in a Python process that ends with this value.
pub struct PowerShellPeer {
    process: Child,
    /// Port on the loopback interface, for HTTP with any credentials.
    pub port: u16,
}

impl PowerShellPeer {
    /// Starts the service; `None`, with a skip, if psrpcore is not installed. `root` is the folder of the repository.
    pub fn start(root: &Path) -> Option<Self> {
        let peers = std::env::var_os("TELARCH_PEERS").map_or_else(|| root.join(".peers"), PathBuf::from);
        let python = peers.join("bin/python");
        let has_module = Command::new(&python)
            .args(["-B", "-E", "-s", "-c", "import psrpcore, dissect.util"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !has_module {
            skips::skip!(
                "{} lacks psrpcore or dissect.util; install the peers with: ./test --install",
                peers.display()
            );
            return None;
        }
        let mut process = Command::new(python)
            .args(["-B", "-E", "-s"])
            .arg(root.join("crates/client/tests/it/powershell_peer.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Self { process, port: line.trim().parse().unwrap() })
    }
}

impl Drop for PowerShellPeer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
