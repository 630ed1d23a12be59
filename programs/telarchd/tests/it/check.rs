//! `telarchd --check`: problems, their locations and advice.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use std::time::SystemTime;

use ports::free_ports;
use service::Certificate;

use crate::ntlm::set_nt_hash;
use crate::service_process::{Telarchd, listener, set_mode, user, write_private};

const HTTP: &str = "[[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"HTTP\"\n";

/// Settings with which the account of the test can sign in over HTTP.
const USABLE: [&str; 4] = ["--set", "Service.Auth.Basic=true", "--set", "Service.AllowUnencrypted=true"];

fn check(telarchd: &Telarchd) -> Output {
    telarchd.command().arg("--check").args(USABLE).output().unwrap()
}

/// Returns exit code and output without WMI lines; the folder is removed from paths.
fn checked(telarchd: &Telarchd) -> (i32, String) {
    let (code, text) = printed(telarchd);
    (code, text.lines().filter(|line| !line.starts_with("WMI: ")).map(|line| format!("{line}\n")).collect())
}

/// Returns exit code and complete output; the folder is removed from paths.
fn printed(telarchd: &Telarchd) -> (i32, String) {
    let output = check(telarchd);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let folder = format!("{}/", telarchd.folder.path().display());
    (output.status.code().unwrap(), text.replace(&folder, ""))
}

#[test]
fn a_valid_configuration_is_confirmed_without_creating_files() {
    let telarchd = Telarchd::new(HTTP);
    assert_eq!(checked(&telarchd), (0, "config.toml: no problems found\n".to_owned()));
    telarchd.configure("[[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"HTTPS\"\n");
    assert_eq!(checked(&telarchd), (0, "config.toml: no problems found\n".to_owned()));
    assert!(!telarchd.state().exists());
}

