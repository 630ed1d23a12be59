//! Client certificates: mapped with `winrm`, and shown by every client that can.

use std::fs;

use serde_json::Value;
use telarch_peers::{
    Authority, CERTIFICATE_MAPPINGS, Holder, PASSWORD, Peer, Remote, Run, Telarchd, USER, WayIn, Winrm,
    Winrs, certificate_mapping, map_certificates,
};

const BY_CERTIFICATE: WayIn = WayIn::CertificateOverHttps;
const BY_PASSWORD: WayIn = WayIn::BasicOverHttps;

/// Makes the tests for a peer.
macro_rules! certificate_tests {
    ($($peer:ident = $type:ident),+ $(,)?) => {
        $(mod $peer {
            use telarch_peers::$type;

            #[test]
            fn the_holder_of_a_self_signed_certificate_is_let_in() {
                super::the_holder_of_a_self_signed_certificate_is_let_in::<$type>();
            }

            #[test]
            fn the_holder_of_an_authoritys_certificate_is_let_in() {
                super::the_holder_of_an_authoritys_certificate_is_let_in::<$type>();
            }

            #[test]
            fn an_unmapped_certificate_is_refused_and_the_log_gives_the_reason() {
                super::an_unmapped_certificate_is_refused_and_the_log_gives_the_reason::<$type>();
            }
        })+
    };
}

certificate_tests! { pywinrm = Pywinrm, pypsrp = Pypsrp }

fn the_holder_of_a_self_signed_certificate_is_let_in<P: Peer>() {
    let service = Telarchd::start_for(BY_CERTIFICATE);
    let holder = Holder::self_signed("ada@corp.example");
    map_certificates(&service, &holder.thumbprint(), "ada@corp.example");
    let peer = P::against(&service, BY_CERTIFICATE).with_certificate(&holder);
    let input: Vec<u8> = (0..=255).cycle().take(120_000).collect();
    let run = peer.run(Remote::new("cat").input(&input));
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout == input, "{} octets came back", run.stdout.len());
    let run = peer.run("echo out; echo err 1>&2; exit 7");
    assert_eq!(run.text(), ("out\n", "err\n", 7));
}

fn the_holder_of_an_authoritys_certificate_is_let_in<P: Peer>() {
    let service = Telarchd::start_for(BY_CERTIFICATE);
    let authority = Authority::new();
    map_certificates(&service, &authority.thumbprint(), "*@corp.example");
    let [ada, other] = ["ada@corp.example", "ada@other.example"].map(|name| authority.holder(name));
    let peer = P::against(&service, BY_CERTIFICATE).with_certificate(&ada);
    // It is mapped, and not believed yet.
    let refusal = peer.ask("max_envelope_size_kb", Value::Null).expect_err("nobody knows the authority");
    assert!(refusal.fault_code.is_none(), "{refusal:?}");
    assert!(service.log().contains("not signed by a trusted authority"), "{}", service.log());
    believe(&service, &authority);
    assert_eq!(peer.run("exit 7").text(), ("", "", 7));
    let peer = P::against(&service, BY_CERTIFICATE).with_certificate(&other);
    peer.ask("max_envelope_size_kb", Value::Null).expect_err("the subject is another one");
}

fn an_unmapped_certificate_is_refused_and_the_log_gives_the_reason<P: Peer>() {
    let service = Telarchd::start_for(BY_CERTIFICATE);
    let (ada, eve) = (Holder::self_signed("ada@corp.example"), Holder::self_signed("ada@corp.example"));
    map_certificates(&service, &ada.thumbprint(), "*");
    let peer = P::against(&service, BY_CERTIFICATE).with_certificate(&eve);
    let refusal = peer.ask("max_envelope_size_kb", Value::Null).expect_err("it is another certificate");
    assert!(refusal.fault_code.is_none(), "nobody who is not let in is told of faults: {refusal:?}");
    let log = service.log();
    assert!(log.contains("Client certificate refused") && log.contains(&eve.thumbprint()), "{log}");
    assert!(log.contains("Sign-in failed") && !log.contains(PASSWORD), "{log}");
    // The certificate does no harm to whoever signs in otherwise.
    let run =
        Winrm::against(&service, BY_PASSWORD).run(&["delete", &certificate_mapping(&ada.thumbprint(), "*")]);
    assert_eq!(run.code, 0, "{run:?}");
    let peer = P::against(&service, BY_CERTIFICATE).with_certificate(&ada);
    peer.ask("max_envelope_size_kb", Value::Null).expect_err("it is mapped no longer");
}

