//! Text of failures.

use telarch_wording::codes::Code;
use telarch_wording::failure::{ExitCodes, Kind, Program};
use telarch_wording::{Failure, Format};

#[test]
fn a_fault_is_printed_once_for_scripts_and_then_advice() {
    let failure = Failure::fault(Code(2_150_858_770), "server7", "connection refused by the host")
        .about("winrm/config")
        .because("connection refused");
    assert_eq!(
        failure.report(Program::Winrm, Format::Text),
        "WSManFault
    Message = connection refused by the host

Error number:  -2144108526 0x80338012
connection refused by the host

winrm: host server7
  check the host name and the port, and that the service is running: winrm quickconfig on server7
  diagnose step by step: winrm doctor -r:server7
  (code 2150858770, 0x80338012, ERROR_WSMAN_DESTINATION_UNREACHABLE)
"
    );
}

#[test]
fn error_lines_of_positive_negative_and_zero_codes() {
    for (code, line) in [
        (5, "Error number:  5 0x5"),
        (0, "Error number:  0 0x0"),
        (2_150_858_793, "Error number:  -2144108503 0x80338029"),
        (0x8007_0005, "Error number:  -2147024891 0x80070005"),
        (0x7FFF_FFFF, "Error number:  2147483647 0x7FFFFFFF"),
        (0x8000_0000, "Error number:  -2147483648 0x80000000"),
    ] {
        let report = Failure::fault(Code(code), "h", "text").report(Program::Winrm, Format::Text);
        assert!(report.lines().any(|found| found == line), "{report}");
    }
}

#[test]
fn access_denied_names_the_user_the_host_and_the_remedy() {
    let failure = Failure::fault(Code(5), "node7", "access is denied")
        .about("winrm/config")
        .as_user(r"CORP\operator")
        .with_subcode("w:AccessDenied");
    let report = failure.report(Program::Winrm, Format::Text);
    assert!(
        report.ends_with(
            "\nwinrm: host node7, resource winrm/config, user CORP\\operator
  the user must be in a group that the security descriptor names, or have an entry of its own
  RootSDDL decides unless the plug-in has an entry for the resource: winrm help security
  (fault w:AccessDenied, code 5, 0x5, ERROR_ACCESS_DENIED)
"
        ),
        "{report}"
    );
    assert_eq!(failure.kind(), Kind::Denied);
}

#[test]
fn a_provider_fault_is_nested_in_the_fault() {
    let fault = wsman::Fault::new(wsman::Subcode::SchemaValidationError, 2_150_858_817, "")
        .with_provider("Config provider", "x.dll", "inner text")
        .on_machine("h");
    let failure = Failure::from_client(&client::Error::Fault(fault), "server7");
    let report = failure.report(Program::Winrm, Format::Text);
    assert!(
        report.starts_with(
            "WSManFault
    Message
        ProviderFault = inner text

Error number:  -2144108479 0x80338041
inner text

winrm: host server7
"
        ),
        "{report}"
    );
    assert!(report.contains("(fault w:SchemaValidationError, code 2150858817,"), "{report}");
    assert_eq!(failure.code(), Some(Code(2_150_858_817)));
}

#[test]
fn advice_in_a_fault_replaces_the_general_advice_and_is_attributed_to_the_service() {
    let text =
        "access is denied: RootSDDL does not grant ann the right GR\n  winrm configSDDL default\n  second";
    let fault = wsman::Fault::new(wsman::Subcode::AccessDenied, 5, text);
    let failure = Failure::from_client(&client::Error::Fault(fault), "server7");
    assert_eq!(failure.message(), "access is denied: RootSDDL does not grant ann the right GR");
    assert_eq!(failure.headline(), failure.message());
    assert_eq!(
        failure.way_out(),
        ["the service advises: winrm configSDDL default", "the service advises: second"]
    );
    let local = failure.at_local_service();
    assert_eq!(local.way_out(), ["winrm configSDDL default", "second"]);
}

