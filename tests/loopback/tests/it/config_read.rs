//! Reading the configuration.

use client::{Error, Locator};
use config::{Config, Section, Setting};
use telarch_loopback::{Loopback, User};
use wsman::{FragmentTransfer, SelectorSet, Subcode, code, namespace};
use xml::{Bounds, Document, Element};

use crate::message::fragment;
use crate::{fault, refusal, uri};

pub(crate) fn of(section: Section) -> Locator {
    Locator::new(uri(section.resource()))
}

/// Every setting below an element, with its path from there.
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
async fn every_section_is_what_the_configuration_is() {
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
        // Putting it into the defaults makes them what the service has.
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
    let all = Setting::all().iter().map(|setting| (setting.path().to_owned(), setting.show(&expected)));
    assert_eq!(settings(whole.content().unwrap()), all.collect::<Vec<_>>());
    service.close().await;
}

#[tokio::test]
async fn a_resource_is_found_whatever_the_case_of_its_uri() {
    let service = Loopback::start().await;
    let locator = Locator::new(uri("HTTP://schemas.microsoft.com/wbem/wsman/1/CONFIG/Service/AUTH"));
    let answer = service.session(User::Ada).get(&locator).await.unwrap();
    assert_eq!(answer.content().unwrap().name(), "Auth");
    service.close().await;
}

#[tokio::test]
async fn what_is_no_part_of_the_configuration_is_refused() {
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

#[tokio::test]
async fn a_part_of_an_instance_cannot_be_asked_for() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let part = FragmentTransfer { dialect: None, expression: "MaxTimeoutms".to_owned() };
    for resource in [Section::Config.resource(), Section::Winrs.resource(), config::LISTENER_RESOURCE] {
        let locator = Locator::new(uri(resource)).with_fragment(part.clone());
        let refused = fault(session.get(&locator).await);
        assert_eq!((refused.subcode(), refused.code()), (&Subcode::UnsupportedFeature, 2_150_858_871));
        assert_eq!(refused.detail(), Some(&wsman::Detail::FRAGMENT_LEVEL_ACCESS));
    }
    service.close().await;
}

#[tokio::test]
async fn there_are_no_certificate_mappings_and_no_plug_ins_and_that_can_be_asked() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    for resource in ["config/service/certmapping", "config/plugin"] {
        let locator = Locator::new(uri(&format!("http://schemas.microsoft.com/wbem/wsman/1/{resource}")));
        let mut none = session.enumerate(&locator, Default::default()).await.unwrap();
        assert!(none.next().await.is_none(), "{resource}");
        let refused: Result<_, Error> = session.get(&locator).await;
        assert_eq!(refusal(refused), (Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED));
    }
    service.close().await;
}
