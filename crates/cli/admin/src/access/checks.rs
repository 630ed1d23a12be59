//! The checks between a user and the service, from the account to the resources.

use std::time::SystemTime;

use accounts::{
    FileAccounts, LinuxUsers, LocalLogon, LocalPrincipals, LocalUser, MachineSid, NtHashState, ServiceScope,
    UnixUsers,
};
use auth::account_file::{EnabledState, Record};
use auth::{SignInFacts, SignInReport};
use config::{Paths, State};
use sddl::linux::Proof;
use sddl::{DomainSid, Principal, Sid, Token};

/// A question about the access of a user, with everything that its answer depends on.
pub(crate) struct AccessQuery {
    pub(crate) user: String,
    /// URI of the only resource to check.
    pub(super) resource: Option<String>,
    pub(super) paths: Paths,
    pub(super) settings: State,
    pub(super) serving: ServiceScope,
    pub(super) users: UnixUsers,
    /// The accounts file; `None` if it does not exist.
    pub(super) accounts: Option<FileAccounts>,
    pub(super) principals: LocalPrincipals,
    /// The SID of this machine; `None` before the service has run for the first time.
    pub(super) machine: Option<MachineSid>,
    pub(super) has_pam: bool,
    /// Facts about the schemes of the service, independent of the user.
    pub(super) sign_in: SignInFacts,
}

/// The text of the report, under construction.
#[derive(Default)]
pub(super) struct Report {
    text: String,
}

/// The kind of a line of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Passed,
    Failed,
    /// Information that neither grants nor denies access.
    Info,
}

/// Place from which an account can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Other machines.
    Network,
    /// This machine only.
    Local,
    /// No place.
    None,
}

impl Report {
    pub(super) fn title(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.text.push('\n');
    }

    pub(super) fn line(&mut self, check: Check, text: &str) {
        let sign = match check {
            Check::Passed => '+',
            Check::Failed => '-',
            Check::Info => '.',
        };
        self.text.push_str(&format!("  {sign} {text}\n"));
    }
}

impl AccessQuery {
    pub(super) fn report(&self) -> String {
        let mut report = Report::default();
        let file = self.paths.config.display();
        let service = match self.serving {
            ServiceScope::Machine => "the service of this machine".to_owned(),
            ServiceScope::OneUser { uid } => format!("the service of user {uid}"),
        };
        report.title(&format!("{} at {service} ({file})", self.user));
        if self.machine.is_none() {
            let state = self.paths.state.display();
            report.line(Check::Info, &format!("no service has run with {state} yet, and /etc/machine-id has no identifier; SIDs are examples"));
        }
        let Some(logon) = self.check_account(&mut report) else {
            report.title("denied: no usable account");
            return report.text;
        };
        let reach = self.check_sign_in(&logon, &mut report);
        if reach == Reach::None {
            self.deny_sign_in("denied", &mut report);
            return report.text;
        }
        let machine = self.machine();
        let token = logon.token(machine, Proof::Password);
        self.list_identity(&logon, &token, &mut report);
        self.check_resources(&logon, &mut report);
        if reach == Reach::Local {
            self.deny_sign_in("denied over the network", &mut report);
        }
        report.text
    }

    pub(super) fn machine(&self) -> DomainSid {
        self.machine.map_or(DomainSid::new([0, 0, 0]), MachineSid::domain)
    }

