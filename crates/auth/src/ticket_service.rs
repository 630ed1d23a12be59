//! Service name in the Kerberos ticket of a client's token.

use crate::der::{Reader, Tag, only};
use crate::{AuthError, ServiceClass};

/// Service name in the ticket of an AP-REQ (RFC 4120 5.3 and 5.5.1).
///
/// The name is not encrypted, so it is only a claim until a key of that name has decrypted the ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketService {
    /// INVARIANT: not empty.
    components: Vec<String>,
    realm: String,
}

impl TicketService {
    /// Parses the name from the first token of the Kerberos mechanism (RFC 4121 4.1).
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if the token is not an AP-REQ or its ticket has no valid name.
    pub fn of_token(token: &[u8]) -> Result<Self, AuthError> {
        let mut token = Reader::new(only(token, Tag::INITIAL_TOKEN)?);
        token.expect(Tag::OID)?;
        let request = token.rest().strip_prefix(AP_REQ_TOKEN).ok_or(NO_REQUEST)?;
        let mut request = Reader::new(only(only(request, AP_REQ)?, Tag::SEQUENCE)?);
        for number in 0..TICKET_FIELD {
            request.field(number)?.ok_or(NO_REQUEST)?;
        }
        let ticket = request.field(TICKET_FIELD)?.ok_or(NO_REQUEST)?;
        let mut ticket = Reader::new(only(only(ticket, TICKET)?, Tag::SEQUENCE)?);
        ticket.field(0)?.ok_or(NO_NAME)?;
        let realm = text(only(ticket.field(1)?.ok_or(NO_NAME)?, Tag::GENERAL_STRING)?)?;
        let mut name = Reader::new(only(ticket.field(2)?.ok_or(NO_NAME)?, Tag::SEQUENCE)?);
        name.field(0)?.ok_or(NO_NAME)?;
        let mut parts = Reader::new(only(name.field(1)?.ok_or(NO_NAME)?, Tag::SEQUENCE)?);
        let mut components = Vec::new();
        while !parts.is_empty() {
            if components.len() == MAX_COMPONENTS {
                return Err(NO_NAME);
            }
            components.push(text(parts.expect(Tag::GENERAL_STRING)?.content)?);
        }
        if components.is_empty() { Err(NO_NAME) } else { Ok(Self { components, realm }) }
    }

    /// Service class, if the name has a host and the class is one used for WS-Management.
    #[must_use]
    pub fn class(&self) -> Option<ServiceClass> {
        match self.components.as_slice() {
            [class, _, ..] => ServiceClass::of(class),
            _ => None,
        }
    }

    /// Host name, with a port if the client requested one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.components.get(1).map(String::as_str)
    }

    /// Components of the name, usually class and host.
    #[must_use]
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// Realm that issued the ticket.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }
}

fn text(octets: &[u8]) -> Result<String, AuthError> {
    let text = std::str::from_utf8(octets).map_err(|_| NO_NAME)?;
    if text.is_empty() || text.len() > MAX_TEXT || text.contains(char::is_control) {
        return Err(NO_NAME);
    }
    Ok(text.to_owned())
}

/// `TOK_ID` of an AP-REQ (RFC 4121 4.1).
const AP_REQ_TOKEN: &[u8] = &[0x01, 0x00];
/// `[APPLICATION 14]`
const AP_REQ: Tag = Tag(0x6e);
/// `[APPLICATION 1]`
const TICKET: Tag = Tag(0x61);
/// Number of the field with the ticket, after version, type and options.
const TICKET_FIELD: u8 = 3;
const MAX_COMPONENTS: usize = 8;
/// Maximum length of a component or realm in bytes.
const MAX_TEXT: usize = 256;
const NO_REQUEST: AuthError = AuthError::Malformed("not a Kerberos AP-REQ");
const NO_NAME: AuthError = AuthError::Malformed("the ticket has no service name");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::element;

    fn string(text: &str) -> Vec<u8> {
        element(Tag::GENERAL_STRING, &[text.as_bytes()])
    }

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        element(Tag::field(number), &[content])
    }

    /// Builds a token with this service name and no encrypted data.
    fn token(components: &[&str]) -> Vec<u8> {
        let parts: Vec<u8> = components.iter().flat_map(|part| string(part)).collect();
        let parts = field(1, &element(Tag::SEQUENCE, &[&parts]));
        let name = element(Tag::SEQUENCE, &[&field(0, &[2, 1, 2]), &parts]);
        let ticket = element(
            Tag::SEQUENCE,
            &[&field(0, &[2, 1, 5]), &field(1, &string("LAB.EXAMPLE")), &field(2, &name), &field(3, &[])],
        );
        let ticket = element(TICKET, &[&ticket]);
        let request = element(
            Tag::SEQUENCE,
            &[
                &field(0, &[2, 1, 5]),
                &field(1, &[2, 1, 14]),
                &field(2, &[3, 5, 0, 0, 0, 0, 0]),
                &field(3, &ticket),
                &field(4, &[]),
            ],
        );
        let mechanism = element(Tag::OID, &[b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"]);
        element(Tag::INITIAL_TOKEN, &[&mechanism, AP_REQ_TOKEN, &element(AP_REQ, &[&request])])
    }

    #[test]
    fn class_host_and_realm_of_a_ticket_are_parsed() {
        for (components, class, host) in [
            (vec!["HTTP", "node7.example"], Some(ServiceClass::Http), Some("node7.example")),
            (vec!["http", "node7:5985"], Some(ServiceClass::Http), Some("node7:5985")),
            (vec!["WSMAN", "node7", "lab.example"], Some(ServiceClass::Wsman), Some("node7")),
            (vec!["HOST", "node7"], Some(ServiceClass::Host), Some("node7")),
            (vec!["cifs", "node7"], None, Some("node7")),
            (vec!["HTTP"], None, None),
        ] {
            let service = TicketService::of_token(&token(&components));
            let seen = service.as_ref().map(|service| (service.class(), service.host(), service.realm()));
            assert_eq!(seen, Ok((class, host, "LAB.EXAMPLE")), "{components:?}");
        }
    }

    #[test]
    fn tokens_without_a_complete_name_are_rejected() {
        let whole = token(&["HTTP", "node7"]);
        for end in 0..whole.len() {
            let begin = whole.get(..end).unwrap_or_default();
            assert!(TicketService::of_token(begin).is_err(), "{end}");
        }
        let long = "a".repeat(257);
        for components in [&[][..], &["HTTP", ""], &["HTTP", "a\nb"], &["a"; 9], &["HTTP", &long]] {
            assert!(TicketService::of_token(&token(components)).is_err(), "{components:?}");
        }
    }
}
