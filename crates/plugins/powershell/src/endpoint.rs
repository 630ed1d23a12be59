//! Endpoints: names in resource URIs, and the programs behind them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use config::{Config, EndpointName};
use wsman::{Fault, ResourceUri};

use crate::error::PoolError;
use crate::fault;

/// An endpoint that a client has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Session configuration file; `None` for a session without restrictions.
    pub(crate) configuration: Option<PathBuf>,
    /// Program of an endpoint for a version; `None` for the program of the settings.
    version: Option<PathBuf>,
}

impl Endpoint {
    /// Returns the endpoint of a resource URI; names are compared without regard to case.
    pub(crate) fn of(uri: &ResourceUri, config: &Config) -> Result<Self, Fault> {
        // The name is read as the access check reads it, so that no form of the URI evades a descriptor.
        let name = EndpointName::of_uri(uri.as_str()).ok_or_else(|| fault::unknown_endpoint(uri))?;
        let name = name.as_str();
        // A file of the same name restricts the default endpoints as well.
        let folder = config.powershell.configurations.path();
        let version = Version::of_endpoint(name).and_then(|version| version.installed(Path::new(VERSIONS)));
        let configuration = folder.and_then(|folder| {
            // A restricted PowerShell.7 restricts its versions as well.
            find(folder, name).or_else(|| version.as_ref().and_then(|_| find(folder, NEWEST)))
        });
        let is_default = DEFAULTS.iter().any(|default| default.eq_ignore_ascii_case(name));
        match configuration.is_some() || is_default || version.is_some() {
            true => Ok(Self { configuration, version }),
            false => Err(fault::unknown_endpoint(uri)),
        }
    }

    /// Returns the program of the endpoint.
    pub(crate) fn program(&self, config: &Config, path: Option<&OsStr>) -> Result<PathBuf, PoolError> {
        match self.version.as_deref().or(config.powershell.program.path()) {
            Some(program) => Ok(program.to_owned()),
            None => installed(path).ok_or(PoolError::NotInstalled),
        }
    }
}

/// Version of PowerShell, or its beginning: two or three numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(Vec<u32>);

impl Version {
    /// Returns the version in the name of an endpoint such as `PowerShell.7.4`.
    fn of_endpoint(name: &str) -> Option<Self> {
        let (prefix, version) = name.split_at_checked(PREFIX.len())?;
        prefix.eq_ignore_ascii_case(PREFIX).then(|| Self::parse(version)).flatten()
    }

    /// Returns the name of the endpoint.
    fn endpoint(&self) -> String {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        format!("{PREFIX}{}", numbers.join("."))
    }

    fn parse(text: &str) -> Option<Self> {
        let is_number = |part: &str| part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
        let numbers = text.split('.').map(|part| part.parse().ok().filter(|_| is_number(part)));
        let numbers: Vec<u32> = numbers.collect::<Option<_>>()?;
        (2..=3).contains(&numbers.len()).then_some(Self(numbers))
    }

    /// Returns the installed versions in a folder whose folders are named after versions, and their beginnings with two
    /// numbers, such as 7.4 of 7.4.6.
    fn all_in(folder: &Path) -> BTreeSet<Self> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MAX_CONFIGURATIONS);
        let versions = entries.filter_map(|entry| {
            let version = Self::parse(entry.file_name().to_str()?)?;
            is_executable(&entry.path().join("pwsh")).then_some(version)
        });
        versions.flat_map(|version| [Self(version.0.iter().copied().take(2).collect()), version]).collect()
    }

    /// Returns the newest program of this version in a folder whose folders are named after versions.
    fn installed(&self, folder: &Path) -> Option<PathBuf> {
        let entries = fs::read_dir(folder).ok()?.flatten().take(MAX_CONFIGURATIONS);
        let versions = entries.filter_map(|entry| {
            let version = Self::parse(entry.file_name().to_str()?)?;
            let program = entry.path().join("pwsh");
            (version.0.starts_with(&self.0) && is_executable(&program)).then_some((version, program))
        });
        versions.max().map(|(_, program)| program)
    }
}

/// Returns the names of the endpoints that clients can open: the default ones, those of installed versions, and those of
/// session configuration files.
#[must_use]
pub fn endpoints(config: &Config) -> Vec<EndpointName> {
    list(Path::new(VERSIONS), config.powershell.configurations.path())
}

