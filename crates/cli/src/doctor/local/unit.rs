//! Check of the systemd units.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use super::{output, program};
use crate::doctor::finding::Outcome;
use crate::failure::Kind;

pub(super) async fn check() -> (Outcome, Option<()>) {
    let Some(systemctl) = program("systemctl") else {
        return Outcome::skip("systemd is not installed").without_data();
    };
    let words = ["show", "telarchd.service", "telarchd.socket", "--property", PROPERTIES];
    let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    let shown = match output(&systemctl, &words).await {
        Ok(shown) if shown.status.success() => shown,
        Ok(shown) => {
            let reason = String::from_utf8_lossy(&shown.stderr).lines().next().unwrap_or_default().to_owned();
            return Outcome::skip(format!("systemctl failed: {reason}")).without_data();
        }
        Err(error) => return Outcome::skip(format!("cannot run systemctl: {error}")).without_data(),
    };
    evaluate(&String::from_utf8_lossy(&shown.stdout)).without_data()
}

/// Evaluates the output of `systemctl show`, in which a blank line separates the units.
fn evaluate(text: &str) -> Outcome {
    let service = properties(text, "telarchd.service");
    let socket = properties(text, "telarchd.socket");
    if service.get("LoadState") != Some(&"loaded") {
        return Outcome::fail(Kind::Connect, "the unit telarchd.service is not installed")
            .fix("install the package telarch, or run ./install in the source as root");
    }
    let state = service.get("ActiveState").copied().unwrap_or_default();
    match (state, socket.get("ActiveState").copied().unwrap_or_default()) {
        ("failed", _) => {
            let result = service.get("Result").copied().unwrap_or_default();
            Outcome::fail(Kind::Connect, format!("telarchd.service has failed ({result})"))
                .fix("see the log for the reason: journalctl -u telarchd -n 20")
                .fix("then run systemctl restart telarchd")
        }
        ("active" | "reloading" | "activating", _) if service.get("UnitFileState") == Some(&"enabled") => {
            Outcome::pass("telarchd.service is active and enabled")
        }
        ("active" | "reloading" | "activating", _) => {
            Outcome::warn("telarchd.service is active, but not enabled at boot")
                .fix("systemctl enable telarchd")
        }
        (_, "active") => Outcome::warn(
            "telarchd.service is not active; it is started only by connections from this machine",
        )
        .fix("systemctl enable --now telarchd"),
        (state, _) => Outcome::fail(Kind::Connect, format!("telarchd.service is {state}"))
            .fix("systemctl enable --now telarchd"),
    }
}

/// Returns the properties of one unit; empty if the unit is not in the output.
fn properties<'t>(text: &'t str, id: &str) -> BTreeMap<&'t str, &'t str> {
    let units = text.split("\n\n").map(|unit| unit.lines().filter_map(|line| line.split_once('=')).collect());
    units.into_iter().find(|unit: &BTreeMap<_, _>| unit.get("Id") == Some(&id)).unwrap_or_default()
}

const PROPERTIES: &str = "Id,LoadState,ActiveState,UnitFileState,Result";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn unit(id: &str, properties: &str) -> String {
        format!("Id={id}\n{}\n", properties.replace(' ', "\n"))
    }

    fn evaluated(service: &str, socket: &str) -> (Verdict, String, Option<String>) {
        let text = format!("{}\n{}", unit("telarchd.service", service), unit("telarchd.socket", socket));
        let outcome = evaluate(&text);
        (outcome.verdict, outcome.seen, outcome.fixes.first().cloned())
    }

    #[test]
    fn the_verdict_depends_on_the_states_of_both_units() {
        let (verdict, ..) = evaluated("LoadState=loaded ActiveState=active UnitFileState=enabled", "");
        assert_eq!(verdict, Verdict::Pass);
        let (verdict, _, fix) = evaluated("LoadState=loaded ActiveState=active UnitFileState=disabled", "");
        assert_eq!((verdict, fix.as_deref()), (Verdict::Warn, Some("systemctl enable telarchd")));
        let (verdict, seen, fix) =
            evaluated("LoadState=loaded ActiveState=failed Result=exit-code", "ActiveState=active");
        assert_eq!((verdict, seen.as_str()), (Verdict::Fail, "telarchd.service has failed (exit-code)"));
        assert!(fix.is_some_and(|fix| fix.contains("journalctl -u telarchd")));
        let (verdict, _, fix) = evaluated("LoadState=loaded ActiveState=inactive", "ActiveState=inactive");
        assert_eq!((verdict, fix.as_deref()), (Verdict::Fail, Some("systemctl enable --now telarchd")));
        let (verdict, ..) = evaluated("LoadState=loaded ActiveState=inactive", "ActiveState=active");
        assert_eq!(verdict, Verdict::Warn);
        let (verdict, seen, _) = evaluated("LoadState=not-found ActiveState=inactive", "");
        assert_eq!((verdict, seen.as_str()), (Verdict::Fail, "the unit telarchd.service is not installed"));
    }
}
