//! Passwords as the rest of the machine judges them: PAM (pam(3)).

mod library;

use std::ffi::{CStr, CString};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use auth::{Account, AuthError, PasswordVerifier, Secret, VerifierCost};
use zeroize::Zeroizing;

use self::library::{Attempt, Library, Refusal, Stage};
use crate::AccountSource;

/// Asks PAM for the password, and then whether the account may be used.
///
/// libpam is found when the program runs, so that one program serves machines with and without it.
/// A wrong password takes seconds, because PAM delays the answer. [`SignIn`](crate::SignIn) bounds how many passwords
/// are judged at the same time, and decides fairly which is next.
///
/// The usual modules read `/etc/shadow`, so it takes root. Some wait for a process of their own and change
/// how the whole process learns of ended children (`SIGCHLD`): best is a process that starts no other
/// children.
#[derive(Debug)]
pub struct Pam {
    library: Library,
    service: CString,
    folder: Option<CString>,
}

/// Why PAM cannot be asked on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PamError {
    /// There is no libpam, or it cannot be loaded.
    #[error(
        "PAM cannot be used: {cause}\n  install Linux-PAM (Debian: apt-get install libpam0g), or give the service accounts of its own: telarch account add NAME"
    )]
    Missing {
        /// What the dynamic linker says.
        cause: String,
    },
    /// Something else has the name of libpam, or it is too old.
    #[error("PAM cannot be used: libpam.so.0 has no {symbol}\n  it is not Linux-PAM, or one older than 1.4")]
    Symbol {
        /// What is missing.
        symbol: &'static str,
    },
    /// A name or folder with a NUL character.
    #[error("{0:?} cannot be the name of a PAM service or of the folder of one")]
    Name(String),
}

impl Pam {
    /// Finds libpam; `service` names the file in `/etc/pam.d` that says what to ask, such as `winrm`.
    ///
    /// Where there is no such file, PAM itself goes by `/etc/pam.d/other`.
    ///
    /// # Errors
    /// [`PamError`].
    pub fn load(service: &str) -> Result<Self, PamError> {
        Ok(Self {
            library: Library::load()?,
            service: CString::new(service).map_err(|_| PamError::Name(service.to_owned()))?,
            folder: None,
        })
    }

    /// As [`load`](Self::load), with the file of the service in another folder than `/etc/pam.d`; it takes
    /// Linux-PAM 1.4.
    ///
    /// # Errors
    /// [`PamError`].
    pub fn load_from(folder: &Path, service: &str) -> Result<Self, PamError> {
        let name = CString::new(folder.as_os_str().as_bytes());
        let name = name.map_err(|_| PamError::Name(folder.display().to_string()))?;
        let pam = Self::load(service)?;
        pam.library.can_use_folders()?;
        Ok(Self { folder: Some(name), ..pam })
    }

    /// Opens a session for a user whose identity was proven, does something in it, and closes it (pam_open_session(3)).
    ///
    /// Modules change the process that opens a session: its limits, its control group, its login number. So it
    /// belongs into a process of its own, whose child is what works for the user. What is done gets the variables
    /// that the modules set.
    ///
    /// # Errors
    /// A text for the log if PAM does not let the user in; then nothing is done.
    pub fn in_session<T>(
        &self,
        user: &str,
        from: IpAddr,
        run: impl FnOnce(Vec<(String, String)>) -> T,
    ) -> Result<T, String> {
        let user = CString::new(user).map_err(|_| "the name has a NUL character".to_owned())?;
        let peer = CString::new(from.to_canonical().to_string()).map_err(|error| error.to_string())?;
        let attempt = self.attempt(&user, c"", &peer);
        self.library.in_session(&attempt, run).map_err(|refusal| refusal.to_string())
    }

    /// What PAM says to a name and a password.
    fn sign_in(&self, user: &str, password: &Secret, from: IpAddr) -> Option<Result<String, Refusal>> {
        // PAM reads up to the first NUL: what it would judge is not what was sent.
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
            // The modules may have put another spelling, or another name, in the place of the one that was
            // typed; it is that one whose password was right.
            Some(Ok(name)) => Ok(Account { name }),
            Some(Err(refusal)) => {
                let error = verdict(&refusal);
                tracing::debug!(account = user, peer = %from, %refusal, "PAM refuses");
                if error == AuthError::Unavailable {
                    tracing::error!(%refusal, service = ?self.service, "PAM cannot judge sign-ins");
                }
                Err(error)
            }
        }
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }

    /// By the rules for accounts alone (pam_acct_mgmt(3)): the password is not asked for again.
    fn still_admits(&self, account: &Account, from: IpAddr) -> Result<(), AuthError> {
        let texts = [account.name.clone(), from.to_canonical().to_string()].map(CString::new);
        let [Ok(user), Ok(peer)] = texts else { return Err(AuthError::NotAllowed) };
        let judged = self.library.may_use_account(&self.attempt(&user, c"", &peer));
        judged.map_err(|refusal| {
            tracing::debug!(%account, %refusal, "PAM lets in no longer");
            verdict(&refusal)
        })
    }
}

impl AccountSource for Pam {
    /// Whatever PAM has against an account it says when the account signs in through it.
    fn permits(&self, _: &Account) -> Result<(), AuthError> {
        Ok(())
    }
}

/// What a refusal means (pam_authenticate(3), pam_acct_mgmt(3)).
///
/// As long as the password has not been found right, only what is no answer at all counts as none: a refusal
/// that is taken for a failure of PAM would be a guess that nobody counts. PAM_SYSTEM_ERR is no failure: pam_exec
/// says it when its command says no.
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

/// What PAM calls the terminal that a sign-in comes from; for modules such as pam_access.
const TERMINAL: &CStr = c"winrm";

/// Longer answers PAM does not take (PAM_MAX_RESP_SIZE, less the NUL).
const MAX_PASSWORD_OCTETS: usize = 511;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_one_meaning() {
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
    fn what_pam_would_cut_short_it_is_not_asked() {
        let Ok(pam) = Pam::load("telarch-test") else {
            skips::skip!("there is no libpam.so.0 here");
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
