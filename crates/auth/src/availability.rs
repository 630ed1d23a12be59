//! Availability of authentication schemes: which of them the users of a service can use, and what the others lack.
//!
//! A scheme that is switched on is of no use without a password, a hash, a key or a listener. [`SignInReport`] is the
//! only place that decides this; the facts come from the files and libraries of a machine.

use crate::Scheme;

/// Facts about a service on which the use of its schemes depends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInFacts {
    /// Schemes that the settings enable.
    pub enabled: Vec<Scheme>,
    /// Whether a listener for HTTP is enabled.
    pub http: bool,
    /// Whether a listener for HTTPS is enabled.
    pub https: bool,
    /// Whether passwords and messages may be sent readable over HTTP.
    pub allow_unencrypted: bool,
    /// Keys of this machine for Kerberos, or the reason why they are missing.
    pub kerberos: Result<(), String>,
    /// Number of enabled accounts in the account file with a password of their own whose NT hash can be used.
    pub nt_hashes: usize,
    /// Number of Linux users whose NT hash in the account file belongs to their current password.
    pub linux_nt_hashes: usize,
    /// Number of Linux users whose NT hash in the account file is outdated, or whose account or password has expired.
    pub outdated_nt_hashes: usize,
    /// Number of enabled accounts in the account file whose NT hash belongs to another machine.
    pub foreign_nt_hashes: usize,
    /// Whether winbind verifies domain accounts for NTLM.
    pub winbind: bool,
    /// Number of enabled accounts in the account file that have a password.
    pub passwords: usize,
    /// Passwords of the users of this machine, or the reason why they cannot be verified.
    pub pam: Result<(), String>,
    /// Number of mappings of client certificates to accounts.
    pub certificate_mappings: usize,
    /// State of this machine that decides which remedy is the easiest.
    pub remedies: Remedies,
}

/// State of a machine that decides which remedy is the easiest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedies {
    /// Kerberos realm of this machine.
    pub realm: Option<String>,
    /// Program that gets the keys of this machine from the realm.
    pub join: JoinProgram,
    /// Host name of this machine, for its keys.
    pub host: String,
    /// Whether winbind runs, although the service does not use it.
    pub has_winbind: bool,
    /// Options of `telarch account` that select the files of the service; empty for the default files.
    pub account_options: Vec<String>,
}

/// Program that gets the keys of a machine from its realm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JoinProgram {
    /// `adcli`, for Active Directory; also if none is installed.
    #[default]
    Adcli,
    /// `net ads` of Samba.
    NetAds,
    /// `kadmin` of MIT Kerberos.
    Kadmin,
}

/// Report about the schemes of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInReport {
    /// Whether any listener is enabled.
    pub listens: bool,
    /// Every scheme, strongest first.
    pub schemes: Vec<SchemeReport>,
    /// What an administrator can do so that more schemes work, the easiest first, each in one line.
    pub remedies: Vec<String>,
    /// Whether Basic over HTTPS would work if it were enabled, because passwords can be verified.
    pub verifies_passwords: bool,
    /// Whether passwords may be sent readable over HTTP, so that Basic would be offered there as well.
    pub allow_unencrypted: bool,
    /// Options of `telarch account` that select the files of the service; empty for the default files.
    pub account_options: Vec<String>,
}

/// Report about one scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemeReport {
    /// Scheme.
    pub scheme: Scheme,
    /// Whether it works.
    pub state: SchemeState,
}

/// State of a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemeState {
    /// At least one account can use it; the text names the accounts.
    Usable(String),
    /// It is enabled, but no account can use it; the text is the reason.
    Unusable(String),
    /// The settings disable it.
    Disabled,
}

impl SignInReport {
    /// Decides which schemes can be used.
    #[must_use]
    pub fn new(facts: &SignInFacts) -> Self {
        let schemes = SCHEMES.map(|scheme| {
            let state = match facts.enabled.contains(&scheme) {
                true => facts.usable(scheme).map_or_else(SchemeState::Unusable, SchemeState::Usable),
                false => SchemeState::Disabled,
            };
            SchemeReport { scheme, state }
        });
        Self {
            listens: facts.http || facts.https,
            schemes: schemes.into(),
            remedies: facts.list_remedies(),
            verifies_passwords: facts.verified_passwords().is_ok(),
            allow_unencrypted: facts.allow_unencrypted,
            account_options: facts.remedies.account_options.clone(),
        }
    }

