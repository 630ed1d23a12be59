//! The service of a user: what its configuration says, until it is ended. That of a machine has the same files.

pub(crate) mod delegation;
pub(crate) mod policies;
pub(crate) mod principals;
pub(crate) mod watch;

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
use config::{Paths, Store};
use plugin_config::ConfigPlugin;
use plugin_shell::ShellPlugin;
use service::{
    Audience, Catalog, Certificates, Listeners, Listening, LocalSocket, Plugin, Service, ServiceManager,
    ServiceParts, watchdog,
};

use self::policies::PolicyWatch;
use self::principals::Principals;
use crate::arguments::{Chosen, Persistent};
use crate::audit::AuditFile;
use crate::inherited::Inherited;
use crate::open_files::OpenFiles;
use crate::quick_config::OwnMachine;
use crate::signals::{Signals, Wish};
use crate::wmi_engine::Wmi;
use crate::{credssp_certificate, drain, kerberos_setup, ntlm_setup, product, surroundings};

/// Makes the directory of what the service keeps itself, which nobody else may change.
pub(crate) fn make_state(arguments: &Persistent) -> Result<(), Box<dyn Error>> {
    // Users' processes read what was added to WMI there; what is secret has a mode of its own.
    let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
    make_directory(&arguments.paths.state, mode)?;
    is_private(&arguments.paths.state)
}

/// Serves until a signal ends it.
pub(crate) async fn run(
    arguments: Persistent,
    inherited: Inherited,
    audit: AuditFile,
) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::listen()?;
    let manager = manager();
    for refused in &inherited.refused {
        tracing::warn!(error = refused, "What the service manager handed over cannot be used");
    }
    delegation::prepare();
    let open_files = OpenFiles::raise();
    let files = Files::open(&arguments)?;
    open_files.warn_if_too_few(&files.store.snapshot());
    let listening = Listening::default();
    let service = service(&files, &listening, open_files)?;
    let listeners =
        Listeners::start(&service, Arc::clone(&files.certificates), inherited.network, listening.clone());
    for socket in local_sockets(&arguments, inherited.local)? {
        tokio::spawn(socket.run(Arc::clone(&service), Arc::new(files.users.clone())));
    }
    listeners.refresh().await;

    let asks = |name: &str| std::env::var(name).ok();
    let interval =
        watchdog(asks("WATCHDOG_USEC").as_deref(), asks("WATCHDOG_PID").as_deref(), std::process::id());
    if let Some(interval) = interval {
        let telling = Arc::clone(&manager);
        tokio::spawn(watch::health(Arc::clone(&service), interval, move || telling.alive()));
    }
    tracing::info!(
        config = %files.store.path().display(), state = %arguments.paths.state.display(),
        version = env!("CARGO_PKG_VERSION"), "Ready"
    );
    manager.ready();
    let telling = Arc::clone(&manager);
    tokio::spawn(watch::status(listening, move |text| telling.status(&text)));

    let policies = PolicyWatch::of(&files.store);
    let signal = loop {
        let wish = tokio::select! {
            wish = signals.received() => wish,
            () = policies.changed() => {
                files.reload_policies().await;
                continue;
            }
        };
        match wish {
            Wish::End(signal) => break signal,
            Wish::Reload => {
                manager.reloading();
                audit.reopen();
                files.reload().await;
                listeners.refresh().await;
                manager.ready();
            }
        }
    };
    tracing::info!(signal, "Ending");
    manager.stopping();
    drain::end(&service).await;
    Ok(())
}

/// What the service reads, and reads again when it is told to.
pub(crate) struct Files {
    pub(crate) store: Arc<Store>,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) accounts: FileAccounts,
    client_certificates: ClientCertificateFile,
    pub(crate) users: UnixUsers,
    paths: Paths,
    pub(crate) machine: MachineSid,
    serving: ServiceScope,
    ntlm: Option<Arc<dyn NtlmVerifier>>,
}

