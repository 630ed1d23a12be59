//! Endpoints: names in resource URIs, and the programs behind them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use config::Config;
use wsman::{Fault, ResourceUri, namespace};

use crate::error::PoolError;
use crate::fault;

/// An endpoint that a client has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Session configuration file; `None` for a session without restrictions.
    pub(crate) configuration: Option<PathBuf>,
}

impl Endpoint {
    /// Returns the endpoint of a resource URI; names are compared without regard to case.
    pub(crate) fn of(uri: &ResourceUri, config: &Config) -> Result<Self, Fault> {
        let name = uri.below(namespace::POWERSHELL).map(|name| name.trim_start_matches('/'));
        let name = name.ok_or_else(|| fault::unknown_endpoint(uri))?;
        // A file of the same name restricts the default endpoints as well.
        let configuration = config.powershell.configurations.path().and_then(|folder| find(folder, name));
        let is_default = DEFAULTS.iter().any(|default| default.eq_ignore_ascii_case(name));
        match configuration.is_some() || is_default {
            true => Ok(Self { configuration }),
            false => Err(fault::unknown_endpoint(uri)),
        }
    }

    /// Returns the program of the endpoint.
    pub(crate) fn program(config: &Config, path: Option<&OsStr>) -> Result<PathBuf, PoolError> {
        match config.powershell.program.path() {
            Some(program) => Ok(program.to_owned()),
            None => installed(path).ok_or(PoolError::NotInstalled),
        }
    }
}

/// Finds the session configuration file of an endpoint.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten().take(MAX_CONFIGURATIONS);
    let mut files = entries.map(|entry| entry.path());
    files.find(|file| {
        let is_named = file.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case(name));
        is_named && file.extension().is_some_and(|extension| extension == "pssc")
    })
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
const DEFAULTS: [&str; 2] = ["Microsoft.PowerShell", "PowerShell.7"];
/// Maximum number of files in the folder of session configurations.
const MAX_CONFIGURATIONS: usize = 1_000;
/// Places of PowerShell outside of PATH: Microsoft's packages and the snap.
const PLACES: [&str; 2] = ["/opt/microsoft/powershell/7/pwsh", "/snap/bin/pwsh"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_regard_to_case() {
        for (name, is_known) in [
            ("Microsoft.PowerShell", true),
            ("microsoft.powershell", true),
            ("powershell.7", true),
            ("Microsoft.Exchange", false),
            ("", false),
        ] {
            let uri = ResourceUri::parse(&format!("{}/{name}", namespace::POWERSHELL));
            let is_found = uri.is_ok_and(|uri| Endpoint::of(&uri, &Config::default()).is_ok());
            assert_eq!(is_found, is_known, "{name}");
        }
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