#[test]
fn client_errors_are_printed_like_faults() {
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let connect = client::Error::Connect { address: "server7:5985".to_owned(), source: refused };
    let offered = vec!["Negotiate".to_owned(), "Basic".to_owned()];
    let unauthorized = client::Error::AuthenticationFailed {
        offered,
        tried: Some(client::Scheme::Basic),
        user: None,
        others: Vec::new(),
    };
    let silent =
        client::Error::TimedOut { what: client::Waiting::Silence, after: std::time::Duration::from_secs(70) };
    for (error, kind, number, line) in [
        (connect, Kind::Connect, 2_150_858_770, "cannot connect to server7:5985: connection refused"),
        (
            unauthorized,
            Kind::Authentication,
            1326,
            "  the service offers Negotiate, Basic; the client tried Basic",
        ),
        (silent, Kind::Timeout, 2_150_859_046, "no data from the service within 70s"),
        (
            client::Error::Http { status: 404 },
            Kind::Connect,
            2_150_859_027,
            "Error number:  -2144108269 0x80338113",
        ),
        (client::Error::Http { status: 401 }, Kind::Authentication, 5, "Error number:  5 0x5"),
        (
            client::Error::Http { status: 503 },
            Kind::Quota,
            2_150_859_026,
            "Error number:  -2144108270 0x80338112",
        ),
    ] {
        let failure = Failure::from_client(&error, "server7");
        assert_eq!((failure.kind(), failure.code()), (kind, Some(Code(number))));
        let report = failure.report(Program::Winrm, Format::Text);
        assert!(report.lines().any(|found| found == line), "{line} not found in {report}");
    }
}

/// The kind of a failure, and the lines of its summary.
fn explained(error: client::Error) -> (Kind, Vec<String>) {
    let failure = Failure::from_client(&error, "server7");
    (failure.kind(), failure.summary(Program::Winrm).lines().map(str::to_owned).collect())
}

#[test]
fn errors_that_share_a_number_have_their_own_explanation() {
    let io = |kind| std::io::Error::from(kind);
    let broken = client::Error::Disconnected {
        address: "server7:5985".to_owned(),
        when: client::Progress::Waiting,
        source: io(std::io::ErrorKind::UnexpectedEof),
    };
    let unreadable =
        client::Error::Protocol { address: "server7:5985".to_owned(), violation: client::Violation::Empty };
    let foreign = client::Error::ForeignSocket { path: "/run/x.sock".into(), owner: 7, user: 0 };
    let tls = |reason| client::Error::Tls { host: "server7".to_owned(), reason };
    let unauthorized = |offered: &[&str], tried| {
        let offered = offered.iter().map(|scheme| (*scheme).to_owned()).collect();
        client::Error::AuthenticationFailed { offered, tried, user: None, others: Vec::new() }
    };
    let not_http =
        client::Error::Protocol { address: "server7:5986".to_owned(), violation: client::Violation::NotHttp };
    for (error, kind, line) in [
        (
            broken,
            Kind::Connect,
            "winrm: server7: the connection was closed: unexpected end of file, before the response arrived",
        ),
        (unreadable, Kind::Fault, "winrm: server7: the response violates the protocol"),
        (
            client::Error::Http { status: 500 },
            Kind::Fault,
            "winrm: server7: the service gave no reason (HTTP 500 without a fault)",
        ),
        (
            client::Error::Http { status: 405 },
            Kind::Fault,
            "winrm: server7: the server does not speak WS-Management",
        ),
        (
            client::Error::NoLocalService { tried: Vec::new() },
            Kind::Connect,
            "winrm: the Telarch service is not running on this machine",
        ),
        (foreign, Kind::Connect, "winrm: the service belongs to another user; no credentials were sent"),
        (not_http, Kind::Connect, "winrm: server7: the server does not speak HTTP"),
        (tls(client::TlsError::NotTls), Kind::Connect, "winrm: server7: cannot establish a TLS connection"),
        (
            tls(client::TlsError::Untrusted),
            Kind::Connect,
            "winrm: server7: certificate is not signed by a trusted authority",
        ),
        (
            tls(client::TlsError::Expired),
            Kind::Connect,
            "winrm: server7: the service's certificate has expired",
        ),
        (
            unauthorized(&["Negotiate"], Some(client::Scheme::Basic)),
            Kind::Authentication,
            "winrm: server7: the service does not offer the requested authentication scheme",
        ),
        (
            unauthorized(&["Basic"], None),
            Kind::Authentication,
            "winrm: server7: the service requires authentication",
        ),
        (
            unauthorized(&["basic"], Some(client::Scheme::Basic)),
            Kind::Authentication,
            "winrm: server7: login refused",
        ),
    ] {
        let (found, lines) = explained(error);
        assert_eq!((found, lines.first().map(String::as_str)), (kind, Some(line)));
        assert!(lines.len() >= 3, "{line} has no way out");
    }
}

