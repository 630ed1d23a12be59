//! Service in a single process with temporary state, for evaluation, development and tests.

mod accounts;

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ::accounts::{ClientCertificateFile, HostKey, ListedAccounts, SignIn, machine_numbers};
use config::{ListenerAddress, ListenerKey, Membership, Paths, Store, Thumbprint};
use plugin_config::ConfigPlugin;
use plugin_file::FilePlugin;
use plugin_powershell::PowerShellPlugin;
use plugin_shell::ShellPlugin;
use service::{Catalog, Certificates, ListenError, ListenerStatus, Listeners, Plugin, Service, ServiceParts};
use shells::Shells;

use self::accounts::EphemeralPrincipals;
use crate::arguments::{CertificateFiles, Ephemeral};
use crate::installed_endpoints::InstalledEndpoints;
use crate::metrics_export::MetricsExport;
use crate::open_files::OpenFiles;
use crate::signals::{SignalRequest, Signals};
use crate::wmi_engine::Wmi;
use crate::{
    credssp_certificate, drain, event_collector, kerberos_setup, ntlm_setup, product, shell_environment,
};

/// Serves until a signal arrives.
pub(crate) async fn run(arguments: Box<Ephemeral>) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::listen()?;
    if rustix::process::geteuid().is_root() {
        tracing::warn!("All accounts run commands as root; use this mode for evaluation only");
    }
    let names = ntlm_setup::names();
    let listed = match &arguments.accounts {
        Some(path) => accounts::read(path)?,
        None => accounts::none()?,
    };
    let accounts = Arc::new(listed.on_host(names.clone()));
    let state = tempfile::Builder::new().prefix("telarchd-").tempdir()?;
    let principals = Arc::new(EphemeralPrincipals::new(&accounts, machine_numbers()?));
    let settings = [&default_filters()[..], &arguments.settings].concat();
    let store = Arc::new(Store::open_with(state.path().join("config.toml"), &settings)?);
    store.set_membership(Membership::AllAdministrators);
    let open_files = OpenFiles::raise();
    open_files.warn_if_too_few(&store.snapshot());
    let shells = open_files.restore_for_commands(Shells::new(shell_environment::of_this_user()));
    let mut sign_in = SignIn::new(Arc::clone(&accounts) as _).on_host(names.clone());
    // The keytab of the machine is used only if it is requested explicitly.
    if std::env::var_os("KRB5_KTNAME").is_some()
        && let Some(acceptors) =
            kerberos_setup::acceptors(Arc::new(ListedAccounts(Arc::clone(&accounts))), None)
    {
        sign_in = sign_in.with_kerberos(acceptors);
    }
    let paths = Paths::new(store.path(), state.path());
    let key = HostKey::load_or_create(&paths.state)?;
    let mappings = ClientCertificateFile::new(paths.certificate_mappings, paths.client_authorities, key);
    let sign_in = sign_in.with_ntlm(accounts, names).with_credssp(credssp_certificate::make);
    let sign_in = Arc::new(sign_in.with_certificates(mappings));
    let own = arguments.certificate.as_ref().map(|files| given_certificate(files, &paths.certificates));
    let own = own.transpose()?;
    let certificates = Arc::new(Certificates::new(paths.certificates, paths.state));
    let listening = ListenerStatus::default();
    let settings =
        ConfigPlugin::with_listeners(Arc::clone(&store), listening.clone(), Arc::clone(&certificates))
            .with_certificate_mappings(Arc::clone(&sign_in) as _)
            .with_principals(Arc::clone(&principals) as _)
            .with_endpoints(Arc::new(InstalledEndpoints));
    let mut plugins: Vec<Arc<dyn Plugin>> = vec![
        Arc::new(settings),
        Arc::new(FilePlugin::new(&shells.environment().home)),
        Arc::new(PowerShellPlugin::new(shells.clone())),
        Arc::new(ShellPlugin::new(shells)),
    ];
    let wmi = Wmi::open(state.path(), None);
    plugins.extend(wmi.plugins());
    plugins.push(crate::event_log::plugin(arguments.journal.clone()));
    tokio::spawn(wmi.carry_out(store.subscribe()));
    let collector = match &arguments.collector {
        Some(options) => {
            Some(event_collector::open_ephemeral(options, &store.snapshot(), state.path()).await?)
        }
        None => None,
    };
    let service = Service::new(ServiceParts {
        state: store.subscribe(),
        authenticator: sign_in,
        principals,
        catalog: Catalog::new(plugins),
        product: product::of_this_machine(),
        events: collector.as_ref().map(|collector| Arc::clone(&collector.endpoint)),
    });

    tokio::spawn(service::serve_metrics(Arc::clone(&service)));
    let _exporter = MetricsExport::start(&service, store.subscribe());
    let (endpoints, sockets) = Endpoints::bind(&arguments, own, &certificates)?;
    add_listeners(&store, &endpoints)?;
    let listeners = Listeners::start_on(sockets, &service, certificates, listening.clone());
    listeners.refresh().await;
    if let Some(problem) = listening.report().listeners.iter().flat_map(|listener| &listener.problems).next()
    {
        return Err(problem.clone().into());
    }
    let Endpoints { http, https, thumbprint, .. } = &endpoints;
    let (http, https) = (http.map(tracing::field::display), https.map(tracing::field::display));
    tracing::info!(http, https, thumbprint, "Listening");
    if let Some(path) = &arguments.ready {
        write_ready_file(path, &endpoints, state.path())
            .map_err(|error| format!("cannot write the ready file {}: {error}", path.display()))?;
    }

    let signal = match signals.next().await {
        SignalRequest::End(signal) => signal,
        SignalRequest::Reload => "SIGHUP",
    };
    tracing::info!(signal, "Ending");
    drain::run(&service).await;
    if let Some(collector) = collector {
        collector.puller.end().await;
    }
    state.close()?;
    Ok(())
}

