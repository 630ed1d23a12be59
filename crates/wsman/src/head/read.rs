//! Parses the headers of a request; faults name the invalid header.

use xml::Element;

use super::{FragmentTransfer, Head};
use crate::fault::{Detail, Fault, Subcode, code};
use crate::namespace::{ADDRESSING, ANONYMOUS, EVENTING, MICROSOFT, SHELL, SOAP, TRUST, WSMAN, XML};
use crate::option_set::is_true;
use crate::{Action, Compression, OptionSet, ResourceUri, SelectorSet, duration};

/// Maximum length of a header that is only repeated or logged, in bytes.
const LONGEST_TEXT: usize = 2_048;

impl Head {
    /// Returns the message identifier for a fault, even if the rest of the message is invalid.
    pub(crate) fn message_id_of(envelope: Element<'_>) -> Option<String> {
        let id = envelope.child(SOAP, "Header")?.child(ADDRESSING, "MessageID")?.text().trim().to_owned();
        (!id.is_empty() && id.len() <= LONGEST_TEXT && !id.contains(is_forbidden)).then_some(id)
    }

    /// Parses the headers of an envelope that is not Identify.
    pub(crate) fn parse(envelope: Element<'_>) -> Result<Self, Fault> {
        let header = envelope.child(SOAP, "Header");
        let headers = header.into_iter().flat_map(|header| header.children());
        // winrm-rs writes the OptionSet between Header and Body; Windows accepts it there.
        let beside = envelope.children().filter(|child| child.is(WSMAN, "OptionSet"));
        let mut head = Self::empty(Action::Custom(String::new()));
        let mut reply_to = None;
        let mut seen: Vec<(&str, &str)> = Vec::with_capacity(16);
        for element in headers.chain(beside) {
            let name = (element.namespace(), element.name());
            if head.parse_header(element, &mut reply_to)? {
                // Two readers could use different ones of two headers with the same name.
                if seen.contains(&name) {
                    return Err(invalid_header(format!("duplicate header {}; send it once", name.1)));
                }
                seen.push(name);
            } else if must_be_understood(element) {
                return Err(Fault::must_understand(name.0, name.1));
            }
        }
        head.require(reply_to)?;
        Ok(head)
    }

