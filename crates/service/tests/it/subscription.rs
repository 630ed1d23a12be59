//! Tests of subscriptions: order and delivery of events, timeouts, and cleanup.

use std::time::Duration;

use telarch_service::EndReason;
use wsman::eventing::SubscribeResponse;
use wsman::{Fault, Subcode, code};

use crate::TIMEOUT;
use crate::faults::enumeration::{pull, release};
use crate::message::Message;
use crate::probe::{Event, URI};
use crate::running::Running;
use crate::wire::{Answer, BEN, Wire, post};

pub(crate) const PULL: &str = "<e:Delivery Mode=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull\"/>";

/// Namespace declaration of eventing, which other messages do not need.
pub(crate) const E: &str = "xmlns:e=\"http://schemas.xmlsoap.org/ws/2004/08/eventing\"";

/// Returns a Subscribe request for the probe.
pub(crate) fn subscribe_with(content: &str) -> Message {
    Message::eventing(URI, "Subscribe").body(&format!("<e:Subscribe {E}>{content}</e:Subscribe>"))
}

/// Returns a Subscribe request with a name under which the probe reports its events.
pub(crate) fn subscribe(name: &str) -> Message {
    subscribe_with(&format!("{PULL}<w:Filter>{name}</w:Filter>"))
}

/// Returns a Subscribe request whose events the probe pushes.
pub(crate) fn push(name: &str) -> Message {
    let delivery = "<e:Delivery><e:NotifyTo><a:Address>http://node8/</a:Address></e:NotifyTo></e:Delivery>";
    Message::eventing(&format!("{URI}/push"), "Subscribe")
        .body(&format!("<e:Subscribe {E}>{delivery}<w:Filter>{name}</w:Filter></e:Subscribe>"))
}

/// Returns a request that manages a subscription.
pub(crate) fn about(verb: &str, identifier: &str) -> Message {
    Message::eventing(URI, verb)
        .header(&format!("<e:Identifier {E}>{identifier}</e:Identifier>"))
        .body(&format!("<e:{verb} {E}/>"))
}

pub(crate) async fn opened(wire: &mut Wire, message: Message) -> SubscribeResponse {
    let answer = wire.ask(&post(message)).await;
    let response = answer.response();
    SubscribeResponse::parse(response.content().unwrap()).expect("a subscription")
}

/// Returns a Pull for up to `most` events with a timeout of half a second.
fn pull_most(subscribed: &SubscribeResponse, most: u32) -> Message {
    let context = subscribed.context.as_deref().unwrap();
    let mut message = pull(context).header("<w:OperationTimeout>PT0.5S</w:OperationTimeout>");
    let most = format!("<n:MaxElements>{most}</n:MaxElements></n:Pull>");
    message.body = message.body.replace("</n:Pull>", &most);
    message
}

fn events(answer: &Answer) -> Vec<String> {
    let response = answer.response();
    let page = wsman::enumeration::Page::parse(response.content().unwrap());
    page.items.iter().map(|item| item.text().into_owned()).collect()
}

async fn pulled(wire: &mut Wire, subscribed: &SubscribeResponse) -> Vec<String> {
    events(&wire.ask(&post(pull_most(subscribed, 100))).await)
}

fn emit(running: &Running, texts: &[&str]) {
    texts.iter().for_each(|text| running.probe.emit(Ok((*text).to_owned())));
}

/// Waits until the event stream of a subscription is dropped.
pub(crate) async fn abandoned(running: &Running, name: &str) {
    while running.probe.next().await != Event::Abandoned(name.to_owned()) {}
}

#[tokio::test]
async fn events_keep_their_order_and_context() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let subscribed = opened(&mut wire, subscribe("x")).await;
    emit(&running, &["one", "two", "three"]);
    let first = wire.ask(&post(pull_most(&subscribed, 2))).await;
    assert_eq!(events(&first), ["one", "two"]);
    assert_eq!(crate::faults::enumeration::context(&first), *subscribed.context.as_ref().unwrap());
    assert_eq!(pulled(&mut wire, &subscribed).await, ["three"]);
    running.stop().await;
}

#[tokio::test]
async fn a_pull_without_events_times_out_and_the_subscription_continues() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let subscribed = opened(&mut wire, subscribe("x")).await;
    let fault = wire.ask(&post(pull_most(&subscribed, 9))).await.fault();
    assert_eq!(fault.code(), code::TIMED_OUT);
    emit(&running, &["late"]);
    assert_eq!(pulled(&mut wire, &subscribed).await, ["late"]);
    running.stop().await;
}

