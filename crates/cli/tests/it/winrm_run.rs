//! Requests and output of `winrm` commands.

use std::io::BufReader;

use telarch_cli::failure::{ExitCodes, Kind, Program};
use telarch_cli::program::Stop;
use telarch_cli::winrm::{Command, Completion, Invocation, Streams, parse, run};
use telarch_cli::{ClientSettings, Format};

use crate::service::{Answer, Request, Service, fault};
use crate::words;

/// Result and output of a command.
pub(crate) struct Ran {
    pub(crate) done: Result<Completion, Stop>,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Ran {
    /// Returns the failure report and the exit status.
    pub(crate) fn report(&self, format: Format) -> (String, u8) {
        let mut errors = Vec::new();
        let stop = self.done.as_ref().expect_err("a failure");
        let status = stop.report(Program::Winrm, format, ExitCodes::Detailed, &mut errors);
        (String::from_utf8(errors).unwrap(), status)
    }
}

/// Runs a command line against a service, with Basic authentication over loopback.
pub(crate) fn ran(service: &Service, line: &str) -> Ran {
    let line = format!("{line} -r:http://127.0.0.1:{}/wsman -un -auth:basic -u:ann -p:secret", service.port);
    match parse(&words(&line)) {
        Ok(Invocation::Run(command)) => execute(*command, ""),
        other => panic!("{line} became {other:?}"),
    }
}

/// Runs a command with the default settings.
pub(crate) fn execute(command: Command, input: &str) -> Ran {
    execute_with(command, &settings(&[]), input)
}

/// Returns client settings with these changes.
pub(crate) fn settings(changes: &[(&str, &str)]) -> ClientSettings {
    let mut config = config::Config::default();
    for (name, value) in changes {
        config.set(&format!("Client/{name}"), value).unwrap();
    }
    ClientSettings::new(config.client)
}

pub(crate) fn execute_with(command: Command, settings: &ClientSettings, input: &str) -> Ran {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut input = BufReader::new(input.as_bytes());
    let mut streams = Streams { out: &mut out, errors: &mut errors, input: &mut input };
    let done = runtime.block_on(run(command, settings, &mut streams));
    Ran { done, out: String::from_utf8(out).unwrap(), errors: String::from_utf8(errors).unwrap() }
}

const CLIENT: &str = "<cfg:Client xmlns:cfg=\"urn:cfg\"><cfg:NetworkDelayms>5000</cfg:NetworkDelayms>\
    <cfg:TrustedHosts></cfg:TrustedHosts></cfg:Client>";

fn always(body: &'static str) -> Service {
    Service::start(move |_: &Request| -> Answer { (200, body.to_owned()) })
}

#[test]
fn get_prints_the_resource() {
    let service = always(CLIENT);
    let ran = ran(&service, "get winrm/config/client");
    assert_eq!(ran.out, "Client\n    NetworkDelayms = 5000\n    TrustedHosts\n\n");
    let request = service.requests().pop().unwrap();
    assert_eq!(request.action, "Get");
    assert_eq!(request.text("w:ResourceURI"), "http://schemas.microsoft.com/wbem/wsman/1/config/client");
    assert!(request.headers.contains("Authorization: Basic YW5uOnNlY3JldA=="), "{}", request.headers);
}

#[test]
fn selectors_options_and_fragments_are_sent() {
    let service = always("<w:XmlFragment>5985</w:XmlFragment>");
    let ran = ran(
        &service,
        "get winrm/config/listener?Address=* -selector:Transport=HTTP -fragment:Port/text() -options:{A=1;B=$null}",
    );
    assert_eq!(ran.out, "XmlFragment = 5985\n\n");
    let envelope = service.requests().pop().unwrap().envelope;
    for part in [
        "<w:Selector Name=\"Address\">*</w:Selector><w:Selector Name=\"Transport\">HTTP</w:Selector>",
        "Name=\"A\"",
        "Name=\"B\"",
        ">Port/text()</w:FragmentTransfer>",
    ] {
        assert!(envelope.contains(part), "{part} is not in {envelope}");
    }
}

#[test]
fn set_writes_the_whole_resource_with_the_new_value() {
    let service = Service::start(|request: &Request| match request.action.as_str() {
        "Get" => (200, CLIENT.to_owned()),
        _ => (200, request.body().to_owned()),
    });
    let ran = ran(&service, "set winrm/config/client @{TrustedHosts=\"*.example\"}");
    assert_eq!(ran.out, "Client\n    NetworkDelayms = 5000\n    TrustedHosts = *.example\n\n");
    assert_eq!(service.actions(), ["Get", "Put"]);
}

#[test]
fn set_rejects_an_unknown_property_without_put() {
    let service = always(CLIENT);
    let ran = ran(&service, "set winrm/config/client @{trustedhosts=\"*\"}");
    let (report, status) = ran.report(Format::Text);
    assert!(report.starts_with("Error: trustedhosts is not a property of the resource\n"), "{report}");
    assert_eq!((status, service.actions()), (2, vec!["Get".to_owned()]));
}

#[test]
fn set_with_a_file_writes_the_file() {
    let service = Service::start(|request: &Request| (200, request.body().to_owned()));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("<?xml version=\"1.0\"?>\n{CLIENT}\n")).unwrap();
    ran(&service, &format!("set winrm/config/client -file:{}", file.path().display())).done.unwrap();
    assert_eq!(service.actions(), ["Put"]);
    assert_eq!(service.requests().pop().unwrap().body(), CLIENT);
    let missing = ran(&service, "set winrm/config/client -file:/nonexistent");
    let (report, status) = missing.report(Format::Text);
    assert!(report.starts_with("Error: cannot read /nonexistent: "), "{report}");
    assert_eq!(status, 2);
}

