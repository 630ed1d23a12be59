//! What a check has found.

use std::time::Duration;

use crate::failure::{Failure, Kind};

/// One thing that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// Whether the name of the host has an address.
    Name,
    /// Whether somebody accepts connections at the port.
    Port,
    /// TLS: the certificate and who signed it.
    Tls,
    /// Who answers, asked by nobody.
    Identify,
    /// By which schemes one can sign in.
    Schemes,
    /// Which realm of Kerberos there is.
    Realm,
    /// Whether a KDC answers for it.
    Kdc,
    /// Whether the clocks agree.
    Clock,
    /// Whether the realm lets the user in.
    Ticket,
    /// Whether the realm knows the service.
    Spn,
    /// Signing in as the command line says.
    SignIn,
    /// The same by one scheme.
    By(Scheme),
    /// Whether the settings may be read.
    Access,
    /// How much of what is allowed is used up.
    Quotas,
    /// A shell, a command in it, and its exit code.
    Shell,
    /// How long a request takes.
    Latency,
    /// How much comes through.
    Throughput,
    /// The unit of the service manager.
    Unit,
    /// The file of settings.
    Settings,
    /// The files of policy.
    Policy,
    /// What `telarchd --check` says.
    Configuration,
    /// The files of accounts and keys.
    Accounts,
    /// Whether the service answers on its socket.
    Socket,
    /// Whether another program has the port of a listener.
    Ports,
    /// Whether each listener listens.
    Listeners,
    /// What listeners show in TLS.
    Certificates,
    /// Whether other machines come through.
    Firewall,
}

/// A scheme that is tried beside the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// Kerberos alone.
    Kerberos,
    /// Kerberos or NTLM.
    Negotiate,
    /// The password itself, inside TLS.
    Basic,
    /// RFC 7616.
    Digest,
    /// MS-CSSP.
    CredSsp,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Pass,
    /// It works, and somebody should know.
    Warn,
    /// It does not work.
    Fail,
    /// It was not looked at.
    Skipped,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How it stands.
    pub verdict: Verdict,
    /// What was seen, or why nothing was, in one line.
    pub seen: String,
    /// What to do, one line each, the most likely first.
    pub fixes: Vec<String>,
    /// The sort of failure, of what has failed.
    pub kind: Option<Kind>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Check {
    /// As it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Port => "port",
            Self::Tls => "tls",
            Self::Identify => "identify",
            Self::Schemes => "schemes",
            Self::Realm => "realm",
            Self::Kdc => "kdc",
            Self::Clock => "clock",
            Self::Ticket => "ticket",
            Self::Spn => "spn",
            Self::SignIn => "sign-in",
            Self::By(scheme) => scheme.name(),
            Self::Access => "access",
            Self::Quotas => "quotas",
            Self::Shell => "shell",
            Self::Latency => "latency",
            Self::Throughput => "throughput",
            Self::Unit => "unit",
            Self::Settings => "settings",
            Self::Policy => "policy",
            Self::Configuration => "configuration",
            Self::Accounts => "accounts",
            Self::Socket => "socket",
            Self::Ports => "ports",
            Self::Listeners => "listeners",
            Self::Certificates => "certificates",
            Self::Firewall => "firewall",
        }
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Kerberos => "by kerberos",
            Self::Negotiate => "by negotiate",
            Self::Basic => "by basic",
            Self::Digest => "by digest",
            Self::CredSsp => "by credssp",
        }
    }
}

impl Verdict {
    /// As it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skip",
        }
    }
}

/// What came of looking, before it is known which check it was and how long it took.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    pub(super) seen: String,
    pub(super) fixes: Vec<String>,
    pub(super) kind: Option<Kind>,
}

impl Outcome {
    fn new(verdict: Verdict, seen: impl Into<String>, kind: Option<Kind>) -> Self {
        Self { verdict, seen: seen.into(), fixes: Vec::new(), kind }
    }

    pub(super) fn pass(seen: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, seen, None)
    }

    pub(super) fn warn(seen: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, seen, None)
    }

    pub(super) fn fail(kind: Kind, seen: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, seen, Some(kind))
    }

    pub(super) fn skip(why: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, why, None)
    }

    /// Adds what to do, behind what was said before.
    pub(super) fn fix(mut self, line: impl Into<String>) -> Self {
        self.fixes.push(line.into());
        self
    }

    pub(super) fn fixes(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.fixes.extend(lines);
        self
    }

    /// Adds what to do first.
    pub(super) fn first_fix(mut self, line: impl Into<String>) -> Self {
        self.fixes.insert(0, line.into());
        self
    }

    /// The same where it does not stop anything.
    pub(super) fn only_a_warning(self) -> Self {
        Self { verdict: Verdict::Warn, kind: None, ..self }
    }

    /// Nothing else is known of it.
    pub(super) fn alone(self) -> (Self, Option<()>) {
        (self, Some(()))
    }
}

impl From<&Failure> for Outcome {
    fn from(failure: &Failure) -> Self {
        // Who reads this has come to the doctor already.
        let fixes = failure.way_out().into_iter().filter(|line| !line.contains("winrm doctor"));
        Self::fail(failure.kind(), failure.headline()).fixes(fixes)
    }
}
