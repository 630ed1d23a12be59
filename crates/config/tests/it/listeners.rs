use telarch_config::{
    Config, Listener, ListenerAddress, ListenerError, ListenerKey, ListenerSource, Listeners, PutError,
    Reason, Serving, SettingError, Transport,
};

use crate::{element, golden};

fn key(address: &str, transport: &str) -> ListenerKey {
    ListenerKey::parse(address, transport).unwrap()
}

fn listener(address: &str, transport: &str) -> Listener {
    Listener::new(key(address, transport), &Config::default().service)
}

fn serving(addresses: &[&str]) -> Serving {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Serving { addresses, certificate: None }
}

fn written(listener: &Listener, listening_on: &[&str]) -> String {
    let mut writer = xml::Writer::new();
    listener.write(&serving(listening_on), &mut writer);
    writer.finish() + "\n"
}

#[test]
fn a_listener_has_the_element_order_of_windows() {
    let mut https = listener("IP:10.0.0.1", "HTTPS");
    https.hostname = "node7.example.com".parse().unwrap();
    https.certificate_thumbprint =
        Some(telarch_config::Thumbprint::parse("00112233445566778899aabbccddeeff00112233").unwrap());
    let mut policy = listener("*", "HTTP");
    policy.source = ListenerSource::Policy;
    let compatibility = Listener::compatibility(Transport::Https, &Config::default().service);
    let all = [
        written(&listener("*", "HTTP"), &["10.0.0.1", "127.0.0.1", "::1", "fe80::1"]),
        written(&https, &["10.0.0.1"]),
        written(&policy, &[]),
        written(&compatibility, &[]),
    ];
    golden("listeners.xml", &all.concat());
}

#[test]
fn trusted_balancers_are_only_in_the_file() {
    let text =
        "[[Listener]]\nAddress = \"*\"\nTransport = \"HTTP\"\nTrustedBalancers = \"192.0.2.10, ::1\"\n";
    let (_, draft) = telarch_config::file::read(text, &telarch_config::Policies::default()).unwrap();
    let own = draft.listeners.find(key("*", "HTTP")).unwrap();
    assert!(own.trusted_balancers.contains([192, 0, 2, 10].into()));
    assert!(own.lines().contains("TrustedBalancers = \"192.0.2.10,::1\"\n"), "{}", own.lines());
    assert!(!written(own, &[]).contains("TrustedBalancers"));
    let put = element("<Listener><Port>5990</Port></Listener>");
    let changed = own.put(put.root(), &serving(&[])).unwrap();
    assert_eq!(changed.trusted_balancers, own.trusted_balancers, "a message changes the other fields");
    let put = element("<Listener><TrustedBalancers>192.0.2.11</TrustedBalancers></Listener>");
    let Err(ListenerError::Content(PutError::Settings(errors))) = own.put(put.root(), &serving(&[])) else {
        panic!("a message cannot change them")
    };
    assert_eq!(errors[0].reason, Reason::ReadOnly);
}

#[test]
fn each_enabled_compatibility_setting_adds_a_listener() {
    let mut config = Config::default();
    assert_eq!(Listener::of_compatibility(&config.service), []);
    config.set("Service/EnableCompatibilityHttpsListener", "true").unwrap();
    let only_https = Listener::of_compatibility(&config.service);
    assert_eq!(only_https, [Listener::compatibility(Transport::Https, &config.service)]);
    config.set("Service/EnableCompatibilityHttpListener", "true").unwrap();
    let both = Listener::of_compatibility(&config.service);
    assert_eq!(both.iter().map(|listener| listener.port.number()).collect::<Vec<_>>(), [80, 443]);
    assert!(both.iter().all(|listener| listener.source == ListenerSource::Compatibility));
}

#[test]
fn fields_missing_from_create_have_their_defaults() {
    let config = Config::default();
    let http = Listener::create(key("*", "http"), None, &config.service).unwrap();
    assert_eq!((http.port.number(), http.enabled, http.url_prefix.as_str()), (5_985, true, "wsman"));
    let body = element(
        r#"<p:Listener xmlns:p="urn:any"><p:Hostname>node7</p:Hostname><p:Port>8443</p:Port></p:Listener>"#,
    );
    let https = Listener::create(key("*", "HTTPS"), Some(body.root()), &config.service).unwrap();
    assert_eq!((https.port.number(), https.hostname.as_str()), (8_443, "node7"));
    assert_eq!(https.key().to_string(), "Address=*+Transport=HTTPS");
}

#[test]
fn put_changes_given_fields_and_accepts_unchanged_computed_ones() {
    let first = listener("*", "HTTP");
    let serving = serving(&["::1", "10.0.0.1"]);
    let body = element(
        "<Listener><Address>*</Address><Transport>HTTP</Transport><Enabled>false</Enabled>\
         <ListeningOn>10.0.0.1</ListeningOn><ListeningOn>::1</ListeningOn></Listener>",
    );
    let second = first.put(body.root(), &serving).unwrap();
    assert_eq!(second, {
        let mut expected = first.clone();
        expected.enabled = false;
        expected
    });
}