#[test]
fn files_of_otlp_are_checked() {
    let telarchd = Telarchd::new(HTTP);
    let headers = telarchd.file("headers");
    let otlp =
        format!("Metrics.OtlpUrl = \"https://otel\"\nMetrics.OtlpHeaders = \"{}\"\n", headers.display());
    telarchd.configure(&[&otlp, HTTP].concat());
    let (code, text) = checked(&telarchd);
    assert!(
        code == 1 && text.starts_with("error: headers does not exist (config.toml)\n  create it"),
        "{text}"
    );
    write_private(&headers, "Authorization: Bearer secret\nsecret\n");
    let (code, text) = checked(&telarchd);
    assert!(code == 1 && text.starts_with("error: headers: line 2 is no header"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    write_private(&headers, "Authorization: Bearer secret\n");
    assert_eq!(checked(&telarchd), (0, "config.toml: no problems found\n".to_owned()));
}

#[test]
fn a_service_that_offers_no_usable_scheme_is_an_error_with_the_fix() {
    let plain = |telarchd: &Telarchd| {
        let output = telarchd.command().arg("--check").output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let telarchd = Telarchd::new(HTTP);
    let (code, text) = plain(&telarchd);
    assert_eq!(code, 1, "{text}");
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(first.starts_with("error: no authentication scheme is usable"), "{text}");
    assert!(first.contains("Negotiate: no NTLM: no account of the service has an NT hash"), "{text}");
    assert!(first.ends_with("config.toml)"), "{text}");
    let fix = format!(
        "  allow NTLM for an account: telarch account set-password NAME --ntlm --file {} --state {}\n",
        telarchd.file("accounts").display(),
        telarchd.state().display()
    );
    assert!(rest.contains(&fix), "{text}");

    let key = accounts::HostKey::load_or_create(&make_state(&telarchd)).unwrap();
    set_nt_hash(&telarchd, &user(), Some(&key));
    assert_eq!(plain(&telarchd).0, 0);
    fs::remove_file(telarchd.state().join("host-key")).unwrap();
    let (code, text) = plain(&telarchd);
    assert!(
        code == 1 && text.contains("the NT hashes of the accounts were sealed on another machine"),
        "{text}"
    );

    // Without a listener only local programs are served, which need no scheme.
    telarchd.configure("");
    assert_eq!(plain(&telarchd).0, 0);
}

fn make_state(telarchd: &Telarchd) -> std::path::PathBuf {
    fs::create_dir(telarchd.state()).unwrap();
    set_mode(&telarchd.state(), 0o700);
    telarchd.state()
}

#[test]
fn a_start_without_a_usable_scheme_is_logged() {
    let [port] = free_ports();
    let telarchd = Telarchd::start(&listener("IP:127.0.0.1", "HTTP", port, ""));
    telarchd
        .wait_for_log(&["No user can sign in over the network", "telarch account set-password NAME --ntlm"]);
}

#[test]
fn wmi_is_summarized_and_an_invalid_repository_is_an_error() {
    let telarchd = Telarchd::new(HTTP);
    let (code, text) = printed(&telarchd);
    assert_eq!(code, 0, "{text}");
    let before = wmi_namespaces(&text);
    assert!(before > 4, "{text}");
    assert!(text.ends_with("repository.mof: not created yet\n"), "{text}");

    fs::create_dir(telarchd.state()).unwrap();
    set_mode(&telarchd.state(), 0o700);
    let repository = telarchd.state().join("repository.mof");
    write_private(&repository, "#pragma namespace(\"root/site\")\nclass Site { [Key] string Name; };\n");
    let (code, text) = printed(&telarchd);
    assert_eq!((code, wmi_namespaces(&text)), (0, before + 1), "{text}");
    assert!(text.ends_with("repository.mof: valid\n"), "{text}");
    write_private(&repository, "class {");
    let (code, text) = printed(&telarchd);
    assert!(code == 1 && text.contains("error: cannot read the WMI repository"), "{text}");
    assert!(text.contains("repository.mof:1:7: "), "{text}");
}

/// Returns the number of namespaces in the only line about WMI.
fn wmi_namespaces(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("WMI: ")).collect();
    let [line] = lines.as_slice() else { panic!("{text}") };
    let (_, behind) = line.split_once(" classes in ").unwrap();
    behind.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn an_invalid_setting_is_reported_with_its_line() {
    let telarchd = Telarchd::new(&format!("[Service]\nMaxConnections = 0\n{HTTP}"));
    let expected = "error: Service/MaxConnections: 0 is outside 1 to 512 (config.toml, line 2)\nconfig.toml: errors: 1, warnings: 0\n";
    assert_eq!(checked(&telarchd), (1, expected.to_owned()));
}

#[test]
fn invalid_certificate_mappings_are_an_error() {
    let telarchd = Telarchd::new(HTTP);
    fs::create_dir(telarchd.file("certificates/client-authorities")).unwrap();
    let mappings = telarchd.file("certmappings");
    write_private(&mappings, "# none\n\n");
    assert_eq!(checked(&telarchd), (0, "config.toml: no problems found\n".to_owned()));
    write_private(&mappings, "# one\n*\n");
    let expected = "error: certmappings, line 2: expected 6 fields separated by tabs, found 1\nconfig.toml: errors: 1, warnings: 0\n";
    assert_eq!(checked(&telarchd), (1, expected.to_owned()));
    set_mode(&mappings, 0o644);
    let (code, text) = checked(&telarchd);
    assert!(code == 1 && text.contains("chmod 600 certmappings"), "{text}");
}

#[test]
fn each_invalid_listener_is_reported_with_its_line() {
    let thumbprint = "0123456789ABCDEF0123456789ABCDEF01234567";
    let config = [
        listener("IP:127.0.0.1", "HTTPS", 45986, &format!("CertificateThumbprint = \"{thumbprint}\"")),
        listener("IP:127.0.0.2", "HTTPS", 45986, ""),
        listener("IP:127.0.0.3", "HTTP", 45986, ""),
        listener("MAC:02-00-5E-10-00-00", "HTTP", 45985, ""),
        listener("IP:203.0.113.250", "HTTP", 45985, ""),
    ]
    .concat();
    let telarchd = Telarchd::new(&config);
    let (code, text) = checked(&telarchd);
    assert_eq!(code, 1, "{text}");
    for part in [
        "error: listener Address=IP:127.0.0.1+Transport=HTTPS: certificate not found: 0123456789ABCDEF0123456789ABCDEF01234567 (config.toml, line 1)\n  put it with its key into certificates/0123456789ABCDEF0123456789ABCDEF01234567.pem (mode 0600)\n",
        "error: listener Address=IP:127.0.0.2+Transport=HTTPS: port 45986 is already used by listener Address=IP:127.0.0.1+Transport=HTTPS with another certificate",
        "(config.toml, line 6)",
        "error: listener Address=IP:127.0.0.3+Transport=HTTP: port 45986 is already used by listener Address=IP:127.0.0.1+Transport=HTTPS and cannot also serve HTTP",
        "error: listener Address=MAC:02-00-5E-10-00-00+Transport=HTTP: no interface with an address",
        "warning: listener Address=IP:203.0.113.250+Transport=HTTP: this machine does not currently have the address 203.0.113.250",
        "config.toml: errors: 4, warnings: 1\n",
    ] {
        assert!(text.contains(part), "{part:?} not found in:\n{text}");
    }
}

#[test]
fn a_certificate_that_clients_would_reject_is_a_warning() {
    let telarchd = Telarchd::new("");
    let (certificate, pem) = Certificate::self_signed(&["localhost".to_owned()], SystemTime::now()).unwrap();
    let file = telarchd.file("certificates").join(format!("{}.pem", certificate.thumbprint()));
    fs::write(&file, pem).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let more = format!(
        "CertificateThumbprint = \"{}\"\nHostname = \"node7.example.com\"",
        certificate.thumbprint().to_string().to_lowercase()
    );
    telarchd.configure(&listener("IP:127.0.0.1", "HTTPS", 45986, &more));
    let (code, text) = checked(&telarchd);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("not valid for node7.example.com, only for localhost (config.toml, line 1)"),
        "{text}"
    );

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, text) = checked(&telarchd);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("can be read by everyone (mode 0644) (config.toml, line 1)"), "{text}");
}

