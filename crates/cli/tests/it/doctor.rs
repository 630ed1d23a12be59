//! `winrm doctor`: what it takes, and what it tells of a service of Windows.

use telarch_cli::doctor::{self, Examination};
use telarch_cli::failure::Kind;
use telarch_cli::winrm::Invocation;
use telarch_cli::{ClientSettings, Format, Screen};

use crate::service::{Asked, Service, fault};
use crate::{endpoint, parse, refusal};

fn examination(line: &str) -> Examination {
    match parse(line) {
        Ok(Invocation::Examine(examination)) => *examination,
        other => panic!("{line} became {other:?}"),
    }
}

#[test]
fn the_host_is_a_word_or_a_switch() {
    for line in ["doctor https://server7:5986", "doctor -r:https://server7:5986", "DOCTOR server7 -usessl"] {
        let endpoint = endpoint(examination(line).connection);
        assert_eq!(endpoint.to_string(), "https://server7:5986/wsman", "{line}");
    }
    let (problem, way_out) = refusal("doctor server7 -r:server8");
    assert_eq!(problem, "the host is given as a word and with -remote");
    assert_eq!(way_out, "leave one of them away: winrm doctor server7");
    assert!(refusal("doctor server7 server8").0.contains("at most one word"));
}

#[test]
fn findings_are_text_or_json() {
    for format in ["text", "json", "ndjson"] {
        assert!(matches!(parse(&format!("doctor -format:{format}")), Ok(Invocation::Examine(_))), "{format}");
    }
    assert_eq!(examination("doctor -f:ndjson").format, Format::Ndjson);
    for format in ["xml", "pretty", "yaml"] {
        assert!(refusal(&format!("doctor -format:{format}")).1.contains("-format:ndjson"), "{format}");
    }
}

#[test]
fn files_are_those_of_this_machine() {
    let local = examination("doctor -config:/x/config.toml -state:/x/state");
    assert_eq!(local.config.as_deref(), Some("/x/config.toml".as_ref()));
    assert_eq!(local.state.as_deref(), Some("/x/state".as_ref()));
    assert!(refusal("doctor server7 -config:/x").0.contains("about the service of this machine"));
    assert!(refusal("get winrm/config -config:/x").0.contains("-config"));
}

#[test]
fn a_local_administrator_of_windows_is_told_why_there_are_no_rights_over_the_network() {
    let (kind, text) = told_by_one_that_denies("");
    assert_eq!(kind, Some(Kind::Denied), "{text}");
    assert!(text.contains("\n  warn  access         access denied: Access is denied.\n"), "{text}");
    assert!(text.contains("\n  fail  shell          access denied: Access is denied.\n"), "{text}");
    assert_eq!(text.matches("LocalAccountTokenFilterPolicy").count(), 2, "{text}");
    assert!(text.ends_with("; begin with shell\n"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn who_only_calls_its_vendor_microsoft_is_not_taken_for_windows() {
    let product = "<t:Product xmlns:t=\"urn:telarch:identity\">Telarch</t:Product>";
    let (kind, text) = told_by_one_that_denies(product);
    assert_eq!(kind, Some(Kind::Denied), "{text}");
    assert!(
        text.contains(" Telarch, with the configured vendor Microsoft Corporation, OS: 0.0.0 "),
        "{text}"
    );
    assert!(!text.contains("LocalAccountTokenFilterPolicy"), "{text}");
}

/// What is said of a service that names Microsoft as vendor and `more` beside it, and lets nobody do anything.
fn told_by_one_that_denies(more: &'static str) -> (Option<Kind>, String) {
    let service = Service::start(move |asked: &Asked| {
        if asked.envelope.contains("Identify") {
            let identity = format!(
                "<i:IdentifyResponse xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">\
                 <i:ProductVendor>Microsoft Corporation</i:ProductVendor>\
                 <i:ProductVersion>OS: 0.0.0 SP: 0.0 Stack: 3.0</i:ProductVersion>{more}</i:IdentifyResponse>"
            );
            return (200, identity);
        }
        match asked.envelope.is_empty() {
            true => (401, String::new()),
            false => fault(5, "w:AccessDenied", "Access is denied."),
        }
    });
    told(&format!("doctor http://127.0.0.1:{} -un -auth:basic -u:ann -p:secret", service.port))
}

#[test]
fn what_a_service_says_can_neither_break_a_line_nor_steer_the_terminal() {
    let service = Service::start(|asked: &Asked| match asked.envelope.is_empty() {
        true => (401, String::new()),
        false => fault(5, "w:AccessDenied", "no&#x9b;31m&#10;  pass  shell"),
    });
    let (_, text) = told(&format!("doctor http://127.0.0.1:{} -auth:none", service.port));
    assert!(text.contains("fail  identify       access denied: no\u{FFFD}31m\n"), "{text:?}");
    assert!(!text.contains("\n  pass  shell") && !text.contains('\u{9b}'), "{text:?}");
}

/// What an examination prints where there is no terminal.
fn told(line: &str) -> (Option<Kind>, String) {
    let settings = ClientSettings::new(permissive());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut out = Vec::new();
    let screen = Screen::none();
    let kind = runtime
        .block_on(doctor::run(examination(line), &settings, &mut out, &screen))
        .unwrap_or_else(|stop| panic!("{stop:?}"));
    (kind, String::from_utf8(out).unwrap())
}

/// Those of a client to whom Basic over HTTP is allowed.
fn permissive() -> config::Client {
    let mut client = config::Client::default();
    client.auth.basic = true;
    client.allow_unencrypted = true;
    client
}
