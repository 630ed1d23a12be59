//! What becomes of enumerations that fail or are left alone.

use wsman::code;

use crate::message::Message;
use crate::probe::{Event, URI};
use crate::running::Running;
use crate::wire::{Post, Wire, post};

/// Begins an enumeration that fails after two items.
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
async fn items_that_came_before_a_failure_are_given_and_nothing_follows_it() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let first = broken("<w:OptimizeEnumeration/><w:MaxElements>9</w:MaxElements>");
    let opened = wire.ask(&post(first)).await.text();
    assert!(opened.contains("<w:Items>") && !opened.contains("EndOfSequence"), "{opened}");
    let context = context(&opened);
    let fault = pull(&mut wire, &context).await.fault();
    assert_eq!((fault.code(), fault.reason()), (code::INTERNAL_ERROR, "it is broken"));
    // It does not look as if it had come to its end.
    assert_eq!(pull(&mut wire, &context).await.fault().code(), code::INVALID_ENUMERATION_CONTEXT);
    running.stop().await;
}

#[tokio::test]
async fn an_enumeration_that_nobody_goes_on_with_is_let_go_although_nothing_else_is_asked() {
    let running = Running::start(&[("Service.EnumerationTimeoutms", "500")]).await;
    let mut wire = running.connect().await;
    let opened = wire.ask(&post(broken(""))).await.text();
    running.probe.expect(&[Event::Called("2".to_owned()), Event::Abandoned("2".to_owned())]).await;
    let fault = pull(&mut wire, &context(&opened)).await.fault();
    assert_eq!(fault.code(), code::INVALID_ENUMERATION_CONTEXT);
    running.stop().await;
}

#[tokio::test]
async fn an_enumeration_is_released_while_a_page_of_it_is_made() {
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
    // Items come in one order, so nobody else is given any meanwhile; nor does it count less.
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
