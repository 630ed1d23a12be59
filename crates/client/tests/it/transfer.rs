//! WS-Transfer operations and methods.

use client::{Error, Locator, Violation};
use telarch_client as client;
use wsman::{Action, EndpointReference, FragmentTransfer, OptionSet, ResourceUri, SelectorSet};
use xml::Writer;

use crate::service::{Request, Service, config};

fn listener() -> Locator {
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/config/Listener";
    Locator::new(ResourceUri::parse(uri).unwrap())
        .with_selectors(SelectorSet::new().with("Address", "*").with("Transport", "HTTP"))
}

#[tokio::test]
async fn put_sends_a_representation_and_returns_the_new_one() {
    let mut service = Service::start(Request::config).await;
    let mut representation = Writer::new();
    representation.start("c:Config").namespace("c", "urn:c").element("c:MaxTimeoutms", "1").end();
    let answer = service.session().put(&config(), &representation.into_fragment()).await.unwrap();
    assert_eq!(answer.content().unwrap().name(), "Config");
    let request = service.request().await.parsed();
    assert_eq!(request.head().action, Action::Put);
    assert!(request.body().unwrap().is("urn:c", "Config"));
}

#[tokio::test]
async fn create_returns_the_reference_of_the_instance() {
    let service = Service::start(|request| {
        let reference = EndpointReference::anonymous(listener().resource, listener().selectors);
        request.answer(|body| wsman::write_resource_created(body, &reference))
    })
    .await;
    let mut representation = Writer::new();
    representation.start("Listener").end();
    let created = service.session().create(&listener(), &representation.into_fragment()).await.unwrap();
    assert_eq!(created.reference.selectors.text("Transport"), Some("HTTP"));
    assert_eq!(created.answer.content().unwrap().name(), "ResourceCreated");
}

#[tokio::test]
async fn a_create_response_without_reference_is_rejected() {
    let service = Service::start(|request| request.answer(|_| {})).await;
    let mut representation = Writer::new();
    representation.start("Listener").end();
    let error = service.session().create(&listener(), &representation.into_fragment()).await;
    assert!(matches!(error, Err(Error::Protocol { violation: Violation::Missing { .. }, .. })));
}

#[tokio::test]
async fn delete_sends_the_selectors() {
    let mut service = Service::start(|request| request.answer(|_| {})).await;
    service.session().delete(&listener()).await.unwrap();
    let request = service.request().await.parsed();
    assert_eq!(request.head().action, Action::Delete);
    assert_eq!(request.head().selectors, listener().selectors);
}

#[tokio::test]
async fn a_method_without_input_gets_an_empty_element() {
    let mut service = Service::start(Request::config).await;
    let session = service.session();
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service";
    let locator = Locator::new(ResourceUri::parse(uri).unwrap());
    session.invoke(&locator, "StopService", None).await.unwrap();
    session.invoke(&locator, "urn:other/StartService", None).await.unwrap();
    let request = service.request().await.parsed();
    assert_eq!(request.head().action, Action::Custom(format!("{uri}/StopService")));
    assert!(request.body().unwrap().is(uri, "StopService_INPUT"));
    let request = service.request().await.parsed();
    assert_eq!(request.head().action, Action::Custom("urn:other/StartService".to_owned()));
    assert!(request.body().unwrap().is(uri, "StartService_INPUT"));
    let error = session.invoke(&locator, "><x", None).await;
    assert!(matches!(error, Err(Error::Setting { setting: "method", .. })));
}

#[tokio::test]
async fn fragments_and_options_are_sent_in_the_header() {
    let mut service = Service::start(Request::config).await;
    let fragment = FragmentTransfer { dialect: None, expression: "Caption".to_owned() };
    let options = OptionSet::new().with("wmi:X", "1");
    let locator = config().with_fragment(fragment.clone()).with_options(options.clone());
    service.session().get(&locator).await.unwrap();
    let request = service.request().await.parsed();
    assert_eq!(request.head().fragment, Some(fragment));
    assert_eq!(request.head().options, options);
}
