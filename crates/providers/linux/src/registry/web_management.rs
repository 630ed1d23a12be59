//! Settings of the Web Management Service as values of its key, for scripts that were written for Windows.
//!
//! The service reads them when it starts, as on Windows. Only users who can read and write its settings file, usually
//! root, see and change the values.

use std::path::PathBuf;

use management::{CertificateHash, Directory, Restrictions, Settings};

use super::key::{Data, Key, Values, is_same};
use crate::Machine;

/// Path of the key below `HKEY_LOCAL_MACHINE`.
pub(super) const KEY: &[&str] = &["SOFTWARE", "Microsoft", "WebManagement", "Server"];

/// Reason why a value was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeError {
    /// The service has no setting of this name, or the file cannot be written.
    Denied,
    /// The value has another type, or is not allowed.
    Type,
}

/// Returns the values; none if the settings cannot be read.
pub(super) fn values(machine: &Machine) -> Values {
    let Ok(settings) = directory(machine).read_settings() else { return Vec::new() };
    NAMES.iter().filter_map(|name| Some((*name, data(&settings, name)?))).collect()
}

/// Returns the files that the values are read from.
pub(super) fn sources(machine: &Machine) -> Vec<PathBuf> {
    vec![directory(machine).settings_file()]
}

/// Returns whether a key is this one.
pub(super) fn is_key(key: &Key) -> bool {
    key.below(KEY).is_some_and(<[String]>::is_empty)
}

/// Sets a value.
pub(super) fn set(machine: &Machine, name: &str, data: &Data) -> Result<(), ChangeError> {
    change(machine, name, |name, settings| match data {
        Data::Text(text) if name == "RemoteRestrictions" => {
            settings.remote_restrictions =
                Restrictions::from_registry(text).map_err(|_| ChangeError::Type)?;
            Ok(())
        }
        Data::Text(text) if ["IPAddress", "LoggingDirectory"].contains(&name) => assign(settings, name, text),
        Data::Number(number) if !["IPAddress", "LoggingDirectory"].contains(&name) => {
            assign(settings, name, &number.to_string())
        }
        Data::Binary(bytes) if name == "SslCertificateHash" => {
            let hash = <[u8; 20]>::try_from(bytes.as_slice()).map_err(|_| ChangeError::Type)?;
            settings.ssl_certificate_hash = Some(CertificateHash(hash));
            Ok(())
        }
        _ => Err(ChangeError::Type),
    })
}

/// Restores the default of a value.
pub(super) fn reset(machine: &Machine, name: &str) -> Result<(), ChangeError> {
    change(machine, name, |name, settings| {
        assign(settings, name, &Settings::default().text(name).unwrap_or_default())
    })
}

fn assign(settings: &mut Settings, name: &str, text: &str) -> Result<(), ChangeError> {
    settings.set(name, text).map_err(|_| ChangeError::Type)
}

fn change(
    machine: &Machine,
    name: &str,
    change: impl FnOnce(&'static str, &mut Settings) -> Result<(), ChangeError>,
) -> Result<(), ChangeError> {
    let name = NAMES.iter().find(|known| is_same(known, name)).ok_or(ChangeError::Denied)?;
    let directory = directory(machine);
    let mut settings = directory.read_settings().map_err(|_| ChangeError::Denied)?;
    change(name, &mut settings)?;
    directory.write_settings(&settings).map_err(|error| {
        tracing::debug!(%error, "Cannot write the settings of the Web Management Service");
        ChangeError::Denied
    })
}

/// Returns a value in its type on Windows; `None` for an unknown name.
fn data(settings: &Settings, name: &str) -> Option<Data> {
    Some(match name {
        "EnableRemoteManagement" => Data::Number(settings.enable_remote_management.into()),
        "Port" => Data::Number(settings.port.into()),
        "SslCertificateHash" => Data::Binary(settings.ssl_certificate_hash?.0.to_vec()),
        "RequiresWindowsCredentials" => Data::Number(settings.requires_windows_credentials.into()),
        "EnableLogging" => Data::Number(settings.enable_logging.into()),
        // Rules for IPv6 have no form on Windows.
        "RemoteRestrictions" => Data::Text(settings.remote_restrictions.to_registry().ok()?),
        _ => Data::Text(settings.text(name)?),
    })
}

fn directory(machine: &Machine) -> Directory {
    let settings = machine.path("etc/telarch");
    Directory::new(settings.clone(), settings)
}

/// Names of the values on Windows.
const NAMES: &[&str] = &[
    "EnableRemoteManagement",
    "IPAddress",
    "Port",
    "SslCertificateHash",
    "RequiresWindowsCredentials",
    "EnableLogging",
    "LoggingDirectory",
    "RemoteRestrictions",
];
