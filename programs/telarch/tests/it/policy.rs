//! `telarch policy` on a folder.

use std::fs;
use std::path::PathBuf;

use config::{Policy, RegistryPol, RegistryRecord};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Ran, run, telarch};

const SERVICE: &str = r"Software\Policies\Microsoft\Windows\WinRM\Service";

struct Place {
    _folder: TempDir,
    path: PathBuf,
}

impl Place {
    /// With settings, a policy of Windows that forbids Basic, and one of TOML.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let place = Self { path, _folder: folder };
        fs::write(place.file("config.toml"), "Service.Auth.Basic = true\nMaxTimeoutms = 70000\n").unwrap();
        fs::create_dir(place.file("policy.d")).unwrap();
        let records = vec![RegistryRecord::of_number(SERVICE, "AllowBasic", 0)];
        fs::write(place.file("policy.d/10.pol"), RegistryPol { records }.encode()).unwrap();
        let more =
            "Service.MaxConnections = 17\n[Policy]\nDisableRunAs = true\nSubscriptionManager = [\"?\"]\n";
        fs::write(place.file("policy.d/20.toml"), more).unwrap();
        place
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn policy(&self, arguments: &[&str]) -> Ran {
        run(telarch(&["policy"]).args(arguments).arg("--file").arg(self.file("config.toml")), "")
    }

    fn explained(&self, word: &str) -> String {
        let ran = self.policy(&["explain", word]);
        assert_eq!((ran.code, ran.errors.as_str()), (0, ""), "{word}");
        ran.out.replace(&format!("{}/", self.path.display()), "")
    }
}

#[test]
fn demands_are_listed_with_file_and_line() {
    let place = Place::new();
    let shown = place.policy(&["list"]).out.replace(&format!("{}/", place.path.display()), "");
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    let of_pol = ["AllowBasic_1", "Service/Auth/Basic", "=", "false", "policy.d/10.pol,", "record", "1"];
    let of_toml = ["-", "Service/MaxConnections", "=", "17", "policy.d/20.toml,", "line", "1"];
    assert!(lines.iter().any(|line| *line == of_pol) && lines.iter().any(|line| *line == of_toml), "{shown}");
    assert!(shown.contains("true (no effect in Telarch)") && shown.contains("1: ? (invalid: "), "{shown}");
    let all = place.policy(&["list", "--all"]).out;
    for policy in Policy::all() {
        assert!(all.contains(policy.name()), "{} is not in {all}", policy.name());
    }

    let json: Value =
        serde_json::from_str(&place.policy(&["list", "--all", "--format", "json"]).out).unwrap();
    let demands = json["demands"].as_array().unwrap();
    let basic = demands.iter().find(|one| one["policy"] == "AllowBasic_1").unwrap();
    assert_eq!((&basic["setting"], &basic["value"]), (&"Service/Auth/Basic".into(), &"false".into()));
    assert_eq!((&basic["record"], &basic["line"]), (&1.into(), &Value::Null));
    let policies = json["policies"].as_array().unwrap();
    assert_eq!(policies.len(), Policy::all().len());
    assert_eq!(policies.iter().filter(|one| one["state"] != "not configured").count(), 3);
}

#[test]
fn a_policy_is_found_by_its_name_its_setting_and_its_value() {
    let place = Place::new();
    let by_name = place.explained("allowbasic_1");
    for part in [
        "AllowBasic_1: disabled\n",
        "AllowBasic  REG_DWORD: 1 (enabled) sets Service/Auth/Basic to true",
        "  in TOML  Service.Auth.Basic = ",
        "  set by   policy.d/10.pol, record 1: Service/Auth/Basic = false\n",
        "  in force Service/Auth/Basic = false (policy)\n",
    ] {
        assert!(by_name.contains(part), "{part} is not in {by_name}");
    }
    assert_eq!(place.explained("Service.Auth.Basic"), by_name);
    assert_eq!(place.explained(r"WinRM\Service\AllowBasic"), by_name);

    let none = place.explained("AllowUnencrypted_1");
    assert!(none.starts_with("AllowUnencrypted_1: not configured\n"), "{none}");
    assert!(
        none.contains("set by   no policy\n  in force Service/AllowUnencrypted = false (default)\n"),
        "{none}"
    );
    assert!(
        place.explained("DisableRunAs").contains("refuses PowerShell endpoints that run as another account")
    );
    let setting = place.explained("Service.MaxConnections");
    assert!(
        setting.contains("Windows has no policy for this setting") && setting.contains("20.toml, line 1"),
        "{setting}"
    );
    assert!(
        place.explained("MaxTimeoutms").contains("in force MaxTimeoutms = 70000 (config.toml, line 2)\n")
    );
    for (word, part) in
        [("MaxConnections", "did you mean Service/MaxConnections?"), ("zzzzzzzz", "not a policy")]
    {
        let ran = place.policy(&["explain", word]);
        assert!(ran.code == 2 && ran.errors.contains(part), "{}", ran.errors);
    }
}

#[test]
fn every_policy_can_be_explained() {
    let place = Place::new();
    for policy in Policy::all() {
        let page = place.explained(policy.name());
        assert!(page.starts_with(policy.name()) && page.contains(policy.key()), "{page}");
        assert!(page.contains(policy.about()) && page.contains("  set by   "), "{page}");
    }
}

#[test]
fn an_invalid_policy_file_is_reported() {
    let place = Place::new();
    fs::write(place.file("policy.d/30.toml"), "Winrs.MaxShells = 1\n").unwrap();
    for arguments in [&["list"][..], &["explain", "AllowBasic_1"]] {
        let ran = place.policy(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{arguments:?}");
        assert!(ran.errors.contains("30.toml, line 1)\n  fix or remove the file"), "{}", ran.errors);
    }
}

#[test]
fn settings_are_shown_with_the_policy_that_sets_them() {
    let place = Place::new();
    let mut shown = telarch(&["config", "show", "Service.Auth.Basic", "--file"]);
    let shown = run(shown.arg(place.file("config.toml")), "").out;
    assert!(shown.starts_with("Service.Auth.Basic = false") && shown.contains("10.pol, record 1"), "{shown}");
}
