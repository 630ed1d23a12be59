//! `winrm configSDDL` with `-sddl`: entries of plug-ins.

use telarch_cli::Format;

use crate::service::{Answer, Request, Service};
use crate::winrm_run::ran;

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";

/// Starts a service with a plug-in for all Microsoft resources and one for shells.
fn service() -> Service {
    Service::start(|request: &Request| -> Answer {
        let plugin = |name: &str, uri: &str, security: &str| {
            format!(
                "<PlugInConfiguration xmlns=\"urn:plugin\" Name=\"{name}\" Enabled=\"true\" xml:lang=\"en-US\"><Resources>\
                 <Resource ResourceUri=\"{uri}\" SupportsOptions=\"true\">{security}<Capability Type=\"Shell\"/></Resource>\
                 <Resource ResourceUri=\"urn:other\"/></Resources><Quotas MaxShells=\"25\"/></PlugInConfiguration>"
            )
        };
        let entry = format!("<Security Uri=\"{SHELL}\" Sddl=\"D:(A;;GA;;;RM)\" ExactMatch=\"False\"/>");
        let items =
            plugin("Wide", "http://schemas.microsoft.com/wbem", "") + &plugin("Narrow", SHELL, &entry);
        let body = match request.action.as_str() {
            "Enumerate" => format!(
                "<n:EnumerateResponse><n:EnumerationContext/><w:Items>{items}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"
            ),
            "Get" => {
                "<c:Service xmlns:c=\"urn:c\"><c:RootSDDL>D:(A;;GA;;;BA)</c:RootSDDL></c:Service>".to_owned()
            }
            _ => request.body().to_owned(),
        };
        (200, body)
    })
}

#[test]
fn only_the_entry_of_the_most_specific_plug_in_is_changed() {
    let service = service();
    ran(&service, "configSDDL shell -sddl:D:P(A;;GX;;;BU)").done.unwrap();
    let put = service.requests().pop().unwrap();
    assert_eq!(put.action, "Put");
    assert!(put.envelope.contains("<w:Selector Name=\"Name\">Narrow<"), "{}", put.envelope);
    let body = put.body();
    assert!(
        body.contains(&format!("<Security Uri=\"{SHELL}\" Sddl=\"D:P(A;;GX;;;BU)\" ExactMatch=\"false\"")),
        "{body}"
    );
    assert!(!body.contains("RM"), "{body}");
    for part in
        ["Enabled=\"true\"", "Capability Type=\"Shell\"", "MaxShells=\"25\"", "ResourceUri=\"urn:other\""]
    {
        assert!(body.contains(part), "{part} {body}");
    }
}

#[test]
fn a_missing_entry_is_added() {
    let service = service();
    ran(&service, "configSDDL shell/cmd -sddl:D:P(A;;GX;;;BU)").done.unwrap();
    let body = service.requests().pop().unwrap().body().to_owned();
    assert!(body.contains(&format!("Uri=\"{SHELL}/cmd\" Sddl=\"D:P(A;;GX;;;BU)\"")), "{body}");
    assert!(body.contains("Sddl=\"D:(A;;GA;;;RM)\""), "{body}");
}

#[test]
fn a_resource_without_a_plug_in_is_refused() {
    let service = service();
    let (report, status) = ran(&service, "configSDDL http://example.org/x -sddl:D:P").report(Format::Text);
    assert!(report.contains("no plug-in provides the resource http://example.org/x\n"), "{report}");
    assert!(report.contains("winrm configSDDL default"), "{report}");
    assert_eq!((status, service.actions().contains(&"Put".to_owned())), (2, false));
}
