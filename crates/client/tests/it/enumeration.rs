//! Enumerations.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use client::{EnumerateOptions, Enumerator, Error, Item, Violation};
use telarch_client as client;
use wsman::enumeration::{EnumerationMode, Filter};
use wsman::{EndpointReference, SelectorSet, namespace};
use xml::Writer;

use crate::service::{Reply, Request, Service, Step, config, response};

/// A response to Enumerate or Pull.
fn page(request: &Request, items: &[&str], next: Option<&str>) -> Reply {
    request.answer(|body| write_page(body, &request.verb(), items, next))
}

fn write_page(body: &mut Writer, verb: &str, items: &[&str], next: Option<&str>) {
    let prefix = if verb == "Pull" { "n" } else { "w" };
    body.start(&format!("n:{verb}Response")).element("n:EnumerationContext", next.unwrap_or_default());
    body.start(&format!("{prefix}:Items"));
    for item in items {
        body.start("c:Item").namespace("c", "urn:c").element("c:Name", item);
        // A property of that name must not end the enumeration.
        body.element("c:EndOfSequence", "true").end();
    }
    body.end();
    if next.is_none() {
        body.start(&format!("{prefix}:EndOfSequence")).end_empty();
    }
    body.end();
}

async fn names(enumerator: &mut Enumerator) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    while let Some(item) = enumerator.next().await {
        names.push(name(&item?));
    }
    Ok(names)
}

fn name(item: &Item) -> String {
    item.object().unwrap().child("urn:c", "Name").unwrap().text().into_owned()
}

#[tokio::test]
async fn all_pages_are_read_until_the_end_of_the_sequence() {
    let mut service = Service::start(|request| match request.number {
        0 => page(request, &["a"], Some("uuid:1")),
        1 => page(request, &["b", "c"], Some("uuid:2")),
        2 => page(request, &[], Some("uuid:3")),
        _ => page(request, &["d"], None),
    })
    .await;
    let session = service.session();
    let mut enumerator = session.enumerate(&config(), EnumerateOptions::default()).await.unwrap();
    assert_eq!(names(&mut enumerator).await.unwrap(), ["a", "b", "c", "d"]);
    assert!(enumerator.next().await.is_none());
    let first = service.request().await;
    assert!(first.body.contains("<w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>"));
    for context in ["uuid:1", "uuid:2", "uuid:3"] {
        let pull = wsman::enumeration::Pull::parse(service.request().await.parsed().body().unwrap()).unwrap();
        assert_eq!((pull.context.as_str(), pull.max_elements), (context, Some(32_000)));
    }
}

#[tokio::test]
async fn an_item_declares_its_own_namespaces() {
    let service = Service::start(|request| page(request, &["a < b"], None)).await;
    let session = service.session();
    let mut enumerator = session.enumerate(&config(), EnumerateOptions::default()).await.unwrap();
    let item = enumerator.next().await.unwrap().unwrap();
    drop((enumerator, session, service));
    assert!(item.element().is("urn:c", "Item"));
    assert!(item.reference().is_none());
    let again = xml::Document::parse(item.xml(), &xml::Bounds::default()).unwrap();
    assert_eq!(again.root().child("urn:c", "Name").unwrap().text(), "a < b");
}