fn list(versions: &Path, configurations: Option<&Path>) -> Vec<EndpointName> {
    let defaults = DEFAULTS.iter().map(|name| (*name).to_owned());
    let versions = Version::all_in(versions).into_iter().map(|version| version.endpoint());
    let entries = configurations.and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten();
    let mut files: Vec<String> =
        entries.flatten().take(MAX_CONFIGURATIONS).filter_map(|entry| configured(&entry.path())).collect();
    files.sort();
    let mut names: Vec<EndpointName> = Vec::new();
    for name in defaults.chain(versions).chain(files).filter_map(|name| EndpointName::parse(&name).ok()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Returns the name of the endpoint of a session configuration file.
fn configured(file: &Path) -> Option<String> {
    let is_configuration = file.extension().is_some_and(|extension| extension == "pssc");
    is_configuration.then(|| file.file_stem()?.to_str().map(str::to_owned)).flatten()
}

/// Finds the session configuration file of an endpoint.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten().take(MAX_CONFIGURATIONS);
    let mut files = entries.map(|entry| entry.path());
    files.find(|file| configured(file).is_some_and(|stem| stem.eq_ignore_ascii_case(name)))
}

/// Returns the installed PowerShell: the first `pwsh` on `path`, or in the folder of Microsoft's packages.
#[must_use]
pub fn installed(path: Option<&OsStr>) -> Option<PathBuf> {
    let on_path = path.into_iter().flat_map(std::env::split_paths).map(|folder| folder.join("pwsh"));
    on_path.chain(PLACES.map(PathBuf::from)).find(|program| is_executable(program))
}

fn is_executable(program: &Path) -> bool {
    program.is_absolute()
        && program.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Names of the endpoint that Windows clients use by default, and of the one that PowerShell 7 registers.
const DEFAULTS: [&str; 2] = ["Microsoft.PowerShell", NEWEST];
/// Name of the endpoint that PowerShell 7 registers.
const NEWEST: &str = "PowerShell.7";
/// Beginning of the names of endpoints for one version.
const PREFIX: &str = "PowerShell.";
/// Folder of Microsoft's archives, each in a folder named after its version.
const VERSIONS: &str = "/opt/microsoft/powershell";
/// Maximum number of entries of a folder that are read.
const MAX_CONFIGURATIONS: usize = 1_000;
/// Places of PowerShell outside of PATH: Microsoft's packages and the snap.
const PLACES: [&str; 2] = ["/opt/microsoft/powershell/7/pwsh", "/snap/bin/pwsh"];

#[cfg(test)]
mod tests {
    use wsman::namespace;

    use super::*;

    #[test]
    fn names_are_compared_without_regard_to_case() {
        for (name, is_known) in [
            ("Microsoft.PowerShell", true),
            ("microsoft.powershell", true),
            ("powershell.7", true),
            ("Microsoft.Exchange", false),
            ("", false),
            ("/PowerShell.7", false),
            ("PowerShell.7/", false),
        ] {
            let uri = ResourceUri::parse(&format!("{}/{name}", namespace::POWERSHELL));
            let is_found = uri.is_ok_and(|uri| Endpoint::of(&uri, &Config::default()).is_ok());
            assert_eq!(is_found, is_known, "{name}");
        }
    }

    #[test]
    fn an_endpoint_for_a_version_is_the_newest_program_of_this_version() {
        let folder = tempfile::tempdir().unwrap();
        let installed = ["7.2.9", "7.4.6", "7.4.10", "7.10.1", "7-preview", "7", "7.5"];
        for version in installed {
            let pwsh = folder.path().join(version).join("pwsh");
            fs::create_dir(pwsh.parent().unwrap()).unwrap();
            fs::write(&pwsh, "").unwrap();
            let mode = if version == "7.5" { 0o644 } else { 0o755 };
            fs::set_permissions(&pwsh, fs::Permissions::from_mode(mode)).unwrap();
        }
        for (name, version) in [
            ("PowerShell.7.4", Some("7.4.10")),
            ("powershell.7.4.6", Some("7.4.6")),
            ("PowerShell.7.1", None),
            ("PowerShell.7.10", Some("7.10.1")),
            ("PowerShell.7.5", None),
            ("PowerShell.7", None),
            ("PowerShell.7.4.6.1", None),
            ("PowerShell.7-preview", None),
            ("PowerShell.7.4/../7", None),
            ("PowerShell.+7.4", None),
            ("Other.7.4", None),
            ("P", None),
        ] {
            let found = Version::of_endpoint(name).and_then(|version| version.installed(folder.path()));
            let expected = version.map(|version| folder.path().join(version).join("pwsh"));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn every_endpoint_that_can_be_opened_is_listed_once() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["7.4.6", "7.4.10", "7.5.0", "7"] {
            let pwsh = folder.path().join(version).join("pwsh");
            fs::create_dir(pwsh.parent().unwrap()).unwrap();
            fs::write(&pwsh, "").unwrap();
            let mode = if version == "7.5.0" { 0o644 } else { 0o755 };
            fs::set_permissions(&pwsh, fs::Permissions::from_mode(mode)).unwrap();
        }
        for file in ["powershell.7.4.pssc", "Backup.pssc", "not listed.pssc", "other.txt"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let names = list(folder.path(), Some(folder.path()));
        let names: Vec<&str> = names.iter().map(EndpointName::as_str).collect();
        let expected = [
            "Microsoft.PowerShell",
            "PowerShell.7",
            "PowerShell.7.4",
            "PowerShell.7.4.6",
            "PowerShell.7.4.10",
            "Backup",
        ];
        assert_eq!(names, expected);
        assert_eq!(list(Path::new("/nonexistent"), None).len(), 2);
    }

    #[test]
    fn a_configuration_file_makes_an_endpoint() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["Backup.pssc", "other.txt", "PowerShell.7.pssc"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let mut config = Config::default();
        config.set("PowerShell.Configurations", folder.path().to_str().unwrap()).unwrap();
        for (name, file) in [
            ("backup", Some(Some("Backup.pssc"))),
            ("powershell.7", Some(Some("PowerShell.7.pssc"))),
            ("Microsoft.PowerShell", Some(None)),
            ("other", None),
            ("../backup", None),
        ] {
            let uri = ResourceUri::parse(&format!("{}/{name}", namespace::POWERSHELL)).unwrap();
            let found = Endpoint::of(&uri, &config).ok().map(|endpoint| endpoint.configuration);
            let expected = file.map(|file| file.map(|file| folder.path().join(file)));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn powershell_is_found_on_path_if_it_is_executable() {
        let folder = tempfile::tempdir().unwrap();
        let pwsh = folder.path().join("pwsh");
        std::fs::write(&pwsh, "").unwrap();
        let path = Some(folder.path().as_os_str());
        assert_ne!(installed(path), Some(pwsh.clone()));
        std::fs::set_permissions(&pwsh, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(installed(path), Some(pwsh));
    }
}
