//! A service that runs in the test's own runtime.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use accounts::{ClientCertificateFile, HostKey, SignIn};
use auth::UserName;
use auth::account_file::EnabledState;
use auth::certificate_mapping::{Mapping, SubjectPattern, UriPattern};
use client::{Endpoint, Session, SessionBuilder, TlsPolicy, Transport, Unencrypted};
use config::{Draft, ListenerAddress, ListenerKey, Store, StoreError};
use plugin_config::ConfigPlugin;
use plugin_shell::{ShellPlugin, Surroundings};
use service::{
    Catalog, Certificate, Certificates, Listener, Listeners, Listening, Plugin, Product, Service,
    ServiceParts,
};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;

use crate::certificate::SelfSigned;
use crate::holder::Holder;
use crate::user::{Machine, User, accounts};

/// Longer than anything takes that does not fail.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A service with one port for HTTP and one for HTTPS, the configuration and shells.
///
/// Basic is offered and unencrypted messages are taken, unless the test says otherwise.
/// Dropping it ends the service; [`Loopback::close`] also waits for its shells.
pub struct Loopback {
    service: Arc<Service>,
    store: Arc<Store>,
    mappings: ClientCertificateFile,
    http: SocketAddr,
    https: SocketAddr,
    folder: TempDir,
}

