//! Sign-in with NTLM, and when it is offered.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use accounts::{HostKey, IfMissing};
use auth::account_file::SealedNtHash;
use auth::ntlm::NtHash;
use client::{Authentication, Credentials, Endpoint, Secret, Session};
use ports::free_ports;
use serde_json::Value;

use crate::message;
use crate::service_process::{PASSWORD, Telarchd, is_root, listener, loopback, user};

/// Settings for sealed HTTP, limited to IPv4.
pub(crate) const HTTP_ONLY_SEALED: &str = "Service.IPv6Filter = \"\"\n";

/// Returns the schemes that a service offers to a client without credentials.
pub(crate) fn offered(port: u16) -> Vec<String> {
    let mut stream = TcpStream::connect(loopback(port)).unwrap();
    let request = "POST /wsman HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let lines = answer.lines().filter_map(|line| line.split_once(": "));
    let offers = lines.filter(|(name, _)| name.eq_ignore_ascii_case("WWW-Authenticate"));
    offers.map(|(_, value)| value.split(' ').next().unwrap().to_owned()).collect()
}

/// Opens and closes a shell; returns an error as text.
pub(crate) fn open_shell(
    port: u16,
    authentication: Authentication,
    user: &str,
    password: &str,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}/wsman")).unwrap();
        let credentials = Credentials { user: user.to_owned(), password: Secret::new(password.to_owned()) };
        let session = Session::builder(endpoint).credentials(credentials).authentication(authentication);
        let shell = session.build().unwrap().shell(client::ShellOptions::default()).await;
        let shell = shell.map_err(|error| error.to_string())?;
        shell.close().await.map_err(|error| error.to_string())
    })
}

pub(crate) fn set_nt_hash(telarchd: &Telarchd, name: &str, key: Option<&HostKey>) {
    let hash = NtHash::of_password(&Secret::new(PASSWORD.to_owned()));
    accounts::update(&telarchd.file("accounts"), IfMissing::Fail, |file| {
        let record = file.find(name).unwrap().clone();
        let seal = |key: &HostKey| key.seal_nt_hash(&hash, &record.name, record.rid).unwrap();
        let sealed: Option<SealedNtHash> = key.map(seal);
        file.set_nt_hash(name, sealed).map_err(|error| error.to_string().into())
    })
    .map_err(|error: Box<dyn std::error::Error>| error.to_string())
    .unwrap();
}

#[test]
fn negotiate_is_offered_while_an_account_has_an_nt_hash() {
    let [port] = free_ports();
    let telarchd = Telarchd::start(&[HTTP_ONLY_SEALED, &listener("IP:127.0.0.1", "HTTP", port, "")].concat());
    let has_negotiate = || offered(port).contains(&"Negotiate".to_owned());
    assert!(!has_negotiate(), "no account could sign in with it");
    let key = HostKey::load(&telarchd.state()).unwrap().expect("the service has made a key");

    set_nt_hash(&telarchd, &user(), Some(&key));
    telarchd.reload();
    assert!(has_negotiate());
    open_shell(port, Authentication::Negotiate, &user(), PASSWORD).unwrap();
    assert!(open_shell(port, Authentication::Negotiate, &user(), "wrong").is_err());
    assert!(open_shell(port, Authentication::Negotiate, "mallory", PASSWORD).is_err());
    let has_all = |all: &[Value]| all.iter().filter(|record| record["outcome"] == "denied").count() >= 2;
    let records = telarchd.wait_for_records(has_all);
    let denied: Vec<&Value> = records.iter().filter(|record| record["outcome"] == "denied").collect();
    assert_eq!(denied.len(), 2, "{records:#?}");
    assert!(denied.iter().all(|record| record["mechanism"] == "NTLM"), "{records:#?}");
    assert!(denied.iter().any(|record| record["account"] == "mallory"), "{records:#?}");
    let granted: Vec<&Value> = records.iter().filter(|record| record["outcome"] == "granted").collect();
    assert!(granted.iter().any(|record| record["event"] == "access"), "{records:#?}");
    for record in granted {
        let how = (&record["scheme"], &record["mechanism"], &record["account"]);
        assert_eq!(how, (&"Negotiate".into(), &"NTLM".into(), &user().into()), "{record}");
    }

    set_nt_hash(&telarchd, &user(), None);
    telarchd.reload();
    assert!(!has_negotiate());
}

#[test]
fn a_sign_in_with_ntlm_is_visible_to_access_checks() {
    let [port] = free_ports();
    // Denied for NTLM_AUTHENTICATION, S-1-5-64-10; granted to administrators otherwise.
    let config = [
        HTTP_ONLY_SEALED,
        "Service.RootSDDL = \"O:NSG:BAD:P(D;;GA;;;S-1-5-64-10)(A;;GA;;;BA)S:P(AU;FA;GA;;;WD)\"\n",
        "Service.AllowUnencrypted = true\nService.Auth.Basic = true\n",
        &listener("IP:127.0.0.1", "HTTP", port, ""),
    ]
    .concat();
    let telarchd = Telarchd::start(&config);
    set_nt_hash(&telarchd, &user(), Some(&HostKey::load(&telarchd.state()).unwrap().unwrap()));
    telarchd.reload();
    let mut connection = crate::http_connection::Connection::open(loopback(port));
    assert_eq!(connection.ask("/wsman", &message::create_shell()).status, 200);
    let denied = open_shell(port, Authentication::Negotiate, &user(), PASSWORD).unwrap_err();
    assert!(denied.to_lowercase().contains("denied"), "{denied}");
}

