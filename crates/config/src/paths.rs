//! Where a service keeps its files, and where clients of the same machine find its socket.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Policies;

/// The files of one service.
///
/// Root's service belongs to the machine; that of any other user is the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paths {
    /// The settings: `/etc/telarch/config.toml`, or `telarch/config.toml` in `$XDG_CONFIG_HOME`.
    pub config: PathBuf,
    /// The accounts: `accounts` beside the settings.
    pub accounts: PathBuf,
    /// The certificates of the administrator: the directory `certificates` beside the settings.
    pub certificates: PathBuf,
    /// Whose accounts the holders of client certificates are: `certmappings` beside the accounts.
    pub certificate_mappings: PathBuf,
    /// Whose signature on client certificates is believed: `client-authorities` in the directory of certificates.
    pub client_authorities: PathBuf,
    /// What policy demands: the directory `policy.d` beside the settings.
    pub policies: PathBuf,
    /// The directory of what the service makes itself: `/var/lib/telarch`, or `telarch` in `$XDG_STATE_HOME`.
    pub state: PathBuf,
    /// The classes and instances of WMI that were added to the machine: `repository.mof` in the state
    /// directory. Every user's processes read that of the machine.
    pub repository: PathBuf,
    /// The Unix socket: [`MACHINE_SOCKET`], or `local.sock` in the state directory.
    pub local_socket: PathBuf,
}

/// The Unix socket of the service of the machine.
pub const MACHINE_SOCKET: &str = "/run/telarch/local.sock";

/// The name of the Unix socket in a state directory.
const SOCKET: &str = "local.sock";

impl Paths {
    /// Those of the machine.
    #[must_use]
    pub fn of_machine() -> Self {
        let paths = Self::new(Path::new("/etc/telarch/config.toml"), Path::new("/var/lib/telarch"));
        Self { local_socket: MACHINE_SOCKET.into(), ..paths }
    }

    /// Those of a user with these environment variables; none if they do not tell where its files are.
    ///
    /// The variables are `XDG_CONFIG_HOME`, `XDG_STATE_HOME` and `HOME` (XDG Base Directory Specification).
    #[must_use]
    pub fn of_user(variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let below_home = |folder: &str| absolute("HOME").map(|home| home.join(folder));
        let config = absolute("XDG_CONFIG_HOME").or_else(|| below_home(".config"))?;
        let state = absolute("XDG_STATE_HOME").or_else(|| below_home(".local/state"))?;
        Some(Self::new(&config.join("telarch/config.toml"), &state.join("telarch")))
    }

    /// Those that a service of this user has unless it is told otherwise.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        if rustix::process::geteuid().is_root() {
            Some(Self::of_machine())
        } else {
            Self::of_user(|name| env::var_os(name))
        }
    }

    /// Those of a service with its settings in `config` and its state in `state`.
    #[must_use]
    pub fn new(config: &Path, state: &Path) -> Self {
        Self {
            config: config.to_owned(),
            accounts: config.with_file_name("accounts"),
            certificates: config.with_file_name("certificates"),
            certificate_mappings: config.with_file_name("certmappings"),
            client_authorities: config.with_file_name("certificates").join("client-authorities"),
            policies: Policies::folder_beside(config),
            state: state.to_owned(),
            repository: state.join("repository.mof"),
            local_socket: state.join(SOCKET),
        }
    }
}

/// Where a client looks for a service of its own machine: that of the machine first, then that of its user.
///
/// A client takes the first that accepts a connection.
#[must_use]
pub fn local_sockets() -> Vec<PathBuf> {
    let own = Paths::of_user(|name| env::var_os(name)).map(|paths| paths.local_socket);
    std::iter::once(PathBuf::from(MACHINE_SOCKET)).chain(own).collect()
}

/// Where a client looks for certificates to sign in with: in the directory of its user, then in that of the machine.
#[must_use]
pub fn client_certificates() -> Vec<PathBuf> {
    let own = Paths::of_user(|name| env::var_os(name)).map(|paths| paths.certificates);
    own.into_iter().chain([Paths::of_machine().certificates]).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