#[test]
fn addresses_of_a_listener_cannot_be_set() {
    let read_only = ListenerError::Content(PutError::Settings(vec![SettingError {
        path: "Listener/ListeningOn".to_owned(),
        reason: Reason::ReadOnly,
    }]));
    let body = element("<Listener><ListeningOn>10.0.0.1</ListeningOn></Listener>");
    for addresses in [&[][..], &["10.0.0.2"], &["10.0.0.1", "::1"]] {
        let refused = listener("*", "HTTP").put(body.root(), &serving(addresses));
        assert_eq!(refused.as_ref(), Err(&read_only), "{addresses:?}");
    }
    let nonsense = element("<Listener><ListeningOn>everywhere</ListeningOn></Listener>");
    assert_eq!(listener("*", "HTTP").put(nonsense.root(), &serving(&["::1"])), Err(read_only));
}

#[test]
fn the_certificate_in_use_is_shown_and_not_stored() {
    let used = telarch_config::Thumbprint::parse("00112233445566778899aabbccddeeff00112233").unwrap();
    let first = listener("*", "HTTPS");
    let serving = Serving { certificate: Some(used), ..Serving::default() };
    let mut writer = xml::Writer::new();
    first.write(&serving, &mut writer);
    let shown = writer.finish();
    assert!(
        shown.contains(&format!("<cfg:CertificateThumbprint>{used}</cfg:CertificateThumbprint>")),
        "{shown}"
    );
    assert_eq!(first.put(element(&shown).root(), &serving), Ok(first.clone()));
    // Another service does not use it, so it is a choice of the administrator.
    let chosen = first.put(element(&shown).root(), &Serving::default()).unwrap();
    assert_eq!(chosen.certificate_thumbprint, Some(used));
}

#[test]
fn the_key_of_a_listener_cannot_be_changed() {
    let first = listener("*", "HTTP");
    for body in [
        "<Listener><Address>IP:10.0.0.1</Address></Listener>",
        "<Listener><Transport>HTTPS</Transport></Listener>",
    ] {
        assert_eq!(
            first.put(element(body).root(), &Serving::default()),
            Err(ListenerError::KeyChange(first.key()))
        );
    }
    let bad =
        first.put(element("<Listener><Address>10.0.0.1</Address></Listener>").root(), &Serving::default());
    assert_eq!(bad, Err(ListenerError::Address("10.0.0.1".to_owned())));
}

#[test]
fn all_errors_in_a_listener_are_reported() {
    let body = "<Listener><Port>0</Port><URLPrefix>/a</URLPrefix><Enabeld>true</Enabeld>\
                <CertificateThumbprint>12</CertificateThumbprint><Hostname>a</Hostname><Hostname>b</Hostname></Listener>";
    let Err(ListenerError::Content(PutError::Settings(errors))) =
        listener("*", "HTTP").put(element(body).root(), &Serving::default())
    else {
        panic!("another result");
    };
    let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
    let expected = [
        "Listener/Port",
        "Listener/URLPrefix",
        "Listener/Enabeld",
        "Listener/CertificateThumbprint",
        "Listener/Hostname",
    ];
    assert_eq!(paths, expected);
    assert_eq!(errors[2].reason, Reason::Unknown { nearest: Some("Listener/Enabled".to_owned()) });
    assert!(matches!(errors[0].reason, Reason::OutOfRange { min: 1, max: 65_535, .. }));
    assert_eq!(errors[4].reason, Reason::Repeated);
    let other = listener("*", "HTTP").put(element("<Service/>").root(), &Serving::default());
    assert!(matches!(other, Err(ListenerError::Content(PutError::Root { expected: "Listener", .. }))));
}

#[test]
fn address_and_transport_are_the_key() {
    let mut listeners = Listeners::default();
    listeners.create(listener("*", "HTTP")).unwrap();
    listeners.create(listener("*", "HTTPS")).unwrap();
    listeners.create(listener("IP:fe80::1", "HTTP")).unwrap();
    let again = listener("IP:[FE80:0::1]", "http");
    assert_eq!(listeners.create(again.clone()), Err(ListenerError::Exists(again.key())));
    listeners.delete(again.key()).unwrap();
    assert_eq!(listeners.delete(again.key()), Err(ListenerError::NotFound(again.key())));
    assert_eq!(listeners.replace(again.clone()), Err(ListenerError::NotFound(again.key())));
    assert_eq!(listeners.len(), 2);
    assert!(listeners.find(key("*", "HTTPS")).is_some_and(|found| found.address == ListenerAddress::Any));
}

#[test]
fn a_listener_of_policy_cannot_be_changed() {
    let mut policy = listener("*", "HTTP");
    policy.source = ListenerSource::Policy;
    let mut listeners = Listeners::default();
    listeners.create(policy.clone()).unwrap();
    let refused = Err(ListenerError::NotLocal { key: policy.key(), made_by: ListenerSource::Policy });
    assert_eq!(listeners.delete(policy.key()), refused);
    assert_eq!(listeners.replace(listener("*", "HTTP")), refused);
    assert_eq!(
        policy
            .put(element("<Listener><Enabled>false</Enabled></Listener>").root(), &Serving::default())
            .map(|_| ()),
        refused
    );
    assert!(
        policy
            .put(element("<Listener><Enabled>true</Enabled></Listener>").root(), &Serving::default())
            .is_ok()
    );
}

#[test]
fn the_number_of_listeners_is_limited() {
    let mut listeners = Listeners::default();
    for number in 0..Listeners::MAX {
        listeners.create(listener(&format!("IP:10.0.{}.{}", number / 256, number % 256), "HTTP")).unwrap();
    }
    assert_eq!(listeners.create(listener("*", "HTTP")), Err(ListenerError::TooMany));
}
