//! The gates between somebody and the service, from the outside to the inside.

use accounts::{FileAccounts, LocalLogon, LocalPrincipals, LocalUser, MachineSid, ServiceScope, UnixUsers};
use auth::account_file::EnabledState;
use config::{Paths, State};
use sddl::linux::Proof;
use sddl::{DomainSid, Principal, Sid, Token};

/// Everything that is known before the first gate.
pub(super) struct Asked {
    pub(super) user: String,
    /// The URI of the one resource that matters.
    pub(super) resource: Option<String>,
    pub(super) paths: Paths,
    pub(super) settings: State,
    pub(super) serving: ServiceScope,
    pub(super) users: UnixUsers,
    pub(super) accounts: Option<FileAccounts>,
    pub(super) principals: LocalPrincipals,
    pub(super) machine: Option<MachineSid>,
    pub(super) has_pam: bool,
}

/// What has been found out, line by line, with the gates that are shut.
#[derive(Default)]
pub(super) struct Report {
    text: String,
}

/// Whether a gate lets somebody through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    Shut,
    /// It only tells something.
    Told,
}

impl Report {
    pub(super) fn title(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.text.push('\n');
    }

    pub(super) fn line(&mut self, gate: Gate, text: &str) {
        let sign = match gate {
            Gate::Open => '+',
            Gate::Shut => '-',
            Gate::Told => '.',
        };
        self.text.push_str(&format!("  {sign} {text}\n"));
    }
}

impl Asked {
    pub(super) fn report(&self) -> String {
        let mut report = Report::default();
        let place = self.paths.config.display();
        let whose = match self.serving {
            ServiceScope::Machine => "the service of this machine".to_owned(),
            ServiceScope::OneUser { uid } => format!("the service of user {uid}"),
        };
        report.title(&format!("{} at {whose} ({place})", self.user));
        if self.machine.is_none() {
            let state = self.paths.state.display();
            report.line(Gate::Told, &format!("no service has run with {state} yet, so SIDs are examples"));
        }
        let Some(logon) = self.account(&mut report) else {
            self.stopped(&mut report, "the account");
            return report.text;
        };
        if !self.sources(&logon, &mut report) {
            self.stopped(&mut report, "signing in: nothing that is known can prove who they are");
            return report.text;
        }
        let machine = self.machine();
        let token = logon.token(machine, Proof::Password);
        self.identity(&logon, &token, &mut report);
        self.resources(&logon, &mut report);
        report.text
    }

    fn stopped(&self, report: &mut Report, what: &str) {
        report.title(&format!("stopped by {what}"));
    }

    pub(super) fn machine(&self) -> DomainSid {
        self.machine.map_or(DomainSid::new([0, 0, 0]), MachineSid::domain)
    }

    /// Whether there is an account of this name, and it may be used.
    fn account(&self, report: &mut Report) -> Option<LocalLogon> {
        report.title("account");
        let record = match self.accounts.as_ref().map(|accounts| accounts.find(&self.user)) {
            None => {
                report.line(Gate::Told, &format!("there is no file {}", self.paths.accounts.display()));
                None
            }
            Some(Err(error)) => {
                report.line(Gate::Shut, &format!("the file of accounts cannot be used: {error}"));
                return None;
            }
            Some(Ok(record)) => record,
        };
        match record.as_ref().map(|record| record.state) {
            Some(EnabledState::Disabled) => {
                let way_out = format!("telarch account enable {}", self.user);
                report.line(Gate::Shut, &format!("it is in the file of accounts, disabled ({way_out})"));
                return None;
            }
            Some(EnabledState::Enabled) => report.line(Gate::Open, "it is in the file of accounts, enabled"),
            None => report.line(Gate::Told, "it is not in the file of accounts"),
        }
        match self.users.find(&self.user) {
            Ok(Some(user)) => report.line(Gate::Open, &format!("it is user {} of this machine", user.uid)),
            Ok(None) => report.line(Gate::Told, "it is no user of this machine"),
            Err(error) => {
                report.line(Gate::Shut, &format!("the users of this machine cannot be read: {error}"));
            }
        }
        let logon = self.principals.logon(&self.user);
        if logon.is_none() {
            let why = match self.serving {
                ServiceScope::Machine => "nobody is called so, neither here nor in the file of accounts",
                ServiceScope::OneUser { .. } => {
                    "only accounts of the file and the user of the service itself may use the service of one user"
                }
            };
            report.line(Gate::Shut, why);
        }
        logon
    }

