//! Password verification with PAM (pam(3)).

mod library;

use std::ffi::{CStr, CString};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use auth::{Account, AuthError, PasswordVerifier, Secret, VerifierCost};
use zeroize::Zeroizing;

use self::library::{Attempt, Library, Refusal, Stage};
use crate::AccountSource;

/// Verifies a password with PAM, and then whether the account may be used.
///
/// libpam is loaded at run time, so that one program works on machines with and without it.
///
/// A wrong password takes seconds, because PAM delays the answer. [`SignIn`](crate::SignIn) limits how many passwords
/// are verified at the same time, and decides fairly which is next.
///
/// The usual modules read `/etc/shadow`, which requires root. Some start a child process and change how the whole
/// process handles `SIGCHLD`, so PAM is best used in a process that starts no other children.
#[derive(Debug)]
pub struct Pam {
    library: Library,
    service: CString,
    folder: Option<CString>,
}

/// Reason why PAM cannot be used on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PamError {
    /// libpam is not installed or cannot be loaded.
    #[error(
        "cannot load PAM: {cause}\n  install Linux-PAM (Debian: apt-get install libpam0g), or add accounts to the service with: telarch account add NAME"
    )]
    Missing {
        /// Message of the dynamic linker.
        cause: String,
    },
    /// The loaded library lacks a function: it is not Linux-PAM, or too old.
    #[error("cannot use PAM: libpam.so.0 has no function {symbol}\n  install Linux-PAM 1.4 or later")]
    Symbol {
        /// Name of the missing function.
        symbol: &'static str,
    },
    /// Service name or directory with a NUL character.
    #[error("invalid PAM service name or directory {0:?}: contains a NUL character")]
    Name(String),
}

impl Pam {
    /// Loads libpam. `service` names the file in `/etc/pam.d` that configures the modules, such as `winrm`.
    ///
    /// If there is no such file, PAM uses `/etc/pam.d/other`.
    ///
    /// # Errors
    /// [`PamError`] if libpam cannot be loaded or the name contains a NUL character.
    pub fn load(service: &str) -> Result<Self, PamError> {
        Ok(Self {
            library: Library::load()?,
            service: CString::new(service).map_err(|_| PamError::Name(service.to_owned()))?,
            folder: None,
        })
    }

    /// Loads libpam like [`load`](Self::load), with the service file in another directory than `/etc/pam.d`. Requires
    /// Linux-PAM 1.4.
    ///
    /// # Errors
    /// [`PamError`] if libpam cannot be loaded or is too old, or a name contains a NUL character.
    pub fn load_from(folder: &Path, service: &str) -> Result<Self, PamError> {
        let name = CString::new(folder.as_os_str().as_bytes());
        let name = name.map_err(|_| PamError::Name(folder.display().to_string()))?;
        let pam = Self::load(service)?;
        pam.library.require_confdir()?;
        Ok(Self { folder: Some(name), ..pam })
    }

    /// Opens a session for an authenticated user, calls `run` in it, and closes it (pam_open_session(3)).
    ///
    /// Modules change the process that opens a session: its limits, its control group, its audit login UID. So call
    /// this in a process of its own, and do the work for the user in a child of it. `run` receives the environment
    /// variables that the modules set.
    ///
    /// # Errors
    /// A message for the log if PAM refuses the user; `run` is not called then.
    pub fn in_session<T>(
        &self,
        user: &str,
        from: IpAddr,
        run: impl FnOnce(Vec<(String, String)>) -> T,
    ) -> Result<T, String> {
        let user = CString::new(user).map_err(|_| "the user name contains a NUL character".to_owned())?;
        let peer = CString::new(from.to_canonical().to_string()).map_err(|error| error.to_string())?;
        let attempt = self.attempt(&user, c"", &peer);
        self.library.in_session(&attempt, run).map_err(|refusal| refusal.to_string())
    }

    /// Asks PAM to verify a name and a password. Returns `None` for input that PAM cannot represent.
    fn sign_in(&self, user: &str, password: &Secret, from: IpAddr) -> Option<Result<String, Refusal>> {
        // PAM reads up to the first NUL, and would verify something other than what was sent.
        let user = CString::new(user).ok()?;
        let password = Zeroizing::new(CString::new(password.expose()).ok()?);
        if password.as_bytes().len() > MAX_PASSWORD_OCTETS {
            return None;
        }
        let peer = CString::new(from.to_canonical().to_string()).ok()?;
        Some(self.library.sign_in(&self.attempt(&user, &password, &peer)))
    }

    fn attempt<'a>(&'a self, user: &'a CStr, password: &'a CStr, peer: &'a CStr) -> Attempt<'a> {
        let (service, folder) = (self.service.as_c_str(), self.folder.as_deref());
        Attempt { service, folder, user, password, peer, terminal: TERMINAL }
    }
}

