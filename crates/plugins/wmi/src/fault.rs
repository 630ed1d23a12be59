//! Conversion of errors to faults (MS-WSMV 2.2.4.43; DSP0227 14).

use std::sync::Arc;

use cim::uri::{ClassUri, UriForm};
use cim::wscim::COMMON;
use cim::{Class, Instance, Name, Namespace, Status};
use wmi::Engine;
use wsman::namespace::{CIM_BINDING, XSI};
use wsman::{Code, Detail, Fault, Subcode, code};
use xml::{Fragment, Writer};

use crate::error::WmiError;
use crate::form::{FaultForm, Form};

/// Operation that failed, as named in `__ExtendedStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    GetObject,
    PutInstance,
    CreateInstance,
    DeleteInstance,
    CreateInstanceEnum,
    ExecQuery,
    ExecNotificationQuery,
    ExecMethod,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::GetObject => "GetObject",
            // Windows uses one name for both.
            Self::PutInstance | Self::CreateInstance => "PutInstance",
            Self::DeleteInstance => "DeleteInstance",
            Self::CreateInstanceEnum => "CreateInstanceEnum",
            Self::ExecQuery => "ExecQuery",
            Self::ExecNotificationQuery => "ExecNotificationQuery",
            Self::ExecMethod => "ExecMethod",
        }
    }

    /// Returns whether the request body is an instance.
    fn takes_an_instance(self) -> bool {
        matches!(self, Self::PutInstance | Self::CreateInstance)
    }
}

/// Context for faults: engine, client options and namespace.
#[derive(Clone)]
pub(crate) struct ResponseContext {
    engine: Engine,
    pub(crate) form: Form,
    pub(crate) uris: UriForm,
    pub(crate) namespace: Namespace,
}

impl ResponseContext {
    pub(crate) fn new(engine: &Engine, form: Form, uris: UriForm, namespace: Namespace) -> Self {
        Self { engine: engine.clone(), form, uris, namespace }
    }

    /// Returns a writer of instances in the form that the client requested.
    pub(crate) fn writer(&self) -> cim::wscim::Writer {
        self.form.writer(self.uris, self.engine.origin(&self.namespace))
    }

    /// Returns a class of the namespace.
    pub(crate) fn class(&self, name: &Name) -> Option<Arc<Class>> {
        self.engine.schema(&self.namespace).ok()?.class(name.as_str())
    }

    /// Converts an error to a fault; the only place that does so. `parameter` is the object of the operation.
    pub(crate) fn fault(&self, error: impl Into<WmiError>, operation: Operation, parameter: &str) -> Fault {
        let error = error.into();
        let Kind { subcode, code, detail } = Kind::of(&error, operation);
        let reason = explanation(&error);
        let code = match (&error, self.form.faults) {
            (WmiError::Engine(error), FaultForm::CimError) => error.status().code(),
            _ => code,
        };
        let mut fault = Fault::new(subcode, code, reason.as_str());
        if let Some(detail) = detail {
            fault = fault.with_detail(detail);
        }
        match (&error, self.form.faults) {
            (WmiError::Engine(error), FaultForm::CimError) => {
                fault.with_instance(self.cim_error(error.status(), reason))
            }
            (WmiError::Engine(error), FaultForm::ProviderFault) => {
                let fault = fault.with_provider(PROVIDER, PATH, reason.as_str());
                match self.extended_status(error, operation, parameter) {
                    Some(status) => fault.with_extended_error(status),
                    None => fault,
                }
            }
            _ => fault,
        }
    }

    fn extended_status(&self, error: &wmi::Error, operation: Operation, parameter: &str) -> Option<Fragment> {
        // The class exists in every namespace; use root/cimv2 if the requested namespace does not exist.
        let cimv2 = Namespace::cimv2();
        let schema = self.engine.schema(&self.namespace).or_else(|_| self.engine.schema(&cimv2)).ok()?;
        let provider = if error.is_of_provider() { "CIMWin32" } else { "WinMgmt" };
        let status = Instance::new(schema.class("__ExtendedStatus")?)
            .with("Operation", operation.name())
            .and_then(|status| status.with("ParameterInfo", parameter.to_owned()))
            .and_then(|status| status.with("ProviderName", provider))
            .ok()?;
        let mut writer = Writer::new();
        self.writer().instance(&mut writer, &status);
        Some(writer.into_fragment())
    }

