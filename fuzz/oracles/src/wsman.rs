//! WS-Management messages and durations.

use wsman::identify::Identity;
use wsman::namespace::{ADDRESSING, CIM_BINDING, WSMAN};
use wsman::shell::{CommandLine, OpenShell, Receive, Received, Send, ShellState, Signal, parse_created};
use wsman::{Head, Request, Response, SelectorSet, Uuid, duration, enumeration, eventing};
use xml::{Bounds, Document, Writer};

/// Checks that a parsed request survives writing and parsing again, that a rejected one leads to a fault that is XML,
/// and that no parser of bodies panics.
///
/// # Panics
/// If a property does not hold.
pub fn request(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let bounds = Bounds { octets: 1 << 20, nodes: 10_000, ..Bounds::default() };
    let request = match Request::parse(text, &bounds) {
        Ok(request) => request,
        Err(refused) => {
            let id = Uuid::from_random([1; 16]);
            let message = refused.fault.envelope(None, refused.relates_to.as_deref(), id);
            Document::parse(message, &Bounds::default()).expect("a written fault can be parsed");
            return;
        }
    };
    let written = request.head().envelope(&[], |body| {
        if let Some(content) = request.body() {
            body.copy(content);
        }
    });
    // A copied body also declares the namespaces of the elements around it.
    let roomy = Bounds { attributes: 1_000, namespaces: 1_000, ..Bounds::default() };
    let again = Request::parse(written, &roomy).expect("the written form can be parsed");
    assert_eq!(comparable(request.head()), comparable(again.head()));
    if let Some(body) = request.body() {
        let _ = OpenShell::parse(body);
        let _ = CommandLine::parse(body);
        let _ = Receive::parse(body);
        let _ = Send::parse(body);
        let _ = Signal::parse(body);
        let _ = SelectorSet::parse(body);
        let _ = enumeration::Enumerate::parse(body);
        let _ = enumeration::Pull::parse(body);
        let _ = enumeration::parse_release(body);
        let _ = eventing::parse_renew(body);
        if let Ok(subscribe) = eventing::Subscribe::parse(body) {
            read_again(&subscribe);
        }
    }
}

/// Checks that a response is parsed or rejected, and that no parser of its parts panics.
///
/// # Panics
/// If a parser panics.
pub fn response(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let bounds = Bounds { octets: 1 << 20, nodes: 10_000, ..Bounds::default() };
    if let Ok(response) = Response::parse(text, &bounds) {
        let _ = response.require_relation("uuid:x");
        if let Some(content) = response.content() {
            let _ = Received::parse(content);
            let _ = ShellState::parse(content);
            let _ = enumeration::Page::parse(content);
            let _ = eventing::SubscribeResponse::parse(content);
            let _ = eventing::dropped_events(content);
            let _ = Identity::parse(content);
        }
        let _ = response.body().and_then(parse_created);
    }
}

/// Checks that a parsed duration survives writing and parsing again, to the millisecond.
///
/// # Panics
/// If the property does not hold.
pub fn duration(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(read) = duration::parse(text) {
        let again = duration::parse(&duration::write(read)).expect("the written form can be parsed");
        assert_eq!(again.as_millis(), read.as_millis());
    }
}

/// Checks that a parsed subscription survives writing and parsing again.
fn read_again(subscribe: &eventing::Subscribe) {
    let mut writer = Writer::new();
    writer.start("x").namespace("a", ADDRESSING).namespace("b", CIM_BINDING).namespace("w", WSMAN);
    subscribe.write(&mut writer);
    let document = Document::parse(writer.finish(), &Bounds::default()).expect("the written text is XML");
    let body = document.root().children().next().expect("it has a body");
    let Ok(again) = eventing::Subscribe::parse(body) else {
        // Less than a millisecond is not written.
        assert!(subscribe.expires.is_some_and(|expires| expires.as_millis() == 0));
        return;
    };
    assert_eq!(again.mode, subscribe.mode);
    assert_eq!(filter_of(&again), filter_of(subscribe));
}

/// Returns the dialect of a subscription's filter, and whether the filter has no selectors.
fn filter_of(subscribe: &eventing::Subscribe) -> Option<(&str, bool)> {
    subscribe.filter.as_ref().map(|filter| (filter.dialect.as_str(), filter.selectors.is_empty()))
}

/// Returns a head without its timeout, which is written to the millisecond only.
fn comparable(head: &Head) -> Head {
    let mut head = head.clone();
    head.operation_timeout = None;
    head
}
