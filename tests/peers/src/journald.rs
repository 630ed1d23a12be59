//! A systemd-journald of a test's own.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The program, for those who say what they need.
pub const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// A journal in memory, under the names where a machine has its own: for a [world](crate::in_bare_world) of its own.
/// Dropping it ends the journal.
pub struct Journald(Child);

impl Journald {
    /// Starts it and waits until it takes records.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        for folder in ["/run", "/var/log"] {
            let mounted = Command::new("mount").args(["-t", "tmpfs", "none", folder]).status();
            assert!(mounted.expect("mount is installed").success(), "{folder} cannot be mounted");
        }
        fs::create_dir_all("/run/systemd/journal").expect("there is room");
        let ready = UnixDatagram::bind("/run/ready").expect("the folder is new");
        ready.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
        let mut command = Command::new(JOURNALD);
        command.env("NOTIFY_SOCKET", "/run/ready").stdin(Stdio::null()).stderr(Stdio::null());
        let journald = Self(command.spawn().expect("it is installed"));
        let mut reported = [0; 4096];
        loop {
            let length = ready.recv(&mut reported).expect("the journal says when it is ready");
            if String::from_utf8_lossy(reported.get(..length).unwrap_or_default()).contains("READY=1") {
                return journald;
            }
        }
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
