//! Tests of reading the configuration.

use client::{EnumerateOptions, Error, Locator, Session};
use config::{Config, LISTENER_RESOURCE, Listener, ListenerKey, Mutability, Section, Setting};
use telarch_loopback::{Loopback, User};
use wsman::enumeration::{Enumerate, EnumerationMode, Filter};
use wsman::{FragmentTransfer, SelectorSet, Subcode, code, namespace};
use xml::{Bounds, Document, Element, Fragment};

use crate::message::{self, fragment};
use crate::{fault, refusal, uri};

pub(crate) fn of(section: Section) -> Locator {
    Locator::new(uri(section.resource()))
}

/// Returns every setting below an element, with its path within the element.
pub(crate) fn settings(element: Element<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for child in element.children() {
        if child.children().next().is_none() {
            found.push((child.name().to_owned(), child.text().into_owned()));
        } else {
            let inner = settings(child).into_iter();
            found.extend(inner.map(|(path, value)| (format!("{}/{path}", child.name()), value)));
        }
    }
    found
}

#[tokio::test]
async fn every_section_contains_the_configured_values() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let mut expected = Config::default();
    expected.set("Service/Auth/Basic", "true").unwrap();
    expected.set("Service/AllowUnencrypted", "true").unwrap();
    for section in Section::ALL {
        let answer = session.get(&of(section)).await.unwrap();
        let element = answer.content().unwrap();
        assert!(element.is(section.resource(), section.element()), "{section:?}: {}", element.source());
        assert_eq!(element.attribute(namespace::XML, "lang").as_deref(), Some("en-US"), "{section:?}");

        let written = fragment(|writer| expected.write(section, writer));
        let written = Document::parse(written.as_str(), &Bounds::default()).unwrap();
        assert_eq!(settings(element), settings(written.root()), "{section:?}");
        // Applying the values to the defaults yields the configuration of the service.
        let put = Config::default().put(section, element).unwrap();
        let differing: Vec<_> = put.differences(&expected).map(Setting::path).collect();
        let elsewhere = |path: &&str| {
            let inside = matches!(section, Section::Config | Section::Service);
            !inside && (section != Section::ServiceAuth || *path != "Service/Auth/Basic")
        };
        let usual = ["Service/AllowUnencrypted", "Service/Auth/Basic"];
        assert_eq!(differing, usual.into_iter().filter(elsewhere).collect::<Vec<_>>(), "{section:?}");
    }
    let whole = session.get(&of(Section::Config)).await.unwrap();
    let in_messages = |setting: &&&Setting| setting.mutability() != Mutability::FileOnly;
    let all = Setting::all().iter().filter(in_messages);
    let all = all.map(|setting| (setting.path().to_owned(), setting.show(&expected).into_owned()));
    assert_eq!(settings(whole.content().unwrap()), all.collect::<Vec<_>>());
    service.close().await;
}

#[tokio::test]
async fn resource_uris_are_case_insensitive() {
    let service = Loopback::start().await;
    let locator = Locator::new(uri("HTTP://schemas.microsoft.com/wbem/wsman/1/CONFIG/Service/AUTH"));
    let answer = service.session(User::Ada).get(&locator).await.unwrap();
    assert_eq!(answer.content().unwrap().name(), "Auth");
    service.close().await;
}

#[tokio::test]
async fn unknown_sections_are_rejected() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let unknown = (Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI);
    for wrong in ["config/nothing", "config/service/auth/basic", "configuration", "wmi/root/cimv2/Win32_X"] {
        let locator = Locator::new(uri(&format!("http://schemas.microsoft.com/wbem/wsman/1/{wrong}")));
        assert_eq!(refusal(session.get(&locator).await), unknown, "{wrong}");
    }
    let selected = of(Section::Winrs).with_selectors(SelectorSet::new().with("Name", "x"));
    let unexpected = (Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS);
    assert_eq!(refusal(session.get(&selected).await), unexpected);
    service.close().await;
}

/// An operation on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Get,
    Put,
    Create,
    List(EnumerationMode),
    Method,
    Delete,
}

/// All operations. Delete is last because it may succeed.
const OPERATIONS: [Operation; 8] = [
    Operation::Get,
    Operation::Put,
    Operation::Create,
    Operation::List(EnumerationMode::Object),
    Operation::List(EnumerationMode::Reference),
    Operation::List(EnumerationMode::ObjectAndReference),
    Operation::Method,
    Operation::Delete,
];