    /// Parses one header; returns `false` if it is unknown.
    fn parse_header(&mut self, element: Element<'_>, reply_to: &mut Option<String>) -> Result<bool, Fault> {
        match (element.namespace(), element.name()) {
            (ADDRESSING, "Action") => self.action = Action::parse(&bounded_text(element)?)?,
            (ADDRESSING, "MessageID") => self.message_id = short_text(element)?,
            (ADDRESSING, "To") => self.to = Some(short_text(element)?),
            (ADDRESSING, "ReplyTo") => *reply_to = Some(address(element)),
            (ADDRESSING, "FaultTo") => require_anonymous(&address(element))?,
            (ADDRESSING, "From" | "RelatesTo") => {}
            (WSMAN, "ResourceURI") => self.resource = Some(ResourceUri::parse(&element.text())?),
            (WSMAN, "SelectorSet") => self.selectors = SelectorSet::parse(element)?,
            (WSMAN, "OptionSet") => self.options = OptionSet::parse(element)?,
            (WSMAN, "MaxEnvelopeSize") => self.max_envelope_size = Some(max_envelope_size(element)?),
            (WSMAN, "OperationTimeout") => self.operation_timeout = Some(operation_timeout(element)?),
            (WSMAN, "Locale") => {
                self.locale = language(element, "Locale", Detail::LOCALE)?;
            }
            (MICROSOFT, "DataLocale") => {
                self.data_locale = language(element, "DataLocale", Detail::DATA_LOCALE)?;
            }
            (WSMAN, "FragmentTransfer") => self.fragment = Some(fragment_transfer(element)?),
            (MICROSOFT, "SessionId") => self.session_id = Some(short_text(element)?),
            (MICROSOFT, "OperationID") => self.operation_id = Some(short_text(element)?),
            (MICROSOFT, "SequenceId") => self.sequence_id = Some(short_text(element)?),
            (SHELL, "CompressionType") => self.compression = compression(element)?,
            (EVENTING, "Identifier") => self.subscription = Some(short_text(element)?),
            (MICROSOFT, "ActivityId") => {
                short_text(element)?;
            }
            // Resources with push delivery read it.
            (TRUST, "IssuedTokens") => {}
            // These headers are understood, but their specifications allow the service to ignore them.
            (MICROSOFT, "FunctionalOperation" | "Freshness")
            | (WSMAN, "RequestEPR" | "RequestTotalItemsCountEstimate") => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn require(&self, reply_to: Option<String>) -> Result<(), Fault> {
        if matches!(&self.action, Action::Custom(uri) if uri.is_empty()) {
            return Err(missing("Action"));
        }
        if self.message_id.is_empty() {
            return Err(Fault::new(
                Subcode::InvalidMessageInformationHeader,
                code::INVALID_MESSAGE_INFORMATION_HEADER,
                "the MessageID header is missing or empty; add a unique URI such as uuid:UUID",
            ));
        }
        match reply_to {
            Some(address) => require_anonymous(&address),
            // End has no response.
            None if self.action == Action::End => Ok(()),
            None => Err(missing("ReplyTo")),
        }
    }
}

fn missing(header: &str) -> Fault {
    Fault::new(
        Subcode::MessageInformationHeaderRequired,
        code::HEADER_REQUIRED,
        format!("the header {header} is missing; add it"),
    )
}

/// Only the attribute in the SOAP namespace counts: several clients write it without or in another namespace, and
/// Windows ignores those.
fn must_be_understood(header: Element<'_>) -> bool {
    header.attribute(SOAP, "mustUnderstand").is_some_and(|value| is_true(&value))
}

fn address(element: Element<'_>) -> String {
    element.child(ADDRESSING, "Address").map(|address| address.text().trim().to_owned()).unwrap_or_default()
}

fn require_anonymous(address: &str) -> Result<(), Fault> {
    if address == ANONYMOUS {
        return Ok(());
    }
    Err(Fault::new(
        Subcode::UnsupportedFeature,
        code::ADDRESSING_MODE,
        "ReplyTo and FaultTo must be the anonymous address: replies are sent only on the connection of the request",
    )
    .with_detail(Detail::ADDRESSING_MODE))
}

fn invalid_header(reason: String) -> Fault {
    Fault::new(Subcode::InvalidMessageInformationHeader, code::INVALID_HEADER, reason)
}

/// Parses an identifier or an address, which is repeated and logged.
fn short_text(element: Element<'_>) -> Result<String, Fault> {
    let text = bounded_text(element)?;
    if text.contains(is_forbidden) {
        let reason = format!("the header {} contains a control character; remove it", element.name());
        return Err(invalid_header(reason));
    }
    Ok(text)
}

fn bounded_text(element: Element<'_>) -> Result<String, Fault> {
    let text = element.text();
    let text = text.trim();
    if text.len() > LONGEST_TEXT {
        let reason = format!("the header {} exceeds {LONGEST_TEXT} bytes; shorten it", element.name());
        return Err(invalid_header(reason));
    }
    Ok(text.to_owned())
}

/// Returns whether a character is a control character, a line separator or a bidirectional control character.
pub(crate) fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn max_envelope_size(element: Element<'_>) -> Result<u32, Fault> {
    let text = element.text();
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return Err(Fault::new(
            Subcode::SchemaValidationError,
            code::SCHEMA_VALIDATION_ERROR,
            "MaxEnvelopeSize must be a number of bytes",
        ));
    }
    // A number that is too large means that the client has no limit.
    let octets = text.parse().unwrap_or(u32::MAX);
    if octets < Head::SMALLEST_ENVELOPE {
        return Err(Fault::new(
            Subcode::EncodingLimit,
            code::MINIMUM_ENVELOPE_LIMIT,
            format!(
                "MaxEnvelopeSize {octets} is below the minimum of {} bytes; raise it",
                Head::SMALLEST_ENVELOPE
            ),
        )
        .with_detail(Detail::MINIMUM_ENVELOPE_LIMIT));
    }
    Ok(octets)
}

fn operation_timeout(element: Element<'_>) -> Result<std::time::Duration, Fault> {
    let text = element.text();
    duration::parse(&text).map_err(|error| invalid_header(format!("OperationTimeout: {error}")))
}

fn language(element: Element<'_>, name: &str, detail: Detail) -> Result<Option<String>, Fault> {
    if must_be_understood(element) {
        return Err(Fault::new(
            Subcode::UnsupportedFeature,
            code::LOCALE,
            format!("cannot guarantee {name}: send it without mustUnderstand"),
        )
        .with_detail(detail));
    }
    let language = element.attribute(XML, "lang").map(|language| language.trim().to_owned());
    Ok(language.filter(|language| language.len() <= LONGEST_TEXT))
}

fn fragment_transfer(element: Element<'_>) -> Result<FragmentTransfer, Fault> {
    if !must_be_understood(element) {
        return Err(invalid_header("FragmentTransfer must be marked mustUnderstand".to_owned()));
    }
    let dialect = element.attribute("", "Dialect").map(|dialect| dialect.trim().to_owned());
    Ok(FragmentTransfer { dialect, expression: bounded_text(element)? })
}

/// An unknown algorithm is ignored unless the client insists on it.
fn compression(element: Element<'_>) -> Result<Compression, Fault> {
    let name = short_text(element)?;
    match name.eq_ignore_ascii_case(Compression::XPRESS) {
        true => Ok(Compression::Xpress),
        false if must_be_understood(element) => {
            let known = Compression::XPRESS;
            Err(invalid_header(format!(
                "unsupported CompressionType {name}; send {known}, or omit the header"
            )))
        }
        false => Ok(Compression::None),
    }
}
