//! Changes of the configuration of a WS-Management service, on this machine or another one.

use std::collections::BTreeMap;

use client::{Locator, Session};
use config::{LISTENER_RESOURCE, Section};
use serde::{Deserialize, Serialize};
use wording::resource_values::{NamedValue, ValueError, new_element, with_values};
use wsman::SelectorSet;
use xml::{Element, Fragment};

use crate::password::Password;
use crate::wsman_resource::{MAPPINGS, resource};

/// Change of a service's configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum WsManChange {
    /// Sets settings of one section, by their paths such as `Service/Auth/Basic`.
    Set { settings: BTreeMap<String, String> },
    /// Creates a listener. Values that are not given are those of the service.
    CreateListener { address: String, transport: String, values: ListenerValues },
    /// Changes values of a listener.
    ChangeListener { address: String, transport: String, values: ListenerValues },
    /// Deletes a listener.
    DeleteListener { address: String, transport: String },
    /// Maps client certificates to an account. The service verifies the password.
    CreateMapping { issuer: String, subject: String, uri: String, user: String, password: Password },
    /// Deletes a mapping of client certificates.
    DeleteMapping { issuer: String, subject: String, uri: String },
}

/// Values of a listener; `None` leaves a value as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerValues {
    #[serde(default)]
    pub(crate) port: Option<u16>,
    #[serde(default)]
    pub(crate) hostname: Option<String>,
    #[serde(default)]
    pub(crate) is_enabled: Option<bool>,
    #[serde(default)]
    pub(crate) url_prefix: Option<String>,
    #[serde(default)]
    pub(crate) certificate_thumbprint: Option<String>,
}

/// Value that a change sets.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ValueChange {
    /// Path of a setting, or name of a listener's value.
    pub(crate) name: String,
    /// Current value; `None` if there is none.
    pub(crate) before: Option<String>,
    /// New value; `None` if the value is removed.
    pub(crate) after: Option<String>,
}

/// Reason why a change was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WsManChangeError {
    /// The service cannot be reached, or answered with a fault.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The service has no such value.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The change itself is invalid.
    #[error("{0}")]
    Invalid(String),
}

impl WsManChange {
    /// Makes the change, unless it is a preview. Returns the values that the change sets, beside those before.
    pub(crate) async fn make(
        &self,
        session: &Session,
        is_preview: bool,
    ) -> Result<Vec<ValueChange>, WsManChangeError> {
        let values = self.preview(session).await?;
        if !is_preview {
            self.apply(session).await?;
        }
        Ok(values)
    }

    async fn preview(&self, session: &Session) -> Result<Vec<ValueChange>, WsManChangeError> {
        let current = match self {
            Self::CreateListener { address, transport, .. } => {
                // Only a fault says that there is none.
                match session.get(&self.target()?).await {
                    Ok(_) => {
                        let reason =
                            format!("the listener {address} {transport} exists already; change it instead");
                        return Err(WsManChangeError::Invalid(reason));
                    }
                    Err(client::Error::Fault(_)) => None,
                    Err(error) => return Err(error.into()),
                }
            }
            Self::CreateMapping { .. } => None,
            _ => Some(session.get(&self.target()?).await?),
        };
        let element = current.as_ref().and_then(wsman::Response::content);
        if let (Self::Set { settings }, Some(element)) = (self, element) {
            // The service would reject a name that it does not have.
            with_values(element, &leaves(settings))?;
        }
        let changes = self.values().into_iter().map(|(name, after)| {
            let before = element.and_then(|element| child_text(element, leaf(&name)));
            ValueChange { name, before, after }
        });
        Ok(changes.filter(|change| change.before.is_some() || change.after.is_some()).collect())
    }

    async fn apply(&self, session: &Session) -> Result<(), WsManChangeError> {
        let target = self.target()?;
        match self {
            Self::Set { settings } => replace(session, &target, &leaves(settings)).await,
            Self::CreateListener { values, .. } => {
                session.create(&target, &values.element()?).await?;
                Ok(())
            }
            Self::ChangeListener { values, .. } => {
                let named = values.named();
                replace(session, &target, &borrowed(&named)).await
            }
            Self::CreateMapping { user, password, .. } => {
                let values = [("UserName", Some(user.as_str())), ("Password", Some(password.0.as_str()))];
                session.create(&target, &new_element("CertMapping", MAPPINGS, &values)?).await?;
                Ok(())
            }
            Self::DeleteListener { .. } | Self::DeleteMapping { .. } => {
                session.delete(&target).await?;
                Ok(())
            }
        }
    }

    /// Returns the resource that the change reads and writes.
    fn target(&self) -> Result<Locator, WsManChangeError> {
        match self {
            Self::Set { settings } => Ok(resource(section(settings)?.resource())?),
            Self::CreateListener { address, transport, .. }
            | Self::ChangeListener { address, transport, .. }
            | Self::DeleteListener { address, transport } => {
                let selectors = SelectorSet::new()
                    .with("Address", address.as_str())
                    .with("Transport", transport.as_str());
                Ok(resource(LISTENER_RESOURCE)?.with_selectors(selectors))
            }
            Self::CreateMapping { issuer, subject, uri, .. }
            | Self::DeleteMapping { issuer, subject, uri } => {
                let selectors = SelectorSet::new()
                    .with("Issuer", issuer.as_str())
                    .with("Subject", subject.as_str())
                    .with("URI", uri.as_str());
                Ok(resource(MAPPINGS)?.with_selectors(selectors))
            }
        }
    }