impl PasswordVerifier for Pam {
    fn verify(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        match self.sign_in(user, password, from) {
            None => Err(AuthError::WrongPassword),
            // The modules may have replaced the name that was typed; the password belongs to the returned one.
            Some(Ok(name)) => Ok(Account { name }),
            Some(Err(refusal)) => {
                let error = verdict(&refusal);
                tracing::debug!(account = user, peer = %from, %refusal, "PAM refused a sign-in");
                if error == AuthError::Unavailable {
                    tracing::error!(%refusal, service = %self.service.to_string_lossy(), "PAM failed to verify a sign-in");
                }
                Err(error)
            }
        }
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }

    /// Checks the account rules only (pam_acct_mgmt(3)), without the password.
    fn still_admits(&self, account: &Account, from: IpAddr) -> Result<(), AuthError> {
        let texts = [account.name.clone(), from.to_canonical().to_string()].map(CString::new);
        let [Ok(user), Ok(peer)] = texts else { return Err(AuthError::NotAllowed) };
        let judged = self.library.check_account(&self.attempt(&user, c"", &peer));
        judged.map_err(|refusal| {
            tracing::debug!(%account, %refusal, "PAM no longer permits an account");
            verdict(&refusal)
        })
    }
}

impl AccountSource for Pam {
    /// Permits every account: PAM applies its account rules when the account signs in through it.
    fn permits(&self, _: &Account) -> Result<(), AuthError> {
        Ok(())
    }
}

/// Translates a refusal (pam_authenticate(3), pam_acct_mgmt(3)).
///
/// Before the password is verified, only codes that cannot be a verdict become [`AuthError::Unavailable`]: a rejected
/// password that was taken for a failure of PAM would be a guess that is not counted. PAM_SYSTEM_ERR is a verdict,
/// because pam_exec returns it when its command fails.
fn verdict(refusal: &Refusal) -> AuthError {
    const OPEN_ERR: i32 = 1;
    const SYMBOL_ERR: i32 = 2;
    const SERVICE_ERR: i32 = 3;
    const BUF_ERR: i32 = 5;
    const CRED_INSUFFICIENT: i32 = 8;
    const AUTHINFO_UNAVAIL: i32 = 9;
    const ABORT: i32 = 26;
    const MODULE_UNKNOWN: i32 = 28;
    const BAD_ITEM: i32 = 29;
    match (refusal.stage, refusal.code) {
        (Stage::Start, _)
        | (
            _,
            OPEN_ERR | SYMBOL_ERR | SERVICE_ERR | BUF_ERR | CRED_INSUFFICIENT | AUTHINFO_UNAVAIL | ABORT
            | MODULE_UNKNOWN | BAD_ITEM,
        ) => AuthError::Unavailable,
        (Stage::Authenticate, _) => AuthError::WrongPassword,
        (Stage::Account | Stage::Session, _) => AuthError::NotAllowed,
    }
}

/// Terminal name passed to PAM, for modules such as pam_access.
const TERMINAL: &CStr = c"winrm";

/// Maximum password length in bytes (PAM_MAX_RESP_SIZE, less the NUL).
const MAX_PASSWORD_OCTETS: usize = 511;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pam_codes_map_to_errors() {
        use AuthError::{NotAllowed, Unavailable, WrongPassword};
        for (stage, code, meaning) in [
            (Stage::Start, 4, Unavailable),
            (Stage::Start, 7, Unavailable),
            (Stage::Authenticate, 4, WrongPassword),
            (Stage::Authenticate, 6, WrongPassword),
            (Stage::Authenticate, 7, WrongPassword),
            (Stage::Authenticate, 9, Unavailable),
            (Stage::Authenticate, 10, WrongPassword),
            (Stage::Authenticate, 11, WrongPassword),
            (Stage::Authenticate, 13, WrongPassword),
            (Stage::Authenticate, 19, WrongPassword),
            (Stage::Authenticate, 28, Unavailable),
            (Stage::Authenticate, 99, WrongPassword),
            (Stage::Account, 6, NotAllowed),
            (Stage::Account, 7, NotAllowed),
            (Stage::Account, 9, Unavailable),
            (Stage::Account, 12, NotAllowed),
            (Stage::Account, 13, NotAllowed),
        ] {
            assert_eq!(verdict(&Refusal { stage, code }), meaning, "{stage:?} {code}");
        }
    }

    #[test]
    fn input_that_pam_would_truncate_is_rejected() {
        let Ok(pam) = Pam::load("telarch-test") else {
            skips::skip!("libpam.so.0 is not installed");
            return;
        };
        let sign_in = |user: &str, password: &str| {
            pam.sign_in(user, &Secret::new(password.to_owned()), [127, 0, 0, 1].into()).is_none()
        };
        assert!(sign_in("root\0x", "y"));
        assert!(sign_in("root", "y\0x"));
        assert!(sign_in("root", &"y".repeat(512)));
        assert_eq!(Pam::load("a\0b").err(), Some(PamError::Name("a\0b".to_owned())));
    }
}
