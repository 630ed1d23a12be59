//! The integration tests that pywinrm and pypsrp bring along, run by pytest against our service.
//!
//! They were written against Windows.
//! The tables say which words are changed: commands to those of POSIX and CRLF to LF, and where the service answers
//! in other words than Windows, what it says instead.

use std::fs;

use telarch_peers::{PASSWORD, Suite, Telarchd, USER, WayIn, served_pem};

mod pywinrm {
    use super::*;

    #[test]
    fn its_protocol_tests_pass_over_allowed_http() {
        let way = WayIn::BasicOverAllowedHttp;
        let service = Telarchd::start_for(way);
        PROTOCOL.run(&service, &variables(service.url(way)));
    }

    /// Its fixture checks the certificate, so the tests also show that ours can be trusted by name.
    #[test]
    fn its_protocol_tests_pass_over_https_with_the_certificate_trusted() {
        let way = WayIn::BasicOverHttps;
        let service = Telarchd::start_for(way);
        let folder = tempfile::tempdir().expect("a folder");
        let trusted = folder.path().join("trusted.pem");
        fs::write(&trusted, served_pem(service.https())).expect("a fresh file");
        let trusted = trusted.to_str().expect("no odd characters");
        let mut variables = variables(service.url(way)).to_vec();
        variables.push(("REQUESTS_CA_BUNDLE", trusted));
        PROTOCOL.run(&service, &variables);
    }

    /// The same by our Python package, whose face is pywinrm's.
    #[test]
    fn its_protocol_tests_pass_by_our_package() {
        let way = WayIn::BasicOverAllowedHttp;
        let service = Telarchd::start_for(way);
        PROTOCOL.run_by(IMPORTS, &service, &variables(service.url(way)));
    }

    /// They talk to nobody: what carries messages is exchanged for recorded answers, and what is sent must be what was
    /// recorded.
    #[test]
    fn its_unit_tests_pass_by_our_package() {
        let service = Telarchd::start_for(WayIn::BasicOverHttps);
        SESSION.run_by(IMPORTS, &service, &[]);
        MESSAGES.run_by(IMPORTS, &service, &[]);
    }

    const IMPORTS: &[(&str, &str)] = &[("from winrm", "from telarch.compat.pywinrm")];

    fn variables(url: &str) -> [(&str, &str); 4] {
        [
            ("WINRM_ENDPOINT", url),
            ("WINRM_TRANSPORT", "basic"),
            ("WINRM_USERNAME", USER),
            ("WINRM_PASSWORD", PASSWORD),
        ]
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
}

mod pypsrp {
    use super::*;

    #[test]
    fn its_shell_tests_pass() {
        run(&SHELL);
    }

    #[test]
    fn its_client_tests_pass() {
        run(&CLIENT);
    }

    #[test]
    fn its_functional_tests_pass() {
        run(&FUNCTIONAL);
    }

    /// By our Python package, whose face is pypsrp's; what starts the tests stays pypsrp's own.
    #[test]
    fn its_shell_tests_pass_by_our_package() {
        run_by(
            &[
                ("from pypsrp.shell", "from telarch.compat.pypsrp.shell"),
                ("from pypsrp.exceptions import WSMan", "from telarch.compat.pypsrp.exceptions import WSMan"),
                (
                    "from pypsrp.wsman import NAMESPACES, WSMan",
                    "from pypsrp.wsman import NAMESPACES\nfrom telarch.compat.pypsrp.wsman import WSMan",
                ),
            ],
            &SHELL_BY_PACKAGE,
        );
    }

    fn run(suite: &Suite) {
        run_by(&[], suite);
    }

    fn run_by(imports: &[(&str, &str)], suite: &Suite) {
        let service = Telarchd::start_for(WayIn::CredSspOverHttps);
        let port = port_of(service.https());
        let variables = [
            ("PYPSRP_RUN_INTEGRATION", "1"),
            ("PYPSRP_SERVER", "127.0.0.1"),
            ("PYPSRP_USERNAME", USER),
            ("PYPSRP_PASSWORD", PASSWORD),
            ("PYPSRP_AUTH", "basic"),
            ("PYPSRP_PORT", port),
            ("PYPSRP_HTTPS_PORT", port),
            ("PYPSRP_HTTP_PORT", port_of(service.http())),
        ];
        suite.run_by(imports, &service, &variables);
    }

    fn port_of(url: &str) -> &str {
        let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next());
        port.expect("the service announces its port")
    }

    const RECORDED: &str = "it is played against recorded answers of Windows only, never against a service";
    const POWERSHELL: &str = "it takes PowerShell's own objects";

    const SHELL: Suite = Suite {
        distribution: "pypsrp-0.9.1",
        file: "tests/tests_pypsrp/test_shell.py",
        beside: &[],
        words: &[
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
        beside: &["tests/tests_pypsrp/conftest.py"],
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
        beside: &[],
        words: &[
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
}
