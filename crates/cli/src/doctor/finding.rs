//! Checks and their findings.

use std::time::Duration;

use crate::failure::{Failure, Kind};

/// A check of the doctor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// DNS lookup of the host.
    Name,
    /// TCP connection to the port.
    Port,
    /// TLS handshake and server certificate.
    Tls,
    /// Identify request without credentials.
    Identify,
    /// Authentication schemes that the service offers.
    Schemes,
    /// Kerberos realm.
    Realm,
    /// Reachability of a KDC of the realm.
    Kdc,
    /// Clock difference to the service.
    Clock,
    /// Kerberos ticket of the user.
    Ticket,
    /// Kerberos principal of the service.
    Spn,
    /// Sign-in with the credentials of the command line.
    SignIn,
    /// Sign-in with another authentication scheme.
    By(Scheme),
    /// Permission to read the configuration.
    Access,
    /// Quotas and their current use.
    Quotas,
    /// Shell, command and exit code.
    Shell,
    /// Response time of a request.
    Latency,
    /// Throughput of command output.
    Throughput,
    /// systemd units of the local service.
    Unit,
    /// Configuration file of the local service.
    Settings,
    /// Policy files of the local service.
    Policy,
    /// Result of `telarchd --check`.
    Configuration,
    /// Account file of the local service.
    Accounts,
    /// Response of the local service on its Unix socket.
    Socket,
    /// Conflicts of the listener ports with other programs.
    Ports,
    /// State of the listeners.
    Listeners,
    /// Certificates of the HTTPS listeners.
    Certificates,
    /// Firewall rules for the listener ports.
    Firewall,
    /// Data sources of WMI classes.
    Sources,
    /// PowerShell, for PowerShell remoting.
    PowerShell,
}

/// An authentication scheme that is tried in addition to the requested one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// Kerberos only.
    Kerberos,
    /// Kerberos or NTLM.
    Negotiate,
    /// Basic authentication (RFC 7617).
    Basic,
    /// Digest authentication (RFC 7616).
    Digest,
    /// CredSSP (MS-CSSP).
    CredSsp,
}

/// Result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No problem was found.
    Pass,
    /// The check succeeded, but there is a potential problem.
    Warn,
    /// The check failed.
    Fail,
    /// The check did not run.
    Skipped,
}

/// Finding of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Check that produced the finding.
    pub check: Check,
    /// Result of the check.
    pub verdict: Verdict,
    /// Observation, or the reason why the check was skipped, in one line.
    pub seen: String,
    /// Suggested fixes, one line each, the most likely first.
    pub fixes: Vec<String>,
    /// Kind of failure, if the check failed.
    pub kind: Option<Kind>,
    /// Duration of the check.
    pub elapsed: Duration,
}

impl Check {
    /// Returns the name shown in the output.
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
            Self::Sources => "sources",
            Self::PowerShell => "powershell",
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
    /// Returns the word shown in the output.
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

/// Result of a check, without the check itself and its duration.
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

    /// Appends a suggested fix.
    pub(super) fn fix(mut self, line: impl Into<String>) -> Self {
        self.fixes.push(line.into());
        self
    }

    pub(super) fn fixes(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.fixes.extend(lines);
        self
    }

    /// Inserts a suggested fix before the others.
    pub(super) fn first_fix(mut self, line: impl Into<String>) -> Self {
        self.fixes.insert(0, line.into());
        self
    }

    /// Converts a failure to a warning.
    pub(super) fn into_warning(self) -> Self {
        Self { verdict: Verdict::Warn, kind: None, ..self }
    }

    /// Returns the outcome as the result of a check without data for later checks.
    pub(super) fn without_data(self) -> (Self, Option<()>) {
        (self, Some(()))
    }
}

impl From<&Failure> for Outcome {
    fn from(failure: &Failure) -> Self {
        // Omit advice to run the doctor.
        let fixes = failure.way_out().into_iter().filter(|line| !line.contains("winrm doctor"));
        Self::fail(failure.kind(), failure.headline()).fixes(fixes)
    }
}
