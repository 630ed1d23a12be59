//! An answer as the client reads it.

use std::fmt;

use xml::{Bounds, Document, Element, ElementId, ReadError};

use crate::fault::Fault;
use crate::namespace::{ADDRESSING, SOAP};

/// A message from a service that is not a fault.
///
/// `Debug` hides the body, which may hold output of commands.
pub struct Response {
    document: Document,
    body: ElementId,
    relates_to: Option<String>,
    action: String,
}

/// Why octets from a service are not an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The service says that it could not.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The octets are not XML.
    #[error("the answer is not acceptable XML: {0}")]
    Xml(#[from] ReadError),
    /// It is XML, but not SOAP 1.2.
    #[error("the answer is not a SOAP 1.2 envelope but a {0}")]
    NotAnEnvelope(String),
    /// The answer belongs to another request.
    #[error("the answer relates to {found:?}, not to the request {expected:?}")]
    WrongRelation {
        /// The identifier of the request.
        expected: String,
        /// What the answer says.
        found: String,
    },
}

impl Response {
    /// Reads an envelope; a fault in it becomes the error.
    ///
    /// # Errors
    /// [`ResponseError`].
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
        let text_of = |name| {
            let element = header.and_then(|header| header.child(ADDRESSING, name))?;
            Some(element.text().trim().to_owned())
        };
        let (relates_to, action) = (text_of("RelatesTo"), text_of("Action").unwrap_or_default());
        let body = body.id();
        Ok(Self { document, body, relates_to, action })
    }

    /// Makes sure that this answers the request of the given identifier; an answer that names none passes,
    /// as Identify's does.
    ///
    /// # Errors
    /// [`ResponseError::WrongRelation`].
    pub fn require_relation(&self, message_id: &str) -> Result<(), ResponseError> {
        match &self.relates_to {
            Some(found) if !found.eq_ignore_ascii_case(message_id) => {
                Err(ResponseError::WrongRelation { expected: message_id.to_owned(), found: found.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The value of `a:Action`, empty if there is none.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The `s:Body` element.
    #[must_use]
    pub fn body(&self) -> Option<Element<'_>> {
        self.document.at(self.body)
    }

    /// The first element in the body.
    #[must_use]
    pub fn content(&self) -> Option<Element<'_>> {
        self.body()?.children().next()
    }

    /// The first element in the body with this local name; old services vary in its namespace.
    #[must_use]
    pub fn content_named(&self, name: &str) -> Option<Element<'_>> {
        self.body()?.children().find(|child| child.name() == name)
    }

    /// The whole message.
    #[must_use]
    pub fn envelope(&self) -> Element<'_> {
        self.document.root()
    }
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
    fn what_is_no_answer_is_refused() {
        let page = "<html><body>502 Bad Gateway</body></html>".to_owned();
        let old = "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body/></Envelope>".to_owned();
        let bodiless = format!("<s:Envelope xmlns:s='{SOAP}'/>");
        for text in [page, old, bodiless] {
            let refused = Response::parse(text.as_str(), &Bounds::default());
            assert!(matches!(refused, Err(ResponseError::NotAnEnvelope(_))), "{text}");
        }
        // OMI has been seen to send a second envelope after one it had cut short.
        let twice = envelope("", "") + &envelope("", "");
        for text in [twice, String::new(), "502 Bad Gateway".to_owned()] {
            assert!(
                matches!(Response::parse(text.as_str(), &Bounds::default()), Err(ResponseError::Xml(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn an_answer_to_another_request_is_told_apart() {
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
