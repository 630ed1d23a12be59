//! pypsrp's integration tests with every scheme that it has.

use super::*;

/// Basic is only offered over HTTPS, because pypsrp refuses to send its messages open over HTTP.
mod its_shell_and_client_tests_pass_over {
    use super::*;

    for_each_way! { pass_over:
        https_with_basic = BasicOverHttps,
        https_with_a_certificate = CertificateOverHttps,
        http_with_ntlm = NtlmOverHttp,
        https_with_ntlm = NtlmOverHttps,
        http_with_negotiate = NegotiateOverHttp,
        https_with_negotiate = NegotiateOverHttps,
        http_with_credssp = CredSspOverHttp,
        https_with_credssp = CredSspOverHttps,
        http_with_kerberos = KerberosOverHttp,
        https_with_kerberos = KerberosOverHttps,
    }
}

fn pass_over(way: WayIn) {
    let target = Target::start(way);
    for suite in [&SHELL, &CLIENT] {
        suite.run(&target.service, &as_variables(&variables(&target)));
    }
}

/// Its own list of schemes, each in turn: Negotiate, NTLM and CredSSP over HTTP and HTTPS, Basic and certificates,
/// whose key may be encrypted, over HTTPS.
#[test]
fn its_functional_tests_pass() {
    let settings = [("Service.Auth.CredSSP", "true"), ("Service.Auth.Certificate", "true")];
    let target = Target::of(WayIn::CredSspOverHttps, Telarchd::start(&settings), Some(holder()));
    FUNCTIONAL.run(&target.service, &as_variables(&functional_variables(&target)));
}

