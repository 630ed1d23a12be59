//! A service in the runtime of the test.

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
use plugin_shell::ShellPlugin;
use service::{
    Catalog, Certificate, Certificates, Listener, ListenerStatus, Listeners, Plugin, Product, Service,
    ServiceParts,
};
use shells::{ShellEnvironment, Shells};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;

use crate::certificate::SelfSigned;
use crate::certificate_holder::CertificateHolder;
use crate::user::{Machine, User, accounts};

/// Time limit that only a failing test reaches.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// A service with one port for HTTP and one for HTTPS, and with the configuration and shell plug-ins.
///
/// Basic and unencrypted messages are enabled unless the test disables them.
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
            vec![Arc::new(settings), Arc::new(ShellPlugin::new(Shells::new(surroundings(home))))];
        let service = Service::new(ServiceParts {
            state: store.subscribe(),
            authenticator: sign_in,
            principals: Arc::new(Machine),
            catalog: Catalog::new(plugins),
            product: Product { vendor: "Telarch".to_owned(), os_version: "6.1.0".to_owned() },
            events: None,
        });
        let http = listen(&service, None).await;
        let https = listen(&service, Some(&certificate.served)).await;
        Self { service, store, mappings, http, https, folder }
    }

    /// Returns a session over HTTP.
    pub fn session(&self, user: User) -> Session {
        self.over_http(user).build().expect("these are settings of a session")
    }

    /// Returns a builder for a session over HTTP without encryption.
    pub fn over_http(&self, user: User) -> SessionBuilder {
        let builder = Session::builder(self.endpoint(Transport::Http, "127.0.0.1"));
        builder.credentials(user.credentials()).unencrypted(Unencrypted::Allowed)
    }

    /// Returns a builder for a session over HTTPS that trusts the certificate of the service.
    pub fn over_https(&self, user: User) -> SessionBuilder {
        let policy = TlsPolicy::new().ca_file(self.certificate_file());
        let builder = Session::builder(self.endpoint(Transport::Https, "localhost"));
        builder.credentials(user.credentials()).tls(policy)
    }

    /// Returns a builder for a session over HTTPS with a client certificate.
    pub fn over_https_with(&self, holder: &CertificateHolder) -> SessionBuilder {
        let policy = TlsPolicy::new().ca_file(self.certificate_file());
        let builder = Session::builder(self.endpoint(Transport::Https, "localhost"));
        builder.client_certificate(holder.certificate().clone()).tls(policy)
    }

    /// Maps a self-signed certificate to a user for these resources.
    pub fn map(&self, holder: &CertificateHolder, uri: &str, user: User) {
        let mapping = Mapping {
            issuer: holder.thumbprint(),
            subject: SubjectPattern::parse("*").expect("this is a pattern"),
            uri: UriPattern::parse(uri).expect("this is a pattern"),
            user: UserName::parse(user.name()).expect("this is a name"),
            state: EnabledState::Enabled,
        };
        self.mappings.create(mapping, &user.credentials().password).expect("the folder takes files");
    }

    /// Returns the endpoint of the service with a name of this machine.
    pub fn endpoint(&self, transport: Transport, host: &str) -> Endpoint {
        let port = match transport {
            Transport::Http => self.http.port(),
            Transport::Https => self.https.port(),
        };
        Endpoint::new(transport, host, port, Endpoint::PATH).expect("this is an endpoint")
    }

    /// Returns the address of the HTTP port.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Opens another HTTP port whose connections buffer less than 100,000 bytes of a response that the client does not
    /// read. Other loopback connections buffer megabytes.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn narrow(&self) -> SocketAddr {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = TcpSocket::new_v4().expect("there are sockets");
        // Accepted connections inherit the buffer size (socket(7)).
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
        let listening = ListenerStatus::default();
        Listeners::start(&self.service, certificates, vec![socket], listening).refresh().await;
        address
    }

    /// Returns the path of a file with the certificate of the service.
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.path().join(CERTIFICATE)
    }

    /// Returns the directory in which commands start.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Returns the path of the configuration file.
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

    /// Returns the current configuration of the service.
    pub fn config(&self) -> Arc<config::Config> {
        self.store.snapshot()
    }

    /// Shuts the service down: it accepts no new requests, ends its shells and closes its connections.
    ///
    /// # Panics
    /// If the shutdown does not finish in time.
    pub async fn shut_down(&self) {
        self.service.begin_shutdown();
        timeout(TIMEOUT, self.service.close_plugins()).await.expect("every shell ends");
        timeout(TIMEOUT, self.service.drained()).await.expect("every connection is closed");
    }

    /// Ends the service and its shells. Idle connections of clients are closed.
    ///
    /// # Panics
    /// If a shell does not end in time.
    pub async fn close(self) {
        self.service.begin_shutdown();
        timeout(TIMEOUT, self.service.close_plugins()).await.expect("every shell ends");
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

fn surroundings(home: PathBuf) -> ShellEnvironment {
    let environment = vec![("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), home.clone().into())];
    ShellEnvironment { login_shell: "/bin/sh".into(), home, environment }
}

const CERTIFICATE: &str = "certificate.pem";
