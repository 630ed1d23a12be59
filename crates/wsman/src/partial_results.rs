//! Header `PartialResults`: classes that are missing in a response because their source is not available.
//!
//! It is an extension of Telarch. A receiver ignores a header that it does not know, unless the header says
//! `mustUnderstand` (SOAP 1.2 part 1, 5.2.3), so other clients see the items only.

use xml::{Element, Writer};

use crate::namespace::PARTIAL_RESULTS;

/// A source that is missing in the items of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omission {
    /// Name of the source, for WMI a class.
    pub source: String,
    /// Why it is missing.
    pub reason: String,
}

/// Writes the header; nothing without omissions.
pub(crate) fn write(writer: &mut Writer, omissions: &[Omission]) {
    if omissions.is_empty() {
        return;
    }
    writer.start("t:PartialResults").namespace("t", PARTIAL_RESULTS);
    for Omission { source, reason } in omissions {
        let end = reason.char_indices().nth(MAX_REASON).map_or(reason.len(), |(at, _)| at);
        writer.start("t:Omitted").attribute("Source", source);
        writer.text(reason.get(..end).unwrap_or_default()).end();
    }
    writer.end();
}

impl Omission {
    /// Returns the number of bytes that the omission adds to a response.
    #[must_use]
    pub fn written_len(&self) -> usize {
        let mut writer = Writer::new();
        write(&mut writer, std::slice::from_ref(self));
        writer.len()
    }
}

/// Parses the header of an envelope.
pub(crate) fn parse(header: Element<'_>) -> Vec<Omission> {
    let partial = header.child(PARTIAL_RESULTS, "PartialResults");
    let omitted = partial.into_iter().flat_map(|partial| partial.children());
    omitted
        .filter(|child| child.is(PARTIAL_RESULTS, "Omitted"))
        .take(MAX_OMISSIONS)
        .map(|child| Omission {
            source: child.attribute("", "Source").unwrap_or_default().into_owned(),
            reason: child.text().into_owned(),
        })
        .collect()
}

/// Maximum number of characters of a reason.
const MAX_REASON: usize = 500;

/// Maximum number of omissions in one response.
const MAX_OMISSIONS: usize = 64;

#[cfg(test)]
mod tests {
    use xml::Bounds;

    use super::*;
    use crate::{Action, Head, Reply, Response, Uuid};

    #[test]
    fn omissions_survive_the_wire_and_are_not_compulsory() {
        let head = Head::new(Action::Pull, Uuid::from_random([1; 16]));
        let omission = |source: &str, reason: &str| Omission { source: source.into(), reason: reason.into() };
        let sent = [omission("Win32_Service", "a < b"), omission("Win32_Share", &"x".repeat(600))];
        let answer = |omissions: &[Omission]| {
            let mut reply = Reply::with_omissions(&head, Uuid::from_random([2; 16]), omissions);
            reply.body().start("n:PullResponse").end_empty();
            reply.finish(100_000).expect("a small response")
        };
        let text = answer(&sent);
        assert!(!text.contains("mustUnderstand"));
        let read = Response::parse(text.clone(), &Bounds::default()).expect("a response").omissions();
        assert_eq!(read[0], sent[0]);
        assert_eq!(read[1].reason.len(), MAX_REASON);
        let plain = answer(&[]);
        assert!(
            Response::parse(plain.clone(), &Bounds::default()).expect("a response").omissions().is_empty()
        );
        assert!(text.len() - plain.len() <= sent.iter().map(Omission::written_len).sum());
    }
}
