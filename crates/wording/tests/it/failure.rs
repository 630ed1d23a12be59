//! What is printed when something goes wrong.

use telarch_wording::codes::Code;
use telarch_wording::failure::{ExitCodes, Kind, Program};
use telarch_wording::{Failure, Format};

#[test]
fn a_fault_is_told_as_scripts_know_it_and_then_explained() {
    let failure = Failure::fault(Code(2_150_858_770), "server7", "nobody listens there")
        .about("winrm/config")
        .because("connection refused");
    assert_eq!(
        failure.report(Program::Winrm, Format::Text),
        "WSManFault
    Message = nobody listens there

Error number:  -2144108526 0x80338012
nobody listens there

winrm: server7: cannot connect: connection refused
  check the name and the port, and that the service runs: winrm quickconfig on server7
  what is in the way, step by step: winrm doctor -r:server7
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
fn access_denied_names_who_where_and_what_helps() {
    let failure = Failure::fault(Code(5), "node7", "access is denied")
        .about("winrm/config")
        .as_user(r"CORP\operator")
        .with_subcode("w:AccessDenied");
    let report = failure.report(Program::Winrm, Format::Text);
    assert!(
        report.ends_with(
            "\nwinrm: node7: access denied to winrm/config as CORP\\operator
  it needs the Administrators group, or an entry for the user in RootSDDL on node7
  (fault w:AccessDenied, code 5, 0x5, ERROR_ACCESS_DENIED)
"
        ),
        "{report}"
    );
    assert_eq!(failure.kind(), Kind::Denied);
}

#[test]
fn a_fault_of_a_provider_stands_inside_that_of_the_service() {
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

winrm: server7: a value or a property was not accepted
"
        ),
        "{report}"
    );
    assert!(report.contains("(fault w:SchemaValidationError, code 2150858817,"), "{report}");
    assert_eq!(failure.code(), Some(Code(2_150_858_817)));
}

#[test]
fn what_the_client_found_is_told_like_a_fault() {
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let connect = client::Error::Connect { address: "server7:5985".to_owned(), source: refused };
    let offered = vec!["Negotiate".to_owned(), "Basic".to_owned()];
    let unauthorized =
        client::Error::AuthenticationFailed { offered, tried: Some(client::Scheme::Basic), user: None };
    let silent =
        client::Error::TimedOut { what: client::Waiting::Silence, after: std::time::Duration::from_secs(70) };
    for (error, kind, number, line) in [
        (connect, Kind::Connect, 2_150_858_770, "winrm: server7: cannot connect: connection refused"),
        (unauthorized, Kind::Authentication, 1326, "  it offers Negotiate, Basic; Basic was tried"),
        (silent, Kind::Timeout, 2_150_859_046, "nothing came from the service within 70s"),
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
        assert!(report.lines().any(|found| found == line), "{line} is not in {report}");
    }
}

