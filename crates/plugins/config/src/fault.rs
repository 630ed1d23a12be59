//! Conversion of errors of the configuration into faults.

use std::io::ErrorKind;

use config::{ListenerError, ListenerKey, PluginError, PutError, Reason, SettingError, StoreError};
use service::{Call, CertificateProblem};
use wsman::{Action, Code, Detail, Fault, ResourceUri, Subcode, code};
use xml::{Bounds, Document, Element, Writer};

use crate::ReplaceError;
use crate::acceptance::AcceptanceError;

/// Error while changing the configuration; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error(transparent)]
    Put(#[from] PutError),
    #[error(transparent)]
    Listener(#[from] ListenerError),
    #[error(transparent)]
    AcceptanceError(#[from] AcceptanceError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] ReplaceError),
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error("listener {0} does not exist; list them with winrm enumerate winrm/config/listener")]
    NoSuchListener(ListenerKey),
    #[error("the change was interrupted; retry")]
    Interrupted,
    #[error("the change was only validated; omit -whatif to make it")]
    ValidatedOnly,
}

/// The only conversion of configuration errors into faults.
impl From<ChangeError> for Fault {
    fn from(error: ChangeError) -> Self {
        let reason = error.to_string();
        match error {
            ChangeError::Put(error) | ChangeError::Listener(ListenerError::Content(error)) => of_put(&error),
            ChangeError::Listener(error) => of_listener(&error),
            ChangeError::Plugin(error) => of_plugin(&error),
            ChangeError::AcceptanceError(error) => of_acceptance(&error),
            ChangeError::NoSuchListener(key) => no_such_listener(key),
            ChangeError::Store(StoreError::Setting(error)) => of_setting(&error),
            ChangeError::File(ReplaceError::Refused(fault)) => fault,
            ChangeError::Store(_)
            | ChangeError::Interrupted
            | ChangeError::ValidatedOnly
            | ChangeError::File(_) => Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, reason),
        }
    }
}

fn of_put(error: &PutError) -> Fault {
    let first = match error {
        PutError::Settings(errors) => errors.first(),
        _ => None,
    };
    let (code, detail) =
        first.map_or((code::SCHEMA_VALIDATION_ERROR, None), |first| of_reason(&first.reason));
    let fault = Fault::new(subcode(code), code, error.to_string());
    match detail {
        Some(detail) => fault.with_detail(detail),
        None => fault,
    }
}

fn of_setting(error: &SettingError) -> Fault {
    let (code, _) = of_reason(&error.reason);
    Fault::new(subcode(code), code, error.to_string())
}

fn of_reason(reason: &Reason) -> (Code, Option<Detail>) {
    match reason {
        Reason::ReadOnly => (code::READ_ONLY_SETTING, None),
        Reason::Deprecated => (code::DEPRECATED_SETTING, None),
        Reason::GovernedByPolicy => (code::GOVERNED_BY_POLICY, None),
        Reason::Sddl(_) => (code::INVALID_SECURITY_DESCRIPTOR, None),
        Reason::Filter(_) => (code::INVALID_FILTER, None),
        _ => (code::SCHEMA_VALIDATION_ERROR, None),
    }
}

fn subcode(code: Code) -> Subcode {
    match code {
        code::READ_ONLY_SETTING | code::DEPRECATED_SETTING | code::GOVERNED_BY_POLICY => {
            Subcode::AccessDenied
        }
        _ => Subcode::SchemaValidationError,
    }
}

fn of_listener(error: &ListenerError) -> Fault {
    let reason = error.to_string();
    match error {
        ListenerError::Exists(_) => Fault::new(Subcode::AlreadyExists, code::ALREADY_EXISTS, reason)
            .with_detail(Detail::TARGET_ALREADY_EXISTS),
        ListenerError::NotFound(key) => no_such_listener(*key),
        ListenerError::Address(_) => Fault::new(Subcode::InvalidSelectors, code::LISTENER_ADDRESS, reason)
            .with_detail(Detail::INVALID_VALUE),
        ListenerError::Transport(_) => {
            Fault::new(Subcode::InvalidSelectors, code::INVALID_SELECTOR_VALUE, reason)
                .with_detail(Detail::INVALID_VALUE)
        }
        ListenerError::KeyChange(_) => {
            Fault::new(Subcode::InvalidRepresentation, code::CANNOT_CHANGE_KEYS, reason)
                .with_detail(Detail::INVALID_VALUES)
        }
        ListenerError::NotLocal { .. } => Fault::new(Subcode::AccessDenied, code::GOVERNED_BY_POLICY, reason),
        ListenerError::TooMany => Fault::new(Subcode::QuotaLimit, code::QUOTA_LIMIT, reason),
        _ => Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason),
    }
}