#[test]
fn create_prints_the_reference_and_delete_nothing() {
    let service = Service::start(|request: &Request| match request.action.as_str() {
        "Create" => (
            200,
            "<x:ResourceCreated xmlns:x=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\">\
             <a:Address>http://127.0.0.1/wsman</a:Address><a:ReferenceParameters>\
             <w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/config/listener</w:ResourceURI>\
             <w:SelectorSet><w:Selector Name=\"Address\">*</w:Selector></w:SelectorSet>\
             </a:ReferenceParameters></x:ResourceCreated>"
                .to_owned(),
        ),
        _ => (200, String::new()),
    });
    let created = ran(&service, "create winrm/config/listener?Address=* @{Port=\"80\"}");
    assert!(
        created.out.starts_with("ResourceCreated\n    Address = http://127.0.0.1/wsman\n"),
        "{}",
        created.out
    );
    let body = service.requests().pop().unwrap().body().to_owned();
    assert_eq!(
        body,
        "<p:listener xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/config/listener\">\
         <p:Port>80</p:Port></p:listener>"
    );
    let deleted = ran(&service, "delete winrm/config/listener?Address=*");
    assert_eq!((deleted.done.unwrap(), deleted.out.as_str()), (Completion::Success, ""));
}

#[test]
fn invoke_sends_the_input_to_the_method() {
    let service =
        always("<p:Create_OUTPUT xmlns:p=\"urn:p\"><p:ReturnValue>0</p:ReturnValue></p:Create_OUTPUT>");
    let ran = ran(&service, "invoke Create wmicimv2/Win32_Process @{CommandLine=\"notepad\"}");
    assert_eq!(ran.out, "Create_OUTPUT\n    ReturnValue = 0\n\n");
    let request = service.requests().pop().unwrap();
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Process";
    assert_eq!(request.text("a:Action"), format!("{uri}/Create"));
    let body =
        format!("<p:Create_INPUT xmlns:p=\"{uri}\"><p:CommandLine>notepad</p:CommandLine></p:Create_INPUT>");
    assert_eq!(request.body(), body);
}

#[test]
fn identify_may_be_anonymous() {
    let service = always(
        "<i:IdentifyResponse xmlns:i=\"urn:i\"><i:ProductVendor>x</i:ProductVendor></i:IdentifyResponse>",
    );
    let line = format!("id -r:http://127.0.0.1:{}/wsman -auth:none", service.port);
    let Ok(Invocation::Run(command)) = parse(&words(&line)) else { panic!("{line}") };
    let ran = execute(*command, "");
    assert_eq!(ran.out, "IdentifyResponse\n    ProductVendor = x\n\n");
    let headers = service.requests().pop().unwrap().headers;
    assert!(headers.contains("WSMANIDENTIFY: unauthenticated"), "{headers}");
    assert!(!headers.contains("Authorization"), "{headers}");
}

