//! `-whatif`: nothing is changed, and what would be is said.

use crate::refusal;
use crate::service::{Answer, Asked, Service};
use crate::winrm_run::ran;

const WINRS: &str = "<cfg:Winrs xmlns:cfg=\"urn:cfg\"><cfg:IdleTimeout>7200000</cfg:IdleTimeout>\
    <cfg:MaxShellsPerUser>30</cfg:MaxShellsPerUser></cfg:Winrs>";

fn service() -> Service {
    Service::start(|_: &Asked| -> Answer { (200, WINRS.to_owned()) })
}

#[test]
fn set_reads_and_tells_old_and_new() {
    let service = service();
    let ran =
        ran(&service, "set winrm/config/winrs @{MaxShellsPerUser=\"7\";IdleTimeout=\"7200000\"} -whatif");
    assert_eq!(
        ran.out,
        "winrm/config/winrs would be changed:\n    MaxShellsPerUser: 30 -> 7\n    IdleTimeout: 7200000 (no change)\n"
    );
    assert_eq!(service.actions(), ["Get"]);
}

#[test]
fn the_others_send_nothing_at_all() {
    let service = service();
    for (line, text) in [
        (
            "delete winrm/config/listener?Address=*+Transport=HTTP",
            "winrm/config/listener?Address=*+Transport=HTTP would be deleted\n",
        ),
        (
            "create winrm/config/listener?Address=*+Transport=HTTP @{Port=\"80\"}",
            "winrm/config/listener?Address=*+Transport=HTTP would be made of:\n\
             <p:listener xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/config/listener\">\n  <p:Port>80</p:Port>\n</p:listener>\n",
        ),
        (
            "invoke restore winrm/config",
            "restore of winrm/config would be called with:\n\
             <p:restore_INPUT xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/config\"/>\n",
        ),
    ] {
        let ran = ran(&service, &format!("{line} -whatif"));
        ran.done.unwrap();
        assert_eq!(ran.out, text, "{line}");
    }
    assert!(service.asked().is_empty());
}

#[test]
fn where_nothing_changes_there_is_nothing_to_show() {
    assert_eq!(refusal("get winrm/config -whatif").0, "-whatif is not valid for get");
}

#[test]
fn what_would_be_refused_is_refused() {
    let ran = ran(&service(), "set winrm/config/winrs @{Nothing=\"1\"} -whatif");
    assert!(
        ran.report(telarch_cli::Format::Text)
            .0
            .starts_with("Error: Nothing is no property of the resource\n")
    );
}
