//! `telarch-forwarder`: forwards events of this machine to event collectors.

mod arguments;
mod policy;

use std::error::Error;
use std::fs::{self, DirBuilder};
use std::io::{IsTerminal as _, Write as _};
use std::net::ToSocketAddrs as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use client::{ClientCertificate, TlsPolicy};
use config::{Config, Paths, Store};
use eventlog::local::LogPaths;
use eventlog::text::TextLogPath;
use forwarder::{Forwarder, ForwarderParts, SourceAuthentication};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use self::arguments::{Arguments, Options};
use self::policy::ManagerPolicy;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "telarch-forwarder: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = match Arguments::parse(lexopt::Parser::from_env())? {
        Arguments::Print(text) => return Ok(std::io::stdout().write_all(text.as_bytes())?),
        Arguments::Run(options) => options,
    };
    let filter = EnvFilter::try_from_env("TELARCH_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let (parts, policy) = parts(*options)?;
    let (managers, current) = watch::channel(policy.initial_managers()?);
    let forwarder = Forwarder::open(parts, current)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut running = Box::pin(forwarder.run(stopped));
        let hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            () = &mut running => {}
            () = policy.follow(managers, hangup) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
        running.await;
        Ok(())
    })
}

/// Combines options and settings.
fn parts(options: Options) -> Result<(ForwarderParts, ManagerPolicy), Box<dyn Error>> {
    let paths = paths(&options)?;
    let config = read_settings(&paths)?;
    let policy = ManagerPolicy::new(paths.policies, options.managers);
    let settings = &config.event_forwarding;
    let authentication = match (&options.certificate, settings.certificate_thumbprint) {
        (Some((certificate, key)), _) => {
            SourceAuthentication::Certificate(ClientCertificate::from_files(certificate, key)?)
        }
        (None, Some(thumbprint)) => {
            let thumbprint = client::Thumbprint::Sha1(thumbprint.0);
            SourceAuthentication::Certificate(ClientCertificate::find(thumbprint, [paths.certificates])?)
        }
        (None, None) => SourceAuthentication::Kerberos,
    };
    let machine = LogPaths::of_this_machine();
    let logs = LogPaths {
        journal: chosen(options.journal, machine.journal),
        audit: chosen(options.audit_log, machine.audit),
    };
    let files =
        TextLogPath::each_once(options.files, settings.syslog_files.paths(), settings.text_files.paths());
    if logs == LogPaths::default() && files.is_empty() {
        return Err(
            "this machine has neither a journal nor an audit log, and no log files are configured\n  \
                    check that this user may read them: it must belong to the groups systemd-journal and adm"
                .into(),
        );
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&paths.state)
        .map_err(|error| format!("cannot create the directory {}: {error}", paths.state.display()))?;
    let rate = settings.max_forwarding_rate.get();
    let parts = ForwarderParts {
        logs,
        files,
        state: paths.state.join("forwarder.json"),
        computer: options.name.unwrap_or_else(full_host_name),
        max_rate: (rate > 0).then_some(rate),
        authentication,
        tls: match options.authority {
            Some(file) => TlsPolicy::new().ca_file(file),
            None => TlsPolicy::new(),
        },
    };
    Ok((parts, policy))
}

/// Returns the log of an option: `none` for no log.
fn chosen(option: Option<PathBuf>, default: Option<PathBuf>) -> Option<PathBuf> {
    match option {
        Some(path) if path == Path::new("none") => None,
        Some(path) => Some(path),
        None => default,
    }
}

/// Files of the forwarder.
struct ForwarderPaths {
    config: PathBuf,
    certificates: PathBuf,
    policies: PathBuf,
    state: PathBuf,
}

/// Returns the paths of the options, or those of the machine if the service manager has started the forwarder.
fn paths(options: &Options) -> Result<ForwarderPaths, Box<dyn Error>> {
    let of_unit = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from).filter(|path| path.is_absolute());
    let usual = match &of_unit {
        Some(_) => Paths::of_machine(),
        None => Paths::of_this_process().ok_or("HOME is not set\n  use --config FILE and --state DIR")?,
    };
    let config = match &options.config {
        Some(config) => Paths::new(config, &usual.state),
        None => usual,
    };
    let state = options.state.clone().or(of_unit).unwrap_or_else(|| config.state.join("forwarder"));
    Ok(ForwarderPaths {
        config: config.config,
        certificates: config.certificates,
        policies: config.policies,
        state,
    })
}

/// Reads the settings; a missing directory counts as an empty file.
fn read_settings(paths: &ForwarderPaths) -> Result<Config, Box<dyn Error>> {
    let folder = paths.config.parent().unwrap_or(Path::new("."));
    if !folder.exists() {
        return Ok(Config::default());
    }
    Ok(Config::clone(&Store::open(&paths.config)?.snapshot()))
}

/// Returns the full name of this machine: its host name, completed by name resolution if it has no domain.
fn full_host_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if host.contains('.') || (host.as_str(), 0).to_socket_addrs().is_err() {
        return host;
    }
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let full = hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(str::split_whitespace)
        .find(|name| name.strip_prefix(host.as_str()).is_some_and(|rest| rest.starts_with('.')));
    full.map_or(host, str::to_owned)
}