fn of_plugin(error: &PluginError) -> Fault {
    let reason = error.to_string();
    match error {
        PluginError::Content(error) => of_put(error),
        PluginError::Unknown(_) => Fault::new(Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS, reason)
            .with_detail(Detail::UNEXPECTED_SELECTORS),
        PluginError::Descriptor { .. } => {
            Fault::new(Subcode::SchemaValidationError, code::INVALID_SECURITY_DESCRIPTOR, reason)
        }
        PluginError::Required(_) | PluginError::ReadOnly { .. } => {
            Fault::new(Subcode::AccessDenied, code::READ_ONLY_SETTING, reason)
        }
        PluginError::TooMany(_) => Fault::new(Subcode::QuotaLimit, code::QUOTA_LIMIT, reason),
        _ => Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason),
    }
}

/// Returns the fault for a listener that is valid by itself, but could not serve.
fn of_acceptance(error: &AcceptanceError) -> Fault {
    let code = match error {
        AcceptanceError::CertificateForHttp(_) => THUMBPRINT_SHOULD_BE_EMPTY,
        AcceptanceError::NoAddress => code::INVALID_FILTER,
        AcceptanceError::Conflict(..) => CANNOT_SHARE_PORT,
        AcceptanceError::Port(_, error) if error.source.kind() == ErrorKind::PermissionDenied => PORT_INVALID,
        AcceptanceError::Port(..) => CANNOT_SHARE_PORT,
        AcceptanceError::NoCertificate(..) => CERTIFICATE_NOT_FOUND,
        AcceptanceError::Unfit {
            unfit: CertificateProblem::Expired { .. } | CertificateProblem::NotYetValid { .. },
            ..
        } => CERTIFICATE_EXPIRED,
        AcceptanceError::Unfit { unfit: CertificateProblem::NotForServers, .. } => {
            CERTIFICATE_NOT_FOR_SERVERS
        }
        AcceptanceError::Unfit { .. } => CERTIFICATE_OF_ANOTHER_NAME,
    };
    // Faults have a single line, but errors have their hint on a second one.
    let reason = error.to_string().replace("\n  ", "; ");
    Fault::new(Subcode::InvalidRepresentation, code, reason).with_detail(Detail::INVALID_VALUES)
}

pub(crate) fn no_such_listener(key: ListenerKey) -> Fault {
    Fault::new(
        Subcode::InvalidSelectors,
        code::UNEXPECTED_SELECTORS,
        format!("listener {key} does not exist; list them with winrm enumerate winrm/config/listener"),
    )
    .with_detail(Detail::UNEXPECTED_SELECTORS)
}

pub(crate) fn no_such_plugin(name: &str) -> Fault {
    let name: String = name.chars().take(60).collect();
    Fault::new(
        Subcode::InvalidSelectors,
        code::UNEXPECTED_SELECTORS,
        format!("plug-in \"{name}\" does not exist; list them with winrm enumerate winrm/config/plugin"),
    )
    .with_detail(Detail::UNEXPECTED_SELECTORS)
}

pub(crate) fn no_such_resource(uri: &ResourceUri) -> Fault {
    Fault::new(
        Subcode::InvalidSelectors,
        code::UNEXPECTED_SELECTORS,
        format!("no accessible resource {uri}; list them with winrm enumerate winrm/config/resource"),
    )
    .with_detail(Detail::UNEXPECTED_SELECTORS)
}

pub(crate) fn no_such_part(uri: &ResourceUri) -> Fault {
    Fault::new(
        Subcode::DestinationUnreachable,
        code::INVALID_RESOURCE_URI,
        format!("the configuration has no resource {uri}; list the resources with winrm enumerate winrm/config/resource"),
    )
    .with_detail(Detail::INVALID_RESOURCE_URI)
}

pub(crate) fn unexpected_selector(name: &str) -> Fault {
    Fault::new(
        Subcode::InvalidSelectors,
        code::UNEXPECTED_SELECTORS,
        format!("unknown selector {name} for this part of the configuration; omit it"),
    )
    .with_detail(Detail::UNEXPECTED_SELECTORS)
}