impl Files {
    pub(crate) fn open(arguments: &Persistent) -> Result<Self, Box<dyn Error>> {
        let paths = &arguments.paths;
        let me = rustix::process::geteuid();
        let (serving, config_mode) = match me.is_root() {
            true => (ServiceScope::Machine, 0o755),
            false => (ServiceScope::OneUser { uid: me.as_raw() }, 0o700),
        };
        if arguments.config == Chosen::ByDefault
            && let Some(directory) = paths.config.parent()
        {
            make_directory(directory, config_mode)?;
        }
        let store = Store::open_with(&paths.config, &arguments.settings)?;
        if !store.state().policies.is_empty() {
            policies::tell(&store.state().policies);
        }
        if arguments.accounts == Chosen::ByDefault {
            // An empty list lets nobody in, and is noticed when it is filled.
            accounts::update(&paths.accounts, IfMissing::Create, |_| Ok::<(), Box<dyn Error>>(()))?;
        }
        let machine = machine_sid(paths)?;
        store.set_machine(machine.domain());
        let accounts = FileAccounts::open(&paths.accounts)?;
        Ok(Self {
            store: Arc::new(store),
            certificates: Arc::new(Certificates::new(paths.certificates.clone(), paths.state.clone())),
            ntlm: ntlm_setup::verifier(arguments, &accounts)?,
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

    /// Reads everything again. What is wrong is told, and what depends on it stays as it was, except that nobody
    /// signs in with accounts that cannot be read.
    pub(crate) async fn reload(&self) {
        let (store, certificates) = (Arc::clone(&self.store), Arc::clone(&self.certificates));
        let (accounts, client_certificates) = (self.accounts.clone(), self.client_certificates.clone());
        let reading = move || {
            if let Err(error) = store.reload() {
                tracing::error!(error = one_line(&error), "The settings stay as they were");
            }
            for error in certificates.reload() {
                tracing::error!(error = one_line(&error), "A certificate stays as it was");
            }
            if let Err(error) = accounts.reload() {
                tracing::error!(error = one_line(&error), "Nobody can sign in with an account of the file");
            }
            if let Err(error) = client_certificates.reload() {
                tracing::error!(error = one_line(&error), "Nobody can sign in with a certificate");
            }
        };
        match tokio::task::spawn_blocking(reading).await {
            Ok(()) => tracing::info!("Read again"),
            Err(error) => tracing::error!(%error, "Reading again was cut short"),
        }
    }

    /// Reads the policies again. If one is wrong, those stay in force that were.
    pub(crate) async fn reload_policies(&self) {
        let (store, before) = (Arc::clone(&self.store), Arc::clone(&self.store.state().policies));
        match tokio::task::spawn_blocking(move || store.reload_policies()).await {
            Ok(Ok(state)) if state.policies != before => policies::tell(&state.policies),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(error = one_line(&error), "The policies stay as they were"),
            Err(error) => tracing::error!(%error, "Reading policies was cut short"),
        }
    }

    pub(crate) fn verifier(&self) -> AnyOf {
        let mut sources: Vec<Box<dyn AccountSource>> = vec![Box::new(self.accounts.clone())];
        if self.serving == ServiceScope::Machine {
            match Pam::load(PAM_SERVICE) {
                Ok(pam) => sources.push(Box::new(pam)),
                Err(error) => {
                    tracing::warn!(error = one_line(&error), "Only accounts of the file can sign in");
                }
            }
        }
        AnyOf::new(sources)
    }
}

/// The SID of the machine, which is made if there is none.
pub(crate) fn machine_sid(paths: &config::Paths) -> Result<MachineSid, Box<dyn Error>> {
    let random: [u8; 12] = accounts::random()?;
    let number = |at: usize| random.get(at..).and_then(|octets| octets.first_chunk()).copied();
    let random = [0, 4, 8].map(|at| u32::from_ne_bytes(number(at).unwrap_or_default()));
    Ok(MachineSid::load_or_create(&paths.state, random)?)
}

/// The file in `/etc/pam.d`.
pub(crate) const PAM_SERVICE: &str = "winrm";

/// Everything that can judge a proof, and what a proven name means.
pub(crate) fn sign_in(files: &Files) -> Result<(SignIn, Principals), Box<dyn Error>> {
    let mut policy = LockoutPolicy::default();
    policy.slowed.extend(files.users.superusers()?);
    let mut sign_in = SignIn::new(Arc::new(files.verifier())).counted(Arc::new(Attempts::new(policy)));
    let logons = LocalPrincipals::new(files.serving, files.users.clone(), Some(files.accounts.clone()));
    let state = files.store.subscribe();
    let logons = logons.with_groups(move || Arc::clone(&state.borrow().groups));
    let table = files.store.path().with_file_name("principals");
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
    listening: &Listening,
    open_files: OpenFiles,
) -> Result<Arc<Service>, Box<dyn Error>> {
    let (sign_in, principals) = sign_in(files)?;
    let sign_in = Arc::new(sign_in);
    let shell = open_files.spare_commands(ShellPlugin::new(surroundings::of_this_user()));
    let shell: Arc<dyn Plugin> = Arc::new(shell);
    let (store, certificates) = (Arc::clone(&files.store), Arc::clone(&files.certificates));
    let principals = Arc::new(principals);
    let settings = ConfigPlugin::with_listeners(store, listening.clone(), certificates)
        .with_machine(Arc::new(OwnMachine::new(&files.paths)))
        .with_principals(Arc::clone(&principals) as Arc<dyn service::Principals>)
        .with_certificate_mappings(Arc::clone(&sign_in) as _);
    let mut plugins: Vec<Arc<dyn Plugin>> = vec![Arc::new(settings), shell];
    let wmi = Wmi::open(&files.paths.state, None);
    plugins.extend(wmi.plugins());
    tokio::spawn(wmi.carry_out(files.store.subscribe()));
    Ok(Service::new(ServiceParts {
        state: files.store.subscribe(),
        authenticator: sign_in,
        principals,
        catalog: Catalog::new(plugins),
        product: product::of_this_machine(),
    }))
}

/// Those that were handed over, or else one of its own.
pub(crate) fn local_sockets(
    arguments: &Persistent,
    inherited: Vec<std::os::unix::net::UnixListener>,
) -> Result<Vec<LocalSocket>, Box<dyn Error>> {
    if !inherited.is_empty() {
        return Ok(inherited.into_iter().map(LocalSocket::inherited).collect::<io::Result<_>>()?);
    }
    let path = &arguments.paths.local_socket;
    let audience = if rustix::process::geteuid().is_root() { Audience::Everyone } else { Audience::Owner };
    if let Some(directory) = path.parent() {
        // Everyone must get through to a socket for everyone; the state directory is there already.
        make_directory(directory, 0o755)?;
    }
    let socket = LocalSocket::bind(path, audience)?;
    tracing::info!(path = %path.display(), "Listening for programs of this machine");
    Ok(vec![socket])
}

pub(crate) fn manager() -> Arc<ServiceManager> {
    let address = std::env::var_os("NOTIFY_SOCKET");
    let manager = ServiceManager::at(address.as_deref()).unwrap_or_else(|error| {
        tracing::warn!(%error, "The service manager cannot be told how the service is");
        ServiceManager::default()
    });
    Arc::new(manager)
}

/// Makes a directory and those above it, if they are missing.
fn make_directory(path: &Path, mode: u32) -> Result<(), Box<dyn Error>> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|error| format!("cannot make the directory {}: {error}", path.display()).into())
}

/// What is in the state directory decides who may do what, so nobody else may put anything there.
pub(crate) fn is_private(path: &Path) -> Result<(), Box<dyn Error>> {
    let metadata = fs::metadata(path)
        .map_err(|error| format!("cannot read the directory {}: {error}", path.display()))?;
    let (owner, mode, shown) = (metadata.uid(), metadata.mode() & 0o777, path.display());
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(format!("{shown} belongs to user {owner}\n  the state of the service is its own: use --state with another directory, or chown it").into());
    }
    if mode & 0o022 != 0 {
        return Err(format!("{shown} has mode {mode:04o}: others can change what is in it\n  look at what is in it, then: chmod 700 {shown}").into());
    }
    Ok(())
}

/// An error with its way out, as a line of the log.
pub(crate) fn one_line(error: &dyn Error) -> String {
    error.to_string().replace("\n  ", "; ")
}
