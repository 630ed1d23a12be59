//! Sockets for the configured listeners.

mod report;

pub use report::{ListenerReport, ListenerStatus, Report, Severity};

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use config::{Serving, State};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::report::Problems;
use super::conflict::CertificateChoice;
use super::inherited_sockets::InheritedSockets;
use super::interfaces::{InterfaceMonitor, Interfaces};
use super::plan::{Plan, PlannedEndpoint, PlannedListener};
use super::socket;
use crate::certificate::{Certificate, CertificateError, Certificates, names};
use crate::endpoint::Endpoint;
use crate::service::Service;

/// Task that opens and closes sockets as the configured listeners require, until the service ends.
///
/// A change affects only the sockets of the changed listeners. Connections of a removed listener finish the request in
/// progress. The task also follows addresses that are added to or removed from network interfaces. Sockets that cannot
/// be bound are logged and retried every few seconds.
pub struct Listeners {
    refresh: mpsc::Sender<oneshot::Sender<()>>,
}

impl Listeners {
    /// Starts the task.
    ///
    /// `inherited` are sockets that the service manager has bound (sd_listen_fds(3)). The task publishes its state in
    /// `status`.
    #[must_use]
    pub fn start(
        service: &Arc<Service>,
        certificates: Arc<Certificates>,
        inherited: Vec<std::net::TcpListener>,
        status: ListenerStatus,
    ) -> Self {
        Self::start_task(service, certificates, (inherited, SocketOrigin::ServiceManager), status)
    }

    /// Starts the task with sockets that this process has bound for configured listeners. Each belongs to its listener
    /// and is closed together with it.
    #[must_use]
    pub fn start_on(
        bound: Vec<std::net::TcpListener>,
        service: &Arc<Service>,
        certificates: Arc<Certificates>,
        status: ListenerStatus,
    ) -> Self {
        Self::start_task(service, certificates, (bound, SocketOrigin::ThisProcess), status)
    }

    fn start_task(
        service: &Arc<Service>,
        certificates: Arc<Certificates>,
        (sockets, origin): (Vec<std::net::TcpListener>, SocketOrigin),
        status: ListenerStatus,
    ) -> Self {
        let (refresh, refresh_requests) = mpsc::channel(1);
        let task = ListenerTask {
            state: service.state.clone(),
            service: Arc::clone(service),
            certificates,
            inherited: InheritedSockets::new(sockets),
            origin,
            interfaces: Interfaces::default(),
            open: BTreeMap::new(),
            problems: Problems::default(),
            status,
        };
        tokio::spawn(task.run(refresh_requests));
        Self { refresh }
    }

    /// Waits until the sockets match the current configuration, except for those that cannot be bound.
    pub async fn refresh(&self) {
        let (done, is_done) = oneshot::channel();
        if self.refresh.send(done).await.is_ok() {
            // An error means that the service has ended.
            let _ = is_done.await;
        }
    }
}

struct ListenerTask {
    state: watch::Receiver<Arc<State>>,
    service: Arc<Service>,
    certificates: Arc<Certificates>,
    inherited: InheritedSockets,
    origin: SocketOrigin,
    interfaces: Interfaces,
    open: BTreeMap<SocketAddr, OpenSocket>,
    problems: Problems,
    status: ListenerStatus,
}

/// Process that has bound the first sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SocketOrigin {
    /// They remain open while no listener uses them, as long as the service runs.
    ServiceManager,
    /// They are used once, for the listeners that they were bound for.
    ThisProcess,
}

/// A socket whose connections are accepted.
struct OpenSocket {
    endpoint: watch::Sender<Arc<Endpoint>>,
    accepting: JoinHandle<()>,
}

impl ListenerTask {
    /// Interval at which failed sockets are retried, and addresses are read again if the kernel sends no notifications.
    const RETRY_INTERVAL: Duration = Duration::from_secs(5);
    /// Interval at which everything is checked again while all listeners work, for changes without a notification, such
    /// as the name of this machine and the expiry of certificates.
    const CHECK_INTERVAL: Duration = Duration::from_secs(60);
    /// Delay after a notification of the kernel: an interface that comes up causes several.
    const SETTLE_TIME: Duration = Duration::from_millis(50);

