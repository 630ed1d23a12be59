//! Tests of enumerations: pages, contexts and their end.

use std::collections::BTreeSet;
use std::time::Duration;

use client::{EnumerateOptions, Enumerator, Locator};
use config::LISTENER_RESOURCE;
use telarch_loopback::{Loopback, User};
use wsman::enumeration::{Enumerate, EnumerationMode, Filter};
use wsman::shell::OpenShell;
use wsman::{Subcode, code, namespace};

use crate::message::{self, Portion, enumerate, pull};
use crate::{refusal, uri};

const INVALID: (Subcode, u32) = (Subcode::InvalidEnumerationContext, 2_150_858_779);

fn listeners() -> Locator {
    Locator::new(uri(LISTENER_RESOURCE))
}

/// Starts a service with this many disabled listeners.
async fn service_with(count: u8, settings: &[(&str, &str)]) -> Loopback {
    let service = Loopback::start_with(settings).await;
    service.change(|draft| {
        for last in 1..=count {
            let key = config::ListenerKey::parse(&format!("IP:127.0.1.{last}"), "HTTP").unwrap();
            draft.listeners.create(config::Listener::new(key, &draft.config.service)).unwrap();
        }
    });
    service
}

fn addresses(count: u8) -> Vec<String> {
    (1..=count).map(|last| format!("IP:127.0.1.{last}")).collect()
}

/// Returns the addresses of the objects, or else of the references.
async fn rest(mut listing: Enumerator) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(item) = listing.next().await {
        let item = item.unwrap();
        let of_object = item.object().map(|object| object.children().next().unwrap().text().into_owned());
        let of_reference =
            item.reference().map(|reference| reference.selectors.text("Address").unwrap().to_owned());
        if let (Some(object), Some(reference)) = (&of_object, &of_reference) {
            assert_eq!(object, reference);
        }
        found.push(of_object.or(of_reference).unwrap());
    }
    assert!(listing.next().await.is_none(), "there is something behind the end");
    found
}

fn first(max_elements: u32) -> Enumerate {
    Enumerate { optimize: true, max_elements: Some(max_elements), ..Enumerate::default() }
}

/// Returns the context for the next page.
fn context(portion: Portion) -> String {
    assert!(!portion.end);
    portion.context.unwrap()
}

#[tokio::test]
async fn every_mode_and_page_size_returns_all_items_in_order() {
    let service = service_with(12, &[]).await;
    let session = service.session(User::Ada);
    let modes = [EnumerationMode::Object, EnumerationMode::Reference, EnumerationMode::ObjectAndReference];
    for mode in modes {
        for max_elements in (1..=13).chain([32_000]) {
            let options = EnumerateOptions { mode, max_elements, ..EnumerateOptions::default() };
            let listing = session.enumerate(&listeners(), options).await.unwrap();
            assert_eq!(rest(listing).await, addresses(12), "{mode:?}, {max_elements} at a time");
        }
    }
    service.close().await;
}

#[tokio::test]
async fn an_empty_enumeration_ends_at_once() {
    let service = service_with(0, &[]).await;
    let session = service.session(User::Ada);
    let optimized = enumerate(&session, &listeners(), &first(5)).await.unwrap();
    assert_eq!((optimized.context, optimized.items, optimized.end), (None, 0, true));
    let opened = enumerate(&session, &listeners(), &Enumerate::default()).await.unwrap();
    assert_eq!((opened.items, opened.end), (0, false));
    let pulled = pull(&session, &listeners(), &opened.context.unwrap(), 5).await.unwrap();
    assert_eq!((pulled.context, pulled.items, pulled.end), (None, 0, true));
    service.close().await;
}

#[tokio::test]
async fn a_page_has_the_requested_size_and_its_context_is_valid_once() {
    let service = service_with(5, &[]).await;
    let session = service.session(User::Ada);
    // Without OptimizeEnumeration, the first response contains no items.
    let opened = enumerate(&session, &listeners(), &Enumerate::default()).await.unwrap();
    assert_eq!((opened.items, opened.end), (0, false));
    let one = opened.context.unwrap();
    let two = pull(&session, &listeners(), &one, 2).await.unwrap();
    assert_eq!(two.items, 2);
    assert_eq!(refusal(pull(&session, &listeners(), &one, 2).await), INVALID);
    let two = context(two);
    assert_ne!(one, two);
    let three = pull(&session, &listeners(), &two, 2).await.unwrap();
    assert_eq!(three.items, 2);
    let last = pull(&session, &listeners(), &context(three), 2).await.unwrap();
    assert_eq!((last.items, last.context, last.end), (1, None, true));
    service.close().await;
}

