//! SOAP headers of a request: action, resource and limits (MS-WSMV 3.1.4.1).

mod read;

pub(crate) use self::read::is_forbidden;

use std::time::Duration;

use xml::Writer;

use crate::namespace::{A, ANONYMOUS, Declared, EVENTING, P, S, SHELL, W, X};
use crate::{Action, Compression, OptionSet, ResourceUri, SelectorSet, Uuid, duration};

/// Headers of a request that this protocol defines; `None` for a header that is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// `a:Action`.
    pub action: Action,
    /// `a:To`, repeated in the response to Create and otherwise ignored, as in Windows.
    pub to: Option<String>,
    /// `w:ResourceURI`; `None` in Identify.
    pub resource: Option<ResourceUri>,
    /// `w:SelectorSet`, which identifies the instance.
    pub selectors: SelectorSet,
    /// `w:OptionSet`.
    pub options: OptionSet,
    /// `a:MessageID`, unchanged; empty in Identify.
    pub message_id: String,
    /// `w:MaxEnvelopeSize`: maximum response size in bytes, at least 8192.
    pub max_envelope_size: Option<u32>,
    /// `w:OperationTimeout`: time limit for the response.
    pub operation_timeout: Option<Duration>,
    /// `w:Locale`: language of texts.
    pub locale: Option<String>,
    /// `p:DataLocale`: language of data.
    pub data_locale: Option<String>,
    /// `p:SessionId`.
    pub session_id: Option<String>,
    /// `p:OperationID`, repeated in the response.
    pub operation_id: Option<String>,
    /// `p:SequenceId`, repeated in the response.
    pub sequence_id: Option<String>,
    /// `e:Identifier` of the subscription.
    pub subscription: Option<String>,
    /// `w:FragmentTransfer`: restricts the operation to a part of the instance.
    pub fragment: Option<FragmentTransfer>,
    /// `rsp:CompressionType`: requested compression of a shell's streams.
    pub compression: Compression,
}

/// `w:FragmentTransfer` (DSP0226 7.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragmentTransfer {
    /// Dialect of the expression; `None` means XPath 1.0.
    pub dialect: Option<String>,
    /// Expression that selects the part.
    pub expression: String,
}

impl Head {
    /// Creates a header with an action and a message identifier only.
    #[must_use]
    pub fn new(action: Action, message_id: Uuid) -> Self {
        Self { message_id: format!("uuid:{message_id}"), ..Self::empty(action) }
    }

    fn empty(action: Action) -> Self {
        Self {
            action,
            to: None,
            resource: None,
            selectors: SelectorSet::new(),
            options: OptionSet::new(),
            message_id: String::new(),
            max_envelope_size: None,
            operation_timeout: None,
            locale: None,
            data_locale: None,
            session_id: None,
            operation_id: None,
            sequence_id: None,
            subscription: None,
            fragment: None,
            compression: Compression::None,
        }
    }

    /// Creates the header of Identify, which is empty.
    #[must_use]
    pub fn identify() -> Self {
        Self::empty(Action::Identify)
    }

    /// Minimum value of MaxEnvelopeSize in bytes (DSP0226 6.2).
    pub const SMALLEST_ENVELOPE: u32 = 8_192;

    /// Writes the complete message; `body` writes the content of `s:Body`.
    ///
    /// `namespaces` are declared in addition to the usual ones.
    #[must_use]
    pub fn envelope(&self, namespaces: &[(&str, &str)], body: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::with_capacity(2_048);
        writer.start("s:Envelope");
        let usual: [Declared; 5] = [S, A, X, W, P];
        for (prefix, uri) in usual {
            writer.namespace(prefix, uri);
        }
        for (prefix, uri) in namespaces {
            writer.namespace(prefix, uri);
        }
        writer.start("s:Header");
        if self.action != Action::Identify {
            self.write_headers(&mut writer);
        }
        writer.end().start("s:Body");
        body(&mut writer);
        writer.finish()
    }

    fn write_headers(&self, writer: &mut Writer) {
        if let Some(to) = &self.to {
            writer.element("a:To", to);
        }
        if let Some(resource) = &self.resource {
            understood(writer, "w:ResourceURI").text(resource.as_str()).end();
        }
        writer.start("a:ReplyTo");
        understood(writer, "a:Address").text(ANONYMOUS).end().end();
        understood(writer, "a:Action").text(&self.action.uri()).end();
        if let Some(octets) = self.max_envelope_size {
            understood(writer, "w:MaxEnvelopeSize").text(&octets.to_string()).end();
        }
        writer.element("a:MessageID", &self.message_id);
        for (name, language) in [("w:Locale", &self.locale), ("p:DataLocale", &self.data_locale)] {
            if let Some(language) = language {
                writer.start(name).attribute("xml:lang", language);
                writer.attribute("s:mustUnderstand", "false").end_empty();
            }
        }
        let identifiers = [
            ("p:SessionId", &self.session_id),
            ("p:OperationID", &self.operation_id),
            ("p:SequenceId", &self.sequence_id),
        ];
        for (name, value) in identifiers {
            if let Some(value) = value {
                writer.start(name).attribute("s:mustUnderstand", "false").text(value).end();
            }
        }
        if let Some(timeout) = self.operation_timeout {
            writer.element("w:OperationTimeout", &duration::write(timeout));
        }
        if let Some(fragment) = &self.fragment {
            fragment.write(writer);
        }
        if let Some(identifier) = &self.subscription {
            writer.start("e:Identifier").namespace("e", EVENTING).text(identifier).end();
        }
        self.selectors.write(writer);
        self.options.write(writer);
        if self.compression == Compression::Xpress {
            // A service without compression ignores the header, and its response tells.
            writer
                .start("rsp:CompressionType")
                .namespace("rsp", SHELL)
                .attribute("s:mustUnderstand", "false");
            writer.text(Compression::XPRESS).end();
        }
    }
}

impl FragmentTransfer {
    pub(crate) fn write(&self, writer: &mut Writer) {
        understood(writer, "w:FragmentTransfer");
        if let Some(dialect) = &self.dialect {
            writer.attribute("Dialect", dialect);
        }
        writer.text(&self.expression).end();
    }
}

fn understood<'w>(writer: &'w mut Writer, name: &str) -> &'w mut Writer {
    writer.start(name).attribute("s:mustUnderstand", "true")
}
