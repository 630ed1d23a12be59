//! Withdrawal of rights from a user whose host stays because of an open shell.

use std::time::{Duration, Instant};

use client::{EnumerateOptions, Error, Locator, Occurrence, Session, Shell, ShellOptions};
use hardware::{Address, HostFile, Secrets};
use ports::free_ports;
use repository::Repository;
use sddl::Guard;
use wmi::Descriptors as _;
use wsman::ResourceUri;
use wsman::enumeration::Filter;
use wsman::namespace::DIALECT_WQL;

use crate::PATIENCE;
use crate::service_process::{Telarchd, listener};
use crate::test_user::TestUser;

/// Starts a service that lets all users through, so that namespaces and the broker decide; with these administrators.
fn start(administrators: &TestUser) -> (Telarchd, u16) {
    let [port] = free_ports();
    (Telarchd::start(&settings(administrators, port)), port)
}

fn settings(administrators: &TestUser, port: u16) -> String {
    let everybody = "O:NSG:BAD:P(A;;GA;;;AU)";
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/wmi";
    format!(
        "Service.RootSDDL = \"{everybody}\"\nService.Auth.Basic = true\n\
         [Groups]\nAdministrators = [\"{}\"]\n\
         [[Plugin]]\nName = \"WMI Provider\"\n[[Plugin.Security]]\nUri = \"{uri}\"\nSddl = \"{everybody}\"\n{}",
        administrators.group(),
        listener("IP:127.0.0.1", "HTTPS", port, "")
    )
}

fn wmi(path: &str) -> Locator {
    Locator::new(
        ResourceUri::parse(&format!("http://schemas.microsoft.com/wbem/wsman/1/wmi/{path}")).unwrap(),
    )
}

/// Reads the first instance of a class.
async fn first(session: &Session, path: &str) -> Result<(), Error> {
    let mut rows = session.enumerate(&wmi(path), EnumerateOptions::default()).await?;
    rows.next().await.transpose().map(drop)
}

async fn shell(session: &Session) -> Shell {
    session.shell(ShellOptions::default()).await.unwrap()
}

async fn still_works(shell: &Shell) {
    assert_eq!(shell.run("echo still").await.unwrap().stdout, b"still\n");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Error code of a namespace for a user without a right in it.
const NO_RIGHT: Option<u32> = Some(2_150_859_012);
const SYSTEM: &str = "root/cimv2/Win32_OperatingSystem";
const SECONDS: &str = "SELECT * FROM __InstanceModificationEvent WHERE TargetInstance ISA 'Win32_LocalTime'";

#[test]
fn a_former_administrator_loses_namespaces_and_events() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let (telarchd, port) = start(&ann);
    block_on(async {
        let session = ann.session(port);
        let open = shell(&session).await;
        let filter =
            Filter { dialect: DIALECT_WQL.to_owned(), text: SECONDS.to_owned(), ..Filter::default() };
        let mut events = session.subscribe(&wmi("root/cimv2/*"), filter, None).await.unwrap();
        assert!(matches!(events.next().await, Some(Ok(Occurrence::Event(_)))));
        telarchd.reconfigure(&settings(&ben, port));
        // A sign-in notifies the host that stays.
        let error = first(&ann.session(port), SYSTEM).await.unwrap_err();
        assert_eq!(error.code(), NO_RIGHT, "{error}");
        let ended = async {
            loop {
                match events.next().await.expect("a reason") {
                    // Events from before.
                    Ok(_) => {}
                    Err(error) => return error,
                }
            }
        };
        let error = tokio::time::timeout(PATIENCE, ended).await.expect("the subscription does not end");
        assert!(error.code() == Some(5) && error.to_string().contains("subscribe again"), "{error}");
        still_works(&open).await;
        telarchd.reconfigure(&settings(&ann, port));
        first(&ann.session(port), SYSTEM).await.unwrap();
        still_works(&open).await;
    });
}

#[test]
fn open_connections_of_a_former_administrator_lose_access() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let (telarchd, port) = start(&ann);
    block_on(async {
        let session = ann.session(port);
        let open = shell(&session).await;
        first(&session, SYSTEM).await.unwrap();
        telarchd.reconfigure(&settings(&ben, port));
        let until = Instant::now() + PATIENCE;
        // The service checks rights at a request, at most every five seconds.
        let error = loop {
            assert!(Instant::now() < until, "the connection was never refused");
            match first(&session, SYSTEM).await {
                Ok(()) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), NO_RIGHT, "{error}");
        still_works(&open).await;
    });
}

#[test]
fn management_controllers_are_not_given_to_a_former_administrator() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let (telarchd, port) = start(&ann);
    let host = hardware::Host {
        name: "node7".parse().unwrap(),
        // The connection is refused at once.
        address: Address { host: "127.0.0.1".to_owned(), port: 1 },
        user: "admin".to_owned(),
        level: ipmi::proto::Privilege::Administrator,
        suite: None,
    };
    let secrets = Secrets { password: b"secret".to_vec().into(), group_key: None };
    HostFile::of_state(&telarchd.state()).add(&host, &secrets).unwrap();
    // The namespace admits all users, so the broker decides.
    let added = Repository::open(&telarchd.state().join("repository.mof")).unwrap();
    let everybody = Guard::parse("D:(A;CI;0x6003f;;;WD)").unwrap();
    added.replace(&cim::Namespace::parse("root/hardware").unwrap(), everybody).unwrap();
    let refused = async |user: &TestUser| {
        let error = first(&user.session(port), "root/hardware/NumericSensor").await.unwrap_err();
        error.to_string().contains("members of BUILTIN\\Administrators")
    };
    block_on(async {
        let (session, other) = (ann.session(port), ben.session(port));
        let open = (shell(&session).await, shell(&other).await);
        assert!(!refused(&ann).await, "only the connection to the controller fails");
        assert!(refused(&ben).await);
        telarchd.reconfigure(&settings(&ben, port));
        assert!(refused(&ann).await);
        assert!(!refused(&ben).await, "the host uses the current rights");
        still_works(&open.0).await;
        still_works(&open.1).await;
    });
}
