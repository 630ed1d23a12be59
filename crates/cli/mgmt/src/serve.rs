//! `telarch mgmt serve`: the service in the foreground.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::Secret;
use cli_command::paths::IfMissing;
use cli_command::{Arguments, Failure};
use management::{Directory, Grant, Settings};
use management_terminal::{MachineTerminals, Shells, TerminalSource};
use management_web::{Certificate, Console, ConsoleParts, MachineConnector, serve};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use webserver::WebServer;

use crate::local_wmi::{AddedClasses, MachineWmi};
use crate::locations::{directory, failed};
use crate::startup::{
    Signals, address, begin_log, create_state, host_names, log_paths, shown_address, write_ready, wsman_paths,
};
use crate::{ACCOUNTS, EPHEMERAL, SERVERS, TERMINAL, TERMINAL_IDLE, service, web_server};

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
    let (directory, mut settings) = match &temporary {
        Some(temporary) => {
            // The rights of this user decide.
            let content_roots = vec!["/".into()];
            (
                Directory::new(temporary.path(), temporary.path()),
                Settings { content_roots, ..Settings::default() },
            )
        }
        None => {
            let directory = directory(arguments, IfMissing::Create)?;
            let settings = directory.read_settings().map_err(failed)?;
            (directory, settings)
        }
    };
    if let Some(seconds) = arguments.text(&TERMINAL_IDLE)? {
        let set = settings.set("TerminalIdleSeconds", seconds);
        set.map_err(|error| arguments.usage_error(format!("--terminal-idle: {error}")))?;
    }
    confinement::use_few_heaps();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| failed(format!("cannot start the service: {error}")))?;
    if rustix::process::geteuid().is_root() && !is_ephemeral {
        if arguments.is_given(&TERMINAL) {
            return Err(arguments.usage_error(
                "--terminal would give every administrator the shell of root; telarch mgmt set EnableTerminals=true \
                 gives accounts their own shells",
            ));
        }
        runtime.block_on(service::run(arguments, &directory, settings))?;
        // A thread may be waiting for PAM.
        runtime.shutdown_timeout(Duration::from_millis(500));
        return Ok(String::new());
    }
    let address = address(arguments, &settings, is_ephemeral)?;
    runtime.block_on(run_until_signal(arguments, &directory, settings, address))?;
    Ok(String::new())
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
    if settings.enable_terminals && !arguments.is_given(&TERMINAL) {
        tracing::warn!(
            "EnableTerminals is for a service of root; the service of a user has the option --terminal"
        );
    }
    let added = if arguments.is_given(&EPHEMERAL) { AddedClasses::None } else { AddedClasses::OfService };
    let wmi = MachineWmi::open(directory.state(), added)?;
    let idle_limit = Duration::from_secs(settings.terminal_idle_seconds.into());
    let terminals = MachineTerminals { shells: Shells::CurrentUser, idle_limit };
    let console = Console::open(ConsoleParts {
        directory: directory.clone(),
        settings,
        web: open_web_server(arguments, directory)?,
        system: None,
        sessions: Arc::default(),
        staging: None,
        wmi: Some(Arc::new(wmi)),
        wsman: wsman_paths(arguments),
        terminals: arguments.is_given(&TERMINAL).then(|| Arc::new(terminals) as Arc<dyn TerminalSource>),
        connector: Some(Arc::new(MachineConnector::new(Handle::current()))),
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
    if arguments.is_given(&TERMINAL) && arguments.is_given(&EPHEMERAL) {
        for user in console.users().list().map_err(failed)?.iter().filter(|user| user.is_administrator) {
            console.permissions().allow(&user.name, Grant::Terminal).map_err(failed)?;
        }
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

/// Returns the web server to manage.
fn open_web_server(
    arguments: &Arguments,
    directory: &Directory,
) -> Result<Option<Arc<dyn WebServer>>, Failure> {
    let chosen = web_server::chosen(arguments, &SERVERS)?;
    chosen.map(|server| server.open(&directory.history(), Vec::new()).map(Arc::from)).transpose()
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