impl Operation {
    /// Performs the operation. Returns the number of items of a list.
    async fn ask(
        self,
        session: &Session,
        locator: &Locator,
        body: &Fragment,
    ) -> Result<Option<usize>, Error> {
        match self {
            Self::Get => session.get(locator).await.map(|_| None),
            Self::Put => session.put(locator, body).await.map(|_| None),
            Self::Create => session.create(locator, body).await.map(|_| None),
            Self::Delete => session.delete(locator).await.map(|_| None),
            Self::Method => session.invoke(locator, "Restart", None).await.map(|_| None),
            Self::List(mode) => {
                // Lists must not be filtered by selectors.
                let all = Locator { selectors: SelectorSet::new(), ..locator.clone() };
                let requested =
                    Enumerate { mode, optimize: true, max_elements: Some(100), ..Enumerate::default() };
                let page = message::enumerate(session, &all, &requested).await?;
                assert!(page.end, "{mode:?}");
                Ok(Some(page.items))
            }
        }
    }
}

/// Expected result: success with the number of listed items, or subcode and code of the fault.
type Expected = Result<Option<usize>, (Subcode, u32)>;

/// A resource, a body for it, and the expected result of each operation.
struct Resource {
    locator: Locator,
    body: Fragment,
    answer: fn(Operation) -> Expected,
}

const UNSUPPORTED: (Subcode, u32) = (Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED);
const NO_INSTANCE: (Subcode, u32) = (Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS);
const NO_RESOURCE: (Subcode, u32) = (Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI);
const WHOLE_ONLY: (Subcode, u32) = (Subcode::UnsupportedFeature, 2_150_858_871);
const DEPRECATED: (Subcode, u32) = (Subcode::UnsupportedFeature, 2_150_859_196);

fn below(path: &str, selectors: &[(&str, &str)]) -> Locator {
    let set = selectors.iter().fold(SelectorSet::new(), |set, (name, value)| set.with(*name, *value));
    Locator::new(uri(&format!("{}/{path}", namespace::CONFIG))).with_selectors(set)
}

fn sections(config: &Config) -> Vec<Resource> {
    let section = |section: Section| Resource {
        locator: of(section),
        body: fragment(|writer| config.write(section, writer)),
        answer: |operation| match operation {
            Operation::Get | Operation::Put => Ok(None),
            _ => Err(UNSUPPORTED),
        },
    };
    Section::ALL.map(section).into()
}

/// Cases for an existing listener, in addition to a compatibility listener.
fn listeners(service: &Loopback) -> Resource {
    service.set("Service.EnableCompatibilityHttpsListener", "true");
    let key = ListenerKey::parse("IP:127.0.0.1", "HTTP").unwrap();
    service.change(|draft| draft.listeners.create(Listener::new(key, &draft.config.service)).unwrap());
    Resource {
        locator: below("Listener", &[("Address", "IP:127.0.0.1"), ("Transport", "HTTP")]),
        body: fragment(|writer| {
            writer.start("cfg:Listener").namespace("cfg", LISTENER_RESOURCE);
        }),
        answer: |operation| match operation {
            Operation::Get | Operation::Put | Operation::Delete => Ok(None),
            Operation::Create => Err((Subcode::AlreadyExists, code::ALREADY_EXISTS)),
            Operation::List(_) => Ok(Some(2)),
            Operation::Method => Err(UNSUPPORTED),
        },
    }
}

/// Cases for resources without instances and for unknown resources.
fn without_instances() -> Vec<Resource> {
    let empty = |path: &str, selectors: &[(&str, &str)]| Resource {
        locator: below(path, selectors),
        body: fragment(|writer| {
            writer.start("x:Any").namespace("x", "urn:x");
        }),
        answer: |operation| match operation {
            Operation::Get | Operation::Put | Operation::Delete => Err(NO_INSTANCE),
            Operation::List(_) => Ok(Some(0)),
            Operation::Create | Operation::Method => Err(UNSUPPORTED),
        },
    };
    vec![
        empty("service/security", &[("Uri", "http://schemas.microsoft.com/wbem/wsman/1/wmi")]),
        empty("Service/Security", &[("uri", "http://schemas.microsoft.com/wbem/wsman/1/wmi")]),
        // The configuration and shells have plug-ins, which cannot be created or deleted.
        Resource {
            answer: |operation| match operation {
                Operation::Get | Operation::Put => Err(NO_INSTANCE),
                Operation::List(_) => Ok(Some(2)),
                Operation::Create | Operation::Delete | Operation::Method => Err(UNSUPPORTED),
            },
            ..empty("plugin", &[("Name", "microsoft.powershell")])
        },
        Resource { answer: |_| Err(DEPRECATED), ..empty("winrs/customremoteshell", &[]) },
        Resource { answer: |_| Err(NO_RESOURCE), ..empty("nothing", &[]) },
        Resource { answer: |_| Err(NO_RESOURCE), ..empty("service/auth/basic", &[]) },
    ]
}

