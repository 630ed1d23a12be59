//! Commands without `-remote`, which use the local service.

use std::os::unix::net::UnixListener;

use telarch_cli::Format;
use telarch_cli::connection::Target;

use crate::service::{Answer, Request, Service, fault};
use crate::winrm_run::{Ran, execute};
use crate::{command, winrs_command};

struct Local {
    service: Service,
    folder: tempfile::TempDir,
}

impl Local {
    fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::at(UnixListener::bind(folder.path().join("sock")).unwrap(), answer);
        Self { service, folder }
    }

    fn ran(&self, line: &str) -> Ran {
        execute(command(&format!("{line} -socket:{}", self.folder.path().join("sock").display())), "")
    }
}

const CLIENT: &str = "<c:Client xmlns:c=\"urn:c\"><c:NetworkDelayms>5000</c:NetworkDelayms></c:Client>";
const IDENTITY: &str =
    "<i:IdentifyResponse xmlns:i=\"urn:i\"><i:ProductVendor>V</i:ProductVendor></i:IdentifyResponse>";

#[test]
fn every_operation_sends_no_credentials_to_the_local_service() {
    let local = Local::start(|request| match request.action.as_str() {
        "" => (200, IDENTITY.to_owned()),
        "Enumerate" => {
            let items = format!("<w:Items>{CLIENT}</w:Items><w:EndOfSequence/>");
            (200, format!("<n:EnumerateResponse>{items}</n:EnumerateResponse>"))
        }
        "Create" => {
            let created = "<x:ResourceCreated xmlns:x=\"urn:x\"><a:Address>here</a:Address><a:ReferenceParameters>\
                <w:ResourceURI>urn:r</w:ResourceURI></a:ReferenceParameters></x:ResourceCreated>";
            (200, created.to_owned())
        }
        "Delete" => (200, String::new()),
        _ => (200, CLIENT.to_owned()),
    });
    for (line, out) in [
        ("identify", "IdentifyResponse\n    ProductVendor = V\n\n"),
        ("get winrm/config/client", "Client\n    NetworkDelayms = 5000\n\n"),
        ("set winrm/config/client @{NetworkDelayms=5000}", "Client\n    NetworkDelayms = 5000\n\n"),
        ("create winrm/config/listener?Address=* @{Port=1}", "ResourceCreated\n    Address = here\n"),
        ("delete winrm/config/listener?Address=*", ""),
        ("enumerate winrm/config/listener", "Client\n    NetworkDelayms = 5000\n\n"),
        ("invoke Restore winrm/config", "Client\n    NetworkDelayms = 5000\n\n"),
    ] {
        let ran = local.ran(line);
        assert!(ran.done.is_ok() && ran.out.starts_with(out), "{line}: {:?}, {}", ran.done, ran.out);
    }
    let requests = local.service.requests();
    assert_eq!(requests.len(), 8, "set sends two requests");
    for request in requests {
        assert!(!request.headers.contains("Authorization"), "{}", request.headers);
        assert!(!request.headers.contains("WSMANIDENTIFY"), "the user is known: {}", request.headers);
        assert!(request.headers.starts_with("POST /wsman HTTP/1.1\r\n"), "{}", request.headers);
    }
}

#[test]
fn identify_without_credentials_works_locally() {
    let local = Local::start(|_| (200, IDENTITY.to_owned()));
    assert!(local.ran("identify -auth:none").done.is_ok());
    assert!(local.service.requests().pop().unwrap().headers.contains("WSMANIDENTIFY: unauthenticated"));
}

#[test]
fn a_denial_names_the_user_of_the_process() {
    let local = Local::start(|_| fault(5, "w:AccessDenied", "access is denied"));
    let (text, status) = local.ran("get winrm/config").report(Format::Text);
    let user = match rustix::process::geteuid().as_raw() {
        0 => "root".to_owned(),
        number => format!("uid {number}"),
    };
    assert!(text.contains(&format!("\nwinrm: resource winrm/config, user {user}\n")), "{text}");
    assert!(text.contains("RootSDDL decides unless"), "{text}");
    assert!(text.contains("(fault w:AccessDenied, code 5,"), "{text}");
    assert_eq!(status, 5);
}

#[test]
fn an_immediately_closed_connection_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    let closing = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let asking = command(&format!("get winrm/config -socket:{}", path.display()));
    let (text, status) = execute(asking, "").report(Format::Text);
    closing.join().unwrap();
    assert!(text.contains("was closed before the re"), "{text}");
    assert!(text.contains("journalctl -u telarchd"), "{text}");
    assert_eq!(status, 3);
}

#[test]
fn missing_sockets_are_listed_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["first", "second"].map(|name| folder.path().join(name));
    let mut lonely = command("get winrm/config");
    lonely.connection.target = Target::Local(paths.to_vec());
    let (text, status) = execute(lonely, "").report(Format::Text);
    assert!(text.contains("\nError number:  -2144108526 0x80338012\n"), "{text}");
    for path in &paths {
        assert!(text.contains(&format!("{} does not exist", path.display())), "{text}");
    }
    for way_out in [
        "systemctl start telarchd.socket",
        "  or start a service for this user only: telarchd\n",
        "-remote:HOST",
    ] {
        assert!(text.contains(way_out), "{way_out} is not in {text}");
    }
    assert_eq!(status, 3);
    assert!(!text.contains("winrm trust"), "{text}");
    let mut trusting = command("set winrm/config/client @{TrustedHosts=\"node7\"}");
    trusting.connection.target = Target::Local(paths.to_vec());
    let (text, _) = execute(trusting, "").report(Format::Text);
    assert!(text.contains("\n  TrustedHosts can be changed without a service: winrm trust HOST\n"), "{text}");
}

#[test]
fn winrs_without_remote_uses_the_local_service() {
    assert_eq!(winrs_command(&["hostname"]).connection.target, Target::Local(config::local_sockets()));
}
