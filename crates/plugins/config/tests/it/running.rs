//! Service with configured listeners, and another port for the test itself.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use accounts::SignIn;
use auth::{Account, AccountList};
use client::{Credentials, Endpoint, Locator, Secret, Session, TlsPolicy, Transport, Unencrypted};
use config::{Config, LISTENER_RESOURCE, Section, Store};
use rcgen::CertifiedKey;
use sddl::{DomainSid, Token, well_known};
use service::{
    Catalog, Certificate, Certificates, Listener, ListenerStatus, Listeners, Principals, Product, Service,
    ServiceParts,
};
use telarch_plugin_config::{ConfigPlugin, MachineSetup};
use tempfile::TempDir;
use tokio::time::timeout;
use wsman::{ResourceUri, SelectorSet};
use xml::{Fragment, Writer};

use crate::certificate_mapping;

/// Timeout for operations that are expected to succeed.
const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const PASSWORD: &str = "pass word";

pub(crate) struct Running {
    service: Arc<Service>,
    store: Arc<Store>,
    listening: ListenerStatus,
    _listeners: Listeners,
    address: SocketAddr,
    folder: TempDir,
}

/// Certificate installed by the administrator.
pub(crate) struct Given {
    pub(crate) thumbprint: String,
    /// File with the certificate, without its key.
    pub(crate) pem: PathBuf,
}

impl Running {
    /// Starts a service with additional lines in the configuration file.
    pub(crate) async fn start(settings: &str) -> Self {
        Self::start_with(settings, Vec::new()).await
    }

    pub(crate) async fn start_with(settings: &str, inherited: Vec<TcpListener>) -> Self {
        Self::start_on(settings, inherited, None).await
    }

    /// Starts a service with a machine for quickconfig.
    pub(crate) async fn start_on(
        settings: &str,
        inherited: Vec<TcpListener>,
        machine: Option<Arc<dyn MachineSetup>>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [given, own] = ["certificates", "state"].map(|name| folder.path().join(name));
        for part in [&given, &own] {
            fs::create_dir(part).unwrap();
        }
        let path = folder.path().join("config.toml");
        let usual = "Service.Auth.Basic = true\nService.AllowUnencrypted = true\n";
        fs::write(&path, [usual, settings].concat()).unwrap();
        let store = Arc::new(Store::open(path).unwrap());
        let certificates = Arc::new(Certificates::new(given, own));
        let listening = ListenerStatus::default();
        let accounts = AccountList::parse(&format!("ada:{PASSWORD}")).unwrap();
        let mappings = certificate_mapping::file_in(folder.path());
        let sign_in = Arc::new(SignIn::new(Arc::new(accounts)).with_certificates(mappings));
        let plugin =
            ConfigPlugin::with_listeners(Arc::clone(&store), listening.clone(), Arc::clone(&certificates))
                .with_certificate_mappings(Arc::clone(&sign_in) as _);
        let plugin = match machine {
            Some(machine) => plugin.with_machine(machine),
            None => plugin,
        };
        let service = Service::new(ServiceParts {
            state: store.subscribe(),
            authenticator: sign_in,
            principals: Arc::new(Machine),
            catalog: Catalog::new(vec![Arc::new(plugin)]),
            product: Product { vendor: "Telarch".to_owned(), os_version: "6.1.0".to_owned() },
            events: None,
        });
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None).await.unwrap();
        let address = listener.address();
        tokio::spawn(listener.run(Arc::clone(&service)));
        let listeners = Listeners::start(&service, certificates, inherited, listening.clone());
        listeners.refresh().await;
        Self { service, store, listening, _listeners: listeners, address, folder }
    }

    pub(crate) fn session(&self) -> Session {
        self.session_at(self.address.port())
    }

    pub(crate) fn session_at(&self, port: u16) -> Session {
        let endpoint = Endpoint::new(Transport::Http, "127.0.0.1", port, Endpoint::PATH).unwrap();
        let builder = Session::builder(endpoint).credentials(credentials());
        builder.unencrypted(Unencrypted::Allowed).build().unwrap()
    }

    /// Returns a session over HTTPS that trusts this certificate.
    pub(crate) fn secured(&self, port: u16, pem: &std::path::Path) -> Session {
        let endpoint = Endpoint::new(Transport::Https, "localhost", port, Endpoint::PATH).unwrap();
        let policy = TlsPolicy::new().ca_file(pem);
        Session::builder(endpoint).credentials(credentials()).tls(policy).build().unwrap()
    }

    /// Path of the file with certificate mappings.
    pub(crate) fn mappings(&self) -> PathBuf {
        self.folder.path().join("certmappings")
    }

    /// Writes a policy file and loads it.
    pub(crate) fn govern(&self, policy: &str) {
        let folder = self.folder.path().join("policy.d");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("one.toml"), policy).unwrap();
        self.store.reload().unwrap();
    }

    pub(crate) fn listeners(&self) -> config::Listeners {
        self.store.state().listeners.clone()
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.store.snapshot()
    }

    pub(crate) fn give_certificate(&self, name: &str) -> Given {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let both = [cert.pem(), signing_key.serialize_pem()].concat();
        let thumbprint = Certificate::from_pem(&both, self.folder.path()).unwrap().thumbprint().to_string();
        let path = self.folder.path().join(format!("certificates/{thumbprint}.pem"));
        fs::write(&path, both).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let pem = self.folder.path().join("trusted.pem");
        fs::write(&pem, cert.pem()).unwrap();
        Given { thumbprint, pem }
    }

    /// Returns the thumbprint of the service's self-signed certificate.
    pub(crate) fn own_certificate(&self) -> String {
        let mut files = fs::read_dir(self.folder.path().join("state")).unwrap();
        let file = files.next().expect("there is one").unwrap().path();
        file.file_stem().unwrap().to_str().unwrap().to_owned()
    }

    /// Waits until this number of sockets is open.
    pub(crate) async fn listens(&self, sockets: usize) {
        let mut reports = self.listening.subscribe();
        let open = timeout(PATIENCE, reports.wait_for(|report| report.sockets.len() == sockets)).await;
        assert!(open.is_ok(), "{:?}", self.listening.report());
    }

    pub(crate) async fn stop(self) {
        self.service.begin_shutdown();
        timeout(PATIENCE, self.service.drained()).await.expect("every connection is closed");
    }
}

