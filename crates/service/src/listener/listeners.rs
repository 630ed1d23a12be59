//! The listeners of the configuration as sockets: what is configured is what is open.

mod report;

pub use report::{ListenerReport, Listening, Report, Severity};

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use config::State;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use self::report::Problems;
use super::conflict::CertificateChoice;
use super::inherited::Inherited;
use super::interfaces::{Changes, Interfaces};
use super::plan::{Plan, PlannedSite};
use super::site::Site;
use super::socket;
use crate::certificate::{Certificate, CertificateError, Certificates, names};
use crate::service::Service;

/// Keeps sockets in step with the listeners of the configuration until the service ends.
///
/// A change touches only the sockets it is about: connections of other listeners do not notice, and those of a
/// listener that goes finish what is under way. Addresses that come and go with interfaces are noticed when the
/// kernel tells. Whatever cannot be bound is told in the log and tried again every few seconds.
pub struct Listeners {
    refresh: mpsc::Sender<oneshot::Sender<()>>,
}

impl Listeners {
    /// Begins to listen. `inherited` are sockets that a service manager has bound for it.
    #[must_use]
    pub fn start(
        service: &Arc<Service>,
        certificates: Arc<Certificates>,
        inherited: Vec<std::net::TcpListener>,
        listening: Listening,
    ) -> Self {
        let (refresh, wishes) = mpsc::channel(1);
        let engine = Engine {
            state: service.state.clone(),
            service: Arc::clone(service),
            certificates,
            inherited: Inherited::new(inherited),
            interfaces: Interfaces::default(),
            open: BTreeMap::new(),
            problems: Problems::default(),
            listening,
        };
        tokio::spawn(engine.run(wishes));
        Self { refresh }
    }

    /// Returns once the sockets are those of the configuration of this moment, as far as they can be.
    pub async fn refresh(&self) {
        let (done, is_done) = oneshot::channel();
        if self.refresh.send(done).await.is_ok() {
            // An error means that the service ends: then there is nothing to wait for.
            let _ = is_done.await;
        }
    }
}

struct Engine {
    state: watch::Receiver<Arc<State>>,
    service: Arc<Service>,
    certificates: Arc<Certificates>,
    inherited: Inherited,
    interfaces: Interfaces,
    open: BTreeMap<SocketAddr, Open>,
    problems: Problems,
    listening: Listening,
}

/// A socket that is accepted from.
struct Open {
    site: watch::Sender<Arc<Site>>,
    accepting: JoinHandle<()>,
}

impl Engine {
    /// How often what could not be bound is tried again, and addresses are looked at whatever the kernel says.
    const AGAIN: Duration = Duration::from_secs(5);
    /// An interface that comes up has several things to say at once.
    const MORE_TO_COME: Duration = Duration::from_millis(50);

