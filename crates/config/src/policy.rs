//! Policies: values set by a domain or another authority above the administrator of the machine.
//!
//! They are stored in the directory `policy.d` next to the configuration file, in files `*.toml` and `*.pol`. The
//! files are read in the order of their names; later ones win. Policies override the settings and cannot be changed
//! through the service.

mod registry;
mod registry_pol;
mod subscription;
mod table;
mod text;
mod toml_file;

pub(crate) use registry_pol::MAX_OCTETS;
pub use registry_pol::{RegistryPol, RegistryPolError, RegistryRecord, RegistryType};
pub use subscription::SubscriptionManager;
pub use table::{Policy, PolicyKind};
pub use text::SerializedPoliciesError;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use self::registry::Registry;
use crate::{Config, FileError, Reason, Setting, SettingError};

/// Combined values of all policy files.
///
/// INVARIANT: every target occurs at most once, and each value is valid for its setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    values: Vec<PolicyValue>,
    unknown: Vec<UnknownValue>,
}

/// Value set by a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyValue {
    /// Setting or policy that the value is for.
    pub target: PolicyTarget,
    /// The value: of a setting as in listings, `true` or `false`, or an entry of a list.
    pub value: String,
    /// Policy of the table, if the file named one.
    pub policy: Option<&'static Policy>,
    /// File and position of the value.
    pub origin: Origin,
}

/// Setting or policy that a value is for.
#[derive(Clone, Debug)]
pub enum PolicyTarget {
    /// A setting.
    Setting(&'static Setting),
    /// A policy that does not correspond to a setting.
    Policy {
        /// The policy.
        policy: &'static Policy,
        /// Entry of a list: the name of the registry value, such as `1`. Empty if the policy is not a list.
        item: String,
    },
}

/// File and position of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The file.
    pub file: PathBuf,
    /// Position in the file.
    pub position: FilePosition,
}

/// Position in a file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilePosition {
    /// A line of TOML.
    Line(usize),
    /// A record of `Registry.pol`.
    Record(usize),
}

/// Registry value under the keys of this service that no known policy has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownValue {
    /// Key and name of the value.
    pub name: String,
    /// File and position of the value.
    pub origin: Origin,
}

/// Error in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file is not a valid `Registry.pol`.
    #[error(transparent)]
    RegistryPol(#[from] RegistryPolError),
    /// The file is not valid TOML, or too large.
    #[error(transparent)]
    File(FileError),
    /// A setting is unknown or its value is invalid.
    #[error(transparent)]
    Setting(SettingError),
    /// A policy sets an invalid value for a setting.
    #[error("policy {policy}: {error}")]
    Governed {
        /// Name of the policy.
        policy: &'static str,
        /// Error of the setting.
        error: SettingError,
    },
    /// A registry value has the wrong type or range.
    #[error("policy {policy}: {name} ({kind}) is not {expected}")]
    Value {
        /// Name of the policy.
        policy: &'static str,
        /// Key and name of the value.
        name: String,
        /// Type of the value.
        kind: RegistryType,
        /// Expected type and range.
        expected: String,
    },
    /// The file name ends neither in `.toml` nor in `.pol`.
    #[error("the name of a policy file must end in .toml or .pol")]
    Name,
    /// More than [`Policies::MAX`] values are set.
    #[error("policies set more than {} values", Policies::MAX)]
    TooMany,
}

/// Error with the file and position.
#[derive(Debug)]
pub struct LocatedPolicyError {
    /// File and position.
    pub origin: Origin,
    /// The error.
    pub error: Box<PolicyError>,
}

impl LocatedPolicyError {
    fn new(origin: Origin, error: PolicyError) -> Self {
        Self { origin, error: Box::new(error) }
    }
}

/// Policy value with the index of its file in the reading order.
struct OrderedValue {
    file: usize,
    entry: PolicyValue,
}

impl Policies {
    /// Maximum number of values.
    pub const MAX: usize = 2_000;

    /// Combines the values of files, given as paths with their contents; later files win.
    ///
    /// # Errors
    /// The first error of a file, with its position.
    pub fn of_files(files: &[(PathBuf, Vec<u8>)]) -> Result<Self, LocatedPolicyError> {
        let (mut registry, mut held) = (Registry::default(), Vec::new());
        for (at, (path, octets)) in files.iter().enumerate() {
            match Form::of(path) {
                Some(Form::RegistryPol) => {
                    let read = RegistryPol::decode(octets).map_err(|error| {
                        let record = match error {
                            RegistryPolError::Record { record, .. } => record,
                            _ => 1,
                        };
                        LocatedPolicyError::new(
                            Origin { file: path.clone(), position: FilePosition::Record(record) },
                            error.into(),
                        )
                    })?;
                    registry.apply(read, at, path);
                }
                Some(Form::Toml) => {
                    let text = std::str::from_utf8(octets).map_err(|_| {
                        let error = FileError::Syntax("the text is not UTF-8".to_owned());
                        LocatedPolicyError::new(
                            Origin { file: path.clone(), position: FilePosition::Line(1) },
                            PolicyError::File(error),
                        )
                    })?;
                    held.extend(toml_file::read(text, at, path)?);
                }
                None => {
                    let origin = Origin { file: path.clone(), position: FilePosition::Line(1) };
                    return Err(LocatedPolicyError::new(origin, PolicyError::Name));
                }
            }
        }
        held.extend(registry.values()?);
        // Of several values for one target, the one from the last file counts.
        held.sort_by_key(|held| held.file);
        let mut last: BTreeMap<String, PolicyValue> = BTreeMap::new();
        for OrderedValue { entry, .. } in held {
            last.insert(entry.target.to_string(), entry);
        }
        let values: Vec<PolicyValue> = last.into_values().collect();
        if let Some(first) = values.get(Self::MAX) {
            return Err(LocatedPolicyError::new(first.origin.clone(), PolicyError::TooMany));
        }
        Ok(Self { values, unknown: registry.unknown() })
    }

