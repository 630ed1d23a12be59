//! Gateway process: reads the network, and uses the broker and the hosts for everything else.

use std::error::Error;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use zeroize::Zeroizing;

use accounts::UnixUsers;
use auth::certificate_mapping::{Mapping, MappingChange};
use auth::{Account, AuthError, Identity, LocalUsers};
use broker::{
    BrokerEvent, CertificateRequest, DenialKind, Denied, Gateway, GatewayRequest, Link, LocalClient,
    MappingRequestError, Session, SettingsError,
};
use config::{Config, EndpointName, Policies, Store, Thumbprint};
use plugin_config::{
    ConfigFileWriter, ConfigPlugin, EndpointList, MachineSetup, MappingStore, MappingStoreError, ReplaceError,
};
use plugin_eventlog::EventLogPlugin;
use plugin_events::RemoteCollector;
use plugin_file::FilePlugin;
use plugin_hardware::EventLogs;
use plugin_hosted::{HostedPlugin, Hosts, UserQuota};
use plugin_powershell::PowerShellPlugin;
use plugin_shell::{ShellListing, ShellPlugin};
use plugin_wmi::WmiPlugin;
use quickconfig::{MachineRequest, MachineResponse};
use sddl::{Sid, Token};
use service::{
    BoxFuture, Caller, Catalog, CertificateKeeper, Certificates, ClientCertificates, EventEndpoint,
    ForwardedConnections, ListenerStatus, Listeners, Principals, Service, ServiceParts, SessionHandle,
    serve_metrics, serve_snapshots, watchdog,
};
use tokio::sync::mpsc;
use wsman::{Fault, Subcode, code};

use super::user;
use crate::arguments::Persistent;
use crate::audit::{AuditPipe, AuditRecords};
use crate::child_process::stdin_socket;
use crate::event_layers::begin_log;
use crate::log::one_line;
use crate::open_files::OpenFiles;
use crate::persistent::{machine_sid, manager_reports, refresh};
use crate::{drain, product};

/// Runs the gateway until the broker stops it.
pub(super) fn run(arguments: &Persistent) -> Result<ExitCode, Box<dyn Error>> {
    let link = Link::from_inherited(stdin_socket()?)?;
    let audit = AuditRecords::from(AuditPipe::from_stdout()?);
    begin_log(Some(audit.clone()));
    // Signals of a terminal are handled by the broker.
    rustix::process::setsid()?;
    let numbers = user::find(&UnixUsers::of_this_machine(), &arguments.separate.gateway_user)?;
    let numbers = numbers
        .filter(|numbers| numbers.uid != 0)
        .ok_or("the user of the gateway does not exist or is root")?;
    let open_files = OpenFiles::raise();
    // The last files that are read as root.
    let (config, settings) = (&arguments.paths.config, &arguments.settings);
    let store = Arc::new(Store::open_with_policies(config, settings, Policies::default())?);
    store.set_machine_sid(machine_sid(&arguments.paths)?.domain());
    open_files.warn_if_too_few(&store.snapshot());
    let product = product::of_this_machine();
    std::env::set_current_dir("/")?;
    confinement::require_one_thread()?;
    confinement::become_gateway(numbers.uid, numbers.gid)?;
    confinement::confine()?;

    let (sender, events) = mpsc::unbounded_channel();
    let gateway = Gateway::connect(link, move |one| _ = sender.send(one))?;
    let runtime = crate::runtime()?;
    let has_listeners = !arguments.no_listeners;
    let served = runtime.block_on(serve(gateway, events, store, product, has_listeners));
    audit.finish();
    served?;
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    gateway: Arc<Gateway>,
    mut events: mpsc::UnboundedReceiver<BrokerEvent>,
    store: Arc<Store>,
    product: service::Product,
    has_listeners: bool,
) -> Result<(), Box<dyn Error>> {
    let collector = Arc::new(RemoteCollector::default());
    let initial = InitialState::receive(&mut events, &store, &collector)?;
    let listening = ListenerStatus::default();
    let certificates = Arc::new(Certificates::with_keeper(Arc::new(BrokerClient(Arc::clone(&gateway)))));
    let settings = settings(&gateway, &store, &listening, &certificates);
    let service = Service::new(ServiceParts {
        state: store.subscribe(),
        authenticator: Arc::clone(&gateway) as Arc<dyn auth::Authenticator>,
        principals: Arc::new(BrokerClient(Arc::clone(&gateway))),
        catalog: catalog(&gateway, &store, settings),
        product,
        events: Some(Arc::clone(&collector) as Arc<dyn EventEndpoint>),
    });
    let stored = Arc::clone(&certificates);
    let listeners =
        has_listeners.then(|| Listeners::start(&service, stored, initial.sockets, listening.clone()));
    tokio::spawn(serve_metrics(Arc::clone(&service)));
    refresh(listeners.as_ref()).await;

    let microseconds = std::env::var("WATCHDOG_USEC").ok();
    if let Some(interval) = watchdog(microseconds.as_deref(), None, std::process::id()) {
        let reporting = Arc::clone(&gateway);
        tokio::spawn(manager_reports::health(Arc::clone(&service), interval, move || {
            reporting.notify(&GatewayRequest::ReportAlive);
        }));
    }
    tracing::info!(config = %store.path().display(), version = env!("CARGO_PKG_VERSION"), "Ready");
    gateway.notify(&GatewayRequest::ReportReady);
    let reporting = Arc::clone(&gateway);
    tokio::spawn(manager_reports::status(listening, move |text| {
        reporting.notify(&GatewayRequest::ReportStatus(text));
    }));

    let handed = ForwardedConnections::new(&service);
    let mut early = initial.events.into_iter();
    loop {
        let event = match early.next() {
            Some(event) => event,
            None => events.recv().await.unwrap_or(BrokerEvent::Stop),
        };
        match event {
            BrokerEvent::LocalConnected(LocalClient { socket, uid, account, guard }) => {
                let users = Arc::new(SentAccount(account));
                if let Err(error) = handed.serve(UnixStream::from(socket), uid, users, guard) {
                    tracing::error!(%error, "Cannot serve a local connection");
                }
            }
            BrokerEvent::SettingsChanged(text) => adopt(&store, text).await,
            BrokerEvent::PoliciesChanged(text) => {
                if let Err(error) = govern(&store, &text) {
                    tracing::error!(
                        error = one_line(&*error),
                        "Cannot apply the policies; keeping the previous ones"
                    );
                }
            }
            BrokerEvent::Reload(settings) => {
                adopt(&store, settings).await;
                reload(&certificates).await;
                refresh(listeners.as_ref()).await;
                gateway.notify(&GatewayRequest::ReportReady);
            }
            BrokerEvent::ListeningSockets(_) => {
                tracing::warn!("Ignored listening sockets received after the start");
            }
            BrokerEvent::EventCollector { is_enabled, requests_certificates, connection } => {
                follow(&collector, is_enabled, requests_certificates, connection);
            }
            BrokerEvent::MetricsExporter(connection) => send_metrics(&service, connection),
            BrokerEvent::Stop => break,
        }
    }
    drain::run(&service).await;
    Ok(())
}