/// Starts a service that returns two items, and then the response of `second`.
fn pages(second: impl Fn() -> Answer + Send + Sync + 'static) -> Service {
    Service::start(move |request: &Request| match request.action.as_str() {
        "Enumerate" => (
            200,
            "<n:EnumerateResponse><n:EnumerationContext>c</n:EnumerationContext><w:Items>\
             <p:A xmlns:p=\"urn:p\"><p:N>1</p:N></p:A><p:A xmlns:p=\"urn:p\"><p:N>2</p:N></p:A>\
             </w:Items></n:EnumerateResponse>"
                .to_owned(),
        ),
        _ => second(),
    })
}

#[test]
fn enumerate_prints_every_page() {
    let service = pages(|| {
        let page = "<n:PullResponse><n:Items><p:A xmlns:p=\"urn:p\"><p:N>3</p:N></p:A></n:Items>\
            <n:EndOfSequence/></n:PullResponse>";
        (200, page.to_owned())
    });
    let text = ran(&service, "e wmicimv2/A");
    assert_eq!(text.out, "A\n    N = 1\n\nA\n    N = 2\n\nA\n    N = 3\n\n");
    let json = ran(&service, "e wmicimv2/A -f:json");
    assert_eq!(json.out, "[\n{\"A\":{\"N\":\"1\"}},\n{\"A\":{\"N\":\"2\"}},\n{\"A\":{\"N\":\"3\"}}\n]\n");
}

#[test]
fn output_of_a_failed_enumeration_is_closed_before_the_error() {
    let service = pages(|| fault(2_150_858_779, "n:InvalidEnumerationContext", "the context is gone"));
    let ran = ran(&service, "e wmicimv2/A -f:xml");
    assert!(ran.out.starts_with("<wsman:Results "), "{}", ran.out);
    assert!(ran.out.ends_with("</wsman:Results>\n"), "{}", ran.out);
    let (report, status) = ran.report(Format::Text);
    assert!(
        report.starts_with("WSManFault\n    Message = the context is gone\n\nError number:  -21441085"),
        "{report}"
    );
    assert_eq!(status, 6);
}

#[test]
fn filters_are_sent_in_their_dialect() {
    let service = pages(|| (200, "<n:PullResponse><n:EndOfSequence/></n:PullResponse>".to_owned()));
    for (line, expected) in [
        (
            "e wmicimv2/* -filter:select·*·from·A",
            "<w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">select * from A</w:Filter>",
        ),
        (
            "e wmicimv2/A -dialect:selector -filter:{State=\"Running\"}",
            "<w:SelectorSet><w:Selector Name=\"State\">Running</w:Selector></w:SelectorSet></w:Filter>",
        ),
        ("e wmicimv2/A -returntype:epr", "<w:EnumerationMode>EnumerateEPR</w:EnumerationMode>"),
    ] {
        ran(&service, line).done.unwrap();
        let requests = service.requests();
        let enumerate = requests.iter().rfind(|request| request.action == "Enumerate").unwrap();
        assert!(enumerate.body().contains(expected), "{line}: {}", enumerate.body());
    }
}

#[test]
fn a_fault_names_the_host_the_user_and_the_resource() {
    let service = Service::start(|_: &Request| fault(5, "w:AccessDenied", "access is denied"));
    let (report, status) = ran(&service, "get winrm/config").report(Format::Text);
    assert_eq!(
        report,
        "WSManFault
    Message = access is denied

Error number:  5 0x5
access is denied

winrm: host 127.0.0.1, resource winrm/config, user ann
  the user must be in a group that the security descriptor names, or have an entry of its own
  RootSDDL decides unless the plug-in has an entry for the resource: winrm help security
  (fault w:AccessDenied, code 5, 0x5, ERROR_ACCESS_DENIED)
"
    );
    assert_eq!(status, 5);
}

#[test]
fn a_wrong_password_is_reported_with_the_offered_schemes() {
    let service = Service::start(|_: &Request| (401, String::new()));
    let (report, status) = ran(&service, "get winrm/config").report(Format::Text);
    assert!(report.contains("\n  the service offers Basic; the client tried Basic\n"), "{report}");
    assert!(!report.contains("secret"), "{report}");
    assert_eq!(status, 4);
}