    /// Returns the error as `MSFT_WmiError` (derived from the `CIM_Error` of DSP0004).
    fn cim_error(&self, status: Status, message: String) -> Fragment {
        let number = status.code();
        let uri = match Name::parse("MSFT_WmiError") {
            Ok(class) => ClassUri::of(self.uris, &self.namespace, &class).to_string(),
            Err(_) => String::new(),
        };
        let mut writer = Writer::new();
        writer.start("p:MSFT_WmiError").namespace("b", CIM_BINDING).namespace("xsi", XSI);
        writer.namespace("p", &uri).namespace("cim", COMMON);
        writer.attribute("b:IsCIM_Error", "true").attribute("xsi:type", "p:MSFT_WmiError_Type");
        for (name, kind, value) in [
            ("p:CIMStatusCode", "cim:cimUnsignedInt", Some(status.cim_status().to_string())),
            ("p:CIMStatusCodeDescription", "cim:cimString", None),
            ("p:ErrorSource", "cim:cimString", None),
            ("p:ErrorSourceFormat", "cim:cimUnsignedShort", Some("0".to_owned())),
            ("p:ErrorType", "cim:cimUnsignedShort", Some("0".to_owned())),
            ("p:Message", "cim:cimString", Some(message.clone())),
            ("p:MessageID", "cim:cimString", Some(format!("HRESULT 0x{number:08x}"))),
            ("p:OtherErrorSourceFormat", "cim:cimString", None),
            ("p:OtherErrorType", "cim:cimString", None),
            ("p:OwningEntity", "cim:cimString", None),
            ("p:PerceivedSeverity", "cim:cimUnsignedShort", Some("0".to_owned())),
            ("p:ProbableCause", "cim:cimUnsignedShort", Some("0".to_owned())),
            ("p:ProbableCauseDescription", "cim:cimString", None),
            ("p:error_Category", "cim:cimUnsignedInt", Some(category(status).to_string())),
            ("p:error_Code", "cim:cimUnsignedInt", Some(number.to_string())),
            ("p:error_Type", "cim:cimString", Some("HRESULT".to_owned())),
            ("p:error_WindowsErrorMessage", "cim:cimString", Some(message)),
        ] {
            writer.start(name).attribute("xsi:type", kind);
            match value {
                Some(value) => writer.text(&value).end(),
                None => writer.attribute("xsi:nil", "true").end_empty(),
            };
        }
        writer.end();
        writer.into_fragment()
    }
}

/// Returns the text of an error, with advice on a second line. Errors of the engine and of providers without advice of
/// their own receive that of their status.
fn explanation(error: &WmiError) -> String {
    let text = error.to_string();
    match error {
        WmiError::Engine(error) if !text.contains("\n  ") => format!("{text}\n  {}", advice(error.status())),
        _ => text,
    }
}

/// Returns what a client can do about a status.
fn advice(status: Status) -> &'static str {
    match status {
        Status::NotFound => "enumerate the class to list its instances",
        Status::InvalidNamespace => "query __Namespace of the namespace above it to list those below",
        Status::InvalidClass | Status::InvalidSuperclass => "query meta_class to list the classes",
        Status::InvalidMethod
        | Status::InvalidMethodParameters
        | Status::InvalidParameter
        | Status::InvalidProperty
        | Status::InvalidPropertyType
        | Status::TypeMismatch
        | Status::UpdateTypeMismatch
        | Status::ValueOutOfRange => {
            "query meta_class for the definition of the class, and correct the request"
        }
        Status::IllegalNull => "set a value",
        Status::ReadOnly | Status::SystemProperty => "omit the property",
        Status::InvalidObjectPath | Status::InvalidSyntax => {
            "add a selector for each key of the class, and check them"
        }
        Status::InvalidQuery
        | Status::InvalidQueryType
        | Status::UnparsableQuery
        | Status::NotEventClass
        | Status::MissingGroupWithin
        | Status::MissingAggregationList
        | Status::AggregatingByObject
        | Status::PropertyNotAnObject
        | Status::InvalidAssociation
        | Status::RegistrationTooBroad
        | Status::RegistrationTooPrecise => "correct the query",
        Status::AccessDenied | Status::PrivilegeNotHeld => {
            "sign in as a user with this right, such as an administrator"
        }
        Status::ProviderNotCapable
        | Status::ProviderNotFound
        | Status::MethodNotImplemented
        | Status::MethodDisabled
        | Status::NotSupported
        | Status::InvalidOperation => {
            "use another operation or class; this machine does not support this one"
        }
        Status::AlreadyExists => "change or delete the existing object",
        Status::ClassHasChildren | Status::ClassHasInstances => "delete its subclasses and instances first",
        Status::QuotaViolation | Status::ServerTooBusy | Status::NotAvailable | Status::CallCancelled => {
            "retry later"
        }
        Status::ShuttingDown => "retry when the service has started again",
        Status::TimedOut | Status::ProviderTimedOut => "retry, or request less",
        _ => "see the log of the service",
    }
}

