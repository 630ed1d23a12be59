//! NTLM verification by Samba's winbind, for domain accounts and for Samba's own accounts.

mod process;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use auth::ntlm::{HostNames, NtlmVerifier, SessionBaseKey, Verified};
use auth::{Account, AuthError, VerifierCost};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use locks::Mutex;
use zeroize::Zeroizing;

use self::process::{Answer, Helper};
use crate::lockout::shortened;

/// Verifies NTLM responses with winbind, through Samba's program `ntlm_auth` (ntlm_auth(1), protocol `ntlm-server-1`).
///
/// The program runs as long as this value exists. If it exits or does not answer, it is started again, at most once per
/// second and less often after repeated failures. winbind returns the session key only to root and to the group
/// `winbindd_priv`.
///
/// An account of a domain is called `DOMAIN\user`, with the domain in upper case and the user in lower case, unless
/// [`map_account`](Self::map_account) gives it another name.
pub struct Winbind {
    names: HostNames,
    scope: WinbindScope,
    helper: Mutex<Helper>,
    waiting: AtomicUsize,
    timeout: Duration,
    /// Local names of accounts, by their names in lower case.
    mapped: HashMap<String, String>,
}

/// Accounts that winbind is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WinbindScope {
    /// Accounts of other domains than this machine.
    Domains,
    /// Also accounts of this machine, which Samba stores in a database of its own.
    Everyone,
}

impl Winbind {
    /// Creates a verifier with this program, such as `/usr/bin/ntlm_auth`, which is started when first needed.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, scope: WinbindScope, names: HostNames) -> Self {
        let helper = Mutex::new(Helper::new(program.into()));
        let mapped = HashMap::new();
        Self { names, scope, helper, waiting: AtomicUsize::new(0), timeout: DEFAULT_TIMEOUT, mapped }
    }

    /// Maps an account of winbind to a local account. `domain_account` is `CORP\ann`, or the name as the client sent it,
    /// such as `ann@corp.example`; case is ignored.
    #[must_use]
    pub fn map_account(mut self, domain_account: &str, local_account: &str) -> Self {
        self.mapped.insert(domain_account.to_lowercase(), local_account.to_owned());
        self
    }

    /// Sets the time to wait for an answer. Default: 10 seconds.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn ask(&self, request: &[u8]) -> Result<Answer, AuthError> {
        // Each waits for those before it, so the number of waiting threads is limited for the case that the program is
        // slow.
        let _position = QueuePosition::take(&self.waiting).ok_or(AuthError::Unavailable)?;
        let deadline = Instant::now() + self.timeout;
        let mut helper = self.helper.lock();
        // A thread that has waited for a hanging request gets less time for its own.
        let deadline = deadline.max(Instant::now() + self.timeout / 10);
        helper.ask(request, deadline).map_err(|error| {
            tracing::error!(%error, "winbind request failed");
            AuthError::Unavailable
        })
    }

    /// Returns the name of the account; `None` if winbind is not asked about it.
    fn account(&self, domain: &str, user: &str) -> Option<String> {
        let name = self.own_name(domain, user)?;
        Some(self.mapped.get(&name.to_lowercase()).cloned().unwrap_or(name))
    }

    fn own_name(&self, domain: &str, user: &str) -> Option<String> {
        match (self.names.local_account(domain, user), self.scope) {
            // Without a domain, a name with an @ belongs to a realm.
            (Some(name), _) if domain.is_empty() && name.contains('@') => Some(user.to_lowercase()),
            (Some(name), WinbindScope::Everyone) => Some(name.to_lowercase()),
            (Some(_), WinbindScope::Domains) => None,
            (None, _) => Some(format!("{}\\{}", domain.to_uppercase(), user.to_lowercase())),
        }
    }
}

impl NtlmVerifier for Winbind {
    fn verify(
        &self,
        domain: &str,
        user: &str,
        challenge: &[u8; 8],
        nt_response: &[u8],
    ) -> Result<Verified, AuthError> {
        let account = self.account(domain, user).ok_or(AuthError::WrongPassword)?;
        let request = request(domain, user, challenge, nt_response).ok_or(AuthError::WrongPassword)?;
        match self.ask(request.as_bytes())? {
            Answer::Authenticated(key) => {
                Ok(Verified { account: Account { name: account }, base_key: SessionBaseKey::new(*key) })
            }
            Answer::Refused(reason) => {
                let (domain, user) = (shortened(domain), shortened(user));
                tracing::warn!(domain, user, reason, "winbind refused a sign-in");
                Err(AuthError::WrongPassword)
            }
        }
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }

    fn covers(&self, domain: &str, user: &str) -> bool {
        self.own_name(domain, user).is_some()
    }
}

/// Formats a request; `None` if a name is invalid.
///
/// Names are Base64-encoded, so that they cannot add lines. Control characters are rejected nevertheless, because other
/// components read these names too.
fn request(domain: &str, user: &str, challenge: &[u8; 8], nt_response: &[u8]) -> Option<Zeroizing<String>> {
    if user.is_empty() || !is_name(user) || !is_name(domain) {
        return None;
    }
    let mut text = Zeroizing::new(String::new());
    match domain {
        // Without `NT-Domain`, winbind uses the domain of the machine, which knows its users by these names.
        "" if user.contains('@') => {}
        // An empty domain is the machine itself.
        "" => text.push_str("NT-Domain: \n"),
        domain => text.push_str(&format!("NT-Domain:: {}\n", STANDARD.encode(domain))),
    }
    text.push_str(&format!("Username:: {}\n", STANDARD.encode(user)));
    text.push_str(&format!("LANMAN-Challenge: {}\n", hexadecimal(challenge)));
    text.push_str(&format!("NT-Response: {}\n", hexadecimal(nt_response)));
    text.push_str("Request-User-Session-Key: Yes\n.\n");
    Some(text)
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME && !name.chars().any(char::is_control)
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

/// A position in the queue for the program.
struct QueuePosition<'a>(&'a AtomicUsize);

impl<'a> QueuePosition<'a> {
    fn take(count: &'a AtomicUsize) -> Option<Self> {
        let position = Self(count);
        let before = count.fetch_add(1, Ordering::AcqRel);
        (before < MAX_WAITING).then_some(position)
    }
}

impl Drop for QueuePosition<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Default time to wait for an answer: a domain controller may be far away.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum length of a name in UTF-8 bytes; the limits of Windows are lower.
const MAX_NAME: usize = 1_024;
const MAX_WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_inject_lines() {
        let text = |domain, user| request(domain, user, &[0xAB; 8], &[1, 2]).map(|text| text.to_string());
        assert_eq!(
            text("CORP", "jürgen").as_deref(),
            Some(
                "NT-Domain:: Q09SUA==\nUsername:: asO8cmdlbg==\nLANMAN-Challenge: ABABABABABABABAB\n\
                 NT-Response: 0102\nRequest-User-Session-Key: Yes\n.\n"
            )
        );
        assert!(text("", "ann").is_some_and(|text| text.starts_with("NT-Domain: \nUsername:: YW5u\n")));
        assert!(text("", "ann@corp.example").is_some_and(|text| text.starts_with("Username:: ")));
        let long = "x".repeat(MAX_NAME + 1);
        for (domain, user) in [
            ("A\nB", "ann"),
            ("A", "ann\n."),
            ("A", "a\0"),
            ("A", "\u{85}"),
            ("A", ""),
            (&long, "a"),
            ("A", &long),
        ] {
            assert_eq!(text(domain, user), None, "{domain:?} {user:?}");
        }
    }

    #[test]
    fn domain_accounts_never_get_the_name_of_a_local_account() {
        let names = HostNames::of_host("node7.lab.example");
        let account = |scope, domain: &str, user: &str| {
            Winbind::new("/nowhere", scope, names.clone()).account(domain, user)
        };
        for (domain, user, domains, everyone) in [
            ("CORP", "Ann", Some("CORP\\ann"), Some("CORP\\ann")),
            ("corp", "ANN", Some("CORP\\ann"), Some("CORP\\ann")),
            ("", "Ann@Corp.Example", Some("ann@corp.example"), Some("ann@corp.example")),
            ("", "Ann", None, Some("ann")),
            (".", "ann", None, Some("ann")),
            ("NODE7", "ann", None, Some("ann")),
            ("", "ann@node7", None, Some("ann")),
        ] {
            assert_eq!(account(WinbindScope::Domains, domain, user).as_deref(), domains, "{domain}\\{user}");
            assert_eq!(
                account(WinbindScope::Everyone, domain, user).as_deref(),
                everyone,
                "{domain}\\{user}"
            );
        }
    }
}