    /// Reports whether an enabled account of the name exists, and returns the logon that it results in.
    fn check_account(&self, report: &mut Report) -> Option<LocalLogon> {
        report.title("account");
        let record = match self.accounts.as_ref().map(|accounts| accounts.find(&self.user)) {
            None => {
                let file = self.paths.accounts.display();
                report.line(Check::Info, &format!("the accounts file {file} does not exist"));
                None
            }
            Some(Err(error)) => {
                report.line(Check::Failed, &format!("cannot use the accounts file: {error}"));
                return None;
            }
            Some(Ok(record)) => record,
        };
        match record.as_ref().map(|record| record.state) {
            Some(EnabledState::Disabled) => {
                let remedy = format!("telarch account enable {}", self.user);
                report
                    .line(Check::Failed, &format!("the account in the accounts file is disabled ({remedy})"));
                return None;
            }
            Some(EnabledState::Enabled) => {
                report.line(Check::Passed, "the account in the accounts file is enabled");
            }
            None if self.accounts.is_none() => {}
            None => report.line(Check::Info, "the accounts file has no such account"),
        }
        match self.users.find(&self.user) {
            Ok(Some(user)) => report.line(Check::Passed, &format!("user {} of this machine", user.uid)),
            Ok(None) => report.line(Check::Info, "this machine has no such user"),
            Err(error) => {
                report.line(Check::Failed, &format!("cannot read the users of this machine: {error}"));
            }
        }
        let logon = self.principals.logon(&self.user);
        if logon.is_none() {
            let reason = match self.serving {
                ServiceScope::Machine => {
                    "unknown user: neither this machine nor the accounts file has this name"
                }
                ServiceScope::OneUser { .. } => {
                    "a service of one user accepts only that user and accounts of the accounts file"
                }
            };
            report.line(Check::Failed, reason);
        }
        logon
    }

    /// Reports that no scheme is available to the account, and what to do.
    fn deny_sign_in(&self, verdict: &str, report: &mut Report) {
        report.title(&format!("{verdict}: no authentication scheme is available to the account"));
        let record = self.accounts.as_ref().and_then(|accounts| accounts.find(&self.user).ok().flatten());
        // The remedies for this account, whatever others have.
        let passwords = usize::from(record.is_some());
        let facts = SignInFacts {
            nt_hashes: 0,
            linux_nt_hashes: 0,
            outdated_nt_hashes: 0,
            foreign_nt_hashes: 0,
            passwords,
            ..self.sign_in.clone()
        };
        for remedy in SignInReport::new(&facts).remedies {
            report.line(Check::Info, &remedy.replace("NAME", &self.user));
        }
    }

    /// Reports the authentication schemes; returns from where the account can sign in.
    fn check_sign_in(&self, logon: &LocalLogon, report: &mut Report) -> Reach {
        report.title("authentication");
        let is_unix = matches!(logon.user, LocalUser::Unix { .. });
        let record = self.accounts.as_ref().and_then(|accounts| accounts.find(&self.user).ok().flatten());
        if is_unix {
            report.line(Check::Passed, "local programs, by the Unix socket (verified by the kernel)");
        }
        let schemes = self.schemes(is_unix, record.as_ref());
        let auth = &self.settings.config.service.auth;
        for (check, text) in &schemes {
            report.line(*check, text);
        }
        if auth.basic && !self.settings.config.service.allow_unencrypted {
            report.line(Check::Info, "Basic requires HTTPS: Service.AllowUnencrypted is off");
        }
        let listeners = self.settings.listeners.iter().filter(|listener| listener.enabled).count();
        let listeners = match listeners {
            0 => "no listener is enabled; only local programs can connect".to_owned(),
            count => format!("enabled listeners: {count}"),
        };
        report.line(Check::Info, &listeners);
        match schemes.iter().any(|(check, _)| *check == Check::Passed) {
            true => Reach::Network,
            false if is_unix => Reach::Local,
            false => Reach::None,
        }
    }

    /// Returns the schemes of the account, each with a description or the reason why it does not work.
    pub(super) fn schemes(&self, is_unix: bool, record: Option<&Record>) -> Vec<(Check, String)> {
        let mut schemes = vec![self.password_scheme(is_unix, record)];
        schemes.extend(self.ntlm_scheme(record));
        schemes.push(self.kerberos_scheme());
        schemes.extend(self.certificate_scheme());
        schemes
    }

    fn kerberos_scheme(&self) -> (Check, String) {
        let auth = &self.settings.config.service.auth;
        if !auth.kerberos && !auth.negotiate {
            let text = "no Kerberos: Service.Auth.Kerberos and Service.Auth.Negotiate are off";
            return (Check::Info, text.to_owned());
        }
        match &self.sign_in.kerberos {
            Ok(()) => (Check::Passed, "Kerberos, if a rule maps the principal to the account".to_owned()),
            Err(reason) => (Check::Info, format!("no Kerberos: {reason}")),
        }
    }