#[test]
fn a_hash_sealed_on_another_machine_is_reported_by_check() {
    let [port] = free_ports();
    let telarchd = Telarchd::new(&listener("IP:127.0.0.1", "HTTP", port, ""));
    let check = || {
        let output = telarchd.command().arg("--check").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let elsewhere = tempfile::tempdir().unwrap();
    set_nt_hash(&telarchd, &user(), Some(&HostKey::load_or_create(elsewhere.path()).unwrap()));
    let (code, text) = check();
    assert_eq!(code, Some(1), "no other scheme is enabled: {text}");
    let part = format!(
        "warning: account {}: cannot sign in with NTLM: its NT hash was not sealed with host-key in ",
        user()
    );
    assert!(text.contains(&part) && text.contains("set-password"), "{text}");
    assert!(!telarchd.state().exists(), "the key was created");

    fs::create_dir(telarchd.state()).unwrap();
    set_nt_hash(&telarchd, &user(), Some(&HostKey::load_or_create(&telarchd.state()).unwrap()));
    assert!(check().1.contains("no problems found"), "{}", check().1);
    fs::set_permissions(telarchd.state().join("host-key"), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, text) = check();
    assert!(code == Some(1) && text.contains("chmod 600"), "{text}");
}

/// Replacement of Samba's program, which knows `ann` of `CORP` with the password of the tests.
const NTLM_AUTH: &str = r#"
import base64, hashlib, hmac, sys
md5 = lambda key, octets: hmac.new(key, octets, hashlib.md5).digest()
asked = {}
for line in sys.stdin:
    line = line.rstrip("\n")
    if line != ".":
        name, value = line.split(": ", 1)
        asked[name.rstrip(":")] = base64.b64decode(value).decode() if name.endswith(":") else value
        continue
    user, domain, response = asked["Username"], asked.get("NT-Domain", ""), bytes.fromhex(asked["NT-Response"])
    key = md5(bytes.fromhex("HASH"), (user.upper() + domain).encode("utf-16-le"))
    right = md5(key, bytes.fromhex(asked["LANMAN-Challenge"]) + response[16:]) == response[:16]
    if right and (user, domain) == ("ann", "CORP"):
        print("Authenticated: Yes\nUser-Session-Key: " + md5(key, response[:16]).hex().upper() + "\n.", flush=True)
    else:
        print("Authenticated: No\nAuthentication-Error: Wrong Password\n.", flush=True)
    asked = {}
"#;

#[test]
fn a_domain_user_signs_in_as_the_mapped_account() {
    if !is_root() || Command::new("/usr/bin/python3").arg("--version").output().is_err() {
        skips::skip!("a replacement for winbind requires root and /usr/bin/python3");
        return;
    }
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let mut telarchd = Telarchd::new(&[HTTP_ONLY_SEALED, &http].concat());
    let hash = NtHash::of_password(&Secret::new(PASSWORD.to_owned()));
    let digits: String = hash.expose().iter().map(|octet| format!("{octet:02x}")).collect();
    let program = telarchd.file("ntlm_auth");
    fs::write(&program, format!("#!/usr/bin/python3\n{}", NTLM_AUTH.replace("HASH", &digits))).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(telarchd.file("domain-accounts"), "corp\\Ann root\n").unwrap();
    let mut command = telarchd.command();
    command.arg("--winbind").arg("domains").arg("--ntlm-auth").arg(&program);
    telarchd.run_as(command);

    assert!(offered(port).contains(&"Negotiate".to_owned()));
    open_shell(port, Authentication::Negotiate, "CORP\\ann", PASSWORD).unwrap();
    for (user, password) in
        [("CORP\\ann", "wrong"), ("CORP\\bob", PASSWORD), ("LAB\\ann", PASSWORD), ("ann", PASSWORD)]
    {
        assert!(open_shell(port, Authentication::Negotiate, user, password).is_err(), "{user}");
    }
    let records = telarchd.wait_for_records(|all| !all.is_empty());
    let first = &records[0];
    assert_eq!((&first["account"], &first["mechanism"]), (&"root".into(), &"NTLM".into()), "{first}");
}

#[test]
fn the_program_that_queries_winbind_must_exist() {
    let telarchd = Telarchd::new("");
    let run = |more: &[&str]| {
        let winbind = ["--winbind", "everyone", "--ntlm-auth", "/nonexistent"];
        let output = telarchd.command().args(winbind).args(more).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let expected = if is_root() { "install Samba's package winbind" } else { "requires root" };
    for text in [run(&[]), run(&["--check"])] {
        assert!(text.contains(expected), "{text}");
    }
}
