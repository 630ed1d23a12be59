//! Policies: what somebody above the administrator of this machine has decided.
//!
//! They stand in `policy.d` beside the settings, in files `*.toml` and `*.pol`, which are read in the order of their
//! names: later ones win. What they say wins over the settings, and nobody can change it here.

mod drop_in;
mod folder;
mod registry;
mod registry_pol;
mod subscription;
mod table;
mod text;

pub use registry_pol::{RegistryPol, RegistryPolError, RegistryRecord, RegistryType};
pub use subscription::SubscriptionManager;
pub use table::{Policy, Reads};
pub use text::NotHandedOver;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use self::registry::Registry;
use crate::{Config, FileError, Reason, Setting, SettingError};

/// What all files together demand.
///
/// INVARIANT: no two demands have the same subject, and each value fits its setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    demands: Vec<Demand>,
    unknown: Vec<Unknown>,
}

/// One thing that policy has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Demand {
    /// What it is about.
    pub subject: Subject,
    /// What is demanded: the value of a setting as listings show it, `true` or `false`, or an entry of a list.
    pub value: String,
    /// The policy of the table, if one was named.
    pub policy: Option<&'static Policy>,
    /// Who says so.
    pub origin: Origin,
}

/// What a demand is about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A setting.
    Setting(&'static Setting),
    /// A policy that is no setting.
    Policy {
        /// Which.
        policy: &'static Policy,
        /// Which entry, if it is a list: the name of the value, such as `1`.
        item: String,
    },
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub place: Place,
}

/// A place in a file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of TOML.
    Line(usize),
    /// A record of `Registry.pol`.
    Record(usize),
}

/// A value below the keys of this service that no policy has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unknown {
    /// Key and value.
    pub name: String,
    /// Who set it.
    pub origin: Origin,
}

/// What is wrong in a file of policies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The octets are no `Registry.pol`.
    #[error(transparent)]
    RegistryPol(#[from] RegistryPolError),
    /// The text is not TOML, or too long.
    #[error(transparent)]
    File(FileError),
    /// A setting has a name or value that it cannot have.
    #[error(transparent)]
    Setting(SettingError),
    /// A policy gives a setting a value that it cannot have.
    #[error("policy {policy}: {error}")]
    Governed {
        /// The policy.
        policy: &'static str,
        /// What is wrong.
        error: SettingError,
    },
    /// A value of the registry is not what it should be.
    #[error("policy {policy}: {place} ({kind}) is not {expected}")]
    Value {
        /// The policy.
        policy: &'static str,
        /// Key and value.
        place: String,
        /// What it is.
        kind: RegistryType,
        /// What it should be.
        expected: String,
    },
    /// The name of the file says neither.
    #[error("a file of policies is named *.toml or *.pol")]
    Name,
    /// More than is looked at.
    #[error("there are more than {} policies in force", Policies::MAX)]
    TooMany,
}

/// What is wrong, and where.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) origin: Origin,
    pub(crate) error: Box<PolicyError>,
}

impl Wrong {
    fn new(origin: Origin, error: PolicyError) -> Self {
        Self { origin, error: Box::new(error) }
    }
}

/// A demand, and the place of its file in the order of all.
struct Held {
    file: usize,
    demand: Demand,
}

impl Policies {
    /// The most demands that can be in force.
    pub const MAX: usize = 2_000;

    /// What files demand that are in this order; later ones win.
    pub(crate) fn of_files(files: &[(PathBuf, Vec<u8>)]) -> Result<Self, Wrong> {
        let (mut registry, mut held) = (Registry::default(), Vec::new());
        for (at, (path, octets)) in files.iter().enumerate() {
            let whole = |place, error| Wrong::new(Origin { file: path.clone(), place }, error);
            match Form::of(path) {
                Some(Form::RegistryPol) => {
                    let read = RegistryPol::decode(octets).map_err(|error| {
                        let record = match error {
                            RegistryPolError::Record { record, .. } => record,
                            _ => 1,
                        };
                        whole(Place::Record(record), error.into())
                    })?;
                    registry.apply(read, at, path);
                }
                Some(Form::Toml) => {
                    let text = std::str::from_utf8(octets).map_err(|_| {
                        let error = FileError::Syntax("the text is not UTF-8".to_owned());
                        whole(Place::Line(1), PolicyError::File(error))
                    })?;
                    held.extend(drop_in::read(text, at, path)?);
                }
                None => return Err(whole(Place::Line(1), PolicyError::Name)),
            }
        }
        held.extend(registry.demands()?);
        // The same subject again counts if it comes from a later file.
        held.sort_by_key(|held| held.file);
        let mut last: BTreeMap<String, Demand> = BTreeMap::new();
        for Held { demand, .. } in held {
            last.insert(demand.subject.to_string(), demand);
        }
        let demands: Vec<Demand> = last.into_values().collect();
        if let Some(first) = demands.get(Self::MAX) {
            return Err(Wrong::new(first.origin.clone(), PolicyError::TooMany));
        }
        Ok(Self { demands, unknown: registry.unknown() })
    }

