//! Subscriptions: every setting, defaults, versions, and wrong files.

use telarch_winevent::subscription::{
    ConfigurationMode, ContentFormat, CredentialsType, DEFAULT_DOMAIN_SOURCES, DeliveryMode, MAX_TEXT,
    SubscriptionId, SubscriptionType, TransportName,
};
use telarch_winevent::{Subscription, Timestamp, WinEventError};

const QUERY: &str = "<QueryList><Query Id=\"0\"><Select Path=\"Security\">*</Select></Query></QueryList>";

const FULL: &str = r#"<Subscription xmlns="http://schemas.microsoft.com/2006/03/windows/events/subscription">
  <SubscriptionType>CollectorInitiated</SubscriptionType>
  <New>1</New>
  <Query><![CDATA[<QueryList><Query Id="0"><Select Path="Security">*</Select></Query></QueryList>]]></Query>
  <SubscriptionId> logons </SubscriptionId>
  <Description>Logons &amp; more</Description>
  <Enabled>FALSE</Enabled>
  <Uri>urn:resource</Uri>
  <ConfigurationMode>custom</ConfigurationMode>
  <Delivery Mode="Pull">
    <Batching><MaxItems>7</MaxItems><MaxLatencyTime>1000</MaxLatencyTime></Batching>
    <PushSettings><HostName>wec1</HostName><Heartbeat Interval="60000"/></PushSettings>
  </Delivery>
  <Expires>2030-01-01T00:00:00.000Z</Expires>
  <Dialect>urn:dialect</Dialect>
  <ReadExistingEvents>1</ReadExistingEvents>
  <TransportName>HTTPS</TransportName>
  <TransportPort>443</TransportPort>
  <ContentFormat>Events</ContentFormat>
  <Locale Language="de-DE"/>
  <LogFile>Other</LogFile>
  <PublisherName>Publisher</PublisherName>
  <CredentialsType>Basic</CredentialsType>
  <EventSources>
    <EventSource Enabled="false"><Address>web1</Address><UserName>u</UserName><Password> p </Password></EventSource>
    <EventSource><Address>web2</Address></EventSource>
  </EventSources>
  <AllowedSourceNonDomainComputers>
    <AllowedIssuerCAList><IssuerCA>00112233445566778899aabbccddeeff00112233</IssuerCA></AllowedIssuerCAList>
    <AllowedSubjectList><Subject>*.example.com</Subject><Subject>b</Subject></AllowedSubjectList>
    <DeniedSubjectList><Subject>c</Subject></DeniedSubjectList>
  </AllowedSourceNonDomainComputers>
  <AllowedSourceDomainComputers>O:NSG:NSD:(A;;GA;;;DC)</AllowedSourceDomainComputers>
</Subscription>"#;

#[test]
fn every_setting_is_read_and_kept() {
    let import = Subscription::parse(FULL).unwrap();
    assert_eq!(import.ignored, ["New"]);
    let subscription = import.subscription;
    assert_eq!(subscription.id.as_str(), "logons");
    assert_eq!(subscription.kind, SubscriptionType::CollectorInitiated);
    assert_eq!(subscription.description, "Logons & more");
    assert!(!subscription.enabled && subscription.read_existing_events);
    assert_eq!(subscription.mode, ConfigurationMode::Custom);
    assert_eq!(subscription.delivery.mode, DeliveryMode::Pull);
    let timing = subscription.timing();
    assert_eq!((timing.max_latency, timing.heartbeat, timing.max_items), (1_000, 60_000, Some(7)));
    assert_eq!(subscription.expires.unwrap().to_string(), "2030-01-01T00:00:00.000Z");
    assert_eq!(subscription.query, QUERY);
    assert_eq!((subscription.transport, subscription.transport_port), (TransportName::Https, Some(443)));
    assert_eq!(subscription.content_format.option(), "Raw");
    assert_eq!(subscription.locale.as_deref(), Some("de-DE"));
    assert_eq!(subscription.credentials, CredentialsType::Basic);
    assert_eq!(subscription.sources.len(), 2);
    assert_eq!(subscription.sources[0].password.as_ref().unwrap().expose(), " p ");
    assert!(!format!("{subscription:?}").contains(" p "));
    assert!(subscription.non_domain_sources.is_allowed("web.example.com"));
    let exported = subscription.to_xml();
    assert!(subscription.has_passwords() && !exported.contains("assword"), "{exported}");
    let again = Subscription::parse(&exported).unwrap().subscription;
    assert_eq!(again.to_xml(), exported);
    assert_eq!(again, subscription.without_passwords());
}