    /// What can prove who somebody is; whether anything can.
    fn sources(&self, logon: &LocalLogon, report: &mut Report) -> bool {
        report.title("signing in");
        let is_unix = matches!(logon.user, LocalUser::Unix { .. });
        let record = self.accounts.as_ref().and_then(|accounts| accounts.find(&self.user).ok().flatten());
        let has_record = record.is_some();
        let auth = &self.settings.config.service.auth;
        let mut is_possible = false;
        let mut source = |gate: Gate, text: &str| {
            is_possible |= gate == Gate::Open;
            report.line(gate, text);
        };
        if is_unix {
            source(
                Gate::Open,
                "a program of this machine, through the Unix socket: the kernel says who it is",
            );
        }
        let by_password = [(auth.basic, "Basic"), (auth.credssp, "CredSSP")];
        let on: Vec<&str> = by_password.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        let has_password = has_record || (is_unix && self.has_pam && self.serving == ServiceScope::Machine);
        let whose =
            if has_record { "the password of the file of accounts" } else { "the password that PAM knows" };
        match (has_password, on.as_slice()) {
            (false, _) => {
                source(Gate::Told, "no password: it is not in the file of accounts, and PAM is not asked");
            }
            (true, []) => source(
                Gate::Told,
                &format!("{whose} cannot be shown: Service.Auth.Basic and Service.Auth.CredSSP are off"),
            ),
            (true, on) => source(Gate::Open, &format!("{whose}, by {}", on.join(" and "))),
        }
        match (auth.negotiate, &record) {
            (true, Some(record)) if record.nt_hash.is_some() => {
                source(Gate::Open, "the password of the file of accounts, by Negotiate (NTLM)");
            }
            (true, Some(_)) => source(Gate::Told, "no NTLM: the file of accounts keeps no NT hash"),
            _ => {}
        }
        match auth.kerberos || auth.negotiate {
            true => source(
                Gate::Open,
                "a Kerberos ticket, if this machine has a keytab and a rule that leads to the account",
            ),
            false => {
                source(Gate::Told, "no Kerberos: Service.Auth.Kerberos and Service.Auth.Negotiate are off");
            }
        }
        if auth.certificate {
            source(Gate::Open, "a client certificate, if a mapping leads to the account");
        }
        if auth.basic && !self.settings.config.service.allow_unencrypted {
            report.line(Gate::Told, "Basic is for HTTPS: Service.AllowUnencrypted is off");
        }
        let listeners = self.settings.listeners.iter().filter(|listener| listener.enabled).count();
        match listeners {
            0 => report
                .line(Gate::Told, "no listener is enabled: only programs of this machine reach the service"),
            count => report.line(Gate::Told, &format!("listeners that are enabled: {count}")),
        }
        is_possible
    }

    /// Who they are to security descriptors.
    fn identity(&self, logon: &LocalLogon, token: &Token, report: &mut Report) {
        report.title("identity");
        report.line(Gate::Told, &format!("user {}", self.described(token.user())));
        let by_group = match logon.user {
            LocalUser::Unix { .. } => "of the groups of this machine",
            _ => "of its record",
        };
        for group in token.groups() {
            report.line(Gate::Told, &format!("member of {}", self.described(group)));
        }
        if logon.roles.is_empty() {
            report.line(Gate::Told, &format!("none {by_group} makes it a member of a group of Windows"));
        }
    }

    /// Name and SID, as far as there is a name.
    pub(super) fn described(&self, sid: Sid) -> String {
        match self.principals.name_of(sid, self.machine()) {
            Some(name) => format!("{name} ({})", sid.numeric()),
            None => Principal::Sid(sid).describe(),
        }
    }
}
