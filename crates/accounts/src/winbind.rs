//! Accounts that Samba's winbind knows: those of a domain, and of Samba's own list.

mod process;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use auth::ntlm::{HostNames, NtlmVerifier, SessionBaseKey, Verified};
use auth::{Account, AuthError, VerifierCost};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use self::process::{Answer, Helper};
use crate::lockout::shortened;

/// Has winbind judge responses of NTLM, through Samba's program `ntlm_auth` (ntlm_auth(1), `ntlm-server-1`).
///
/// The program runs as long as this value lives; should it end or not answer, it is started again, once a second at
/// most, and less often the more often it fails. winbind gives the key of a sign-in only to root and to the group `winbindd_priv`.
///
/// An account of a domain is called `DOMAIN\user`, the domain in capitals, the user in small letters, unless it is
/// [`listed`](Self::listed) under another name.
pub struct Winbind {
    names: HostNames,
    scope: WinbindScope,
    helper: Mutex<Helper>,
    waiting: AtomicUsize,
    timeout: Duration,
    /// Who is called what here, in small letters.
    listed: HashMap<String, String>,
}

/// Whom winbind is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WinbindScope {
    /// Accounts of other domains than this machine.
    Domains,
    /// Also accounts of this machine, which Samba keeps in a list of its own.
    Everyone,
}

impl Winbind {
    /// Asks this program, such as `/usr/bin/ntlm_auth`; it is started when first needed.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, scope: WinbindScope, names: HostNames) -> Self {
        let helper = Mutex::new(Helper::new(program.into()));
        let listed = HashMap::new();
        Self { names, scope, helper, waiting: AtomicUsize::new(0), timeout: LONGEST, listed }
    }

    /// Has `theirs`, such as `CORP\\ann` or, as the client has written it, `ann@corp.example`, be the account
    /// `ours` of this machine, in any case of letters.
    #[must_use]
    pub fn listed(mut self, theirs: &str, ours: &str) -> Self {
        self.listed.insert(theirs.to_lowercase(), ours.to_owned());
        self
    }

    /// Waits this long for an answer instead of 10 seconds.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn ask(&self, request: &[u8]) -> Result<Answer, AuthError> {
        // Each waits for those before it, so a program that is slow must not gather a crowd.
        let _place = Waiting::among(&self.waiting).ok_or(AuthError::Unavailable)?;
        let deadline = Instant::now() + self.timeout;
        let mut helper = self.helper.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Whoever waited for one that hangs does not wait as long again.
        let deadline = deadline.max(Instant::now() + self.timeout / 10);
        helper.ask(request, deadline).map_err(|error| {
            tracing::error!(%error, "winbind cannot be asked");
            AuthError::Unavailable
        })
    }

    /// The name of the account that is meant; none if winbind is not asked about such.
    fn account(&self, domain: &str, user: &str) -> Option<String> {
        let name = self.own_name(domain, user)?;
        Some(self.listed.get(&name.to_lowercase()).cloned().unwrap_or(name))
    }

    fn own_name(&self, domain: &str, user: &str) -> Option<String> {
        match (self.names.local_account(domain, user), self.scope) {
            // Without a domain a name with an @ is of a realm.
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

/// What is written to the program; none if a name cannot be one.
///
/// Names are in Base64, so that nothing in them is a line of its own; control characters are refused all the same,
/// because others read these names too.
fn request(domain: &str, user: &str, challenge: &[u8; 8], nt_response: &[u8]) -> Option<Zeroizing<String>> {
    let is_name = |name: &str| name.len() <= MOST_NAME && !name.chars().any(char::is_control);
    if user.is_empty() || !is_name(user) || !is_name(domain) {
        return None;
    }
    let mut text = Zeroizing::new(String::new());
    match domain {
        // Left away, it is the domain that the machine belongs to, which knows its users by these names.
        "" if user.contains('@') => {}
        // The machine itself.
        "" => text.push_str("NT-Domain: \n"),
        domain => text.push_str(&format!("NT-Domain:: {}\n", STANDARD.encode(domain))),
    }
    text.push_str(&format!("Username:: {}\n", STANDARD.encode(user)));
    text.push_str(&format!("LANMAN-Challenge: {}\n", hexadecimal(challenge)));
    text.push_str(&format!("NT-Response: {}\n", hexadecimal(nt_response)));
    text.push_str("Request-User-Session-Key: Yes\n.\n");
    Some(text)
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

/// A place among those who wait for the program.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(count: &'a AtomicUsize) -> Option<Self> {
        let place = Self(count);
        let before = count.fetch_add(1, Ordering::AcqRel);
        (before < MOST_WAITING).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How long an answer may take: a domain controller may be far away.
const LONGEST: Duration = Duration::from_secs(10);
/// In octets of UTF-8; Windows' own limits are below.
const MOST_NAME: usize = 1_024;
const MOST_WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_add_lines() {
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
        let long = "x".repeat(MOST_NAME + 1);
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
    fn a_domain_account_is_never_called_like_one_of_this_machine() {
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
