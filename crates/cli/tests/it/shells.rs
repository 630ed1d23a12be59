//! `winrm shells`: listing and closing shells.

use telarch_cli::Format;
use telarch_cli::winrm::{Operation, ShellAction, ShellSelection};

use crate::service::{Answer, Request, Service};
use crate::winrm_run::ran;
use crate::{command, refusal};

fn shell(id: &str, owner: &str) -> String {
    format!(
        "<rsp:Shell xmlns:rsp=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\"><rsp:ShellId>{id}</rsp:ShellId>\
         <rsp:ResourceUri>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd</rsp:ResourceUri>\
         <rsp:Owner>{owner}</rsp:Owner><rsp:ClientIP>10.0.0.1</rsp:ClientIP>\
         <rsp:ShellRunTime>P0DT0H1M2S</rsp:ShellRunTime></rsp:Shell>"
    )
}

/// Starts a service with three shells of two users.
fn service() -> Service {
    Service::start(|request: &Request| -> Answer {
        match request.action.as_str() {
            "Enumerate" => {
                let shells =
                    [shell("A-1", "CORP\\ann"), shell("B-2", "CORP\\ben"), shell("C-3", "CORP\\Ann")]
                        .concat();
                (
                    200,
                    format!(
                        "<n:EnumerateResponse><n:EnumerationContext/><w:Items>{shells}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"
                    ),
                )
            }
            _ => (200, String::new()),
        }
    })
}

/// Returns the shells that were closed.
fn closed(service: &Service) -> Vec<String> {
    let deletes = service.requests().into_iter().filter(|request| request.action == "Delete");
    deletes
        .map(|request| {
            assert!(request.text("w:ResourceURI").ends_with("/windows/shell/cmd"), "{}", request.envelope);
            request.text("w:Selector Name")
        })
        .collect()
}

#[test]
fn shells_are_listed_and_filtered_by_owner_and_id() {
    let all = ran(&service(), "shells");
    assert_eq!(all.out.matches("Shell\n    ShellId = ").count(), 3, "{}", all.out);
    let mine = ran(&service(), "shells -mine -f:ndjson");
    assert_eq!(mine.out.lines().count(), 2, "{}", mine.out);
    assert!(!mine.out.contains("ben"), "{}", mine.out);
    assert_eq!(ran(&service(), "shells b-2").out.matches("ShellId = B-2").count(), 1);
}

#[test]
fn mine_and_kill_close_only_shells_of_the_user() {
    let service = service();
    let ran = ran(&service, "shells -mine -kill");
    ran.done.unwrap();
    assert_eq!(closed(&service), ["A-1", "C-3"]);
    assert_eq!(ran.errors, "winrm: closed shell A-1 of CORP\\ann\nwinrm: closed shell C-3 of CORP\\Ann\n");
}

#[test]
fn a_shell_is_closed_by_id_and_an_unknown_id_is_an_error() {
    let service = service();
    ran(&service, "shells B-2 -kill").done.unwrap();
    assert_eq!(closed(&service), ["B-2"]);
    let (report, status) = ran(&service, "shells nothing -kill").report(Format::Text);
    assert_eq!(
        (report.as_str(), status),
        ("Error: unknown shell 'nothing'\n  run winrm shells for a list of shells\n", 2)
    );
    assert_eq!(closed(&service), ["B-2"]);
}

#[test]
fn kill_requires_a_selection_of_shells() {
    assert_eq!(refusal("shells -kill").0, "-kill requires -mine or a shell ID");
    assert_eq!(refusal("shells A -mine").0, "-mine cannot be used with a shell ID");
    let Operation::Shells { selection, action } = command("shells -mine -kill").operation else { panic!() };
    assert_eq!((selection, action), (ShellSelection::Mine, ShellAction::Close));
}
