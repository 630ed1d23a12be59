//! WMI of the service of a machine, which runs in a process of the caller's user and is protected twice.

use std::fs;

use client::{EnumerateOptions, Error, Locator, Session};
use ports::free_ports;
use wsman::ResourceUri;
use wsman::enumeration::EnumerationMode;

use crate::service_process::{Telarchd, listener};
use crate::test_user::TestUser;

/// Starts a service with these administrators.
fn start(administrators: &TestUser, more: &str) -> (Telarchd, u16) {
    let [port] = free_ports();
    (Telarchd::start(&settings(administrators, port, more)), port)
}

fn settings(administrators: &TestUser, port: u16, more: &str) -> String {
    let https = listener("IP:127.0.0.1", "HTTPS", port, "");
    let groups = format!("[Groups]\nAdministrators = [\"{}\"]\n", administrators.group());
    ["Service.Auth.Basic = true\n", &groups, more, &https].concat()
}

fn system() -> Locator {
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_OperatingSystem";
    Locator::new(ResourceUri::parse(uri).unwrap())
}

async fn refusal(session: &Session) -> (Option<u32>, String) {
    let error: Error = session.get(&system()).await.unwrap_err();
    (error.code(), error.to_string())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn an_administrator_s_instances_come_from_a_process_of_that_user() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let (telarchd, port) = start(&ann, "");
    block_on(async {
        let session = ann.session(port);
        let got = session.get(&system()).await.unwrap();
        assert!(got.content().unwrap().source().contains("<p:Win32_OperatingSystem "), "{got:?}");
        let options = EnumerateOptions { mode: EnumerationMode::ObjectAndReference, ..Default::default() };
        let mut listed = session.enumerate(&system(), options).await.unwrap();
        let item = listed.next().await.unwrap().unwrap();
        assert!(item.xml().contains("<p:Caption>"), "{}", item.xml());
        assert!(listed.next().await.is_none());
        // Other users do not even reach a host.
        let (code, words) = refusal(&ben.session(port)).await;
        assert!(code == Some(5) && words.contains("WMI Provider"), "{code:?} {words}");
    });
    let hosts = crate::separated::hosts(&telarchd);
    let [host] = hosts[..] else { panic!("{hosts:?}") };
    let status = fs::read_to_string(format!("/proc/{host}/status")).unwrap();
    let uid = ann.uid.to_string();
    assert!(
        status
            .lines()
            .any(|line| line.starts_with("Uid:") && line.split_whitespace().skip(1).all(|own| own == uid))
    );
}

#[test]
fn a_namespace_refuses_remote_users_that_the_plug_in_admits() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/wmi";
    let everyone = format!(
        "[[Plugin]]\nName = \"WMI Provider\"\n[[Plugin.Security]]\nUri = \"{uri}\"\nSddl = \"D:P(A;;GA;;;AU)\"\n"
    );
    let (_telarchd, port) = start(&ann, &everyone);
    block_on(async {
        // Ben has no right to shells, but gets a host for WMI.
        let (code, words) = refusal(&ben.session(port)).await;
        assert_eq!(code, Some(2_150_859_012), "{words}");
        assert!(words.contains("root/cimv2"), "{words}");
        assert!(ben.run(port, "true").await.is_err());
        assert!(ann.session(port).get(&system()).await.is_ok());
    });
}

#[test]
fn new_administrators_by_the_settings_have_access_to_namespaces() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/wmi";
    let everyone = format!(
        "[[Plugin]]\nName = \"WMI Provider\"\n[[Plugin.Security]]\nUri = \"{uri}\"\nSddl = \"D:P(A;;GA;;;AU)\"\n"
    );
    let (telarchd, port) = start(&ann, &everyone);
    block_on(async {
        // Ben's host exists already, with his previous rights.
        assert_eq!(refusal(&ben.session(port)).await.0, Some(2_150_859_012));
        telarchd.reconfigure(&settings(&ben, port, &everyone));
        let got = ben.session(port).get(&system()).await.unwrap();
        assert!(got.content().unwrap().source().contains("<p:Win32_OperatingSystem "), "{got:?}");
        telarchd.reconfigure(&settings(&ann, port, &everyone));
        assert_eq!(refusal(&ben.session(port)).await.0, Some(2_150_859_012));
    });
}
