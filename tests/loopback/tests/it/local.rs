//! Tests of the local socket.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use auth::{Account, AccountList, AuthError, LocalUsers};
use client::{Error, Locator, Session, ShellOptions};
use config::Store;
use plugin_config::ConfigPlugin;
use plugin_shell::ShellPlugin;
use sddl::{DomainSid, Token, well_known};
use service::{Catalog, LocalSocket, Plugin, Principals, Product, Service, ServiceParts, SocketAccess};
use shells::{ShellEnvironment, Shells};
use tempfile::TempDir;
use tokio::time::timeout;
use wsman::{SelectorSet, Subcode};
use xml::Writer;

use crate::{refusal, uri};

const CONFIG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
const TIMEOUT: Duration = Duration::from_secs(60);

/// Users of this machine, who all have the same rights.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Everyone {
    Administrators,
    Strangers,
}

impl LocalUsers for Everyone {
    fn account(&self, uid: u32) -> Result<Account, AuthError> {
        Ok(Account { name: format!("user{uid}") })
    }
}

impl Principals for Everyone {
    fn token(&self, account: &Account) -> Option<Token> {
        let machine = DomainSid::new([11, 22, 33]);
        assert!(account.name.starts_with("user"), "nobody signs in here: {account}");
        let mut groups = vec![well_known::EVERYONE, well_known::AUTHENTICATED_USERS];
        if *self == Self::Administrators {
            groups.push(well_known::ADMINISTRATORS);
        }
        Some(Token::new(machine.account(1_001), groups, machine))
    }
}

/// A service that listens on a Unix socket only, with default settings: Basic and unencrypted messages are disabled.
struct Local {
    service: Arc<Service>,
    folder: TempDir,
}

impl Local {
    fn start(users: Everyone) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path().join("config.toml")).unwrap());
        let listening_on = Arc::new(|_| Vec::<IpAddr>::new());
        let surroundings = ShellEnvironment {
            login_shell: "/bin/sh".into(),
            home: folder.path().to_owned(),
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        };
        let plugins: Vec<Arc<dyn Plugin>> = vec![
            Arc::new(ConfigPlugin::new(Arc::clone(&store), listening_on)),
            Arc::new(ShellPlugin::new(Shells::new(surroundings))),
        ];
        let service = Service::new(ServiceParts {
            state: store.subscribe(),
            // The authenticator is not used, since the socket is the only listener.
            authenticator: Arc::new(AccountList::parse("ada:unused").unwrap()),
            principals: Arc::new(users),
            catalog: Catalog::new(plugins),
            product: Product { vendor: "Telarch".to_owned(), os_version: "6.1.0".to_owned() },
            events: None,
        });
        let local = Self { service, folder };
        let socket = LocalSocket::bind(&local.socket(), SocketAccess::Owner).unwrap();
        tokio::spawn(socket.run(Arc::clone(&local.service), Arc::new(users)));
        local
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("local.sock")
    }

    fn session(&self) -> Session {
        Session::local([self.folder.path().join("no.sock"), self.socket()]).build().unwrap()
    }

    async fn close(self) {
        self.service.begin_shutdown();
        timeout(TIMEOUT, self.service.close_plugins()).await.expect("every shell ends");
    }
}

#[tokio::test]
async fn the_configuration_is_read_and_changed_without_a_password() {
    let local = Local::start(Everyone::Administrators);
    let session = local.session();
    assert_eq!(session.identify().await.unwrap().identity.product_vendor, "Telarch");
    let winrs = Locator::new(uri(&format!("{CONFIG}/winrs")));
    let read = session.get(&winrs).await.unwrap();
    assert!(read.content().unwrap().source().contains("<cfg:MaxShellsPerUser>30<"));
    let mut change = Writer::new();
    change.start("cfg:Winrs").namespace("cfg", CONFIG).element("cfg:MaxShellsPerUser", "31").end();
    let changed = session.put(&winrs, &change.into_fragment()).await.unwrap();
    assert!(changed.content().unwrap().source().contains("<cfg:MaxShellsPerUser>31<"));

    let selectors = SelectorSet::new().with("Address", "IP:127.0.0.1").with("Transport", "HTTP");
    let listener = Locator::new(uri(&format!("{CONFIG}/listener"))).with_selectors(selectors);
    let mut made = Writer::new();
    made.start("cfg:Listener").namespace("cfg", CONFIG).element("cfg:Port", "15985").end();
    let created = session.create(&listener, &made.into_fragment()).await.unwrap();
    assert_eq!(created.reference.address, "http://localhost/wsman");
    let listeners = Locator::new(uri(&format!("{CONFIG}/listener")));
    let mut items = session.enumerate(&listeners, client::EnumerateOptions::default()).await.unwrap();
    assert!(items.next().await.unwrap().unwrap().xml().contains("15985"));
    assert!(items.next().await.is_none());
    session.delete(&listener).await.unwrap();
    local.close().await;
}

#[tokio::test]
async fn a_command_runs_without_a_password() {
    let local = Local::start(Everyone::Administrators);
    let shell = local.session().shell(ShellOptions::default()).await.unwrap();
    let finished = shell.run("echo out; echo err >&2; exit 7").await.unwrap();
    assert_eq!((finished.stdout.as_slice(), finished.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(finished.exit_code, 7);
    shell.close().await.unwrap();
    local.close().await;
}

#[tokio::test]
async fn the_security_descriptor_applies_to_local_users() {
    let local = Local::start(Everyone::Strangers);
    let refused = refusal(local.session().shell(ShellOptions::default()).await);
    assert_eq!(refused, (Subcode::AccessDenied, wsman::code::ACCESS_DENIED));
    local.close().await;
}

#[tokio::test]
async fn a_stopped_service_cannot_be_reached() {
    let local = Local::start(Everyone::Administrators);
    let session = local.session();
    session.identify().await.unwrap();
    local.service.begin_shutdown();
    timeout(TIMEOUT, local.service.drained()).await.expect("every connection is closed");
    let error = loop {
        match session.identify().await {
            Err(error @ Error::NoLocalService { .. }) => break error,
            // The connection may have been accepted before the socket was closed.
            Err(Error::Disconnected { .. }) => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    };
    assert!(error.to_string().contains("no.sock does not exist"), "{error}");
}
