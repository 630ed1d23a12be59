//! Paths of the service's files, and of the sockets and certificates that clients look for.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Policies;

/// Paths of one service.
///
/// A service started by root belongs to the machine; a service started by any other user belongs to that user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paths {
    /// Configuration file: `/etc/telarch/config.toml`, or `telarch/config.toml` in `$XDG_CONFIG_HOME`.
    pub config: PathBuf,
    /// Account file: `accounts` in the directory of the configuration file.
    pub accounts: PathBuf,
    /// Directory of the administrator's certificates: `certificates` in the directory of the configuration file.
    pub certificates: PathBuf,
    /// Mappings of client certificates to accounts: `certmappings` in the directory of the configuration file.
    pub certificate_mappings: PathBuf,
    /// Authorities trusted to issue client certificates: `client-authorities` in the directory of certificates.
    pub client_authorities: PathBuf,
    /// Authorities trusted to issue certificates of event sources: `event-authorities` in the directory of
    /// certificates.
    pub event_authorities: PathBuf,
    /// Directory of event subscriptions: `event-subscriptions` in the directory of the configuration file.
    pub event_subscriptions: PathBuf,
    /// Directory of event outputs besides files: `event-outputs` in the directory of the configuration file.
    pub event_outputs: PathBuf,
    /// Database of the event collector: `event-store.toml` in the directory of the configuration file. Without it the
    /// collector uses a file in the state directory.
    pub event_store: PathBuf,
    /// Directory of policy files: `policy.d` in the directory of the configuration file.
    pub policies: PathBuf,
    /// State directory, for files that the service writes: `/var/lib/telarch`, or `telarch` in `$XDG_STATE_HOME`.
    pub state: PathBuf,
    /// User-defined WMI classes and instances: `repository.mof` in the state directory. All users read the file of
    /// the machine's service.
    pub repository: PathBuf,
    /// Unix socket: [`MACHINE_SOCKET`], or `local.sock` in the state directory.
    pub local_socket: PathBuf,
}

/// Unix socket of the machine's service.
pub const MACHINE_SOCKET: &str = "/run/telarch/local.sock";

/// Name of the Unix socket in a state directory.
const SOCKET: &str = "local.sock";

impl Paths {
    /// Returns the paths of the machine's service.
    #[must_use]
    pub fn of_machine() -> Self {
        let paths = Self::new(Path::new("/etc/telarch/config.toml"), Path::new("/var/lib/telarch"));
        Self { local_socket: MACHINE_SOCKET.into(), ..paths }
    }

    /// Returns the paths of a user's service, or `None` if the environment variables do not give absolute paths.
    ///
    /// The variables are `XDG_CONFIG_HOME`, `XDG_STATE_HOME` and `HOME` (XDG Base Directory Specification).
    #[must_use]
    pub fn of_user(variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let home = absolute_path(&variable, "HOME");
        let config = absolute_path(&variable, "XDG_CONFIG_HOME")
            .or_else(|| home.as_ref().map(|home| home.join(".config")))?;
        let state = absolute_path(&variable, "XDG_STATE_HOME")
            .or_else(|| home.map(|home| home.join(".local/state")))?;
        Some(Self::new(&config.join("telarch/config.toml"), &state.join("telarch")))
    }

    /// Returns the default paths for the user of this process: the machine's for root, else the user's own.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        if rustix::process::geteuid().is_root() {
            Some(Self::of_machine())
        } else {
            Self::of_user(|name| env::var_os(name))
        }
    }

    /// Returns the paths of a service with the configuration file `config` and the state directory `state`.
    #[must_use]
    pub fn new(config: &Path, state: &Path) -> Self {
        Self {
            config: config.to_owned(),
            accounts: config.with_file_name("accounts"),
            certificates: config.with_file_name("certificates"),
            certificate_mappings: config.with_file_name("certmappings"),
            client_authorities: config.with_file_name("certificates").join("client-authorities"),
            event_authorities: config.with_file_name("certificates").join("event-authorities"),
            event_subscriptions: config.with_file_name("event-subscriptions"),
            event_outputs: config.with_file_name("event-outputs"),
            event_store: config.with_file_name("event-store.toml"),
            policies: Policies::folder_beside(config),
            state: state.to_owned(),
            repository: state.join("repository.mof"),
            local_socket: state.join(SOCKET),
        }
    }
}

fn absolute_path(variable: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Returns the Unix sockets where a client looks for a service on its own machine: first the machine's, then the
/// user's.
///
/// The client uses the first socket that accepts a connection.
#[must_use]
pub fn local_sockets() -> Vec<PathBuf> {
    let own = Paths::of_user(|name| env::var_os(name)).map(|paths| paths.local_socket);
    std::iter::once(PathBuf::from(MACHINE_SOCKET)).chain(own).collect()
}

/// Returns the directories in which a client looks for its certificates: first the user's, then the machine's.
#[must_use]
pub fn client_certificates() -> Vec<PathBuf> {
    let own = Paths::of_user(|name| env::var_os(name)).map(|paths| paths.certificates);
    own.into_iter().chain([Paths::of_machine().certificates]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_user(variables: &[(&str, &str)]) -> Option<Paths> {
        Paths::of_user(|name| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn a_user_s_files_are_where_the_variables_say_and_else_below_its_home() {
        let paths = of_user(&[("HOME", "/home/ada")]).unwrap();
        assert_eq!(paths.config, Path::new("/home/ada/.config/telarch/config.toml"));
        assert_eq!(paths.local_socket, Path::new("/home/ada/.local/state/telarch/local.sock"));
        let paths = of_user(&[("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "/s")]).unwrap();
        assert_eq!(paths.accounts, Path::new("/c/telarch/accounts"));
        assert_eq!(paths.state, Path::new("/s/telarch"));
    }

    #[test]
    fn relative_folders_do_not_count() {
        assert_eq!(of_user(&[]), None);
        assert_eq!(of_user(&[("HOME", "home")]), None);
        let paths =
            of_user(&[("HOME", "/home/ada"), ("XDG_CONFIG_HOME", "c"), ("XDG_STATE_HOME", "")]).unwrap();
        assert_eq!(paths.certificates, Path::new("/home/ada/.config/telarch/certificates"));
    }

    #[test]
    fn the_service_of_the_machine_has_the_places_of_the_system() {
        let paths = Paths::of_machine();
        assert_eq!(paths.certificates, Path::new("/etc/telarch/certificates"));
        assert_eq!(paths.certificate_mappings, Path::new("/etc/telarch/certmappings"));
        assert_eq!(paths.client_authorities, Path::new("/etc/telarch/certificates/client-authorities"));
        assert_eq!(paths.local_socket, Path::new("/run/telarch/local.sock"));
    }
}
