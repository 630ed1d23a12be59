//! `wecutil` with a folder of subscriptions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use winevent::Subscription;

const SUBSCRIPTION: &str = r#"<Subscription xmlns="http://schemas.microsoft.com/2006/03/windows/events/subscription">
  <SubscriptionId>Logons</SubscriptionId>
  <SubscriptionType>SourceInitiated</SubscriptionType>
  <Description>All logons</Description>
  <ConfigurationMode>MinLatency</ConfigurationMode>
  <Query><![CDATA[<QueryList><Query Id="0"><Select Path="Security">*</Select></Query></QueryList>]]></Query>
</Subscription>"#;

const COLLECTOR_INITIATED: &str = r#"<Subscription xmlns="http://schemas.microsoft.com/2006/03/windows/events/subscription">
  <SubscriptionId>Servers</SubscriptionId>
  <SubscriptionType>CollectorInitiated</SubscriptionType>
  <ConfigurationMode>Custom</ConfigurationMode>
  <Delivery Mode="Pull"><Batching><MaxItems>5</MaxItems></Batching></Delivery>
  <Query><![CDATA[<QueryList><Query Id="0"><Select Path="System">*</Select></Query></QueryList>]]></Query>
  <CredentialsType>Negotiate</CredentialsType>
  <EventSources>
    <EventSource Enabled="true"><Address>web1</Address><UserName>ada</UserName><Password>s3cret</Password></EventSource>
    <EventSource Enabled="true"><Address>web2</Address></EventSource>
  </EventSources>
</Subscription>"#;

/// Settings and state of a service that does not run.
struct Service(tempfile::TempDir);

