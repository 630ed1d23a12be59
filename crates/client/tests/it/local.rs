//! Connections to the local service over a Unix socket.

use std::os::unix::net::UnixListener;
use std::path::Path;

use client::{Authentication, Credentials, Error, Secret, Session};
use telarch_client as client;

use crate::service::{Request, Service, config};

fn session(paths: &[&Path]) -> Session {
    Session::local(paths.iter().copied()).build().unwrap()
}

#[tokio::test]
async fn a_unix_socket_needs_no_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("local.sock");
    let mut service = Service::at(UnixListener::bind(&path).unwrap(), Request::config).await;
    let session = session(&[&path]);
    for number in 0..2 {
        session.get(&config()).await.unwrap();
        let request = service.request().await;
        assert_eq!((request.number, request.connection), (number, 0), "a connection is used again");
        assert_eq!(request.head.header("Authorization"), None);
        assert_eq!(request.head.header("Host"), Some("localhost:80"));
        assert_eq!(request.head.target(), "/wsman");
        assert_eq!(request.parsed().head().to.as_deref(), Some("http://localhost/wsman"));
    }
}

#[tokio::test]
async fn the_first_socket_that_accepts_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let [missing, left_over, first, second] =
        ["missing", "left-over", "first", "second"].map(|name| folder.path().join(name));
    drop(UnixListener::bind(&left_over).unwrap());
    let mut taken = Service::at(UnixListener::bind(&first).unwrap(), Request::config).await;
    let mut other = Service::at(UnixListener::bind(&second).unwrap(), Request::config).await;
    session(&[&missing, &left_over, &first, &second]).get(&config()).await.unwrap();
    taken.request().await;
    assert!(other.requests.try_recv().is_err());
}

#[tokio::test]
async fn every_failed_socket_is_reported_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let [missing, left_over] = ["missing", "left-over"].map(|name| folder.path().join(name));
    drop(UnixListener::bind(&left_over).unwrap());
    let error = session(&[&missing, &left_over]).get(&config()).await.expect_err("no listener");
    assert_eq!(error.code(), Some(2_150_858_770));
    let text = error.to_string();
    let Error::NoLocalService { tried } = error else { panic!("{error}") };
    let tried: Vec<_> = tried.iter().map(|socket| (socket.path.as_path(), socket.source.kind())).collect();
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    assert_eq!(tried, [(missing.as_path(), NotFound), (left_over.as_path(), ConnectionRefused)]);
    for path in [missing, left_over] {
        assert!(text.contains(&path.display().to_string()), "{text}");
    }
    let error = session(&[]).get(&config()).await.expect_err("nowhere");
    assert!(matches!(error, Error::NoLocalService { tried } if tried.is_empty()));
}

#[tokio::test]
async fn credentials_are_rejected_for_a_unix_socket() {
    let credentials = Credentials { user: "ann".into(), password: Secret::new("pass word".into()) };
    let builder = || Session::local(["/nowhere"]);
    for builder in [builder().credentials(credentials), builder().authentication(Authentication::Basic)] {
        let error = builder.build().expect_err("credentials");
        assert!(matches!(error, Error::Setting { setting: "credentials", .. }), "{error}");
    }
    assert!(builder().authentication(Authentication::None).build().is_ok());
}

/// Binds a socket as another user, which requires root.
fn bind_as_user(uid: u32, path: &Path) -> Option<UnixListener> {
    if !rustix::process::geteuid().is_root() {
        skips::skip!("only root can change its user");
        return None;
    }
    let path = path.to_owned();
    // The user ID belongs to the thread, which ends immediately.
    let listening = std::thread::spawn(move || {
        let user = rustix::thread::Uid::from_raw(uid);
        rustix::thread::set_thread_uid(user).unwrap();
        UnixListener::bind(path).unwrap()
    });
    Some(listening.join().unwrap())
}

#[tokio::test]
async fn nothing_is_sent_to_a_socket_of_another_user() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let [foreign, own] = ["foreign", "own"].map(|name| folder.path().join(name));
    let Some(listener) = bind_as_user(54_321, &foreign) else { return };
    let mut stranger = Service::at(listener, Request::config).await;
    let mut service = Service::at(UnixListener::bind(&own).unwrap(), Request::config).await;
    let error = session(&[&foreign, &own]).get(&config()).await.expect_err("refused");
    assert!(error.to_string().contains(&foreign.display().to_string()), "{error}");
    assert!(error.to_string().contains("54321"), "{error}");
    assert!(matches!(error, Error::ForeignSocket { owner: 54_321, user: 0, .. }), "{error}");
    assert!(stranger.requests.try_recv().is_err() && service.requests.try_recv().is_err());
}
