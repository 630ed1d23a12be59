//! Listeners of the configuration.

use client::{EnumerateOptions, Error, Locator, Session};
use config::LISTENER_RESOURCE;
use telarch_loopback::{Loopback, User};
use wsman::{Detail, SelectorSet, Subcode, code, namespace};
use xml::Fragment;

use crate::config_read::settings;
use crate::message::fragment;
use crate::{fault, refusal, uri};

fn all() -> Locator {
    Locator::new(uri(LISTENER_RESOURCE))
}

fn of(address: &str, transport: &str) -> Locator {
    all().with_selectors(SelectorSet::new().with("Address", address).with("Transport", transport))
}

fn with(fields: &[(&str, &str)]) -> Fragment {
    fragment(|writer| {
        writer.start("cfg:Listener").namespace("cfg", LISTENER_RESOURCE);
        for (name, value) in fields {
            writer.element(&format!("cfg:{name}"), value);
        }
    })
}

async fn fields(session: &Session, locator: &Locator) -> Vec<(String, String)> {
    settings(session.get(locator).await.unwrap().content().unwrap())
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn keys(session: &Session) -> Vec<(String, String)> {
    let mut listing = session.enumerate(&all(), EnumerateOptions::default()).await.unwrap();
    let mut keys = Vec::new();
    while let Some(item) = listing.next().await {
        let item = item.unwrap();
        let fields = settings(item.object().unwrap());
        keys.push((fields[0].1.clone(), fields[1].1.clone()));
    }
    keys
}

const EXISTS: (Subcode, u32) = (Subcode::AlreadyExists, 2_150_858_803);
const UNKNOWN: (Subcode, u32) = (Subcode::InvalidSelectors, 2_150_858_843);

#[tokio::test]
async fn a_listener_is_made_read_changed_listed_and_removed() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    assert_eq!(keys(&session).await, []);

    let created = session.create(&of("*", "HTTP"), &with(&[])).await.unwrap();
    assert_eq!(created.reference.address, session.endpoint().to_string());
    assert_eq!(created.reference.selectors.text("address"), Some("*"));
    assert_eq!(created.reference.selectors.text("TRANSPORT"), Some("HTTP"));
    let there = Locator::new(created.reference.resource).with_selectors(created.reference.selectors);
    let usual = [
        ("Address", "*"),
        ("Transport", "HTTP"),
        ("Port", "5985"),
        ("Hostname", ""),
        ("Enabled", "true"),
        ("URLPrefix", "wsman"),
        ("CertificateThumbprint", ""),
        ("ListeningOn", "127.0.0.1"),
    ];
    assert_eq!(fields(&session, &there).await, owned(&usual));

    let mine = with(&[("Port", "15985"), ("URLPrefix", "mine"), ("Hostname", "node7.example")]);
    session.create(&of("IP:127.0.0.1", "HTTP"), &mine).await.unwrap();
    assert_eq!(
        keys(&session).await,
        [("*", "HTTP"), ("IP:127.0.0.1", "HTTP")].map(|(a, t)| (a.to_owned(), t.to_owned()))
    );

    let changed = session.put(&there, &with(&[("Port", "80"), ("Enabled", "false")])).await.unwrap();
    let mut expected = usual.to_vec();
    (expected[2].1, expected[4].1) = ("80", "false");
    // What is switched off listens nowhere.
    expected.pop();
    assert_eq!(settings(changed.content().unwrap()), owned(&expected));
    assert_eq!(fields(&session, &there).await, owned(&expected));

    session.delete(&there).await.unwrap();
    assert_eq!(refusal(session.get(&there).await), UNKNOWN);
    assert_eq!(refusal(session.delete(&there).await), UNKNOWN);
    assert_eq!(keys(&session).await, owned(&[("IP:127.0.0.1", "HTTP")]));
    service.close().await;
}

#[tokio::test]
async fn an_item_leads_back_to_its_listener() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    session.create(&of("MAC:00-15-5D-00-00-01", "HTTP"), &with(&[])).await.unwrap();
    let mode = wsman::enumeration::EnumerationMode::ObjectAndReference;
    let options = EnumerateOptions { mode, ..EnumerateOptions::default() };
    let mut listing = session.enumerate(&all(), options).await.unwrap();
    let item = listing.next().await.unwrap().unwrap();
    let reference = item.reference().unwrap();
    assert_eq!(reference.address, namespace::ANONYMOUS);
    let there = Locator::new(reference.resource).with_selectors(reference.selectors);
    assert_eq!(fields(&session, &there).await, settings(item.object().unwrap()));
    assert!(listing.next().await.is_none());
    service.close().await;
}

