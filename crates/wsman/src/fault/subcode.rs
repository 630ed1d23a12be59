//! The kinds of faults (DSP0226 14.6) and who is to blame for each.

use std::borrow::Cow;

use crate::namespace::{ADDRESSING, CIM_BINDING, ENUMERATION, EVENTING, SOAP, TRANSFER, WSMAN};

/// Who has to change something (SOAP 1.2 part 1, 5.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The message was wrong: `s:Sender`.
    Sender,
    /// The service could not: `s:Receiver`.
    Receiver,
    /// A header was not understood: `s:MustUnderstand`.
    MustUnderstand,
    /// The envelope is of another SOAP version: `s:VersionMismatch`.
    VersionMismatch,
    /// The encoding is unknown: `s:DataEncodingUnknown`.
    DataEncodingUnknown,
}

impl Origin {
    pub(super) fn value(self) -> &'static str {
        match self {
            Self::Sender => "s:Sender",
            Self::Receiver => "s:Receiver",
            Self::MustUnderstand => "s:MustUnderstand",
            Self::VersionMismatch => "s:VersionMismatch",
            Self::DataEncodingUnknown => "s:DataEncodingUnknown",
        }
    }
}

macro_rules! name {
    ($variant:ident) => {
        stringify!($variant)
    };
    ($variant:ident $name:literal) => {
        $name
    };
}

macro_rules! subcodes {
    ($($variant:ident: $prefix:literal $origin:ident $(as $name:literal)?,)+) => {
        /// The kind of a fault.
        ///
        /// Each is named as in its specification; where two have one name, that of WS-Eventing begins with Eventing.
        #[allow(missing_docs)] // The names are those of DSP0226 14.6, DSP0227, WS-Transfer, -Enumeration, -Eventing.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Subcode {
            $($variant,)+
            /// A header was not understood; there is no subcode.
            MustUnderstand,
            /// Not SOAP 1.2; there is no subcode.
            VersionMismatch,
            /// An unknown encoding style; there is no subcode.
            DataEncodingUnknown,
            /// One that is not in the specifications, or none.
            Other {
                /// Who is blamed.
                origin: Origin,
                /// The name without prefix, empty if there is none.
                name: String,
            },
        }

        impl Subcode {
            /// Who has to change something.
            #[must_use]
            pub fn origin(&self) -> Origin {
                match self {
                    $(Self::$variant => Origin::$origin,)+
                    Self::MustUnderstand => Origin::MustUnderstand,
                    Self::VersionMismatch => Origin::VersionMismatch,
                    Self::DataEncodingUnknown => Origin::DataEncodingUnknown,
                    Self::Other { origin, .. } => *origin,
                }
            }

            fn prefix_and_name(&self) -> Option<(&'static str, &str)> {
                match self {
                    $(Self::$variant => Some(($prefix, name!($variant $($name)?))),)+
                    Self::Other { name, .. } if !name.is_empty() => Some(("", name)),
                    _ => None,
                }
            }

            pub(super) fn from_name(namespace: &str, name: &str) -> Option<Self> {
                match (prefix_of(namespace)?, name) {
                    $(($prefix, name) if name == name!($variant $($name)?) => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

subcodes! {
    ActionNotSupported: "a" Sender,
    DestinationUnreachable: "a" Sender,
    EndpointUnavailable: "a" Receiver,
    InvalidMessageInformationHeader: "a" Sender,
    MessageInformationHeaderRequired: "a" Sender,
    AccessDenied: "w" Sender,
    AlreadyExists: "w" Sender,
    Concurrency: "w" Sender,
    DeliveryRefused: "w" Receiver,
    EncodingLimit: "w" Sender,
    FragmentDialectNotSupported: "w" Sender,
    InternalError: "w" Receiver,
    InvalidBookmark: "w" Sender,
    InvalidOptions: "w" Sender,
    InvalidParameter: "w" Sender,
    InvalidSelectors: "w" Sender,
    NoAck: "w" Sender,
    QuotaLimit: "w" Sender,
    SchemaValidationError: "w" Sender,
    TimedOut: "w" Receiver,
    UnsupportedFeature: "w" Sender,
    InvalidRepresentation: "x" Sender,
    CannotProcessFilter: "n" Sender,
    FilterDialectRequestedUnavailable: "n" Sender,
    FilteringNotSupported: "n" Sender,
    InvalidEnumerationContext: "n" Receiver,
    UnsupportedExpirationType: "n" Sender,
    InvalidExpirationTime: "n" Sender,
    DeliveryModeRequestedUnavailable: "e" Sender,
    EventingFilteringNotSupported: "e" Sender as "FilteringNotSupported",
    EventingFilteringRequestedUnavailable: "e" Sender as "FilteringRequestedUnavailable",
    EventingInvalidExpirationTime: "e" Sender as "InvalidExpirationTime",
    EventingUnsupportedExpirationType: "e" Sender as "UnsupportedExpirationType",
    EventSourceUnableToProcess: "e" Receiver,
    InvalidMessage: "e" Sender,
    UnableToRenew: "e" Receiver,
    PolymorphismModeNotSupported: "b" Sender,
}

impl Subcode {
    /// The name with the prefix that services write: `w:AccessDenied`; none without a subcode.
    #[must_use]
    pub fn qualified_name(&self) -> Option<String> {
        let (prefix, name) = self.prefix_and_name()?;
        Some(if prefix.is_empty() { name.to_owned() } else { format!("{prefix}:{name}") })
    }

    /// The name without its prefix, as `s:Subcode` gives it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.prefix_and_name().map_or("", |(_, name)| name)
    }

    /// The action of a message with this fault.
    pub(super) fn action(&self) -> Cow<'static, str> {
        let namespace = match self.prefix_and_name() {
            Some(("a", _)) => ADDRESSING,
            Some(("x", _)) => TRANSFER,
            Some(("n", _)) => ENUMERATION,
            Some(("e", _)) => EVENTING,
            // As that of WS-Management below, it leaves the end of the namespace out.
            Some(("b", _)) => "http://schemas.dmtf.org/wbem/wsman/1/cimbinding",
            Some(_) => "http://schemas.dmtf.org/wbem/wsman/1/wsman",
            None => ADDRESSING,
        };
        Cow::Owned(format!("{namespace}/fault"))
    }
}

fn prefix_of(namespace: &str) -> Option<&'static str> {
    match namespace {
        ADDRESSING => Some("a"),
        WSMAN => Some("w"),
        TRANSFER => Some("x"),
        ENUMERATION => Some("n"),
        EVENTING => Some("e"),
        CIM_BINDING => Some("b"),
        SOAP => Some("s"),
        _ => None,
    }
}
