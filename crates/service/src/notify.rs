//! Notifications to the service manager (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Connection to the service manager that started this process, if any.
///
/// Notifications that cannot be sent are logged at debug level and dropped.
#[derive(Debug, Default)]
pub struct ServiceManager(Option<UnixDatagram>);

impl ServiceManager {
    /// Connects to the address in the environment variable `NOTIFY_SOCKET`: a path, or an abstract name after `@`.
    ///
    /// # Errors
    /// The error of the system call, for example if there is no such socket.
    pub fn at(address: Option<&OsStr>) -> io::Result<Self> {
        let Some(address) = address.filter(|address| !address.is_empty()) else { return Ok(Self(None)) };
        let address = match address.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(Path::new(address))?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        socket.set_nonblocking(true)?;
        Ok(Self(Some(socket)))
    }

    /// Reports that the service accepts connections, at the start or after [`reloading`](Self::reloading).
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// Reports that the service reloads its configuration.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// Reports that the service is shutting down.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Sends the keep-alive for the watchdog.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// Sets the line that `systemctl status` shows. Line breaks are replaced by blanks.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", status.replace('\n', " ")));
    }

    fn send(&self, message: &str) {
        if let Some(Err(error)) = self.0.as_ref().map(|socket| socket.send(message.as_bytes())) {
            tracing::debug!(%error, message, "Cannot notify the service manager");
        }
    }
}

/// Returns the watchdog interval from the values of `WATCHDOG_USEC` and `WATCHDOG_PID`.
///
/// `None` if the watchdog is disabled or monitors another process (sd_watchdog_enabled(3)). `own` is the process ID of
/// this process.
#[must_use]
pub fn watchdog(microseconds: Option<&str>, process: Option<&str>, own: u32) -> Option<Duration> {
    let is_meant = process.is_none_or(|process| process.parse() == Ok(own));
    let interval = Duration::from_micros(microseconds?.parse().ok()?);
    (is_meant && !interval.is_zero()).then_some(interval)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn receive(manager: &UnixDatagram) -> String {
        let mut message = [0; 256];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    }

    #[test]
    fn notifications_have_the_format_of_sd_notify() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let service = ServiceManager::at(Some(path.as_os_str())).unwrap();
        service.ready();
        assert_eq!(receive(&manager), "READY=1");
        service.status("one\ntwo");
        assert_eq!(receive(&manager), "STATUS=one two");
        service.alive();
        assert_eq!(receive(&manager), "WATCHDOG=1");
        service.stopping();
        assert_eq!(receive(&manager), "STOPPING=1");
        service.reloading();
        let reloading = receive(&manager);
        let clock = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(clock.parse::<u64>().unwrap() > 0, "{reloading}");
    }

    #[test]
    fn the_socket_may_be_abstract_or_missing() {
        let name = format!("telarch-notify-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        ServiceManager::at(Some(OsStr::new(&format!("@{name}")))).unwrap().ready();
        assert_eq!(receive(&manager), "READY=1");
        ServiceManager::at(None).unwrap().ready();
        assert!(ServiceManager::at(Some(OsStr::new("/nonexistent/notify"))).is_err());
    }

    #[test]
    fn the_watchdog_applies_to_the_named_process_only() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(Some("1000000"), None, 7), second);
        assert_eq!(watchdog(Some("1000000"), Some("7"), 7), second);
        assert_eq!(watchdog(Some("1000000"), Some("8"), 7), None);
        assert_eq!(watchdog(Some("0"), None, 7), None);
        assert_eq!(watchdog(Some("soon"), None, 7), None);
        assert_eq!(watchdog(None, None, 7), None);
    }
}
