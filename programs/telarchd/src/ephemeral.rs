//! Service in a single process with temporary state, for evaluation, development and tests.

mod accounts;

use std::error::Error;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ::accounts::{ClientCertificateFile, HostKey, ListedAccounts, SignIn, machine_numbers};
use config::{ListenerAddress, ListenerKey, Paths, Store};
use plugin_config::ConfigPlugin;
use plugin_shell::ShellPlugin;
use service::{Catalog, Certificate, Listener, Plugin, Service, ServiceParts};

use self::accounts::EphemeralPrincipals;
use crate::arguments::Ephemeral;
use crate::open_files::OpenFiles;
use crate::signals::{SignalRequest, Signals};
use crate::wmi_engine::Wmi;
use crate::{credssp_certificate, drain, kerberos_setup, ntlm_setup, product, shell_environment};

/// Serves until a signal arrives.
pub(crate) async fn run(arguments: Box<Ephemeral>) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::listen()?;
    if rustix::process::geteuid().is_root() {
        tracing::warn!("All accounts run commands as root; use this mode for evaluation only");
    }
    let names = ntlm_setup::names();
    let accounts = Arc::new(accounts::read(&arguments.accounts)?.on_host(names.clone()));
    let state = tempfile::Builder::new().prefix("telarchd-").tempdir()?;
    let principals = EphemeralPrincipals::new(&accounts, machine_numbers()?);
    let store = Arc::new(Store::open_with(state.path().join("config.toml"), &arguments.settings)?);
    let open_files = OpenFiles::raise();
    open_files.warn_if_too_few(&store.snapshot());
    let shell = open_files.restore_for_commands(ShellPlugin::new(shell_environment::of_this_user()));
    let mut sign_in = SignIn::new(Arc::clone(&accounts) as _);
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
    let settings = ConfigPlugin::new(Arc::clone(&store), Arc::new(addresses_of))
        .with_certificate_mappings(Arc::clone(&sign_in) as _);
    let mut plugins: Vec<Arc<dyn Plugin>> = vec![Arc::new(settings), Arc::new(shell)];
    let wmi = Wmi::open(state.path(), None);
    plugins.extend(wmi.plugins());
    tokio::spawn(wmi.carry_out(store.subscribe()));
    let service = Service::new(ServiceParts {
        state: store.subscribe(),
        authenticator: sign_in,
        principals: Arc::new(principals),
        catalog: Catalog::new(plugins),
        product: product::of_this_machine(),
    });

    let mut listeners = Vec::new();
    let mut endpoints = Endpoints::default();
    if let Some(address) = arguments.http {
        let listener = Listener::bind(address, None).await?;
        endpoints.http = Some(listener.address());
        listeners.push(listener);
    }
    if let Some(address) = arguments.https {
        let certificate = certificate(state.path())?;
        endpoints.thumbprint = Some(certificate.thumbprint());
        let listener = Listener::bind(address, Some(&certificate)).await?;
        endpoints.https = Some(listener.address());
        listeners.push(listener);
    }
    add_listeners(&store, &endpoints)?;
    for listener in listeners {
        tokio::spawn(listener.run(Arc::clone(&service)));
    }
    tracing::info!(http = ?endpoints.http, https = ?endpoints.https, thumbprint = ?endpoints.thumbprint, "Listening");
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
    state.close()?;
    Ok(())
}

/// Addresses of the listeners.
#[derive(Default)]
struct Endpoints {
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    thumbprint: Option<String>,
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
            draft.listeners.create(listener)?;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    Ok(())
}

/// Returns the addresses of a listener, which are exactly one here.
fn addresses_of(key: ListenerKey) -> Vec<IpAddr> {
    match key.address {
        ListenerAddress::Ip(address) => vec![address],
        _ => Vec::new(),
    }
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

/// Creates a certificate for the names of this machine, and stores it with its key in the state directory.
fn certificate(state: &Path) -> Result<Certificate, Box<dyn Error>> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    if is_host_name(&host) && host != "localhost" {
        names.push(host);
    }
    let (certificate, pem) = Certificate::self_signed(&names, SystemTime::now())?;
    let mut file = tempfile::NamedTempFile::new_in(state)?;
    io::Write::write_all(&mut file, pem.as_bytes())?;
    file.persist(state.join(format!("{}.pem", certificate.thumbprint())))?;
    Ok(certificate)
}

/// Returns whether a node name is a valid DNS name; nodes can be named arbitrarily.
fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
}