    /// Returns the schemes that can be used.
    pub fn usable(&self) -> impl Iterator<Item = Scheme> {
        let usable = self.schemes.iter().filter(|own| matches!(own.state, SchemeState::Usable(_)));
        usable.map(|own| own.scheme)
    }

    /// Returns the reason why no user can sign in over the network, with the remedies on the next lines; `None` if
    /// a scheme can be used, or if there is no listener.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        if !self.listens || self.usable().next().is_some() {
            return None;
        }
        let reasons: Vec<String> = self
            .schemes
            .iter()
            .filter_map(|own| match &own.state {
                SchemeState::Unusable(reason) => Some(format!("{}: {reason}", own.scheme)),
                _ => None,
            })
            .collect();
        let reasons =
            if reasons.is_empty() { "every scheme is disabled".to_owned() } else { reasons.join("; ") };
        let mut text = format!("{NO_SCHEME}: {reasons}");
        for remedy in &self.remedies {
            text += &format!("\n  {remedy}");
        }
        Some(text)
    }

    /// Returns `true` if a problem is that of [`problem`](Self::problem).
    #[must_use]
    pub fn describes(problem: &str) -> bool {
        problem.starts_with(NO_SCHEME)
    }
}

impl SignInFacts {
    /// Returns which accounts can use a scheme, or why there are none.
    fn usable(&self, scheme: Scheme) -> Result<String, String> {
        match scheme {
            Scheme::Kerberos => self.kerberos.clone().map(|()| KERBEROS_ACCOUNTS.to_owned()),
            Scheme::Negotiate => self.negotiated(),
            Scheme::CredSsp => {
                let by = self.negotiated()?;
                Ok(format!("{by}; clients delegate their password"))
            }
            Scheme::Basic if !self.https && !self.allow_unencrypted => {
                Err("requires a listener for HTTPS".to_owned())
            }
            Scheme::Basic => {
                let by = self.verified_passwords()?;
                let place = if self.allow_unencrypted { "HTTP and HTTPS" } else { "HTTPS only" };
                Ok(format!("{by}; {place}"))
            }
            Scheme::Certificate if !self.https => Err("requires a listener for HTTPS".to_owned()),
            Scheme::Certificate => match self.certificate_mappings {
                0 => Err("no client certificate is mapped to an account".to_owned()),
                count => Ok(format!("mapped client certificates: {count}")),
            },
            Scheme::Local => Err("is for programs of this machine".to_owned()),
        }
    }

    fn negotiated(&self) -> Result<String, String> {
        let mut by = Vec::new();
        if self.kerberos.is_ok() {
            by.push(format!("Kerberos: {KERBEROS_ACCOUNTS}"));
        }
        if self.nt_hashes > 0 {
            by.push(format!("NTLM: accounts of the service with an NT hash: {}", self.nt_hashes));
        }
        if self.linux_nt_hashes > 0 {
            by.push(format!("NTLM: users of this machine with an NT hash: {}", self.linux_nt_hashes));
        }
        if self.winbind {
            by.push("NTLM: domain accounts, verified by winbind".to_owned());
        }
        if !by.is_empty() {
            return Ok(by.join("; "));
        }
        let ntlm = match (self.foreign_nt_hashes, self.outdated_nt_hashes) {
            (0, 0) => "no account of the service has an NT hash",
            (0, _) => "the NT hashes of users of this machine do not belong to their current passwords",
            _ => "the NT hashes of the accounts were sealed on another machine",
        };
        let kerberos = self.kerberos.as_ref().err().map(String::as_str).unwrap_or_default();
        Err(format!("no NTLM: {ntlm}; no Kerberos: {kerberos}"))
    }

    /// Returns whose passwords can be verified, or why none can.
    fn verified_passwords(&self) -> Result<String, String> {
        let mut by = Vec::new();
        if self.passwords > 0 {
            by.push(format!("accounts of the service: {}", self.passwords));
        }
        if self.pam.is_ok() {
            by.push("users of this machine, verified by PAM".to_owned());
        }
        match &self.pam {
            Err(reason) if by.is_empty() => {
                Err(format!("no account of the service has a password, and {reason}"))
            }
            _ => Ok(by.join("; ")),
        }
    }

