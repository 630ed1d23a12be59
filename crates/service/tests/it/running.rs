//! A service in the runtime of the test, on free ports of the loopback interface.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use auth::{Account, AccountList, AuthError, Authenticator, LocalUsers};
use config::{Draft, Store, StoreError};
use plugin_config::ConfigPlugin;
use plugin_shell::ShellPlugin;
use sddl::{DomainSid, Sid, Token, well_known};
use shells::{ShellEnvironment, Shells};
use telarch_service::{
    Catalog, Certificate, Listener, LocalSocket, Plugin, Principals, Product, Service, ServiceParts,
    SocketAccess,
};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::TIMEOUT;
use crate::probe::{Observer, Probe};
use crate::wire::{ADA, BEN, EVE, Wire};

/// A service with listeners for HTTP and HTTPS, and with the probe, configuration and shell plug-ins.
///
/// Basic and unencrypted messages are enabled unless the test disables them.
pub(crate) struct Running {
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) service: Arc<Service>,
    pub(crate) probe: Observer,
    pub(crate) store: Arc<Store>,
    folder: TempDir,
}

impl Running {
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::with_authenticator(Arc::new(accounts()), settings).await
    }

    /// Starts a service with another authenticator.
    pub(crate) async fn with_authenticator(
        verifier: Arc<dyn Authenticator>,
        settings: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let usual = [("Service.Auth.Basic", "true"), ("Service.AllowUnencrypted", "true")];
        let settings: Vec<_> = usual.iter().chain(settings).copied().collect();
        let store = Arc::new(Store::open_with(folder.path().join("config.toml"), &settings).unwrap());
        let (probe, observer) = Probe::new();
        let listening_on = Arc::new(|_| vec![IpAddr::from([127, 0, 0, 1])]);
        let plugins: Vec<Arc<dyn Plugin>> = vec![
            Arc::new(probe),
            Arc::new(ConfigPlugin::new(Arc::clone(&store), listening_on).with_principals(Arc::new(Machine))),
            Arc::new(ShellPlugin::new(Shells::new(surroundings(&folder)))),
        ];
        let service = Service::new(ServiceParts {
            state: store.subscribe(),
            authenticator: verifier,
            principals: Arc::new(Machine),
            catalog: Catalog::new(plugins),
            product: Product { vendor: "Telarch".to_owned(), os_version: "6.1.0".to_owned() },
            events: None,
        });
        let http = listen(&service, None).await;
        let https = listen(&service, Some(certificate())).await;
        Self { http, https, service, probe: observer, store, folder }
    }

    /// Opens a connection over HTTP.
    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.http).await
    }

    /// Opens a connection over HTTPS.
    pub(crate) async fn connect_tls(&self) -> Wire {
        Wire::connect_tls(self.https, &["http/1.1"]).await.unwrap()
    }

    /// Opens a Unix socket whose callers are all authenticated as ada.
    pub(crate) fn local(&self) -> PathBuf {
        let path = self.folder.path().join("local.sock");
        let socket = LocalSocket::bind(&path, SocketAccess::Owner).unwrap();
        tokio::spawn(socket.run(Arc::clone(&self.service), Arc::new(OnlyAda)));
        path
    }

    /// Changes a setting while the service runs.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let change = |draft: &mut Draft| -> Result<(), StoreError> { Ok(draft.config.set(name, value)?) };
        self.store.update(change).unwrap();
    }

    /// Shuts the service down, which closes its shells.
    pub(crate) async fn stop(self) {
        self.service.begin_shutdown();
        timeout(TIMEOUT, self.service.close_plugins()).await.unwrap();
        timeout(TIMEOUT, self.service.drained()).await.expect("every connection is closed");
    }
}

/// Returns the accounts ada, ben and eve with their passwords.
pub(crate) fn accounts() -> AccountList {
    AccountList::parse(&format!("ada:{ADA}\nben:{BEN}\neve:{EVE}\n")).unwrap()
}

async fn listen(service: &Arc<Service>, certificate: Option<&Certificate>) -> SocketAddr {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind(any, certificate).await.unwrap();
    let address = listener.address();
    tokio::spawn(listener.run(Arc::clone(service)));
    address
}

/// Returns the certificate of all tests, because creating a key takes some time.
fn certificate() -> &'static Certificate {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    CERTIFICATE.get_or_init(|| {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        Certificate::self_signed(&names, SystemTime::now()).unwrap().0
    })
}

fn surroundings(home: &TempDir) -> ShellEnvironment {
    ShellEnvironment {
        login_shell: "/bin/sh".into(),
        home: home.path().to_owned(),
        environment: vec![("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), home.path().into())],
    }
}

/// Maps every local user to ada.
struct OnlyAda;

impl LocalUsers for OnlyAda {
    fn account(&self, _: u32) -> Result<Account, AuthError> {
        Ok(Account { name: "ada".to_owned() })
    }
}

/// Principals in which ada is an administrator, ben is an ordinary user, and eve does not exist.
struct Machine;

impl Principals for Machine {
    fn token(&self, account: &Account) -> Option<Token> {
        let machine = DomainSid::new([11, 22, 33]);
        let mut groups = vec![well_known::EVERYONE, well_known::AUTHENTICATED_USERS, well_known::NETWORK];
        let rid = match account.name.as_str() {
            "ada" => {
                groups.push(well_known::ADMINISTRATORS);
                1_001
            }
            "ben" => 1_002,
            _ => return None,
        };
        Some(Token::new(machine.account(rid), groups, machine))
    }

    fn sid_of(&self, name: &str) -> Option<Sid> {
        Some(self.token(&Account { name: name.to_owned() })?.user())
    }

    fn name_of(&self, sid: Sid) -> Option<String> {
        ["ada", "ben"].into_iter().find(|name| self.sid_of(name) == Some(sid)).map(str::to_owned)
    }
}