#[tokio::test]
async fn revoked_access_ends_the_subscription_at_the_next_pull() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let subscribed = opened(&mut wire, subscribe("x")).await;
    emit(&running, &["one"]);
    assert_eq!(pulled(&mut wire, &subscribed).await, ["one"]);
    running.probe.close();
    emit(&running, &["two"]);
    let fault = wire.ask(&post(pull_most(&subscribed, 9))).await.fault();
    assert_eq!((fault.subcode(), fault.reason()), (&Subcode::AccessDenied, "no events for ada"));
    abandoned(&running, "x").await;
    let fault = wire.ask(&post(pull_most(&subscribed, 9))).await.fault();
    assert_eq!(*fault.subcode(), Subcode::InvalidEnumerationContext);
    running.stop().await;
}

#[tokio::test]
async fn a_push_subscription_cannot_be_pulled_and_ends_with_its_delivery() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    for has_failed in [false, true] {
        let subscribed = opened(&mut wire, push("x")).await;
        assert_eq!((subscribed.context, subscribed.expires), (None, Some(Duration::from_secs(86_400))));
        let status = about("GetStatus", &subscribed.identifier);
        assert_eq!(wire.ask(&post(status.clone())).await.status, 200);
        let pulled = wire.ask(&post(pull(&format!("uuid:{}", subscribed.identifier)))).await;
        assert_eq!(*pulled.fault().subcode(), Subcode::InvalidEnumerationContext);
        match has_failed {
            true => running.probe.emit(Err(Fault::new(Subcode::DeliveryRefused, 1, "no answer"))),
            false => running.probe.end_events(),
        }
        abandoned(&running, "x").await;
        let fault = wire.ask(&post(status)).await.fault();
        assert_eq!(*fault.subcode(), Subcode::InvalidMessage);
    }
    running.stop().await;
}

#[tokio::test]
async fn unsubscribe_ends_the_delivery_of_a_push_subscription() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let subscribed = opened(&mut wire, push("x")).await;
    assert_eq!(wire.ask(&post(about("Unsubscribe", &subscribed.identifier))).await.status, 200);
    abandoned(&running, "x").await;
    running.stop().await;
}

#[tokio::test]
async fn a_pull_waits_for_the_first_event() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let subscribed = opened(&mut wire, subscribe("x")).await;
    wire.send(post(pull(subscribed.context.as_deref().unwrap())).octets()).await;
    emit(&running, &["now"]);
    assert_eq!(events(&wire.answer().await), ["now"]);
    running.stop().await;
}

#[tokio::test]
async fn events_of_a_lost_response_are_sent_again() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let subscribed = opened(&mut wire, subscribe("x")).await;
    let lost = Wire::connect_abruptly(running.http).await;
    let mut lost = lost;
    lost.send(post(pull(subscribed.context.as_deref().unwrap())).octets()).await;
    drop(lost);
    emit(&running, &["kept"]);
    // Until the service detects the reset, a second Pull is rejected as concurrent.
    let answer = tokio::time::timeout(TIMEOUT, async {
        loop {
            let answer = wire.ask(&post(pull_most(&subscribed, 9))).await;
            if answer.status == 200 {
                return answer;
            }
        }
    });
    assert_eq!(events(&answer.await.unwrap()), ["kept"]);
    running.stop().await;
}

#[tokio::test]
async fn a_concurrent_pull_is_rejected_and_takes_no_events() {
    let running = Running::start(&[]).await;
    let (mut first, mut second) = (running.connect().await, running.connect().await);
    let subscribed = opened(&mut first, subscribe("x")).await;
    first.send(post(pull(subscribed.context.as_deref().unwrap())).octets()).await;
    let refused = loop {
        // Different tasks serve the two connections, so the second Pull may start before the first.
        let fault = second.ask(&post(pull_most(&subscribed, 9))).await.fault();
        if fault.code() != code::TIMED_OUT {
            break fault;
        }
    };
    assert_eq!((refused.subcode(), refused.code()), (&Subcode::Concurrency, code::CONCURRENT_PULL));
    emit(&running, &["mine"]);
    assert_eq!(events(&first.answer().await), ["mine"]);
    running.stop().await;
}