    /// Lists what makes more schemes usable: first what this machine is prepared for.
    fn list_remedies(&self) -> Vec<String> {
        let is_enabled = |scheme| self.enabled.contains(&scheme);
        let mut remedies = Vec::new();
        let negotiates = is_enabled(Scheme::Negotiate);
        let enable = |name: &str| format!("winrm set winrm/config/service/auth -set:{name}=true");
        if !negotiates {
            remedies.push(format!("enable Negotiate, which NTLM and Kerberos use: {}", enable("Negotiate")));
        }
        if self.kerberos.is_err() && self.remedies.realm.is_some() {
            remedies.push(self.remedies.join());
        }
        if self.remedies.has_winbind && !self.winbind {
            remedies.push(
                "use winbind for domain accounts: start telarchd with --winbind domains (systemctl edit telarchd)"
                    .to_owned(),
            );
        }
        if self.outdated_nt_hashes > 0 && self.linux_nt_hashes == 0 {
            remedies.push(
                "renew the NT hash of a user of this machine: sign in locally, which pam_telarch notices"
                    .to_owned(),
            );
        }
        if self.nt_hashes + self.linux_nt_hashes == 0 {
            let options: String =
                self.remedies.account_options.iter().map(|word| format!(" {word}")).collect();
            remedies.push(match self.passwords {
                0 => format!("create an account for NTLM: telarch account add NAME --ntlm{options}"),
                _ => format!("allow NTLM for an account: telarch account set-password NAME --ntlm{options}"),
            });
        }
        if self.verified_passwords().is_ok() && !self.allow_unencrypted {
            match (is_enabled(Scheme::Basic), self.https) {
                (true, true) => {}
                (true, false) => remedies.push(
                    "create a listener for HTTPS, which Basic requires: winrm quickconfig -transport:https"
                        .to_owned(),
                ),
                (false, _) => remedies.push(
                    "allow Basic over HTTPS: winrm quickconfig -transport:https -accounts:basic".to_owned(),
                ),
            }
        }
        if self.kerberos.is_err() && self.remedies.realm.is_none() {
            remedies.push(self.remedies.join());
        }
        remedies
    }
}

impl Remedies {
    /// Returns the command that gets the keys of this machine.
    fn join(&self) -> String {
        let realm = self.realm.as_deref().unwrap_or("REALM");
        let host = if self.host.is_empty() { "HOST" } else { &self.host };
        let command = match self.join {
            JoinProgram::Adcli => {
                format!("adcli join --domain={realm} --service-name=host --service-name=HTTP")
            }
            JoinProgram::NetAds => {
                "net ads join -U Administrator && net ads keytab add HTTP -U Administrator".to_owned()
            }
            JoinProgram::Kadmin => format!(
                "kadmin -q 'addprinc -randkey HTTP/{host}' && kadmin -q 'ktadd -k /etc/krb5.keytab HTTP/{host}'"
            ),
        };
        let aim = if self.realm.is_some() { "get the keys of this machine" } else { "join a Kerberos realm" };
        format!("{aim}: {command}; then restart telarchd")
    }
}

const KERBEROS_ACCOUNTS: &str = "users of the realm that have an account here";

/// Beginning of the message about a service without a usable scheme.
const NO_SCHEME: &str = "no authentication scheme is usable, so no user can sign in over the network";

/// Schemes in the order of the report.
const SCHEMES: [Scheme; 5] =
    [Scheme::Kerberos, Scheme::Negotiate, Scheme::CredSsp, Scheme::Certificate, Scheme::Basic];

#[cfg(test)]
mod tests {
    use super::*;

    /// A service with the default settings and a listener for HTTP, on a machine without accounts and keys.
    fn bare() -> SignInFacts {
        SignInFacts {
            enabled: vec![Scheme::Negotiate, Scheme::Kerberos],
            http: true,
            https: false,
            allow_unencrypted: false,
            kerberos: Err("cannot use keytab /etc/krb5.keytab".to_owned()),
            nt_hashes: 0,
            linux_nt_hashes: 0,
            outdated_nt_hashes: 0,
            foreign_nt_hashes: 0,
            winbind: false,
            passwords: 0,
            pam: Ok(()),
            certificate_mappings: 0,
            remedies: Remedies::default(),
        }
    }

    fn usable(facts: &SignInFacts) -> Vec<Scheme> {
        SignInReport::new(facts).usable().collect()
    }

