//! The service in one process: for trying it out, developing and testing.

mod accounts;

use std::error::Error;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ::accounts::{ClientCertificateFile, HostKey, ListedAccounts, SignIn};
use config::{ListenerAddress, ListenerKey, Paths, Store};
use plugin_config::ConfigPlugin;
use plugin_shell::ShellPlugin;
use service::{Catalog, Certificate, Listener, Plugin, Service, ServiceParts, fresh_uuid};

use self::accounts::EphemeralPrincipals;
use crate::arguments::Ephemeral;
use crate::open_files::OpenFiles;
use crate::signals::{Signals, Wish};
use crate::wmi_engine::Wmi;
use crate::{credssp_certificate, drain, kerberos_setup, ntlm_setup, product, surroundings};

/// Serves until a signal ends it.
pub(crate) async fn run(arguments: Box<Ephemeral>) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::listen()?;
    if rustix::process::geteuid().is_root() {
        tracing::warn!("Everyone who signs in runs commands as root: this is for trying out only");
    }
    let names = ntlm_setup::names();
    let accounts = Arc::new(accounts::read(&arguments.accounts)?.on_host(names.clone()));
    let state = tempfile::Builder::new().prefix("telarchd-").tempdir()?;
    let principals = EphemeralPrincipals::new(&accounts, random_numbers());
    let store = Arc::new(Store::open_with(state.path().join("config.toml"), &arguments.settings)?);
    let open_files = OpenFiles::raise();
    open_files.warn_if_too_few(&store.snapshot());
    let shell = open_files.spare_commands(ShellPlugin::new(surroundings::of_this_user()));
    let mut sign_in = SignIn::new(Arc::clone(&accounts) as _);
    // The machine's own keys are not for trying out.
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
    let settings = ConfigPlugin::new(Arc::clone(&store), Arc::new(listening_on))
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
    let mut places = Places::default();
    if let Some(address) = arguments.http {
        let listener = Listener::bind(address, None).await?;
        places.http = Some(listener.address());
        listeners.push(listener);
    }
    if let Some(address) = arguments.https {
        let certificate = certificate(state.path())?;
        places.thumbprint = Some(certificate.thumbprint());
        let listener = Listener::bind(address, Some(&certificate)).await?;
        places.https = Some(listener.address());
        listeners.push(listener);
    }
    list(&store, &places)?;
    for listener in listeners {
        tokio::spawn(listener.run(Arc::clone(&service)));
    }
    tracing::info!(http = ?places.http, https = ?places.https, thumbprint = ?places.thumbprint, "Listening");
    if let Some(path) = &arguments.ready {
        announce(path, &places, state.path())
            .map_err(|error| format!("cannot write the ready file {}: {error}", path.display()))?;
    }

    let signal = match signals.received().await {
        Wish::End(signal) => signal,
        Wish::Reload => "SIGHUP",
    };
    tracing::info!(signal, "Ending");
    drain::end(&service).await;
    state.close()?;
    Ok(())
}

/// Where the service can be reached.
#[derive(Default)]
struct Places {
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    thumbprint: Option<String>,
}

/// Shows the listeners in the configuration, as they were asked for on the command line.
fn list(store: &Store, places: &Places) -> Result<(), Box<dyn Error>> {
    let all = [(config::Transport::Http, places.http), (config::Transport::Https, places.https)];
    store.update(|draft| {
        for (transport, address) in all {
            let Some(address) = address else { continue };
            let key = ListenerKey { address: ListenerAddress::Ip(address.ip()), transport };
            let mut listener = config::Listener::new(key, &draft.config.service);
            listener.port = config::Port::new(address.port().into()).ok_or("a listener has the port 0")?;
            draft.listeners.create(listener)?;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    Ok(())
}

/// Listeners of this form have one address each.
fn listening_on(key: ListenerKey) -> Vec<IpAddr> {
    match key.address {
        ListenerAddress::Ip(address) => vec![address],
        _ => Vec::new(),
    }
}

/// Writes the file that says where, whole or not at all.
fn announce(path: &Path, places: &Places, state: &Path) -> io::Result<()> {
    let ready = serde_json::json!({
        "http": places.http.map(|address| format!("http://{address}/wsman")),
        "https": places.https.map(|address| format!("https://{address}/wsman")),
        "thumbprint": places.thumbprint,
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

/// Makes a certificate for this machine's names and keeps it with its key in the state directory.
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

/// Names of machines can be set to anything; certificates take only what DNS takes.
fn is_host_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    !name.is_empty() && name.len() <= 253 && name.chars().all(fits)
}

fn random_numbers() -> [u32; 3] {
    // The text of a random identifier is a source of randomness as good as any.
    let digits: String = fresh_uuid().to_string().chars().filter(char::is_ascii_hexdigit).collect();
    let number = |from: usize| {
        let digits = digits.get(from..from + 8).unwrap_or_default();
        u32::from_str_radix(digits, 16).unwrap_or_default()
    };
    [number(0), number(8), number(24)]
}
