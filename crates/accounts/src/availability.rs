//! Facts about the sign-in to a service, read from its files and from this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use account_store::{LinuxUsers, NtHashState};
use auth::account_file::{AccountFile, EnabledState};
use auth::{AuthError, JoinProgram, Remedies, Scheme, SignInFacts};
use config::{Paths, State, Transport};
use kerberos::{Acceptors, FoundAccount, Library, PrincipalRules};

use crate::{ClientCertificateFile, HostKey, Pam, ServiceScope};

/// Files and options of a service that decide who can sign in to it.
#[derive(Clone, Copy, Debug)]
pub struct SignInSources<'a> {
    /// Settings and listeners.
    pub state: &'a State,
    /// Paths of the files of the service.
    pub paths: &'a Paths,
    /// Whether the service is that of the machine, or of one user.
    pub serving: ServiceScope,
    /// Whether the service verifies domain accounts with winbind.
    pub winbind: bool,
}

impl SignInSources<'_> {
    /// Reads the facts. Blocks on files and loads the libraries of Kerberos and PAM. Changes nothing.
    #[must_use]
    pub fn facts(&self) -> SignInFacts {
        let Self { state, paths, .. } = *self;
        let service = &state.config.service;
        let mut listeners = state.listeners.in_force(service);
        listeners.retain(|listener| listener.enabled);
        let listens = |transport| listeners.iter().any(|listener| listener.transport == transport);
        let realm = Library::load().and_then(|library| library.default_realm()).ok();
        let realm = realm.filter(|realm| !SAMPLE_REALMS.contains(&realm.as_str()));
        let mut facts = SignInFacts {
            enabled: self.enabled(),
            http: listens(Transport::Http),
            https: listens(Transport::Https),
            allow_unencrypted: service.allow_unencrypted,
            kerberos: kerberos_keys(),
            nt_hashes: 0,
            linux_nt_hashes: 0,
            outdated_nt_hashes: 0,
            foreign_nt_hashes: 0,
            winbind: self.winbind,
            passwords: 0,
            pam: self.pam(),
            certificate_mappings: 0,
            remedies: Remedies {
                realm,
                join: join_program(),
                host: rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase(),
                has_winbind: self.serving == ServiceScope::Machine && Path::new(WINBIND).exists(),
                account_options: self.account_options(),
            },
        };
        let key = HostKey::load(&paths.state).ok().flatten();
        if let Ok(file) = crate::read(&paths.accounts) {
            count_accounts(&file, key.as_ref(), &LinuxUsers::of_this_machine(), &mut facts);
        }
        if let Some(key) = key {
            let file =
                ClientCertificateFile::new(&paths.certificate_mappings, &paths.client_authorities, key);
            facts.certificate_mappings = file.all().map_or(0, |mappings| mappings.len());
        }
        facts
    }

    fn enabled(&self) -> Vec<Scheme> {
        let switches = &self.state.config.service.auth;
        let all = [
            (Scheme::Negotiate, switches.negotiate),
            (Scheme::Kerberos, switches.kerberos),
            (Scheme::CredSsp, switches.credssp),
            (Scheme::Basic, switches.basic),
            (Scheme::Certificate, switches.certificate),
        ];
        all.into_iter().filter(|(_, is_enabled)| *is_enabled).map(|(scheme, _)| scheme).collect()
    }

    /// Returns whether PAM can verify the password of a user of this machine, or why not.
    fn pam(&self) -> Result<(), String> {
        if self.serving != ServiceScope::Machine {
            return Err("PAM is used only if the service runs as root".to_owned());
        }
        Pam::load(PAM_SERVICE).map_err(|error| first_line(&error))?;
        pam_service(Path::new("/"))
    }

    /// Returns the options of `telarch account` for files that are not the default ones.
    fn account_options(&self) -> Vec<String> {
        let default = Paths::of_this_process();
        let is_default = |path: &Path, of: fn(&Paths) -> &PathBuf| {
            default.as_ref().is_some_and(|default| of(default) == path)
        };
        let mut options = Vec::new();
        if !is_default(&self.paths.accounts, |paths| &paths.accounts) {
            options.extend(["--file".to_owned(), self.paths.accounts.display().to_string()]);
        }
        if !is_default(&self.paths.state, |paths| &paths.state) {
            options.extend(["--state".to_owned(), self.paths.state.display().to_string()]);
        }
        options
    }
}

/// Returns whether this machine has keys for Kerberos, or why not, in one line.
fn kerberos_keys() -> Result<(), String> {
    let library = Library::load().map_err(|error| first_line(&error))?;
    let rules = PrincipalRules::new(Arc::new(NoAccounts));
    Acceptors::new(library, Arc::new(rules)).check().map_err(|error| first_line(&error))
}

/// Accounts for acceptors that accept no client.
struct NoAccounts;

impl kerberos::Accounts for NoAccounts {
    fn find(&self, _: &str) -> Result<Option<FoundAccount>, AuthError> {
        Ok(None)
    }
}

