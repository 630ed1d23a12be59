//! Tests of pages of rows over real sockets: filled as far as possible, without duplicates, and no provider
//! continues after its client has gone.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use accounts::SignIn;
use auth::{Account, AccountList};
use cim::{Instance, Name, Namespace, Schema};
use client::{Credentials, Endpoint, EnumerateOptions, Locator, Secret, Session, Transport, Unencrypted};
use config::Store;
use sddl::{DomainSid, Token, well_known};
use service::{Catalog, Listener, Principals, Product, Service, ServiceParts};
use telarch_plugin_wmi::WmiPlugin;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use wmi::{Engine, Provider, ProviderError, Scan, Sink};
use wsman::ResourceUri;

use crate::asking::CIMV2;
use crate::machine::declaration;

/// Time limit that only a failing test reaches.
const PATIENCE: Duration = Duration::from_secs(60);
/// More rows than fit into the largest page used here.
const ROWS: u32 = 600;

/// Provider of rows of a kilobyte each; reports whether it returned all of them or was stopped.
struct Many(UnboundedSender<bool>);

impl Provider for Many {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        vec![(Namespace::cimv2(), Name::parse("Site_Row").unwrap())]
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        let row = |number: u32| {
            let row = Instance::new(scan.class().clone()).with("Name", number.to_string())?;
            Ok::<_, ProviderError>(row.with("Text", "x".repeat(1_000))?)
        };
        let given = (0..ROWS).try_for_each(|number| rows.push(row(number)?));
        let _ = self.0.send(given.is_ok());
        given
    }
}

struct Running {
    service: Arc<Service>,
    address: SocketAddr,
    ended: UnboundedReceiver<bool>,
    _folder: TempDir,
}

impl Running {
    async fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let usual = "Service.Auth.Basic = true\nService.AllowUnencrypted = true\n";
        fs::write(&path, [usual, settings].concat()).unwrap();
        let mut schema = Schema::of(Namespace::cimv2());
        schema.add(&declaration("class Site_Row { [Key] string Name; string Text; };")).unwrap();
        let (sender, ended) = unbounded_channel();
        let engine = Engine::builder("node7", 0).namespace(schema).provider(Arc::new(Many(sender))).build();
        let accounts = AccountList::parse("ada:pass word").unwrap();
        let service = Service::new(ServiceParts {
            state: Store::open(path).unwrap().subscribe(),
            authenticator: Arc::new(SignIn::new(Arc::new(accounts))),
            principals: Arc::new(Machine),
            catalog: Catalog::new(vec![Arc::new(WmiPlugin::new(engine.unwrap()))]),
            product: Product { vendor: "Telarch".to_owned(), os_version: "6.1.0".to_owned() },
            events: None,
        });
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None).await.unwrap();
        let address = listener.address();
        tokio::spawn(listener.run(Arc::clone(&service)));
        Self { service, address, ended, _folder: folder }
    }

    fn session(&self, max_envelope_size: u32) -> Session {
        let endpoint =
            Endpoint::new(Transport::Http, "127.0.0.1", self.address.port(), Endpoint::PATH).unwrap();
        let credentials =
            Credentials { user: "ada".to_owned(), password: Secret::new("pass word".to_owned()) };
        let builder = Session::builder(endpoint).credentials(credentials).unencrypted(Unencrypted::Allowed);
        builder.max_envelope_size(max_envelope_size).build().unwrap()
    }

    /// Returns whether the next provider to end has returned all its rows.
    async fn gave_all(&mut self) -> bool {
        timeout(PATIENCE, self.ended.recv()).await.expect("it ends").expect("it is there")
    }

    async fn stop(self) {
        self.service.begin_shutdown();
        timeout(PATIENCE, self.service.drained()).await.expect("every connection is closed");
    }
}

/// Users of the machine: Ada is an administrator.
struct Machine;

impl Principals for Machine {
    fn token(&self, _: &Account) -> Option<Token> {
        let machine = DomainSid::new([11, 22, 33]);
        let groups = [well_known::EVERYONE, well_known::AUTHENTICATED_USERS, well_known::ADMINISTRATORS];
        Some(Token::new(machine.account(1_001), groups, machine))
    }
}

fn rows() -> Locator {
    Locator::new(ResourceUri::parse(&format!("{CIMV2}/Site_Row")).unwrap())
}

/// Returns the names of all rows.
async fn all(session: Session) -> Vec<u32> {
    let mut listed = session.enumerate(&rows(), EnumerateOptions::default()).await.unwrap();
    let mut names = Vec::new();
    while let Some(row) = listed.next().await {
        let row = row.unwrap();
        let name = row.element().children().find(|child| child.name() == "Name").unwrap();
        names.push(name.text().parse().unwrap());
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_rows_come_once_and_in_order_whatever_fits_a_page() {
    let mut running = Running::start("").await;
    for octets in [8_192, 100_000, 512_000] {
        assert_eq!(all(running.session(octets)).await, (0..ROWS).collect::<Vec<_>>(), "{octets}");
        assert!(running.gave_all().await);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_enumerations_return_all_rows_each() {
    let running = Running::start("").await;
    let requested: Vec<_> = (0..20).map(|_| tokio::spawn(all(running.session(512_000)))).collect();
    for one in requested {
        let names: BTreeSet<u32> = one.await.unwrap().into_iter().collect();
        assert_eq!(names.len(), usize::try_from(ROWS).unwrap());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_stops_when_the_enumeration_is_released() {
    let mut running = Running::start("").await;
    let mut listed = running.session(8_192).enumerate(&rows(), EnumerateOptions::default()).await.unwrap();
    assert!(listed.next().await.unwrap().is_ok());
    // Dropping the enumeration releases it.
    drop(listed);
    assert!(!running.gave_all().await);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_stops_when_an_enumeration_is_not_continued() {
    let mut running = Running::start("Service.EnumerationTimeoutms = 500\n").await;
    let mut listed = running.session(8_192).enumerate(&rows(), EnumerateOptions::default()).await.unwrap();
    assert!(listed.next().await.unwrap().is_ok());
    assert!(!running.gave_all().await);
    drop(listed);
    running.stop().await;
}
