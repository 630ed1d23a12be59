//! Responses as the client parses them.

use std::fmt;

use xml::{Bounds, Document, Element, ElementId, ReadError};

use crate::eventing::bookmark_of;
use crate::fault::Fault;
use crate::namespace::{ADDRESSING, SOAP};
use crate::{Omission, partial_results};

/// Message from a service that is not a fault.
///
/// `Debug` hides the body, which may contain output of commands.
pub struct Response {
    document: Document,
    body: ElementId,
    relates_to: Option<String>,
    action: String,
}

/// Error of [`Response::parse`] and [`Response::require_relation`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The service returned a fault.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The response is not valid XML.
    #[error("invalid XML in the response: {0}")]
    Xml(#[from] ReadError),
    /// The XML is not a SOAP 1.2 envelope.
    #[error("the response is not a SOAP 1.2 envelope but a {0} element")]
    NotAnEnvelope(String),
    /// The response belongs to another request.
    #[error("the response relates to message \"{found}\" instead of \"{expected}\"")]
    WrongRelation {
        /// Identifier of the request.
        expected: String,
        /// Identifier in the response.
        found: String,
    },
}

impl Response {
    /// Parses an envelope; a fault in it is returned as an error.
    ///
    /// # Errors
    /// [`ResponseError`] for a fault and for a message that is not a SOAP 1.2 envelope.
    pub fn parse(text: impl Into<String>, bounds: &Bounds) -> Result<Self, ResponseError> {
        let document = Document::parse(text, bounds)?;
        let envelope = document.root();
        let Some(body) = envelope.child(SOAP, "Body").filter(|_| envelope.is(SOAP, "Envelope")) else {
            return Err(ResponseError::NotAnEnvelope(envelope.name().chars().take(80).collect()));
        };
        if let Some(fault) = body.child(SOAP, "Fault") {
            return Err(ResponseError::Fault(Fault::parse(fault)));
        }
        let header = envelope.child(SOAP, "Header");
        let relates_to = addressing_header(header, "RelatesTo");
        let action = addressing_header(header, "Action").unwrap_or_default();
        let body = body.id();
        Ok(Self { document, body, relates_to, action })
    }

    /// Checks that this is the response to the given message; a response without `a:RelatesTo` passes, because that of
    /// Identify has none.
    ///
    /// # Errors
    /// [`ResponseError::WrongRelation`] if it is the response to another message.
    pub fn require_relation(&self, message_id: &str) -> Result<(), ResponseError> {
        match &self.relates_to {
            Some(found) if !found.eq_ignore_ascii_case(message_id) => {
                Err(ResponseError::WrongRelation { expected: message_id.to_owned(), found: found.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Value of `a:Action`; empty if the header is missing.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Sources that are missing in the items of this response; only Telarch's service names them.
    #[must_use]
    pub fn omissions(&self) -> Vec<Omission> {
        self.envelope().child(SOAP, "Header").map(partial_results::parse).unwrap_or_default()
    }

    /// Position behind the events of this response, as XML.
    #[must_use]
    pub fn bookmark(&self) -> Option<String> {
        self.envelope().child(SOAP, "Header").and_then(bookmark_of)
    }

    /// The `s:Body` element.
    #[must_use]
    pub fn body(&self) -> Option<Element<'_>> {
        self.document.at(self.body)
    }

    /// First element of the body.
    #[must_use]
    pub fn content(&self) -> Option<Element<'_>> {
        self.body()?.children().next()
    }

    /// First element of the body with this local name; its namespace differs between old services.
    #[must_use]
    pub fn content_named(&self, name: &str) -> Option<Element<'_>> {
        self.body()?.children().find(|child| child.name() == name)
    }

    /// The `s:Envelope` element.
    #[must_use]
    pub fn envelope(&self) -> Element<'_> {
        self.document.root()
    }
}

fn addressing_header(header: Option<Element<'_>>, name: &str) -> Option<String> {
    let element = header?.child(ADDRESSING, name)?;
    Some(element.text().trim().to_owned())
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("action", &self.action)
            .field("relates_to", &self.relates_to)
            .field("body", &self.content().map(|content| content.name()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(header: &str, body: &str) -> String {
        format!(
            "<s:Envelope xmlns:s='{SOAP}' xmlns:a='{ADDRESSING}'>{header}<s:Body>{body}</s:Body></s:Envelope>"
        )
    }

    #[test]
    fn invalid_envelopes_are_rejected() {
        let page = "<html><body>502 Bad Gateway</body></html>".to_owned();
        let old = "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body/></Envelope>".to_owned();
        let bodiless = format!("<s:Envelope xmlns:s='{SOAP}'/>");
        for text in [page, old, bodiless] {
            let refused = Response::parse(text.as_str(), &Bounds::default());
            assert!(matches!(refused, Err(ResponseError::NotAnEnvelope(_))), "{text}");
        }
        // OMI has been observed to send a second envelope after a truncated one.
        let twice = envelope("", "") + &envelope("", "");
        for text in [twice, String::new(), "502 Bad Gateway".to_owned()] {
            assert!(
                matches!(Response::parse(text.as_str(), &Bounds::default()), Err(ResponseError::Xml(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_response_to_another_request_is_rejected() {
        let parse =
            |header: &str| Response::parse(envelope(header, ""), &Bounds::default()).expect("an answer");
        let related = parse("<s:Header><a:RelatesTo>\n uuid:aB </a:RelatesTo></s:Header>");
        assert_eq!(related.require_relation("uuid:Ab"), Ok(()));
        let wrong =
            ResponseError::WrongRelation { expected: "uuid:C".to_owned(), found: "uuid:aB".to_owned() };
        assert_eq!(related.require_relation("uuid:C"), Err(wrong));
        for silent in ["", "<s:Header/>"] {
            assert_eq!(parse(silent).require_relation("uuid:C"), Ok(()), "{silent}");
        }
    }
}
