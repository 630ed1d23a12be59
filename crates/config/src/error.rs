//! What can be wrong with a setting.

use std::borrow::Cow;

use crate::FilterError;

/// Why one setting cannot be given a value: which one, and the reason.
///
/// Prints as `Service/MaxConcurrentOperationsPerUser: 0 is outside 1 to 4294967295`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct SettingError {
    /// The setting's path, such as `Service/Auth/Basic`; what was asked for if there is no such setting.
    pub path: String,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a setting or the value given to it.
///
/// Each reason has its own WSMan code; the plug-in for `winrm/config` knows which.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The setting only tells what is so.
    #[error("this setting is read-only")]
    ReadOnly,
    /// The setting is kept for old clients and means nothing any more.
    #[error("this setting is deprecated and cannot be changed")]
    Deprecated,
    /// Policy decides, and the value given is another one.
    #[error("this setting is set by policy: change it there")]
    GovernedByPolicy,
    /// A number outside the range.
    #[error("{value} is outside {min} to {max}")]
    OutOfRange {
        /// The number that was given.
        value: String,
        /// The smallest allowed.
        min: u32,
        /// The largest allowed.
        max: u32,
    },
    /// Text that is no value of this sort.
    #[error("{value:?} is not {expected}")]
    Malformed {
        /// The beginning of what was given.
        value: String,
        /// What may stand there.
        expected: Cow<'static, str>,
    },
    /// There is no setting of this name.
    #[error("there is no such setting{}", suggestion(nearest.as_deref()))]
    Unknown {
        /// The setting with the most similar name, if one is similar at all.
        nearest: Option<String>,
    },
    /// The same setting stands twice in one message.
    #[error("this setting stands there twice")]
    Repeated,
    /// Not a security descriptor that may guard the service.
    #[error("{0}")]
    Sddl(sddl::SddlError),
    /// Not an address filter.
    #[error("{0}")]
    Filter(FilterError),
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(": did you mean {name}?")).unwrap_or_default()
}

/// Why an element cannot be put in the place of a part of the configuration; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The element is not the one this resource has.
    #[error("the element is {found:?}: this resource is {expected:?}")]
    Root {
        /// The local name that the resource's element has.
        expected: &'static str,
        /// The local name of the element that came.
        found: String,
    },
    /// One or more settings cannot be given the value that came, in the order of the message.
    #[error("{}", lines(.0))]
    Settings(
        /// INVARIANT: not empty.
        Vec<SettingError>,
    ),
}

fn lines(errors: &[SettingError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
