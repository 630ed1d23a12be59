//! Host process: runs the plug-ins for one user, as that user; or one endpoint for one user, as the account of the endpoint.

use std::error::Error;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use auth::{Account, AuthError, Identity, LocalUsers};
use broker::{HardwareReply, HostCommand, HostReport, HostSession, Link, RunAsEndpoint};
use config::{Config, EndpointName};
use hardware::{ControllerAccess, ControllerSource};
use locks::Mutex;
use plugin_file::FilePlugin;
use plugin_hosted::Host;
use plugin_powershell::PowerShellPlugin;
use plugin_shell::{ShellListing, ShellPlugin};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, setrlimit};
use sddl::Token;
use service::{Catalog, Plugin};
use shells::Shells;
use tokio::sync::mpsc;

use super::session_groups::SessionGroups;
use crate::child_process::{stdin_socket, stdout_socket};
use crate::event_layers::begin_log;
use crate::open_files::OpenFiles;
use crate::shell_environment;
use crate::wmi_engine::Wmi;

/// Runs a host until it was idle for a while or the broker ends.
pub(super) fn run(uid: u32, gid: u32, state: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let (socket, from_session_process) = (stdin_socket()?, stdout_socket()?);
    begin_log(None);
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    limit_processes(uid);
    let open_files = OpenFiles::raise();
    confinement::become_user(uid, gid)?;
    if uid != 0 {
        // Other processes of the user cannot inspect it.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    // This message arrives after the process was moved into its control group.
    let session_process = Link::from_inherited(from_session_process)?;
    let session = session_process.receive()?.ok_or("the session process ended before the session began")?;
    let HostSession { variables, has_groups } = HostSession::decode(&session.message)?;
    let groups = SessionGroups::new(has_groups.then_some(session_process))?;
    let link = Arc::new(Link::from_inherited(socket)?);
    let Some(Ok(HostCommand::Begin { account, token, run_as, idle_timeout })) =
        link.receive()?.map(|frame| HostCommand::decode(&frame.message))
    else {
        return Err("the broker has not sent the account".into());
    };
    // A single thread answers faster, because a request wakes no other thread. Each user has a separate host.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let identity = Identity::by_peer_credentials(uid, &ProcessUser(account.clone()))?;
        let process_account = run_as.as_ref().map_or(&account, |run_as| &run_as.account);
        let shells = Shells::new(shell_environment::of_session(process_account, &variables))
            .with_groups(Arc::new(groups));
        let shells = open_files.restore_for_commands(shells);
        let (sender, replies) = std::sync::mpsc::channel();
        let (plugins, wmi) = match run_as {
            Some(run_as) => (endpoint_plugins(&run_as, shells)?, None),
            None => {
                let keeper = BrokerHardware { link: Arc::clone(&link), replies: Mutex::new(replies) };
                // Root reads the controllers itself.
                let keeper = (uid != 0).then(|| Arc::new(keeper) as Arc<dyn ControllerSource>);
                let wmi = Wmi::open(state, keeper);
                (all_plugins(&wmi, shells.with_user_limit()), Some(wmi))
            }
        };
        let plugins: Arc<dyn Plugin> = Arc::new(Catalog::new(plugins));
        let host = Host::new(Arc::clone(&plugins), identity, token);
        let (tasks, received) = mpsc::unbounded_channel();
        let receiver = Arc::clone(&link);
        std::thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || receive_commands(&receiver, &tasks, &sender))?;
        link.send(&HostReport::Started.encode(), &[])?;
        let plugin = Arc::clone(&plugins);
        let mut server = Server { host, wmi, plugins: plugin, link, idle: idle_timeout, connected: 0 };
        server.serve(received).await;
        plugins.close().await;
        Ok::<_, Box<dyn Error>>(())
    })?;
    // A blocking thread may still read a file for a command that has ended.
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(ExitCode::SUCCESS)
}

/// Returns the plug-ins of an ordinary host.
fn all_plugins(wmi: &Wmi, shells: Shells) -> Vec<Arc<dyn Plugin>> {
    let mut plugins: Vec<Arc<dyn Plugin>> = vec![
        Arc::new(FilePlugin::new(&shells.environment().home)),
        Arc::new(PowerShellPlugin::new(shells.clone())),
        Arc::new(ShellPlugin::new(shells)),
    ];
    plugins.extend(wmi.plugins());
    plugins.push(crate::event_log::plugin(None));
    plugins
}

/// Returns the plug-ins of a host that runs as the account of an endpoint: the endpoint, and a list of its pools. A
/// compromised gateway therefore has neither shells, files nor WMI with the rights of this account.
///
/// Its processes have no common limit by user ID, because other callers have processes with the same ID.
fn endpoint_plugins(run_as: &RunAsEndpoint, shells: Shells) -> Result<Vec<Arc<dyn Plugin>>, Box<dyn Error>> {
    let RunAsEndpoint { endpoint, account: _, program, configurations } = run_as;
    let endpoint = EndpointName::parse(endpoint).map_err(|reason| reason.to_string())?;
    let mut config = Config::default();
    config.enforce("PowerShell/Program", program)?;
    config.enforce("PowerShell/Configurations", configurations)?;
    let listing = ShellListing::new(Arc::clone(shells.registry()));
    let pools = PowerShellPlugin::new(shells).for_endpoint(endpoint, config.powershell);
    Ok(vec![Arc::new(pools), Arc::new(listing)])
}

/// Task from the broker.
enum Task {
    Serve(UnixStream),
    Renew(Token),
}

