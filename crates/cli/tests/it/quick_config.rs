//! `winrm quickconfig`: stages, confirmation and results.

use telarch_cli::Format;
use telarch_cli::connection::{Connection, Login, PasswordScheme, SpnPort, Target, Unencrypted};
use telarch_cli::endpoint::{Address, Transport};
use telarch_cli::secret::{PasswordSource, Secret};
use telarch_cli::winrm::{Completion, Operation};

use crate::command;
use crate::service::{Answer, Request, Service, fault};
use crate::winrm_run::{Ran, execute};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Needed,
    Policy,
}

/// Starts a service with the given state of both stages; enabling returns `status`.
fn service(first: State, second: State, status: &'static str) -> Service {
    Service::start(move |request: &Request| -> Answer {
        let analysis = |name: &str, enable: &str, state: State| {
            let (enabled, source) = match state {
                State::Ready => ("true", ""),
                State::Needed => ("false", ""),
                State::Policy => ("false", " Source=\"GPO\""),
            };
            format!(
                "<c:{name}_OUTPUT xmlns:c=\"urn:c\"><c:RemotingEnabled{source}>{enabled}</c:RemotingEnabled>\
                 <c:Results>do {enable}</c:Results><c:{enable}_INPUT><c:Secret>42</c:Secret></c:{enable}_INPUT>\
                 </c:{name}_OUTPUT>"
            )
        };
        let outcome = |name: &str| {
            format!(
                "<c:{name}_OUTPUT xmlns:c=\"urn:c\"><c:Status>{status}</c:Status>\
                 <c:Results>did {name}</c:Results></c:{name}_OUTPUT>"
            )
        };
        let body = match request.action.as_str() {
            "AnalyzeService" => analysis("AnalyzeService", "EnableService", first),
            "Analyze" => analysis("Analyze", "EnableRemoting", second),
            name => outcome(name),
        };
        (200, body)
    })
}

/// Runs quickconfig with `typed` as input, against the port of a test service.
fn ran(service: &Service, line: &str, typed: &str) -> Ran {
    let mut command = command(line);
    assert!(matches!(command.operation, Operation::QuickConfig { .. }), "{line}");
    let address = Address::parse(&format!("127.0.0.1:{}", service.port)).unwrap();
    command.connection = Connection {
        target: Target::Remote(address.complete(Transport::Http, None)),
        login: Login::Password {
            scheme: Some(PasswordScheme::Basic),
            user: "ann".to_owned(),
            password: PasswordSource::Argument(Secret::new("secret".to_owned())),
            spn: SpnPort::Left,
        },
        unencrypted: Unencrypted::Allowed,
        ..Connection::default()
    };
    execute(command, typed)
}

#[test]
fn a_configured_machine_is_not_changed() {
    let service = service(State::Ready, State::Ready, "succeeded");
    let ran = ran(&service, "qc", "");
    assert_eq!(
        ran.out,
        "WinRM service is already running on this machine.
WinRM is already set up for remote management on this computer.
"
    );
    assert_eq!(ran.done.unwrap(), Completion::Success);
    assert_eq!(service.actions(), ["AnalyzeService", "Analyze"]);
}

#[test]
fn changes_are_made_after_confirmation() {
    let service = service(State::Needed, State::Needed, "succeeded");
    let ran = ran(&service, "qc", "y\nYES\n");
    assert_eq!(
        ran.out,
        "WinRM is not set up to receive requests on this machine.
The following changes must be made:

do EnableService

Make these changes [y/n]? 
WinRM has been updated to receive requests.

did EnableService
WinRM is not set up to allow remote access to this machine for management.
The following changes must be made:

do EnableRemoting

Make these changes [y/n]? 
WinRM has been updated for remote management.

did EnableRemoting
"
    );
    assert_eq!(ran.done.unwrap(), Completion::Success);
    let enable = service.requests().into_iter().find(|request| request.action == "EnableRemoting").unwrap();
    assert!(enable.body().contains("<c:Secret>42</c:Secret>"), "{}", enable.body());
}

#[test]
fn every_answer_except_yes_ends_the_stage_without_changes() {
    for typed in ["", "n\n", "no\n", "x\n", "\n", "yep\n"] {
        let service = service(State::Needed, State::Needed, "succeeded");
        let ran = ran(&service, "qc", typed);
        assert_eq!(ran.done.unwrap(), Completion::Success, "of {typed:?}");
        assert_eq!(service.actions(), ["AnalyzeService", "Analyze"], "of {typed:?}");
    }
}

