//! The file of settings, and what the service itself says about all of its files.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;

use config::{Policies, State, Store, StoreError};

use super::{Place, Whose, enabled, output, program, seconds};
use crate::doctor::Check;
use crate::doctor::finding::Outcome;
use crate::doctor::round::Round;
use crate::failure::Kind;

/// Reads what policy demands, as the service does.
pub(super) async fn policy(place: &Place) -> (Outcome, Option<()>) {
    let folder = &place.paths.policies;
    let policies = match Policies::of_folder(folder) {
        Ok(policies) => policies,
        Err(StoreError::Disk { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            return Outcome::skip(format!("this user may not read {}: ask root", folder.display())).alone();
        }
        Err(error) => return told(&error.to_string(), Outcome::fail(Kind::Usage, String::new())).alone(),
    };
    let governed: Vec<String> = policies.iter().map(|demand| demand.target.to_string()).collect();
    if let Some(unknown) = policies.unknown().first() {
        return Outcome::warn(format!(
            "{} of {} is no policy that is known here",
            unknown.name, unknown.origin
        ))
        .fix("telarch policy list names those that are")
        .alone();
    }
    match governed.as_slice() {
        [] => Outcome::pass(format!("no policy governs it ({})", folder.display())),
        all => Outcome::pass(format!("a policy governs {}", all.join(", "))),
    }
    .alone()
}

/// Reads the settings as the service does.
pub(super) async fn settings(place: &Place) -> (Outcome, Option<Arc<State>>) {
    let path = &place.paths.config;
    if !path.exists() && path.parent().is_none_or(|folder| !folder.exists()) {
        let outcome = Outcome::warn(format!(
            "there is no {}: everything has its default, and nobody is served",
            path.display()
        ))
        .fix(add_a_listener(place));
        return (outcome, Some(Arc::default()));
    }
    match Store::open(path) {
        Err(StoreError::Disk { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            (Outcome::skip(format!("this user may not read {}: ask root", path.display())), None)
        }
        Err(error) => {
            let outcome = told(&error.to_string(), Outcome::fail(Kind::Usage, String::new()));
            let is_in_it = matches!(error, StoreError::Content { .. }) && outcome.fixes.is_empty();
            let fix = "mend that line; telarch config show lists every setting as it is written";
            (if is_in_it { outcome.fix(fix) } else { outcome }, None)
        }
        Ok(store) => {
            let state = store.state();
            let on = enabled(&state).len();
            let outcome = match (path.exists(), on) {
                (_, 0) => Outcome::warn("no listener is enabled: only programs of this machine are served")
                    .fix(add_a_listener(place)),
                (false, _) => {
                    Outcome::pass(format!("there is no {} yet: everything has its default", path.display()))
                }
                (true, on) => Outcome::pass(format!(
                    "{} is understood, listeners that are enabled: {on}",
                    path.display()
                )),
            };
            (outcome, Some(state))
        }
    }
}

fn add_a_listener(place: &Place) -> String {
    let path = place.paths.config.display();
    format!(
        "winrm quickconfig -transport:https, or in {path}: [[Listener]] with Address = \"*\" and Transport = \"HTTPS\""
    )
}

/// Has the service judge its own files: each thing it finds is a finding of its own.
pub(super) async fn judge(place: &Place, round: &mut Round<'_>) -> io::Result<()> {
    let check = Check::Configuration;
    if round.failed(&[Check::Settings]).is_some() {
        return round.skip(check, &[Check::Settings], "");
    }
    let Some(telarchd) = program("telarchd") else {
        return round.skip(check, &[], "telarchd is not installed, which would judge it");
    };
    if place.whose == Whose::Machine && !rustix::process::geteuid().is_root() {
        return round.skip(
            check,
            &[],
            "only root may have telarchd --check look at the service of the machine",
        );
    }
    let paths = &place.paths;
    let words = [
        OsStr::new("--check"),
        OsStr::new("--config"),
        paths.config.as_os_str(),
        OsStr::new("--state"),
        paths.state.as_os_str(),
        // Only its command line says by whom a service that was named has the network read.
        OsStr::new("--gateway-user"),
        OsStr::new("nobody"),
    ];
    // Where the usual files are missing that is no slip of the pen.
    let words = match place.whose {
        Whose::Machine => words.get(..1).unwrap_or_default(),
        Whose::Other if rustix::process::geteuid().is_root() => &words,
        Whose::Other => words.get(..5).unwrap_or_default(),
    };
    let limit = seconds(20);
    let Ok(said) = tokio::time::timeout(limit.after, output(&telarchd, words)).await else {
        return round.note(check, limit.late);
    };
    match said {
        Err(error) => round.skip(check, &[], &format!("{} cannot be started: {error}", telarchd.display())),
        Ok(said) => {
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            let found = findings(&text);
            if found.is_empty() && said.status.success() {
                return round.note(check, Outcome::pass("telarchd --check finds nothing wrong"));
            }
            if found.is_empty() {
                let why = String::from_utf8_lossy(&said.stderr).lines().next().unwrap_or_default().to_owned();
                return round
                    .note(check, Outcome::fail(Kind::Fault, format!("telarchd --check failed: {why}")));
            }
            found.into_iter().try_for_each(|outcome| round.note(check, outcome))
        }
    }
}

/// What `telarchd --check` prints: a line for each thing, and what to do about it on indented ones.
fn findings(text: &str) -> Vec<Outcome> {
    let mut found: Vec<Outcome> = Vec::new();
    for line in text.lines() {
        if let Some(seen) = line.strip_prefix("error: ") {
            found.push(told(seen, Outcome::fail(Kind::Usage, String::new())));
        } else if let Some(seen) = line.strip_prefix("warning: ") {
            found.push(told(seen, Outcome::warn(String::new())));
        } else if let (Some(fix), Some(last)) = (line.strip_prefix("  "), found.last_mut()) {
            last.fixes.push(fix.trim().to_owned());
        }
    }
    found
}

/// The first line of an error says what is wrong, the others what to do; where there is one line, the part behind its
/// last colon does, if it is a command.
fn told(text: &str, outcome: Outcome) -> Outcome {
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
    fn what_the_service_finds_in_its_files_becomes_findings() {
        let text = "error: account ada: its NT hash is of elsewhere (/x/accounts)\n  give it a password: telarch\n\
                    warning: /x is writable by all users: run chmod o-w /x after reviewing its contents\n\
                    /x/config.toml: errors: 1, warnings: 1\n";
        let found = findings(text);
        let told: Vec<_> = found
            .iter()
            .map(|outcome| (outcome.verdict, outcome.seen.as_str(), outcome.fixes.join("|")))
            .collect();
        assert_eq!(
            told,
            [
                (
                    Verdict::Fail,
                    "account ada: its NT hash is of elsewhere (/x/accounts)",
                    "give it a password: telarch".to_owned()
                ),
                (
                    Verdict::Warn,
                    "/x is writable by all users",
                    "chmod o-w /x after reviewing its contents".to_owned()
                ),
            ]
        );
        assert!(findings("/x/config.toml: nothing is wrong\n").is_empty());
    }
}
