//! A host: works for one user, as that user.

use std::error::Error;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auth::{Account, AuthError, Identity, LocalUsers};
use broker::{Hardware, KeptSession, Link, Order, Report};
use hardware::{ControllerAccess, ControllerSource};
use plugin_hosted::Host;
use plugin_shell::ShellPlugin;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, setrlimit};
use sddl::Token;
use service::{Catalog, Plugin};
use tokio::sync::mpsc;

use super::kept_groups::KeptGroups;
use super::{given_second_socket, given_socket, user};
use crate::open_files::OpenFiles;
use crate::wmi_engine::Wmi;
use crate::{begin_log, surroundings};

/// Is a host, until it has had nothing to do for a while or the broker is gone.
pub(super) fn run(uid: u32, gid: u32, state: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let (socket, of_keeper) = (given_socket()?, given_second_socket()?);
    begin_log(None);
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    limit_processes(uid);
    let open_files = OpenFiles::raise();
    user::become_user(uid, gid)?;
    if uid != 0 {
        // Whatever else the user runs cannot look into it.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    // Once this has come the process is in its control group.
    let keeper = Link::given(of_keeper)?;
    let session = keeper.receive()?.ok_or("the session has ended before it began")?;
    let KeptSession { variables, has_groups } = KeptSession::decode(&session.message)?;
    let groups = KeptGroups::new(has_groups.then_some(keeper))?;
    let link = Arc::new(Link::given(socket)?);
    let (account, token, idle) = match link.receive()?.map(|frame| Order::decode(&frame.message)) {
        Some(Ok(Order::Begin { account, token, idle })) => (account, token, idle),
        _ => return Err("the broker has not said whom to work for".into()),
    };
    // A question that wakes no second thread is answered sooner, and no user has more than one for this.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let identity = Identity::by_peer_credentials(uid, &Known(account.clone()))?;
        let shell =
            ShellPlugin::new(surroundings::of_session(&account, &variables)).with_groups(Arc::new(groups));
        let shell = open_files.spare_commands(shell);
        let mut plugins: Vec<Arc<dyn Plugin>> = vec![Arc::new(shell)];
        let (handing, handed) = std::sync::mpsc::channel();
        let keeper = FromBroker { link: Arc::clone(&link), handed: Mutex::new(handed) };
        // Root has them without asking.
        let keeper = (uid != 0).then(|| Arc::new(keeper) as Arc<dyn ControllerSource>);
        let wmi = Wmi::open(state, keeper);
        plugins.extend(wmi.plugins());
        let plugins: Arc<dyn Plugin> = Arc::new(Catalog::new(plugins));
        let host = Host::new(Arc::clone(&plugins), identity, token);
        let (sender, orders) = mpsc::unbounded_channel();
        let listening = Arc::clone(&link);
        std::thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || listen(&listening, &sender, &handing))?;
        link.send(&Report::Started.encode(), &[])?;
        serve((&host, &wmi), &plugins, orders, &link, idle).await;
        plugins.close().await;
        Ok::<_, Box<dyn Error>>(())
    })?;
    // Somebody may still read a file for a command that is gone.
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(ExitCode::SUCCESS)
}

/// What there is to do besides the calls.
enum Ordered {
    Serve(UnixStream),
    Renew(Token),
}

/// Passes on what the broker orders, until it closes the link.
fn listen(
    link: &Link,
    orders: &mpsc::UnboundedSender<Ordered>,
    handing: &std::sync::mpsc::Sender<io::Result<ControllerAccess>>,
) {
    while let Ok(Some(mut frame)) = link.receive() {
        let ordered = match (Order::decode(&frame.message), frame.descriptors.pop()) {
            (Ok(Order::Hardware(hardware)), driver) => {
                let _ = handing.send(handed(hardware, driver));
                continue;
            }
            (Ok(Order::Connect), Some(descriptor)) => Ordered::Serve(UnixStream::from(descriptor)),
            (Ok(Order::Renew(token)), None) => Ordered::Renew(token),
            _ => {
                tracing::error!("The broker is not understood");
                return;
            }
        };
        let _ = orders.send(ordered);
    }
}

