//! Runs a telarchd of several processes as root.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Result;
use crate::connection::Connection;
use crate::telarchd::program;

/// A telarchd of several processes that runs as root and is reached through its Unix socket.
pub(crate) struct Machine {
    child: Child,
    folder: TempDir,
}

impl Machine {
    pub(crate) fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        fs::write(path("config.toml"), "")?;
        let manager = UnixDatagram::bind(path("notify"))?;
        manager.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut command = Command::new(program("telarchd"));
        command.arg("--config").arg(path("config.toml")).arg("--state").arg(path("state"));
        command.args(["--gateway-user", "nobody"]).env("NOTIFY_SOCKET", path("notify"));
        let child = command.env("TELARCH_LOG", "error").stdin(Stdio::null()).spawn()?;
        let machine = Self { child, folder };
        let mut message = [0; 256];
        while manager.recv(&mut message)? != 7 || !message.starts_with(b"READY=1") {}
        Ok(machine)
    }

    /// Connects as the user of this process.
    pub(crate) fn connect(&self) -> Result<Connection> {
        Connection::local(&self.folder.path().join("state/local.sock"))
    }

    /// Returns the host processes of all users.
    pub(crate) fn hosts(&self) -> Result<Vec<u32>> {
        let is_host = |process: &u32| {
            let shown = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
            shown.starts_with("telarchd: host")
        };
        Ok(self.processes()?.into_iter().filter(is_host).collect())
    }

    /// Returns the broker, the gateway, and the hosts with the processes that hold their sessions.
    pub(crate) fn processes(&self) -> Result<Vec<u32>> {
        let mut found = vec![self.child.id()];
        let mut at = 0;
        while let Some(process) = found.get(at).copied() {
            // The process may have ended.
            let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
            for task in tasks.filter_map(std::result::Result::ok) {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
            at += 1;
        }
        Ok(found)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