#[tokio::test]
async fn references_are_read_with_and_without_objects() {
    let mut service = Service::start(|request| {
        let selectors = SelectorSet::new().with("Name", "x");
        let reference = EndpointReference::anonymous(config().resource, selectors);
        request.answer(|body| {
            body.start("n:EnumerateResponse").start("w:Items").start("w:Item");
            body.start("c:Item").namespace("c", "urn:c").element("c:Name", "x").end();
            reference.write(body, "a:EndpointReference");
            body.end();
            reference.write(body, "a:EndpointReference");
            body.end().start("w:EndOfSequence").end_empty().end();
        })
    })
    .await;
    let filter = Filter {
        dialect: namespace::DIALECT_WQL.to_owned(),
        text: "select * from X".to_owned(),
        selectors: SelectorSet::new(),
        ..Filter::default()
    };
    let options = EnumerateOptions {
        mode: EnumerationMode::ObjectAndReference,
        polymorphism: wsman::enumeration::PolymorphismMode::None,
        filter: Some(filter.clone()),
        max_elements: 7,
    };
    let mut enumerator = service.session().enumerate(&config(), options).await.unwrap();
    let both = enumerator.next().await.unwrap().unwrap();
    assert_eq!(name(&both), "x");
    assert_eq!(both.reference().unwrap().selectors.text("Name"), Some("x"));
    let alone = enumerator.next().await.unwrap().unwrap();
    assert!(alone.object().is_none());
    assert_eq!(alone.reference().unwrap().selectors.text("Name"), Some("x"));
    let requested = service.request().await.parsed();
    let requested = wsman::enumeration::Enumerate::parse(requested.body().unwrap()).unwrap();
    assert_eq!((requested.filter, requested.max_elements), (Some(filter), Some(7)));
}

