//! Parts of the start that the service of a machine and that of a user share.

use std::fs::DirBuilder;
use std::io::{self, IsTerminal as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;

use cli_command::{Arguments, Failure};
use eventlog::local::LogPaths;
use files::{Attributes, replace};
use management::{BindAddress, Directory, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::locations::failed;
use crate::{DIRECTORY, LISTEN, READY};

/// Writes the log to standard error. Another subscriber is set only in tests.
pub(crate) fn begin_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TELARCH_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let _ = log.with_ansi(io::stderr().is_terminal()).try_init();
}

/// Creates the directory of the state, which may be missing before the first start.
pub(crate) fn create_state(directory: &Directory) -> Result<(), Failure> {
    let folder = directory.state();
    let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.map_err(|error| failed(format!("cannot create {}: {error}", folder.display())))
}

/// Signals that end the service.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
        let signals = terminate.and_then(|terminate| Ok(Self { terminate, interrupt: interrupt? }));
        signals.map_err(|error| failed(format!("cannot receive signals: {error}")))
    }

    /// Waits for a signal.
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Writes the file of `--ready`.
pub(crate) fn write_ready(arguments: &Arguments, url: &str) -> Result<(), Failure> {
    let Some(path) = arguments.path(&READY) else { return Ok(()) };
    let ready = serde_json::json!({ "url": url, "pid": std::process::id() }).to_string();
    replace(&path, ready.as_bytes(), Attributes { mode: 0o644, group: None })
        .map_err(|error| failed(format!("cannot write the ready file {}: {error}", path.display())))
}

/// Returns the logs of this machine, or the journal that `TELARCH_JOURNAL` names.
pub(crate) fn log_paths() -> LogPaths {
    match std::env::var_os("TELARCH_JOURNAL") {
        Some(journal) => LogPaths { journal: Some(journal.into()), audit: None },
        None => LogPaths::of_this_machine(),
    }
}

/// Returns the files of the WS-Management service: those of this user or machine, or those in the given directory.
pub(crate) fn wsman_paths(arguments: &Arguments) -> Option<config::Paths> {
    match arguments.path(&DIRECTORY) {
        Some(directory) => Some(config::Paths::new(&directory.join("config.toml"), &directory)),
        None => config::Paths::of_this_process(),
    }
}

/// Returns the address of the listener: that of the command line or of the settings.
pub(crate) fn address(
    arguments: &Arguments,
    settings: &Settings,
    is_ephemeral: bool,
) -> Result<SocketAddr, Failure> {
    if let Some(address) = arguments.parsed(&LISTEN)? {
        return Ok(address);
    }
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let host = match settings.ip_address {
        // Other machines would be refused anyway.
        BindAddress::All if is_ephemeral || !settings.enable_remote_management => loopback,
        BindAddress::All => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        BindAddress::One(address) => address,
    };
    Ok(SocketAddr::new(host, settings.port))
}

/// Returns an address that a browser can open.
pub(crate) fn shown_address(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

/// Returns the names and addresses of the certificate, by which clients may address the service.
pub(crate) fn host_names(address: IpAddr) -> Vec<String> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names = vec![host];
    for name in ["localhost", "127.0.0.1", "::1"] {
        if !names.iter().any(|other| other == name) {
            names.push(name.to_owned());
        }
    }
    if !address.is_unspecified() && !address.is_loopback() {
        names.push(address.to_string());
    }
    // A host name that is no DNS name cannot be part of a certificate.
    names.retain(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
    });
    names
}
