//! The gateway: reads the network, and asks the broker and the hosts for everything else.

use std::error::Error;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use zeroize::Zeroizing;

use accounts::UnixUsers;
use auth::certificate_mapping::{Mapping, MappingChange};
use auth::{Account, AuthError, Identity, LocalUsers};
use broker::{Ask, CertificateWish, Denial, Denied, Gateway, Link, Local, Session, Unasked, Unchanged};
use config::{Config, Policies, Store, Thumbprint};
use plugin_config::{
    ConfigFileWriter, ConfigPlugin, MachineSetup, MappingStore, MappingStoreError, ReplaceError,
};
use plugin_hardware::EventLogs;
use plugin_hosted::{HostedPlugin, Hosts, UserQuota};
use plugin_shell::ShellPlugin;
use plugin_wmi::WmiPlugin;
use quickconfig::{Answer, Wish};
use sddl::{Sid, Token};
use service::{
    BoxFuture, Caller, Catalog, CertificateKeeper, Certificates, HandedOver, Listeners, Listening,
    Principals, Proof, Resource, Service, ServiceParts, watchdog,
};
use tokio::sync::mpsc;
use wsman::{Fault, Subcode, code};

use super::{confinement, given_socket, user};
use crate::arguments::Persistent;
use crate::audit::{AuditPipe, AuditRecords};
use crate::open_files::OpenFiles;
use crate::persistent::{machine_sid, one_line, watch};
use crate::{begin_log, drain, product};

