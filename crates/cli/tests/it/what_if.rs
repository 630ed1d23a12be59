//! `-whatif`: changes are shown and not made.

use crate::refusal;
use crate::service::{Answer, Request, Service};
use crate::winrm_run::ran;

const WINRS: &str = "<cfg:Winrs xmlns:cfg=\"urn:cfg\"><cfg:IdleTimeout>7200000</cfg:IdleTimeout>\
    <cfg:MaxShellsPerUser>30</cfg:MaxShellsPerUser></cfg:Winrs>";

fn service() -> Service {
    Service::start(|_: &Request| -> Answer { (200, WINRS.to_owned()) })
}

#[test]
fn set_shows_old_and_new_values() {
    let service = service();
    let ran =
        ran(&service, "set winrm/config/winrs @{MaxShellsPerUser=\"7\";IdleTimeout=\"7200000\"} -whatif");
    assert_eq!(
        ran.out,
        "winrm/config/winrs would be changed:\n    MaxShellsPerUser: 30 -> 7\n    IdleTimeout: 7200000 (no change)\n"
    );
    // Identify has no action; it shows that the service is not Telarch.
    assert_eq!(service.actions(), ["Get", ""]);
}

#[test]
fn set_shows_old_and_new_values_of_attributes() {
    let service = Service::start(|_: &Request| -> Answer {
        let namespace = "http://schemas.microsoft.com/wbem/wsman/1/config/PluginConfiguration";
        (200, format!("<PlugInConfiguration xmlns=\"{namespace}\" Name=\"WMI\" Enabled=\"true\"/>"))
    });
    let ran = ran(&service, "set winrm/config/plugin?Name=WMI @{Enabled=\"false\"} -whatif");
    let expected = "winrm/config/plugin?Name=WMI would be changed:\n    Enabled: true -> false\n";
    assert_eq!(ran.out, expected);
}

#[test]
fn other_operations_change_nothing() {
    let service = service();
    for (line, text) in [
        (
            "delete winrm/config/listener?Address=*+Transport=HTTP",
            "winrm/config/listener?Address=*+Transport=HTTP would be deleted\n",
        ),
        (
            "create winrm/config/listener?Address=*+Transport=HTTP @{Port=\"80\"}",
            "winrm/config/listener?Address=*+Transport=HTTP would be created with:\n\
             <p:listener xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/config/listener\">\n  <p:Port>80</p:Port>\n</p:listener>\n",
        ),
        (
            "invoke restore winrm/config",
            "restore of winrm/config would be invoked with:\n\
             <p:restore_INPUT xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/config\"/>\n",
        ),
    ] {
        let ran = ran(&service, &format!("{line} -whatif"));
        ran.done.unwrap();
        assert_eq!(ran.out, text, "{line}");
        assert!(
            ran.errors.starts_with("winrm: the service was not asked whether it would refuse"),
            "{}",
            ran.errors
        );
    }
    assert!(service.actions().iter().all(String::is_empty), "only Identify, which has no action");
}

#[test]
fn whatif_is_rejected_for_operations_without_changes() {
    assert_eq!(refusal("get winrm/config -whatif").0, "-whatif is not valid for get");
}

#[test]
fn invalid_input_is_rejected_with_whatif() {
    let ran = ran(&service(), "set winrm/config/winrs @{Nothing=\"1\"} -whatif");
    assert!(
        ran.report(telarch_cli::Format::Text)
            .0
            .starts_with("Error: Nothing is not a property of the resource\n")
    );
}