#[test]
fn a_source_without_user_name_has_the_common_credentials() {
    let common = "<CommonUserName>ada</CommonUserName><CommonPassword>c</CommonPassword><EventSources>\
         <EventSource><Address>web1</Address><UserName>u</UserName><Password>p</Password></EventSource>\
         <EventSource><Address>web2</Address></EventSource>\
         <EventSource><Address>web3</Address><UserName>u</UserName></EventSource></EventSources>";
    let text = minimal(common).replace("SourceInitiated", "CollectorInitiated");
    let subscription = Subscription::parse(&text).unwrap().subscription;
    let found = subscription
        .sources
        .iter()
        .map(|source| subscription.credentials_of(source).map(|(user, password)| (user, password.expose())));
    assert_eq!(found.collect::<Vec<_>>(), [Some(("u", "p")), Some(("ada", "c")), None]);
    assert_eq!(subscription.delivery_mode(), DeliveryMode::Pull);
    let wrong = text.replace("<CommonUserName>ada", "<CommonUserName>a&#9;b");
    assert!(Subscription::parse(&wrong).is_err());
}

fn minimal(extra: &str) -> String {
    format!(
        "<Subscription xmlns='http://schemas.microsoft.com/2006/03/windows/events/subscription'>\
         <SubscriptionId>a</SubscriptionId><SubscriptionType>SourceInitiated</SubscriptionType>\
         <Query>*</Query>{extra}</Subscription>"
    )
}

#[test]
fn missing_settings_have_the_defaults_of_windows() {
    let subscription = Subscription::parse(&minimal("")).unwrap().subscription;
    let id = SubscriptionId::parse("a").unwrap();
    assert_eq!(subscription, Subscription::new(id, SubscriptionType::SourceInitiated, "*".to_owned()));
    assert!(subscription.enabled && !subscription.read_existing_events);
    assert_eq!(subscription.log_file, "ForwardedEvents");
    assert_eq!(subscription.content_format, ContentFormat::RenderedText);
    assert_eq!(subscription.domain_sources, DEFAULT_DOMAIN_SOURCES);
    assert_eq!((subscription.timing().max_latency, subscription.timing().heartbeat), (900_000, 900_000));
}

#[test]
fn a_subscription_is_active_until_it_expires() {
    let text = minimal("<Expires>2030-01-01T00:00:00</Expires>");
    let mut subscription = Subscription::parse(&text).unwrap().subscription;
    let at = |text: &str| Timestamp::parse(text).unwrap();
    assert!(subscription.is_active(at("2029-12-31T23:59:59.9Z")));
    assert!(!subscription.is_active(at("2030-01-01T00:00:00Z")));
    subscription.expires = None;
    assert!(subscription.is_active(at("2031-01-01T00:00:00Z")));
    subscription.enabled = false;
    assert!(!subscription.is_active(at("2029-01-01T00:00:00Z")));
}

#[test]
fn presets_override_the_delivery_settings() {
    for (mode, latency, heartbeat) in [
        ("Normal", 900_000, 900_000),
        ("MinBandwidth", 21_600_000, 21_600_000),
        ("MinLatency", 30_000, 3_600_000),
    ] {
        let text = minimal(&format!(
            "<ConfigurationMode>{mode}</ConfigurationMode><Delivery><Batching><MaxItems>1</MaxItems>\
             <MaxLatencyTime>1</MaxLatencyTime></Batching></Delivery>"
        ));
        let timing = Subscription::parse(&text).unwrap().subscription.timing();
        assert_eq!((timing.max_latency, timing.heartbeat, timing.max_items), (latency, heartbeat, None));
    }
}