/// Is the gateway until the broker ends it.
pub(super) fn run(arguments: &Persistent) -> Result<ExitCode, Box<dyn Error>> {
    let link = Link::given(given_socket()?)?;
    let audit = AuditRecords::from(AuditPipe::given()?);
    begin_log(Some(audit.clone()));
    // What a terminal tells its programs is for the broker.
    rustix::process::setsid()?;
    let numbers = user::find(&UnixUsers::of_this_machine(), &arguments.separate.gateway_user)?;
    let numbers = numbers.filter(|numbers| numbers.uid != 0).ok_or("there is no user to be")?;
    let open_files = OpenFiles::raise();
    // The last that it reads as root.
    let (config, settings) = (&arguments.paths.config, &arguments.settings);
    let store = Arc::new(Store::open_with_policies(config, settings, Policies::default())?);
    store.set_machine_sid(machine_sid(&arguments.paths)?.domain());
    open_files.warn_if_too_few(&store.snapshot());
    let product = product::of_this_machine();
    std::env::set_current_dir("/")?;
    require_one_thread()?;
    user::become_gateway(numbers.uid, numbers.gid)?;
    confinement::confine()?;

    let (sender, unasked) = mpsc::unbounded_channel();
    let gateway = Gateway::connect(link, move |one| _ = sender.send(one))?;
    let runtime = crate::runtime()?;
    let served = runtime.block_on(serve(gateway, unasked, store, product));
    audit.finish();
    served?;
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// What is given up is given up for the calling thread and those it makes later, so there must be no other.
fn require_one_thread() -> Result<(), Box<dyn Error>> {
    match std::fs::read_dir("/proc/self/task")?.count() {
        1 => Ok(()),
        threads => Err(format!("the gateway has {threads} threads before it is confined").into()),
    }
}

async fn serve(
    gateway: Arc<Gateway>,
    mut unasked: mpsc::UnboundedReceiver<Unasked>,
    store: Arc<Store>,
    product: service::Product,
) -> Result<(), Box<dyn Error>> {
    let given = Given::take(&mut unasked, &store)?;
    let listening = Listening::default();
    let certificates = Arc::new(Certificates::kept_by(Arc::new(Broker(Arc::clone(&gateway)))));
    let settings = settings(&gateway, &store, &listening, &certificates);
    let service = Service::new(ServiceParts {
        state: store.subscribe(),
        authenticator: Arc::clone(&gateway) as Arc<dyn auth::Authenticator>,
        principals: Arc::new(Broker(Arc::clone(&gateway))),
        catalog: catalog(&gateway, settings),
        product,
    });
    let listeners = Listeners::start(&service, Arc::clone(&certificates), given.sockets, listening.clone());
    listeners.refresh().await;

    let microseconds = std::env::var("WATCHDOG_USEC").ok();
    if let Some(interval) = watchdog(microseconds.as_deref(), None, std::process::id()) {
        let telling = Arc::clone(&gateway);
        tokio::spawn(watch::health(Arc::clone(&service), interval, move || telling.tell(&Ask::Alive)));
    }
    tracing::info!(config = %store.path().display(), version = env!("CARGO_PKG_VERSION"), "Ready");
    gateway.tell(&Ask::Ready);
    let telling = Arc::clone(&gateway);
    tokio::spawn(watch::status(listening, move |text| telling.tell(&Ask::Status(text))));

    let handed = HandedOver::to(&service);
    let mut early = given.early.into_iter();
    loop {
        let told = match early.next() {
            Some(told) => told,
            None => unasked.recv().await.unwrap_or(Unasked::Stop),
        };
        match told {
            Unasked::Local(Local { socket, uid, account, guard }) => {
                let users = Arc::new(Known(account));
                if let Err(error) = handed.serve(UnixStream::from(socket), uid, users, guard) {
                    tracing::error!(%error, "A local connection cannot be used");
                }
            }
            Unasked::Settings(text) => adopt(&store, text).await,
            Unasked::Policies(text) => {
                if let Err(error) = govern(&store, &text) {
                    tracing::error!(error = one_line(&*error), "The policies stay as they were");
                }
            }
            Unasked::Reload(settings) => {
                adopt(&store, settings).await;
                reload(&certificates).await;
                listeners.refresh().await;
                gateway.tell(&Ask::Ready);
            }
            Unasked::Sockets(_) => tracing::warn!("Sockets came too late"),
            Unasked::Stop => break,
        }
    }
    drain::end(&service).await;
    Ok(())
}

/// What the broker has given before the answer to the first question.
struct Given {
    sockets: Vec<std::net::TcpListener>,
    /// What else it has said.
    early: Vec<Unasked>,
}

impl Given {
    /// Takes it, and the policies with it: without them it is not known what must not be open.
    fn take(unasked: &mut mpsc::UnboundedReceiver<Unasked>, store: &Store) -> Result<Self, Box<dyn Error>> {
        let mut given = Self { sockets: Vec::new(), early: Vec::new() };
        let mut governed = None;
        while let Ok(one) = unasked.try_recv() {
            match one {
                Unasked::Policies(text) => governed = Some(govern(store, &text)?),
                Unasked::Sockets(sockets) => {
                    given.sockets.extend(sockets.into_iter().map(std::net::TcpListener::from));
                }
                other => given.early.push(other),
            }
        }
        governed.ok_or("the broker does not say what policy demands")?;
        Ok(given)
    }
}

/// `winrm/config`, which the broker keeps.
fn settings(
    gateway: &Arc<Gateway>,
    store: &Arc<Store>,
    listening: &Listening,
    certificates: &Arc<Certificates>,
) -> ConfigPlugin {
    let broker = || Arc::new(Broker(Arc::clone(gateway)));
    ConfigPlugin::with_listeners(Arc::clone(store), listening.clone(), Arc::clone(certificates))
        .with_file_writer(broker())
        .with_machine(broker())
        .with_principals(broker())
        .with_certificate_mappings(broker())
}

/// The settings, and what processes of the callers' users do.
fn catalog(gateway: &Arc<Gateway>, settings: ConfigPlugin) -> Catalog {
    let hosted = |resources: &[Resource]| HostedPlugin::new(resources, Arc::new(Broker(Arc::clone(gateway))));
    let quota = UserQuota { most: most_users, refusal: plugin_shell::too_many_users };
    Catalog::new(vec![
        Arc::new(settings),
        Arc::new(hosted(&ShellPlugin::RESOURCES).with_users(quota)),
        Arc::new(hosted(&WmiPlugin::RESOURCES)),
        Arc::new(hosted(&EventLogs::RESOURCES)),
    ])
}

/// Reads the files of certificates again.
async fn reload(certificates: &Arc<Certificates>) {
    let read = Arc::clone(certificates);
    let errors = tokio::task::spawn_blocking(move || read.reload()).await.unwrap_or_default();
    for error in errors {
        tracing::error!(error = one_line(&error), "A certificate stays as it was");
    }
}

/// Takes the policies that the broker has read.
fn govern(store: &Store, text: &str) -> Result<(), Box<dyn Error>> {
    let state = store.adopt_policies(Policies::of_text(text)?)?;
    tracing::debug!(policies = state.policies.iter().count(), "Policies were taken over");
    Ok(())
}

/// Takes the settings that the broker has read.
async fn adopt(store: &Arc<Store>, text: String) {
    let taking = Arc::clone(store);
    match tokio::task::spawn_blocking(move || taking.adopt(&text)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(error = one_line(&error), "The settings stay as they were"),
        Err(error) => tracing::error!(%error, "Taking new settings was cut short"),
    }
}

/// What the gateway has of the broker.
struct Broker(Arc<Gateway>);

impl Broker {
    fn session(caller: &Caller) -> Result<Arc<Session>, Denied> {
        let session = caller.proof().and_then(|proof| Arc::clone(proof).downcast::<Session>().ok());
        session.ok_or_else(|| Denied::new(Denial::Access, "nobody has this session: sign in again"))
    }
}

impl Broker {
    fn certificate(&self, wish: CertificateWish) -> Result<Zeroizing<String>, String> {
        let pem = self.0.certificate(wish).map_err(|denied| denied.reason)?;
        Ok(Zeroizing::new(pem.expose().to_owned()))
    }
}

impl Principals for Broker {
    /// A name proves nothing here.
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

    fn proof_of(&self, identity: &Identity) -> Option<Proof> {
        self.0.session(identity).map(|session| session as Proof)
    }
}

impl Hosts for Broker {
    fn connect(&self, caller: Arc<Caller>) -> BoxFuture<'static, Result<UnixStream, Fault>> {
        let gateway = Arc::clone(&self.0);
        let connecting = move || {
            let session = Self::session(&caller)?;
            gateway.host(&session).map(UnixStream::from)
        };
        Box::pin(async move {
            let connected = tokio::task::spawn_blocking(connecting).await;
            connected
                .unwrap_or_else(|error| Err(Denied::new(Denial::Failed, error.to_string())))
                .map_err(fault)
        })
    }
}