/// Receives commands of the broker until it closes the link.
fn receive_commands(
    link: &Link,
    tasks: &mpsc::UnboundedSender<Task>,
    replies: &std::sync::mpsc::Sender<io::Result<ControllerAccess>>,
) {
    while let Ok(Some(mut frame)) = link.receive() {
        let task = match (HostCommand::decode(&frame.message), frame.descriptors.pop()) {
            (Ok(HostCommand::SupplyHardware(hardware)), driver) => {
                let _ = replies.send(handed(hardware, driver));
                continue;
            }
            (Ok(HostCommand::ServeGateway), Some(descriptor)) => Task::Serve(UnixStream::from(descriptor)),
            (Ok(HostCommand::ReplaceToken(token)), None) => Task::Renew(token),
            _ => {
                tracing::error!("Invalid message from the broker");
                return;
            }
        };
        let _ = tasks.send(task);
    }
}

fn handed(hardware: HardwareReply, driver: Option<OwnedFd>) -> io::Result<ControllerAccess> {
    match hardware {
        HardwareReply::Granted(controllers) => {
            Ok(ControllerAccess { controllers: Some(controllers), driver })
        }
        HardwareReply::Denied => Ok(ControllerAccess { controllers: None, driver }),
        HardwareReply::RateLimited => {
            Err(io::Error::other("too many requests for management controllers\n  try again in a minute"))
        }
    }
}

/// Access to management controllers, which the broker grants to administrators.
#[derive(Debug)]
struct BrokerHardware {
    link: Arc<Link>,
    replies: Mutex<std::sync::mpsc::Receiver<io::Result<ControllerAccess>>>,
}

impl ControllerSource for BrokerHardware {
    fn load(&self) -> io::Result<ControllerAccess> {
        // The lock is held until the answer arrives, so that answers match requests.
        let handed = self.replies.lock();
        while handed.try_recv().is_ok() {}
        self.link.send(&HostReport::RequestHardware.encode(), &[])?;
        handed.recv_timeout(ANSWER_TIMEOUT).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Timeout of an answer; the broker reads two small files.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves gateways, and ends when the host is idle.
struct Server {
    host: Arc<Host>,
    /// WMI of an ordinary host.
    wmi: Option<Wmi>,
    plugins: Arc<dyn Plugin>,
    link: Arc<Link>,
    /// How long the host stays without work.
    idle: Duration,
    /// Number of `ServeGateway` commands received.
    connected: u64,
}

impl Server {
    /// Performs tasks until the broker closes the link.
    async fn serve(&mut self, mut tasks: mpsc::UnboundedReceiver<Task>) {
        let mut ticks = tokio::time::interval((self.idle / 4).max(SHORT_INTERVAL));
        loop {
            let task = tokio::select! {
                        task = tasks.recv() => match task {
                    Some(task) => Some(task),
                    None => return,
                },
                _ = ticks.tick() => None,
            };
            match task {
                Some(Task::Serve(socket)) => self.serve_gateway(socket),
                Some(Task::Renew(token)) => {
                    self.idle = Duration::ZERO;
                    ticks = tokio::time::interval(SHORT_INTERVAL);
                    self.host.update_token(token);
                    // Subscriptions end before the host checks whether it has work.
                    tokio::task::yield_now().await;
                    if let Some(wmi) = &self.wmi {
                        wmi.forget_hardware().await;
                    }
                    if !self.leave_if_idle().await {
                        let _ = self.link.send(&HostReport::Staying.encode(), &[]);
                    }
                }
                None => _ = self.leave_if_idle().await,
            }
        }
    }

    /// Offers to end if the host is idle; returns `false` if it has work.
    async fn leave_if_idle(&self) -> bool {
        let leaves = self.host.activity().stop_if_idle(self.idle, || self.plugins.in_use().total() == 0);
        if leaves {
            // Gateways are notified first.
            tokio::task::yield_now().await;
            // The broker closes the link, unless a connection is in transit.
            let _ = self.link.send(&HostReport::Leaving { connected: self.connected }.encode(), &[]);
        }
        leaves
    }

    fn serve_gateway(&mut self, socket: UnixStream) {
        self.connected = self.connected.wrapping_add(1);
        if let Err(error) = broker::verify_owner(&socket) {
            tracing::error!(%error, "Cannot serve a connection");
            return;
        }
        let host = Arc::clone(&self.host);
        tokio::spawn(async move {
            if let Err(error) = host.serve(socket).await {
                tracing::warn!(%error, "Invalid message from a gateway");
            }
        });
    }
}

/// Limits the number of the user's processes, unless it is already limited, so that one user cannot exhaust the
/// machine. Commands of shells start with a lower limit that follows the settings (`Limits::user_tasks`). The limit
/// does not apply to root (getrlimit(2), `RLIMIT_NPROC`).
fn limit_processes(uid: u32) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nproc);
    let [current, maximum] =
        [current, maximum].map(|limit| Some(limit.map_or(MAX_PROCESSES, |limit| limit.min(MAX_PROCESSES))));
    let limit = Rlimit { current, maximum };
    if uid != 0
        && let Err(error) = setrlimit(Resource::Nproc, limit)
    {
        tracing::warn!(%error, "Cannot limit the number of processes");
    }
}

/// User of this process, under the name of the account that signed in.
struct ProcessUser(String);

impl LocalUsers for ProcessUser {
    fn account(&self, _: u32) -> Result<Account, AuthError> {
        Ok(Account { name: self.0.clone() })
    }
}

/// Interval at which a host that is asked to end checks for open shells.
const SHORT_INTERVAL: Duration = Duration::from_millis(250);
/// Maximum number of processes, equal to systemd's usual limit of tasks in a unit (`DefaultTasksMax`).
const MAX_PROCESSES: u64 = 4_096;