pub(crate) fn section(section: Section) -> Locator {
    Locator::new(ResourceUri::parse(section.resource()).unwrap())
}

/// Returns the locator of a listener.
pub(crate) fn of(address: &str, transport: &str) -> Locator {
    let selectors = SelectorSet::new().with("Address", address).with("Transport", transport);
    Locator::new(ResourceUri::parse(LISTENER_RESOURCE).unwrap()).with_selectors(selectors)
}

/// Returns `cfg:Listener` with these fields.
pub(crate) fn with(fields: &[(&str, &str)]) -> Fragment {
    fragment(|writer| {
        writer.start("cfg:Listener").namespace("cfg", LISTENER_RESOURCE);
        for (name, value) in fields {
            writer.element(&format!("cfg:{name}"), value);
        }
    })
}

pub(crate) fn fragment(write: impl FnOnce(&mut Writer)) -> Fragment {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.into_fragment()
}

/// Returns all values of a field.
pub(crate) async fn fields(session: &Session, locator: &Locator, name: &str) -> Vec<String> {
    let answer = session.get(locator).await.unwrap();
    let listener = answer.content().unwrap();
    let fields = listener.children().filter(|child| child.name() == name);
    fields.map(|child| child.text().into_owned()).collect()
}

fn credentials() -> Credentials {
    Credentials { user: "ada".to_owned(), password: Secret::new(PASSWORD.to_owned()) }
}

/// Makes Ada an administrator.
struct Machine;

impl Principals for Machine {
    fn token(&self, _: &Account) -> Option<Token> {
        let machine = DomainSid::new([11, 22, 33]);
        let groups = vec![well_known::EVERYONE, well_known::AUTHENTICATED_USERS, well_known::ADMINISTRATORS];
        Some(Token::new(machine.account(1_001), groups, machine))
    }
}
