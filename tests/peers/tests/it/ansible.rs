//! ansible-core 2.19, over its connection plug-ins `winrm` and `psrp`.

use std::time::{Duration, Instant};

use telarch_peers::{Ansible, Connection, Outcome, Report, Run, Telarchd, WayIn};

for_each_way_in! {
    a_raw_command_succeeds_with_both_streams,
    a_raw_command_that_fails_does_so_with_its_exit_code_and_both_streams,
    a_raw_command_keeps_quotes_markup_and_unicode,
    a_wrong_password_makes_the_host_unreachable,
    powershell_remoting_makes_the_host_unreachable_at_once_and_says_why,
}

fn a_raw_command_succeeds_with_both_streams(way: WayIn) {
    let service = service_with_powershell(way);
    let report = Ansible::against(&service, way, Connection::Winrm).raw("echo 'hi'; echo err >&2");
    assert_eq!((report.code, ran(&report).text()), (0, ("hi\n", "err\n", 0)), "{report:?}");
}

fn a_raw_command_that_fails_does_so_with_its_exit_code_and_both_streams(way: WayIn) {
    let service = service_with_powershell(way);
    let report = Ansible::against(&service, way, Connection::Winrm).raw("echo out; echo err >&2; exit 7");
    assert_eq!((report.code, ran(&report).text()), (2, ("out\n", "err\n", 7)), "{report:?}");
}

fn a_raw_command_keeps_quotes_markup_and_unicode(way: WayIn) {
    let service = service_with_powershell(way);
    let report =
        Ansible::against(&service, way, Connection::Winrm).raw("printf '%s|' \"a  b\" '<&>' 'Grüße 漢字 😀'");
    assert_eq!(ran(&report).text(), ("a  b|<&>|Grüße 漢字 😀|", "", 0), "{report:?}");
}

fn a_wrong_password_makes_the_host_unreachable(way: WayIn) {
    let service = Telarchd::start_for(way);
    let report = Ansible::against(&service, way, Connection::Winrm).with_password("wrong").raw("echo 'hi'");
    assert!(why_unreachable(&report).contains("credentials were rejected"), "{report:?}");
}

fn powershell_remoting_makes_the_host_unreachable_at_once_and_says_why(way: WayIn) {
    let service = Telarchd::start_for(way);
    let begin = Instant::now();
    let report = Ansible::against(&service, way, Connection::Psrp).raw("echo 'hi'");
    let reason = why_unreachable(&report);
    let names_the_endpoint = reason.contains("http://schemas.microsoft.com/powershell/Microsoft.PowerShell");
    assert!(reason.contains("WSManFault") && names_the_endpoint, "{report:?}");
    assert!(begin.elapsed() < Duration::from_secs(15), "it took {:?}", begin.elapsed());
}

/// Whatever it runs, Ansible starts `PowerShell` for it; a script of that name takes its place.
fn service_with_powershell(way: WayIn) -> Telarchd {
    let stand_ins = concat!(env!("CARGO_MANIFEST_DIR"), "/stand-ins");
    let path = format!("PATH={stand_ins}:{}", std::env::var("PATH").expect("a PATH"));
    // Remote commands inherit the PATH of the service.
    Telarchd::start_through(&["env", &path], way.settings())
}

fn ran(report: &Report) -> &Run {
    match &report.outcome {
        Outcome::Ran(run) => run,
        Outcome::Unreachable(reason) => panic!("unreachable: {reason}"),
    }
}

fn why_unreachable(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Unreachable(reason) if report.code == 4 => reason,
        _ => panic!("not unreachable: {report:?}"),
    }
}