impl ConfigFileWriter for Broker {
    fn replace(&self, caller: &Caller, before: &str, after: &str) -> Result<(), ReplaceError> {
        let session = Self::session(caller).map_err(|denied| ReplaceError::Refused(fault(denied)))?;
        self.0.change(&session, before, after).map_err(|unchanged| match unchanged {
            Unchanged::Outdated(text) => ReplaceError::Outdated(text),
            Unchanged::Denied(denied) => ReplaceError::Refused(fault(denied)),
        })
    }
}

impl MachineSetup for Broker {
    fn grant(&self, caller: &Caller, wish: &Wish) -> Result<Answer, Fault> {
        Self::session(caller).and_then(|session| self.0.quick_config(&session, wish)).map_err(fault)
    }
}

impl MappingStore for Broker {
    fn all(&self, caller: &Caller) -> Result<Vec<Mapping>, MappingStoreError> {
        let session = Self::session(caller).map_err(|denied| MappingStoreError::Refused(fault(denied)))?;
        self.0.mappings(&session).map_err(not_mapped)
    }

    fn change(&self, caller: &Caller, change: MappingChange) -> Result<(), MappingStoreError> {
        let session = Self::session(caller).map_err(|denied| MappingStoreError::Refused(fault(denied)))?;
        self.0.change_mapping(&session, change, caller.address()).map_err(not_mapped)
    }
}

impl CertificateKeeper for Broker {
    fn find(&self, thumbprint: Thumbprint) -> Result<Zeroizing<String>, String> {
        self.certificate(CertificateWish::Named(thumbprint.to_string()))
    }

    fn own(&self, names: &[String]) -> Result<Zeroizing<String>, String> {
        self.certificate(CertificateWish::Own(names.to_vec()))
    }
}

fn fault(denied: Denied) -> Fault {
    match denied.kind {
        Denial::Access => Fault::new(Subcode::AccessDenied, code::ACCESS_DENIED, denied.reason),
        Denial::Failed => Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, denied.reason),
    }
}

fn not_mapped(error: broker::NotMapped) -> MappingStoreError {
    match error {
        broker::NotMapped::Change(error) => MappingStoreError::Change(error),
        broker::NotMapped::Denied(denied) => MappingStoreError::Refused(fault(denied)),
    }
}

fn most_users(config: &Config) -> u32 {
    config.winrs.max_concurrent_users.get()
}

/// The account that the broker has named with a connection.
struct Known(Account);

impl LocalUsers for Known {
    fn account(&self, _: u32) -> Result<Account, AuthError> {
        Ok(self.0.clone())
    }
}
