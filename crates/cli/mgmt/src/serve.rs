//! `telarch mgmt serve`: the service in the foreground.

use std::fs::{DirBuilder, File};
use std::io::{self, IsTerminal as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::Secret;
use cli_command::paths::IfMissing;
use cli_command::{Arguments, Failure};
use eventlog::local::LogPaths;
use files::{Attributes, replace};
use management::{BindAddress, Directory, Settings};
use management_web::{Certificate, Console, ConsoleParts, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use webserver::WebServer;

use crate::local_wmi::{AddedClasses, MachineWmi};
use crate::locations::{directory, failed};
use crate::{ACCOUNTS, APACHE, DIRECTORY, EPHEMERAL, LISTEN, NGINX, READY, service, web_server};

/// Runs the service until a signal ends it.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    begin_log();
    let is_ephemeral = arguments.is_given(&EPHEMERAL);
    if !is_ephemeral && arguments.is_given(&ACCOUNTS) {
        return Err(arguments
            .usage_error("--accounts requires --ephemeral; create users with telarch mgmt users add"));
    }
    // Deleted at the end of the service.
    let temporary = is_ephemeral.then(|| tempfile::Builder::new().prefix("telarch-mgmt-").tempdir());
    let temporary =
        temporary.transpose().map_err(|error| failed(format!("cannot create a directory: {error}")))?;
    let (directory, settings) = match &temporary {
        Some(temporary) => (Directory::new(temporary.path(), temporary.path()), Settings::default()),
        None => {
            let directory = directory(arguments, IfMissing::Create)?;
            let settings = directory.read_settings().map_err(failed)?;
            (directory, settings)
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| failed(format!("cannot start the service: {error}")))?;
    if rustix::process::geteuid().is_root() && !is_ephemeral {
        runtime.block_on(service::run(arguments, &directory, settings))?;
        // A thread may be waiting for PAM.
        runtime.shutdown_timeout(Duration::from_millis(500));
        return Ok(String::new());
    }
    let address = address(arguments, &settings, is_ephemeral)?;
    runtime.block_on(run_until_signal(arguments, &directory, settings, address))?;
    Ok(String::new())
}

/// Writes the log to standard error. Another subscriber is set only in tests.
pub(crate) fn begin_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TELARCH_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let _ = log.with_ansi(io::stderr().is_terminal()).try_init();
}

async fn run_until_signal(
    arguments: &Arguments,
    directory: &Directory,
    settings: Settings,
    address: SocketAddr,
) -> Result<(), Failure> {
    let names = host_names(address.ip());
    create_state(directory)?;
    let certificate = Certificate::load_or_create(&directory.certificate(), &names, SystemTime::now());
    let certificate = certificate.map_err(failed)?;
    let added = if arguments.is_given(&EPHEMERAL) { AddedClasses::None } else { AddedClasses::OfService };
    let wmi = MachineWmi::open(directory.state(), added)?;
    let console = Console::open(ConsoleParts {
        directory: directory.clone(),
        settings,
        web: open_web_server(arguments, directory)?,
        system: None,
        sessions: Arc::default(),
        staging: None,
        wmi: Some(Arc::new(wmi)),
        wsman: wsman_paths(arguments),
        logs: log_paths(),
        host_names: names,
        fingerprint: certificate.fingerprint().to_owned(),
    });
    let console = Arc::new(console.map_err(failed)?);
    if let Some(path) = arguments.path(&ACCOUNTS) {
        add_accounts(&console, &path)?;
    }
    if console.users().list().map_err(failed)?.is_empty() {
        tracing::warn!("No manager user exists; create one with telarch mgmt users add NAME");
    }
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::failed(
            format!("cannot listen on {address}: {error}"),
            "choose another address with --listen",
        )
    })?;
    let address = listener.local_addr().map_err(|error| failed(format!("cannot listen: {error}")))?;
    let url = format!("https://{}", shown_address(address));
    let mut signals = Signals::listen()?;
    write_ready(arguments, &url)?;
    tracing::info!(url, certificate = certificate.fingerprint(), "Listening");
    serve(listener, &certificate, console, signals.received())
        .await
        .map_err(|error| failed(format!("the service failed: {error}")))
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

/// Returns the web server to manage.
fn open_web_server(
    arguments: &Arguments,
    directory: &Directory,
) -> Result<Option<Arc<dyn WebServer>>, Failure> {
    let chosen = web_server::chosen(arguments, &NGINX, &APACHE)?;
    chosen.map(|server| server.open(&directory.history(), Vec::new()).map(Arc::from)).transpose()
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

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    failed(format!("cannot read the accounts in {}: {error}", path.display()))
}

/// Creates the users of a file with lines `NAME:PASSWORD`, which other users must not be able to read.
fn add_accounts(console: &Console, path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    // Examines the open file, because the path could be replaced meanwhile.
    let mode = file.metadata().map_err(|error| unreadable(path, &error))?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Failure::failed(
            format!("{shown} can be read by other users (mode {mode:04o})"),
            &format!("it contains passwords; run chmod 600 {shown}"),
        ));
    }
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(&mut file, MAX_ACCOUNTS), &mut text)
        .map_err(|error| unreadable(path, &error))?;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, password) = line
            .split_once(':')
            .ok_or_else(|| failed(format!("{shown}, line {number}: expected NAME:PASSWORD")))?;
        let password = Secret::new(password.to_owned());
        console
            .users()
            .add(name.trim(), password, "")
            .map_err(|error| failed(format!("{shown}, line {number}: {error}")))?;
    }
    if console.users().list().map_err(failed)?.is_empty() {
        return Err(failed(format!("{shown} contains no account; write at least one line NAME:PASSWORD")));
    }
    Ok(())
}

const MAX_ACCOUNTS: u64 = 64 * 1_024;
