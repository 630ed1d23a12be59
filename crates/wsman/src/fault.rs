//! Faults: how every failure of an operation travels (DSP0226 14, MS-WSMV 2.2.4.43).

pub mod code;
mod read;
mod subcode;

use std::borrow::Cow;
use std::fmt;

use xml::{Fragment, Writer};

use crate::namespace::{FAULT, FAULT_DETAIL, XML};
pub use code::Code;
pub use subcode::{Origin, Subcode};

/// A failure as the other end sees it.
///
/// What an administrator needs beyond that goes into the log of the service, not in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    subcode: Subcode,
    detail: Option<Detail>,
    code: Code,
    reason: String,
    /// The host the fault comes from, as the client addressed it.
    machine: Option<String>,
    provider: Option<ProviderFault>,
    instance: Option<Fragment>,
    not_understood: Option<NotUnderstood>,
}

/// What the implementation of a resource adds to a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderFault {
    /// Who says it, such as `Shell cmd plugin`.
    pub provider: String,
    /// Where its code is, in Windows a file.
    pub path: String,
    /// What it says; may be empty.
    pub text: String,
    /// What it adds as an instance of a class of its own, such as `__ExtendedStatus`.
    pub extended: Option<Fragment>,
}

/// The header that a `s:MustUnderstand` fault is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NotUnderstood {
    namespace: String,
    name: String,
}

impl Fault {
    /// A fault of a kind, with Windows' number for it and a sentence for the reader.
    #[must_use]
    pub fn new(subcode: Subcode, code: Code, reason: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            subcode,
            detail: None,
            code,
            reason: bounded(reason.into()),
            machine: None,
            provider: None,
            instance: None,
            not_understood: None,
        }))
    }

    /// Adds the URI that narrows the subcode.
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.0.detail = Some(detail);
        self
    }

    /// Adds what the provider says.
    #[must_use]
    pub fn with_provider(mut self, provider: &str, path: &str, text: impl Into<String>) -> Self {
        self.0.provider = Some(ProviderFault {
            provider: provider.to_owned(),
            path: path.to_owned(),
            text: bounded(text.into()),
            extended: None,
        });
        self
    }

    /// Adds an instance to what the provider says; the fault stands within it once more, as those of WMI do.
    #[must_use]
    pub fn with_extended_error(mut self, extended: Fragment) -> Self {
        if let Some(provider) = &mut self.0.provider {
            provider.extended = Some(extended);
        }
        self
    }

    /// Puts an instance in the place of `f:WSManFault`: the form of newer services, for clients that ask for it.
    ///
    /// Such an instance has the code as its `error_Code`.
    #[must_use]
    pub fn with_instance(mut self, instance: Fragment) -> Self {
        self.0.instance = Some(instance);
        self
    }

    /// Names the host, unless it is named already.
    #[must_use]
    pub fn on_machine(mut self, machine: &str) -> Self {
        self.0.machine.get_or_insert_with(|| machine.to_owned());
        self
    }

    /// The header `name` insists on being understood and is not (SOAP 1.2 part 1, 5.4.8).
    #[must_use]
    pub fn must_understand(namespace: &str, name: &str) -> Self {
        let reason = format!("the header {name} is marked mustUnderstand and is not understood here");
        let mut fault = Self::new(Subcode::MustUnderstand, code::MUST_UNDERSTAND, reason);
        // A name nobody can mean is not repeated: a cut one would be another name.
        fault.0.not_understood = (namespace.len() + name.len() <= LONGEST)
            .then(|| NotUnderstood { namespace: namespace.to_owned(), name: name.to_owned() });
        fault
    }

    /// The kind.
    #[must_use]
    pub fn subcode(&self) -> &Subcode {
        &self.0.subcode
    }

    /// Windows' number: a WSMan error, another HRESULT, or a plain Win32 error.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What narrows the kind.
    #[must_use]
    pub fn detail(&self) -> Option<&Detail> {
        self.0.detail.as_ref()
    }

    /// The sentence for the reader.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The host the fault comes from.
    #[must_use]
    pub fn machine(&self) -> Option<&str> {
        self.0.machine.as_deref()
    }

    /// What the provider says.
    #[must_use]
    pub fn provider(&self) -> Option<&ProviderFault> {
        self.0.provider.as_ref()
    }

    /// The instance that stands in the place of `f:WSManFault`.
    #[must_use]
    pub fn instance(&self) -> Option<&Fragment> {
        self.0.instance.as_ref()
    }

    /// The value of the `a:Action` header of the message that carries it.
    #[must_use]
    pub fn action(&self) -> Cow<'static, str> {
        self.0.subcode.action()
    }

    /// Writes the header that names what was not understood, if that is the failure.
    pub(crate) fn write_headers(&self, writer: &mut Writer) {
        let Some(NotUnderstood { namespace, name }) = &self.0.not_understood else { return };
        writer.start("s:NotUnderstood");
        // Namespaces in XML 1.0, section 3: no prefix can be declared for these two.
        match namespace.as_str() {
            "" => writer.attribute("qname", name),
            XML => writer.attribute("qname", &format!("xml:{name}")),
            _ => writer.attribute("qname", &format!("q:{name}")).namespace("q", namespace),
        };
        writer.end_empty();
    }

    /// Writes the `s:Fault` element.
    pub(crate) fn write_body(&self, writer: &mut Writer) {
        let parts = &self.0;
        writer.start("s:Fault").start("s:Code").element("s:Value", parts.subcode.origin().value());
        if let Some(subcode) = parts.subcode.qualified_name() {
            writer.start("s:Subcode").element("s:Value", &subcode).end();
        }
        writer.end();
        writer.start("s:Reason").start("s:Text").attribute("xml:lang", "en-US");
        writer.text(&parts.reason).end().end();
        writer.start("s:Detail");
        if let Some(detail) = &parts.detail {
            writer.element("w:FaultDetail", &detail.uri());
        }
        match &parts.instance {
            Some(instance) => {
                writer.fragment(instance);
            }
            None => parts.write_wsman_fault(writer),
        }
        writer.end().end();
    }
}