/// State that the broker sends before the response to the first request.
struct InitialState {
    sockets: Vec<std::net::TcpListener>,
    /// Other events received so far.
    events: Vec<BrokerEvent>,
}

impl InitialState {
    /// Receives the state and applies the policies, without which the gateway must not serve.
    fn receive(
        events: &mut mpsc::UnboundedReceiver<BrokerEvent>,
        store: &Store,
        collector: &Arc<RemoteCollector>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut initial = Self { sockets: Vec::new(), events: Vec::new() };
        let mut governed = None;
        while let Ok(one) = events.try_recv() {
            match one {
                BrokerEvent::PoliciesChanged(text) => governed = Some(govern(store, &text)?),
                BrokerEvent::ListeningSockets(sockets) => {
                    initial.sockets.extend(sockets.into_iter().map(std::net::TcpListener::from));
                }
                BrokerEvent::EventCollector { is_enabled, requests_certificates, connection } => {
                    follow(collector, is_enabled, requests_certificates, connection);
                }
                other => initial.events.push(other),
            }
        }
        governed.ok_or("the broker has sent no policies")?;
        Ok(initial)
    }
}

/// Serves the process that sends metrics to a receiver of OpenTelemetry, until it ends.
fn send_metrics(service: &Arc<Service>, connection: OwnedFd) {
    let service = Arc::clone(service);
    tokio::spawn(async move {
        if let Err(error) = serve_snapshots(service, UnixStream::from(connection)).await {
            tracing::warn!(%error, "Lost the connection to the process that sends metrics");
        }
    });
}

/// Uses the collector of events as the broker says.
fn follow(
    collector: &Arc<RemoteCollector>,
    is_enabled: bool,
    requests_certificates: bool,
    connection: Option<OwnedFd>,
) {
    let certificates = match requests_certificates {
        true => ClientCertificates::Requested,
        false => ClientCertificates::Unused,
    };
    if let Err(error) = collector.update(is_enabled, certificates, connection.map(UnixStream::from)) {
        tracing::error!(%error, "Cannot connect to the collector of events");
    }
}

