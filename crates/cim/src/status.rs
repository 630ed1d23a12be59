//! Error codes of WMI (MS-WMI 2.2.11, WBEMSTATUS).

use std::fmt;

macro_rules! statuses {
    ($($variant:ident = $code:literal, $name:literal, $about:literal;)*) => {
        /// Error code of WMI: a `WBEM_E_` code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Status {
            $(#[doc = $about] $variant,)*
        }

        impl Status {
            /// All codes in numerical order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the number, such as `0x80041002`.
            #[must_use]
            pub const fn code(self) -> u32 {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// Returns the symbol, such as `WBEM_E_NOT_FOUND`.
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
Failed = 0x8004_1001, "WBEM_E_FAILED", "General failure.";
NotFound = 0x8004_1002, "WBEM_E_NOT_FOUND", "No such instance.";
AccessDenied = 0x8004_1003, "WBEM_E_ACCESS_DENIED", "Access denied.";
ProviderFailure = 0x8004_1004, "WBEM_E_PROVIDER_FAILURE", "The provider failed.";
TypeMismatch = 0x8004_1005, "WBEM_E_TYPE_MISMATCH", "A value has the wrong type.";
InvalidParameter = 0x8004_1008, "WBEM_E_INVALID_PARAMETER", "Invalid parameter.";
NotAvailable = 0x8004_1009, "WBEM_E_NOT_AVAILABLE", "Temporarily unavailable.";
NotSupported = 0x8004_100C, "WBEM_E_NOT_SUPPORTED", "The operation is not supported.";
InvalidSuperclass = 0x8004_100D, "WBEM_E_INVALID_SUPERCLASS", "No such superclass.";
InvalidNamespace = 0x8004_100E, "WBEM_E_INVALID_NAMESPACE", "No such namespace.";
InvalidObject = 0x8004_100F, "WBEM_E_INVALID_OBJECT", "Malformed object.";
InvalidClass = 0x8004_1010, "WBEM_E_INVALID_CLASS", "No such class.";
ProviderNotFound = 0x8004_1011, "WBEM_E_PROVIDER_NOT_FOUND", "No provider for the class.";
InvalidOperation = 0x8004_1016, "WBEM_E_INVALID_OPERATION", "The operation is not valid for the object.";
InvalidQuery = 0x8004_1017, "WBEM_E_INVALID_QUERY", "Invalid query.";
InvalidQueryType = 0x8004_1018, "WBEM_E_INVALID_QUERY_TYPE", "Unknown query language.";
AlreadyExists = 0x8004_1019, "WBEM_E_ALREADY_EXISTS", "The object already exists.";
OverrideNotAllowed = 0x8004_101A, "WBEM_E_OVERRIDE_NOT_ALLOWED", "A qualifier must not be overridden.";
PropagatedProperty = 0x8004_101C, "WBEM_E_PROPAGATED_PROPERTY", "The property is inherited.";
CannotBeKey = 0x8004_101F, "WBEM_E_CANNOT_BE_KEY", "A property of this type cannot be a key.";
IncompleteClass = 0x8004_1020, "WBEM_E_INCOMPLETE_CLASS", "Incomplete class.";
InvalidSyntax = 0x8004_1021, "WBEM_E_INVALID_SYNTAX", "Syntax error.";
ReadOnly = 0x8004_1023, "WBEM_E_READ_ONLY", "The property is read-only.";
ProviderNotCapable = 0x8004_1024, "WBEM_E_PROVIDER_NOT_CAPABLE", "The provider does not support the operation.";
ClassHasChildren = 0x8004_1025, "WBEM_E_CLASS_HAS_CHILDREN", "The class has subclasses.";
ClassHasInstances = 0x8004_1026, "WBEM_E_CLASS_HAS_INSTANCES", "The class has instances.";
IllegalNull = 0x8004_1028, "WBEM_E_ILLEGAL_NULL", "The property must not be NULL.";
InvalidQualifierType = 0x8004_1029, "WBEM_E_INVALID_QUALIFIER_TYPE", "A qualifier has the wrong type.";
InvalidPropertyType = 0x8004_102A, "WBEM_E_INVALID_PROPERTY_TYPE", "A property has the wrong type.";
ValueOutOfRange = 0x8004_102B, "WBEM_E_VALUE_OUT_OF_RANGE", "The value is out of range.";
CannotBeSingleton = 0x8004_102C, "WBEM_E_CANNOT_BE_SINGLETON", "A class with keys cannot be a singleton.";
InvalidCimType = 0x8004_102D, "WBEM_E_INVALID_CIM_TYPE", "Unknown type.";
InvalidMethod = 0x8004_102E, "WBEM_E_INVALID_METHOD", "The class has no such method.";
InvalidMethodParameters = 0x8004_102F, "WBEM_E_INVALID_METHOD_PARAMETERS", "Invalid method parameters.";
SystemProperty = 0x8004_1030, "WBEM_E_SYSTEM_PROPERTY", "A system property cannot be changed.";
InvalidProperty = 0x8004_1031, "WBEM_E_INVALID_PROPERTY", "The class has no such property.";
CallCancelled = 0x8004_1032, "WBEM_E_CALL_CANCELLED", "The call was cancelled.";
ShuttingDown = 0x8004_1033, "WBEM_E_SHUTTING_DOWN", "The service is shutting down.";
InvalidObjectPath = 0x8004_103A, "WBEM_E_INVALID_OBJECT_PATH", "Invalid object path.";
ServerTooBusy = 0x8004_1045, "WBEM_E_SERVER_TOO_BUSY", "Too many concurrent requests.";
InvalidFlavor = 0x8004_1046, "WBEM_E_INVALID_FLAVOR", "Unknown qualifier flavor.";
CircularReference = 0x8004_1047, "WBEM_E_CIRCULAR_REFERENCE", "Circular reference.";
CannotChangeKeyInheritance = 0x8004_1049, "WBEM_E_CANNOT_CHANGE_KEY_INHERITANCE",
    "A subclass must have the keys of its superclass.";
TooManyProperties = 0x8004_1051, "WBEM_E_TOO_MANY_PROPERTIES", "The class has too many properties.";
UpdateTypeMismatch = 0x8004_1052, "WBEM_E_UPDATE_TYPE_MISMATCH",
    "A property is redeclared with another type.";
UpdatePropagatedMethod = 0x8004_1054, "WBEM_E_UPDATE_PROPAGATED_METHOD",
    "A method is redeclared with another signature.";
MethodNotImplemented = 0x8004_1055, "WBEM_E_METHOD_NOT_IMPLEMENTED", "The method is not implemented.";
MethodDisabled = 0x8004_1056, "WBEM_E_METHOD_DISABLED", "The method is disabled.";
UnparsableQuery = 0x8004_1058, "WBEM_E_UNPARSABLE_QUERY", "Invalid event query.";
NotEventClass = 0x8004_1059, "WBEM_E_NOT_EVENT_CLASS", "The class is not an event class.";
MissingGroupWithin = 0x8004_105A, "WBEM_E_MISSING_GROUP_WITHIN", "BY or HAVING without GROUP WITHIN.";
MissingAggregationList = 0x8004_105B, "WBEM_E_MISSING_AGGREGATION_LIST", "BY without properties.";
PropertyNotAnObject = 0x8004_105C, "WBEM_E_PROPERTY_NOT_AN_OBJECT", "The property is not an embedded object.";
AggregatingByObject = 0x8004_105D, "WBEM_E_AGGREGATING_BY_OBJECT", "Events cannot be grouped by objects.";
PrivilegeNotHeld = 0x8004_1062, "WBEM_E_PRIVILEGE_NOT_HELD", "The caller lacks a privilege.";
TimedOut = 0x8004_1069, "WBEM_E_TIMED_OUT", "The operation timed out.";
InvalidAssociation = 0x8004_106A, "WBEM_E_INVALID_ASSOCIATION", "The class is not an association.";
QuotaViolation = 0x8004_106C, "WBEM_E_QUOTA_VIOLATION", "A quota is exceeded.";
ProviderTimedOut = 0x8004_1088, "WBEM_E_PROVIDER_TIMED_OUT", "The provider timed out.";
RegistrationTooBroad = 0x8004_2001, "WBEMESS_E_REGISTRATION_TOO_BROAD",
    "The event query matches too many events.";
RegistrationTooPrecise = 0x8004_2002, "WBEMESS_E_REGISTRATION_TOO_PRECISE",
    "The event query needs WITHIN.";
}

impl Status {
    /// Returns the CIM status code (DSP0200), which MI clients receive in addition; 1 without an equivalent.
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

    /// Returns the status for a number, if it is known.
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
    fn codes_are_sorted_and_map_back_to_their_status() {
        assert!(Status::ALL.is_sorted_by_key(|status| status.code()));
        for status in Status::ALL {
            assert_eq!(Status::from_code(status.code()), Some(*status));
        }
        assert_eq!(Status::from_code(0), None);
        assert_eq!(Status::NotFound.to_string(), "WBEM_E_NOT_FOUND (0x80041002)");
    }
}