#[test]
fn an_unreadable_authority_file_is_a_usage_error() {
    let reason = client::TlsError::Authorities { path: "/x.pem".into(), reason: "no certificate".to_owned() };
    let failure = Failure::from_client(&client::Error::Tls { host: "server7".to_owned(), reason }, "server7");
    assert_eq!(failure.report(Program::Winrm, Format::Text), "Error: /x.pem: no certificate\n");
    assert_eq!(failure.kind(), Kind::Usage);
}

#[test]
fn ipv6_addresses_are_in_brackets() {
    let failure = Failure::fault(Code(2_150_858_770), "fe80::1%eth0", "unreachable");
    let report = failure.report(Program::Winrm, Format::Text);
    assert!(report.contains("winrm doctor -r:[fe80::1%eth0]"), "{report}");
    let here = failure.at_local_service().report(Program::Winrm, Format::Text);
    assert!(here.contains("step by step: winrm doctor\n"), "{here}");
}

#[test]
fn the_fault_is_printed_in_the_output_format() {
    let failure = Failure::fault(Code(5), "h", "a < b");
    let xml = failure.report(Program::Winrm, Format::Xml);
    assert!(
        xml.starts_with(
            "<f:WSManFault xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"5\" Machine=\"h\">\
             <f:Message>a &lt; b</f:Message></f:WSManFault>\n\nError number:  5 0x5\na < b\n"
        ),
        "{xml}"
    );
    let json = failure.report(Program::Winrm, Format::Ndjson);
    assert!(json.starts_with("{\"WSManFault\":{\"Message\":\"a < b\"}}\n\nError number:  5 0x5\n"), "{json}");
}

#[test]
fn a_fault_without_text_shows_the_explanation_or_symbol() {
    for (code, line) in [(5, "access denied"), (1_018, "ERROR_KEY_DELETED"), (0xFFFF_FFFF, "unknown error")] {
        let report = Failure::fault(Code(code), "h", "").report(Program::Winrm, Format::Text);
        assert!(report.lines().any(|found| found == line), "{report}");
    }
}

#[test]
fn winrs_prefixes_its_errors() {
    let report = Failure::fault(Code(5), "h", "access is denied").report(Program::Winrs, Format::Text);
    assert!(report.starts_with("Winrs error: access is denied\n\nwinrs: host h\n  the user"), "{report}");
    let here = Failure::here(Kind::Connect, "unreachable").report(Program::Winrs, Format::Text);
    assert_eq!(here, "Winrs error: unreachable\n");
}

#[test]
fn exit_statuses() {
    for (kind, plain, detailed) in [
        (Kind::Usage, 1, 2),
        (Kind::Connect, 1, 3),
        (Kind::Authentication, 1, 4),
        (Kind::Denied, 1, 5),
        (Kind::Fault, 1, 6),
        (Kind::Timeout, 1, 7),
        (Kind::Quota, 1, 8),
        (Kind::QuickConfig, 0, 9),
    ] {
        assert_eq!(kind.exit_status(ExitCodes::Plain), plain, "{kind:?}");
        assert_eq!(kind.exit_status(ExitCodes::Detailed), detailed, "{kind:?}");
    }
}