#[tokio::test]
async fn unsubscribe_and_release_end_a_pull_in_progress() {
    let running = Running::start(&[]).await;
    for verb in ["Unsubscribe", "Release"] {
        let (mut pulling, mut ending) = (running.connect().await, running.connect().await);
        let subscribed = opened(&mut pulling, subscribe(verb)).await;
        let context = subscribed.context.as_deref().unwrap();
        pulling.send(post(pull(context)).octets()).await;
        let message = if verb == "Release" { release(context) } else { about(verb, &subscribed.identifier) };
        assert_eq!(ending.ask(&post(message)).await.status, 200);
        let fault = pulling.answer().await.fault();
        assert_eq!(fault.code(), code::INVALID_ENUMERATION_CONTEXT);
        abandoned(&running, verb).await;
        let fault = ending.ask(&post(about("GetStatus", &subscribed.identifier))).await.fault();
        assert_eq!(fault.code(), code::EVENTING_INVALID_MESSAGE);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_subscription_does_not_exist_for_other_users() {
    let running = Running::start(&[("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;WD)")]).await;
    let mut wire = running.connect().await;
    let subscribed = opened(&mut wire, subscribe("x")).await;
    emit(&running, &["secret"]);
    let mut other = running.connect().await;
    for (message, code) in [
        (pull_most(&subscribed, 9), code::INVALID_ENUMERATION_CONTEXT),
        (about("Renew", &subscribed.identifier), code::UNABLE_TO_RENEW),
        (about("GetStatus", &subscribed.identifier), code::EVENTING_INVALID_MESSAGE),
        (about("Unsubscribe", &subscribed.identifier), code::EVENTING_INVALID_MESSAGE),
    ] {
        let fault = other.ask(&post(message).signed_in("ben", BEN)).await.fault();
        assert_eq!(fault.code(), code);
    }
    assert_eq!(pulled(&mut wire, &subscribed).await, ["secret"]);
    running.stop().await;
}

fn granted(answer: &Answer) -> Duration {
    wsman::eventing::expires_of(answer.response().content().unwrap()).expect("an end")
}

#[tokio::test]
async fn renew_changes_the_lifetime_and_get_status_reports_it() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let requested = subscribe_with(&format!("{PULL}<e:Expires>PT1H</e:Expires>"));
    let subscribed = opened(&mut wire, requested).await;
    assert_eq!(subscribed.expires.map(|expires| expires.as_secs().div_ceil(60)), Some(60));
    for (wanted, minutes) in [("PT5M", 5), ("PT3961315881.184S", 24 * 60)] {
        let mut renew = about("Renew", &subscribed.identifier);
        renew.body = format!("<e:Renew {E}><e:Expires>{wanted}</e:Expires></e:Renew>");
        assert_eq!(granted(&wire.ask(&post(renew)).await).as_secs().div_ceil(60), minutes);
        let status = wire.ask(&post(about("GetStatus", &subscribed.identifier))).await;
        assert_eq!(granted(&status).as_secs().div_ceil(60), minutes);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_subscription_expires_without_a_request() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let message = subscribe_with(&format!("{PULL}<e:Expires>PT0.2S</e:Expires><w:Filter>short</w:Filter>"));
    let subscribed = opened(&mut wire, message).await;
    abandoned(&running, "short").await;
    let fault = wire.ask(&post(pull_most(&subscribed, 9))).await.fault();
    assert_eq!(fault.code(), code::INVALID_ENUMERATION_CONTEXT);
    running.stop().await;
}

#[tokio::test]
async fn only_an_unexpected_end_of_a_push_subscription_is_reported_with_its_reason() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let mut short = push("short");
    short.body = short.body.replace("</e:Delivery>", "</e:Delivery><e:Expires>PT0.2S</e:Expires>");
    opened(&mut wire, short).await;
    ended(&running, EndReason::Expired, "short").await;
    let subscribed = opened(&mut wire, push("unsubscribed")).await;
    assert_eq!(wire.ask(&post(about("Unsubscribe", &subscribed.identifier))).await.status, 200);
    abandoned(&running, "unsubscribed").await;
    let reported =
        running.probe.so_far().into_iter().filter(|event| matches!(event, Event::Ended(_))).count();
    assert_eq!(reported, 1, "Unsubscribe is no unexpected end");
    running.stop().await;
}

/// Waits until the service ends a push subscription for a reason, and drops it.
pub(crate) async fn ended(running: &Running, reason: EndReason, name: &str) {
    while running.probe.next().await != Event::Ended(reason) {}
    abandoned(running, name).await;
}

/// Advances the clock by most of ten minutes, after the last response was delivered.
async fn later(wire: &mut Wire, subscribed: &SubscribeResponse) {
    assert_eq!(wire.ask(&post(about("GetStatus", &subscribed.identifier))).await.status, 200);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(400)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn only_subscriptions_that_are_not_pulled_expire_after_ten_minutes() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let _silent = opened(&mut wire, subscribe("silent")).await;
    let pulling = opened(&mut wire, subscribe("pulling")).await;
    later(&mut wire, &pulling).await;
    let mut wire = running.connect().await;
    emit(&running, &["a sign of life"]);
    assert_eq!(pulled(&mut wire, &pulling).await, ["a sign of life"]);
    later(&mut wire, &pulling).await;
    abandoned(&running, "silent").await;
    let mut wire = running.connect().await;
    emit(&running, &["another"]);
    assert_eq!(pulled(&mut wire, &pulling).await, ["another"]);
    running.stop().await;
}

#[tokio::test]
async fn subscriptions_count_as_operations_until_they_end() {
    let running = Running::start(&[("Service.MaxConcurrentOperationsPerUser", "20")]).await;
    let mut wire = running.connect().await;
    let mut open = Vec::new();
    // A client that keeps subscribing reaches its quota and blocks no one else.
    for _ in 0..10_000 {
        let answer = wire.ask(&post(subscribe("many"))).await;
        if answer.status == 200 {
            let response = answer.response();
            open.push(SubscribeResponse::parse(response.content().unwrap()).unwrap());
        } else {
            assert_eq!(answer.fault().code(), code::MAX_OPERATIONS_PER_USER);
        }
        if open.len() == 20 && answer.status != 200 {
            break;
        }
    }
    assert_eq!(open.len(), 20);
    emit(&running, &["still"]);
    assert_eq!(pulled(&mut wire, &open[7]).await, ["still"]);
    assert_eq!(wire.ask(&post(about("Unsubscribe", &open[7].identifier))).await.status, 200);
    opened(&mut wire, subscribe("again")).await;
    running.stop().await;
}

#[tokio::test]
async fn a_fault_of_the_source_follows_the_events_before_it() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let subscribed = opened(&mut wire, subscribe("x")).await;
    emit(&running, &["last"]);
    let reason = "the source is gone";
    running.probe.emit(Err(Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, reason)));
    assert_eq!(pulled(&mut wire, &subscribed).await, ["last"]);
    let fault = wire.ask(&post(pull_most(&subscribed, 9))).await.fault();
    assert_eq!(fault.fault.reason(), reason);
    abandoned(&running, "x").await;
    running.stop().await;
}