impl Service {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Returns a service with the subscription `Logons`.
    fn with_logons() -> Self {
        let service = Self::new();
        let file = service.file("logons.xml", SUBSCRIPTION);
        service.text(&["cs", file.to_str().unwrap()]);
        service
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wecutil"));
        command.args(arguments);
        command.env("TELARCH_CONFIG", self.0.path().join("config.toml"));
        command.env("TELARCH_STATE", self.0.path().join("state"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that fails, and returns its exit status and error message.
    fn failure(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(output.stdout.is_empty(), "{output:?}");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn subscription(&self, name: &str) -> Subscription {
        Subscription::parse(&self.text(&["gs", name, "/f:xml"])).unwrap().subscription
    }
}

#[test]
fn a_subscription_is_created_listed_shown_and_deleted() {
    let service = Service::with_logons();
    assert_eq!(service.text(&["es"]), "Logons\n");
    assert_eq!(service.text(&["Enum-Subscription"]), "Logons\n");
    assert_eq!(
        service.text(&["gs", "logons"]),
        "Subscription Id: Logons\nSubscriptionType: SourceInitiated\nDescription: All logons\nEnabled: true\n\
         Uri: http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog\nConfigurationMode: MinLatency\n\
         DeliveryMode: Push\nDeliveryMaxLatencyTime: 30000\nHeartbeatInterval: 3600000\n\
         Query: <QueryList><Query Id=\"0\"><Select Path=\"Security\">*</Select></Query></QueryList>\n\
         ReadExistingEvents: false\nTransportName: http\nContentFormat: RenderedText\nLocale: \n\
         LogFile: ForwardedEvents\nPublisherName: \nAllowedIssuerCAList: \nAllowedSubjectList: \n\
         DeniedSubjectList: \nAllowedSourceDomainComputers: O:NSG:NSD:(A;;GA;;;DC)(A;;GA;;;NS)\n"
    );
    let unicode = service.run(&["gs", "Logons", "-f:Terse", "-u:true"]).stdout;
    assert_eq!(unicode[..6], [0xFF, 0xFE, b'S', 0, b'u', 0]);
    assert_eq!(service.text(&["ds", "Logons"]), "");
    assert_eq!(service.text(&["es"]), "");
}

#[test]
fn files_of_windows_are_the_same_after_a_second_pass() {
    let Some(folder) = skips::recordings("events") else { return };
    let service = Service::new();
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.join("wecutil")).unwrap() {
        let path = entry.unwrap().path();
        service.text(&["cs", path.to_str().unwrap()]);
        let original = Subscription::parse(&fs::read_to_string(&path).unwrap()).unwrap().subscription;
        let name = original.id.to_string();
        let exported = service.text(&["gs", &name, "/f:xml"]);
        assert_eq!(service.subscription(&name), original);
        service.text(&["ds", &name]);
        let again = service.file("again.xml", &exported);
        service.text(&["cs", again.to_str().unwrap()]);
        assert_eq!(service.text(&["gs", &name, "/f:xml"]), exported);
        // UTF-16, as Windows may write it.
        let units = std::iter::once(0xFEFF).chain(exported.encode_utf16()).flat_map(u16::to_le_bytes);
        let unicode = service.file("unicode.xml", units.collect::<Vec<_>>());
        service.text(&["ss", &name, &format!("/c:{}", unicode.display())]);
        assert_eq!(service.text(&["gs", &name, "/f:xml"]), exported);
        names.push(name);
    }
    names.sort();
    assert_eq!(names.len(), 5);
    assert_eq!(service.text(&["es"]).lines().collect::<Vec<_>>(), names);
}

#[test]
fn every_setting_can_be_changed() {
    let service = Service::with_logons();
    let query =
        "<QueryList><Query Id='1'><Select Path='System'>*[System[Level=2]]</Select></Query></QueryList>";
    service.text(&[
        "ss",
        "Logons",
        "/e:false",
        "/d:Errors: all",
        "/uri:urn:events",
        "/cm:Custom",
        "/ex:2030-01-31T12:00:00",
        &format!("/q:{query}"),
        "/tn:HTTPS",
        "/tp:5986",
        "/dm:push",
        "/dmi:5",
        "/dmlt:2000",
        "/HeartbeatInterval:60000",
        "/cf:RenderedText",
        "/l:de-DE",
        "/ree",
        "/lf:Errors",
        "/pn:Publisher",
        "/hn:wec1",
        "/ica:0011223344556677889900112233445566778899,00 11 22 33 44 55 66 77 88 99 00 11 22 33 44 55 66 77 88 98",
        "/as:*.example.com,web1",
        "/ds:bad.example.com",
        "/adc:O:NSG:NSD:(A;;GA;;;DC)",
    ]);
    let changed = service.subscription("Logons");
    assert_eq!((changed.enabled, changed.description.as_str()), (false, "Errors: all"));
    assert_eq!((changed.uri.as_str(), changed.query.as_str()), ("urn:events", query));
    assert_eq!(changed.expires.unwrap().to_string(), "2030-01-31T12:00:00Z");
    assert_eq!((changed.transport.as_str(), changed.transport_port), ("https", Some(5986)));
    let timing = changed.timing();
    assert_eq!((timing.max_items, timing.max_latency, timing.heartbeat), (Some(5), 2_000, 60_000));
    assert_eq!((changed.locale.as_deref(), changed.read_existing_events), (Some("de-DE"), true));
    assert_eq!((changed.log_file.as_str(), changed.publisher.as_deref()), ("Errors", Some("Publisher")));
    assert_eq!(changed.delivery.host_name.as_deref(), Some("wec1"));
    assert_eq!(changed.non_domain_sources.issuers.len(), 2);
    assert!(changed.non_domain_sources.is_allowed("a.example.com"));
    assert!(!changed.non_domain_sources.is_allowed("bad.example.com"));
    assert_eq!(changed.domain_sources, "O:NSG:NSD:(A;;GA;;;DC)");
    service.text(&["set-subscription", "logons", "/ex:", "/as:", "/e", "/cf:events"]);
    let changed = service.subscription("Logons");
    assert!(changed.enabled && changed.expires.is_none() && changed.non_domain_sources.allowed.is_empty());
    assert_eq!(changed.content_format.as_str(), "Events");
}

#[test]
fn wrong_command_lines_are_refused() {
    let service = Service::with_logons();
    for arguments in [
        &["frobnicate"][..],
        &["es", "x"],
        &["gs"],
        &["gs", "Logons", "/f:html"],
        &["gs", "Logons", "/x:1"],
        &["ss", "Logons"],
        &["ss", "Logons", "/e:maybe"],
        &["ss", "Logons", "/cm:Fast"],
        // The delivery settings of MinLatency are fixed.
        &["ss", "Logons", "/dmi:5"],
        &["ss", "Logons", "/cm:Custom", "/dmi:0"],
        &["ss", "Logons", "/cf:Events", "/l:en-US"],
        &["ss", "Logons", "/tp:0"],
        &["ss", "Logons", "/ex:tomorrow"],
        &["ss", "Logons", "/ica:12"],
        &["ss", "Logons", "/q:"],
        &["ss", "Logons", "/ese:true"],
        &["ss", "Logons", "/esa:web1", "/aes", "/res"],
        &["ss", "Logons", "/esa:web1", "/up:secret"],
        &["ss", "Logons", "/c:x.xml", "/e"],
        // The subscription is source-initiated.
        &["ss", "Logons", "/esa:web1", "/aes"],
        &["ss", "Logons", "/cun:ada"],
        &["ss", "Logons", "/ct:Basic"],
        &["cs"],
        &["cs", "x.xml", "/cup:secret"],
        &["qc", "/q:perhaps"],
    ] {
        let (status, message) = service.failure(arguments);
        assert_eq!(status, 87, "{arguments:?}: {message}");
        assert!(message.contains("-?") && !message.contains("secret"), "{message}");
    }
    assert_eq!(service.subscription("Logons"), Subscription::parse(SUBSCRIPTION).unwrap().subscription);
}

#[test]
fn failures_have_the_numbers_of_windows() {
    let service = Service::with_logons();
    let file = |name: &str, from: &str, to: &str| {
        let text = SUBSCRIPTION.replace("Logons<", "Other<").replace(from, to);
        service.file(name, text).to_str().unwrap().to_owned()
    };
    let same = service.file("same.xml", SUBSCRIPTION);
    let no_xml = file("a.xml", "</Subscription>", "");
    let no_query = file("b.xml", "<QueryList>", "<Other>");
    let no_path = file("c.xml", " Path=\"Security\"", "");
    let twice = service.file("h.xml", COLLECTOR_INITIATED.replace("web2", "WEB1"));
    let twice = twice.to_str().unwrap();
    let pull = file("e.xml", "  <Query>", "  <Delivery Mode=\"Pull\"/><Query>");
    let descriptor =
        file("f.xml", "  <Query>", "<AllowedSourceDomainComputers>x</AllowedSourceDomainComputers><Query>");
    let other = file("g.xml", "x", "x");
    for (arguments, status, part) in [
        (&["gs", "None"][..], 2, "Failed to open subscription. Error = 0x2.\n"),
        (&["gr", "None"], 2, "wecutil es"),
        (&["ds", "None"], 2, "\"None\""),
        (&["rs", "None"], 2, "\"None\""),
        (&["ss", "None", "/e"], 2, "\"None\""),
        (&["gr", "Logons", "web1"], 2, "no message from web1"),
        (&["cs", "/nonexistent/x.xml"], 2, "/nonexistent/x.xml"),
        (&["cs", same.to_str().unwrap()], 183, "Error = 0xB7.\n"),
        (&["cs", &no_xml], 13, "not well-formed"),
        (&["cs", &no_query], 1, "query is invalid"),
        (&["cs", &no_path], 1, "Path is missing"),
        (&["cs", twice], 13, "WEB1 is listed twice"),
        (&["cs", &pull], 13, "Push"),
        (&["cs", &descriptor], 13, "AllowedSourceDomainComputers"),
        (&["ss", "Logons", &format!("/c:{other}")], 13, "SubscriptionId \"Other\""),
        (&["ss", "Logons", "/adc:x"], 13, "AllowedSourceDomainComputers"),
        (&["ss", "Logons", "/q:*[x"], 1, "query"),
        (&["ss", "Logons", "/cm:Custom", "/dm:Pull"], 13, "Push"),
        (&["ss", "Logons", "/essp:true"], 50, "essp is not supported"),
        (&["cs", &other, "/cun:ada", "/cup:secret"], 87, "not valid for a SourceInitiated"),
    ] {
        let (found, message) = service.failure(arguments);
        assert_eq!(found, status, "{arguments:?}: {message}");
        assert!(message.contains(part) && !message.contains("secret"), "{arguments:?}: {message}");
    }
    assert_eq!(service.text(&["es"]), "Logons\n");
    // A file that an administrator has broken is named.
    fs::write(service.0.path().join("event-subscriptions/broken.xml"), "x").unwrap();
    let (status, message) = service.failure(&["es"]);
    assert!(status == 13 && message.contains("broken.xml"), "{message}");
}

#[test]
fn a_subscription_that_no_collector_has_loaded_is_inactive() {
    let service = Service::with_logons();
    let output = service.run(&["gr", "Logons"]);
    let text = "\nSubscription: Logons\n\tRunTimeStatus: Inactive\n\tLastError: 0\n\tEventSources:\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
    assert!(String::from_utf8(output.stderr).unwrap().contains("has not loaded"));
    service.text(&["ss", "Logons", "/ex:2001-01-01T00:00:00Z"]);
    assert!(String::from_utf8(service.run(&["gr", "Logons"]).stderr).unwrap().contains("has expired"));
    service.text(&["ss", "Logons", "/e:false"]);
    assert!(service.text(&["gr", "Logons"]).contains("RunTimeStatus: Disabled\n"));
    let (status, message) = service.failure(&["rs", "Logons"]);
    assert!(status == 1 && message.contains("is disabled"), "{message}");
    assert!(service.run(&["ss", "Logons", "/e"]).status.success());
    assert!(service.run(&["rs", "Logons"]).status.success());
}

#[test]
fn sources_and_credentials_of_a_collector_initiated_subscription_are_changed() {
    let service = Service::new();
    let file = service.file("servers.xml", COLLECTOR_INITIATED);
    service.text(&["cs", file.to_str().unwrap(), "/cun:CORP\\collector", "/cup:c0mmon"]);
    let terse = service.text(&["gs", "Servers"]);
    let end = "PublisherName: \nCredentialsType: Negotiate\nCommonUserName: CORP\\collector\n\nEventSource[0]:\n\
               \tAddress: web1\n\tEnabled: true\n\tUserName: ada\n\nEventSource[1]:\n\tAddress: web2\n\tEnabled: true\n";
    assert!(terse.contains("DeliveryMode: Pull\n") && terse.ends_with(end), "{terse}");
    let local = COLLECTOR_INITIATED.replace("Negotiate", "LocalMachine").replace("Servers<", "Local<");
    service.text(&["cs", service.file("local.xml", local).to_str().unwrap()]);
    // As on Windows these presets push, but only if sources can reach the collector.
    service.text(&["ss", "Local", "/cm:MinLatency"]);
    let pulls = service.text(&["gs", "Local"]);
    assert!(
        pulls.contains("CredentialsType: LocalMachine\n") && pulls.contains("DeliveryMode: Pull\n"),
        "{pulls}"
    );
    service.file("config.toml", "EventCollector.DeliveryUrl = \"https://wec.example.com:5986/wsman\"\n");
    for (mode, expected) in [("MinLatency", "Push"), ("MinBandwidth", "Push"), ("Normal", "Pull")] {
        service.text(&["ss", "Local", &format!("/cm:{mode}")]);
        let shown = service.text(&["gs", "Local"]);
        assert!(shown.contains(&format!("DeliveryMode: {expected}\n")), "{shown}");
    }
    service.text(&["ds", "Local"]);
    let passwords = || eventing::SourcePasswords::of_state(&service.0.path().join("state")).export().unwrap();
    let stored = || String::from_utf8(passwords().to_vec()).unwrap().lines().count();
    assert_eq!(stored(), 2);
    service.text(&["ss", "Servers", "/esa:WEB1", "/un:ben"]);
    assert_eq!(stored(), 1, "the password of another user is removed");
    let mut asked =
        service.command(&["ss", "Servers", "/esa:web3", "/aes", "/ese:false", "/un:eve", "/up:*"]);
    assert!(asked.env("TELARCH_PASSWORD", "thr33").status().unwrap().success());
    service.text(&["ss", "Servers", "/ct:Basic", "/cun:"]);
    let changed = service.subscription("Servers");
    let sources: Vec<_> = changed
        .sources
        .iter()
        .map(|source| (source.address.as_str(), source.enabled, source.user_name.as_deref()))
        .collect();
    assert_eq!(sources, [("web1", true, Some("ben")), ("web2", true, None), ("web3", false, Some("eve"))]);
    assert_eq!((changed.credentials.as_str(), changed.common_user_name), ("Basic", None));
    assert_eq!(stored(), 1);
    let status = service.text(&["gr", "Servers"]);
    for part in ["\t\tweb1\n\t\t\tRunTimeStatus: Trying\n", "\t\tweb3\n\t\t\tRunTimeStatus: Disabled\n"] {
        assert!(status.contains(part), "{status}");
    }
    service.text(&["ss", "Servers", "/esa:web2", "/res"]);
    assert!(!service.text(&["gs", "Servers"]).contains("web2"));
    for (arguments, status) in [
        (&["ss", "Servers", "/esa:web2", "/res"][..], 2),
        (&["ss", "Servers", "/esa:web2", "/ese:true"], 2),
        (&["ss", "Servers", "/esa:web1", "/aes"], 13),
        (&["ss", "Servers", "/as:*.example.com"], 87),
        (&["gr", "Servers", "web2"], 2),
    ] {
        assert_eq!(service.failure(arguments).0, status, "{arguments:?}");
    }
    // An exported file can be imported again, and the passwords stay.
    let exported = service.file("exported.xml", service.text(&["gs", "Servers", "/f:xml"]));
    service.text(&["ss", "Servers", &format!("/c:{}", exported.display())]);
    assert_eq!(stored(), 1);
    service.text(&["ds", "Servers"]);
    assert_eq!(stored(), 0);
}

#[test]
fn help_has_every_command() {
    let service = Service::new();
    for arguments in [&[][..], &["-?"], &["/?"], &["help"]] {
        let text = service.text(arguments);
        for command in
            ["es | enum-subscription", "gr | get-subscriptionruntimestatus ID", "qc | quick-config"]
        {
            assert!(text.contains(command), "{text}");
        }
    }
    let text = service.text(&["ss", "-?"]);
    assert!(text.starts_with("Usage: wecutil { ss | set-subscription } ID"), "{text}");
    assert!(text.contains("  /e[:true|false] (enabled)\n") && text.contains("  /adc:SDDL ("), "{text}");
}

#[test]
fn quick_config_enables_the_collector() {
    let service = Service::new();
    let answered = |answer: &str| {
        let mut command = service.command(&["qc"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    for answer in ["n\n", ""] {
        let declined = answered(answer);
        assert_eq!(declined.status.code(), Some(1), "{declined:?}");
        assert!(!service.0.path().join("config.toml").exists());
    }
    assert!(answered("Y\n").status.success());
    let settings = || fs::read_to_string(service.0.path().join("config.toml")).unwrap();
    assert!(settings().contains("Enabled = true"), "{}", settings());
    assert!(service.0.path().join("event-subscriptions").is_dir());
    let before = settings();
    assert_eq!(service.text(&["qc", "/q"]), "The collector of events was configured successfully.\n");
    assert_eq!(settings(), before);
}
