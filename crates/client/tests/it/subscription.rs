//! Subscriptions.

use std::time::Duration;

use client::{Error, Occurrence, Subscription};
use telarch_client as client;
use wsman::enumeration::{Filter, Pull};
use wsman::eventing::{Subscribe, SubscribeResponse, parse_renew, write_dropped_events, write_status};
use wsman::{Head, ResourceUri, code};

use crate::service::{Reply, Request, Service, Step, config};

const TEN_MINUTES: Option<Duration> = Some(Duration::from_secs(600));

fn subscribed(request: &Request) -> Reply {
    let subscribed = SubscribeResponse {
        identifier: "S-1".to_owned(),
        expires: TEN_MINUTES,
        context: Some("uuid:C".to_owned()),
    };
    let resource = ResourceUri::parse("urn:events").unwrap();
    request.answer(|body| subscribed.write(body, None, &resource))
}

/// A response to Pull with these events and a count of dropped events.
fn page(request: &Request, events: &[&str], dropped: u64) -> Reply {
    request.answer(|body| {
        body.start("n:PullResponse").element("n:EnumerationContext", "uuid:C").start("n:Items");
        for event in events {
            body.start("c:Event").namespace("c", "urn:c").text(event).end();
        }
        if dropped > 0 {
            write_dropped_events(body, dropped);
        }
        body.end().end();
    })
}

fn no_events(request: &Request) -> Reply {
    request.fault(code::TIMED_OUT)
}

async fn subscribe(service: &Service) -> Result<Subscription, Error> {
    let filter = Filter { dialect: "urn:q".into(), text: "everything".into(), ..Filter::default() };
    service.session().subscribe(&config(), filter, TEN_MINUTES).await
}

async fn event(subscription: &mut Subscription) -> String {
    match subscription.next().await.unwrap().unwrap() {
        Occurrence::Event(event) => event.element().text().into_owned(),
        Occurrence::Dropped(count) => format!("{count} dropped"),
    }
}

fn head_of(request: &Request) -> Head {
    request.parsed().head().clone()
}

#[tokio::test]
async fn events_are_polled_and_dropped_events_are_counted() {
    let mut service = Service::start(|request| match request.number {
        0 => subscribed(request),
        1 => no_events(request),
        2 => page(request, &["a", "b"], 7),
        3 => page(request, &["c"], 0),
        _ => vec![Step::Hang],
    })
    .await;
    let mut subscription = subscribe(&service).await.unwrap();
    assert_eq!(subscription.expires(), TEN_MINUTES);
    for expected in ["a", "b", "7 dropped", "c"] {
        assert_eq!(event(&mut subscription).await, expected);
    }
    let requested = service.request().await.parsed();
    let requested = Subscribe::parse(requested.body().unwrap()).unwrap();
    assert_eq!((requested.expires, requested.filter.unwrap().text.as_str()), (TEN_MINUTES, "everything"));
    for _ in 0..3 {
        let pull = Pull::parse(service.request().await.parsed().body().unwrap()).unwrap();
        assert_eq!(pull.context, "uuid:C");
    }
}

#[tokio::test]
async fn a_subscription_is_renewed_and_cancelled_by_its_identifier() {
    let mut service = Service::start(|request| match request.number {
        0 => subscribed(request),
        1 => request.answer(|body| write_status(body, "e:RenewResponse", Some(Duration::from_secs(60)))),
        2 => request.answer(|body| write_status(body, "e:GetStatusResponse", Some(Duration::from_secs(59)))),
        _ => request.answer(|_| {}),
    })
    .await;
    let mut subscription = subscribe(&service).await.unwrap();
    let minute = Some(Duration::from_secs(60));
    assert_eq!(subscription.renew(minute).await.unwrap(), minute);
    assert_eq!(subscription.expires(), minute);
    assert_eq!(subscription.time_left().await.unwrap(), Some(Duration::from_secs(59)));
    subscription.unsubscribe().await.unwrap();
    service.request().await;
    let renewed = service.request().await.parsed();
    assert_eq!(parse_renew(renewed.body().unwrap()), Ok(minute));
    for action in ["GetStatus", "Unsubscribe"] {
        let head = head_of(&service.request().await);
        assert!(head.action.uri().ends_with(action), "{head:?}");
        assert_eq!(head.subscription.as_deref(), Some("S-1"));
    }
}

#[tokio::test]
async fn a_dropped_subscription_is_cancelled_once() {
    let mut service = Service::start(|request| match request.number {
        0 => subscribed(request),
        _ => request.answer(|_| {}),
    })
    .await;
    drop(subscribe(&service).await.unwrap());
    service.request().await;
    let head = head_of(&service.request().await);
    assert!(head.action.uri().ends_with("Unsubscribe"), "{head:?}");
    // The clock advances when neither end has anything left to do.
    tokio::time::pause();
    let more = tokio::time::timeout(Duration::from_millis(100), service.requests.recv()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_subscription_resumes_after_a_disconnection_but_not_after_a_fault() {
    let service = Service::start(|request| match request.number {
        0 => subscribed(request),
        1 => vec![Step::Close],
        2 => page(request, &["after"], 0),
        _ => request.fault(code::INVALID_ENUMERATION_CONTEXT),
    })
    .await;
    let mut subscription = subscribe(&service).await.unwrap();
    assert!(matches!(subscription.next().await, Some(Err(Error::Disconnected { .. }))));
    assert_eq!(event(&mut subscription).await, "after");
    assert!(matches!(subscription.next().await, Some(Err(Error::Fault(_)))));
    assert!(subscription.next().await.is_none());
}

#[tokio::test]
async fn a_subscribe_response_without_context_is_rejected() {
    let service = Service::start(|request| {
        let subscribed = SubscribeResponse { identifier: "S-1".to_owned(), expires: None, context: None };
        let resource = ResourceUri::parse("urn:events").unwrap();
        request.answer(|body| subscribed.write(body, None, &resource))
    })
    .await;
    assert!(matches!(subscribe(&service).await, Err(Error::Protocol { .. })));
}

#[tokio::test]
async fn pages_arrive_as_sent_and_the_next_pull_waits_for_the_caller() {
    let mut service = Service::start(|request| match request.number {
        0 => subscribed(request),
        1 => no_events(request),
        2 => page(request, &["a", "b"], 7),
        _ => request.answer(|body| {
            body.start("n:PullResponse").start("n:Items").end().start("n:EndOfSequence").end_empty().end();
        }),
    })
    .await;
    let mut subscription = subscribe(&service).await.unwrap();
    subscription.set_max_elements(5);
    let empty = subscription.next_page().await.unwrap().unwrap();
    assert!(empty.events.is_empty() && empty.bookmark.is_none());
    let page = subscription.next_page().await.unwrap().unwrap();
    assert_eq!((page.events.len(), page.dropped), (2, 7));
    service.request().await;
    for _ in 0..2 {
        let pull = Pull::parse(service.request().await.parsed().body().unwrap()).unwrap();
        assert_eq!(pull.max_elements, Some(5));
    }
    assert!(service.requests.try_recv().is_err(), "a request that the caller has not asked for");
    assert!(subscription.next_page().await.unwrap().unwrap().events.is_empty());
    assert!(subscription.next_page().await.is_none(), "the service has ended the subscription");
}