#[tokio::test]
async fn a_listener_that_exists_is_not_made_again() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    session.create(&of("IP:::1", "HTTP"), &with(&[("Port", "80")])).await.unwrap();
    // Addresses and transports have more than one spelling.
    for (address, transport) in [("IP:::1", "HTTP"), ("ip:[0:0::1]", "http")] {
        let refused = fault(session.create(&of(address, transport), &with(&[("Port", "81")])).await);
        assert_eq!((refused.subcode().clone(), refused.code()), EXISTS);
        assert_eq!(refused.detail(), Some(&Detail::TARGET_ALREADY_EXISTS));
    }
    let there = fields(&session, &of("IP:::1", "HTTP")).await;
    assert!(there.contains(&("Port".to_owned(), "80".to_owned())), "{there:?}");
    service.close().await;
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_by_every_operation() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let bad_address = (Subcode::InvalidSelectors, code::LISTENER_ADDRESS);
    let bad_transport = (Subcode::InvalidSelectors, code::INVALID_SELECTOR_VALUE);
    let too_few = (Subcode::InvalidSelectors, code::INSUFFICIENT_SELECTORS);
    let selectors = |list: &[(&str, &str)]| {
        let set = list.iter().fold(SelectorSet::new(), |set, (name, value)| set.with(*name, *value));
        all().with_selectors(set)
    };
    for (locator, expected) in [
        (of("127.0.0.1", "HTTP"), &bad_address),
        (of("IP:node7", "HTTP"), &bad_address),
        (of("MAC:00-15", "HTTP"), &bad_address),
        (of("", "HTTP"), &bad_address),
        (of("*", "TCP"), &bad_transport),
        (selectors(&[("Address", "*")]), &too_few),
        (selectors(&[("Transport", "HTTP")]), &too_few),
        (all(), &too_few),
        (selectors(&[("Address", "*"), ("Transport", "HTTP"), ("Port", "80")]), &UNKNOWN),
    ] {
        let shown = format!("{:?}", locator.selectors);
        assert_eq!(refusal(session.create(&locator, &with(&[])).await), *expected, "{shown}");
        assert_eq!(refusal(session.get(&locator).await), *expected, "{shown}");
        assert_eq!(refusal(session.put(&locator, &with(&[])).await), *expected, "{shown}");
        assert_eq!(refusal(session.delete(&locator).await), *expected, "{shown}");
    }
    for outcome in [
        session.get(&of("*", "HTTPS")).await.map(drop),
        session.put(&of("*", "HTTPS"), &with(&[])).await.map(drop),
        session.delete(&of("*", "HTTPS")).await.map(drop),
    ] {
        assert_eq!(refusal(outcome), UNKNOWN);
    }
    assert_eq!(keys(&session).await, []);
    service.close().await;
}

#[tokio::test]
async fn a_key_never_changes_and_a_wrong_field_changes_nothing() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let there = of("IP:127.0.0.1", "HTTP");
    session.create(&there, &with(&[])).await.unwrap();
    let before = fields(&session, &there).await;
    let key_change = (Subcode::InvalidRepresentation, code::INVALID_VALUES);
    let wrong = (Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR);
    for (changes, expected) in [
        (&[("Address", "*")][..], &key_change),
        (&[("Transport", "HTTPS")], &key_change),
        (&[("Port", "80"), ("Address", "IP:127.0.0.2")], &key_change),
        (&[("Port", "0")], &wrong),
        (&[("Port", "80"), ("Enabled", "perhaps")], &wrong),
        (&[("URLPrefix", "/")], &wrong),
        (&[("CertificateThumbprint", "12")], &wrong),
        (&[("Prot", "80")], &wrong),
        (&[("Port", "80"), ("Port", "81")], &wrong),
    ] {
        assert_eq!(refusal(session.put(&there, &with(changes)).await), *expected, "{changes:?}");
        assert_eq!(fields(&session, &there).await, before, "{changes:?}");
    }
    // The key as it is and what is computed may stand there.
    let repeated = [("Address", "ip:127.0.0.1"), ("Transport", "http"), ("ListeningOn", "10.0.0.1")];
    session.put(&there, &with(&repeated)).await.unwrap();
    assert_eq!(fields(&session, &there).await, before);
    let foreign = fragment(|writer| {
        writer.start("x:Other").namespace("x", "urn:x");
    });
    assert_eq!(refusal(session.put(&there, &foreign).await), wrong);
    assert_eq!(refusal(session.create(&of("*", "HTTP"), &foreign).await), wrong);
    service.close().await;
}

#[tokio::test]
async fn there_is_room_for_256_listeners_and_no_more() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    service.change(|draft| {
        for last in 1..=255_u8 {
            let key = config::ListenerKey::parse(&format!("IP:127.0.1.{last}"), "HTTP").unwrap();
            let listener = config::Listener::new(key, &draft.config.service);
            draft.listeners.create(listener).unwrap();
        }
    });
    session.create(&of("*", "HTTP"), &with(&[])).await.unwrap();
    let refused: Result<_, Error> = session.create(&of("*", "HTTPS"), &with(&[])).await;
    assert_eq!(refusal(refused), (Subcode::QuotaLimit, code::QUOTA_LIMIT));
    assert_eq!(keys(&session).await.len(), 256);
    service.close().await;
}