impl Parts {
    fn write_wsman_fault(&self, writer: &mut Writer) {
        self.start_wsman_fault(writer);
        match &self.provider {
            Some(provider) => {
                writer.start("f:ProviderFault").attribute("provider", &provider.provider);
                writer.attribute("path", &provider.path);
                match &provider.extended {
                    None => {
                        writer.text(&provider.text);
                    }
                    Some(extended) => {
                        self.start_wsman_fault(writer);
                        writer.text(&provider.text).end().end();
                        writer.start("f:ExtendedError").fragment(extended).end();
                    }
                }
                writer.end();
            }
            None => {
                writer.text(&self.reason);
            }
        }
        writer.end().end();
    }

    /// Opens `f:WSManFault` and the message in it.
    fn start_wsman_fault(&self, writer: &mut Writer) {
        writer.start("f:WSManFault").namespace("f", FAULT).attribute("Code", &self.code.to_string());
        writer.attribute("Machine", self.machine.as_deref().unwrap_or_default());
        writer.start("f:Message");
    }
}

/// The longest text of a fault, in octets.
const LONGEST: usize = 2_000;

/// Names from a request stand in reasons; what is too long to be read is cut.
fn bounded(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.reason)?;
        match &self.0.provider {
            Some(provider) if !provider.text.is_empty() => write!(f, ": {}", provider.text.trim()),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

/// The end of a `w:FaultDetail` URI (DSP0226 14.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail(Cow<'static, str>);

macro_rules! details {
    ($($constant:ident = $suffix:literal;)+) => {
        #[allow(missing_docs)] // Each is the word of DSP0226 14.6 itself.
        impl Detail {
            $(pub const $constant: Self = Self(Cow::Borrowed($suffix));)+
        }
    };
}

details! {
    ADDRESSING_MODE = "AddressingMode";
    AMBIGUOUS_SELECTORS = "AmbiguousSelectors";
    BOOKMARKS = "Bookmarks";
    CHARACTER_SET = "CharacterSet";
    DATA_LOCALE = "DataLocale";
    DUPLICATE_SELECTORS = "DuplicateSelectors";
    ENUMERATION_MODE = "EnumerationMode";
    FILTERING_REQUIRED = "FilteringRequired";
    FRAGMENT_LEVEL_ACCESS = "FragmentLevelAccess";
    INSUFFICIENT_SELECTORS = "InsufficientSelectors";
    INVALID_NAME = "InvalidName";
    INVALID_NAMESPACE = "InvalidNamespace";
    INVALID_RESOURCE_URI = "InvalidResourceURI";
    INVALID_VALUE = "InvalidValue";
    INVALID_VALUES = "InvalidValues";
    LOCALE = "Locale";
    MAX_ENVELOPE_SIZE = "MaxEnvelopeSize";
    MAX_ENVELOPE_SIZE_EXCEEDED = "MaxEnvelopeSizeExceeded";
    MINIMUM_ENVELOPE_LIMIT = "MinimumEnvelopeLimit";
    MISSING_VALUES = "MissingValues";
    NOT_SUPPORTED = "NotSupported";
    OPERATION_TIMEOUT = "OperationTimeout";
    OPTION_LIMIT = "OptionLimit";
    SELECTOR_LIMIT = "SelectorLimit";
    TARGET_ALREADY_EXISTS = "TargetAlreadyExists";
    TYPE_MISMATCH = "TypeMismatch";
    UNEXPECTED_SELECTORS = "UnexpectedSelectors";
    URI_LIMIT_EXCEEDED = "URILimitExceeded";
}

impl Detail {
    /// The whole URI.
    #[must_use]
    pub fn uri(&self) -> String {
        if self.0.contains(':') { self.0.clone().into_owned() } else { format!("{FAULT_DETAIL}{}", self.0) }
    }

    /// The last part of the URI.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    fn from_uri(uri: &str) -> Self {
        let uri = uri.trim();
        Self(Cow::Owned(uri.strip_prefix(FAULT_DETAIL).unwrap_or(uri).to_owned()))
    }
}
