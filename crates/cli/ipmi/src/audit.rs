//! `telarch ipmi audit`: weaknesses of controllers, with remedies.
//!
//! The checks of [`outside`] need no session; those of [`inside`] need an administrator.

mod inside;
mod outside;

use std::net::SocketAddr;
use std::time::Duration;

use ipmi::proto::{Login, Privilege, Timing};
use serde_json::Value;

use super::hosts::Host;
use super::report::{Answer, Report, Row};
use super::targets::Targets;
use super::{parallel, scan, sign_in};
use cli_command::Failure;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    /// An attacker can gain access with little or no effort.
    Critical,
    /// Attacks become easier.
    Warning,
    /// Information.
    Note,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A weakness with its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    severity: Severity,
    description: String,
    remedy: String,
}

impl Finding {
    fn new(severity: Severity, description: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity, description: description.into(), remedy: remedy.into() }
    }
}

/// Audits all controllers; a critical finding makes the exit status 1.
pub(super) fn run(targets: Targets) -> Result<String, Failure> {
    let login = if targets.user_name.is_empty() {
        None
    } else {
        Some(sign_in::login(&targets, Privilege::Administrator)?)
    };
    let Targets { hosts, parallel, limit, format, user_name, .. } = targets;
    let timing = Timing { limit, ..Timing::default() };
    scan::raise_open_file_limit();
    let mut report = Report::new(hosts.clone(), format).ending_unread();
    let (total, mut critical) = (hosts.len(), 0);
    let begin = |host: Host| {
        let (login, user) = (host.stored_login().cloned().or_else(|| login.clone()), user_name.clone());
        async move { audit_one(&host, &user, login, timing).await }
    };
    let take = |report: &mut Report, index, answer: Result<Answer, String>| {
        critical += usize::from(answer.as_ref().is_ok_and(is_critical));
        report.add(index, answer);
    };
    parallel::runtime()?.block_on(parallel::each(hosts, parallel, &mut report, begin, take));
    let failed = report.finish()?.map(|failure| failure.to_string());
    let found = (critical > 0).then(|| format!("{critical} of {total} controllers with critical findings"));
    match [failed, found].into_iter().flatten().collect::<Vec<_>>().as_slice() {
        [] => Ok(String::new()),
        messages => Err(Failure::Failed(messages.join("\ntelarch: "))),
    }
}

fn is_critical(answer: &Answer) -> bool {
    let mut fields = answer.rows.iter().flatten();
    fields.any(|(name, value)| *name == "severity" && value == Severity::Critical.name())
}

async fn audit_one(host: &Host, user: &str, login: Option<Login>, timing: Timing) -> Result<Answer, String> {
    let address: SocketAddr = parallel::address(host).await?;
    let sighting = ipmi::discover(address, timing.limit).await.map_err(|error| error.to_string())?;
    let mut findings = outside::check_capabilities(&sighting);
    // A controller that drops rejected packets would otherwise delay each attempt by the full timeout.
    let quick = Timing { limit: timing.limit.min(Duration::from_secs(5)), ..timing };
    findings.extend(outside::try_logins(address, user, quick).await);
    if let Some(login) = login {
        match inside::check(address, login, timing).await {
            Ok(more) => findings.extend(more),
            Err(error) => {
                let first = error.to_string();
                let first = first.lines().next().unwrap_or_default();
                findings.push(Finding::new(
                    Severity::Note,
                    format!("users and settings were not checked: {first}"),
                    "sign in as an administrator",
                ));
            }
        }
    } else {
        findings.push(Finding::new(
            Severity::Note,
            "users and settings were not checked: no user was given",
            "name an administrator with -U",
        ));
    }
    findings.sort_by_key(|finding| finding.severity);
    Ok(Answer::new(findings.iter().map(line).collect(), findings.iter().map(row).collect()))
}

fn line(finding: &Finding) -> String {
    let Finding { severity, description, remedy } = finding;
    format!("{:<8} | {description}\n         | {remedy}\n", severity.name())
}

fn row(finding: &Finding) -> Row {
    vec![
        ("severity", Value::from(finding.severity.name())),
        ("finding", Value::from(finding.description.clone())),
        ("way_out", Value::from(finding.remedy.clone())),
    ]
}
