//! The service of a machine as separate processes.
//!
//! This process, which is privileged, opens the files, starts the **web process** as an unprivileged user, and runs the
//! operations that it requests. The web process is restarted if it ends, and replaced when staged settings are applied.
//! The **connector**, a process of the same user, connects to other machines.

mod connector;
mod web_process;

use std::collections::VecDeque;
use std::error::Error;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, ExitCode, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use accounts::{Pam, UnixUsers};
use broker::Link;
use cli_command::{Arguments, Failure};
use config::Thumbprint;
use management::{Directory, Sessions, Settings, Staging, StagingStep, SystemAccounts};
use management_terminal::{MachineTerminals, Shells, TerminalSource};
use management_web::{
    Certificate, ConnectorProcess, Console, ConsoleParts, LocalWmi, PrivilegedSignals, WebProcessStart,
    serve_operations,
};
use service::Certificates;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use webserver::WebServer;
use zeroize::Zeroizing;

use crate::local_wmi::{AddedClasses, MachineWmi};
use crate::locations::failed;
use crate::startup::{
    Signals, address, create_state, host_names, log_paths, shown_address, write_ready, wsman_paths,
};
use crate::web_server::{self, ChosenServer};
use crate::{PAM, SERVERS, WEB_USER};

/// Runs one of the unprivileged processes, or the process of a terminal, if the command line is that of one; returns
/// `None` for every other command line.
///
/// Must be called before the program opens or starts anything.
#[must_use]
pub fn hidden() -> Option<ExitCode> {
    if let Some(code) = management_terminal::hidden(crate::startup::begin_log) {
        return Some(code);
    }
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map_while(|argument| argument.into_string().ok()).take(4).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [kind, uid, gid] = *arguments.as_slice() else { return None };
    let run = match kind {
        web_process::WEB_PROCESS => web_process::run,
        connector::CONNECTOR => connector::run,
        _ => return None,
    };
    let ran = uid.parse().map_err(Into::into).and_then(|uid| run(uid, gid.parse()?));
    Some(match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "telarch: {error}");
            ExitCode::FAILURE
        }
    })
}

/// Prepares an unprivileged process before it opens or starts anything, and returns its socket to the privileged one.
fn begin_process() -> Result<Link, Box<dyn Error>> {
    confinement::close_all();
    confinement::use_few_heaps();
    let link = Link::from_inherited(confinement::stdin_socket()?)?;
    crate::startup::begin_log();
    // Signals of a terminal are handled by the privileged process.
    rustix::process::setsid()?;
    std::env::set_current_dir("/")?;
    Ok(link)
}

/// Makes this process, which has one thread, one of a user without further groups.
fn drop_privileges(uid: u32, gid: u32) -> Result<(), Box<dyn Error>> {
    confinement::require_one_thread()?;
    confinement::set_groups(&[])?;
    confinement::become_user(uid, gid)?;
    Ok(())
}

/// Runs the service until a signal ends it.
pub(crate) async fn run(
    arguments: &Arguments,
    directory: &Directory,
    settings: Settings,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let changed = Arc::new(Notify::new());
    let notify = Arc::clone(&changed);
    let staging = Arc::new(Staging::new(settings.clone(), move || notify.notify_one()));
    let machine = MachineParts::open(arguments, directory, &settings, &staging)?;
    let mut running = Running::start(&machine, settings, None)?;
    let mut is_first = true;
    loop {
        let wait = staging.wait(Instant::now());
        tokio::select! {
            () = signals.received() => break,
            () = changed.notified() => {}
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            Ok(()) = &mut running.ready, if !running.is_ready => {
                running.is_ready = true;
                tracing::info!(url = running.url, certificate = running.fingerprint, "Listening");
                if std::mem::take(&mut is_first) {
                    write_ready(arguments, &running.url)?;
                }
            }
            status = &mut running.ended => running.restart(&machine, status.ok())?,
        }
        if let Some(step) = staging.next_step(Instant::now()) {
            running = running.switch(&machine, step).await?;
        }
    }
    tracing::info!("Ending");
    running.stop().await;
    Ok(())
}