    /// Returns all values.
    pub fn iter(&self) -> std::slice::Iter<'_, PolicyValue> {
        self.values.iter()
    }

    /// Returns whether no value is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the value set for a setting.
    #[must_use]
    pub fn of_setting(&self, setting: &Setting) -> Option<&PolicyValue> {
        self.iter()
            .find(|entry| matches!(entry.target, PolicyTarget::Setting(own) if own.path() == setting.path()))
    }

    /// Returns the values that a policy sets, in order: one for a setting or switch, one per entry of a list.
    pub fn of_policy(&self, policy: &'static Policy) -> impl Iterator<Item = &PolicyValue> {
        self.iter().filter(move |entry| match &entry.target {
            PolicyTarget::Policy { policy: own, .. } => *own == policy,
            PolicyTarget::Setting(_) => entry.policy == Some(policy),
        })
    }

    /// Returns registry values under the keys of this service that no known policy has.
    #[must_use]
    pub fn unknown(&self) -> &[UnknownValue] {
        &self.unknown
    }

    /// Returns the value of `AllowAutoConfig`, or `None` if the policy is not configured.
    #[must_use]
    pub fn auto_config(&self) -> Option<&PolicyValue> {
        self.iter().find(|entry| {
            matches!(&entry.target, PolicyTarget::Policy { policy, .. } if policy.name() == table::AUTO_CONFIG)
        })
    }

    /// Returns whether endpoints that run as another account than their caller are refused (`DisableRunAs`).
    #[must_use]
    pub fn disables_run_as(&self) -> bool {
        self.iter().any(|entry| {
            entry.value == "true"
                && matches!(&entry.target, PolicyTarget::Policy { policy, .. } if policy.name() == table::DISABLE_RUN_AS)
        })
    }

    /// Returns the event collectors of `SubscriptionManager`, in the order of the names of their registry values.
    pub fn subscription_managers(&self) -> impl Iterator<Item = Result<SubscriptionManager, Reason>> {
        let managers = Policy::find("SubscriptionManager");
        let values = managers.into_iter().flat_map(|policy| self.of_policy(policy));
        values.map(|value| SubscriptionManager::parse(&value.value))
    }

    /// Sets all values in a configuration.
    pub(crate) fn apply_to(&self, config: &mut Config) -> Result<(), SettingError> {
        for entry in self.iter() {
            if let PolicyTarget::Setting(setting) = entry.target {
                config.enforce_setting(setting, &entry.value)?;
            }
        }
        config.service.auto_config = self.auto_config().is_some_and(|entry| entry.value == "true");
        Ok(())
    }
}

impl Setting {
    /// Returns a value as listings show it.
    ///
    /// # Errors
    /// [`SettingError`] if the value is invalid for this setting.
    pub(crate) fn normalize(&self, value: &str) -> Result<String, SettingError> {
        let mut scratch = Config::default();
        self.replace(&mut scratch, value).map_err(|reason| self.error(reason))?;
        Ok(self.show(&scratch).into_owned())
    }
}

/// Format of a policy file, by the extension of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Toml,
    RegistryPol,
}

impl Form {
    /// Returns the format of a file; `None` if it is no policy file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        match () {
            () if extension.eq_ignore_ascii_case("toml") => Some(Self::Toml),
            () if extension.eq_ignore_ascii_case("pol") => Some(Self::RegistryPol),
            () => None,
        }
    }
}

/// Prints the path of the setting or the name of the policy; for an entry of a list with `\` and its name.
impl fmt::Display for PolicyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(setting) => f.write_str(setting.path()),
            Self::Policy { policy, item } if item.is_empty() => f.write_str(policy.name()),
            Self::Policy { policy, item } => write!(f, "{}\\{item}", policy.name()),
        }
    }
}

/// Compares by printed name: the names of settings and policies differ.
impl PartialEq for PolicyTarget {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for PolicyTarget {}

/// Prints for example `/etc/telarch/policy.d/10-domain.pol, record 3`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.file.display(), self.position)
    }
}

impl fmt::Display for FilePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Record(record) => write!(f, "record {record}"),
        }
    }
}
