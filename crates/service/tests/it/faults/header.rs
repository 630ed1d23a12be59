//! Faults of the header (DSP0226 5 and 6; MS-WSMV 3.1.4.1).

use wsman::namespace::{CONFIG, SHELL_CMD};
use wsman::{Subcode, code};

use super::{ANY_SHELL, Row, shell};
use crate::message::Message;

pub(super) fn rows() -> Vec<Row> {
    let get = || Message::transfer(CONFIG, "Get");
    let also = |header: &str| get().header(header);
    let many = |set: &str, one: &str| {
        let all: String = (0..101).map(|at| format!("<w:{one} Name=\"n{at}\"/>")).collect();
        format!("<w:{set}>{all}</w:{set}>")
    };
    let huge = Message::probe("huge", "10000").header("<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>");
    vec![
        // Action and resource.
        Row::new(Message::new(CONFIG, "urn:x"), Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED),
        Row::new(Message::new(SHELL_CMD, "urn:x"), Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED),
        Row::new(Message::transfer(CONFIG, "Got"), Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED),
        Row::new(
            Message::transfer("urn:x", "Get"),
            Subcode::DestinationUnreachable,
            code::INVALID_RESOURCE_URI,
        )
        .detail("InvalidResourceURI"),
        Row::new(Message::transfer(" ", "Get"), Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI)
            .detail("InvalidResourceURI"),
        Row::new(
            Message::transfer(&"u".repeat(2_049), "Get"),
            Subcode::EncodingLimit,
            code::URI_LIMIT_EXCEEDED,
        )
        .detail("URILimitExceeded"),
        Row::new(Message::new(CONFIG, ""), Subcode::MessageInformationHeaderRequired, code::HEADER_REQUIRED),
        Row::new(
            Message { id: String::new(), ..get() },
            Subcode::InvalidMessageInformationHeader,
            code::INVALID_MESSAGE_INFORMATION_HEADER,
        ),
        // Reply address and language.
        Row::new(
            also("<a:FaultTo><a:Address>http://node8/</a:Address></a:FaultTo>"),
            Subcode::UnsupportedFeature,
            code::ADDRESSING_MODE,
        )
        .detail("AddressingMode"),
        Row::new(
            also("<w:Locale xml:lang=\"de\" s:mustUnderstand=\"true\"/>"),
            Subcode::UnsupportedFeature,
            code::LOCALE,
        )
        .detail("Locale"),
        Row::new(
            also("<p:DataLocale xml:lang=\"de\" s:mustUnderstand=\"true\"/>"),
            Subcode::UnsupportedFeature,
            code::LOCALE,
        )
        .detail("DataLocale"),
        Row::new(also("<x:Y s:mustUnderstand=\"true\"/>"), Subcode::MustUnderstand, code::MUST_UNDERSTAND),
        Row::new(
            also(&format!("<p:ActivityId>{}</p:ActivityId>", "x".repeat(2_049))),
            Subcode::InvalidMessageInformationHeader,
            code::INVALID_HEADER,
        ),
        // Size, timeout and scope.
        Row::new(
            also("<w:MaxEnvelopeSize>8191</w:MaxEnvelopeSize>"),
            Subcode::EncodingLimit,
            code::MINIMUM_ENVELOPE_LIMIT,
        )
        .detail("MinimumEnvelopeLimit"),
        Row::new(huge, Subcode::EncodingLimit, code::MAX_ENVELOPE_SIZE_EXCEEDED).detail("MaxEnvelopeSize"),
        Row::new(
            also("<w:OperationTimeout>-PT1S</w:OperationTimeout>"),
            Subcode::InvalidMessageInformationHeader,
            code::INVALID_HEADER,
        ),
        Row::new(
            also("<w:FragmentTransfer>Service</w:FragmentTransfer>"),
            Subcode::InvalidMessageInformationHeader,
            code::INVALID_HEADER,
        ),
        Row::new(also(FRAGMENT), Subcode::UnsupportedFeature, code::FRAGMENT_LEVEL_ACCESS)
            .detail("FragmentLevelAccess"),
        // Selectors.
        Row::new(get().selector(" ", "x"), Subcode::InvalidSelectors, code::INVALID_SELECTORS),
        Row::new(get().selector("Nothing", "x"), Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS)
            .detail("UnexpectedSelectors"),
        Row::new(
            also("<w:SelectorSet><w:Selector Name=\"a\"/><w:Selector Name=\"A\"/></w:SelectorSet>"),
            Subcode::InvalidSelectors,
            code::DUPLICATE_SELECTORS,
        )
        .detail("DuplicateSelectors"),
        Row::new(also(&many("SelectorSet", "Selector")), Subcode::EncodingLimit, code::SELECTOR_LIMIT)
            .detail("SelectorLimit"),
        // Options.
        Row::new(get().option(" ", "x"), Subcode::InvalidOptions, code::INVALID_OPTION_NAME)
            .detail("InvalidName"),
        Row::new(also(&many("OptionSet", "Option")), Subcode::EncodingLimit, code::OPTION_LIMIT)
            .detail("OptionLimit"),
        // Rights.
        Row::new(get(), Subcode::AccessDenied, code::ACCESS_DENIED).by_ben(),
    ]
}

const FRAGMENT: &str = "<w:FragmentTransfer s:mustUnderstand=\"true\">Service</w:FragmentTransfer>";

/// Requests for unsupported features, which must not receive a successful response.
pub(super) fn insisting() -> Vec<Row> {
    let option = |message: Message| {
        Row::new(message.option("Nothing", "x"), Subcode::InvalidOptions, code::OPTION_NOT_SUPPORTED)
            .detail("NotSupported")
    };
    let fragment = |message: Message| {
        Row::new(message.header(FRAGMENT), Subcode::UnsupportedFeature, code::FRAGMENT_LEVEL_ACCESS)
            .detail("FragmentLevelAccess")
    };
    let ours = || Message::transfer(ANY_SHELL, "Get").selector("ShellId", "OURS");
    vec![
        option(Message::transfer(CONFIG, "Get")),
        option(shell::create("OURS")),
        option(shell::command("OURS", "ONE", "true")).after(shell::create("OURS")),
        fragment(Message::transfer(CONFIG, "Get")),
        fragment(ours()).after(shell::create("OURS")),
    ]
}
