//! Requests of a compromised gateway for endpoints that run as another account, injected into a running broker of root.
//!
//! The settings decide the account of each process, whatever the gateway requests.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;

use auth::Secret;
use broker::wire::Writer;
use broker::{BrokerMessage, DenialKind, GatewayRequest, Link};
use rustix::process::{Pid, Signal, kill_process};

use crate::compromised_gateway::link;
use crate::service_process::{PASSWORD, Telarchd, children, command_line};
use crate::test_user::TestUser;

/// The gateway's end of the link to the broker. The gateway itself is stopped, so that it reads no responses.
struct StolenLink<'t> {
    telarchd: &'t Telarchd,
    link: Link,
    gateway: Pid,
}

impl<'t> StolenLink<'t> {
    fn of(telarchd: &'t Telarchd) -> Self {
        let gateway = Pid::from_raw(telarchd.serving_pid()).unwrap();
        let link = Link::from_inherited(link(telarchd)).unwrap();
        link.set_receive_timeout(Some(crate::PATIENCE)).unwrap();
        kill_process(gateway, Signal::STOP).unwrap();
        Self { telarchd, link, gateway }
    }

    /// Sends a message with the number of this test, and returns the response.
    fn exchange(&self, message: &[u8]) -> (BrokerMessage, Option<OwnedFd>) {
        self.link.send(message, &[]).unwrap();
        loop {
            let mut frame = self.link.receive().unwrap().expect("a response");
            // Announcements have the number 0.
            if let (NUMBER, response) = BrokerMessage::decode(&frame.message).unwrap() {
                return (response, frame.descriptors.pop());
            }
        }
    }

    /// Signs in and returns the session.
    fn sign_in(&self, user: &str) -> [u8; 16] {
        let password = Secret::new(PASSWORD.to_owned());
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let request = GatewayRequest::VerifyPassword { user: user.to_owned(), password, source };
        match self.exchange(&request.encode(NUMBER)).0 {
            BrokerMessage::SignedIn(signed_in) => {
                let encoded = GatewayRequest::EndSession(signed_in.session).encode(NUMBER);
                encoded[9..].try_into().expect("a session")
            }
            other => panic!("{user}: {other:?}"),
        }
    }

    /// Requests the process of an endpoint for a session. Returns the reason of a denial.
    fn request(&self, session: &[u8; 16], endpoint: &str) -> Result<OwnedFd, String> {
        let mut writer = about_session(CONNECT_RUN_AS_HOST, session);
        writer.text(endpoint);
        match self.exchange(&writer.finish()) {
            (BrokerMessage::HostConnected, Some(socket)) => Ok(socket),
            (BrokerMessage::Denied(denied), None) => {
                assert_eq!(denied.kind, DenialKind::Access, "{endpoint}: {denied:?}");
                Err(denied.reason)
            }
            other => panic!("{endpoint}: {other:?}"),
        }
    }

