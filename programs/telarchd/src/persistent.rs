//! Service that follows a configuration: for one user, or as root for the whole machine with the same files.

pub(crate) mod delegation;
pub(crate) mod manager_reports;
pub(crate) mod policies;
pub(crate) mod principals;

use std::error::Error;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;

use accounts::{
    AccountSource, AnyOf, Attempts, ClientCertificateFile, FileAccounts, HostKey, IfMissing, LocalPrincipals,
    LockoutPolicy, MachineSid, Pam, ServiceScope, SignIn, UnixUsers,
};
use auth::ntlm::NtlmVerifier;
use config::{Membership, Paths, Store};
use plugin_config::ConfigPlugin;
use plugin_file::FilePlugin;
use plugin_powershell::PowerShellPlugin;
use plugin_shell::ShellPlugin;
use service::{
    Catalog, Certificates, ListenerStatus, Listeners, LocalSocket, Plugin, Service, ServiceManager,
    ServiceParts, SocketAccess, serve_metrics, watchdog,
};
use shells::Shells;

use self::policies::watch_policies;
use self::principals::Principals;
use crate::arguments::{PathOrigin, Persistent};
use crate::audit::AuditFile;
use crate::event_collector::{self, PersistentCollector};
use crate::folder_watch::FolderWatch;
use crate::inherited::Inherited;
use crate::installed_endpoints::InstalledEndpoints;
use crate::log::one_line;
use crate::metrics_export::MetricsExport;
use crate::open_files::OpenFiles;
use crate::quick_config::OwnMachine;
use crate::sign_in_state::{SignInState, principals_table};
use crate::signals::{SignalRequest, Signals};
use crate::wmi_engine::Wmi;
use crate::{
    credssp_certificate, drain, kerberos_setup, ntlm_setup, product, run_as_check, shell_environment,
};

/// Creates the state directory, which no other user may change.
pub(crate) fn make_state(arguments: &Persistent) -> Result<(), Box<dyn Error>> {
    // Users' processes read the WMI repository in this directory; secret files have their own mode.
    let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
    make_directory(&arguments.paths.state, mode)?;
    require_private(&arguments.paths.state)
}

/// Serves a single user until a signal arrives.
pub(crate) async fn run(
    arguments: Persistent,
    inherited: Inherited,
    audit: AuditFile,
) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::listen()?;
    let manager = manager();
    for refused in &inherited.refused {
        tracing::warn!(error = refused, "Cannot use an inherited descriptor");
    }
    delegation::prepare();
    let open_files = OpenFiles::raise();
    let files = Files::open(&arguments)?;
    open_files.warn_if_too_few(&files.store.snapshot());
    run_as_check::log_problems(&files.store.state(), &files.users);
    let listening = ListenerStatus::default();
    let collector = event_collector::open(&files.store.snapshot(), &files.paths).await?;
    let service = service(&files, &listening, open_files, collector.as_ref())?;
    let certificates = Arc::clone(&files.certificates);
    let listeners = (!arguments.no_listeners)
        .then(|| Listeners::start(&service, certificates, inherited.network, listening.clone()));
    for socket in local_sockets(&arguments, inherited.local)? {
        tokio::spawn(socket.run(Arc::clone(&service), Arc::new(files.users.clone())));
    }
    tokio::spawn(serve_metrics(Arc::clone(&service)));
    let exporter = MetricsExport::start(&service, files.store.subscribe());
    refresh(listeners.as_ref()).await;
    collector.iter().for_each(PersistentCollector::begin_pulling);

    let interval = watchdog_interval();
    if let Some(interval) = interval {
        let reporting = Arc::clone(&manager);
        tokio::spawn(manager_reports::health(Arc::clone(&service), interval, move || reporting.alive()));
    }
    tracing::info!(
        config = %files.store.path().display(), state = %arguments.paths.state.display(),
        version = env!("CARGO_PKG_VERSION"), "Ready"
    );
    manager.ready();
    let reporting = Arc::clone(&manager);
    tokio::spawn(manager_reports::status(listening, move |text| reporting.status(&text)));

    let policies = watch_policies(&files.store);
    let subscriptions = FolderWatch::of(files.paths.event_subscriptions.clone(), "event subscriptions");
    let signal = loop {
        let request = tokio::select! {
            request = signals.next() => request,
            () = policies.changed() => {
                files.reload_policies().await;
                continue;
            }
            () = subscriptions.changed(), if collector.is_some() => {
                if let Some(collector) = &collector {
                    collector.reload(&files.paths).await;
                }
                continue;
            }
        };
        match request {
            SignalRequest::End(signal) => break signal,
            SignalRequest::Reload => {
                manager.reloading();
                audit.reopen();
                files.reload().await;
                exporter.reload();
                if let Some(collector) = &collector {
                    collector.reload(&files.paths).await;
                }
                refresh(listeners.as_ref()).await;
                manager.ready();
            }
        }
    };
    tracing::info!(signal, "Ending");
    manager.stopping();
    drain::run(&service).await;
    if let Some(collector) = &collector {
        collector.end().await;
    }
    Ok(())
}

