//! Exact output of every operation in every format.

use std::fs;
use std::path::Path;

use telarch_cli::Format;

use crate::service::{Answer, Request, Service, fault};
use crate::winrm_run::ran;

const FORMATS: [(&str, Format); 6] = [
    ("text", Format::Text),
    ("pretty", Format::Pretty),
    ("xml", Format::Xml),
    ("json", Format::Json),
    ("ndjson", Format::Ndjson),
    ("yaml", Format::Yaml),
];

const LISTENER: &str = "<cfg:Listener xmlns:cfg=\"http://schemas.microsoft.com/wbem/wsman/1/config/listener\" \
    xml:lang=\"en-US\" Source=\"GPO\"><cfg:Address>*</cfg:Address><cfg:Transport>HTTP</cfg:Transport>\
    <cfg:Port>5985</cfg:Port><cfg:Hostname></cfg:Hostname><cfg:Enabled>true</cfg:Enabled>\
    <cfg:CertificateThumbprint/><cfg:ListeningOn>127.0.0.1</cfg:ListeningOn><cfg:ListeningOn>::1</cfg:ListeningOn>\
    </cfg:Listener>";

const PLUGIN: &str = "<PlugInConfiguration \
    xmlns=\"http://schemas.microsoft.com/wbem/wsman/1/config/PluginConfiguration\" Name=\"PowerShell.7\" \
    Enabled=\"true\" xml:lang=\"en-US\"><Resources><Resource \
    ResourceUri=\"http://schemas.microsoft.com/powershell/PowerShell.7\"><Security Uri=\"urn:x\" Sddl=\"D:\"/>\
    <Capability Type=\"Shell\"/></Resource></Resources></PlugInConfiguration>";

const CREATED: &str = "<x:ResourceCreated xmlns:x=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\">\
    <a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address><a:ReferenceParameters>\
    <w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/config/listener</w:ResourceURI><w:SelectorSet>\
    <w:Selector Name=\"Address\">*</w:Selector><w:Selector Name=\"Transport\">HTTPS</w:Selector></w:SelectorSet>\
    </a:ReferenceParameters></x:ResourceCreated>";

const IDENTIFIED: &str = "<wsmid:IdentifyResponse \
    xmlns:wsmid=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"><wsmid:ProtocolVersion>\
    http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</wsmid:ProtocolVersion><wsmid:ProductVendor>Microsoft Corporation\
    </wsmid:ProductVendor><wsmid:ProductVersion>OS: 6.3.9600 SP: 0.0 Stack: 3.0</wsmid:ProductVersion>\
    <wsmid:SecurityProfiles><wsmid:SecurityProfileName>a</wsmid:SecurityProfileName>\
    <wsmid:SecurityProfileName>b</wsmid:SecurityProfileName></wsmid:SecurityProfiles></wsmid:IdentifyResponse>";

const OUTPUT: &str = "<p:StartService_OUTPUT \
    xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><p:ReturnValue>0</p:ReturnValue>\
    <p:Nothing xsi:nil=\"true\"/></p:StartService_OUTPUT>";

fn items(items: &str) -> String {
    format!(
        "<n:EnumerateResponse><n:EnumerationContext/><w:Items>{items}</w:Items><w:EndOfSequence/></n:EnumerateResponse>"
    )
}

/// Starts a service with recorded responses.
fn service() -> Service {
    Service::start(|request: &Request| -> Answer {
        let reference = CREATED.replace("x:ResourceCreated", "a:EndpointReference");
        let reference = reference.replace(" xmlns:x=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\"", "");
        let content = match request.action.as_str() {
            "Get" if request.text("w:ResourceURI").ends_with("/secret") => {
                return fault(5, "w:AccessDenied", "Access is denied here.");
            }
            "Get" if request.text("w:ResourceURI").ends_with("/plugin") => PLUGIN.to_owned(),
            // The service returns the instance that it received.
            "Put" if request.text("w:ResourceURI").ends_with("/plugin") => {
                let (_, sent) = request.envelope.split_once("<s:Body>").unwrap();
                sent.split_once("</s:Body>").unwrap().0.to_owned()
            }
            "Get" | "Put" => LISTENER.to_owned(),
            "Create" => CREATED.to_owned(),
            "Delete" => String::new(),
            "Enumerate" if request.envelope.contains("EnumerateEPR") => items(&reference),
            "Enumerate" if request.envelope.contains("EnumerateObjectAndEPR") => {
                items(&format!("<w:Item>{LISTENER}{reference}</w:Item>"))
            }
            "Enumerate" => items(&LISTENER.repeat(2)),
            "StartService" => OUTPUT.to_owned(),
            _ => IDENTIFIED.to_owned(),
        };
        (200, content)
    })
}

#[test]
fn the_output_of_every_operation_and_format_matches_the_golden_files() {
    let service = service();
    for (name, line) in [
        ("get", "get winrm/config/listener?Address=*+Transport=HTTP"),
        ("set", "set winrm/config/listener?Address=*+Transport=HTTP @{Port=\"5985\"}"),
        ("set-attribute", "set winrm/config/plugin?Name=PowerShell.7 @{Enabled=\"false\"}"),
        ("create", "create winrm/config/listener?Address=*+Transport=HTTPS"),
        ("delete", "delete winrm/config/listener?Address=*+Transport=HTTPS"),
        ("enumerate", "enumerate winrm/config/listener"),
        ("enumerate-epr", "enumerate winrm/config/listener -returntype:epr"),
        ("enumerate-object-and-epr", "enumerate winrm/config/listener -returntype:objectandepr"),
        ("invoke", "invoke StartService wmicimv2/Win32_Service?Name=spooler"),
        ("identify", "identify"),
        ("fault", "get winrm/secret"),
    ] {
        let mut all = format!("winrm {line}\n");
        for (word, format) in FORMATS {
            let ran = ran(&service, &format!("{line} -format:{word}"));
            all.push_str(&format!("\n--- -format:{word}\n{}", ran.out));
            if ran.done.is_err() {
                all.push_str(&format!("--- standard error\n{}", ran.report(format).0));
            }
        }
        golden(&format!("{name}.txt"), &all.replace(&format!(":{}/", service.port), ":PORT/"));
    }
}

/// Compares text with a golden file, or rewrites the file if `UPDATE_GOLDEN` is set.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, wanted, "{} differs; UPDATE_GOLDEN=1 rewrites it", path.display());
}
