//! Digest and Basic at a real web server that stands before the service.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use telarch_peers::{Apache, Asking, PASSWORD, Password, Run, Telarchd, Winrm, Winrs};

/// The service, and Apache before it; none where Apache is missing.
fn start(asking: Asking) -> Option<(Telarchd, Apache)> {
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a certificate");
    let apache = Apache::start(&service, asking, (&cert.pem(), &signing_key.serialize_pem()))?;
    Some((service, apache))
}

const CHECKED: [&str; 3] = ["-authentication:digest", "-skipCAcheck", "-skipCNcheck"];

fn winrm(url: &str, switches: &[&str]) -> Winrm {
    switches.iter().fold(Winrm::to(url), |winrm, switch| winrm.switch(switch))
}

fn is_configuration(run: &Run) -> bool {
    run.code == 0 && run.text().0.starts_with("Config\n    MaxEnvelopeSizekb = ")
}

#[test]
fn digest_signs_in_over_https_and_over_http_if_unencrypted_is_allowed() {
    let Some((_service, apache)) = start(Asking::Digest(300)) else { return };
    for (url, switches) in
        [(apache.https(), &CHECKED[..]), (apache.http(), &["-authentication:digest", "-unencrypted"])]
    {
        let run = winrm(&url, switches).run(&["get", "winrm/config"]);
        assert!(is_configuration(&run), "{url}: {run:?}");
    }
    let requests = apache.requests();
    assert!(requests.iter().all(|line| !line.contains("Basic")), "the password was not sent: {requests:?}");
    let statuses: Vec<&str> = requests.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(statuses, ["401", "200", "401", "200"], "one challenge, one answer: {requests:?}");
}

#[test]
fn digest_is_not_used_over_http_unless_unencrypted_is_allowed() {
    let Some((_service, apache)) = start(Asking::Digest(300)) else { return };
    let run = winrm(&apache.http(), &["-authentication:digest"]).run(&["get", "winrm/config"]);
    let (_, stderr, code) = run.text();
    assert_eq!(code, 1);
    assert!(stderr.contains("refused to send messages to http://127.0.0.1"), "{run:?}");
    assert!(apache.requests().is_empty(), "something was sent: {:?}", apache.requests());
}

#[test]
fn every_request_of_a_remote_command_has_its_own_digest_and_count() {
    let Some((_service, apache)) = start(Asking::Digest(300)) else { return };
    let winrs = CHECKED.iter().fold(Winrs::to(&apache.https()), |winrs, switch| winrs.switch(switch));
    let run = winrs.run(&["cat; echo err 1>&2; exit 7"], b"through the gate");
    assert_eq!(run.text(), ("through the gate", "err\n", 7));
    let requests = apache.requests();
    for count in ["nc=00000001,", "nc=00000002,", "nc=00000003,"] {
        assert!(requests.iter().any(|line| line.contains(count)), "{count} is not in {requests:?}");
    }
    let mut answers: Vec<&str> = requests.iter().filter_map(|line| line.split("response=").nth(1)).collect();
    let sent = answers.len();
    answers.sort_unstable();
    answers.dedup();
    assert_eq!(answers.len(), sent, "an answer was repeated: {requests:?}");
}

#[test]
fn a_stale_nonce_is_replaced_without_a_password_prompt() {
    let Some((_service, apache)) = start(Asking::Digest(1)) else { return };
    let winrs = CHECKED.iter().fold(Winrs::to(&apache.https()), |winrs, switch| winrs.switch(switch));
    let run = winrs.run(&["sleep 3; echo late"], b"");
    assert_eq!(run.text(), ("late\n", "", 0));
    let requests = apache.requests();
    let is_stale = |line: &&String| line.starts_with("401") && line.contains("stale=true");
    assert!(requests.iter().filter(is_stale).count() >= 1, "{requests:?}");
}

#[test]
fn a_wrong_password_is_reported() {
    for (asking, scheme, word) in [
        (Asking::Digest(300), "-authentication:digest", "Digest"),
        (Asking::Basic, "-authentication:basic", "Basic"),
    ] {
        let Some((_service, apache)) = start(asking) else { return };
        let winrm = winrm(&apache.https(), &[scheme, "-skipCAcheck", "-skipCNcheck"]);
        let run = winrm.password(Password::Switch("not-the-password")).run(&["get", "winrm/config"]);
        let (stdout, stderr, code) = run.text();
        assert_eq!((stdout, code), ("", 1), "{run:?}");
        for line in [
            format!("the service rejected ada with {word}: check name and password\n"),
            "winrm: host 127.0.0.1, user ada\n".to_owned(),
            format!("  the service offers {word}; the client tried {word}\n"),
        ] {
            assert!(stderr.contains(&line), "{line} is not in {stderr}");
        }
        assert!(!stderr.contains("not-the-password") && !stderr.contains(PASSWORD), "{run:?}");
    }
}

#[test]
fn basic_works_with_a_web_server_and_is_suggested_instead_of_others() {
    let Some((_service, apache)) = start(Asking::Basic) else { return };
    let to = |scheme: &str| winrm(&apache.https(), &[scheme, "-skipCAcheck", "-skipCNcheck"]);
    let run = to("-authentication:basic").run(&["get", "winrm/config"]);
    assert!(is_configuration(&run), "{run:?}");
    for scheme in ["digest", "negotiate"] {
        let run = to(&format!("-authentication:{scheme}")).run(&["id"]);
        let (_, stderr, code) = run.text();
        assert_eq!(code, 1);
        assert!(stderr.contains("  try -authentication:basic\n"), "{scheme}: {stderr}");
        assert!(stderr.contains("  the service offers Basic; "), "{scheme}: {stderr}");
    }
}