/// Creates the plug-in of `winrm/config`, whose files the broker manages.
fn settings(
    gateway: &Arc<Gateway>,
    store: &Arc<Store>,
    listening: &ListenerStatus,
    certificates: &Arc<Certificates>,
) -> ConfigPlugin {
    let broker = Arc::new(BrokerClient(Arc::clone(gateway)));
    ConfigPlugin::with_listeners(Arc::clone(store), listening.clone(), Arc::clone(certificates))
        .with_file_writer(Arc::clone(&broker) as _)
        .with_machine(Arc::clone(&broker) as _)
        .with_principals(Arc::clone(&broker) as _)
        .with_endpoints(Arc::clone(&broker) as _)
        .with_certificate_mappings(broker)
}

/// Creates the catalog: the settings, and plug-ins that run in host processes.
fn catalog(gateway: &Arc<Gateway>, store: &Arc<Store>, settings: ConfigPlugin) -> Catalog {
    let hosts: Arc<dyn Hosts> =
        Arc::new(BrokerHosts { gateway: Arc::clone(gateway), store: Arc::clone(store) });
    let shells = [&ShellPlugin::RESOURCES[..], &PowerShellPlugin::RESOURCES, &FilePlugin::RESOURCES].concat();
    let [shells, wmi, logs, events] =
        [&shells[..], &WmiPlugin::RESOURCES, &EventLogs::RESOURCES, &EventLogPlugin::RESOURCES]
            .map(|resources| HostedPlugin::new(resources, Arc::clone(&hosts)));
    let quota = UserQuota {
        limit: max_users,
        fault: shells::fault::too_many_users,
        shells: max_shells,
        shells_fault: shells::fault::too_many_shells,
    };
    Catalog::new(vec![
        Arc::new(settings),
        Arc::new(shells.with_users(quota).with_listings(&ShellListing::RESOURCES)),
        Arc::new(wmi),
        Arc::new(logs),
        Arc::new(events),
    ])
}

/// Reads the certificates again.
async fn reload(certificates: &Arc<Certificates>) {
    let read = Arc::clone(certificates);
    let errors = tokio::task::spawn_blocking(move || read.reload()).await.unwrap_or_default();
    for error in errors {
        tracing::error!(error = one_line(&error), "Cannot reload a certificate; keeping the previous one");
    }
}

/// Applies policies received from the broker.
fn govern(store: &Store, text: &str) -> Result<(), Box<dyn Error>> {
    let state = store.adopt_policies(Policies::of_text(text)?)?;
    tracing::debug!(policies = state.policies.iter().count(), "Policies applied");
    Ok(())
}

/// Applies settings received from the broker.
async fn adopt(store: &Arc<Store>, text: String) {
    let blocking_store = Arc::clone(store);
    match tokio::task::spawn_blocking(move || blocking_store.adopt(&text)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::error!(error = one_line(&error), "Cannot apply the settings; keeping the previous ones");
        }
        Err(error) => tracing::error!(%error, "Applying new settings was aborted"),
    }
}

/// Implementation of the service's traits by requests to the broker.
struct BrokerClient(Arc<Gateway>);

impl BrokerClient {
    fn session(caller: &Caller) -> Result<Arc<Session>, Denied> {
        let session = caller.session().and_then(|handle| Arc::clone(handle).downcast::<Session>().ok());
        session.ok_or_else(|| Denied::new(DenialKind::Access, "unknown session; sign in again"))
    }
}

impl BrokerClient {
    fn certificate(&self, request: CertificateRequest) -> Result<Zeroizing<String>, String> {
        let pem = self.0.certificate(request).map_err(|denied| denied.reason)?;
        Ok(Zeroizing::new(pem.expose().to_owned()))
    }
}

impl EndpointList for BrokerClient {
    fn names(&self, _: &Config) -> Vec<EndpointName> {
        let names = self.0.endpoints();
        names.iter().filter_map(|name| EndpointName::parse(name).ok()).collect()
    }
}

impl Principals for BrokerClient {
    /// Returns `None`, because a name alone proves nothing to the broker.
    fn token(&self, _: &Account) -> Option<Token> {
        None
    }

    fn token_of(&self, identity: &Identity) -> Option<Token> {
        self.0.session(identity).map(|session| session.token().clone())
    }

    fn sid_of(&self, name: &str) -> Option<Sid> {
        self.0.sid_of(name)
    }

    fn name_of(&self, sid: Sid) -> Option<String> {
        self.0.name_of(sid)
    }

    fn session_handle(&self, identity: &Identity) -> Option<SessionHandle> {
        self.0.session(identity).map(|session| session as SessionHandle)
    }
}

/// Hosts that the broker starts.
struct BrokerHosts {
    gateway: Arc<Gateway>,
    store: Arc<Store>,
}