/// Parts of the service that do not depend on settings that can be staged.
struct MachineParts<'a> {
    arguments: &'a Arguments,
    directory: &'a Directory,
    web_user: (u32, u32),
    web: Option<Arc<dyn WebServer>>,
    wmi: Arc<dyn LocalWmi>,
    connector: Arc<ConnectorProcess>,
    sessions: Arc<Sessions>,
    staging: Arc<Staging>,
}

impl<'a> MachineParts<'a> {
    fn open(
        arguments: &'a Arguments,
        directory: &'a Directory,
        settings: &Settings,
        staging: &Arc<Staging>,
    ) -> Result<Self, Failure> {
        create_state(directory)?;
        let wmi = MachineWmi::open(directory.state(), AddedClasses::OfService)?;
        let web_user = web_user(arguments)?;
        Ok(Self {
            arguments,
            directory,
            web_user,
            web: open_web_server(arguments, directory, settings)?,
            wmi: Arc::new(wmi),
            connector: Arc::new(connector::process(web_user)),
            sessions: Arc::default(),
            staging: Arc::clone(staging),
        })
    }

    /// Opens the files of the service with settings.
    fn console(
        &self,
        settings: &Settings,
        names: &[String],
        certificate: &Certificate,
    ) -> Result<Arc<Console>, Failure> {
        let console = Console::open(ConsoleParts {
            directory: self.directory.clone(),
            settings: settings.clone(),
            web: self.web.clone(),
            system: system_accounts(self.arguments, settings),
            sessions: Arc::clone(&self.sessions),
            staging: Some(Arc::clone(&self.staging)),
            wmi: Some(Arc::clone(&self.wmi)),
            wsman: wsman_paths(self.arguments),
            terminals: settings.enable_terminals.then(|| {
                let shells = Shells::Accounts { pam: self.arguments.path(&PAM) };
                let idle_limit = Duration::from_secs(settings.terminal_idle_seconds.into());
                Arc::new(MachineTerminals { shells, idle_limit }) as Arc<dyn TerminalSource>
            }),
            connector: Some(Arc::clone(&self.connector) as _),
            logs: log_paths(),
            host_names: names.to_vec(),
            fingerprint: certificate.fingerprint().to_owned(),
        });
        console.map(Arc::new).map_err(failed)
    }

    /// Returns the certificate of the settings: one of the administrator, or the self-signed one.
    fn certificate(&self, settings: &Settings, names: &[String]) -> Result<Zeroizing<String>, Failure> {
        let Some(hash) = settings.ssl_certificate_hash else {
            let path = self.directory.certificate();
            Certificate::load_or_create(&path, names, SystemTime::now()).map_err(failed)?;
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|error| failed(format!("cannot read {}: {error}", path.display())))?;
            return Ok(Zeroizing::new(text));
        };
        let paths =
            wsman_paths(self.arguments).ok_or_else(|| failed("the directory of certificates is unknown"))?;
        let certificates = Certificates::new(paths.certificates, paths.state);
        let pem = certificates.pem(Thumbprint(hash.0));
        pem.map_err(|error| failed(format!("cannot use the certificate of SslCertificateHash: {error}")))
    }
}

/// Listener, web process and operations with one set of settings.
struct Running {
    settings: Settings,
    listener: TcpListener,
    console: Arc<Console>,
    start: WebProcessStart,
    url: String,
    fingerprint: String,
    link: Arc<Link>,
    ended: oneshot::Receiver<Option<ExitStatus>>,
    ready: oneshot::Receiver<()>,
    ending: oneshot::Sender<()>,
    is_ready: bool,
    restarts: VecDeque<Instant>,
}

