//! The results WMI knows (MS-WMI, WBEMSTATUS).

use std::fmt;

macro_rules! statuses {
    ($($variant:ident = $code:literal, $name:literal, $about:literal;)*) => {
        /// Why an operation of WMI failed: a `WBEM_E_` code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Status {
            $(#[doc = $about] $variant,)*
        }

        impl Status {
            /// All of them, by code.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The number clients see, such as `0x80041002`.
            #[must_use]
            pub const fn code(self) -> u32 {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// The name administrators search for, such as `WBEM_E_NOT_FOUND`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

statuses! {
    Failed = 0x8004_1001, "WBEM_E_FAILED", "Something else failed.";
    NotFound = 0x8004_1002, "WBEM_E_NOT_FOUND", "There is no such instance.";
    AccessDenied = 0x8004_1003, "WBEM_E_ACCESS_DENIED", "The caller may not do it.";
    ProviderFailure = 0x8004_1004, "WBEM_E_PROVIDER_FAILURE", "The provider failed.";
    TypeMismatch = 0x8004_1005, "WBEM_E_TYPE_MISMATCH", "A value has another type than it must have.";
    InvalidParameter = 0x8004_1008, "WBEM_E_INVALID_PARAMETER", "A parameter makes no sense.";
    NotAvailable = 0x8004_1009, "WBEM_E_NOT_AVAILABLE", "It cannot be had at the moment.";
    NotSupported = 0x8004_100C, "WBEM_E_NOT_SUPPORTED", "The operation is not supported.";
    InvalidSuperclass = 0x8004_100D, "WBEM_E_INVALID_SUPERCLASS", "There is no such superclass.";
    InvalidNamespace = 0x8004_100E, "WBEM_E_INVALID_NAMESPACE", "There is no such namespace.";
    InvalidObject = 0x8004_100F, "WBEM_E_INVALID_OBJECT", "An object is malformed.";
    InvalidClass = 0x8004_1010, "WBEM_E_INVALID_CLASS", "There is no such class.";
    ProviderNotFound = 0x8004_1011, "WBEM_E_PROVIDER_NOT_FOUND", "No provider serves the class.";
    InvalidOperation = 0x8004_1016, "WBEM_E_INVALID_OPERATION", "The operation does not fit the object.";
    InvalidQuery = 0x8004_1017, "WBEM_E_INVALID_QUERY", "The query is wrong.";
    InvalidQueryType = 0x8004_1018, "WBEM_E_INVALID_QUERY_TYPE", "The language of the query is unknown.";
    AlreadyExists = 0x8004_1019, "WBEM_E_ALREADY_EXISTS", "There is such an object already.";
    OverrideNotAllowed = 0x8004_101A, "WBEM_E_OVERRIDE_NOT_ALLOWED", "A qualifier must not be overridden.";
    PropagatedProperty = 0x8004_101C, "WBEM_E_PROPAGATED_PROPERTY", "The property is the superclass's.";
    CannotBeKey = 0x8004_101F, "WBEM_E_CANNOT_BE_KEY", "A property of this type is no key.";
    IncompleteClass = 0x8004_1020, "WBEM_E_INCOMPLETE_CLASS", "The class lacks something.";
    InvalidSyntax = 0x8004_1021, "WBEM_E_INVALID_SYNTAX", "The text cannot be read.";
    ReadOnly = 0x8004_1023, "WBEM_E_READ_ONLY", "The property cannot be written.";
    ProviderNotCapable = 0x8004_1024, "WBEM_E_PROVIDER_NOT_CAPABLE", "The provider cannot do it.";
    ClassHasChildren = 0x8004_1025, "WBEM_E_CLASS_HAS_CHILDREN", "Other classes derive from it.";
    ClassHasInstances = 0x8004_1026, "WBEM_E_CLASS_HAS_INSTANCES", "There are instances of it.";
    IllegalNull = 0x8004_1028, "WBEM_E_ILLEGAL_NULL", "The property must have a value.";
    InvalidQualifierType = 0x8004_1029, "WBEM_E_INVALID_QUALIFIER_TYPE", "A qualifier has another type.";
    InvalidPropertyType = 0x8004_102A, "WBEM_E_INVALID_PROPERTY_TYPE", "A property has another type.";
    ValueOutOfRange = 0x8004_102B, "WBEM_E_VALUE_OUT_OF_RANGE", "The type cannot hold the value.";
    CannotBeSingleton = 0x8004_102C, "WBEM_E_CANNOT_BE_SINGLETON", "A class with keys is no singleton.";
    InvalidCimType = 0x8004_102D, "WBEM_E_INVALID_CIM_TYPE", "There is no such type.";
    InvalidMethod = 0x8004_102E, "WBEM_E_INVALID_METHOD", "The class has no such method.";
    InvalidMethodParameters = 0x8004_102F, "WBEM_E_INVALID_METHOD_PARAMETERS", "The parameters do not fit.";
    SystemProperty = 0x8004_1030, "WBEM_E_SYSTEM_PROPERTY", "A system property cannot be changed.";
    InvalidProperty = 0x8004_1031, "WBEM_E_INVALID_PROPERTY", "The class has no such property.";
    CallCancelled = 0x8004_1032, "WBEM_E_CALL_CANCELLED", "The call was cancelled.";
    ShuttingDown = 0x8004_1033, "WBEM_E_SHUTTING_DOWN", "The service is about to end.";
    InvalidObjectPath = 0x8004_103A, "WBEM_E_INVALID_OBJECT_PATH", "The path cannot be read.";
    ServerTooBusy = 0x8004_1045, "WBEM_E_SERVER_TOO_BUSY", "Too much is asked at once.";
    InvalidFlavor = 0x8004_1046, "WBEM_E_INVALID_FLAVOR", "There is no such flavor of qualifiers.";
    CircularReference = 0x8004_1047, "WBEM_E_CIRCULAR_REFERENCE", "Something contains itself.";
    CannotChangeKeyInheritance = 0x8004_1049, "WBEM_E_CANNOT_CHANGE_KEY_INHERITANCE",
        "A class derived from one with keys has no others.";
    TooManyProperties = 0x8004_1051, "WBEM_E_TOO_MANY_PROPERTIES", "The class has too many properties.";
    UpdateTypeMismatch = 0x8004_1052, "WBEM_E_UPDATE_TYPE_MISMATCH",
        "A property is redeclared with another type.";
    UpdatePropagatedMethod = 0x8004_1054, "WBEM_E_UPDATE_PROPAGATED_METHOD",
        "A method is redeclared with another signature.";
    MethodNotImplemented = 0x8004_1055, "WBEM_E_METHOD_NOT_IMPLEMENTED", "Nobody implements the method.";
    MethodDisabled = 0x8004_1056, "WBEM_E_METHOD_DISABLED", "The method is switched off.";
    UnparsableQuery = 0x8004_1058, "WBEM_E_UNPARSABLE_QUERY", "The query of a subscription is wrong.";
    NotEventClass = 0x8004_1059, "WBEM_E_NOT_EVENT_CLASS", "The class is none of events.";
    MissingGroupWithin = 0x8004_105A, "WBEM_E_MISSING_GROUP_WITHIN", "BY or HAVING without GROUP WITHIN.";
    MissingAggregationList = 0x8004_105B, "WBEM_E_MISSING_AGGREGATION_LIST", "BY names no properties.";
    PropertyNotAnObject = 0x8004_105C, "WBEM_E_PROPERTY_NOT_AN_OBJECT", "Only objects have members.";
    AggregatingByObject = 0x8004_105D, "WBEM_E_AGGREGATING_BY_OBJECT", "Events are not grouped by objects.";
    PrivilegeNotHeld = 0x8004_1062, "WBEM_E_PRIVILEGE_NOT_HELD", "The caller lacks a privilege.";
    TimedOut = 0x8004_1069, "WBEM_E_TIMED_OUT", "It took too long.";
    InvalidAssociation = 0x8004_106A, "WBEM_E_INVALID_ASSOCIATION", "The class is no association.";
    QuotaViolation = 0x8004_106C, "WBEM_E_QUOTA_VIOLATION", "It is more than is allowed.";
    ProviderTimedOut = 0x8004_1088, "WBEM_E_PROVIDER_TIMED_OUT", "The provider took too long.";
    RegistrationTooBroad = 0x8004_2001, "WBEMESS_E_REGISTRATION_TOO_BROAD",
        "The subscription would watch too much.";
    RegistrationTooPrecise = 0x8004_2002, "WBEMESS_E_REGISTRATION_TOO_PRECISE",
        "The subscription needs WITHIN.";
}

impl Status {
    /// The code of CIM operations (DSP0200), which clients of MI are told beside: 1 where none fits better.
    #[must_use]
    pub const fn cim_status(self) -> u32 {
        match self {
            Self::AccessDenied | Self::PrivilegeNotHeld => 2,
            Self::InvalidNamespace => 3,
            Self::InvalidParameter
            | Self::InvalidMethodParameters
            | Self::InvalidObjectPath
            | Self::InvalidObject
            | Self::InvalidSyntax
            | Self::IllegalNull
            | Self::ValueOutOfRange => 4,
            Self::InvalidClass => 5,
            Self::NotFound => 6,
            Self::NotSupported | Self::ProviderNotCapable | Self::ProviderNotFound | Self::ReadOnly => 7,
            Self::ClassHasChildren => 8,
            Self::ClassHasInstances => 9,
            Self::InvalidSuperclass => 10,
            Self::AlreadyExists => 11,
            Self::InvalidProperty => 12,
            Self::TypeMismatch => 13,
            Self::InvalidQueryType => 14,
            Self::InvalidQuery | Self::UnparsableQuery => 15,
            Self::MethodNotImplemented | Self::MethodDisabled => 16,
            Self::InvalidMethod => 17,
            Self::QuotaViolation | Self::ServerTooBusy => 27,
            _ => 1,
        }
    }

    /// The status of a number, if it is one of those above.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:08X})", self.name(), self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_rise_and_lead_back_to_their_status() {
        assert!(Status::ALL.is_sorted_by_key(|status| status.code()));
        for status in Status::ALL {
            assert_eq!(Status::from_code(status.code()), Some(*status));
        }
        assert_eq!(Status::from_code(0), None);
        assert_eq!(Status::NotFound.to_string(), "WBEM_E_NOT_FOUND (0x80041002)");
    }
}