    fn certificate_scheme(&self) -> Option<(Check, String)> {
        if !self.settings.config.service.auth.certificate {
            return None;
        }
        Some(match self.sign_in.certificate_mappings {
            0 => (Check::Info, "no client certificate is mapped to an account".to_owned()),
            _ => (Check::Passed, "client certificate, if a mapping leads to the account".to_owned()),
        })
    }

    fn password_scheme(&self, is_unix: bool, record: Option<&Record>) -> (Check, String) {
        let has_record = record.is_some_and(|record| !record.password.is_never());
        let is_verified_by_pam = is_unix && self.has_pam && self.serving == ServiceScope::Machine;
        if !has_record && !is_verified_by_pam {
            let text = "no password: the account is not in the accounts file, and PAM is not used";
            return (Check::Info, text.to_owned());
        }
        let password =
            if has_record { "password of the accounts file" } else { "password of the Linux user (PAM)" };
        let auth = &self.settings.config.service.auth;
        let needs_https = !self.sign_in.https && !self.sign_in.allow_unencrypted;
        let has_listener = self.sign_in.http || self.sign_in.https;
        if auth.basic && !auth.credssp && has_listener && needs_https {
            let text = format!(
                "cannot use the {password}: Basic requires a listener for HTTPS (winrm quickconfig -transport:https)"
            );
            return (Check::Info, text);
        }
        match (auth.basic, auth.credssp) {
            (false, false) => {
                let text =
                    format!("cannot use the {password}: Service.Auth.Basic and Service.Auth.CredSSP are off");
                (Check::Info, text)
            }
            (true, false) => (Check::Passed, format!("{password}, with Basic")),
            (false, true) => (Check::Passed, format!("{password}, with CredSSP")),
            (true, true) => (Check::Passed, format!("{password}, with Basic or CredSSP")),
        }
    }

    fn ntlm_scheme(&self, record: Option<&Record>) -> Option<(Check, String)> {
        let record = record.filter(|_| self.settings.config.service.auth.negotiate)?;
        if let Some(password) = record.linux_password() {
            let state = LinuxUsers::of_this_machine().state_of(&record.name, password, SystemTime::now());
            let reason = match state {
                Ok(NtHashState::Current) => {
                    let text = "password of the Linux user, with Negotiate (NTLM)";
                    return Some((Check::Passed, text.to_owned()));
                }
                Ok(NtHashState::Outdated) => {
                    "the password of the Linux user was changed or locked since; a local sign-in renews the NT hash"
                }
                Ok(NtHashState::Expired) => "the Linux account or its password has expired",
                Ok(NtHashState::NoUser) => "the Linux user no longer exists",
                Err(_) => {
                    "the shadow file, which decides about the NT hash of the Linux user, cannot be read"
                }
            };
            return Some((Check::Info, format!("no NTLM: {reason}")));
        }
        Some(if record.nt_hash.is_some() {
            (Check::Passed, "password of the accounts file, with Negotiate (NTLM)".to_owned())
        } else {
            (Check::Info, "no NTLM: the accounts file has no NT hash of the account".to_owned())
        })
    }

    /// Lists the SIDs that security descriptors see.
    fn list_identity(&self, logon: &LocalLogon, token: &Token, report: &mut Report) {
        report.title("identity");
        report.line(Check::Info, &format!("user {}", self.described(token.user())));
        for group in token.groups() {
            report.line(Check::Info, &format!("member of {}", self.described(group)));
        }
        if logon.roles.is_empty() {
            let source = match logon.user {
                LocalUser::Unix { .. } => "group of this machine",
                _ => "role in the accounts file",
            };
            report.line(Check::Info, &format!("no {source} makes the user a member of a Windows group"));
        }
    }

    /// Name and SID, or the SID alone if it has no name.
    pub(super) fn described(&self, sid: Sid) -> String {
        match self.principals.name_of(sid, self.machine()) {
            Some(name) => format!("{name} ({})", sid.numeric()),
            None => Principal::Sid(sid).describe(),
        }
    }
}