#[test]
fn winrm_and_winrs_sign_in_with_files_and_by_thumbprint() {
    let service = Telarchd::start_for(BY_CERTIFICATE);
    let holder = Holder::self_signed("ada@corp.example");
    let refused = Winrm::held_by(&holder, &service).run(&["get", "winrm/config/winrs"]);
    let (stdout, stderr, code) = refused.text();
    assert_eq!((stdout, code), ("", 1), "{refused:?}");
    assert!(stderr.contains("certmapping") && stderr.contains("Certificate=true"), "{refused:?}");

    map_certificates(&service, &holder.thumbprint(), "*");
    let run = Winrm::held_by(&holder, &service).run(&["get", "winrm/config/winrs"]);
    assert!(run.code == 0 && run.text().0.starts_with("Winrs\n"), "{run:?}");
    let by_thumbprint = Winrm::held_at_home_by(&holder, &service).run(&["get", "winrm/config/winrs"]);
    assert_eq!(by_thumbprint, run);
    let run = Winrs::held_by(&holder, &service).run(&["echo out; exit 7"], b"");
    assert_eq!(run.text(), ("out\n", "", 7));
}

#[test]
fn a_mapping_shows_everything_but_its_password() {
    let service = Telarchd::start_for(BY_CERTIFICATE);
    let holder = Holder::self_signed("ada@corp.example");
    let thumbprint = holder.thumbprint();
    map_certificates(&service, &thumbprint, "*");
    let winrm = Winrm::against(&service, BY_PASSWORD);
    let shown = format!(
        "CertMapping\n    URI = *\n    Subject = *\n    Issuer = {thumbprint}\n    UserName = {USER}\n    Enabled = true"
    );
    let all: Vec<Run> = [
        winrm.run(&["enumerate", CERTIFICATE_MAPPINGS]),
        winrm.run(&["get", &certificate_mapping(&thumbprint, "*")]),
        winrm.run(&["set", &certificate_mapping(&thumbprint, "*"), "@{Enabled=\"false\"}"]),
    ]
    .into();
    for (run, expected) in all.iter().zip([&shown, &shown, &shown.replace("true", "false")]) {
        let (stdout, stderr, code) = run.text();
        assert_eq!((stderr, code), ("", 0), "{run:?}");
        assert!(stdout.starts_with(expected) && !stdout.contains("Password"), "{run:?}");
    }
    let run = Winrm::held_by(&holder, &service).run(&["get", "winrm/config/winrs"]);
    assert_eq!(run.code, 1, "it is switched off: {run:?}");
    let file = service.state_folder().join("certmappings");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(text.contains(&thumbprint) && !text.contains(PASSWORD), "{text}");
}

#[test]
fn a_mapping_with_a_wrong_password_is_not_created() {
    let service = Telarchd::start_for(BY_CERTIFICATE);
    let body = format!("@{{UserName=\"{USER}\";Password=\"wrong\"}}");
    let there = certificate_mapping("00112233445566778899AABBCCDDEEFF00112233", "*");
    let winrm = Winrm::against(&service, BY_PASSWORD);
    let run = winrm.run(&["create", &there, &body]);
    let (stdout, stderr, code) = run.text();
    assert_eq!((stdout, code), ("", 1), "{run:?}");
    assert!(stderr.contains("0x80338154") && !stderr.contains("wrong"), "{run:?}");
    assert_eq!(winrm.run(&["enumerate", CERTIFICATE_MAPPINGS]).text(), ("", "", 0));
}

/// Puts the certificate of an authority where the administrator of the service would.
fn believe(service: &Telarchd, authority: &Authority) {
    let folder = service.state_folder().join("certificates/client-authorities");
    fs::create_dir_all(&folder).expect("a folder in the state of the service");
    fs::copy(authority.certificate(), folder.join("clients.pem")).expect("a file there");
    // The service looks at the folder once a second, and when somebody looks at the mappings.
    let run = Winrm::against(service, BY_PASSWORD).run(&["enumerate", CERTIFICATE_MAPPINGS]);
    assert_eq!(run.code, 0, "{run:?}");
}