#[tokio::test]
async fn a_pull_that_times_out_is_repeated() {
    let service = Service::start(|request| match request.number {
        0 | 2 | 3 | 4 | 5 => request.fault(wsman::code::TIMED_OUT),
        1 => page(request, &["a"], Some("uuid:1")),
        _ => page(request, &["b"], None),
    })
    .await;
    let mut enumerator = service.session().enumerate(&config(), EnumerateOptions::default()).await.unwrap();
    assert_eq!(names(&mut enumerator).await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn enumerate_is_attempted_three_times() {
    let mut service = Service::start(|request| request.fault(wsman::code::TIMED_OUT)).await;
    let error = service.session().enumerate(&config(), EnumerateOptions::default()).await;
    assert!(error.expect_err("no beginning").is_operation_timeout());
    for _ in 0..3 {
        service.request().await;
    }
    assert!(service.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_dropped_enumeration_is_released() {
    let mut service = Service::start(|request| match request.verb().as_str() {
        "Enumerate" => page(request, &["a"], Some("uuid:1")),
        _ => request.answer(|_| {}),
    })
    .await;
    let enumerator = service.session().enumerate(&config(), EnumerateOptions::default()).await.unwrap();
    drop(enumerator);
    service.request().await;
    let release = service.request().await;
    assert_eq!(release.verb(), "Release");
    assert!(release.body.contains("uuid:1"));
}

#[tokio::test]
async fn a_pending_pull_determines_the_context_to_release() {
    for is_dropped in [false, true] {
        let released = Arc::new(tokio::sync::Notify::new());
        let held = Arc::clone(&released);
        let mut service = Service::start(move |request| match request.verb().as_str() {
            "Enumerate" => page(request, &[], Some("uuid:1")),
            // The service has created the page before it rejects the first context; the page has not arrived.
            "Pull" => {
                let message = request.message(|body| write_page(body, "Pull", &["a"], Some("uuid:2")));
                vec![Step::WaitFor(Arc::clone(&held)), Step::Send(response(200, &message))]
            }
            _ if context_of(request) == "uuid:2" => request.answer(|_| {}),
            _ => {
                released.notify_one();
                request.fault(wsman::code::INVALID_ENUMERATION_CONTEXT)
            }
        })
        .await;
        let mut enumerator =
            service.session().enumerate(&config(), EnumerateOptions::default()).await.unwrap();
        service.request().await;
        tokio::select! {
            biased;
            _ = enumerator.next() => panic!("the page is held back"),
            _ = service.request() => {}
        }
        if is_dropped {
            drop(enumerator);
        } else {
            enumerator.release().await.unwrap();
        }
        for context in ["uuid:1", "uuid:2"] {
            let release = service.request().await;
            assert_eq!((release.verb().as_str(), context_of(&release).as_str()), ("Release", context));
        }
    }
}

/// The enumeration context of a Release; message identifiers begin like contexts.
fn context_of(release: &Request) -> String {
    wsman::enumeration::parse_release(release.parsed().body().unwrap()).unwrap()
}

#[tokio::test]
async fn a_completed_enumeration_is_not_released() {
    let mut service = Service::start(|request| page(request, &["a"], None)).await;
    let session = service.session();
    let mut enumerator = session.enumerate(&config(), EnumerateOptions::default()).await.unwrap();
    assert_eq!(names(&mut enumerator).await.unwrap(), ["a"]);
    enumerator.release().await.unwrap();
    service.request().await;
    // A Release would arrive before the next request.
    session.enumerate(&config(), EnumerateOptions::default()).await.unwrap();
    assert_eq!(service.request().await.verb(), "Enumerate");
}

#[tokio::test]
async fn an_error_ends_an_enumeration_and_is_returned_once() {
    let service = Service::start(|request| match request.verb().as_str() {
        "Enumerate" => page(request, &["a"], Some("uuid:1")),
        _ => request.fault(wsman::code::INVALID_ENUMERATION_CONTEXT),
    })
    .await;
    let mut enumerator = service.session().enumerate(&config(), EnumerateOptions::default()).await.unwrap();
    assert!(enumerator.next().await.unwrap().is_ok());
    let error = enumerator.next().await.unwrap().expect_err("a fault");
    assert_eq!(error.code(), Some(2_150_858_779));
    assert!(enumerator.next().await.is_none());
}

#[tokio::test]
async fn end_of_sequence_takes_precedence_over_a_context() {
    let service = Service::start(|request| {
        request.answer(|body| {
            body.start("n:EnumerateResponse").element("n:EnumerationContext", "uuid:1");
            body.start("w:Items").end().start("w:EndOfSequence").end_empty().end();
        })
    })
    .await;
    let mut enumerator = service.session().enumerate(&config(), EnumerateOptions::default()).await.unwrap();
    assert!(enumerator.next().await.is_none());
}

#[tokio::test]
async fn a_page_without_context_and_end_is_rejected() {
    let service = Service::start(|request| {
        request.answer(|body| {
            body.start("n:EnumerateResponse").start("w:Items").end().end();
        })
    })
    .await;
    let error = service.session().enumerate(&config(), EnumerateOptions::default()).await;
    let Err(Error::Protocol { violation: Violation::Missing { at, .. }, .. }) = error else {
        panic!("no page")
    };
    assert_eq!(at, "s:Envelope/s:Body/n:EnumerateResponse");
}

#[tokio::test]
async fn a_page_is_not_lost_if_next_is_cancelled() {
    let pulls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pulls);
    let release = Arc::new(tokio::sync::Notify::new());
    let held = Arc::clone(&release);
    let mut service = Service::start(move |request| match request.verb().as_str() {
        "Enumerate" => page(request, &[], Some("uuid:1")),
        _ => {
            counted.fetch_add(1, Ordering::SeqCst);
            let message = request.message(|body| write_page(body, "Pull", &["a"], None));
            vec![Step::WaitFor(Arc::clone(&held)), Step::Send(response(200, &message))]
        }
    })
    .await;
    let mut enumerator = service.session().enumerate(&config(), EnumerateOptions::default()).await.unwrap();
    service.request().await;
    tokio::select! {
        biased;
        _ = enumerator.next() => panic!("the page is held back"),
        _ = service.request() => {}
    }
    release.notify_one();
    assert_eq!(names(&mut enumerator).await.unwrap(), ["a"]);
    assert_eq!(pulls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_is_retried_twice() {
    for code in [1_460, 0x8007_05B4] {
        // Enumerate and Pull succeed on the third attempt.
        let service = Service::start(move |request| match request.number {
            0 | 1 | 3 | 4 => request.fault(code),
            2 => page(request, &["a"], Some("uuid:1")),
            _ => page(request, &["b"], None),
        })
        .await;
        let session = service.session();
        let mut enumerator = session.enumerate(&config(), EnumerateOptions::default()).await.unwrap();
        assert_eq!(names(&mut enumerator).await.unwrap(), ["a", "b"]);
        let never = Service::start(move |request| request.fault(code)).await;
        let refused = never.session().enumerate(&config(), EnumerateOptions::default()).await;
        assert!(matches!(refused.map(drop), Err(Error::Fault(fault)) if fault.code() == code));
    }
}