#[tokio::test]
async fn the_end_of_events_ends_the_sequence() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let subscribed = opened(&mut wire, subscribe("x")).await;
    emit(&running, &["last"]);
    running.probe.end_events();
    assert_eq!(pulled(&mut wire, &subscribed).await, ["last"]);
    let answer = wire.ask(&post(pull_most(&subscribed, 9))).await;
    let response = answer.response();
    let page = wsman::enumeration::Page::parse(response.content().unwrap());
    assert!(page.end && page.context.is_none() && page.items.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn an_oversized_event_does_not_block_the_following_ones() {
    let running = Running::start(&[]).await;
    let mut wire = running.connect().await;
    let subscribed = opened(&mut wire, subscribe("x")).await;
    emit(&running, &[&"x".repeat(20_000), "next"]);
    let small = "<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>";
    let fault = wire.ask(&post(pull_most(&subscribed, 9).header(small))).await.fault();
    assert_eq!(fault.code(), code::MAX_ENVELOPE_SIZE_EXCEEDED);
    assert_eq!(pulled(&mut wire, &subscribed).await, ["next"]);
    running.stop().await;
}

#[tokio::test]
async fn a_subscription_with_a_lost_response_is_removed() {
    let running = Running::start(&[]).await;
    let mut wire = Wire::connect_abruptly(running.http).await;
    wire.send(post(subscribe("unheard")).octets()).await;
    drop(wire);
    abandoned(&running, "unheard").await;
    running.stop().await;
}