    #[test]
    fn enabled_schemes_without_accounts_or_keys_are_a_problem() {
        let report = SignInReport::new(&bare());
        assert_eq!(report.usable().count(), 0);
        let problem = report.problem().unwrap();
        let (first, rest) = problem.split_once('\n').unwrap();
        assert!(SignInReport::describes(first), "{first}");
        assert!(first.contains("Negotiate: no NTLM: no account of the service has an NT hash"), "{first}");
        assert!(first.contains("cannot use keytab /etc/krb5.keytab"), "{first}");
        let expected = "  create an account for NTLM: telarch account add NAME --ntlm\n  \
            allow Basic over HTTPS: winrm quickconfig -transport:https -accounts:basic\n  \
            join a Kerberos realm: adcli join --domain=REALM ";
        assert!(rest.starts_with(expected), "{rest}");
    }

    #[test]
    fn each_source_makes_its_schemes_usable() {
        let hashes = SignInFacts { nt_hashes: 1, ..bare() };
        assert_eq!(usable(&hashes), [Scheme::Negotiate]);
        let linux = SignInFacts { linux_nt_hashes: 1, ..bare() };
        assert_eq!(usable(&linux), [Scheme::Negotiate]);
        let outdated = SignInFacts { outdated_nt_hashes: 1, ..bare() };
        assert!(usable(&outdated).is_empty());
        let problem = SignInReport::new(&outdated).problem().unwrap();
        assert!(problem.contains("do not belong to their current passwords"), "{problem}");
        assert!(problem.contains("pam_telarch"), "{problem}");
        let winbind = SignInFacts { winbind: true, ..bare() };
        assert_eq!(usable(&winbind), [Scheme::Negotiate]);
        let keys = SignInFacts { kerberos: Ok(()), ..bare() };
        assert_eq!(usable(&keys), [Scheme::Kerberos, Scheme::Negotiate]);
        let all = vec![Scheme::Negotiate, Scheme::CredSsp, Scheme::Basic, Scheme::Certificate];
        let over_http = SignInFacts { enabled: all.clone(), nt_hashes: 1, certificate_mappings: 1, ..bare() };
        assert_eq!(usable(&over_http), [Scheme::Negotiate, Scheme::CredSsp]);
        let over_https = SignInFacts { https: true, ..over_http };
        let four = [Scheme::Negotiate, Scheme::CredSsp, Scheme::Certificate, Scheme::Basic];
        assert_eq!(usable(&over_https), four);
        let readable = SignInFacts { enabled: all, allow_unencrypted: true, ..bare() };
        assert_eq!(usable(&readable), [Scheme::Basic]);
        let unverified = SignInFacts { pam: Err("PAM is not installed".to_owned()), ..readable };
        assert!(usable(&unverified).is_empty());
    }

    #[test]
    fn a_service_without_a_listener_has_no_problem() {
        assert_eq!(SignInReport::new(&SignInFacts { http: false, ..bare() }).problem(), None);
    }

    #[test]
    fn disabled_schemes_are_named_as_the_reason() {
        let report = SignInReport::new(&SignInFacts { enabled: Vec::new(), nt_hashes: 1, ..bare() });
        let problem = report.problem().unwrap();
        assert!(problem.contains(": every scheme is disabled\n  enable Negotiate"), "{problem}");
    }

    #[test]
    fn remedies_begin_with_what_the_machine_is_prepared_for() {
        let remedies = Remedies {
            realm: Some("LAB.EXAMPLE".to_owned()),
            join: JoinProgram::Kadmin,
            host: "web1.lab.example".to_owned(),
            has_winbind: true,
            account_options: vec!["--file".to_owned(), "/x/accounts".to_owned()],
        };
        let report = SignInReport::new(&SignInFacts { remedies, ..bare() });
        let begins = [
            "get the keys of this machine: kadmin -q 'addprinc -randkey HTTP/web1.lab.example' && ",
            "use winbind for domain accounts: start telarchd with --winbind domains",
            "create an account for NTLM: telarch account add NAME --ntlm --file /x/accounts",
            "allow Basic over HTTPS: ",
        ];
        assert_eq!(report.remedies.len(), begins.len(), "{:?}", report.remedies);
        for (remedy, begin) in report.remedies.iter().zip(begins) {
            assert!(remedy.starts_with(begin), "{remedy}");
        }
    }

    #[test]
    fn accounts_with_a_password_or_a_foreign_hash_are_told_apart() {
        let report = SignInReport::new(&SignInFacts { passwords: 2, foreign_nt_hashes: 1, ..bare() });
        let problem = report.problem().unwrap();
        assert!(problem.contains("were sealed on another machine"), "{problem}");
        assert!(problem.contains("telarch account set-password NAME --ntlm"), "{problem}");
    }
}