#[test]
fn files_that_other_users_can_read_or_change_are_errors() {
    let telarchd = Telarchd::new(HTTP);
    fs::set_permissions(telarchd.file("accounts"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::create_dir(telarchd.state()).unwrap();
    fs::set_permissions(telarchd.state(), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, text) = checked(&telarchd);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("error: accounts has mode 0644: other users can read or change it"), "{text}");
    assert!(text.contains("error: state has mode 0777 and can be changed by other users"), "{text}");
    fs::set_permissions(telarchd.file("config.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(checked(&telarchd).1.contains("error: config.toml is writable by all users"));
}

#[test]
fn a_missing_file_is_an_error_and_no_listener_a_warning() {
    let telarchd = Telarchd::new("");
    let (code, text) = checked(&telarchd);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("warning: no listener is enabled"), "{text}");
    fs::remove_file(telarchd.file("config.toml")).unwrap();
    let (code, text) = checked(&telarchd);
    assert_eq!(code, 1, "{text}");
    assert!(text.starts_with("error: config.toml does not exist"), "{text}");
}

#[test]
fn settings_of_the_command_line_are_checked_as_well() {
    let telarchd = Telarchd::new(HTTP);
    for (filter, code) in [("127.0.0.0-127.0.0.9", 0), ("", 1)] {
        let mut filtered = telarchd.command();
        let setting = format!("Service.IPv4Filter={filter}");
        let output = filtered.args(["--check", "--set", &setting]).args(USABLE).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert_eq!(text.contains("IPv4Filter"), code == 1, "{text}");
    }
    let setting = "Service.CertificateThumbprint=0123456789ABCDEF0123456789ABCDEF01234567";
    let output = telarchd.command().args(["--check", "--set", setting]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("error: Service/CertificateThumbprint: certificate not found"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}
