//! Errors of settings.

use std::borrow::Cow;

use crate::FilterError;

/// Error about one setting: its path, and the reason.
///
/// Prints as `Service/MaxConcurrentOperationsPerUser: 0 is outside 1 to 4294967295`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct SettingError {
    /// Path of the setting, such as `Service/Auth/Basic`; for an unknown setting, the name as given.
    pub path: String,
    /// Reason of the error.
    pub reason: Reason,
}

/// Reason why a setting is rejected.
///
/// Each reason has its own WSMan fault code, which the plug-in for `winrm/config` assigns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The setting cannot be changed.
    #[error("this setting is read-only; omit it")]
    ReadOnly,
    /// The setting exists only for old clients and has no effect.
    #[error("this setting is deprecated and cannot be changed; omit it")]
    Deprecated,
    /// Policy sets a different value.
    #[error("this setting is set by policy; change the policy instead")]
    GovernedByPolicy,
    /// The number is outside the range.
    #[error("{value} is outside {min} to {max}")]
    OutOfRange {
        /// Number as given.
        value: String,
        /// Minimum.
        min: u32,
        /// Maximum.
        max: u32,
    },
    /// The text cannot be parsed as a value of this kind.
    #[error("\"{value}\" is not {expected}")]
    Malformed {
        /// Beginning of the text.
        value: String,
        /// Description of valid values.
        expected: Cow<'static, str>,
    },
    /// No setting has this name.
    #[error("unknown setting{}", suggestion(nearest.as_deref()))]
    Unknown {
        /// Path of the setting with the most similar name, if any is similar.
        nearest: Option<String>,
    },
    /// The message contains the setting more than once.
    #[error("this setting is given more than once; give it once")]
    Repeated,
    /// The security descriptor is invalid or has no DACL.
    #[error("{0}")]
    Sddl(sddl::SddlError),
    /// The address filter is invalid.
    #[error("{0}")]
    Filter(FilterError),
}

fn suggestion(nearest: Option<&str>) -> String {
    match nearest {
        Some(name) => format!("; did you mean {name}?"),
        None => "; list the settings with winrm get winrm/config".to_owned(),
    }
}

/// Error of a Put message; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The message contains the element of another resource.
    #[error("unexpected element \"{found}\"; send \"{expected}\"")]
    Root {
        /// Local name of the resource's element.
        expected: &'static str,
        /// Local name of the element in the message.
        found: String,
    },
    /// At least one setting is rejected; in the order of the message.
    #[error("{}", lines(.0))]
    Settings(
        /// INVARIANT: not empty.
        Vec<SettingError>,
    ),
}

fn lines(errors: &[SettingError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Maximum number of errors reported for one message.
pub(crate) const MAX_ERRORS: usize = 100;
