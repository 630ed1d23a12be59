//! `winrm shells`: what is listed, and what is ended.

use telarch_cli::Format;
use telarch_cli::winrm::{Fate, Operation, ShellChoice};

use crate::service::{Answer, Asked, Service};
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

/// Three shells, of two users.
fn service() -> Service {
    Service::start(|asked: &Asked| -> Answer {
        match asked.action.as_str() {
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

/// The shells that the service was told to end.
fn ended(service: &Service) -> Vec<String> {
    let deletes = service.asked().into_iter().filter(|asked| asked.action == "Delete");
    deletes
        .map(|asked| {
            assert!(asked.text("w:ResourceURI").ends_with("/windows/shell/cmd"), "{}", asked.envelope);
            asked.text("w:Selector Name")
        })
        .collect()
}

#[test]
fn shells_are_listed_as_the_service_tells_them() {
    let all = ran(&service(), "shells");
    assert_eq!(all.out.matches("Shell\n    ShellId = ").count(), 3, "{}", all.out);
    let mine = ran(&service(), "shells -mine -f:ndjson");
    assert_eq!(mine.out.lines().count(), 2, "{}", mine.out);
    assert!(!mine.out.contains("ben"), "{}", mine.out);
    assert_eq!(ran(&service(), "shells b-2").out.matches("ShellId = B-2").count(), 1);
}

#[test]
fn mine_are_ended_and_no_others() {
    let service = service();
    let ran = ran(&service, "shells -mine -kill");
    ran.done.unwrap();
    assert_eq!(ended(&service), ["A-1", "C-3"]);
    assert_eq!(ran.errors, "winrm: ended shell A-1 of CORP\\ann\nwinrm: ended shell C-3 of CORP\\Ann\n");
}

#[test]
fn one_shell_is_ended_by_its_identifier_and_one_that_is_not_there_is_said() {
    let service = service();
    ran(&service, "shells B-2 -kill").done.unwrap();
    assert_eq!(ended(&service), ["B-2"]);
    let (report, status) = ran(&service, "shells nothing -kill").report(Format::Text);
    assert_eq!(
        (report.as_str(), status),
        ("Error: there is no shell nothing\n  winrm shells lists those there are\n", 2)
    );
    assert_eq!(ended(&service), ["B-2"]);
}

#[test]
fn nobody_ends_all_shells_by_a_slip() {
    assert_eq!(refusal("shells -kill").0, "-kill without saying which shells");
    assert_eq!(refusal("shells A -mine").0, "-mine does not go with the identifier of a shell");
    let Operation::Shells { choice, fate } = command("shells -mine -kill").operation else { panic!() };
    assert_eq!((choice, fate), (ShellChoice::Mine, Fate::Ended));
}