#[test]
fn the_version_changes_with_what_a_source_sees() {
    let of = |extra: &str| Subscription::parse(&minimal(extra)).unwrap().subscription.version();
    let version = of("");
    assert_eq!(version, of(""));
    assert_eq!(version.to_string().len(), 36);
    for seen in [
        "<ReadExistingEvents>true</ReadExistingEvents>",
        "<ContentFormat>Events</ContentFormat>",
        "<Locale Language='en-US'/>",
        "<ConfigurationMode>MinLatency</ConfigurationMode>",
        "<TransportName>https</TransportName>",
    ] {
        assert_ne!(of(seen), version, "{seen}");
    }
    for unseen in [
        "<Description>x</Description>",
        "<LogFile>x</LogFile>",
        "<Enabled>false</Enabled>",
        "<AllowedSourceDomainComputers>D:(A;;GA;;;WD)</AllowedSourceDomainComputers>",
        // These settings count with the mode Custom only.
        "<Delivery><Batching><MaxItems>1</MaxItems></Batching></Delivery>",
    ] {
        assert_eq!(of(unseen), version, "{unseen}");
    }
}

#[test]
fn wrong_files_are_rejected_with_the_setting() {
    for (extra, name) in [
        ("<Enabled>yes</Enabled>", "Enabled"),
        ("<ConfigurationMode>Fast</ConfigurationMode>", "ConfigurationMode"),
        ("<Delivery Mode='Other'/>", "Mode"),
        ("<Delivery><Batching><MaxItems>0</MaxItems></Batching></Delivery>", "MaxItems"),
        ("<Delivery><PushSettings><Heartbeat/></PushSettings></Delivery>", "Interval"),
        ("<TransportPort>0</TransportPort>", "TransportPort"),
        ("<Locale Language='&lt;'/>", "Language"),
        ("<Expires>tomorrow</Expires>", "time"),
        ("<Query>*</Query>", "Query appears"),
        ("<EventSources><EventSource/></EventSources>", "Address"),
        (
            "<AllowedSourceNonDomainComputers><AllowedIssuerCAList><IssuerCA>1</IssuerCA>\
             </AllowedIssuerCAList></AllowedSourceNonDomainComputers>",
            "IssuerCA",
        ),
    ] {
        let error = Subscription::parse(&minimal(extra)).unwrap_err().to_string();
        assert!(error.starts_with(name), "{extra}: {error}");
    }
    let without = |name: &str| {
        let text = minimal("");
        let (start, end) = (format!("<{name}>"), format!("</{name}>"));
        let (from, to) = (text.find(&start).unwrap(), text.find(&end).unwrap() + end.len());
        Subscription::parse(&format!("{}{}", &text[..from], &text[to..]))
    };
    for name in ["SubscriptionId", "SubscriptionType", "Query"] {
        assert_eq!(without(name), Err(WinEventError::Missing { field: name }));
    }
    assert!(matches!(Subscription::parse("<Subscription/>"), Err(WinEventError::WrongRoot { .. })));
    assert!(matches!(Subscription::parse(&" ".repeat(MAX_TEXT + 1)), Err(WinEventError::Limit { .. })));
}

#[test]
fn queries_that_cdata_cannot_hold_survive() {
    for query in ["*[System[EventID<5]]", "a]]>b", "line\r\nline", " spaces "] {
        let id = SubscriptionId::parse("x").unwrap();
        let subscription = Subscription::new(id, SubscriptionType::SourceInitiated, query.to_owned());
        assert_eq!(Subscription::parse(&subscription.to_xml()).unwrap().subscription.query, query);
    }
}