/// Adapts the sockets to the settings, unless the service has no listeners.
pub(crate) async fn refresh(listeners: Option<&Listeners>) {
    if let Some(listeners) = listeners {
        listeners.refresh().await;
    }
}

/// Files of the service that are read at start and on reload.
pub(crate) struct Files {
    pub(crate) store: Arc<Store>,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) accounts: FileAccounts,
    client_certificates: ClientCertificateFile,
    pub(crate) users: UnixUsers,
    pub(crate) paths: Paths,
    pub(crate) machine: MachineSid,
    serving: ServiceScope,
    ntlm: Option<Arc<dyn NtlmVerifier>>,
    /// Whether winbind verifies domain accounts.
    winbind: bool,
}

impl Files {
    pub(crate) fn open(arguments: &Persistent) -> Result<Self, Box<dyn Error>> {
        let paths = &arguments.paths;
        let me = rustix::process::geteuid();
        let (serving, config_mode) = match me.is_root() {
            true => (ServiceScope::Machine, 0o755),
            false => (ServiceScope::OneUser { uid: me.as_raw() }, 0o700),
        };
        if arguments.config == PathOrigin::Default
            && let Some(directory) = paths.config.parent()
        {
            make_directory(directory, config_mode)?;
        }
        let store = Store::open_with(&paths.config, &arguments.settings)?;
        if !store.state().policies.is_empty() {
            policies::log_policies(&store.state().policies);
        }
        if arguments.accounts == PathOrigin::Default {
            // An empty list admits no account; later additions are noticed.
            accounts::update(&paths.accounts, IfMissing::Create, |_| Ok::<(), Box<dyn Error>>(()))?;
        }
        let machine = machine_sid(paths)?;
        store.set_machine_sid(machine.domain());
        if serving != ServiceScope::Machine {
            store.set_membership(Membership::AccountFile);
        }
        let accounts = FileAccounts::open(&paths.accounts)?;
        Ok(Self {
            store: Arc::new(store),
            certificates: Arc::new(Certificates::new(paths.certificates.clone(), paths.state.clone())),
            ntlm: ntlm_setup::verifier(arguments, &accounts)?,
            winbind: arguments.winbind.is_some(),
            accounts,
            client_certificates: ClientCertificateFile::new(
                &paths.certificate_mappings,
                &paths.client_authorities,
                HostKey::load_or_create(&paths.state)?,
            ),
            users: UnixUsers::of_this_machine(),
            paths: paths.clone(),
            machine,
            serving,
        })
    }