pub(crate) fn missing_selector(instance: &str, name: &str) -> Fault {
    Fault::new(
        Subcode::InvalidSelectors,
        code::INSUFFICIENT_SELECTORS,
        format!("the selector {name} of the {instance} is missing; add it"),
    )
    .with_detail(Detail::INSUFFICIENT_SELECTORS)
}

pub(crate) fn no_such_instance(instance: &str) -> Fault {
    Fault::new(
        Subcode::InvalidSelectors,
        code::UNEXPECTED_SELECTORS,
        format!("the {instance} does not exist, because this service has none; use the Security entries of plug-ins"),
    )
    .with_detail(Detail::UNEXPECTED_SELECTORS)
}

/// Rejects selectors and filters in requests that enumerate a resource.
pub(crate) fn refuse_selectors_and_filter(call: &Call) -> Result<(), Fault> {
    if let Some(selector) = call.request.head().selectors.iter().next() {
        return Err(unexpected_selector(&selector.name));
    }
    match call.operation.enumerate() {
        Some(enumerate) if enumerate.filter.is_some() => Err(Fault::new(
            Subcode::FilteringNotSupported,
            code::FILTERING_NOT_SUPPORTED,
            "this part of the configuration does not support filters; omit the filter",
        )),
        _ => Ok(()),
    }
}

pub(crate) fn no_custom_shells() -> Fault {
    Fault::new(
        Subcode::UnsupportedFeature,
        CUSTOM_SHELLS_DEPRECATED,
        "custom remote shells are deprecated; use winrm/config/winrs for the settings of remote shells",
    )
}

pub(crate) fn action_not_supported(action: &Action) -> Fault {
    Fault::new(
        Subcode::ActionNotSupported,
        code::ACTION_NOT_SUPPORTED,
        format!(
            "this part of the configuration does not support the action {}; check Action and ResourceURI",
            action.uri()
        ),
    )
}

/// Returns the fault for a request to validate an operation that can only be carried out.
pub(crate) fn cannot_validate() -> Fault {
    Fault::new(
        Subcode::InvalidOptions,
        code::OPTION_NOT_SUPPORTED,
        "only changes of settings, listeners, plug-ins and certificate mappings can be validated without making them; omit -whatif",
    )
    .with_detail(Detail::NOT_SUPPORTED)
}

pub(crate) fn no_fragments() -> Fault {
    Fault::new(
        Subcode::UnsupportedFeature,
        code::FRAGMENT_LEVEL_ACCESS,
        "the configuration does not support fragments; omit FragmentTransfer",
    )
    .with_detail(Detail::FRAGMENT_LEVEL_ACCESS)
}

/// Copies the element into a document of its own, which can be moved to another thread.
pub(crate) fn detached(element: Element<'_>) -> Result<Document, Fault> {
    let mut writer = Writer::new();
    writer.copy(element);
    Document::parse(writer.finish(), &Bounds::default()).map_err(|error| {
        Fault::new(
            Subcode::SchemaValidationError,
            code::INVALID_XML,
            format!("invalid body: {error}; send a well-formed element"),
        )
    })
}

/// `ERROR_WSMAN_CERT_NOT_FOUND`.
const CERTIFICATE_NOT_FOUND: Code = 2_150_858_882;
/// `ERROR_WSMAN_CONFIG_PORT_INVALID`.
const PORT_INVALID: Code = 2_150_858_972;
/// `ERROR_WSMAN_CONFIG_CANNOT_SHARE_SSL_CONFIG`.
const CANNOT_SHARE_PORT: Code = 2_150_858_984;
/// `ERROR_WSMAN_CONFIG_CERT_CN_DOES_NOT_MATCH_HOSTNAME`.
const CERTIFICATE_OF_ANOTHER_NAME: Code = 2_150_858_985;
/// `ERROR_WSMAN_CONFIG_THUMBPRINT_SHOULD_BE_EMPTY`.
const THUMBPRINT_SHOULD_BE_EMPTY: Code = 2_150_858_987;
/// `ERROR_WSMAN_CERT_INVALID_USAGE`.
const CERTIFICATE_NOT_FOR_SERVERS: Code = 2_150_858_990;
/// `ERROR_WSMAN_CUSTOMREMOTESHELL_DEPRECATED`.
const CUSTOM_SHELLS_DEPRECATED: Code = 2_150_859_196;
/// `CERT_E_EXPIRED`, which also covers certificates that are not valid yet.
const CERTIFICATE_EXPIRED: Code = 2_148_204_801;
