//! `telarch ipmi audit`: what is dangerous about controllers, and what to do about it.
//!
//! It looks from outside first, as anybody on the network can, and signs in if it is told as whom.

mod inside;
mod outside;

use std::net::SocketAddr;
use std::time::Duration;

use ipmi::proto::{Login, Privilege, Timing};
use serde_json::Value;

use super::arguments::Targets;
use super::hosts::Host;
use super::report::{Answer, Report, Row};
use super::{many, scan, sign_in};
use cli_command::Failure;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    /// Anybody can get in, or nearly.
    Critical,
    /// It makes attacks easier.
    Warning,
    /// Worth to be known.
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

/// Something that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    severity: Severity,
    what: String,
    /// What to do about it.
    way_out: String,
}

impl Finding {
    fn new(severity: Severity, what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { severity, what: what.into(), way_out: way_out.into() }
    }
}

/// Looks at all; a finding that is critical makes the exit status 1.
pub(super) fn run(targets: Targets) -> Result<String, Failure> {
    let login = if targets.user_name.is_empty() {
        None
    } else {
        Some(sign_in::login(&targets, Privilege::Administrator)?)
    };
    let Targets { hosts, parallel, limit, format, user_name, .. } = targets;
    let timing = Timing { limit, ..Timing::default() };
    scan::open_as_many_as_may_be();
    let mut report = Report::new(hosts.clone(), format).ending_unread();
    let (asked, mut critical) = (hosts.len(), 0);
    let begin = |host: Host| {
        let (login, user) = (host.stored_login().cloned().or_else(|| login.clone()), user_name.clone());
        async move { audit_one(&host, &user, login, timing).await }
    };
    let take = |report: &mut Report, index, answer: Result<Answer, String>| {
        critical += usize::from(answer.as_ref().is_ok_and(is_critical));
        report.add(index, answer);
    };
    many::runtime()?.block_on(many::each(hosts, parallel, &mut report, begin, take));
    let failed = report.finish()?.map(|failure| failure.to_string());
    let found = (critical > 0).then(|| format!("{critical} of {asked} with critical findings"));
    match [failed, found].into_iter().flatten().collect::<Vec<_>>().as_slice() {
        [] => Ok(String::new()),
        said => Err(Failure::Failed(said.join("\ntelarch: "))),
    }
}

fn is_critical(answer: &Answer) -> bool {
    let is_it = |(name, value): &(&str, Value)| *name == "severity" && value == Severity::Critical.name();
    answer.rows.iter().flatten().any(is_it)
}

async fn audit_one(host: &Host, user: &str, login: Option<Login>, timing: Timing) -> Result<Answer, String> {
    let address: SocketAddr = many::address(host).await?;
    let sighting = ipmi::discover(address, timing.limit).await.map_err(|error| error.to_string())?;
    let mut findings = outside::told(&sighting);
    // Trying is quick where a controller is there; one that drops what it does not like must not take for ever.
    let quick = Timing { limit: timing.limit.min(Duration::from_secs(5)), ..timing };
    findings.extend(outside::tried(address, user, quick).await);
    if let Some(login) = login {
        match inside::looked(address, login, timing).await {
            Ok(more) => findings.extend(more),
            Err(error) => {
                let first = error.to_string();
                let first = first.lines().next().unwrap_or_default();
                findings.push(Finding::new(
                    Severity::Note,
                    format!("users and settings were not looked at: {first}"),
                    "sign in as an administrator",
                ));
            }
        }
    } else {
        findings.push(Finding::new(
            Severity::Note,
            "users and settings were not looked at, because nobody has signed in",
            "name an administrator with -U",
        ));
    }
    findings.sort_by_key(|finding| finding.severity);
    let line = |finding: &Finding| {
        format!("{:<8} | {}\n         | {}\n", finding.severity.name(), finding.what, finding.way_out)
    };
    Ok(Answer::new(findings.iter().map(line).collect(), findings.iter().map(row).collect()))
}

fn row(finding: &Finding) -> Row {
    vec![
        ("severity", Value::from(finding.severity.name())),
        ("finding", Value::from(finding.what.clone())),
        ("way_out", Value::from(finding.way_out.clone())),
    ]
}
