//! pywinrm's integration tests with every scheme that it has, and its unit tests by our package.

use super::*;

/// The schemes `plaintext` and `ssl` are other names of Basic and of certificates.
mod its_protocol_tests_pass_over {
    use super::*;

    for_each_way! { pass_over:
        allowed_http_with_basic = BasicOverAllowedHttp,
        https_with_basic = BasicOverHttps,
        https_with_a_certificate = CertificateOverHttps,
        http_with_ntlm = NtlmOverHttp,
        https_with_ntlm = NtlmOverHttps,
        http_with_credssp = CredSspOverHttp,
        https_with_credssp = CredSspOverHttps,
        http_with_kerberos = KerberosOverHttp,
        https_with_kerberos = KerberosOverHttps,
    }
}

/// The same by our Python package, which has pywinrm's interface.
#[test]
fn its_protocol_tests_pass_by_our_package() {
    let target = Target::start(WayIn::BasicOverAllowedHttp);
    PROTOCOL.run_by(IMPORTS, &target.service, &as_variables(&variables(&target)));
}

/// They send nothing: the transport is replaced by recorded responses, and the requests must be those that were
/// recorded.
#[test]
fn its_unit_tests_pass_by_our_package() {
    let service = Telarchd::start_for(WayIn::BasicOverHttps);
    SESSION.run_by(IMPORTS, &service, &[]);
    MESSAGES.run_by(IMPORTS, &service, &[]);
}

const IMPORTS: &[(&str, &str)] = &[("from winrm", "from telarch.compat.pywinrm")];

fn pass_over(way: WayIn) {
    let target = Target::start(way);
    PROTOCOL.run(&target.service, &as_variables(&variables(&target)));
}

fn variables(target: &Target) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("WINRM_ENDPOINT", target.url()),
        ("WINRM_TRANSPORT", target.way.scheme().to_owned()),
        ("WINRM_PASSWORD", PASSWORD.to_owned()),
    ];
    // Its Kerberos uses the ticket, and would look for the name in the cache of tickets.
    if target.way.scheme() != "kerberos" {
        variables.push(("WINRM_USERNAME", USER.to_owned()));
    }
    // Its fixture checks the certificate, so the tests also show that clients can trust ours by name.
    if target.way.is_tls() {
        variables.push(("REQUESTS_CA_BUNDLE", target.trusted_authorities()));
    }
    if let Some(holder) = &target.holder {
        variables.push(("WINRM_CERT_PEM", holder.certificate().display().to_string()));
        variables.push(("WINRM_CERT_KEY_PEM", holder.key().display().to_string()));
    }
    variables
}

const PROTOCOL: Suite = Suite {
    distribution: "pywinrm-0.5.0",
    file: "winrm/tests/test_integration_protocol.py",
    beside: &["winrm/tests/conftest.py"],
    words: &[
        (r#""PowerShell", arguments=["-Command", "Write-Host", "#, r#""echo", arguments=["#),
        (r#""ipconfig", ["/all"]"#, r#""uname", ["-s"]"#),
        ("Windows IP Configuration", "Linux"),
        ("%TESTENV1%", "$TESTENV1"),
        ("%TESTENV2%", "$TESTENV2"),
        ("PowerShell -Command Start-Sleep -s {0}", "sleep {0}"),
        // The fixture passes no certificate.
        (
            "protocol = Protocol(**settings)",
            "certificate = [os.environ.get(name) for name in (\"WINRM_CERT_PEM\", \"WINRM_CERT_KEY_PEM\")]\n        \
             protocol = Protocol(cert_pem=certificate[0], cert_key_pem=certificate[1], **settings)",
        ),
        // One test sleeps twice as long as the first of these.
        ("operation_timeout_sec=5, read_timeout_sec=7", "operation_timeout_sec=2, read_timeout_sec=4"),
    ],
    left_out: &[],
    passing: &[
        "test_unicode_roundtrip",
        "test_open_shell_and_close_shell",
        "test_run_command_with_arguments_and_cleanup_command",
        "test_run_command_without_arguments_and_cleanup_command",
        "test_run_command_with_env",
        "test_get_command_output",
        "test_run_command_taking_more_than_operation_timeout_sec",
    ],
    // They are not written yet.
    failing_as_expected: &["test_set_timeout", "test_set_max_env_size", "test_set_locale"],
};

const SESSION: Suite = Suite {
    distribution: "pywinrm-0.5.0",
    file: "winrm/tests/test_session.py",
    beside: &["winrm/tests/conftest.py"],
    words: &[],
    left_out: &[],
    passing: &[
        "test_run_cmd",
        "test_run_ps_with_error",
        "test_target_as_hostname",
        "test_target_as_hostname_then_port",
        "test_target_as_schema_then_hostname",
        "test_target_as_schema_then_hostname_then_port",
        "test_target_as_full_url",
        "test_target_with_dots",
        "test_decode_clixml_error",
        "test_decode_clixml_no_clixml",
        "test_decode_clixml_no_errors",
        "test_decode_clixml_invalid_xml",
    ],
    failing_as_expected: &[],
};

const MESSAGES: Suite = Suite {
    distribution: "pywinrm-0.5.0",
    file: "winrm/tests/test_protocol.py",
    beside: &["winrm/tests/conftest.py"],
    words: &[],
    left_out: &[],
    passing: &[
        "test_build_wsman_header",
        "test_open_shell_and_close_shell",
        "test_run_command_with_arguments_and_cleanup_command",
        "test_run_command_without_arguments_and_cleanup_command",
        "test_get_command_output",
        "test_get_command_output_raw",
        "test_send_command_input",
        "test_set_timeout_as_sec",
        "test_fail_set_read_timeout_as_sec",
        "test_fail_set_operation_timeout_as_sec",
    ],
    failing_as_expected: &[],
};