impl Running {
    /// Binds the address of the settings, unless `listener` is bound to it, and starts the web process.
    fn start(
        machine: &MachineParts<'_>,
        settings: Settings,
        listener: Option<TcpListener>,
    ) -> Result<Self, Failure> {
        let wanted = address(machine.arguments, &settings, false)?;
        let mut names = host_names(wanted.ip());
        let pem = machine.certificate(&settings, &names)?;
        let certificate = Certificate::from_pem(&pem).map_err(failed)?;
        for name in certificate.names() {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name.clone());
            }
        }
        let console = machine.console(&settings, &names, &certificate)?;
        let listener = match listener {
            Some(listener) => listener,
            None => bind(wanted)?,
        };
        let bound = listener.local_addr().map_err(|error| failed(format!("cannot listen: {error}")))?;
        let start = WebProcessStart {
            is_remote_enabled: settings.enable_remote_management,
            restrictions: settings.remote_restrictions.to_string(),
            host_names: names,
            is_logging: settings.enable_logging,
            certificate: pem,
        };
        let Process { link, ended, ready, ending } = Process::start(machine, &listener, &console, &start)?;
        let url = format!("https://{}", shown_address(bound));
        let fingerprint = certificate.fingerprint().to_owned();
        let (is_ready, restarts) = (false, VecDeque::new());
        Ok(Self {
            settings,
            listener,
            console,
            start,
            url,
            fingerprint,
            link,
            ended,
            ready,
            ending,
            is_ready,
            restarts,
        })
    }

    /// Starts the web process again after its end, unless it ended too often.
    fn restart(
        &mut self,
        machine: &MachineParts<'_>,
        status: Option<Option<ExitStatus>>,
    ) -> Result<(), Failure> {
        let status = status.flatten().map(|status| status.to_string());
        tracing::error!(status, "The web process has ended");
        let now = Instant::now();
        self.restarts.retain(|at| now.duration_since(*at) < RESTART_WINDOW);
        if self.restarts.len() >= MAX_RESTARTS {
            return Err(failed("the web process ends repeatedly; see the log"));
        }
        self.restarts.push_back(now);
        let Process { link, ended, ready, ending } =
            Process::start(machine, &self.listener, &self.console, &self.start)?;
        (self.link, self.ended, self.ready, self.ending, self.is_ready) = (link, ended, ready, ending, false);
        Ok(())
    }

    /// Ends the web process. It sends the responses of running operations first, such as the one that applies settings.
    async fn stop(self) -> TcpListener {
        let _ = self.ending.send(());
        let mut ended = self.ended;
        if tokio::time::timeout(STOP_TIME, &mut ended).await.is_err() {
            self.link.close();
            let _ = tokio::time::timeout(END_TIME, ended).await;
        }
        self.listener
    }

    /// Goes on with other settings. If they cannot be used, the service goes on with the old ones.
    async fn switch(self, machine: &MachineParts<'_>, step: StagingStep) -> Result<Self, Failure> {
        let (StagingStep::Apply(new) | StagingStep::Revert(new)) = &step;
        let (new, old) = (new.clone(), self.settings.clone());
        let is_same_address =
            address(machine.arguments, &new, false)? == address(machine.arguments, &old, false)?;
        let listener = Some(self.stop().await).filter(|_| is_same_address);
        match step {
            StagingStep::Revert(_) => {
                tracing::warn!("The changed settings were not confirmed; the old ones are in force again");
                let running = Self::start(machine, new, listener)?;
                machine.staging.reverted();
                Ok(running)
            }
            StagingStep::Apply(_) => match Self::start(machine, new, listener) {
                Ok(running) => {
                    tracing::info!("Applied staged settings, which must be confirmed within 60 seconds");
                    machine.staging.applied(Instant::now());
                    Ok(running)
                }
                Err(error) => {
                    tracing::error!(error = %error.to_string().escape_debug(), "Cannot apply the staged settings");
                    machine.staging.failed(error.to_string());
                    Self::start(machine, old, None)
                }
            },
        }
    }
}

/// Running web process.
struct Process {
    link: Arc<Link>,
    ended: oneshot::Receiver<Option<ExitStatus>>,
    ready: oneshot::Receiver<()>,
    ending: oneshot::Sender<()>,
}

impl Process {
    fn start(
        machine: &MachineParts<'_>,
        listener: &TcpListener,
        console: &Arc<Console>,
        start: &WebProcessStart,
    ) -> Result<Self, Failure> {
        let (link, theirs) = Link::pair().map_err(starting)?;
        let link = Arc::new(link);
        let (uid, gid) = machine.web_user;
        let mut command = confinement::this_program("telarch: web management", &[]);
        command.arg(web_process::WEB_PROCESS).arg(uid.to_string()).arg(gid.to_string());
        let child = command.stdin(OwnedFd::from(theirs)).spawn().map_err(starting)?;
        drop(command);
        link.set_send_timeout(SEND_TIME).map_err(starting)?;
        link.send(&start.encode(), &[listener.as_fd()]).map_err(starting)?;
        let (reporting, ended) = oneshot::channel();
        let (announcing, ready) = oneshot::channel();
        let (ending, end_request) = oneshot::channel();
        let signals = PrivilegedSignals { ready: announcing, end: end_request };
        let (operations, console, runtime) = (Arc::clone(&link), Arc::clone(console), Handle::current());
        let served = std::thread::Builder::new().name("web process".to_owned()).spawn(move || {
            // The error is logged; in either case the process is of no use any more.
            let _ = serve_operations(&operations, &console, &runtime, signals);
            let _ = reporting.send(end(child));
        });
        served.map_err(starting)?;
        Ok(Self { link, ended, ready, ending })
    }
}