    async fn run(mut self, mut refresh_requests: mpsc::Receiver<oneshot::Sender<()>>) {
        let shutdown = self.service.shutdown.clone();
        let monitor = InterfaceMonitor::new();
        let mut next_check = Instant::now();
        loop {
            let mut refreshed = None;
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep_until(next_check) => {}
                () = monitor.changed() => tokio::time::sleep(Self::SETTLE_TIME).await,
                // Once the configuration store is dropped, the configuration no longer changes.
                Ok(()) = self.state.changed() => {}
                Some(done) = refresh_requests.recv() => refreshed = Some(done),
            }
            self.reconcile().await;
            let is_settled = monitor.is_available() && !self.problems.has_errors();
            next_check =
                Instant::now() + if is_settled { Self::CHECK_INTERVAL } else { Self::RETRY_INTERVAL };
            if let Some(done) = refreshed {
                // The requester may have stopped waiting.
                let _ = done.send(());
            }
        }
    }

    /// Opens, updates and closes sockets so that they match the configuration and the addresses of this machine.
    async fn reconcile(&mut self) {
        let state = Arc::clone(&self.state.borrow_and_update());
        self.refresh_interfaces();
        let mut plan = Plan::new(&state, &self.interfaces);
        let planned = self.inherited.adopt(std::mem::take(&mut plan.sockets));
        for listener in &plan.listeners {
            if let Err(error) = &listener.outcome {
                self.problems.add_error(listener.id, error.to_string());
            }
        }
        self.report_unused_inherited(&planned);
        let wanted = self.with_certificates(&plan, planned).await;
        self.close_others(&wanted).await;
        for (address, endpoint) in wanted {
            self.open_or_update(address, endpoint);
        }
        if self.origin == SocketOrigin::ThisProcess {
            self.inherited = InheritedSockets::default();
        }
        self.problems.log_changes();
        self.publish_status(&plan);
    }

    fn refresh_interfaces(&mut self) {
        match Interfaces::query() {
            Ok(interfaces) => self.interfaces = interfaces,
            // Continue with the addresses of the last successful query.
            Err(error) => {
                self.problems
                    .add_machine_warning(format!("cannot list the addresses of this machine: {error}"));
            }
        }
    }

    fn report_unused_inherited(&mut self, planned: &BTreeMap<SocketAddr, PlannedEndpoint>) {
        for address in self.inherited.addresses().filter(|address| !planned.contains_key(address)) {
            self.problems.add_machine_warning(format!(
                "no listener uses the inherited socket {address}, so its clients wait in vain; remove it from telarchd.socket or add a listener"
            ));
        }
    }

    /// Loads the certificate of each endpoint. Endpoints without a usable certificate are omitted.
    async fn with_certificates(
        &mut self,
        plan: &Plan,
        planned: BTreeMap<SocketAddr, PlannedEndpoint>,
    ) -> BTreeMap<SocketAddr, Arc<Endpoint>> {
        let mut wanted = BTreeMap::new();
        for (address, endpoint) in planned {
            let certificate = match self.certificate(endpoint.certificate, plan).await {
                Ok(certificate) => certificate,
                Err(error) => {
                    for listener in &endpoint.listeners {
                        self.problems.add_error(listener.id, error.to_string());
                    }
                    // Keep serving with the previous certificate: a wrong setting must not lock clients out.
                    match self.open.get(&address).and_then(|open| open.endpoint.borrow().certificate.clone())
                    {
                        Some(certificate) => Some(certificate),
                        None => continue,
                    }
                }
            };
            if let Some(certificate) = &certificate {
                self.check_certificate(certificate, &endpoint, plan);
            }
            wanted.insert(address, Arc::new(Endpoint { certificate, listeners: endpoint.listeners }));
        }
        wanted
    }

    async fn certificate(
        &self,
        choice: CertificateChoice,
        plan: &Plan,
    ) -> Result<Option<Certificate>, CertificateError> {
        let certificates = Arc::clone(&self.certificates);
        let names = match choice {
            CertificateChoice::None => return Ok(None),
            CertificateChoice::Named(_) => Vec::new(),
            CertificateChoice::Own => self.names(plan),
        };
        let loaded = tokio::task::spawn_blocking(move || match choice {
            CertificateChoice::Named(thumbprint) => certificates.find(thumbprint),
            _ => certificates.own(&names, SystemTime::now()),
        });
        let loaded = loaded.await;
        loaded.unwrap_or_else(|error| Err(CertificateError::Certificate(error.to_string()))).map(Some)
    }

    /// Returns the names of this machine and of the listeners that use its self-signed certificate.
    fn names(&self, plan: &Plan) -> Vec<String> {
        let own = plan.listeners.iter().filter(|listener| listener.certificate == CertificateChoice::Own);
        let configured = own.map(|listener| listener.hostname.as_str().to_owned());
        let mut names: Vec<String> = configured.filter(|name| names::is_host_name(name)).collect();
        names.extend(names::of_this_machine(self.interfaces.iter().map(|local| local.ip)));
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    /// Warns about listeners whose clients will reject the certificate.
    fn check_certificate(&mut self, certificate: &Certificate, endpoint: &PlannedEndpoint, plan: &Plan) {
        let now = SystemTime::now();
        for planned in &plan.listeners {
            if !endpoint.listeners.iter().any(|listener| listener.id == planned.id) {
                continue;
            }
            if let Err(problem) = certificate.check(&planned.hostname, now) {
                let thumbprint = certificate.thumbprint();
                let way_out = match endpoint.certificate {
                    CertificateChoice::Own => format!(
                        "to have a new one created, move {thumbprint}.pem out of the state directory and restart"
                    ),
                    _ => "give the listener another CertificateThumbprint".to_owned(),
                };
                self.problems.add_warning(
                    planned.id,
                    format!("clients will reject the certificate {thumbprint}: {problem}; {way_out}"),
                );
            }
        }
    }

    /// Closes sockets that are no longer wanted, and waits for it because the same port may be bound again at once.
    async fn close_others(&mut self, wanted: &BTreeMap<SocketAddr, Arc<Endpoint>>) {
        let unwanted: Vec<SocketAddr> = self
            .open
            .iter()
            .filter(|(address, open)| !wanted.contains_key(address) || open.accepting.is_finished())
            .map(|(address, _)| *address)
            .collect();
        for address in unwanted {
            if let Some(open) = self.open.remove(&address) {
                open.accepting.abort();
                let _ = open.accepting.await;
                tracing::info!(%address, "Stopped listening");
            }
        }
    }

    /// Opens a socket, or updates the endpoint of a socket that is already open.
    fn open_or_update(&mut self, address: SocketAddr, endpoint: Arc<Endpoint>) {
        if let Some(open) = self.open.get(&address) {
            open.endpoint.send_if_modified(|current| {
                let is_new = **current != *endpoint;
                if is_new {
                    *current = Arc::clone(&endpoint);
                }
                is_new
            });
            return;
        }
        let inherited = self.inherited.socket(address);
        let bound = inherited.map_or_else(
            || socket::bind(address),
            |socket| socket.map_err(|source| socket::ListenError { address, source }),
        );
        let socket = match bound {
            Ok(socket) => socket,
            Err(error) if error.is_missing_family() => return,
            Err(error) => {
                for listener in &endpoint.listeners {
                    self.problems.add_error(listener.id, error.to_string());
                }
                return;
            }
        };
        tracing::info!(%address, transport = %endpoint.transport(), "Listening");
        let (endpoint, receiver) = watch::channel(endpoint);
        let accepting = socket::accept(socket, address, receiver, Arc::clone(&self.service));
        self.open.insert(address, OpenSocket { endpoint, accepting: tokio::spawn(accepting) });
    }

    fn publish_status(&self, plan: &Plan) {
        let listeners = plan.listeners.iter().map(|listener| ListenerReport {
            key: listener.id.key,
            source: listener.id.source,
            port: listener.port,
            serving: self.serving(listener),
            problems: self.problems.errors_of(listener.id),
        });
        self.status
            .publish(Report { sockets: self.open.keys().copied().collect(), listeners: listeners.collect() });
    }

    fn serving(&self, planned: &PlannedListener) -> Serving {
        let mut serving = Serving::default();
        for (socket, open) in &self.open {
            let endpoint = open.endpoint.borrow();
            for listener in endpoint.listeners.iter().filter(|listener| listener.id == planned.id) {
                let candidates: Vec<IpAddr> = match socket.ip().is_unspecified() {
                    true => listener.scope.listed(self.interfaces.iter().map(|local| local.ip)),
                    false => vec![socket.ip()],
                };
                serving.addresses.extend(candidates);
                serving.certificate = endpoint.certificate.as_ref().map(Certificate::thumbprint);
            }
        }
        serving
    }
}

/// Closes the sockets when the runtime ends.
impl Drop for ListenerTask {
    fn drop(&mut self) {
        for open in self.open.values() {
            open.accepting.abort();
        }
    }
}
