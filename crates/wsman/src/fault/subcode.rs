//! Fault subcodes (DSP0226 14.6) and the SOAP fault code of each.

use std::borrow::Cow;

use crate::namespace::{ADDRESSING, CIM_BINDING, ENUMERATION, EVENTING, SOAP, TRANSFER, WSMAN};

/// SOAP fault code: the party that must correct the failure (SOAP 1.2 part 1, 5.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The request is invalid: `s:Sender`.
    Sender,
    /// The service failed: `s:Receiver`.
    Receiver,
    /// A header that must be understood is unknown: `s:MustUnderstand`.
    MustUnderstand,
    /// The envelope has another SOAP version: `s:VersionMismatch`.
    VersionMismatch,
    /// The encoding style is unknown: `s:DataEncodingUnknown`.
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
        /// Subcode of a fault.
        ///
        /// The names are those of the specifications; where two are equal, that of WS-Eventing has the prefix `Eventing`.
        #[allow(missing_docs)] // The names are those of DSP0226 14.6, DSP0227, WS-Transfer, -Enumeration, -Eventing.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Subcode {
            $($variant,)+
            /// A header that must be understood is unknown; there is no subcode.
            MustUnderstand,
            /// The envelope is not SOAP 1.2; there is no subcode.
            VersionMismatch,
            /// The encoding style is unknown; there is no subcode.
            DataEncodingUnknown,
            /// An unknown subcode, or none.
            Other {
                /// SOAP fault code.
                origin: Origin,
                /// Name without prefix; may be empty.
                name: String,
            },
        }

        impl Subcode {
            /// Returns the SOAP fault code.
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
    /// Returns the name with the usual prefix: `w:AccessDenied`; `None` without a subcode.
    #[must_use]
    pub fn qualified_name(&self) -> Option<String> {
        let (prefix, name) = self.prefix_and_name()?;
        Some(if prefix.is_empty() { name.to_owned() } else { format!("{prefix}:{name}") })
    }

    /// Returns the name without a prefix, as in `s:Subcode`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.prefix_and_name().map_or("", |(_, name)| name)
    }

    /// Returns the action URI of a message with this fault.
    pub(super) fn action(&self) -> Cow<'static, str> {
        let namespace = match self.prefix_and_name() {
            Some(("a", _)) => ADDRESSING,
            Some(("x", _)) => TRANSFER,
            Some(("n", _)) => ENUMERATION,
            Some(("e", _)) => EVENTING,
            // Like the one below, this URI omits the end of the namespace.
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
