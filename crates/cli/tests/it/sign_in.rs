//! Enforcement of the client settings before anything is sent.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use telarch_cli::failure::Kind;
use telarch_cli::{ClientSettings, Format};

use crate::service::{Request, Service};
use crate::winrm_run::{Ran, execute_with, settings};
use crate::words;
use telarch_cli::winrm::{Invocation, parse};

fn ran(line: &str, settings: &ClientSettings) -> Ran {
    let Ok(Invocation::Run(command)) = parse(&words(line)) else {
        panic!("{line}: {:?}", parse(&words(line)))
    };
    execute_with(*command, settings, "")
}

/// Returns the report of a failure and its exit status.
fn report(line: &str, changes: &[(&str, &str)]) -> (String, u8) {
    ran(line, &settings(changes)).report(Format::Text)
}

/// Returns whether the settings allowed the request, so that the client looked up the host.
fn is_allowed(line: &str, changes: &[(&str, &str)]) -> bool {
    let (text, _) = report(line, changes);
    assert!(!text.contains("s3cret"), "{text}");
    match text.contains("0x803381B9") {
        true => true,
        false => {
            assert!(text.contains("no credentials were sent"), "{text}");
            false
        }
    }
}

#[test]
fn an_unverified_host_gets_no_ntlm_over_http_but_alternatives() {
    // A local account of the host, for which Kerberos cannot be used.
    let (text, status) =
        report(r"id -r:server7.invalid -u:server7\ann -p:s3cret", &[("TrustedHosts", "*.example")]);
    assert_eq!(
        text,
        "WSManFault
    Message = no credentials were sent to http://server7.invalid:5985/wsman; Negotiate: cannot verify the identity of the host; \
Kerberos: not configured on this machine, or the account has no realm

Error number:  -2144108316 0x803380E4
no credentials were sent to http://server7.invalid:5985/wsman; Negotiate: cannot verify the identity of the host; \
Kerberos: not configured on this machine, or the account has no realm

winrm: host server7.invalid, user server7\\ann
  use -usessl or https://, where the certificate proves the identity of the host
  or Kerberos, which proves it too: -authentication:kerberos -username:USER@REALM, or kinit
  or trust the host without verification: winrm trust server7.invalid
  a server impersonating a trusted host can capture your credentials: winrm help config
  (code 2150858980, 0x803380E4, ERROR_WSMAN_SERVER_NOT_TRUSTED)
"
    );
    assert_eq!(status, Kind::Denied.exit_status(telarch_cli::failure::ExitCodes::Detailed));
}

#[test]
fn trusted_hosts_are_talked_to_and_no_others() {
    for (list, host, trusted) in [
        ("", "server7.invalid", false),
        ("*", "server7.invalid", true),
        ("server7.invalid", "SERVER7.invalid", true),
        ("*.invalid", "server7.invalid", true),
        ("server*", "server7.invalid", true),
        ("<local>", "server7.invalid", false),
        ("other,*.example", "server7.invalid", false),
    ] {
        for scheme in ["", "-auth:negotiate"] {
            let line = format!(r"id -r:{host} -u:.\ann -p:s3cret {scheme}");
            assert_eq!(is_allowed(&line, &[("TrustedHosts", list)]), trusted, "{list} {host} {scheme}");
        }
    }
    for (list, refused) in [("[2001:db8::7]", false), ("[2001:db8::8]", true), ("2001*", false)] {
        let line = r"id -r:[2001:db8:0::7]:1 -timeout:1 -u:.\ann -p:s3cret";
        let text = report(line, &[("TrustedHosts", list)]).0;
        assert_eq!(text.contains("no credentials were sent"), refused, "{list}: {text}");
    }
}

#[test]
fn trusted_hosts_is_not_needed_for_https_and_loopback() {
    assert!(is_allowed(r"id -r:https://server7.invalid -u:.\ann -p:s3cret", &[]));
    assert!(is_allowed(r"id -r:server7.invalid -ssl -auth:basic -u:ann -p:s3cret", &[]));
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let (text, _) = report(&format!(r"id -r:http://{host}:1 -u:.\ann -p:s3cret"), &[]);
        assert!(text.contains("cannot connect"), "{host}: {text}");
    }
}

#[test]
fn a_disabled_scheme_is_refused_and_its_setting_named() {
    for (scheme, setting, number) in [
        ("basic", "Basic", 2_150_858_975_u32),
        ("digest", "Digest", 2_150_858_976),
        ("negotiate", "Negotiate", 2_150_858_977),
        ("kerberos", "Kerberos", 2_150_858_978),
        ("credssp", "CredSSP", 2_150_859_170),
    ] {
        let line = format!("id -r:https://server7.invalid -auth:{scheme} -u:ann -p:s3cret");
        let (text, status) = report(&line, &[(&format!("Auth/{setting}"), "false")]);
        assert!(text.contains(&format!("  (code {number}, ")), "{text}");
        assert!(text.contains(&format!("; {setting}: disabled on this client\n")), "{text}");
        let command = format!("\n  enable it: winrm set winrm/config/client/auth -set:{setting}=true\n");
        assert!(text.contains(&command), "{text}");
        assert_eq!(status, 5);
        if scheme != "kerberos" {
            assert!(is_allowed(&line, &[(&format!("Auth/{setting}"), "true")]), "{scheme}");
        }
    }
}

#[test]
fn there_is_no_prompt_for_a_password_that_would_not_be_sent() {
    // A prompt would fail differently, because there is no terminal.
    let (text, _) = report(r"id -r:server7.invalid -u:.\ann", &[]);
    assert!(text.contains("cannot verify the identity of the host"), "{text}");
}