#[tokio::test]
async fn without_max_elements_a_page_has_one_item() {
    let service = service_with(3, &[]).await;
    let session = service.session(User::Ada);
    let one = Enumerate { optimize: true, ..Enumerate::default() };
    assert_eq!(enumerate(&session, &listeners(), &one).await.unwrap().items, 1);
    service.close().await;
}

#[tokio::test]
async fn max_batch_items_limits_every_page() {
    let service = service_with(7, &[("MaxBatchItems", "3")]).await;
    let session = service.session(User::Ada);
    let one = enumerate(&session, &listeners(), &first(100)).await.unwrap();
    assert_eq!(one.items, 3);
    let two = pull(&session, &listeners(), &context(one), 100).await.unwrap();
    assert_eq!(two.items, 3);
    let last = pull(&session, &listeners(), &context(two), 100).await.unwrap();
    assert_eq!((last.items, last.end), (1, true));
    let listing = session.enumerate(&listeners(), EnumerateOptions::default()).await.unwrap();
    assert_eq!(rest(listing).await, addresses(7));
    service.close().await;
}

#[tokio::test]
async fn the_envelope_size_limits_every_page() {
    let service = service_with(100, &[]).await;
    let session = service.over_http(User::Ada).max_envelope_size(8_192).build().unwrap();
    let one = enumerate(&session, &listeners(), &first(100)).await.unwrap();
    assert!((2..20).contains(&one.items), "{} items", one.items);
    session.release(&listeners(), &context(one)).await.unwrap();
    let listing = session.enumerate(&listeners(), EnumerateOptions::default()).await.unwrap();
    assert_eq!(rest(listing).await, addresses(100));
    service.close().await;
}

#[tokio::test]
async fn an_oversized_item_is_a_fault_and_fits_a_larger_envelope() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let small = service.over_http(User::Ada).max_envelope_size(8_192).build().unwrap();
    let shell = message::open_shell(&session, &OpenShell::default()).await.unwrap();
    let line = format!("true {}", "x".repeat(10_000));
    message::start(&session, &shell, &line).await.unwrap();

    let commands = Locator::new(uri("http://schemas.microsoft.com/wbem/wsman/1/windows/shell"));
    let dialect = namespace::DIALECT_SELECTOR.to_owned();
    let filter = Some(Filter {
        dialect,
        text: String::new(),
        selectors: shell.selectors.clone(),
        ..Filter::default()
    });
    let options = EnumerateOptions { filter, ..EnumerateOptions::default() };
    let refused = small.enumerate(&commands, options.clone()).await;
    assert_eq!(refusal(refused), (Subcode::EncodingLimit, code::MAX_ENVELOPE_SIZE_EXCEEDED));
    let mut listing = session.enumerate(&commands, options.clone()).await.unwrap();
    assert!(listing.next().await.unwrap().unwrap().xml().contains(&line));

    // An enumeration continues at the same item once the client accepts larger envelopes.
    let opening = Enumerate { filter: options.filter, ..Enumerate::default() };
    let opened = context(enumerate(&small, &commands, &opening).await.unwrap());
    let refused = pull(&small, &commands, &opened, 1).await;
    assert_eq!(refusal(refused), (Subcode::EncodingLimit, code::MAX_ENVELOPE_SIZE_EXCEEDED));
    assert_eq!(pull(&session, &commands, &opened, 1).await.unwrap().items, 1);
    service.close().await;
}