/// Fault codes of an error.
struct Kind {
    subcode: Subcode,
    code: Code,
    detail: Option<Detail>,
}

impl Kind {
    fn new(subcode: Subcode, code: Code) -> Self {
        Self { subcode, code, detail: None }
    }

    fn with(self, detail: Detail) -> Self {
        Self { detail: Some(detail), ..self }
    }

    fn of(error: &WmiError, operation: Operation) -> Self {
        match error {
            WmiError::Engine(error) => Self::of_status(error, operation),
            WmiError::TwoNamespaces { .. } => {
                Self::new(Subcode::InvalidSelectors, code::DIFFERENT_NAMESPACE_SELECTOR)
                    .with(Detail::INVALID_VALUE)
            }
            WmiError::NoClass => Self::no_resource(),
            WmiError::SelectorsRequired(_) => Self::new(Subcode::InvalidSelectors, code::SELECTORS_REQUIRED)
                .with(Detail::INSUFFICIENT_SELECTORS),
            WmiError::SelectorsInEnumeration => {
                Self::new(Subcode::InvalidSelectors, code::ENUMERATION_WITH_SELECTORS)
                    .with(Detail::UNEXPECTED_SELECTORS)
            }
            WmiError::SelectorsInSubscription => {
                Self::new(Subcode::InvalidSelectors, code::SUBSCRIPTION_WITH_SELECTORS)
                    .with(Detail::UNEXPECTED_SELECTORS)
            }
            WmiError::EventsWithoutFilter => Self::new(Subcode::UnsupportedFeature, code::FILTERING_REQUIRED)
                .with(Detail::FILTERING_REQUIRED),
            WmiError::KeyChange(_) => Self::new(Subcode::InvalidRepresentation, code::CANNOT_CHANGE_KEYS)
                .with(Detail::INVALID_VALUES),
            WmiError::OtherClass { .. } => {
                Self::new(Subcode::InvalidRepresentation, code::INVALID_REPRESENTATION)
                    .with(Detail::INVALID_NAMESPACE)
            }
            WmiError::FilterDialect(_) => {
                Self::new(Subcode::FilterDialectRequestedUnavailable, code::FILTER_DIALECT_UNAVAILABLE)
            }
            WmiError::Filter(_) => Self::bad_filter(),
            WmiError::NoFragments => Self::new(Subcode::UnsupportedFeature, code::FRAGMENT_LEVEL_ACCESS)
                .with(Detail::FRAGMENT_LEVEL_ACCESS),
            WmiError::FragmentDialect(_) => {
                Self::new(Subcode::FragmentDialectNotSupported, code::FRAGMENT_DIALECT_UNAVAILABLE)
            }
            WmiError::BlankFragment => Self::new(Subcode::CannotProcessFilter, code::BLANK_FRAGMENT_PATH),
            WmiError::FragmentPath(_) => Self::bad_filter(),
            WmiError::FragmentBody(_) => {
                Self::new(Subcode::InvalidRepresentation, code::INVALID_REPRESENTATION)
            }
            WmiError::TimedOut => Self::new(Subcode::TimedOut, code::TIMED_OUT),
        }
    }