impl Hosts for BrokerHosts {
    fn connect(
        &self,
        caller: Arc<Caller>,
        endpoint: Option<String>,
    ) -> BoxFuture<'static, Result<UnixStream, Fault>> {
        let gateway = Arc::clone(&self.gateway);
        Box::pin(async move {
            let is_ordinary = endpoint.is_none();
            let connected = tokio::task::spawn_blocking(move || {
                let session = BrokerClient::session(&caller)?;
                match endpoint {
                    Some(endpoint) => gateway.run_as_host(&session, &endpoint),
                    None => gateway.host(&session),
                }
            });
            let connected = connected
                .await
                .unwrap_or_else(|error| Err(Denied::new(DenialKind::Failed, error.to_string())));
            connected.map(UnixStream::from).map_err(|denied| match denied.kind {
                DenialKind::Failed if !is_ordinary => {
                    Fault::new(Subcode::InternalError, code::RUN_AS_FAILED, denied.reason)
                }
                _ => fault(denied),
            })
        })
    }

    fn run_as_hosts(&self, caller: Arc<Caller>) -> BoxFuture<'static, Result<Vec<String>, Fault>> {
        let gateway = Arc::clone(&self.gateway);
        // No request to the broker without such endpoints.
        let has_endpoints = self.store.state().plugins.has_run_as();
        Box::pin(async move {
            if !has_endpoints {
                return Ok(Vec::new());
            }
            let listed = tokio::task::spawn_blocking(move || {
                let session = BrokerClient::session(&caller)?;
                gateway.run_as_hosts(&session)
            });
            let listed =
                listed.await.unwrap_or_else(|error| Err(Denied::new(DenialKind::Failed, error.to_string())));
            listed.map_err(fault)
        })
    }

    fn run_as_endpoint(&self, uri: &str) -> Option<String> {
        self.store.state().plugins.run_as(uri)?;
        Some(EndpointName::of_uri(uri)?.as_str().to_ascii_lowercase())
    }
}

impl ConfigFileWriter for BrokerClient {
    fn replace(&self, caller: &Caller, before: &str, after: &str) -> Result<(), ReplaceError> {
        let session = Self::session(caller).map_err(|denied| ReplaceError::Refused(fault(denied)))?;
        self.0.change_settings(&session, before, after).map_err(|unchanged| match unchanged {
            SettingsError::Outdated(text) => ReplaceError::Outdated(text),
            SettingsError::Denied(denied) => ReplaceError::Refused(fault(denied)),
        })
    }
}

impl MachineSetup for BrokerClient {
    fn execute(&self, caller: &Caller, request: &MachineRequest) -> Result<MachineResponse, Fault> {
        Self::session(caller).and_then(|session| self.0.quick_config(&session, request)).map_err(fault)
    }
}

impl MappingStore for BrokerClient {
    fn all(&self, caller: &Caller) -> Result<Vec<Mapping>, MappingStoreError> {
        let session = Self::session(caller).map_err(|denied| MappingStoreError::Refused(fault(denied)))?;
        self.0.mappings(&session).map_err(not_mapped)
    }

    fn change(&self, caller: &Caller, change: MappingChange) -> Result<(), MappingStoreError> {
        let session = Self::session(caller).map_err(|denied| MappingStoreError::Refused(fault(denied)))?;
        self.0.change_mapping(&session, change, caller.address()).map_err(not_mapped)
    }
}

impl CertificateKeeper for BrokerClient {
    fn find(&self, thumbprint: Thumbprint) -> Result<Zeroizing<String>, String> {
        self.certificate(CertificateRequest::ByThumbprint(thumbprint.to_string()))
    }

    fn own(&self, names: &[String]) -> Result<Zeroizing<String>, String> {
        self.certificate(CertificateRequest::SelfSigned(names.to_vec()))
    }
}

fn fault(denied: Denied) -> Fault {
    match denied.kind {
        DenialKind::Access => Fault::new(Subcode::AccessDenied, code::ACCESS_DENIED, denied.reason),
        DenialKind::Failed => Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, denied.reason),
    }
}

fn not_mapped(error: MappingRequestError) -> MappingStoreError {
    match error {
        MappingRequestError::Change(error) => MappingStoreError::Change(error),
        MappingRequestError::Denied(denied) => MappingStoreError::Refused(fault(denied)),
    }
}

fn max_users(config: &Config) -> u32 {
    config.winrs.max_concurrent_users.get()
}

fn max_shells(config: &Config) -> Option<u32> {
    config.winrs.max_shells_per_user.limit()
}

/// Account that the broker has sent with a local connection.
struct SentAccount(Account);

impl LocalUsers for SentAccount {
    fn account(&self, _: u32) -> Result<Account, AuthError> {
        Ok(self.0.clone())
    }
}