    /// Reads all files again. Errors are logged, and the affected part keeps its previous content, except that accounts
    /// of an unreadable account file cannot sign in.
    pub(crate) async fn reload(&self) {
        let (store, certificates) = (Arc::clone(&self.store), Arc::clone(&self.certificates));
        let (accounts, client_certificates) = (self.accounts.clone(), self.client_certificates.clone());
        let reload = move || {
            if let Err(error) = store.reload() {
                tracing::error!(
                    error = one_line(&error),
                    "Cannot reload the settings; keeping the previous ones"
                );
            }
            for error in certificates.reload() {
                tracing::error!(
                    error = one_line(&error),
                    "Cannot reload a certificate; keeping the previous one"
                );
            }
            if let Err(error) = accounts.reload() {
                tracing::error!(
                    error = one_line(&error),
                    "Cannot reload the account file; its accounts cannot sign in"
                );
            }
            if let Err(error) = client_certificates.reload() {
                tracing::error!(
                    error = one_line(&error),
                    "Cannot reload the certificate mappings; sign-in with certificates is disabled"
                );
            }
        };
        match tokio::task::spawn_blocking(reload).await {
            Ok(()) => tracing::info!("Reloaded"),
            Err(error) => tracing::error!(%error, "Reload was aborted"),
        }
    }

    /// Reads the policies again. If one of them is invalid, all previous ones stay in force.
    pub(crate) async fn reload_policies(&self) {
        let (store, before) = (Arc::clone(&self.store), Arc::clone(&self.store.state().policies));
        match tokio::task::spawn_blocking(move || store.reload_policies()).await {
            Ok(Ok(state)) if state.policies != before => policies::log_policies(&state.policies),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(
                error = one_line(&error),
                "Cannot reload the policies; keeping the previous ones"
            ),
            Err(error) => tracing::error!(%error, "Reload of policies was aborted"),
        }
    }

    /// Returns the source of reports about the schemes of the running service.
    pub(crate) fn sign_in_state(&self, sign_in: &Arc<SignIn>) -> SignInState {
        SignInState {
            store: Arc::clone(&self.store),
            paths: self.paths.clone(),
            serving: self.serving,
            winbind: self.winbind,
            sign_in: Arc::clone(sign_in),
        }
    }

    pub(crate) fn verifier(&self) -> AnyOf {
        let mut sources: Vec<Box<dyn AccountSource>> = vec![Box::new(self.accounts.clone())];
        if self.serving == ServiceScope::Machine {
            match Pam::load(accounts::PAM_SERVICE) {
                Ok(pam) => sources.push(Box::new(pam)),
                Err(error) => {
                    tracing::warn!(
                        error = one_line(&error),
                        "PAM is not available; only accounts of the account file can sign in"
                    );
                }
            }
        }
        AnyOf::new(sources)
    }
}

/// Returns the SID of the machine, and creates it if it is missing.
pub(crate) fn machine_sid(paths: &config::Paths) -> Result<MachineSid, Box<dyn Error>> {
    Ok(MachineSid::load_or_create(&paths.state, accounts::machine_numbers()?)?)
}

/// Creates the authenticator with all schemes, and the mapping from identities to SIDs.
pub(crate) fn sign_in(files: &Files) -> Result<(SignIn, Principals), Box<dyn Error>> {
    let mut policy = LockoutPolicy::default();
    policy.slowed.extend(files.users.superusers()?);
    let sign_in = SignIn::new(Arc::new(files.verifier())).on_host(ntlm_setup::names());
    let mut sign_in = sign_in.counted(Arc::new(Attempts::new(policy)));
    let logons = LocalPrincipals::new(files.serving, files.users.clone(), Some(files.accounts.clone()));
    let state = files.store.subscribe();
    let logons = logons.with_groups(move || Arc::clone(&state.borrow().groups));
    let table = principals_table(files.store.path());
    if let Some(acceptors) = kerberos_setup::acceptors(Arc::new(logons.clone()), Some(&table)) {
        sign_in = sign_in.with_kerberos(acceptors);
    }
    if let Some(verifier) = &files.ntlm {
        sign_in = sign_in.with_ntlm(Arc::clone(verifier), ntlm_setup::names());
    }
    let sign_in =
        sign_in.with_credssp(credssp_certificate::make).with_certificates(files.client_certificates.clone());
    Ok((sign_in, Principals::new(logons, files.machine)))
}