    async fn run(mut self, mut wishes: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut again = tokio::time::interval(Self::AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = self.service.shutdown.clone();
        let changes = Changes::listen();
        loop {
            let mut wish = None;
            tokio::select! {
                () = shutdown.begun() => return,
                _ = again.tick() => {}
                () = changes.heard() => tokio::time::sleep(Self::MORE_TO_COME).await,
                // Without a store nothing changes any more.
                Ok(()) = self.state.changed() => {}
                Some(done) = wishes.recv() => wish = Some(done),
            }
            self.bring_about().await;
            if let Some(done) = wish {
                // Whoever asked may have gone.
                let _ = done.send(());
            }
        }
    }

    async fn bring_about(&mut self) {
        let state = Arc::clone(&self.state.borrow_and_update());
        self.look_at_interfaces();
        let mut plan = Plan::new(&state, &self.interfaces);
        let planned = self.inherited.adopt(std::mem::take(&mut plan.sockets));
        for listener in &plan.listeners {
            if let Err(error) = &listener.outcome {
                self.problems.of_listener(listener.id, error.to_string());
            }
        }
        self.judge_inherited(&planned);
        let wanted = self.with_certificates(&plan, planned).await;
        self.close_others(&wanted).await;
        for (address, site) in wanted {
            self.open(address, site);
        }
        self.problems.end();
        self.report(&plan);
    }

    fn look_at_interfaces(&mut self) {
        match Interfaces::ask() {
            Ok(interfaces) => self.interfaces = interfaces,
            // What was known a moment ago is better than nothing.
            Err(error) => {
                self.problems.of_machine(format!("the addresses of this machine are unknown: {error}"));
            }
        }
    }

    fn judge_inherited(&mut self, planned: &BTreeMap<SocketAddr, PlannedSite>) {
        for address in self.inherited.addresses().filter(|address| !planned.contains_key(address)) {
            self.problems.of_machine(format!(
                "the socket {address} was handed over and no listener uses it: clients wait there in vain; take it out of telarchd.socket or add a listener"
            ));
        }
    }

    /// Gives each site its certificate; sites that have none are left out.
    async fn with_certificates(
        &mut self,
        plan: &Plan,
        planned: BTreeMap<SocketAddr, PlannedSite>,
    ) -> BTreeMap<SocketAddr, Arc<Site>> {
        let mut wanted = BTreeMap::new();
        for (address, site) in planned {
            let certificate = match self.certificate(site.certificate, plan).await {
                Ok(certificate) => certificate,
                Err(error) => {
                    for route in &site.routes {
                        self.problems.of_listener(route.listener, error.to_string());
                    }
                    // A slip in the settings is no reason to lock everyone out.
                    match self.open.get(&address).and_then(|open| open.site.borrow().certificate.clone()) {
                        Some(certificate) => Some(certificate),
                        None => continue,
                    }
                }
            };
            if let Some(certificate) = &certificate {
                self.judge_certificate(certificate, &site, plan);
            }
            wanted.insert(address, Arc::new(Site { certificate, routes: site.routes }));
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
        let find = move || match choice {
            CertificateChoice::Named(thumbprint) => certificates.find(thumbprint),
            _ => certificates.own(&names, SystemTime::now()),
        };
        let found = tokio::task::spawn_blocking(find).await;
        found.unwrap_or_else(|error| Err(CertificateError::Certificate(error.to_string()))).map(Some)
    }

    /// The names of this machine and of the listeners that use its own certificate.
    fn names(&self, plan: &Plan) -> Vec<String> {
        let own = plan.listeners.iter().filter(|listener| listener.certificate == CertificateChoice::Own);
        let configured = own.map(|listener| listener.hostname.as_str().to_owned());
        let mut names: Vec<String> = configured.filter(|name| names::is_host_name(name)).collect();
        names.extend(names::of_this_machine(self.interfaces.iter().map(|local| local.ip)));
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    fn judge_certificate(&mut self, certificate: &Certificate, site: &PlannedSite, plan: &Plan) {
        let now = SystemTime::now();
        for listener in
            plan.listeners.iter().filter(|l| site.routes.iter().any(|route| route.listener == l.id))
        {
            if let Err(unfit) = certificate.fits(&listener.hostname, now) {
                let thumbprint = certificate.name();
                let way_out = match site.certificate {
                    CertificateChoice::Own => format!(
                        "to have a new one made, move {thumbprint}.pem out of the state directory and restart"
                    ),
                    _ => "give the listener another CertificateThumbprint".to_owned(),
                };
                self.problems.warning(
                    listener.id,
                    format!("clients will not accept the certificate {thumbprint}: {unfit}; {way_out}"),
                );
            }
        }
    }

    /// Closes what is no longer wanted, and is sure of it: the same port may be bound again in a moment.
    async fn close_others(&mut self, wanted: &BTreeMap<SocketAddr, Arc<Site>>) {
        let is_over =
            |address: &SocketAddr, open: &Open| !wanted.contains_key(address) || open.accepting.is_finished();
        let over: Vec<SocketAddr> = self
            .open
            .iter()
            .filter(|(address, open)| is_over(address, open))
            .map(|(address, _)| *address)
            .collect();
        for address in over {
            if let Some(open) = self.open.remove(&address) {
                open.accepting.abort();
                let _ = open.accepting.await;
                tracing::info!(%address, "Listening no longer");
            }
        }
    }

    /// Opens a socket, or tells the one that is open what is behind it now.
    fn open(&mut self, address: SocketAddr, site: Arc<Site>) {
        if let Some(open) = self.open.get(&address) {
            open.site.send_if_modified(|current| {
                let is_new = **current != *site;
                if is_new {
                    *current = Arc::clone(&site);
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
                for route in &site.routes {
                    self.problems.of_listener(route.listener, error.to_string());
                }
                return;
            }
        };
        tracing::info!(%address, transport = %site.transport(), "Listening");
        let (site, receiver) = watch::channel(site);
        let accepting = socket::accept(socket, address, receiver, Arc::clone(&self.service));
        self.open.insert(address, Open { site, accepting: tokio::spawn(accepting) });
    }

    fn report(&self, plan: &Plan) {
        let listeners = plan.listeners.iter().map(|listener| {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for (socket, open) in &self.open {
                let site = open.site.borrow();
                for route in site.routes.iter().filter(|route| route.listener == listener.id) {
                    let candidates: Vec<IpAddr> = match socket.ip().is_unspecified() {
                        true => route.scope.listed(self.interfaces.iter().map(|local| local.ip)),
                        false => vec![socket.ip()],
                    };
                    addresses.extend(candidates);
                }
            }
            ListenerReport {
                key: listener.id.key,
                source: listener.id.source,
                port: listener.port,
                addresses,
                problems: self.problems.of(listener.id),
            }
        });
        self.listening
            .publish(Report { sockets: self.open.keys().copied().collect(), listeners: listeners.collect() });
    }
}

/// When the runtime ends, so do the sockets.
impl Drop for Engine {
    fn drop(&mut self) {
        for open in self.open.values() {
            open.accepting.abort();
        }
    }
}
