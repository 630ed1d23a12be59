//! Checks of the configuration and policy files.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;

use auth::SignInReport;
use config::{Policies, State, Store, StoreError};

use super::{LocalService, Owner, enabled, output, program, seconds};
use crate::doctor::Check;
use crate::doctor::finding::Outcome;
use crate::doctor::runner::CheckRunner;
use crate::failure::Kind;

/// Checks the policy files.
pub(super) async fn policy(service: &LocalService) -> (Outcome, Option<()>) {
    let folder = &service.paths.policies;
    let policies = match Policies::of_folder(folder) {
        Ok(policies) => policies,
        Err(StoreError::Disk { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            return Outcome::skip(format!("cannot read {}: run as root", folder.display())).without_data();
        }
        Err(error) => {
            return split_message(&error.to_string(), Outcome::fail(Kind::Usage, String::new()))
                .without_data();
        }
    };
    let governed: Vec<String> = policies.iter().map(|demand| demand.target.to_string()).collect();
    if let Some(unknown) = policies.unknown().first() {
        return Outcome::warn(format!("unknown policy {} in {}", unknown.name, unknown.origin))
            .fix("run telarch policy list for a list of policies")
            .without_data();
    }
    match governed.as_slice() {
        [] => Outcome::pass(format!("no setting is set by policy ({})", folder.display())),
        all => Outcome::pass(format!("set by policy: {}", all.join(", "))),
    }
    .without_data()
}

/// Checks the configuration file and returns the settings.
pub(super) async fn settings(service: &LocalService) -> (Outcome, Option<Arc<State>>) {
    let path = &service.paths.config;
    if !path.exists() && path.parent().is_none_or(|folder| !folder.exists()) {
        let outcome = Outcome::warn(format!(
            "{} does not exist: defaults apply, and no listener is enabled",
            path.display()
        ))
        .fix(add_a_listener(service));
        return (outcome, Some(Arc::default()));
    }
    match Store::open(path) {
        Err(StoreError::Disk { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            (Outcome::skip(format!("cannot read {}: run as root", path.display())), None)
        }
        Err(error) => {
            let outcome = split_message(&error.to_string(), Outcome::fail(Kind::Usage, String::new()));
            let needs_fix = matches!(error, StoreError::Content { .. }) && outcome.fixes.is_empty();
            let fix = "correct that line; telarch config show lists the valid settings";
            (if needs_fix { outcome.fix(fix) } else { outcome }, None)
        }
        Ok(store) => {
            let state = store.state();
            let on = enabled(&state).len();
            let outcome = match (path.exists(), on) {
                (_, 0) => Outcome::warn("no listener is enabled: only local programs can connect")
                    .fix(add_a_listener(service)),
                (false, _) => Outcome::pass(format!("{} does not exist: defaults apply", path.display())),
                (true, 1) => Outcome::pass(format!("{} is valid; 1 listener enabled", path.display())),
                (true, on) => Outcome::pass(format!("{} is valid; {on} listeners enabled", path.display())),
            };
            (outcome, Some(state))
        }
    }
}

fn add_a_listener(service: &LocalService) -> String {
    let path = service.paths.config.display();
    format!(
        "run winrm quickconfig -transport:https, or add to {path}: [[Listener]] with Address = \"*\" and Transport = \"HTTPS\""
    )
}

/// Runs `telarchd --check` and records each problem as a separate finding, except that of a service without a usable
/// scheme, which is returned: a running service knows better, because it has its own command line.
pub(super) async fn verify(
    service: &LocalService,
    runner: &mut CheckRunner<'_>,
) -> io::Result<Option<Outcome>> {
    let check = Check::Configuration;
    if runner.failed(&[Check::Settings]).is_some() {
        return runner.skip(check, &[Check::Settings], "").map(|()| None);
    }
    let Some(telarchd) = program("telarchd") else {
        return runner.skip(check, &[], "telarchd is not installed").map(|()| None);
    };
    if service.owner == Owner::Machine && !rustix::process::geteuid().is_root() {
        let reason = "telarchd --check requires root for the service of the machine";
        return runner.skip(check, &[], reason).map(|()| None);
    }
    let paths = &service.paths;
    let words = [
        OsStr::new("--check"),
        OsStr::new("--config"),
        paths.config.as_os_str(),
        OsStr::new("--state"),
        paths.state.as_os_str(),
        // The gateway user of a service selected by its files is known only from its command line.
        OsStr::new("--gateway-user"),
        OsStr::new("nobody"),
    ];
    // With explicit paths, telarchd reports missing files as an error; for the default files it does not.
    let words = match service.owner {
        Owner::Machine => words.get(..1).unwrap_or_default(),
        Owner::Other if rustix::process::geteuid().is_root() => &words,
        Owner::Other => words.get(..5).unwrap_or_default(),
    };
    let limit = seconds(20);
    let Ok(result) = tokio::time::timeout(limit.after, output(&telarchd, words)).await else {
        return runner.record(check, limit.late).map(|()| None);
    };
    let printed = match result {
        Ok(printed) => printed,
        Err(error) => {
            let reason = format!("cannot start {}: {error}", telarchd.display());
            return runner.skip(check, &[], &reason).map(|()| None);
        }
    };
    let found = findings(&String::from_utf8_lossy(&printed.stdout));
    let (problem, found): (Vec<Outcome>, Vec<Outcome>) =
        found.into_iter().partition(|own| SignInReport::describes(&own.seen));
    let problem = problem.into_iter().next().map(|own| Outcome { kind: Some(Kind::Authentication), ..own });
    if !found.is_empty() {
        found.into_iter().try_for_each(|outcome| runner.record(check, outcome))?;
    } else if printed.status.success() || problem.is_some() {
        runner.record(check, Outcome::pass("telarchd --check found no problems"))?;
    } else {
        let errors = String::from_utf8_lossy(&printed.stderr);
        let seen = format!("telarchd --check failed: {}", errors.lines().next().unwrap_or_default());
        runner.record(check, Outcome::fail(Kind::Fault, seen))?;
    }
    Ok(problem)
}

/// Parses the output of `telarchd --check`: one line per problem, followed by indented lines with fixes.
fn findings(text: &str) -> Vec<Outcome> {
    let mut found: Vec<Outcome> = Vec::new();
    for line in text.lines() {
        if let Some(seen) = line.strip_prefix("error: ") {
            found.push(split_message(seen, Outcome::fail(Kind::Usage, String::new())));
        } else if let Some(seen) = line.strip_prefix("warning: ") {
            found.push(split_message(seen, Outcome::warn(String::new())));
        } else if let (Some(fix), Some(last)) = (line.strip_prefix("  "), found.last_mut()) {
            last.fixes.push(fix.trim().to_owned());
        }
    }
    found
}

/// Splits a message into observation and fixes: the first line is the observation, the others are fixes. In a single
/// line, a command after the last `: run ` is the fix.
fn split_message(text: &str, outcome: Outcome) -> Outcome {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let outcome =
        Outcome { seen: first.to_owned(), ..outcome }.fixes(lines.map(|line| line.trim().to_owned()));
    match first.rsplit_once(": run ") {
        Some((seen, command)) if outcome.fixes.is_empty() => {
            Outcome { seen: seen.to_owned(), ..outcome.clone() }.fix(command.to_owned())
        }
        _ => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn the_output_of_telarchd_check_is_parsed() {
        let text = "error: account ada: its NT hash is of elsewhere (/x/accounts)\n  give it a password: telarch\n\
                    warning: /x may be written by everyone: run chmod o-w /x after reading what is in it\n\
                    /x/config.toml: errors: 1, warnings: 1\n";
        let found = findings(text);
        let parsed: Vec<_> = found
            .iter()
            .map(|outcome| (outcome.verdict, outcome.seen.as_str(), outcome.fixes.join("|")))
            .collect();
        assert_eq!(
            parsed,
            [
                (
                    Verdict::Fail,
                    "account ada: its NT hash is of elsewhere (/x/accounts)",
                    "give it a password: telarch".to_owned()
                ),
                (
                    Verdict::Warn,
                    "/x may be written by everyone",
                    "chmod o-w /x after reading what is in it".to_owned()
                ),
            ]
        );
        assert!(findings("/x/config.toml: nothing is wrong\n").is_empty());
    }
}
