//! SOAP faults (DSP0226 14, MS-WSMV 2.2.4.43).

pub mod code;
mod read;
mod subcode;

use std::borrow::Cow;
use std::fmt;

use xml::{Fragment, Writer};

use crate::namespace::{FAULT, FAULT_DETAIL, XML};
pub use code::Code;
pub use subcode::{Origin, Subcode};

/// Failure of an operation, as it is sent to the client.
///
/// It reveals no more than the client needs; details for administrators are in the log of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    subcode: Subcode,
    detail: Option<Detail>,
    code: Code,
    reason: String,
    /// Host that returned the fault, as the client addressed it.
    machine: Option<String>,
    provider: Option<ProviderFault>,
    instance: Option<Fragment>,
    not_understood: Option<NotUnderstood>,
}

/// Details from the implementation of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderFault {
    /// Name of the provider, such as `Shell cmd plugin`.
    pub provider: String,
    /// Location of its code, on Windows a file.
    pub path: String,
    /// Message; may be empty.
    pub text: String,
    /// Additional instance of a class such as `__ExtendedStatus`.
    pub extended: Option<Fragment>,
}

/// Header that a `s:MustUnderstand` fault names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NotUnderstood {
    namespace: String,
    name: String,
}

impl Fault {
    /// Creates a fault with the Windows error number and a message for users.
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

    /// Sets the URI that narrows the subcode.
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.0.detail = Some(detail);
        self
    }

    /// Sets the provider's message.
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

    /// Adds an instance to the provider's message; the fault is repeated inside it, as in faults of WMI.
    #[must_use]
    pub fn with_extended_error(mut self, extended: Fragment) -> Self {
        if let Some(provider) = &mut self.0.provider {
            provider.extended = Some(extended);
        }
        self
    }

    /// Replaces `f:WSManFault` by an instance: the form of newer services, for clients that request it.
    ///
    /// The instance contains the code as its `error_Code`.
    #[must_use]
    pub fn with_instance(mut self, instance: Fragment) -> Self {
        self.0.instance = Some(instance);
        self
    }

    /// Sets the host, unless it is already set.
    #[must_use]
    pub fn on_machine(mut self, machine: &str) -> Self {
        self.0.machine.get_or_insert_with(|| machine.to_owned());
        self
    }

    /// Creates the fault for a header that must be understood and is unknown (SOAP 1.2 part 1, 5.4.8).
    #[must_use]
    pub fn must_understand(namespace: &str, name: &str) -> Self {
        let reason = format!(
            "the header {name} is marked mustUnderstand and is not supported; omit the header or the mark"
        );
        let mut fault = Self::new(Subcode::MustUnderstand, code::MUST_UNDERSTAND, reason);
        // An excessively long name is omitted, because a truncated one would be a different name.
        fault.0.not_understood = (namespace.len() + name.len() <= LONGEST)
            .then(|| NotUnderstood { namespace: namespace.to_owned(), name: name.to_owned() });
        fault
    }

    /// Subcode.
    #[must_use]
    pub fn subcode(&self) -> &Subcode {
        &self.0.subcode
    }

    /// Windows error number: a WSMan error, another HRESULT, or a Win32 error.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Detail that narrows the subcode.
    #[must_use]
    pub fn detail(&self) -> Option<&Detail> {
        self.0.detail.as_ref()
    }

    /// Message for users.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Host that returned the fault.
    #[must_use]
    pub fn machine(&self) -> Option<&str> {
        self.0.machine.as_deref()
    }

    /// Message of the provider.
    #[must_use]
    pub fn provider(&self) -> Option<&ProviderFault> {
        self.0.provider.as_ref()
    }

    /// Instance that replaces `f:WSManFault`.
    #[must_use]
    pub fn instance(&self) -> Option<&Fragment> {
        self.0.instance.as_ref()
    }

    /// Value of the `a:Action` header of the fault message.
    #[must_use]
    pub fn action(&self) -> Cow<'static, str> {
        self.0.subcode.action()
    }

    /// Writes the header that names the unknown header of a `s:MustUnderstand` fault.
    pub(crate) fn write_headers(&self, writer: &mut Writer) {
        let Some(NotUnderstood { namespace, name }) = &self.0.not_understood else { return };
        writer.start("s:NotUnderstood");
        // No prefix can be declared for these two (Namespaces in XML 1.0, section 3).
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

    /// Writes the start tags of `f:WSManFault` and its message.
    fn start_wsman_fault(&self, writer: &mut Writer) {
        writer.start("f:WSManFault").namespace("f", FAULT).attribute("Code", &self.code.to_string());
        writer.attribute("Machine", self.machine.as_deref().unwrap_or_default());
        writer.start("f:Message");
    }
}

/// Maximum length of a text in a fault, in bytes.
const LONGEST: usize = 2_000;

/// Truncates a text, which may contain names from the request.
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

/// Last part of a `w:FaultDetail` URI (DSP0226 14.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail(Cow<'static, str>);

macro_rules! details {
    ($($constant:ident = $suffix:literal;)+) => {
        #[allow(missing_docs)] // Each is a keyword of DSP0226 14.6.
        impl Detail {
            $(pub const $constant: Self = Self(Cow::Borrowed($suffix));)+
        }
    };
}

details! {
    ADDRESSING_MODE = "AddressingMode";
    AMBIGUOUS_SELECTORS = "AmbiguousSelectors";
    AUTHORIZATION_MODE = "AuthorizationMode";
    BOOKMARKS = "Bookmarks";
    CHARACTER_SET = "CharacterSet";
    DATA_LOCALE = "DataLocale";
    DUPLICATE_SELECTORS = "DuplicateSelectors";
    ENUMERATION_MODE = "EnumerationMode";
    FILTERING_REQUIRED = "FilteringRequired";
    FRAGMENT_LEVEL_ACCESS = "FragmentLevelAccess";
    INSUFFICIENT_SELECTORS = "InsufficientSelectors";
    INVALID_FORMAT = "InvalidFormat";
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
    /// Returns the complete URI.
    #[must_use]
    pub fn uri(&self) -> String {
        if self.0.contains(':') { self.0.clone().into_owned() } else { format!("{FAULT_DETAIL}{}", self.0) }
    }

    /// Returns the last part of the URI.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    fn from_uri(uri: &str) -> Self {
        let uri = uri.trim();
        Self(Cow::Owned(uri.strip_prefix(FAULT_DETAIL).unwrap_or(uri).to_owned()))
    }
}