/// Addresses of the listeners.
#[derive(Default)]
struct Endpoints {
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    thumbprint: Option<String>,
    /// Certificate of the command line.
    own: Option<Thumbprint>,
}

impl Endpoints {
    /// Binds the sockets of the command line. Port 0 selects any free port.
    fn bind(
        arguments: &Ephemeral,
        own: Option<Thumbprint>,
        certificates: &Certificates,
    ) -> Result<(Self, Vec<TcpListener>), Box<dyn Error>> {
        let mut sockets = Vec::new();
        let mut bind = |address: Option<SocketAddr>| {
            let Some(address) = address else { return Ok(None) };
            let socket = bind(address).map_err(|source| ListenError { address, source })?;
            let address = socket.local_addr()?;
            sockets.push(socket);
            Ok::<_, Box<dyn Error>>(Some(address))
        };
        let (http, https) = (bind(arguments.http)?, bind(arguments.https)?);
        let thumbprint = match (https, own) {
            (Some(_), Some(own)) => Some(certificates.find(own)?.thumbprint().to_string()),
            (Some(_), None) => {
                Some(certificates.own(&names_of_this_machine(), SystemTime::now())?.thumbprint().to_string())
            }
            (None, _) => None,
        };
        Ok((Self { http, https, thumbprint, own }, sockets))
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    /// Maximum number of connections that wait to be accepted; `bind` alone sets a smaller one.
    const BACKLOG: i32 = 1_024;
    let socket = TcpListener::bind(address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Returns filters that admit only loopback addresses, also for listeners that are added later. The command line and
/// clients can change them.
fn default_filters() -> [(String, String); 2] {
    [("Service/IPv4Filter", "127.0.0.0-127.255.255.255"), ("Service/IPv6Filter", "::1")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// Adds the listeners of the command line to the configuration, where clients can read them.
fn add_listeners(store: &Store, endpoints: &Endpoints) -> Result<(), Box<dyn Error>> {
    let all = [(config::Transport::Http, endpoints.http), (config::Transport::Https, endpoints.https)];
    store.update(|draft| {
        for (transport, address) in all {
            let Some(address) = address else { continue };
            let key = ListenerKey { address: ListenerAddress::Ip(address.ip()), transport };
            let mut listener = config::Listener::new(key, &draft.config.service);
            listener.port = config::Port::new(address.port().into()).ok_or("a listener has port 0")?;
            if transport == config::Transport::Https {
                listener.certificate_thumbprint = endpoints.own;
            }
            draft.listeners.create(listener)?;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    Ok(())
}

/// Copies the certificate and key of the command line into the directory of certificates, and returns the thumbprint.
fn given_certificate(files: &CertificateFiles, directory: &Path) -> Result<Thumbprint, Box<dyn Error>> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let chain = read(&files.certificate)?;
    let first = tls::certificates(chain.as_bytes())
        .map_err(|error| format!("cannot use the certificate {}: {error}", files.certificate.display()))?;
    let thumbprint = Thumbprint(first.first().map_or([0; 20], |der| tls::thumbprint::sha1(der)));
    let key = read(&files.key)?;
    fs::create_dir_all(directory)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(directory.join(format!("{thumbprint}.pem")))?;
    file.write_all([chain.as_str(), "\n", &key].concat().as_bytes())?;
    Ok(thumbprint)
}

/// Writes the ready file atomically.
fn write_ready_file(path: &Path, endpoints: &Endpoints, state: &Path) -> io::Result<()> {
    let ready = serde_json::json!({
        "http": endpoints.http.map(|address| format!("http://{address}/wsman")),
        "https": endpoints.https.map(|address| format!("https://{address}/wsman")),
        "thumbprint": endpoints.thumbprint,
        "state_dir": state.to_string_lossy(),
        "pid": std::process::id(),
    });
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, &ready)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}

/// Returns the names for the certificate.
fn names_of_this_machine() -> Vec<String> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    if service::is_host_name(&host) && host != "localhost" {
        names.push(host);
    }
    names
}