    /// Returns the endpoints that are listed for a session.
    fn listed(&self, session: &[u8; 16]) -> Vec<String> {
        match self.exchange(&about_session(LIST_RUN_AS_HOSTS, session).finish()).0 {
            BrokerMessage::Endpoints(names) => names,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for StolenLink<'_> {
    fn drop(&mut self) {
        let _ = kill_process(self.gateway, Signal::CONT);
    }
}

fn about_session(kind: u8, session: &[u8]) -> Writer {
    let mut writer = Writer::default();
    writer.u64(NUMBER).u8(kind).fixed(session);
    writer
}

/// Returns the user IDs of all hosts, which are the children of session processes.
fn hosts(telarchd: &Telarchd) -> Vec<u32> {
    let broker = telarchd.pid().as_raw_nonzero().get();
    let sessions = children(broker).into_iter().filter(|child| command_line(*child).contains("session of"));
    let hosts = sessions.flat_map(children);
    hosts.filter_map(|host| fs::metadata(format!("/proc/{host}")).ok()).map(|host| host.uid()).collect()
}

/// A service with the endpoint Backup, which runs as `daemon`, a user who may use it, and one who may not.
struct Scene {
    telarchd: Telarchd,
    clerk: TestUser,
    stranger: TestUser,
}

impl Scene {
    fn start() -> Option<Self> {
        let (clerk, stranger) = (TestUser::create()?, TestUser::create()?);
        let settings = format!(
            "[Groups]\nRemoteManagementUsers = [\"{}\"]\n[[Plugin]]\nName = \"PowerShell\"\n\
             [[Plugin.Endpoint]]\nName = \"Backup\"\nRunAsUser = \"daemon\"\n\
             [[Plugin.Endpoint]]\nName = \"Off\"\nRunAsUser = \"daemon\"\nEnabled = false\n\
             [[Plugin.Security]]\nUri = \"http://schemas.microsoft.com/powershell\"\nSddl = \"D:P(A;;GA;;;RM)\"\n",
            clerk.group()
        );
        Some(Self { telarchd: Telarchd::start(&settings), clerk, stranger })
    }
}

#[test]
fn injected_requests_reach_only_the_account_of_the_settings() {
    let Some(scene) = Scene::start() else { return };
    let telarchd = &scene.telarchd;
    let stolen = StolenLink::of(telarchd);
    let [clerk, stranger] = [&scene.clerk, &scene.stranger].map(|user| stolen.sign_in(&user.name));
    for (endpoint, part) in [
        ("Microsoft.PowerShell", "does not run as another account"),
        ("PowerShell.7", "does not run as another account"),
        ("Backup2", "does not run as another account"),
        ("Off", "is disabled"),
        // Names of accounts and paths.
        ("root", "does not run as another account"),
        ("daemon", "does not run as another account"),
        ("0", "does not run as another account"),
        ("", "unknown endpoint"),
        ("Backup ", "unknown endpoint"),
        ("../Backup", "unknown endpoint"),
        ("Backup/../root", "unknown endpoint"),
        ("Backup\0", "unknown endpoint"),
        ("Backup\nRunAsUser = \"root\"", "unknown endpoint"),
        (&"x".repeat(300), "unknown endpoint"),
    ] {
        let denied = stolen.request(&clerk, endpoint).expect_err("denied");
        assert!(denied.contains(part), "{endpoint:?}: {denied}");
    }
    let denied = stolen.request(&stranger, "Backup").expect_err("denied");
    assert!(denied.contains("does not admit the caller"), "{denied}");
    for place in 0..16 {
        let mut forged = clerk;
        forged[place] ^= 1;
        assert!(stolen.request(&forged, "Backup").is_err(), "{place}");
    }
    assert_eq!(hosts(telarchd), [0_u32; 0], "no process was started");

    let daemon = accounts::UnixUsers::of_this_machine().find("daemon").unwrap().expect("a system account");
    for endpoint in ["Backup", "BACKUP"] {
        drop(stolen.request(&clerk, endpoint).expect("the settings allow it"));
    }
    assert_eq!(hosts(telarchd), [daemon.uid], "one process for both spellings");
    assert_eq!(stolen.listed(&clerk), ["backup"]);
    assert_eq!(stolen.listed(&stranger), [""; 0]);
    // The account has no session, whoever has processes of it.
    let ended = about_session(END_SESSION, &clerk).finish();
    stolen.link.send(&ended, &[]).unwrap();
    assert!(stolen.request(&clerk, "Backup").is_err(), "after the end of the session");
    let log = telarchd.log();
    for line in log.lines().filter(|line| line.contains("Host started")) {
        let account = format!("account=\"{}\"", scene.clerk.name);
        assert!(line.contains(&account) && line.contains("run_as=\"daemon\""), "{line}");
    }
}

#[test]
fn the_policy_refuses_injected_requests_and_ends_running_hosts() {
    let Some(scene) = Scene::start() else { return };
    let telarchd = &scene.telarchd;
    let stolen = StolenLink::of(telarchd);
    let clerk = stolen.sign_in(&scene.clerk.name);
    drop(stolen.request(&clerk, "Backup").expect("the settings allow it"));
    fs::create_dir_all(telarchd.file("policy.d")).unwrap();
    fs::write(telarchd.file("policy.d/10.toml"), "[Policy]\nDisableRunAs = true\n").unwrap();
    telarchd.wait_for_log(&["Ending a host", "no longer allow it"]);
    let denied = stolen.request(&clerk, "Backup").expect_err("denied");
    assert!(denied.contains("(DisableRunAs)"), "{denied}");
    assert_eq!(stolen.listed(&clerk), [""; 0]);
    telarchd.wait_for_log(&["ost has ended"]);
    assert_eq!(hosts(telarchd), [0_u32; 0]);
}

#[test]
fn an_injected_request_with_an_account_ends_the_gateway() {
    let Some(scene) = Scene::start() else { return };
    let telarchd = &scene.telarchd;
    for extra in ["root", &"x".repeat(600)] {
        let stolen = StolenLink::of(telarchd);
        let clerk = stolen.sign_in(&scene.clerk.name);
        let mut writer = about_session(CONNECT_RUN_AS_HOST, &clerk);
        writer.text("Backup").text(extra);
        stolen.link.send(&writer.finish(), &[]).unwrap();
        // The broker closes the link; announcements may precede that.
        let end = loop {
            match stolen.link.receive() {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(error) => break Some(error.kind()),
            }
        };
        assert!(end.is_none_or(|kind| kind == ErrorKind::ConnectionReset), "{end:?}");
        stolen.telarchd.wait_for_log(&["Killing the gateway", "violated the protocol"]);
        drop(stolen);
        telarchd.wait_for_notification("READY=1");
    }
    assert_eq!(hosts(telarchd), [0_u32; 0]);
}

/// Number of the requests of this test.
const NUMBER: u64 = 7_777;
/// Kinds of requests.
const END_SESSION: u8 = 8;
const CONNECT_RUN_AS_HOST: u8 = 27;
const LIST_RUN_AS_HOSTS: u8 = 28;