    /// Everything that is demanded.
    pub fn iter(&self) -> std::slice::Iter<'_, Demand> {
        self.demands.iter()
    }

    /// Whether nothing is demanded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.demands.is_empty()
    }

    /// What is demanded of a setting.
    #[must_use]
    pub fn of_setting(&self, setting: &Setting) -> Option<&Demand> {
        self.iter()
            .find(|demand| matches!(demand.subject, Subject::Setting(own) if own.path() == setting.path()))
    }

    /// What a policy demands, in order: a setting, a switch, or the entries of its list.
    pub fn of_policy(&self, policy: &'static Policy) -> impl Iterator<Item = &Demand> {
        self.iter().filter(move |demand| match &demand.subject {
            Subject::Policy { policy: own, .. } => *own == policy,
            Subject::Setting(_) => demand.policy == Some(policy),
        })
    }

    /// Values that are known to nobody here, although they are meant for this service.
    #[must_use]
    pub fn unknown(&self) -> &[Unknown] {
        &self.unknown
    }

    /// Whether `AllowAutoConfig` makes a listener, with where it is said; none if it is not configured.
    #[must_use]
    pub fn auto_config(&self) -> Option<&Demand> {
        self.iter().find(|demand| {
            matches!(&demand.subject, Subject::Policy { policy, .. } if policy.name() == table::AUTO_CONFIG)
        })
    }

    /// The collectors of events that `SubscriptionManager` names, in the order of the names of their values.
    pub fn subscription_managers(&self) -> impl Iterator<Item = Result<SubscriptionManager, Reason>> {
        let named = |demand: &&Demand| matches!(&demand.subject, Subject::Policy { policy, .. } if policy.name() == "SubscriptionManager");
        self.iter().filter(named).map(|demand| SubscriptionManager::parse(&demand.value))
    }

    /// Gives the settings the values that are demanded.
    pub(crate) fn govern(&self, config: &mut Config) -> Result<(), SettingError> {
        for demand in self.iter() {
            if let Subject::Setting(setting) = demand.subject {
                config.impose(setting, &demand.value)?;
            }
        }
        config.service.auto_config = self.auto_config().is_some_and(|demand| demand.value == "true");
        Ok(())
    }
}

impl Setting {
    /// A value as listings show it, if it is one that this setting can have.
    pub(crate) fn normal(&self, value: &str) -> Result<String, SettingError> {
        let mut scratch = Config::default();
        self.replace(&mut scratch, value).map_err(|reason| self.error(reason))?;
        Ok(self.show(&scratch))
    }
}

/// What the name of a file says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Toml,
    RegistryPol,
}

impl Form {
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        match () {
            () if extension.eq_ignore_ascii_case("toml") => Some(Self::Toml),
            () if extension.eq_ignore_ascii_case("pol") => Some(Self::RegistryPol),
            () => None,
        }
    }
}

/// The path of the setting, or the name of the policy, with `\` and the entry if it is a list.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(setting) => f.write_str(setting.path()),
            Self::Policy { policy, item } if item.is_empty() => f.write_str(policy.name()),
            Self::Policy { policy, item } => write!(f, "{}\\{item}", policy.name()),
        }
    }
}

/// Names tell subjects apart: those of settings and policies differ.
impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Subject {}

/// `/etc/telarch/policy.d/10-domain.pol, record 3`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.file.display(), self.place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Record(record) => write!(f, "record {record}"),
        }
    }
}
