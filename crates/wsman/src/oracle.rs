//! What must hold for any octets at all; fuzz targets and the corpus test call these.

use xml::{Bounds, Document};

use crate::shell::{CommandLine, OpenShell, Receive, Received, Send, ShellState, Signal};
use crate::{Head, Request, Response, SelectorSet, duration, enumeration, eventing};

/// A request that is read can be written, and reads back as the same; bodies never panic a reader.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn request(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let bounds = Bounds { octets: 1 << 20, nodes: 10_000, ..Bounds::default() };
    let request = match Request::parse(text, &bounds) {
        Ok(request) => request,
        Err(refused) => {
            let message = refused.fault.envelope(
                None,
                refused.relates_to.as_deref(),
                crate::Uuid::from_random([1; 16]),
            );
            Document::parse(message, &Bounds::default()).expect("a fault can be read");
            return;
        }
    };
    let written = request.head().envelope(&[], |body| {
        if let Some(content) = request.body() {
            body.copy(content);
        }
    });
    // A body takes the declarations of everything around it along.
    let roomy = Bounds { attributes: 1_000, namespaces: 1_000, ..Bounds::default() };
    let again = Request::parse(written, &roomy).expect("what we write, we read");
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

/// Any answer is read or refused, and its parts never panic a reader.
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
            let _ = crate::identify::Identity::parse(content);
        }
        let _ = response.body().and_then(crate::shell::parse_created);
    }
}

/// A duration that is read is written so that it reads back the same, to the millisecond.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn duration(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(read) = duration::parse(text) {
        let again = duration::parse(&duration::write(read)).expect("what we write, we read");
        assert_eq!(again.as_millis(), read.as_millis());
    }
}

/// A subscription that is read reads back as the same, but for what only the client knows.
fn read_again(subscribe: &eventing::Subscribe) {
    let mut writer = xml::Writer::new();
    let declared = [("b", crate::namespace::CIM_BINDING), ("w", crate::namespace::WSMAN)];
    writer.start("x").namespace("a", crate::namespace::ADDRESSING);
    for (prefix, uri) in declared {
        writer.namespace(prefix, uri);
    }
    subscribe.write(&mut writer);
    let document = Document::parse(writer.finish(), &Bounds::default()).expect("what we write is XML");
    let body = document.root().children().next().expect("it has a body");
    let Ok(again) = eventing::Subscribe::parse(body) else {
        // Less than a millisecond is written as nothing.
        assert!(subscribe.expires.is_some_and(|expires| expires.as_millis() == 0));
        return;
    };
    assert_eq!(again.mode, subscribe.mode);
    let text_of = |subscribe: &eventing::Subscribe| {
        subscribe.filter.as_ref().map(|filter| (filter.dialect.clone(), filter.selectors.is_empty()))
    };
    assert_eq!(text_of(&again), text_of(subscribe));
}

/// Durations are written to the millisecond only.
fn comparable(head: &Head) -> Head {
    let mut head = head.clone();
    head.operation_timeout = None;
    head
}