    fn of_status(error: &wmi::Error, operation: Operation) -> Self {
        let is_query = matches!(operation, Operation::ExecQuery | Operation::ExecNotificationQuery);
        match error.status() {
            Status::InvalidClass | Status::NotFound if is_query => Self::bad_filter(),
            Status::InvalidClass | Status::NotFound | Status::InvalidNamespace => Self::no_resource(),
            Status::InvalidQueryType => {
                Self::new(Subcode::FilterDialectRequestedUnavailable, code::FILTER_DIALECT_UNAVAILABLE)
            }
            Status::InvalidQuery
            | Status::UnparsableQuery
            | Status::NotEventClass
            | Status::MissingGroupWithin
            | Status::MissingAggregationList
            | Status::AggregatingByObject => Self::bad_filter(),
            Status::InvalidObjectPath | Status::InvalidSyntax | Status::IllegalNull if is_query => {
                Self::bad_filter()
            }
            Status::InvalidObjectPath | Status::InvalidSyntax => {
                Self::new(Subcode::InvalidSelectors, code::INVALID_SELECTORS)
            }
            Status::AccessDenied | Status::PrivilegeNotHeld => {
                let code = match error.is_of_provider() {
                    true => code::PROVIDER_ACCESS_DENIED,
                    false => code::WMI_ACCESS_DENIED,
                };
                Self::new(Subcode::AccessDenied, code)
            }
            Status::ProviderNotCapable
            | Status::ProviderNotFound
            | Status::MethodNotImplemented
            | Status::MethodDisabled
            | Status::NotSupported => Self::new(Subcode::UnsupportedFeature, code::PROVIDER_NOT_CAPABLE),
            Status::InvalidMethod => Self::new(Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED),
            Status::AlreadyExists => Self::new(Subcode::AlreadyExists, code::ALREADY_EXISTS),
            Status::QuotaViolation | Status::ServerTooBusy => {
                Self::new(Subcode::QuotaLimit, code::QUOTA_LIMIT)
            }
            Status::ReadOnly | Status::IllegalNull => Self::bad_values(),
            Status::InvalidParameter
            | Status::InvalidMethodParameters
            | Status::InvalidProperty
            | Status::TypeMismatch
            | Status::ValueOutOfRange
                if operation.takes_an_instance() =>
            {
                Self::bad_values()
            }
            Status::InvalidParameter if error.is_of_provider() => {
                Self::new(Subcode::InvalidParameter, code::PROVIDER_INVALID_PARAMETER)
            }
            Status::InvalidProperty => {
                Self::new(Subcode::InvalidParameter, code::INVALID_PARAMETER_NAME).with(Detail::INVALID_NAME)
            }
            Status::InvalidParameter
            | Status::InvalidMethodParameters
            | Status::TypeMismatch
            | Status::ValueOutOfRange => Self::new(Subcode::InvalidParameter, code::PARAMETER_TYPE_MISMATCH)
                .with(Detail::TYPE_MISMATCH),
            other => Self::new(Subcode::InternalError, other.code()),
        }
    }

    fn no_resource() -> Self {
        Self::new(Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI)
            .with(Detail::INVALID_RESOURCE_URI)
    }

    fn bad_filter() -> Self {
        Self::new(Subcode::CannotProcessFilter, code::CANNOT_PROCESS_FILTER)
    }

    fn bad_values() -> Self {
        Self::new(Subcode::InvalidRepresentation, code::INVALID_VALUES).with(Detail::INVALID_VALUES)
    }
}

/// Returns the error category for MI clients (`MI_ErrorCategory` of MI.h).
fn category(status: Status) -> u32 {
    match status {
        Status::NotFound => 13,
        Status::AccessDenied | Status::PrivilegeNotHeld => 18,
        Status::InvalidParameter
        | Status::InvalidMethodParameters
        | Status::InvalidObjectPath
        | Status::InvalidQuery
        | Status::InvalidSyntax
        | Status::UnparsableQuery
        | Status::ValueOutOfRange => 5,
        Status::TypeMismatch => 9,
        Status::InvalidClass | Status::InvalidNamespace | Status::InvalidProperty | Status::InvalidMethod => {
            10
        }
        Status::NotSupported
        | Status::ProviderNotCapable
        | Status::MethodNotImplemented
        | Status::MethodDisabled => 11,
        Status::ReadOnly | Status::IllegalNull => 7,
        Status::AlreadyExists => 20,
        Status::ProviderTimedOut | Status::TimedOut => 15,
        Status::QuotaViolation | Status::ServerTooBusy => 30,
        _ => 0,
    }
}

/// Provider name and path by which clients recognise the plug-in.
const PROVIDER: &str = "WMI Provider";
const PATH: &str = "%systemroot%\\system32\\WsmWmiPl.dll";
