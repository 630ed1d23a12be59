//! Feature delegation: the features that administrators of a site may see and change.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use locks::Mutex;
use serde_json::{Value, json};
use webserver::{Feature, InvalidValue};

use crate::store::{read_json, write_json};
use crate::{ManagementError, SiteScope};

/// Returns the state of a feature for which nothing is configured, as IIS has it.
fn usual(feature: Feature) -> DelegationState {
    match feature {
        Feature::BasicAuthentication
        | Feature::ErrorPages
        | Feature::IpRestrictions
        | Feature::Logging
        | Feature::Ssl => DelegationState::ReadOnly,
        Feature::Limits => DelegationState::NotDelegated,
        _ => DelegationState::ReadWrite,
    }
}

/// Delegation of a feature to the administrators of sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelegationState {
    /// The feature is hidden.
    NotDelegated,
    /// The feature is visible and cannot be changed.
    ReadOnly,
    /// The feature can be changed.
    ReadWrite,
    /// As [`ReadOnly`](Self::ReadOnly), for features with data outside the configuration, such as passwords.
    ConfigurationReadOnly,
    /// As [`ReadWrite`](Self::ReadWrite), for features with data outside the configuration.
    ConfigurationReadWrite,
}

impl DelegationState {
    const NAMES: [(Self, &'static str); 5] = [
        (Self::NotDelegated, "NotDelegated"),
        (Self::ReadOnly, "ReadOnly"),
        (Self::ReadWrite, "ReadWrite"),
        (Self::ConfigurationReadOnly, "ConfigurationReadOnly"),
        (Self::ConfigurationReadWrite, "ConfigurationReadWrite"),
    ];

    /// Returns the access that the state gives.
    #[must_use]
    pub fn access(self) -> FeatureAccess {
        match self {
            Self::NotDelegated => FeatureAccess::Hidden,
            Self::ReadOnly | Self::ConfigurationReadOnly => FeatureAccess::Read,
            Self::ReadWrite | Self::ConfigurationReadWrite => FeatureAccess::Write,
        }
    }
}

impl fmt::Display for DelegationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(state, _)| state == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for DelegationState {
    type Err = ManagementError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let state = Self::NAMES.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        state.map(|(state, _)| state).ok_or_else(|| {
            ManagementError::Invalid(format!(
                "\"{}\" is not a delegation state; expected one of {}",
                text.escape_debug(),
                Self::NAMES.map(|(_, name)| name).join(", ")
            ))
        })
    }
}

/// Access of a site's administrator to a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeatureAccess {
    /// The feature is hidden.
    Hidden,
    /// The feature can be read.
    Read,
    /// The feature can be read and changed.
    Write,
}

/// Parses the name of a feature and its state.
fn parse_entry(feature: &str, state: &Value) -> Result<(Feature, DelegationState), String> {
    let feature = feature.parse().map_err(|error: InvalidValue| error.to_string())?;
    let state = state.as_str().unwrap_or_default().parse();
    Ok((feature, state.map_err(|error: ManagementError| error.to_string())?))
}

/// Delegation states for all sites, and for single sites in place of these.
#[derive(Debug)]
pub struct Delegation {
    path: PathBuf,
    states: Mutex<States>,
}

/// States by scope (empty for all sites) and feature.
type States = BTreeMap<(String, Feature), DelegationState>;

impl Delegation {
    /// Opens the file of the delegation, which need not exist.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be read or is malformed.
    pub fn open(path: PathBuf) -> Result<Self, ManagementError> {
        let mut states = States::new();
        if let Some(Value::Object(scopes)) = read_json(&path)? {
            for (scope, features) in scopes.iter().take(MAX_SCOPES) {
                for (feature, state) in features.as_object().into_iter().flatten() {
                    let entry = parse_entry(feature, state);
                    let (feature, state) =
                        entry.map_err(|problem| ManagementError::Content { path: path.clone(), problem })?;
                    states.insert((scope.clone(), feature), state);
                }
            }
        }
        Ok(Self { path, states: Mutex::new(states) })
    }

    /// Returns the state of a feature at a scope, or for all sites without one: the state of the nearest scope, then the
    /// one for all sites, then the default.
    #[must_use]
    pub fn state(&self, feature: Feature, scope: Option<&SiteScope>) -> DelegationState {
        let states = self.states.lock();
        let mut at = scope.map_or("", SiteScope::as_str);
        loop {
            if let Some(state) = states.get(&(at.to_owned(), feature)) {
                return *state;
            }
            if at.is_empty() {
                return usual(feature);
            }
            at = at.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }

    /// Returns whether the state of a feature is set at exactly this scope.
    #[must_use]
    pub fn is_local(&self, feature: Feature, scope: Option<&SiteScope>) -> bool {
        self.states.lock().contains_key(&(scope.map_or("", SiteScope::as_str).to_owned(), feature))
    }

    /// Sets the state of a feature at a scope; `None` resets it to the inherited one.
    ///
    /// # Errors
    /// [`ManagementError`] if there are too many entries or the file cannot be written.
    pub fn set(
        &self,
        feature: Feature,
        scope: Option<&SiteScope>,
        state: Option<DelegationState>,
    ) -> Result<(), ManagementError> {
        let mut states = self.states.lock();
        let mut changed = states.clone();
        let key = (scope.map_or("", SiteScope::as_str).to_owned(), feature);
        match state {
            Some(state) => changed.insert(key, state),
            None => changed.remove(&key),
        };
        if changed.len() > MAX_SCOPES {
            return Err(ManagementError::TooMany { kind: "delegation states", limit: MAX_SCOPES });
        }
        let mut content = json!({});
        for ((scope, feature), state) in &changed {
            if let Some(features) = content.as_object_mut() {
                let features = features.entry(scope.clone()).or_insert_with(|| json!({}));
                if let Some(features) = features.as_object_mut() {
                    features.insert(feature.name().to_owned(), json!(state.to_string()));
                }
            }
        }
        write_json(&self.path, &content)?;
        *states = changed;
        Ok(())
    }
}

const MAX_SCOPES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_inherited_and_reset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("delegation.json");
        let delegation = Delegation::open(path.clone()).unwrap();
        let (shop, api): (SiteScope, SiteScope) = ("/shop".parse().unwrap(), "/shop/api".parse().unwrap());
        let (browsing, logging) = (Feature::DirectoryBrowsing, Feature::Logging);
        assert_eq!(delegation.state(browsing, Some(&shop)), DelegationState::ReadWrite);
        assert_eq!(delegation.state(logging, Some(&shop)).access(), FeatureAccess::Read);
        delegation.set(browsing, None, Some(DelegationState::NotDelegated)).unwrap();
        delegation.set(logging, Some(&shop), Some(DelegationState::ReadWrite)).unwrap();
        let delegation = Delegation::open(path).unwrap();
        assert_eq!(delegation.state(browsing, Some(&api)).access(), FeatureAccess::Hidden);
        assert_eq!(delegation.state(logging, Some(&api)).access(), FeatureAccess::Write);
        assert!(delegation.is_local(logging, Some(&shop)) && !delegation.is_local(logging, Some(&api)));
        delegation.set(logging, Some(&shop), None).unwrap();
        assert_eq!(delegation.state(logging, Some(&api)).access(), FeatureAccess::Read);
    }
}