#[test]
fn unencrypted_messages_require_the_switch_or_the_setting() {
    let service = || Service::start(|_: &Request| (200, "<a xmlns=\"urn:a\"/>".to_owned()));
    let line = |service: &Service, more: &str| {
        format!("get winrm/config -r:http://127.0.0.1:{} -auth:basic -u:ann -p:s3cret {more}", service.port)
    };
    for (more, changes, is_sent) in
        [("", &[][..], false), ("-un", &[], true), ("", &[("AllowUnencrypted", "true")], true)]
    {
        let service = service();
        let ran = ran(&line(&service, more), &settings(changes));
        assert_eq!(
            (ran.done.is_ok(), service.requests().len()),
            (is_sent, usize::from(is_sent)),
            "{more}{changes:?}"
        );
    }
    // -unencrypted does not make the host trusted.
    assert!(!is_allowed("id -r:server7.invalid -auth:basic -un -u:ann -p:s3cret", &[]));
    assert!(is_allowed("id -r:server7.invalid -auth:basic -un -u:ann -p:s3cret", &[("TrustedHosts", "*")]));
}

#[test]
fn default_ports_and_prefix_come_from_the_settings() {
    let service = Service::start(|_: &Request| (200, "<a xmlns=\"urn:a\"/>".to_owned()));
    let port = service.port.to_string();
    let changes = [("DefaultPorts/HTTP", port.as_str()), ("URLPrefix", "other")];
    for (line, path) in [("127.0.0.1", "/other"), ("127.0.0.1/mine", "/mine")] {
        ran(&format!("get winrm/config -r:{line} -un -auth:basic -u:ann -p:s3cret"), &settings(&changes))
            .done
            .unwrap();
        let headers = service.requests().pop().unwrap().headers;
        assert!(headers.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{headers}");
    }
    let (text, _) = report("id -r:127.0.0.1 -ssl -auth:none", &[("DefaultPorts/HTTPS", "1")]);
    assert!(text.contains("127.0.0.1:1"), "{text}");
}

#[test]
fn unreadable_settings_prevent_all_network_requests() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let line = "id -r:http://127.0.0.1:1 -un -auth:basic -u:ann -p:s3cret";
    let report = || ran(line, &ClientSettings::of_file(&file)).report(Format::Text).0;
    let missing = report();
    assert!(
        missing.starts_with("Error: cannot read the client settings: client configuration file "),
        "{missing}"
    );

    fs::write(&file, "Client.TrustedHost = \"*\"\n").unwrap();
    let wrong = report();
    assert!(wrong.contains("Client/TrustedHosts") && wrong.contains("line 1"), "{wrong}");

    fs::write(&file, "Client.AllowUnencrypted = true\n").unwrap();
    assert!(report().contains("cannot connect"), "{}", report());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(report().contains("is writable by all users"), "{}", report());
}

#[test]
fn policies_override_the_settings_of_clients() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "Client.AllowUnencrypted = true\n").unwrap();
    let line = "id -r:http://127.0.0.1:1 -un -auth:basic -u:ann -p:s3cret";
    let report = || ran(line, &ClientSettings::of_file(&file)).report(Format::Text).0;
    assert!(report().contains("cannot connect"), "{}", report());

    let policies = folder.path().join("policy.d");
    fs::create_dir(&policies).unwrap();
    let key = r"Software\Policies\Microsoft\Windows\WinRM\Client";
    let records = vec![config::RegistryRecord::of_number(key, "AllowBasic", 0)];
    fs::write(policies.join("10.pol"), config::RegistryPol { records }.encode()).unwrap();
    let refused = report();
    assert!(!refused.contains("cannot connect") && refused.contains("Basic"), "{refused}");

    fs::write(policies.join("20.pol"), "PReg").unwrap();
    assert!(report().contains("20.pol, record 1"), "{}", report());
    fs::set_permissions(&policies, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(report().contains("policy.d is writable by all users"), "{}", report());
}

#[test]
fn the_report_shows_the_trust_command_and_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "").unwrap();
    let ran = ran(r"id -r:[2001:db8::7] -u:.\ann -p:s3cret", &ClientSettings::of_file(&file));
    let text = ran.report(Format::Text).0;
    let line = format!(
        "  or trust the host without verification: winrm trust '[2001:db8::7]' (changes {})\n",
        file.display()
    );
    assert!(text.contains(&line), "{line} is not in {text}");
}

#[test]
fn delegation_requires_a_remote_service_and_a_suitable_scheme() {
    use telarch_cli::winrs;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (line, problem) in [
        ("-ad hostname", "Winrs error: -allowdelegate requires -remote\n"),
        (
            "-r:https://h -ad -auth:basic -u:a -p:s3cret hostname",
            "Winrs error: -allowdelegate requires negotiate",
        ),
        (
            "-r:https://h -ad -auth:digest -u:a -p:s3cret hostname",
            "Winrs error: -allowdelegate requires negotiate",
        ),
    ] {
        let Ok(winrs::Invocation::Run(command)) = winrs::parse(&words(line)) else { panic!("{line}") };
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let stop = runtime.block_on(winrs::run(*command, &settings(&[]), &mut out, &mut errors)).unwrap_err();
        let mut report = Vec::new();
        stop.report(telarch_cli::failure::Program::Winrs, Format::Text, Default::default(), &mut report);
        let report = String::from_utf8(report).unwrap();
        assert!(report.starts_with(problem), "{line}: {report}");
    }
}