impl Loopback {
    /// Starts a service with the defaults.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a service with settings such as `("Winrs.MaxShellsPerUser", "1")`.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("a folder can be made");
        let certificate = SelfSigned::of_this_process();
        std::fs::write(folder.path().join(CERTIFICATE), certificate.pem()).expect("the folder takes files");
        let usual = [("Service.Auth.Basic", "true"), ("Service.AllowUnencrypted", "true")];
        let settings: Vec<_> = usual.iter().chain(settings).copied().collect();
        let store =
            Store::open_with(folder.path().join("config.toml"), &settings).expect("these are settings");
        let store = Arc::new(store);
        let listening_on = Arc::new(|_| vec![IpAddr::from([127, 0, 0, 1])]);
        let key = HostKey::load_or_create(folder.path()).expect("the folder takes files");
        let parts = ["certmappings", "client-authorities"].map(|name| folder.path().join(name));
        let [mappings, authorities] = parts;
        let mappings = ClientCertificateFile::new(mappings, authorities, key);
        let sign_in = Arc::new(SignIn::new(Arc::new(accounts())).with_certificates(mappings.clone()));
        let settings = ConfigPlugin::new(Arc::clone(&store), listening_on)
            .with_certificate_mappings(Arc::clone(&sign_in) as _);
        let plugins: Vec<Arc<dyn Plugin>> =
            vec![Arc::new(settings), Arc::new(ShellPlugin::new(surroundings(home)))];
        let service = Service::new(ServiceParts {
            state: store.subscribe(),
            authenticator: sign_in,
            principals: Arc::new(Machine),
            catalog: Catalog::new(plugins),
            product: Product { vendor: "Telarch".to_owned(), os_version: "6.1.0".to_owned() },
        });
        let http = listen(&service, None).await;
        let https = listen(&service, Some(&certificate.served)).await;
        Self { service, store, mappings, http, https, folder }
    }

    /// A session over HTTP.
    pub fn session(&self, user: User) -> Session {
        self.over_http(user).build().expect("these are settings of a session")
    }

    /// Settings of a session over HTTP, readable on the way.
    pub fn over_http(&self, user: User) -> SessionBuilder {
        let builder = Session::builder(self.endpoint(Transport::Http, "127.0.0.1"));
        builder.credentials(user.credentials()).unencrypted(Unencrypted::Allowed)
    }

    /// Settings of a session over HTTPS that trusts the service.
    pub fn over_https(&self, user: User) -> SessionBuilder {
        let policy = TlsPolicy::new().ca_file(self.certificate_file());
        let builder = Session::builder(self.endpoint(Transport::Https, "localhost"));
        builder.credentials(user.credentials()).tls(policy)
    }

    /// Settings of a session over HTTPS that shows a certificate.
    pub fn over_https_with(&self, holder: &Holder) -> SessionBuilder {
        let policy = TlsPolicy::new().ca_file(self.certificate_file());
        let builder = Session::builder(self.endpoint(Transport::Https, "localhost"));
        builder.client_certificate(holder.certificate().clone()).tls(policy)
    }

    /// Lets whoever holds a self-signed certificate sign in as a user where these resources are asked for.
    pub fn map(&self, holder: &Holder, uri: &str, user: User) {
        let mapping = Mapping {
            issuer: holder.thumbprint(),
            subject: SubjectPattern::parse("*").expect("this is a pattern"),
            uri: UriPattern::parse(uri).expect("this is a pattern"),
            user: UserName::parse(user.name()).expect("this is a name"),
            state: EnabledState::Enabled,
        };
        self.mappings.create(mapping, &user.credentials().password).expect("the folder takes files");
    }

    /// Where the service is, by a name of this machine.
    pub fn endpoint(&self, transport: Transport, host: &str) -> Endpoint {
        let port = match transport {
            Transport::Http => self.http.port(),
            Transport::Https => self.https.port(),
        };
        Endpoint::new(transport, host, port, Endpoint::PATH).expect("this is an endpoint")
    }

    /// The address of the port for HTTP.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Opens another port for HTTP, whose connections hold back less than 100,000 octets of an answer that the
    /// client does not read; other connections over loopback swallow megabytes.
    ///
    /// # Panics
    /// If there is no port for it.
    pub async fn narrow(&self) -> SocketAddr {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = TcpSocket::new_v4().expect("there are sockets");
        // Accepted connections inherit it (socket(7)).
        socket.set_send_buffer_size(16_384).expect("it is a socket");
        socket.bind(any).expect("there is a free port");
        let socket = socket.listen(64).and_then(TcpListener::into_std).expect("it is bound");
        let address = socket.local_addr().expect("it is bound");
        let key =
            ListenerKey { address: ListenerAddress::Ip(address.ip()), transport: config::Transport::Http };
        self.change(|draft| {
            let mut listener = config::Listener::new(key, &draft.config.service);
            listener.port = config::Port::new(address.port().into()).expect("ports begin at one");
            draft.listeners.create(listener).expect("there is room");
        });
        let folder = self.folder.path().to_owned();
        let certificates = Arc::new(Certificates::new(folder.clone(), folder));
        let listening = Listening::default();
        Listeners::start(&self.service, certificates, vec![socket], listening).refresh().await;
        address
    }

    /// A file with the certificate of the service, as an administrator would copy it.
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.path().join(CERTIFICATE)
    }

    /// Where commands start.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The file of the configuration.
    pub fn config_file(&self) -> &Path {
        self.store.path()
    }

    /// Changes a setting while the service runs.
    pub fn set(&self, name: &str, value: &str) {
        self.change(|draft| {
            draft.config.set(name, value).expect("this is a setting");
        });
    }

    /// Changes the configuration while the service runs.
    pub fn change(&self, change: impl FnOnce(&mut Draft)) {
        let update = |draft: &mut Draft| -> Result<(), StoreError> {
            change(draft);
            Ok(())
        };
        self.store.update(update).expect("the configuration can be kept");
    }

    /// The configuration as the service has it.
    pub fn config(&self) -> Arc<config::Config> {
        self.store.snapshot()
    }

    /// Tells the service to end: it takes nothing new, ends its shells and closes its connections.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn shut_down(&self) {
        self.service.begin_shutdown();
        timeout(PATIENCE, self.service.close_plugins()).await.expect("every shell ends");
        timeout(PATIENCE, self.service.drained()).await.expect("every connection is closed");
    }

    /// Ends the service with its shells; connections that clients keep for later are cut off.
    ///
    /// # Panics
    /// If a shell does not end.
    pub async fn close(self) {
        self.service.begin_shutdown();
        timeout(PATIENCE, self.service.close_plugins()).await.expect("every shell ends");
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.service.begin_shutdown();
    }
}

async fn listen(service: &Arc<Service>, certificate: Option<&Certificate>) -> SocketAddr {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind(any, certificate).await.expect("there is a free port");
    let address = listener.address();
    tokio::spawn(listener.run(Arc::clone(service)));
    address
}

fn surroundings(home: PathBuf) -> Surroundings {
    let environment = vec![("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), home.clone().into())];
    Surroundings { login_shell: "/bin/sh".into(), home, environment }
}

const CERTIFICATE: &str = "certificate.pem";