#[test]
fn an_error_number_determines_the_kind() {
    for (code, kind) in [
        (5, Kind::Denied),
        (1326, Kind::Authentication),
        (2_150_858_770, Kind::Connect),
        (2_150_859_046, Kind::Connect),
        (2_150_858_793, Kind::Timeout),
        (0x8007_05B4, Kind::Timeout),
        (2_150_859_173, Kind::Quota),
        (2_150_858_843, Kind::Fault),
        (12_345_678, Kind::Fault),
    ] {
        assert_eq!(Kind::of_code(Code(code)), kind, "of {code}");
    }
    let forwarded = Failure::fault(Code(2_150_858_770), "h", "").of_kind(Kind::Fault);
    assert_eq!(forwarded.kind(), Kind::Fault);
}

#[test]
fn every_sign_in_failure_has_its_own_number_text_and_advice() {
    use auth::choice::{ClientScheme, Ntlm};
    use client::SignInCause as Cause;
    let mut seen = Vec::new();
    for (cause, number, what) in [
        (Cause::WrongPassword, 1326, "login refused: the realm rejected the password"),
        (Cause::UnknownUser, 1326, "login refused: the realm does not know the user"),
        (Cause::NotAllowed, 1327, "login refused: the account is locked, disabled or expired"),
        (Cause::Refused, 1326, "login refused"),
        (Cause::NoTicket, 0x8009_030E, "no Kerberos ticket"),
        (Cause::TicketExpired, 0x8009_0317, "the Kerberos ticket has expired"),
        (Cause::ClockSkew, 0x8009_0324, "the clocks of this machine and of the KDC differ too much"),
        (Cause::UnknownService, 0x8009_0303, "the KDC does not know the service principal name"),
        (Cause::KdcUnreachable, 0x8009_0311, "no KDC of the Kerberos realm responds"),
        (Cause::NoKerberos, 0x8009_0305, "Kerberos is not available on this machine"),
        (Cause::ServiceUnproven, 0x8009_0322, "the server did not prove its identity"),
        (Cause::NotDelegated, 0x8009_0345, "cannot delegate a ticket to the service"),
        (Cause::Other, 1326, "authentication failed on this client"),
    ] {
        let reason = "no such file: libgssapi_krb5.so.2\n  install MIT Kerberos".to_owned();
        let error = client::Error::SignIn {
            scheme: ClientScheme::Kerberos,
            peer: "server7:5985".to_owned(),
            cause,
            reason,
            ntlm: Ntlm::Allowed,
        };
        let failure = Failure::from_client(&error, "server7");
        assert_eq!((failure.code(), failure.kind()), (Some(Code(number)), Kind::Authentication), "{cause:?}");
        assert!(Code(number).symbol().is_some(), "{number:#x} has no name");
        let report = failure.report(Program::Winrm, Format::Text);
        let message = "cannot sign in to server7:5985 with Kerberos: no such file: libgssapi_krb5.so.2";
        assert!(report.starts_with(&format!("WSManFault\n    Message = {message}\n")), "{report}");
        let summary = failure.summary(Program::Winrm);
        let lines: Vec<&str> = summary.lines().collect();
        assert_eq!(lines.first(), Some(&format!("winrm: server7: {what}").as_str()));
        assert_eq!(lines.get(1), Some(&"  install MIT Kerberos"), "the advice of the library is first");
        assert!(lines.len() >= 4, "{report}");
        assert!(!seen.contains(&what), "two causes have the text {what}");
        seen.push(what);
    }
}

#[test]
fn every_listener_error_has_advice() {
    for number in [
        2_150_858_984,
        2_150_858_972,
        2_150_858_882,
        2_150_858_985,
        2_150_858_987,
        2_150_858_989,
        2_150_858_990,
        2_148_204_801,
    ] {
        let report = Failure::fault(Code(number), "server7", "").summary(Program::Winrm);
        assert!(!report.contains("the service returned a fault"), "{number} has no hint: {report}");
    }
    let owned = Failure::fault(Code(2_150_858_890), "server7", "").report(Program::Winrm, Format::Text);
    for word in ["policy", "-set:EnableCompatibilityHttpListener=false"] {
        assert!(owned.contains(word), "{owned}");
    }
}