#[tokio::test]
async fn a_released_enumeration_does_not_exist() {
    let service = service_with(3, &[]).await;
    let session = service.session(User::Ada);
    let opened = context(enumerate(&session, &listeners(), &first(1)).await.unwrap());
    session.release(&listeners(), &opened).await.unwrap();
    assert_eq!(refusal(pull(&session, &listeners(), &opened, 1).await), INVALID);
    assert_eq!(refusal(session.release(&listeners(), &opened).await), INVALID);
    for never in ["uuid:00000000-0000-0000-0000-000000000000", "anything"] {
        assert_eq!(refusal(pull(&session, &listeners(), never, 1).await), INVALID);
    }
    let mut listing = session.enumerate(&listeners(), EnumerateOptions::default()).await.unwrap();
    listing.next().await.unwrap().unwrap();
    listing.release().await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn only_the_owner_can_use_an_enumeration() {
    let service = service_with(3, &[]).await;
    let (ada, ben) = (service.session(User::Ada), service.session(User::Ben));
    let opened = context(enumerate(&ada, &listeners(), &first(1)).await.unwrap());
    assert_eq!(refusal(pull(&ben, &listeners(), &opened, 1).await), INVALID);
    assert_eq!(refusal(ben.release(&listeners(), &opened).await), INVALID);
    // Another session of the same user can continue it.
    let other = service.session(User::Ada);
    assert_eq!(pull(&other, &listeners(), &opened, 9).await.unwrap().items, 2);
    service.close().await;
}

#[tokio::test]
async fn an_idle_enumeration_expires() {
    let service = service_with(4, &[("Service.EnumerationTimeoutms", "500")]).await;
    let session = service.session(User::Ada);
    let opened = context(enumerate(&session, &listeners(), &first(1)).await.unwrap());
    // Each page restarts the timeout. The clock is advanced instead of waiting.
    let next = rests(400, pull(&session, &listeners(), &opened, 1)).await.unwrap();
    let next = rests(400, pull(&session, &listeners(), &context(next), 1)).await.unwrap();
    let next = context(next);
    assert_eq!(refusal(rests(501, pull(&session, &listeners(), &next, 1)).await), INVALID);
    service.close().await;
}

async fn rests<T>(milliseconds: u64, then: impl Future<Output = T>) -> T {
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(milliseconds)).await;
    tokio::time::resume();
    then.await
}

#[tokio::test]
async fn a_dropped_enumeration_is_released_on_the_service() {
    let service = service_with(3, &[("Service.MaxConcurrentOperationsPerUser", "2")]).await;
    let session = service.session(User::Ada);
    for _ in 0..10 {
        let options = EnumerateOptions { max_elements: 1, ..EnumerateOptions::default() };
        let mut listing = session.enumerate(&listeners(), options).await.unwrap();
        listing.next().await.unwrap().unwrap();
        drop(listing);
        // While the enumeration is open, the quota allows one operation only.
        let released = async {
            loop {
                match enumerate(&session, &listeners(), &first(9)).await {
                    Ok(portion) if portion.end => return,
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(telarch_loopback::TIMEOUT, released).await.unwrap();
    }
    service.close().await;
}

#[tokio::test]
async fn unsupported_filters_are_rejected() {
    let service = service_with(3, &[]).await;
    let session = service.session(User::Ada);
    let filtered = |dialect: &str| EnumerateOptions {
        filter: Some(Filter {
            dialect: dialect.to_owned(),
            text: "select * from Listener".to_owned(),
            selectors: Default::default(),
            ..Filter::default()
        }),
        ..EnumerateOptions::default()
    };
    for dialect in [namespace::DIALECT_WQL, namespace::DIALECT_SELECTOR, "urn:other"] {
        let refused = session.enumerate(&listeners(), filtered(dialect)).await;
        assert_eq!(refusal(refused), (Subcode::FilteringNotSupported, code::FILTERING_NOT_SUPPORTED));
    }
    let shells = Locator::new(uri("http://schemas.microsoft.com/wbem/wsman/1/windows/shell"));
    let refused = session.enumerate(&shells, filtered(namespace::DIALECT_WQL)).await;
    let unavailable = (Subcode::FilterDialectRequestedUnavailable, code::FILTER_DIALECT_UNAVAILABLE);
    assert_eq!(refusal(refused), unavailable);
    service.close().await;
}

#[tokio::test]
async fn two_users_can_enumerate_concurrently() {
    let service = service_with(40, &[]).await;
    let mut listings = tokio::task::JoinSet::new();
    for number in 0..20 {
        let session = service.session(if number % 2 == 0 { User::Ada } else { User::Ben });
        listings.spawn(async move {
            let options = EnumerateOptions { max_elements: number + 1, ..EnumerateOptions::default() };
            rest(session.enumerate(&listeners(), options).await.unwrap()).await
        });
    }
    let expected: BTreeSet<_> = [addresses(40)].into();
    assert_eq!(listings.join_all().await.into_iter().collect::<BTreeSet<_>>(), expected);
    service.close().await;
}