/// They leave Kerberos out, because the machine that tests pypsrp has no realm.
#[test]
fn its_functional_tests_pass_with_kerberos() {
    in_realm_of(concat!(module_path!(), "::its_functional_tests_pass_with_kerberos"), || {
        let settings = [("Service.Auth.CredSSP", "true"), ("Service.Auth.Certificate", "true")];
        let target = Target::of(WayIn::KerberosOverHttps, Telarchd::start(&settings), Some(holder()));
        let add = [(r#"auths = ["negotiate", "ntlm", "credssp"]"#, r#"auths = ["kerberos", "negotiate"]"#)];
        FUNCTIONAL.run_by(&add, &target.service, &as_variables(&functional_variables(&target)));
    });
}

/// The same by our Python package, which has pypsrp's interface; pypsrp still starts the tests.
#[test]
fn its_shell_tests_pass_by_our_package() {
    let target = Target::start(WayIn::BasicOverHttps);
    SHELL_BY_PACKAGE.run_by(
        &[
            ("from pypsrp.shell", "from telarch.compat.pypsrp.shell"),
            ("from pypsrp.exceptions import WSMan", "from telarch.compat.pypsrp.exceptions import WSMan"),
            (
                "from pypsrp.wsman import NAMESPACES, WSMan",
                "from pypsrp.wsman import NAMESPACES\nfrom telarch.compat.pypsrp.wsman import WSMan",
            ),
        ],
        &target.service,
        &as_variables(&variables(&target)),
    );
}

fn variables(target: &Target) -> Vec<(&'static str, String)> {
    let url = target.url();
    let mut variables = vec![
        ("PYPSRP_SERVER", target.host().to_owned()),
        ("PYPSRP_USERNAME", USER.to_owned()),
        ("PYPSRP_PASSWORD", PASSWORD.to_owned()),
        ("PYPSRP_AUTH", target.way.scheme().to_owned()),
        ("PYPSRP_PORT", port_of(&url).to_owned()),
        ("PYPSRP_SSL", target.way.is_tls().to_string()),
    ];
    if let Some(holder) = &target.holder {
        variables.push(("PYPSRP_CERT_PEM", holder.certificate().display().to_string()));
        variables.push(("PYPSRP_CERT_KEY_PEM", holder.key().display().to_string()));
    }
    variables
}

fn functional_variables(target: &Target) -> Vec<(&'static str, String)> {
    let holder = target.holder.as_ref().expect("the functional tests sign in with a certificate");
    let folder = target.folder();
    for (file, copy) in [(holder.certificate(), "cert.pem"), (holder.key(), "cert_key.pem")] {
        fs::copy(file, folder.join(copy)).expect("a fresh folder");
    }
    holder.encrypt_key(PASSWORD, &folder.join("cert_enc_key.pem"));
    vec![
        ("PYPSRP_RUN_INTEGRATION", "1".to_owned()),
        ("PYPSRP_SERVER", target.host().to_owned()),
        ("PYPSRP_USERNAME", USER.to_owned()),
        ("PYPSRP_PASSWORD", PASSWORD.to_owned()),
        ("PYPSRP_CERT_DIR", folder.display().to_string()),
        ("PYPSRP_HTTPS_PORT", port_of(target.service.https()).to_owned()),
        ("PYPSRP_HTTP_PORT", port_of(target.service.http()).to_owned()),
    ]
}

fn port_of(url: &str) -> &str {
    let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next());
    port.expect("the service announces its port")
}

const CONFTEST: &str = "tests/tests_pypsrp/conftest.py";

/// The fixture uses HTTP on port 5985 only.
const BY_TRANSPORT: (&str, &str) = ("ssl = port != 5985", r#"ssl = os.environ["PYPSRP_SSL"] == "true""#);

/// The fixture passes no certificate.
const WITH_CERTIFICATE: (&str, &str) = (
    "cert_validation=False,",
    r#"cert_validation=False,
            certificate_pem=os.environ.get("PYPSRP_CERT_PEM"),
            certificate_key_pem=os.environ.get("PYPSRP_CERT_KEY_PEM"),"#,
);

const RECORDED: &str = "it is played against recorded answers of Windows only, never against a service";
const POWERSHELL: &str = "it takes PowerShell's own objects";

const SHELL: Suite = Suite {
    distribution: "pypsrp-0.9.1",
    file: "tests/tests_pypsrp/test_shell.py",
    beside: &[CONFTEST],
    words: &[
        BY_TRANSPORT,
        WITH_CERTIFICATE,
        (r#""cmd.exe", ["/c", "echo", "hi"]"#, r#""echo", ["hi"]"#),
        (
            r#""cmd.exe", ["/c echo out && echo err>&2 && exit 1"]"#,
            r#""echo", ["out && echo err>&2 && exit 1"]"#,
        ),
        (r#"out \r\n"#, r#"out\n"#),
        (r#"err \r\n"#, r#"err\n"#),
        (r#"hi\r\n"#, r#"hi\n"#),
        (r#""powershell.exe", ["-"]"#, r#""sh", ["-s"]"#),
        (r#"b'Write-Host "output"#, r#"b'echo "output"#),
        // Some shells drop variables whose names are no identifiers, so none stands between.
        (r#""cmd.exe", ["/c", "set"]"#, r#""env", no_shell=True"#),
        (r#""powershell.exe", ["(pwd).Path"]"#, r#""pwd""#),
        (r#"C:\\Windows\r\n"#, r#"/usr\n"#),
        (r#"C:\\Windows""#, r#"/usr""#),
        (r#""powershell.exe", ["Write-Host こんにちは"]"#, r#""echo", ["こんにちは"]"#),
        // What the service itself calls the fault and its plug-in.
        ("The parameter is incorrect.", "the request names no command; add its CommandId"),
        (r#"%systemroot%\\system32\\winrscmd.dll"#, "telarchd"),
    ],
    left_out: &[
        ("TestWinRS::test_winrs_no_cmd_shell", RECORDED),
        ("TestWinRS::test_winrs_operation_timeout", RECORDED),
        ("TestWinRS::test_winrs_noprofile", RECORDED),
    ],
    passing: &[
        "TestWinRS::test_winrs_standard",
        "TestWinRS::test_winrs_stderr_rc",
        "TestWinRS::test_winrs_send",
        "TestWinRS::test_winrs_environment",
        "TestWinRS::test_winrs_extra_opts",
        "TestWinRS::test_winrs_unicode",
        "TestWinRS::test_winrs_open_already_opened",
        "TestWinRS::test_winrs_fail_poll_process",
    ],
    failing_as_expected: &[],
};

const SHELL_BY_PACKAGE: Suite = Suite {
    left_out: &[
        SHELL.left_out[0],
        SHELL.left_out[1],
        SHELL.left_out[2],
        // A process that was not started has no request that the service could refuse.
        ("TestWinRS::test_winrs_fail_poll_process", "our package refuses it before it is sent"),
    ],
    passing: SHELL.passing.split_at(SHELL.passing.len() - 1).0,
    ..SHELL
};

const CLIENT: Suite = Suite {
    distribution: "pypsrp-0.9.1",
    file: "tests/tests_pypsrp/test_client.py",
    beside: &[CONFTEST],
    words: &[
        BY_TRANSPORT,
        WITH_CERTIFICATE,
        (r#"execute_cmd("dir")"#, r#"execute_cmd("uname")"#),
        ("Volume in drive C", "Linux"),
        (r#"abc\r\n"#, r#"abc\n"#),
        // What the shell was started with: some shells drop variables whose names are no identifiers.
        (r#"execute_cmd("set","#, r#"execute_cmd(r"tr '\0' '\n' </proc/$$/environ; exit","#),
    ],
    left_out: &[
        ("TestClient::test_client_copy", POWERSHELL),
        ("TestClient::test_client_execute_ps", POWERSHELL),
        ("TestClient::test_client_fetch", POWERSHELL),
        ("TestClient::test_sanitise_clixml", "it talks to nobody"),
    ],
    passing: &["TestClient::test_client_execute_cmd", "TestClient::test_client_execute_cmd_environment"],
    failing_as_expected: &[],
};

const FUNCTIONAL: Suite = Suite {
    distribution: "pypsrp-0.9.1",
    file: "tests/tests_pypsrp/test_integration.py",
    beside: &[],
    words: &[(r#"hi\r\n"#, r#"hi\n"#)],
    // Both tests begin with this.
    left_out: &[("TestPowerShellFunctional::test_psrp", POWERSHELL)],
    passing: &["TestPowerShellFunctional::test_winrs"],
    failing_as_expected: &[],
};