#[test]
fn a_refused_connection_is_reported() {
    let line = "id -r:http://127.0.0.1 -port:1 -auth:none";
    let Ok(Invocation::Run(command)) = parse(&words(line)) else { panic!("{line}") };
    let (report, status) = execute(*command, "").report(Format::Text);
    assert!(report.contains("\n\nwinrm: host 127.0.0.1\n"), "{report}");
    assert!(report.contains("Error number:  -2144108526 0x80338012\n"), "{report}");
    assert_eq!(status, Kind::Connect.exit_status(ExitCodes::Detailed));
}

#[test]
fn nothing_is_sent_unencrypted_without_the_switch() {
    let service = always(CLIENT);
    let line = format!("get winrm/config -r:http://127.0.0.1:{} -auth:basic -u:ann -p:secret", service.port);
    let Ok(Invocation::Run(command)) = parse(&words(&line)) else { panic!("{line}") };
    let (report, status) = execute(*command, "").report(Format::Text);
    assert!(report.contains("  or allow them: -unencrypted\n"), "{report}");
    assert_eq!((status, service.requests().len()), (5, 0));
}

#[test]
fn configsddl_sets_the_root_descriptor() {
    let service = Service::start(|request: &Request| match request.action.as_str() {
        "Get" => {
            (200, "<c:Service xmlns:c=\"urn:c\"><c:RootSDDL>O:BAG:BA</c:RootSDDL></c:Service>".to_owned())
        }
        _ => (200, request.body().to_owned()),
    });
    ran(&service, "configSDDL default -sddl:O:NSG:BAD:P(A;;GA;;;BA)").done.unwrap();
    let put = service.requests().pop().unwrap();
    assert!(put.body().contains("<c:RootSDDL>O:NSG:BAD:P(A;;GA;;;BA)</c:RootSDDL>"), "{}", put.body());
}

#[test]
fn association_filters_are_sent_with_their_object() {
    let service =
        always("<n:EnumerateResponse><n:EnumerationContext/><w:EndOfSequence/></n:EnumerateResponse>");
    for (switch, element) in [("", "AssociatedInstances"), ("-associations", "AssociationInstances")] {
        let line = "e wmicimv2/* -dialect:association \
            -filter:{Object=Win32_Service?Name=spooler;ResultClassName=Win32_Process;Role=Dependent}";
        ran(&service, &format!("{line} {switch}")).done.unwrap();
        let body = service.requests().pop().unwrap().body().to_owned();
        for part in [
            "<w:Filter Dialect=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter\">",
            &format!(
                "<b:{element} xmlns:b=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd\"><b:Object>"
            ),
            "<w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service</w:ResourceURI>",
            "<w:Selector Name=\"Name\">spooler</w:Selector>",
            "</b:Object><b:Role>Dependent</b:Role><b:ResultClassName>Win32_Process</b:ResultClassName>",
        ] {
            assert!(body.contains(part), "{part} is not in {body}");
        }
    }
}

#[test]
fn polymorphism_modes_are_sent() {
    for (switches, mode) in [
        ("", None),
        ("-shallow", Some("None")),
        ("-basepropertiesonly", Some("ExcludeSubClassProperties")),
        ("-shallow -basepropertiesonly", Some("None")),
    ] {
        let service =
            always("<n:EnumerateResponse><n:EnumerationContext/><w:EndOfSequence/></n:EnumerateResponse>");
        ran(&service, &format!("e winrm/config/listener {switches}")).done.unwrap();
        let request = service.requests().pop().unwrap();
        assert_eq!(request.body().contains("PolymorphismMode"), mode.is_some(), "{}", request.body());
        assert_eq!(request.text("b:PolymorphismMode"), mode.unwrap_or_default(), "{switches}");
    }
}

#[test]
fn a_failure_without_a_fault_shows_the_response_and_advice() {
    for (content, seen) in [("", "HTTP 500"), ("<a>no fault</a>", "application/soap+xml")] {
        let service = Service::start(move |_: &Request| -> Answer { (500, content.to_owned()) });
        let (report, status) = ran(&service, "get winrm/config").report(Format::Text);
        for part in
            [seen, "use https://", "-set:AllowUnencrypted=true\n", "on 127.0.0.1:\n", "log of the service"]
        {
            assert!(report.contains(part), "{part} is not in {report}");
        }
        assert_eq!(status, 6);
    }
}