    /// Returns the new values with their names; `None` for a value that is removed.
    fn values(&self) -> Vec<(String, Option<String>)> {
        match self {
            Self::Set { settings } => {
                settings.iter().map(|(path, value)| (path.clone(), Some(value.clone()))).collect()
            }
            Self::CreateListener { values, .. } | Self::ChangeListener { values, .. } => {
                values.named().into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect()
            }
            Self::DeleteListener { .. } => VALUES.iter().map(|name| ((*name).to_owned(), None)).collect(),
            Self::CreateMapping { issuer, subject, uri, user, .. } => {
                let values = [("Issuer", issuer), ("Subject", subject), ("URI", uri), ("UserName", user)];
                values.map(|(name, value)| (name.to_owned(), Some(value.clone()))).to_vec()
            }
            Self::DeleteMapping { .. } => {
                ["Issuer", "Subject", "URI", "UserName"].map(|name| (name.to_owned(), None)).to_vec()
            }
        }
    }
}

impl std::fmt::Display for WsManChange {
    /// Writes the change without its values, for the audit log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Set { settings } => {
                let names: Vec<&str> = settings.keys().map(String::as_str).collect();
                write!(f, "set {}", names.join(", "))
            }
            Self::CreateListener { address, transport, .. } => {
                write!(f, "create the listener {address} {transport}")
            }
            Self::ChangeListener { address, transport, .. } => {
                write!(f, "change the listener {address} {transport}")
            }
            Self::DeleteListener { address, transport } => {
                write!(f, "delete the listener {address} {transport}")
            }
            Self::CreateMapping { subject, user, .. } => {
                write!(f, "map certificates of {subject} to {user}")
            }
            Self::DeleteMapping { subject, .. } => {
                write!(f, "delete the mapping of certificates of {subject}")
            }
        }
    }
}

impl ListenerValues {
    /// Returns the given values by the names of their elements.
    fn named(&self) -> Vec<(&'static str, String)> {
        let Self { port, hostname, is_enabled, url_prefix, certificate_thumbprint } = self.clone();
        let values =
            [port.map(|port| port.to_string()), hostname, is_enabled.map(|on| on.to_string()), url_prefix]
                .into_iter()
                .chain([certificate_thumbprint]);
        VALUES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Returns an element `Listener` with the given values.
    pub(crate) fn element(&self) -> Result<Fragment, ValueError> {
        new_element("Listener", LISTENER_RESOURCE, &borrowed(&self.named()))
    }
}

fn borrowed<'a>(values: &'a [(&'static str, String)]) -> Vec<NamedValue<'a>> {
    values.iter().map(|(name, value)| (*name, Some(value.as_str()))).collect()
}

/// Returns the section that has all settings of a change: the service replaces one section at a time.
fn section(settings: &BTreeMap<String, String>) -> Result<Section, WsManChangeError> {
    let mut folders = settings.keys().map(|path| path.rsplit_once('/').map_or("", |(folder, _)| folder));
    let first =
        folders.next().ok_or_else(|| WsManChangeError::Invalid("settings: expected a value".into()))?;
    if let Some(other) = folders.find(|other| *other != first) {
        let reason = format!("settings: {first} and {other} are different sections; change one at a time");
        return Err(WsManChangeError::Invalid(reason));
    }
    Section::of_suffix(first).ok_or_else(|| {
        WsManChangeError::Invalid(format!("settings: {first} is not a section of the settings"))
    })
}

fn leaf(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn leaves(settings: &BTreeMap<String, String>) -> Vec<NamedValue<'_>> {
    settings.iter().map(|(path, value)| (leaf(path), Some(value.as_str()))).collect()
}

fn child_text(element: Element<'_>, name: &str) -> Option<String> {
    let child = element.children().find(|child| child.name() == name)?;
    Some(child.text().trim().to_owned())
}

/// Replaces some values of a resource: Get, then Put.
async fn replace(
    session: &Session,
    target: &Locator,
    values: &[NamedValue<'_>],
) -> Result<(), WsManChangeError> {
    let current = session.get(target).await?;
    let element = current
        .content()
        .ok_or_else(|| WsManChangeError::Invalid("the service returned an empty resource".into()))?;
    session.put(target, &with_values(element, values)?).await?;
    Ok(())
}

/// Elements of a listener that can be set, in the order of [`ListenerValues`].
const VALUES: [&str; 5] = ["Port", "Hostname", "Enabled", "URLPrefix", "CertificateThumbprint"];

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(paths: &[&str]) -> BTreeMap<String, String> {
        paths.iter().map(|path| ((*path).to_owned(), "1".to_owned())).collect()
    }

    #[test]
    fn settings_of_one_section_have_its_resource() {
        for (path, resource) in [
            ("MaxTimeoutms", Section::Config),
            ("Service/MaxConnections", Section::Service),
            ("Service/Auth/Basic", Section::ServiceAuth),
            ("Winrs/MaxShellRunTime", Section::Winrs),
        ] {
            assert_eq!(section(&settings(&[path])).unwrap(), resource);
        }
        for paths in [&[] as &[&str], &["Service/MaxConnections", "Winrs/MaxShellRunTime"], &["Nowhere/A"]] {
            assert!(matches!(section(&settings(paths)), Err(WsManChangeError::Invalid(_))), "{paths:?}");
        }
    }

    #[test]
    fn only_given_values_of_a_listener_are_sent() {
        let values: ListenerValues = serde_json::from_str(r#"{"port":5985,"is_enabled":false}"#).unwrap();
        assert_eq!(values.named(), [("Port", "5985".to_owned()), ("Enabled", "false".to_owned())]);
        assert!(serde_json::from_str::<ListenerValues>(r#"{"Port":5985}"#).is_err());
    }
}