#[test]
fn quiet_and_force_do_not_ask() {
    for (line, forced) in [("qc -q", false), ("qc -force", true), ("qc -quiet -force", true)] {
        let service = service(State::Needed, State::Needed, "succeeded");
        let ran = ran(&service, line, "");
        assert!(!ran.out.contains("Make these changes"), "{line}: {}", ran.out);
        assert_eq!(service.actions(), ["AnalyzeService", "EnableService", "Analyze", "EnableRemoting"]);
        let analyze = service.requests().into_iter().find(|request| request.action == "Analyze").unwrap();
        assert!(analyze.body().contains("<p:Transport>http</p:Transport>"), "{}", analyze.body());
        assert_eq!(analyze.body().contains("<p:Force/>"), forced, "{line}: {}", analyze.body());
    }
}

#[test]
fn the_transport_is_sent() {
    let service = service(State::Ready, State::Ready, "succeeded");
    ran(&service, "qc -transport:https", "").done.unwrap();
    let analyze = service.requests().pop().unwrap();
    assert!(analyze.body().contains("<p:Transport>https</p:Transport>"), "{}", analyze.body());
}

#[test]
fn whatif_shows_changes_without_making_them() {
    let service = service(State::Needed, State::Needed, "succeeded");
    let ran = ran(&service, "qc -whatif", "y\ny\n");
    assert!(
        ran.out.contains("\n\ndo EnableService\n") && ran.out.contains("\n\ndo EnableRemoting\n"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("Make these changes"), "{}", ran.out);
    assert_eq!(service.actions(), ["AnalyzeService", "Analyze"]);
}

#[test]
fn extensions_are_sent_only_if_requested() {
    let sent = |line: &str| {
        let service = service(State::Ready, State::Ready, "succeeded");
        ran(&service, line, "").done.unwrap();
        service.requests().pop().unwrap().body().to_owned()
    };
    let plain = sent("qc -transport:https");
    for word in ["Strict", "Zone", "AllowGroup", "RemoteAddress", "Force"] {
        assert!(!plain.contains(word), "{plain}");
    }
    let all = sent(
        "qc -transport:https -strict -zone:internal -allowgroup:ops -remoteaddress:10.0.0.0/8,LocalSubnet",
    );
    for part in [
        "<p:Strict/>",
        "<p:Zone>internal</p:Zone>",
        "<p:AllowGroup>ops</p:AllowGroup>",
        "<p:RemoteAddress>10.0.0.0/8</p:RemoteAddress>",
        "<p:RemoteAddress>LocalSubnet</p:RemoteAddress>",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
}

#[test]
fn undo_shows_changes_asks_and_reverts_them() {
    let recorded = |results: &'static str| {
        Service::start(move |request: &Request| -> Answer {
            let body = match request.action.as_str() {
                "AnalyzeUndo" => format!(
                    "<c:AnalyzeUndo_OUTPUT xmlns:c=\"urn:c\"><c:Results>{results}</c:Results>\
                     <c:Undo_INPUT><c:Step>7</c:Step></c:Undo_INPUT></c:AnalyzeUndo_OUTPUT>"
                ),
                _ => "<c:Undo_OUTPUT xmlns:c=\"urn:c\"><c:Status>succeeded</c:Status>\
                      <c:Results>Undone: it.</c:Results></c:Undo_OUTPUT>"
                    .to_owned(),
            };
            (200, body)
        })
    };
    let service = recorded("A listener for HTTP was created.");
    let shown = ran(&service, "qc -undo", "n\n");
    assert!(
        shown.out.starts_with("The following changes will be undone:\n\nA listener for HTTP was created.\n")
    );
    assert_eq!(service.actions(), ["AnalyzeUndo"]);
    let shown = ran(&service, "qc -undo -quiet", "");
    assert!(
        shown.out.ends_with("The changes made by quickconfig have been undone.\n\nUndone: it.\n"),
        "{}",
        shown.out
    );
    let undo = service.requests().pop().unwrap();
    assert!(undo.body().contains("<c:Step>7</c:Step>"), "{}", undo.body());
    let service = recorded("");
    assert!(ran(&service, "qc -undo", "").out.starts_with("Nothing to undo"));
    assert_eq!(service.actions(), ["AnalyzeUndo"]);
}

#[test]
fn a_policy_prevents_changes_and_is_reported() {
    let service = service(State::Ready, State::Policy, "succeeded");
    let ran = ran(&service, "qc -q", "");
    assert_eq!(ran.errors, "Error: disabled by policy; nothing was changed.\ndo EnableRemoting\n");
    assert_eq!(ran.done.unwrap(), Completion::Success);
    assert_eq!(service.actions(), ["AnalyzeService", "Analyze"]);
}

/// Starts a configured service whose last stage reports these schemes.
fn reporting(schemes: &'static str) -> Service {
    Service::start(move |request: &Request| -> Answer {
        let body = match request.action.as_str() {
            "AnalyzeService" => "<c:AnalyzeService_OUTPUT xmlns:c=\"urn:c\"><c:RemotingEnabled>true\
                </c:RemotingEnabled></c:AnalyzeService_OUTPUT>"
                .to_owned(),
            "Analyze" => "<c:Analyze_OUTPUT xmlns:c=\"urn:c\"><c:RemotingEnabled>true</c:RemotingEnabled>\
                <c:SignInAction>AnalyzeSignIn</c:SignInAction></c:Analyze_OUTPUT>"
                .to_owned(),
            _ => format!(
                "<c:AnalyzeSignIn_OUTPUT xmlns:c=\"urn:c\"><c:Listening>true</c:Listening>{schemes}\
                 <c:Remedy>telarch account add NAME --ntlm</c:Remedy></c:AnalyzeSignIn_OUTPUT>"
            ),
        };
        (200, body)
    })
}

#[test]
fn a_usable_scheme_completes_the_last_stage() {
    let service = reporting(
        "<c:Scheme Name=\"Kerberos\" State=\"unusable\">no key</c:Scheme>\
         <c:Scheme Name=\"Negotiate\" State=\"usable\">accounts: 2</c:Scheme>\
         <c:Scheme Name=\"Basic\" State=\"disabled\"/>",
    );
    let shown = ran(&service, "qc", "");
    let report = "\nSign-in over the network:\n  Kerberos     no  no key\n  Negotiate    yes accounts: 2\n  \
                  Basic        off\n";
    assert!(shown.out.ends_with(report), "{}", shown.out);
    assert_eq!((shown.done.unwrap(), shown.errors.as_str()), (Completion::Success, ""));
    assert_eq!(service.actions(), ["AnalyzeService", "Analyze", "AnalyzeSignIn"]);
    let service = reporting("");
    assert_eq!(ran(&service, "qc -accounts:none", "").done.unwrap(), Completion::Success);
    assert_eq!(service.actions(), ["AnalyzeService", "Analyze"]);
}

#[test]
fn no_usable_scheme_is_an_error_with_the_commands() {
    let schemes = "<c:Scheme Name=\"Negotiate\" State=\"unusable\">no account</c:Scheme>";
    for (line, typed) in [("qc", "n\n"), ("qc", ""), ("qc", "2\n"), ("qc -quiet", "")] {
        let shown = ran(&reporting(schemes), line, typed);
        assert!(shown.out.ends_with("  Negotiate    no  no account\n"), "{}", shown.out);
        assert_eq!(
            shown.errors,
            "Error: no user can sign in over the network.\n  telarch account add NAME --ntlm\n"
        );
        assert_eq!(shown.done.unwrap(), Completion::NoSignIn, "{line} {typed:?}");
    }
    let shown = ran(&reporting(schemes), "qc -whatif", "");
    assert_eq!((shown.done.unwrap(), shown.errors.as_str()), (Completion::Success, ""));
    let (text, status) = ran(&reporting(schemes), "qc -accounts:ntlm", "").report(Format::Text);
    assert!(text.contains("-accounts:ntlm requires the local service"), "{text}");
    assert_eq!(status, 2);
    let (text, _) = ran(&reporting(schemes), "qc -accounts:basic", "").report(Format::Text);
    assert!(text.contains("cannot verify the password of any user"), "{text}");
}

#[test]
fn failed_steps_are_reported() {
    let service = service(State::Needed, State::Ready, "failed");
    let ran = ran(&service, "qc -q", "");
    assert_eq!(ran.errors, "Error: One or more update steps could not be completed.\n");
    assert!(ran.out.contains("\ndid EnableService\n"), "{}", ran.out);
    assert_eq!(ran.done.unwrap(), Completion::StepsFailed);
}

#[test]
fn a_service_without_quickconfig_support_gets_manual_advice() {
    let service = Service::start(|_| fault(2_150_858_771, "a:ActionNotSupported", "no such action"));
    let (report, status) = ran(&service, "qc -q", "").report(Format::Text);
    for part in
        ["winrm create winrm/config/listener", "firewall", "(fault a:ActionNotSupported, code 2150858771,"]
    {
        assert!(report.contains(part), "{part} is not in {report}");
    }
    assert_eq!(status, 6);
}