fn handed(hardware: Hardware, driver: Option<OwnedFd>) -> io::Result<ControllerAccess> {
    match hardware {
        Hardware::Given(controllers) => Ok(ControllerAccess { controllers: Some(controllers), driver }),
        Hardware::Withheld => Ok(ControllerAccess { controllers: None, driver }),
        Hardware::TooOften => Err(io::Error::other("it was asked too often\n  ask again in a minute")),
    }
}

/// The hardware, which the broker hands over if the user is an administrator.
#[derive(Debug)]
struct FromBroker {
    link: Arc<Link>,
    handed: Mutex<std::sync::mpsc::Receiver<io::Result<ControllerAccess>>>,
}

impl ControllerSource for FromBroker {
    fn load(&self) -> io::Result<ControllerAccess> {
        // One asks at a time, so that an answer is to the question before it.
        let handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        while handed.try_recv().is_ok() {}
        self.link.send(&Report::AsksForHardware.encode(), &[])?;
        handed.recv_timeout(LONGEST_ANSWER).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The broker reads two small files.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// Serves gateways until the broker has no further use for this host.
async fn serve(
    (host, wmi): (&Arc<Host>, &Wmi),
    plugins: &Arc<dyn Plugin>,
    mut orders: mpsc::UnboundedReceiver<Ordered>,
    link: &Arc<Link>,
    mut idle: Duration,
) {
    let mut connected: u64 = 0;
    let mut ticks = tokio::time::interval((idle / 4).max(OFTEN));
    loop {
        let ordered = tokio::select! {
            ordered = orders.recv() => match ordered {
                Some(ordered) => Some(ordered),
                None => return,
            },
            _ = ticks.tick() => None,
        };
        let is_asked_to = matches!(ordered, Some(Ordered::Renew(_)));
        let socket = match ordered {
            Some(Ordered::Serve(socket)) => Some(socket),
            Some(Ordered::Renew(token)) => {
                idle = Duration::ZERO;
                ticks = tokio::time::interval(OFTEN);
                host.renew(token);
                // Whatever ends with that does so before it is asked whether there is something left.
                tokio::task::yield_now().await;
                wmi.forget_hardware().await;
                None
            }
            None => None,
        };
        let Some(socket) = socket else {
            let leaves = host.activity().leave(idle, || plugins.in_use() == 0);
            if leaves {
                // Gateways are told first.
                tokio::task::yield_now().await;
                // The broker closes the link, unless a connection is on its way.
                let _ = link.send(&Report::Leaving { connected }.encode(), &[]);
            } else if is_asked_to {
                let _ = link.send(&Report::Staying.encode(), &[]);
            }
            continue;
        };
        connected = connected.wrapping_add(1);
        if let Err(error) = broker::is_of_root_or_own(&socket) {
            tracing::error!(%error, "A connection cannot be used");
            continue;
        }
        let host = Arc::clone(host);
        tokio::spawn(async move {
            if let Err(error) = host.serve(socket).await {
                tracing::warn!(%error, "A gateway is not understood");
            }
        });
    }
}

/// Bounds how many processes the user may have, unless somebody has already: a machine is to survive the mistakes of
/// one user. Root has no such bound (getrlimit(2), `RLIMIT_NPROC`).
fn limit_processes(uid: u32) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nproc);
    let at_most = |limit: Option<u64>| Some(limit.map_or(MOST_PROCESSES, |limit| limit.min(MOST_PROCESSES)));
    let limit = Rlimit { current: at_most(current), maximum: at_most(maximum) };
    if uid != 0
        && let Err(error) = setrlimit(Resource::Nproc, limit)
    {
        tracing::warn!(%error, "The number of processes cannot be limited");
    }
}

/// The user of this process, under the name that signed in.
struct Known(String);

impl LocalUsers for Known {
    fn account(&self, _: u32) -> Result<Account, AuthError> {
        Ok(Account { name: self.0.clone() })
    }
}

/// How soon a host that is to end notices that its last shell is closed.
const OFTEN: Duration = Duration::from_millis(250);
/// As many as systemd gives the tasks of a unit on most machines (`DefaultTasksMax`), and far more than anybody needs.
const MOST_PROCESSES: u64 = 4_096;