/// The lines of a report behind the block that scripts know.
fn explained(error: client::Error) -> (Kind, Vec<String>) {
    let failure = Failure::from_client(&error, "server7");
    let report = failure.report(Program::Winrm, Format::Text);
    (failure.kind(), report.split("\n\n").last().unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn what_is_not_in_a_number_is_told_all_the_same() {
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
        client::Error::AuthenticationFailed { offered, tried, user: None }
    };
    let not_http =
        client::Error::Protocol { address: "server7:5986".to_owned(), violation: client::Violation::NotHttp };
    for (error, kind, line) in [
        (
            broken,
            Kind::Connect,
            "winrm: server7: the connection broke: unexpected end of file, before an answer came",
        ),
        (unreadable, Kind::Fault, "winrm: server7: the answer is not what the protocol allows"),
        (
            client::Error::Http { status: 500 },
            Kind::Fault,
            "winrm: server7: the service gave no reason (HTTP 500 without a fault)",
        ),
        (
            client::Error::Http { status: 405 },
            Kind::Fault,
            "winrm: server7: what answered does not speak WS-Management",
        ),
        (
            client::Error::NoLocalService { tried: Vec::new() },
            Kind::Connect,
            "winrm: no service of this machine listens",
        ),
        (foreign, Kind::Connect, "winrm: the service belongs to another user, so nothing was sent to it"),
        (not_http, Kind::Connect, "winrm: server7: what answered does not speak HTTP"),
        (tls(client::TlsError::NotTls), Kind::Connect, "winrm: server7: the connection cannot be secured"),
        (
            tls(client::TlsError::Untrusted),
            Kind::Connect,
            "winrm: server7: the certificate of the service was not accepted",
        ),
        (
            tls(client::TlsError::Expired),
            Kind::Connect,
            "winrm: server7: the certificate of the service has expired",
        ),
        (
            unauthorized(&["Negotiate"], Some(client::Scheme::Basic)),
            Kind::Authentication,
            "winrm: server7: the service does not offer the scheme that was tried",
        ),
        (
            unauthorized(&["Basic"], None),
            Kind::Authentication,
            "winrm: server7: the service asks who is there",
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
fn a_file_that_cannot_be_read_is_no_matter_of_the_service() {
    let reason = client::TlsError::Authorities { path: "/x.pem".into(), reason: "no certificate".to_owned() };
    let failure = Failure::from_client(&client::Error::Tls { host: "server7".to_owned(), reason }, "server7");
    assert_eq!(failure.report(Program::Winrm, Format::Text), "Error: /x.pem: no certificate\n");
    assert_eq!(failure.kind(), Kind::Usage);
}

#[test]
fn an_address_of_ipv6_is_written_as_it_must_be_typed() {
    let failure = Failure::fault(Code(2_150_858_770), "fe80::1%eth0", "nobody");
    let report = failure.report(Program::Winrm, Format::Text);
    assert!(report.contains("winrm doctor -r:[fe80::1%eth0]"), "{report}");
    let here = failure.here_on_this_machine().report(Program::Winrm, Format::Text);
    assert!(here.contains("step by step: winrm doctor\n"), "{here}");
}

#[test]
fn the_fault_comes_in_the_format_of_the_results() {
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
fn a_fault_without_a_text_is_described_by_what_is_known() {
    for (code, line) in [(5, "access denied"), (1_018, "ERROR_KEY_DELETED"), (0xFFFF_FFFF, "unknown error")] {
        let report = Failure::fault(Code(code), "h", "").report(Program::Winrm, Format::Text);
        assert!(report.lines().any(|found| found == line), "{report}");
    }
}

#[test]
fn winrs_puts_its_own_words_in_front() {
    let report = Failure::fault(Code(5), "h", "access is denied").report(Program::Winrs, Format::Text);
    assert!(report.starts_with("Winrs error: access is denied\n\nwinrs: h: access denied\n"), "{report}");
    let here = Failure::here(Kind::Connect, "nobody").report(Program::Winrs, Format::Text);
    assert_eq!(here, "Winrs error: nobody\n");
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
fn the_kind_of_a_code() {
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
fn every_cause_of_a_failed_sign_in_has_its_own_words_number_and_way_out() {
    use auth::choice::{ClientScheme, Ntlm};
    use client::SignInCause as Cause;
    let mut seen = Vec::new();
    for (cause, number, what) in [
        (Cause::WrongPassword, 1326, "login refused: the realm does not take the password"),
        (Cause::UnknownUser, 1326, "login refused: the realm does not know the user"),
        (Cause::NotAllowed, 1327, "login refused: the account may not sign in"),
        (Cause::Refused, 1326, "login refused"),
        (Cause::NoTicket, 0x8009_030E, "there is no Kerberos ticket to sign in with"),
        (Cause::TicketExpired, 0x8009_0317, "the Kerberos ticket has expired"),
        (Cause::ClockSkew, 0x8009_0324, "the clocks of this machine and of the realm are too far apart"),
        (Cause::UnknownService, 0x8009_0303, "the realm does not know the service"),
        (Cause::KdcUnreachable, 0x8009_0311, "no server of the Kerberos realm answers"),
        (Cause::NoKerberos, 0x8009_0305, "Kerberos cannot be used on this machine"),
        (Cause::ServiceUnproven, 0x8009_0322, "what answers has not proven that it is the service"),
        (Cause::NotDelegated, 0x8009_0345, "the service cannot be given a ticket to use elsewhere"),
        (Cause::Other, 1326, "signing in failed on this side"),
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
        let lines: Vec<&str> = report.split("\n\n").last().unwrap().lines().collect();
        assert_eq!(lines.first(), Some(&format!("winrm: server7: {what}").as_str()));
        assert_eq!(lines.get(1), Some(&"  install MIT Kerberos"), "what the library advises comes first");
        assert!(lines.len() >= 4, "{report}");
        assert!(!seen.contains(&what), "{what} is told of two causes");
        seen.push(what);
    }
}

#[test]
fn every_refusal_of_a_listener_has_a_way_out() {
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
        let report = Failure::fault(Code(number), "server7", "").report(Program::Winrm, Format::Text);
        assert!(!report.contains("the service answered with a fault"), "{number} has no hint: {report}");
    }
    let owned = Failure::fault(Code(2_150_858_890), "server7", "").report(Program::Winrm, Format::Text);
    for word in ["policy", "-set:EnableCompatibilityHttpListener=false"] {
        assert!(owned.contains(word), "{owned}");
    }
}