#[tokio::test]
async fn each_resource_responds_to_each_operation_as_documented() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    answers(&session, sections(&service.config())).await;
    answers(&session, vec![listeners(&service)]).await;
    answers(&session, without_instances()).await;
    service.close().await;
}

async fn answers(session: &Session, resources: Vec<Resource>) {
    for Resource { locator, body, answer } in resources {
        for operation in OPERATIONS {
            let shown = format!("{operation:?} {locator:?}");
            let outcome = operation.ask(session, &locator, &body).await;
            match answer(operation) {
                Ok(expected) => assert_eq!(outcome.unwrap(), expected, "{shown}"),
                Err(expected) => assert_eq!(refusal(outcome), expected, "{shown}"),
            }
        }
    }
}

#[tokio::test]
async fn fragments_of_instances_are_not_supported() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let before = service.config();
    let part = FragmentTransfer { dialect: None, expression: "MaxTimeoutms".to_owned() };
    let mut resources = sections(&before);
    resources.push(listeners(&service));
    resources.extend(without_instances());
    for Resource { locator, body, answer } in resources {
        let expected = match answer(Operation::Get) {
            Err(error) if error == NO_RESOURCE || error == DEPRECATED => error,
            _ => WHOLE_ONLY,
        };
        let locator = locator.with_fragment(part.clone());
        for operation in OPERATIONS {
            let refused = fault(operation.ask(&session, &locator, &body).await);
            let shown = format!("{operation:?} {locator:?}");
            assert_eq!((refused.subcode().clone(), refused.code()), expected, "{shown}");
            if expected == WHOLE_ONLY {
                assert_eq!(refused.detail(), Some(&wsman::Detail::FRAGMENT_LEVEL_ACCESS), "{shown}");
            }
        }
    }
    service.close().await;
}

#[tokio::test]
async fn resources_without_instances_reject_selectors_and_filters() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let too_few = (Subcode::InvalidSelectors, code::INSUFFICIENT_SELECTORS);
    for (locator, expected) in [
        (below("service/certmapping", &[]), &too_few),
        (below("service/certmapping", &[("Issuer", "x"), ("URI", "*")]), &too_few),
        (below("service/certmapping", &[("Name", "x")]), &NO_INSTANCE),
        (below("service/security", &[]), &too_few),
        (below("plugin", &[]), &too_few),
        (below("plugin", &[("Name", "x"), ("Nothing", "x")]), &NO_INSTANCE),
    ] {
        assert_eq!(refusal(session.get(&locator).await), *expected, "{locator:?}");
    }
    for path in ["service/certmapping", "service/security", "plugin", "listener"] {
        let part = below(path, &[("Name", "x")]);
        let listing = message::enumerate(&session, &part, &Enumerate::default()).await;
        assert_eq!(refusal(listing), NO_INSTANCE, "{path}");
        let filter = Filter {
            dialect: "http://schemas.microsoft.com/wbem/wsman/1/WQL".to_owned(),
            text: "select * from x".to_owned(),
            selectors: SelectorSet::new(),
            ..Filter::default()
        };
        let requested = Enumerate { filter: Some(filter), ..Enumerate::default() };
        let listing = message::enumerate(&session, &below(path, &[]), &requested).await;
        let expected = (Subcode::FilteringNotSupported, code::FILTERING_NOT_SUPPORTED);
        assert_eq!(refusal(listing), expected, "{path}");
    }
    service.close().await;
}

#[tokio::test]
async fn the_resources_of_a_caller_are_listed_with_its_rights() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let shell = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
    let there = below("resource", &[]);
    let mut listing = session.enumerate(&there, EnumerateOptions::default()).await.unwrap();
    let mut found = Vec::new();
    while let Some(item) = listing.next().await {
        let item = item.unwrap();
        let text = |name: &str| {
            item.element().children().find(|child| child.name() == name).unwrap().text().into_owned()
        };
        found.push((text("ResourceURI"), text("Rights")));
    }
    assert!(found.contains(&(namespace::CONFIG.to_owned(), "Read Write Execute".to_owned())), "{found:?}");
    assert!(found.iter().any(|(uri, rights)| uri.starts_with(shell) && rights == "Execute"), "{found:?}");
    let one = below("resource", &[("ResourceURI", namespace::CONFIG)]);
    session.get(&one).await.unwrap();
    for (locator, expected) in [
        (below("resource", &[("ResourceURI", "http://telarch.test/nothing")]), NO_INSTANCE),
        (below("resource", &[("Name", "x")]), NO_INSTANCE),
        (there, (Subcode::InvalidSelectors, code::INSUFFICIENT_SELECTORS)),
    ] {
        assert_eq!(refusal(session.get(&locator).await), expected, "{locator:?}");
    }
    assert_eq!(refusal(session.delete(&one).await), UNSUPPORTED);
    service.close().await;
}
