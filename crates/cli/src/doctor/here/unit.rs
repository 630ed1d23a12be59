//! The units of the service manager.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use super::{output, program};
use crate::doctor::finding::Outcome;
use crate::failure::Kind;

pub(super) async fn look() -> (Outcome, Option<()>) {
    let Some(systemctl) = program("systemctl") else {
        return Outcome::skip("there is no systemd here").alone();
    };
    let words = ["show", "telarchd.service", "telarchd.socket", "--property", PROPERTIES];
    let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    let said = match output(&systemctl, &words).await {
        Ok(said) if said.status.success() => said,
        Ok(said) => {
            let why = String::from_utf8_lossy(&said.stderr).lines().next().unwrap_or_default().to_owned();
            return Outcome::skip(format!("systemd does not answer: {why}")).alone();
        }
        Err(error) => return Outcome::skip(format!("systemctl cannot be asked: {error}")).alone(),
    };
    judge(&String::from_utf8_lossy(&said.stdout)).alone()
}

/// What the properties of both units mean; a blank line stands between them.
fn judge(text: &str) -> Outcome {
    let units: Vec<BTreeMap<&str, &str>> = text
        .split("\n\n")
        .map(|unit| unit.lines().filter_map(|line| line.split_once('=')).collect())
        .collect();
    let of = |unit: &str, name: &str| {
        let unit = units.iter().find(|properties| properties.get("Id").is_some_and(|id| *id == unit));
        unit.and_then(|properties| properties.get(name)).copied().unwrap_or_default().to_owned()
    };
    let service = |name: &str| of("telarchd.service", name);
    let socket = |name: &str| of("telarchd.socket", name);
    if service("LoadState") != "loaded" {
        return Outcome::fail(Kind::Connect, "there is no unit telarchd.service")
            .fix("install packaging/systemd: its units, and the user telarch (systemd-sysusers)");
    }
    match (service("ActiveState").as_str(), socket("ActiveState").as_str()) {
        ("failed", _) => {
            let seen = format!("telarchd.service has failed ({})", service("Result"));
            Outcome::fail(Kind::Connect, seen)
                .fix("its log tells why: journalctl -u telarchd -n 20")
                .fix("and then: systemctl restart telarchd")
        }
        ("active" | "reloading" | "activating", _) if service("UnitFileState") == "enabled" => {
            Outcome::pass("telarchd.service is active, and enabled")
        }
        ("active" | "reloading" | "activating", _) => {
            Outcome::warn("telarchd.service is active, but not started with the machine")
                .fix("systemctl enable telarchd")
        }
        (_, "active") => {
            Outcome::warn("telarchd.service is not active: only programs of this machine start it")
                .fix("systemctl enable --now telarchd")
        }
        (state, _) => Outcome::fail(Kind::Connect, format!("telarchd.service is {state}"))
            .fix("systemctl enable --now telarchd"),
    }
}

const PROPERTIES: &str = "Id,LoadState,ActiveState,UnitFileState,Result";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn judged(service: &str, socket: &str) -> (Verdict, String, Option<String>) {
        let unit = |id: &str, rest: &str| format!("Id={id}\n{}\n", rest.replace(' ', "\n"));
        let text = format!("{}\n{}", unit("telarchd.service", service), unit("telarchd.socket", socket));
        let outcome = judge(&text);
        (outcome.verdict, outcome.seen, outcome.fixes.first().cloned())
    }

    #[test]
    fn a_unit_is_judged_by_its_states() {
        let (verdict, ..) = judged("LoadState=loaded ActiveState=active UnitFileState=enabled", "");
        assert_eq!(verdict, Verdict::Pass);
        let (verdict, _, fix) = judged("LoadState=loaded ActiveState=active UnitFileState=disabled", "");
        assert_eq!((verdict, fix.as_deref()), (Verdict::Warn, Some("systemctl enable telarchd")));
        let (verdict, seen, fix) =
            judged("LoadState=loaded ActiveState=failed Result=exit-code", "ActiveState=active");
        assert_eq!((verdict, seen.as_str()), (Verdict::Fail, "telarchd.service has failed (exit-code)"));
        assert!(fix.is_some_and(|fix| fix.contains("journalctl -u telarchd")));
        let (verdict, _, fix) = judged("LoadState=loaded ActiveState=inactive", "ActiveState=inactive");
        assert_eq!((verdict, fix.as_deref()), (Verdict::Fail, Some("systemctl enable --now telarchd")));
        let (verdict, ..) = judged("LoadState=loaded ActiveState=inactive", "ActiveState=active");
        assert_eq!(verdict, Verdict::Warn);
        let (verdict, seen, _) = judged("LoadState=not-found ActiveState=inactive", "");
        assert_eq!((verdict, seen.as_str()), (Verdict::Fail, "there is no unit telarchd.service"));
    }
}
