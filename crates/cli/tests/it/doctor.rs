//! `winrm doctor`: arguments, and findings for a Windows service.

use telarch_cli::doctor::{self, DoctorCommand};
use telarch_cli::failure::Kind;
use telarch_cli::winrm::Invocation;
use telarch_cli::{ClientSettings, Format, Screen};

use crate::service::{Request, Service, fault};
use crate::{endpoint, parse, refusal};

fn command(line: &str) -> DoctorCommand {
    match parse(line) {
        Ok(Invocation::Doctor(command)) => *command,
        other => panic!("{line} became {other:?}"),
    }
}

#[test]
fn the_endpoint_is_an_argument_or_a_switch() {
    for line in ["doctor https://server7:5986", "doctor -r:https://server7:5986", "DOCTOR server7 -usessl"] {
        let endpoint = endpoint(command(line).connection);
        assert_eq!(endpoint.to_string(), "https://server7:5986/wsman", "{line}");
    }
    let (problem, way_out) = refusal("doctor server7 -r:server8");
    assert_eq!(problem, "the endpoint is given twice, as an argument and with -remote");
    assert_eq!(way_out, "omit one of them: winrm doctor server7");
    assert!(refusal("doctor server7 server8").0.contains("at most one argument"));
}

#[test]
fn findings_are_printed_as_text_or_json() {
    for format in ["text", "json", "ndjson"] {
        assert!(matches!(parse(&format!("doctor -format:{format}")), Ok(Invocation::Doctor(_))), "{format}");
    }
    assert_eq!(command("doctor -f:ndjson").format, Format::Ndjson);
    for format in ["xml", "pretty", "yaml"] {
        assert!(refusal(&format!("doctor -format:{format}")).1.contains("-format:ndjson"), "{format}");
    }
}

#[test]
fn config_and_state_require_the_local_service() {
    let local = command("doctor -config:/x/config.toml -state:/x/state");
    assert_eq!(local.config.as_deref(), Some("/x/config.toml".as_ref()));
    assert_eq!(local.state.as_deref(), Some("/x/state".as_ref()));
    assert!(refusal("doctor server7 -config:/x").0.contains("require the local service"));
    assert!(refusal("get winrm/config -config:/x").0.contains("-config"));
}

#[test]
fn denied_access_on_windows_is_explained_for_local_administrators() {
    let (kind, text) = report_of_denying_service("");
    assert_eq!(kind, Some(Kind::Denied), "{text}");
    assert!(text.contains("\n  warn  access         access denied: Access is denied.\n"), "{text}");
    assert!(text.contains("\n  fail  shell          access denied: Access is denied.\n"), "{text}");
    assert_eq!(text.matches("LocalAccountTokenFilterPolicy").count(), 2, "{text}");
    assert!(text.ends_with("; fix shell first\n"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_service_with_vendor_microsoft_is_not_assumed_to_be_windows() {
    let product = "<t:Product xmlns:t=\"urn:telarch:identity\">Telarch</t:Product>";
    let (kind, text) = report_of_denying_service(product);
    assert_eq!(kind, Some(Kind::Denied), "{text}");
    assert!(
        text.contains(" Telarch, with the configured vendor Microsoft Corporation, OS: 0.0.0 "),
        "{text}"
    );
    assert!(!text.contains("LocalAccountTokenFilterPolicy"), "{text}");
}

/// Returns the report about a service with vendor Microsoft and `more` elements that denies all access.
fn report_of_denying_service(more: &'static str) -> (Option<Kind>, String) {
    let service = Service::start(move |request: &Request| {
        if request.envelope.contains("Identify") {
            let identity = format!(
                "<i:IdentifyResponse xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">\
                 <i:ProductVendor>Microsoft Corporation</i:ProductVendor>\
                 <i:ProductVersion>OS: 0.0.0 SP: 0.0 Stack: 3.0</i:ProductVersion>{more}</i:IdentifyResponse>"
            );
            return (200, identity);
        }
        match request.envelope.is_empty() {
            true => (401, String::new()),
            false => fault(5, "w:AccessDenied", "Access is denied."),
        }
    });
    report(&format!("doctor http://127.0.0.1:{} -un -auth:basic -u:ann -p:secret", service.port))
}

#[test]
fn text_of_the_service_cannot_break_lines_or_control_the_terminal() {
    let service = Service::start(|request: &Request| match request.envelope.is_empty() {
        true => (401, String::new()),
        false => fault(5, "w:AccessDenied", "no&#x9b;31m&#10;  pass  shell"),
    });
    let (_, text) = report(&format!("doctor http://127.0.0.1:{} -auth:none", service.port));
    assert!(text.contains("fail  identify       no\u{FFFD}31m\n"), "{text:?}");
    assert!(text.contains("-> the service advises: pass"), "{text:?}");
    assert!(!text.contains("\n  pass  shell") && !text.contains('\u{9b}'), "{text:?}");
}

/// Returns the result and output of a command without a terminal.
fn report(line: &str) -> (Option<Kind>, String) {
    let settings = ClientSettings::new(permissive());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut out = Vec::new();
    let screen = Screen::none();
    let kind = runtime
        .block_on(doctor::run(command(line), &settings, &mut out, &screen))
        .unwrap_or_else(|stop| panic!("{stop:?}"));
    (kind, String::from_utf8(out).unwrap())
}

/// Returns client settings that allow Basic over HTTP.
fn permissive() -> config::Client {
    let mut client = config::Client::default();
    client.auth.basic = true;
    client.allow_unencrypted = true;
    client
}