fn count_accounts(file: &AccountFile, key: Option<&HostKey>, linux: &LinuxUsers, facts: &mut SignInFacts) {
    let now = SystemTime::now();
    for record in file.records().filter(|record| record.state == EnabledState::Enabled) {
        if !record.password.is_never() {
            facts.passwords += 1;
        }
        let Some(hash) = &record.nt_hash else { continue };
        if key.and_then(|key| key.open_nt_hash(hash, &record.name, record.rid)).is_none() {
            facts.foreign_nt_hashes += 1;
            continue;
        }
        match hash.linux.map(|password| linux.state_of(&record.name, password, now)) {
            None => facts.nt_hashes += 1,
            Some(Ok(NtHashState::Current)) => facts.linux_nt_hashes += 1,
            Some(_) => facts.outdated_nt_hashes += 1,
        }
    }
}

/// Returns whether the PAM service of `root` can accept a password, as far as its files show.
fn pam_service(root: &Path) -> Result<(), String> {
    let of = |folder: &str, name: &str| fs::read_to_string(root.join(folder).join(name));
    let own = of("etc/pam.d", PAM_SERVICE).or_else(|_| of("usr/lib/pam.d", PAM_SERVICE));
    let is_denied = match own {
        Ok(_) => false,
        Err(_) => of("etc/pam.d", "other").map_or(true, |text| denies(&text)),
    };
    if is_denied {
        return Err(format!("/etc/pam.d/{PAM_SERVICE} does not exist, so PAM refuses every password"));
    }
    let modules = ["winrm", "common-auth", "system-auth", "password-auth"];
    let asks_others = modules.iter().filter_map(|name| of("etc/pam.d", name).ok()).any(|text| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.into_iter().any(|line| DIRECTORY_MODULES.iter().any(|module| line.contains(module)))
    });
    match of("etc", "shadow") {
        Ok(shadow) if !asks_others && !has_password(&shadow) => {
            Err("no user of this machine has a password (passwd NAME sets one)".to_owned())
        }
        _ => Ok(()),
    }
}

/// Returns whether the authentication of a PAM service always fails, as that of `other` on many systems.
fn denies(text: &str) -> bool {
    let mut authentication = text.lines().map(str::trim).filter(|line| line.starts_with("auth"));
    authentication.any(|line| line.contains("pam_deny.so"))
}

/// Returns whether a shadow file has a password hash of an account that is not locked (shadow(5)).
fn has_password(shadow: &str) -> bool {
    shadow
        .lines()
        .filter_map(|line| line.split(':').nth(1))
        .any(|hash| hash.starts_with('$') || hash.starts_with('_'))
}

fn join_program() -> JoinProgram {
    let programs =
        [("adcli", JoinProgram::Adcli), ("net", JoinProgram::NetAds), ("kadmin", JoinProgram::Kadmin)];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from)).collect();
    let is_installed = |name: &str| folders.iter().any(|folder| folder.join(name).is_file());
    programs.into_iter().find(|(name, _)| is_installed(name)).map(|(_, program)| program).unwrap_or_default()
}

fn first_line(error: &impl ToString) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Name of the service in `/etc/pam.d`.
pub const PAM_SERVICE: &str = "winrm";
/// Realms in the configuration files that distributions install.
const SAMPLE_REALMS: [&str; 2] = ["ATHENA.MIT.EDU", "EXAMPLE.COM"];
/// Socket of winbind.
const WINBIND: &str = "/run/samba/winbindd/pipe";
/// PAM modules that verify passwords which are not in the shadow file.
const DIRECTORY_MODULES: [&str; 4] = ["pam_sss.so", "pam_ldap.so", "pam_winbind.so", "pam_krb5.so"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pam_needs_a_service_file_and_a_user_with_a_password() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert!(pam_service(root.path()).unwrap_err().contains("/etc/pam.d/winrm does not exist"));
        write("etc/pam.d/other", "# auth\nauth required pam_deny.so\n");
        assert!(pam_service(root.path()).is_err());
        write("etc/pam.d/other", "@include common-auth\n");
        assert_eq!(pam_service(root.path()), Ok(()));
        write("etc/pam.d/winrm", "@include common-auth\n");
        write("etc/shadow", "root:*:1::::::\nann:!$y$j9T$a$b:1::::::\nben::1::::::\n");
        assert!(pam_service(root.path()).unwrap_err().contains("has a password"));
        write("etc/pam.d/common-auth", "# pam_sss.so\nauth sufficient pam_unix.so\n");
        assert!(pam_service(root.path()).is_err());
        write("etc/pam.d/common-auth", "auth sufficient pam_sss.so\n");
        assert_eq!(pam_service(root.path()), Ok(()));
        write("etc/pam.d/common-auth", "auth sufficient pam_unix.so\n");
        write("etc/shadow", "ann:$y$j9T$a$b:1::::::\n");
        assert_eq!(pam_service(root.path()), Ok(()));
    }
}
