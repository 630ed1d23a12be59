//! Headers of a message.

use xml::{Document, Element};

use super::error::DeliveryError;
use super::names::{ADDRESSING, EVENTING, MACHINE_ID, MICROSOFT, SOAP, WSMAN};

/// Headers of a message from an event source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `a:Action`.
    pub action: String,
    /// `a:MessageID`, byte for byte; not empty.
    pub message_id: String,
    /// `p:OperationID`.
    pub operation_id: Option<String>,
    /// `m:MachineID`: the source's own statement of its name, which proves nothing.
    pub machine_id: Option<String>,
    /// `e:Identifier`: the version of the subscription that the source runs.
    pub identifier: Option<String>,
    /// Content of `w:Bookmark`: the position after the events of this message, as XML to be stored unchanged.
    pub bookmark: Option<String>,
    /// Value of `w:MaxEnvelopeSize`: the maximum size of the answer in bytes.
    pub max_envelope_size: Option<u32>,
}

impl Head {
    /// Reads the headers of an envelope whose body was removed.
    pub(super) fn read(envelope: &Document) -> Result<Self, DeliveryError> {
        let root = envelope.root();
        if !root.is(SOAP, "Envelope") {
            return Err(DeliveryError::NotAnEnvelope("the root element is not a SOAP 1.2 envelope"));
        }
        let header = root.child(SOAP, "Header").ok_or(DeliveryError::MissingHeader("s:Header"))?;
        let text = |namespace: &str, name: &str, shown: &'static str| short(header, namespace, name, shown);
        let size = text(WSMAN, "MaxEnvelopeSize", "w:MaxEnvelopeSize")?;
        Ok(Self {
            action: text(ADDRESSING, "Action", "a:Action")?
                .ok_or(DeliveryError::MissingHeader("a:Action"))?,
            message_id: text(ADDRESSING, "MessageID", "a:MessageID")?
                .ok_or(DeliveryError::MissingHeader("a:MessageID"))?,
            operation_id: text(MICROSOFT, "OperationID", "p:OperationID")?,
            machine_id: text(MACHINE_ID, "MachineID", "m:MachineID")?,
            identifier: text(EVENTING, "Identifier", "e:Identifier")?,
            bookmark: bookmark(header)?,
            max_envelope_size: size.and_then(|size| size.parse().ok()),
        })
    }
}

/// Returns the text of a header, or `None` if it is missing or empty.
fn short(
    header: Element<'_>,
    namespace: &str,
    name: &str,
    shown: &'static str,
) -> Result<Option<String>, DeliveryError> {
    let Some(element) = header.child(namespace, name) else { return Ok(None) };
    let text = element.text();
    let text = text.trim();
    if text.len() > LONGEST_HEADER {
        return Err(DeliveryError::LongHeader(shown));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Returns the content of the bookmark as an element that can stand in another document.
fn bookmark(header: Element<'_>) -> Result<Option<String>, DeliveryError> {
    let Some(bookmark) = header.child(WSMAN, "Bookmark") else { return Ok(None) };
    let Some(list) = bookmark.children().next() else { return Ok(None) };
    let source = list.source();
    if source.len() > LONGEST_BOOKMARK {
        return Err(DeliveryError::LongHeader("w:Bookmark"));
    }
    if list.name() != "BookmarkList" || !list.namespace().is_empty() || !list.prefix().is_empty() {
        return Ok(None);
    }
    // An attribute or element of the list could have a prefix that is declared outside of it.
    let stands_alone = Document::parse(source, &xml::Bounds::default()).is_ok();
    Ok(stands_alone.then(|| source.to_owned()))
}

/// Maximum length of a header in bytes.
const LONGEST_HEADER: usize = 2_048;
/// Maximum length of a bookmark in bytes: 256 channels with names of 255 characters and their markup.
const LONGEST_BOOKMARK: usize = 128 * 1_024;