fn service(
    files: &Files,
    listening: &ListenerStatus,
    open_files: OpenFiles,
    collector: Option<&PersistentCollector>,
) -> Result<Arc<Service>, Box<dyn Error>> {
    let (sign_in, principals) = sign_in(files)?;
    let sign_in = Arc::new(sign_in);
    let sign_in_state = files.sign_in_state(&sign_in);
    sign_in_state.warn();
    let shells = open_files.restore_for_commands(Shells::new(shell_environment::of_this_user()));
    let (store, certificates) = (Arc::clone(&files.store), Arc::clone(&files.certificates));
    let principals = Arc::new(principals);
    let settings = ConfigPlugin::with_listeners(store, listening.clone(), certificates)
        .with_machine(Arc::new(OwnMachine::new(&files.paths, sign_in_state)))
        .with_principals(Arc::clone(&principals) as Arc<dyn service::Principals>)
        .with_endpoints(Arc::new(InstalledEndpoints))
        .with_certificate_mappings(Arc::clone(&sign_in) as _);
    let mut plugins: Vec<Arc<dyn Plugin>> = vec![
        Arc::new(settings),
        Arc::new(FilePlugin::new(&shells.environment().home)),
        Arc::new(PowerShellPlugin::new(shells.clone())),
        Arc::new(ShellPlugin::new(shells)),
    ];
    let wmi = Wmi::open(&files.paths.state, None);
    plugins.extend(wmi.plugins());
    plugins.push(crate::event_log::plugin(None));
    tokio::spawn(wmi.carry_out(files.store.subscribe()));
    Ok(Service::new(ServiceParts {
        state: files.store.subscribe(),
        authenticator: sign_in,
        principals,
        catalog: Catalog::new(plugins),
        product: product::of_this_machine(),
        events: collector.map(PersistentCollector::endpoint),
    }))
}

/// Returns the inherited local sockets, or a new one by default.
pub(crate) fn local_sockets(
    arguments: &Persistent,
    inherited: Vec<std::os::unix::net::UnixListener>,
) -> Result<Vec<LocalSocket>, Box<dyn Error>> {
    if !inherited.is_empty() {
        return Ok(inherited.into_iter().map(LocalSocket::inherited).collect::<io::Result<_>>()?);
    }
    let path = &arguments.paths.local_socket;
    let audience =
        if rustix::process::geteuid().is_root() { SocketAccess::Everyone } else { SocketAccess::Owner };
    if let Some(directory) = path.parent() {
        // Other users need access to the directory of a public socket. The state directory exists already.
        make_directory(directory, 0o755)?;
    }
    let socket = LocalSocket::bind(path, audience)?;
    tracing::info!(path = %path.display(), "Listening for local programs");
    Ok(vec![socket])
}

pub(crate) fn manager() -> Arc<ServiceManager> {
    let address = std::env::var_os("NOTIFY_SOCKET");
    let manager = ServiceManager::at(address.as_deref()).unwrap_or_else(|error| {
        tracing::warn!(%error, "Cannot connect to the service manager");
        ServiceManager::default()
    });
    Arc::new(manager)
}

/// Returns the watchdog interval of the service manager, if it expects signs of life from this process.
pub(crate) fn watchdog_interval() -> Option<std::time::Duration> {
    let [time, process] = ["WATCHDOG_USEC", "WATCHDOG_PID"].map(|name| std::env::var(name).ok());
    watchdog(time.as_deref(), process.as_deref(), std::process::id())
}
/// Creates a directory and its missing parents.
fn make_directory(path: &Path, mode: u32) -> Result<(), Box<dyn Error>> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|error| format!("cannot create the directory {}: {error}", path.display()).into())
}

/// Requires that no other user can change a directory. The state directory decides who has access.
pub(crate) fn require_private(path: &Path) -> Result<(), Box<dyn Error>> {
    let metadata = fs::metadata(path)
        .map_err(|error| format!("cannot read the directory {}: {error}", path.display()))?;
    let (owner, mode, shown) = (metadata.uid(), metadata.mode() & 0o777, path.display());
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(format!(
            "{shown} belongs to user {owner}\n  use another directory with --state, or chown it"
        )
        .into());
    }
    if mode & 0o022 != 0 {
        return Err(format!("{shown} has mode {mode:04o} and can be changed by other users\n  check its content, then run chmod 700 {shown}").into());
    }
    Ok(())
}
