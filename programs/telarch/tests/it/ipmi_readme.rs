//! The examples of `telarch ipmi` in README.md and docs/ show its output.

use std::path::Path;

use telarch_simulated_bmc::{ControllerGroup, Network, SimulatedBmc};

use crate::ipmi::ipmi;
use crate::{run, telarch};

/// Returns the documented output of a command, in blocks of consecutive lines.
fn shown(command: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let text: String = std::iter::once(root.join("README.md"))
        .chain(pages)
        .map(|page| std::fs::read_to_string(page).unwrap())
        .collect();
    let prompt = format!("$ telarch ipmi {command} -H bmc01 -U admin\n");
    let (_, below) = text.split_once(&prompt).unwrap_or_else(|| panic!("no page shows {command}"));
    let lines = below.lines().take_while(|line| !line.starts_with("$ ") && *line != "```");
    let blocks = lines.collect::<Vec<_>>().join("\n");
    blocks
        .split('…')
        .map(|block| block.trim_matches('\n').to_owned())
        .filter(|block| !block.is_empty())
        .collect()
}

fn assert_documented(command: &str, printed: &str) {
    let blocks = shown(command);
    assert!(!blocks.is_empty());
    for block in blocks {
        for line in block.lines() {
            assert!(printed.lines().any(|other| other == line), "{command}: {line:?} is not in\n{printed}");
        }
    }
}

#[test]
fn documented_sensors_and_event_log_match_the_output() {
    let group = ControllerGroup::start(1, Network::default());
    for command in ["sensors", "sel"] {
        let address = group.addresses()[0].to_string();
        let mut telarch = telarch(&["ipmi", command, "-U", "admin", "-H", &address]);
        let ran = run(telarch.env("TELARCH_IPMI_PASSWORD", "admin-pw"), "");
        assert_eq!((ran.errors.as_str(), ran.code), ("", 0));
        assert_documented(command, &ran.out);
    }
}

#[test]
fn documented_audit_findings_match_the_output() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    assert_documented("audit", &ipmi(&bmc, &["audit"]).out);
}
