//! `winrm doctor` for the service of this machine: each broken set-up is a real one.

use ports::free_port;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use telarch_peers::{Diagnosis, Finding, StoredService, WebServer, Winrm, firewall, in_network};

#[test]
fn no_check_fails_on_a_machine_with_a_working_service() {
    let stored = StoredService::files(&(listener("HTTP", free_port()) + &listener("HTTPS", free_port())));
    let stored = with_account(stored).start();
    let diagnosis = examined(&stored);
    diagnosis.is_well();
    for check in ["settings", "configuration", "ports", "socket", "listeners", "certificates", "schemes"] {
        assert_eq!(diagnosis.check(check).verdict, "pass", "{diagnosis:#?}");
    }
}

#[test]
fn a_service_that_does_not_run() {
    let stored = StoredService::files(&listener("HTTP", free_port()));
    let diagnosis = examined(&stored);
    diagnosis.begins_with("socket", "no local service is running", "systemctl start telarchd.socket");
    assert_eq!(diagnosis.check("listeners").seen, "socket failed");
}

#[test]
fn a_port_that_another_program_has() {
    let server = WebServer::of_files();
    let stored = StoredService::files(&listener("HTTP", server.port()));
    examined(&stored).begins_with("ports", "is used by python3", "-set:Port=NUMBER");
}

#[test]
fn settings_with_a_typing_error() {
    let stored = StoredService::files("Service.Auth.Basic = \"perhaps\"\n");
    let diagnosis = examined(&stored);
    diagnosis.begins_with("settings", "line 1", "telarch config show");
    assert_eq!(diagnosis.check("configuration").seen, "settings failed");
}

#[test]
fn settings_writable_by_everyone() {
    let stored = StoredService::files("");
    stored.write("config.toml", "", 0o666);
    let config = stored.config();
    let fix = format!("chmod o-w {}", config.display());
    examined(&stored).begins_with("settings", "is writable by all users", &fix);
}

#[test]
fn a_policy_writable_by_everyone() {
    let stored = StoredService::files(&listener("HTTP", free_port()));
    stored.write("policy.d/site.toml", "Service.Auth.Basic = false\n", 0o644);
    let diagnosis = examined(&stored);
    assert!(diagnosis.check("policy").seen.contains("set by policy: Service/Auth/Basic"), "{diagnosis:#?}");
    stored.write("policy.d/site.toml", "Service.Auth.Basic = false\n", 0o666);
    let diagnosis = examined(&stored);
    diagnosis.begins_with("policy", "is writable by all users", "chmod o-w");
    assert_eq!(diagnosis.check("settings").seen, "policy failed");
}

#[test]
fn accounts_that_others_can_read() {
    let stored = StoredService::files(&listener("HTTP", free_port()));
    stored.write("accounts", "", 0o644);
    examined(&stored).begins_with("configuration", "accounts", "chmod 600");
}

#[test]
fn a_listener_at_an_address_that_the_machine_does_not_have() {
    let there = listener("HTTP", free_port()).replace("127.0.0.1", "203.0.113.9");
    let stored = StoredService::files(&(listener("HTTPS", free_port()) + &there)).start();
    let diagnosis = examined(&stored);
    diagnosis.begins_with("listeners", "is not listening", "the address of the listener");
    assert_eq!(diagnosis.check("configuration").verdict, "warn", "{diagnosis:#?}");
}

#[test]
fn a_listener_whose_certificate_has_expired() {
    let key = KeyPair::generate().expect("a key");
    let mut parameters = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    parameters.not_after = date_time_ymd(2020, 2, 3);
    let certificate = parameters.self_signed(&key).expect("a certificate");
    let stored = StoredService::files("");
    let thumbprint = stored.put_certificate(&certificate.pem(), &key.serialize_pem());
    let settings = format!("{}CertificateThumbprint = \"{thumbprint}\"\n", listener("HTTPS", free_port()));
    stored.write("config.toml", &settings, 0o644);
    let stored = stored.start();
    let diagnosis = examined(&stored);
    diagnosis.begins_with(
        "certificates",
        "expired on Mon, 03 Feb 2020",
        "-set:CertificateThumbprint=THUMBPRINT",
    );
}

