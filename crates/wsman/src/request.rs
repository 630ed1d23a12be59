//! Requests as the service parses them.

use std::fmt;
use std::sync::Arc;

use xml::{Bounds, Document, Element, ElementId};

use crate::fault::{Fault, Subcode, code};
use crate::namespace::{IDENTITY, SOAP};
use crate::{Head, ResourceUri};

/// Message from a client with parsed headers; the body is parsed by the resource.
///
/// `Debug` hides the body, which may contain input of commands and values of variables.
pub struct Request {
    head: Arc<Head>,
    document: Document,
    body: Option<ElementId>,
}

/// Rejected message, with the information for the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRequest {
    /// Fault to send.
    pub fault: Fault,
    /// Identifier of the message, if it could be parsed.
    pub relates_to: Option<String>,
}

impl Request {
    /// Parses an envelope.
    ///
    /// # Errors
    /// [`RejectedRequest`] contains the fault to send.
    pub fn parse(text: impl Into<String>, bounds: &Bounds) -> Result<Self, RejectedRequest> {
        let document = Document::parse(text, bounds).map_err(|error| RejectedRequest {
            fault: Fault::new(
                Subcode::SchemaValidationError,
                code::INVALID_XML,
                format!("invalid XML: {error}; send a well-formed document"),
            ),
            relates_to: None,
        })?;
        let relates_to = Head::message_id_of(document.root());
        match read(&document) {
            Ok((head, body)) => Ok(Self { head: Arc::new(head), body, document }),
            Err(fault) => Err(RejectedRequest { fault, relates_to }),
        }
    }

    /// The envelope as received.
    #[must_use]
    pub fn source(&self) -> &str {
        self.document.source()
    }

    /// Headers of the request.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the headers for use after the request is consumed.
    #[must_use]
    pub fn shared_head(&self) -> Arc<Head> {
        Arc::clone(&self.head)
    }

    /// First element of the body, if there is one.
    #[must_use]
    pub fn body(&self) -> Option<Element<'_>> {
        self.body.and_then(|place| self.document.at(place))
    }

    /// Headers as elements, for a resource with headers of its own.
    #[must_use]
    pub fn header(&self) -> Option<Element<'_>> {
        self.document.root().child(SOAP, "Header")
    }

    /// Returns the resource URI.
    ///
    /// # Errors
    /// `a:DestinationUnreachable` if the header is missing.
    pub fn require_resource(&self) -> Result<&ResourceUri, Fault> {
        match &self.head.resource {
            Some(resource) => Ok(resource),
            None => Err(ResourceUri::missing()),
        }
    }

    /// Returns the first element of the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError` if the body is empty.
    pub fn require_body(&self, expected: &str) -> Result<Element<'_>, Fault> {
        self.body().ok_or_else(|| {
            Fault::new(
                Subcode::SchemaValidationError,
                code::SCHEMA_VALIDATION_ERROR,
                format!("the body is empty; it must contain a {expected} element"),
            )
        })
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body().map(|body| body.name());
        f.debug_struct("Request").field("head", &self.head).field("body", &body).finish()
    }
}

fn read(document: &Document) -> Result<(Head, Option<ElementId>), Fault> {
    let envelope = document.root();
    if envelope.name() != "Envelope" {
        return Err(Fault::new(
            Subcode::SchemaValidationError,
            code::SCHEMA_VALIDATION_ERROR,
            format!(
                "the message is a {}, not a SOAP Envelope; send an Envelope of SOAP 1.2",
                envelope.name()
            ),
        ));
    }
    if envelope.namespace() != SOAP {
        return Err(Fault::new(
            Subcode::VersionMismatch,
            code::VERSION_MISMATCH,
            "the envelope is not SOAP 1.2; use the namespace http://www.w3.org/2003/05/soap-envelope",
        ));
    }
    let Some(body) = envelope.child(SOAP, "Body") else {
        return Err(Fault::new(
            Subcode::SchemaValidationError,
            code::SCHEMA_VALIDATION_ERROR,
            "the envelope has no Body; add one",
        ));
    };
    check_order(envelope)?;
    let content = body.children().next();
    let is_identify = content.is_some_and(|content| content.is(IDENTITY, "Identify"));
    let head = if is_identify { Head::identify() } else { Head::parse(envelope)? };
    Ok((head, content.map(|content| content.id())))
}

/// Rejects a Header behind the Body, and two of either: readers could use different ones (SOAP 1.2 part 1, 5.1).
fn check_order(envelope: Element<'_>) -> Result<(), Fault> {
    let mut parts = envelope.children().filter(|child| child.namespace() == SOAP).map(|child| child.name());
    let mut next = parts.next();
    if next == Some("Header") {
        next = parts.next();
    }
    match (next, parts.next()) {
        (Some("Body"), None) => Ok(()),
        (Some("Body"), Some(misplaced)) | (Some(misplaced), _) => Err(Fault::new(
            Subcode::SchemaValidationError,
            code::SCHEMA_VALIDATION_ERROR,
            format!("misplaced {misplaced} in the envelope; it must have one Header, followed by one Body"),
        )),
        (None, _) => Ok(()),
    }
}
