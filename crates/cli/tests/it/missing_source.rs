//! Notes about empty results of other machines.

use crate::service::{Answer, Request, Service, fault};
use crate::winrm_run::ran;

const EMPTY: &str =
    "<n:EnumerateResponse><n:EnumerationContext/><w:Items/><w:EndOfSequence/></n:EnumerateResponse>";

/// Starts a service of this vendor whose machine has no services, and which answers questions for the source.
fn service(vendor: &'static str, source: &'static str) -> Service {
    Service::start(move |request: &Request| -> Answer {
        let body = match request.action.as_str() {
            "Enumerate" => EMPTY.to_owned(),
            "" => format!(
                "<i:IdentifyResponse xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">\
                 <i:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</i:ProtocolVersion>\
                 <i:ProductVendor>{vendor}</i:ProductVendor><i:ProductVersion>1</i:ProductVersion></i:IdentifyResponse>"
            ),
            "Get" if request.envelope.contains("telarch:MissingSource") => source.to_owned(),
            _ => return fault(87, "w:InvalidParameter", "not expected"),
        };
        (200, body)
    })
}

const SYSTEMD: &str = "<d:MissingSource xmlns:d=\"urn:telarch:missing-source\">systemd</d:MissingSource>";
const NONE: &str = "<d:MissingSource xmlns:d=\"urn:telarch:missing-source\"></d:MissingSource>";
const NOTE: &str = "winrm: systemd does not run on 127.0.0.1, so Win32_Service has no instances\n  \
                    services of other init systems are not listed\n";

#[test]
fn the_missing_source_of_another_machine_is_named() {
    let service = service("Telarch", SYSTEMD);
    let ran = ran(&service, "enumerate wmicimv2/Win32_Service");
    ran.done.unwrap();
    assert_eq!((ran.out.as_str(), ran.errors.as_str()), ("", NOTE));
    assert_eq!(service.actions(), ["Enumerate", "", "Get"]);
    let get = service.requests().pop().unwrap();
    assert!(get.envelope.contains("/wmi/root/cimv2/Win32_Service<"), "{}", get.envelope);
    assert!(get.envelope.contains("MustComply=\"true\""), "{}", get.envelope);
}

#[test]
fn a_result_that_is_merely_empty_gets_no_note() {
    for (vendor, source, line, actions) in [
        // The machine has the source.
        ("Telarch", NONE, "enumerate wmicimv2/Win32_Service", &["Enumerate", "", "Get"][..]),
        // An unknown source of a later version.
        ("Telarch", "<x/>", "enumerate wmicimv2/Win32_Service", &["Enumerate", "", "Get"]),
        // Windows gets no request that it does not know.
        ("Microsoft Corporation", SYSTEMD, "enumerate wmicimv2/Win32_Service", &["Enumerate", ""]),
        // All machines have the source of this class.
        ("Telarch", SYSTEMD, "enumerate wmicimv2/Win32_Process", &["Enumerate"]),
    ] {
        let service = service(vendor, source);
        let ran = ran(&service, line);
        ran.done.unwrap();
        assert_eq!((ran.out.as_str(), ran.errors.as_str()), ("", ""), "{vendor} {line}");
        assert_eq!(service.actions(), actions, "{vendor} {line}");
    }
}