#[test]
fn a_firewall_that_drops_the_port() {
    in_network("doctor_here::a_firewall_that_drops_the_port", || {
        let port = free_port();
        let stored = StoredService::files(&listener("HTTP", port).replace("IP:127.0.0.1", "*"));
        let stored = with_account(stored).start();
        examined(&stored).is_well();
        firewall(
            "add table inet filter\n\
             add chain inet filter input { type filter hook input priority 0; policy drop; }\n\
             add rule inet filter input ct state established,related accept\n\
             add rule inet filter input iif lo accept\n\
             add rule inet filter input tcp dport 22 accept\n",
        );
        let fix = format!("nft insert rule inet filter input tcp dport {port} accept");
        let diagnosis = examined(&stored);
        diagnosis.begins_with("firewall", &format!("blocks port {port}"), &fix);
        firewall(&fix.replace("nft ", ""));
        examined(&stored).is_well();
    });
}

#[test]
fn endpoints_that_run_as_another_account_are_checked() {
    let settings = |user: &str, program: &str| {
        format!(
            "{}[PowerShell]\nProgram = \"{program}\"\n[[Plugin]]\nName = \"PowerShell\"\n\
             [[Plugin.Endpoint]]\nName = \"PowerShell.7\"\nRunAsUser = \"{user}\"\n",
            listener("HTTP", free_port())
        )
    };
    let diagnosis = examined(&StoredService::files(&settings("telarch-no-such-user", "/nonexistent/pwsh")));
    let seen: Vec<_> = of_configuration(&diagnosis).into_iter().map(|finding| finding.seen).collect();
    let mut parts = vec![
        "endpoint PowerShell.7: RunAsUser telarch-no-such-user is not a user of this machine",
        "endpoint PowerShell.7: PowerShell/Program: /nonexistent/pwsh does not exist",
    ];
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        parts.push(
            "endpoint PowerShell.7: RunAsUser telarch-no-such-user requires a service that root has started",
        );
    }
    for part in parts {
        assert!(seen.iter().any(|seen| seen.contains(part)), "{part}: {diagnosis:#?}");
    }
    // Everybody who may use shells may use the endpoint.
    let diagnosis = examined(&StoredService::files(&settings("root", "/bin/sh")));
    let wide = of_configuration(&diagnosis).into_iter().find(|finding| finding.seen.contains("runs as root"));
    let wide = wide.unwrap_or_else(|| panic!("{diagnosis:#?}"));
    assert!(wide.verdict == "warn" && wide.fixes[0].contains("winrm configSDDL"), "{wide:?}");
    let shown = &diagnosis.check("powershell").seen;
    assert_eq!(shown, "PowerShell remoting runs /bin/sh; PowerShell.7 as root");
}

#[test]
fn settings_without_a_listener_are_a_warning() {
    let stored = StoredService::files("").start();
    let diagnosis = examined(&stored);
    diagnosis.is_well();
    let settings = diagnosis.check("settings");
    assert_eq!(settings.verdict, "warn", "{diagnosis:#?}");
    assert!(settings.fixes[0].contains("winrm quickconfig"), "{diagnosis:#?}");
}

#[test]
fn schemes_that_no_account_can_use_fail_with_the_fix() {
    let stored = StoredService::files(&listener("HTTP", free_port())).start();
    let diagnosis = examined(&stored);
    let fix = format!("telarch account add NAME --ntlm --file {}", stored.path("accounts").display());
    diagnosis.begins_with("schemes", "no authentication scheme is usable", &fix);
    assert_eq!(diagnosis.check("configuration").verdict, "pass", "it is reported once: {diagnosis:#?}");

    let stored = StoredService::files(&listener("HTTP", free_port()));
    assert_eq!(examined(&stored).check("schemes").verdict, "fail", "the service does not run");
}

/// Adds an account that can sign in with Negotiate.
fn with_account(stored: StoredService) -> StoredService {
    stored.account(&["add", "ann", "--ntlm", "--password-stdin"], "correct horse");
    stored
}

/// Returns the findings of `telarchd --check`.
fn of_configuration(diagnosis: &Diagnosis) -> Vec<Finding> {
    diagnosis.all().into_iter().filter(|finding| finding.check == "configuration").collect()
}

fn examined(stored: &StoredService) -> Diagnosis {
    Diagnosis::of(Winrm::here(stored))
}

fn listener(transport: &str, port: u16) -> String {
    format!("[[Listener]]\nAddress = \"IP:127.0.0.1\"\nTransport = \"{transport}\"\nPort = {port}\n")
}
