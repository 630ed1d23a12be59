//! Choice of the authentication scheme without `-authentication`.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use telarch_peers::{
    Apache, Asking, PASSWORD, Password, StoredService, Telarchd, USER, WayIn, Winrm, Winrs, served_pem,
};

/// Writes a trusted certificate and returns the switch that names it.
fn trust(folder: &Path, pem: &str) -> String {
    let file = folder.join("trusted.pem");
    fs::write(&file, pem).expect("a temporary directory");
    format!("-ca:{}", file.display())
}

/// A service with Basic over HTTPS. An account with an NT hash makes it offer Negotiate as well; the user has none.
fn service_where_the_user_has_no_nt_hash() -> (StoredService, String) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let address = free.expect("a free port");
    let stored = StoredService::files(&format!(
        "Service.Auth.Basic = true\n[[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"HTTPS\"\nPort = {}\n",
        address.port()
    ));
    stored.account(&["add", USER, "--password-stdin", "--admin"], PASSWORD);
    stored.account(&["add", "eve", "--password-stdin", "--ntlm"], PASSWORD);
    (stored.start(), format!("https://{address}/wsman"))
}

#[test]
fn basic_over_verified_https_is_used_with_a_note_if_nothing_else_is_offered() {
    let service = Telarchd::start(&[("Service.Auth.Negotiate", "false")]);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let trusted = trust(folder.path(), &served_pem(service.https()));
    let run = Winrs::to(service.https()).switch(&trusted).run(&["echo hi; exit 3"], b"");
    let (stdout, stderr, code) = run.text();
    assert_eq!((stdout, code), ("hi\n", 3), "{run:?}");
    let note = "signed in to 127.0.0.1 with Basic over HTTPS, which sends it the password \
                (Negotiate: not offered by the service)\n";
    assert_eq!(stderr, format!("winrs: {note}"));
    let run = Winrm::to(service.https()).switch(&trusted).run(&["get", "winrm/config"]);
    assert_eq!((run.text().1, run.code), (format!("winrm: {note}").as_str(), 0), "{run:?}");
}

#[test]
fn a_rejected_negotiate_is_followed_by_basic() {
    let (_kept, url) = service_where_the_user_has_no_nt_hash();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let trusted = trust(folder.path(), &served_pem(&url));
    let run = Winrm::to(&url).switch(&trusted).run(&["id"]);
    let (stdout, stderr, code) = run.text();
    assert!(code == 0 && stdout.starts_with("IdentifyResponse\n"), "{run:?}");
    assert!(stderr.ends_with("(Negotiate: the service rejected ada)\n"), "{run:?}");
    let explicit = Winrm::to(&url).switch(&trusted).switch("-authentication:negotiate");
    let run = explicit.run(&["id"]);
    assert!(run.code == 1 && run.text().1.contains("rejected ada with Negotiate"), "{run:?}");
}

#[test]
fn an_unverified_host_gets_no_password_and_the_reason_is_named() {
    let (_kept, url) = service_where_the_user_has_no_nt_hash();
    let run = Winrm::to(&url).switch("-skipCAcheck").run(&["id"]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stdout, code), ("", 1), "{run:?}");
    for line in [
        "the service rejected ada with Negotiate",
        "  the service offers Negotiate, Basic; the client tried Negotiate\n",
        "  Basic was not tried: would send the password, but the certificate of the host is not verified; ",
    ] {
        assert!(stderr.contains(line), "{line} is not in {stderr}");
    }
}

#[test]
fn a_wrong_password_is_tried_once_with_each_scheme() {
    for (switch, attempts, tried) in [
        (None, 2, "  the service offers Negotiate, Basic; the client tried Negotiate, Basic\n"),
        (
            Some("-authentication:negotiate"),
            1,
            "  the service offers Negotiate, Basic; the client tried Negotiate\n",
        ),
        (Some("-authentication:basic"), 1, "  the service offers Negotiate, Basic; the client tried Basic\n"),
    ] {
        let service = Telarchd::start(&[]);
        let folder = tempfile::tempdir().expect("a temporary directory");
        let trusted = trust(folder.path(), &served_pem(service.https()));
        let winrm = switch.into_iter().fold(Winrm::to(service.https()).switch(&trusted), Winrm::switch);
        let run = winrm.password(Password::Switch("wrong")).run(&["get", "winrm/config"]);
        let (_, stderr, code) = run.text();
        assert!(code == 1 && stderr.contains(tried), "{switch:?}: {stderr}");
        let log = service.logged_times(attempts, &["Sign-in failed"]);
        assert_eq!(log.matches("Sign-in failed").count(), attempts, "{switch:?}: {log}");
    }
}

#[test]
fn a_web_server_with_basic_gets_the_password_only_over_verified_https() {
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a certificate");
    let apache = Apache::start(&service, Asking::Basic, (&cert.pem(), &signing_key.serialize_pem()));
    let Some(apache) = apache else { return };
    let folder = tempfile::tempdir().expect("a temporary directory");
    let trusted = trust(folder.path(), &cert.pem());
    for (url, switch) in [(apache.http(), "-unencrypted"), (apache.https(), "-skipCAcheck")] {
        let run = Winrm::to(&url).switch(switch).run(&["get", "winrm/config"]);
        assert!(run.code == 1 && run.text().1.contains("  the service offers Basic; "), "{run:?}");
    }
    let sent = apache.requests();
    assert!(sent.iter().all(|line| !line.contains("| Basic ")), "the password was sent: {sent:?}");
    let run = Winrm::to(&apache.https()).switch(&trusted).run(&["get", "winrm/config"]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn negotiate_is_preferred_to_basic() {
    let service = Telarchd::start(&[]);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let trusted = trust(folder.path(), &served_pem(service.https()));
    for winrm in
        [Winrm::to(service.https()).switch(&trusted), Winrm::against(&service, WayIn::NegotiateOverHttps)]
    {
        let run = winrm.run(&["get", "winrm/config"]);
        assert_eq!((run.text().1, run.code), ("", 0), "{run:?}");
    }
}
