//! Tests of enumerations that fail or are abandoned.

use wsman::code;

use crate::message::Message;
use crate::probe::{Event, URI};
use crate::running::Running;
use crate::subscription::subscribe;
use crate::wire::{Post, Wire, post};

/// Returns the request for an enumeration that fails after two items.
fn broken(within: &str) -> Message {
    let body = format!("<n:Enumerate>2{within}</n:Enumerate>");
    Message::enumeration(&format!("{URI}/broken"), "Enumerate").body(&body)
}

async fn pull(wire: &mut Wire, context: &str) -> crate::wire::Answer {
    let context =
        format!("<n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>9</n:MaxElements>");
    let pull = Message::enumeration(&format!("{URI}/broken"), "Pull");
    wire.ask(&post(pull.body(&format!("<n:Pull>{context}</n:Pull>")))).await
}

fn context(text: &str) -> String {
    let (_, rest) = text.split_once("<n:EnumerationContext>").unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

#[tokio::test]
async fn items_before_a_fault_are_returned_and_none_after_it() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let first = broken("<w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements>");
    let opened = wire.ask(&post(first)).await.text();
    assert!(opened.contains("<w:Items>") && !opened.contains("EndOfSequence"), "{opened}");
    // Missing sources are named in a header, which clients may ignore.
    let (header, _) = opened.split_once("<s:Body>").unwrap();
    assert!(header.contains("<t:Omitted Source=\"Probe\">some are missing</t:Omitted>"), "{opened}");
    let context = context(&opened);
    let fault = pull(&mut wire, &context).await.fault();
    assert_eq!((fault.code(), fault.reason()), (code::INTERNAL_ERROR, "it is broken"));
    // The fault must not look like the end of the enumeration.
    assert_eq!(pull(&mut wire, &context).await.fault().code(), code::INVALID_ENUMERATION_CONTEXT);
    running.stop().await;
}

#[tokio::test]
async fn an_idle_enumeration_expires_without_another_request() {
    let running = Running::start(&[("Service.EnumerationTimeoutms", "500")]).await;
    let mut wire = running.connect().await;
    let opened = wire.ask(&post(broken(""))).await.text();
    running.probe.expect(&[Event::Called("2".to_owned()), Event::Abandoned("2".to_owned())]).await;
    let fault = pull(&mut wire, &context(&opened)).await.fault();
    assert_eq!(fault.code(), code::INVALID_ENUMERATION_CONTEXT);
    running.stop().await;
}

#[tokio::test]
async fn an_enumeration_can_be_released_during_a_pull() {
    let running = Running::start(&[("Service.MaxConcurrentOperationsPerUser", "1")]).await;
    let (mut wire, mut other) = (running.connect().await, running.connect().await);
    let stuck = |text: &str| {
        let begin = Message::enumeration(&format!("{URI}/stuck"), "Enumerate");
        post(begin.body(&format!("<n:Enumerate>{text}</n:Enumerate>")))
    };
    let context = context(&wire.ask(&stuck("1")).await.text());
    wire.send(asked_for("Pull", &context).octets()).await;
    let called = |text: &str| Event::Called(text.to_owned());
    running.probe.expect(&[called("1"), called("an item")]).await;
    // A second Pull is rejected because items have one order, and the enumeration still counts as an operation.
    let second = other.ask(&asked_for("Pull", &context)).await.fault();
    assert_eq!(second.code(), code::INVALID_ENUMERATION_CONTEXT);
    assert_eq!(other.ask(&stuck("2")).await.fault().code(), code::MAX_OPERATIONS_PER_USER);

    let released = other.ask(&asked_for("Release", &context)).await;
    assert_eq!(released.status, 200, "{}", released.text());
    running.probe.expect(&[Event::Abandoned("1".to_owned())]).await;
    assert_eq!(wire.answer().await.fault().code(), code::INVALID_ENUMERATION_CONTEXT);
    let again = other.ask(&asked_for("Release", &context)).await.fault();
    assert_eq!(again.code(), code::INVALID_ENUMERATION_CONTEXT);
    assert_eq!(other.ask(&stuck("3")).await.status, 200);
    running.stop().await;
}

fn asked_for(verb: &str, context: &str) -> Post {
    let body = format!("<n:{verb}><n:EnumerationContext>{context}</n:EnumerationContext></n:{verb}>");
    post(Message::enumeration(&format!("{URI}/stuck"), verb).body(&body))
}

/// Returns the request for one event or item of this size with the smallest envelope that clients may request.
fn subscribed_pull(context: &str) -> Post {
    let small = "<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>";
    let body = format!("<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext></n:Pull>");
    post(Message::enumeration(URI, "Pull").body(&body).header(small))
}

#[tokio::test]
async fn an_item_may_fill_the_smallest_envelope_except_its_headers() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let subscribed = wire.ask(&post(subscribe("x"))).await.text();
    let context = context(&subscribed);
    for (size, fits) in [(4_314, true), (7_000, true), (8_000, false)] {
        running.probe.emit(Ok("x".repeat(size)));
        let answer = wire.ask(&subscribed_pull(&context)).await;
        assert_eq!(answer.status == 200, fits, "{size}: {}", answer.text());
        match fits {
            true => assert!(answer.body.len() <= 8_192, "{}", answer.body.len()),
            false => assert_eq!(answer.fault().code(), code::MAX_ENVELOPE_SIZE_EXCEEDED),
        }
    }
    running.stop().await;
}