/// Waits a moment for the end of a process whose link is closed, and kills it then.
fn end(mut child: Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + END_TIME;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait().ok()
}

fn starting(error: std::io::Error) -> Failure {
    failed(format!("cannot start the web process: {error}"))
}

fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        Failure::failed(
            format!("cannot listen on {address}: {error}"),
            "choose another address with telarch mgmt set IPAddress=… Port=…",
        )
    })
}

/// Returns user ID and group ID of the web process.
fn web_user(arguments: &Arguments) -> Result<(u32, u32), Failure> {
    let name = arguments.text(&WEB_USER)?.unwrap_or("telarch-web");
    let user = UnixUsers::of_this_machine().find(name);
    let user = user.map_err(|error| failed(format!("cannot read the users of this machine: {error}")))?;
    let user = user.ok_or_else(|| {
        Failure::failed(
            format!("user {name} does not exist, but the process that reads the network runs as it"),
            &format!(
                "create it: useradd --system --user-group --no-create-home --home-dir /nonexistent --shell \
                 /usr/sbin/nologin {name}"
            ),
        )
    })?;
    if user.uid == 0 {
        let problem = format!("{name} is root, but the process that reads the network needs another user");
        return Err(Failure::failed(problem, "name an unprivileged user with --web-user"));
    }
    Ok((user.uid, user.groups.first().map_or(user.uid, |group| group.gid)))
}

/// Opens the managed web server: that of the command line, of the settings, or the one that is installed.
fn open_web_server(
    arguments: &Arguments,
    directory: &Directory,
    settings: &Settings,
) -> Result<Option<Arc<dyn WebServer>>, Failure> {
    let named = web_server::chosen(arguments, &SERVERS)?
        .or_else(|| settings.nginx_directory.clone().map(ChosenServer::Nginx));
    let is_named = named.is_some();
    let Some(server) = named.or_else(web_server::installed) else {
        tracing::info!("No web server is managed; set NginxDirectory");
        return Ok(None);
    };
    let roots = match settings.configuration_roots.as_slice() {
        [] => server.directory().map(ToOwned::to_owned).into_iter().collect(),
        roots => roots.to_vec(),
    };
    match server.open(&directory.history(), roots) {
        Ok(web) => Ok(Some(Arc::from(web))),
        Err(error) if !is_named => {
            tracing::warn!(error = %error.to_string().escape_debug(), "The web server of this machine cannot be managed");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Returns the accounts of the operating system; `None`, with a warning, if PAM cannot be used.
fn system_accounts(arguments: &Arguments, settings: &Settings) -> Option<SystemAccounts> {
    let pam = match arguments.path(&PAM) {
        Some(folder) => Pam::load_from(&folder, PAM_SERVICE),
        None => Pam::load(PAM_SERVICE),
    };
    match pam {
        Ok(pam) => {
            let groups = settings.administrator_groups.clone();
            Some(SystemAccounts::new(Box::new(pam), UnixUsers::of_this_machine(), groups))
        }
        Err(error) => {
            tracing::warn!(%error, "Accounts of the operating system cannot sign in");
            None
        }
    }
}

/// PAM service, the same as that of the WS-Management service.
const PAM_SERVICE: &str = "winrm";
/// Time for running operations, and for the connections of the web process, which have two seconds each.
const STOP_TIME: Duration = Duration::from_secs(6);
/// Time for the web process to end before it is killed.
const END_TIME: Duration = Duration::from_secs(3);
/// Time limit for a message to the web process.
const SEND_TIME: Duration = Duration::from_secs(10);
/// Restarts of the web process in a minute.
const MAX_RESTARTS: usize = 5;
const RESTART_WINDOW: Duration = Duration::from_secs(60);
