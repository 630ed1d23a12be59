//! What README.md shows of `telarch ipmi` is what it prints.

use std::path::Path;

use telarch_simulated_bmc::{Crowd, Network, SimulatedBmc};

use crate::ipmi::ipmi;
use crate::{run, telarch};

/// The lines below a command of README.md, in blocks of lines that follow each other.
fn shown(command: &str) -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let prompt = format!("$ telarch ipmi {command} -H bmc01 -U admin\n");
    let (_, below) = text.split_once(&prompt).unwrap_or_else(|| panic!("README.md does not show {command}"));
    let lines = below.lines().take_while(|line| !line.starts_with("$ ") && *line != "```");
    let blocks = lines.collect::<Vec<_>>().join("\n");
    blocks
        .split('…')
        .map(|block| block.trim_matches('\n').to_owned())
        .filter(|block| !block.is_empty())
        .collect()
}

fn is_shown(command: &str, printed: &str) {
    let blocks = shown(command);
    assert!(!blocks.is_empty());
    for block in blocks {
        for line in block.lines() {
            assert!(printed.lines().any(|other| other == line), "{command}: {line:?} is not in\n{printed}");
        }
    }
}

#[test]
fn sensors_and_the_event_log_read_as_in_the_readme() {
    let crowd = Crowd::start(1, Network::default());
    for command in ["sensors", "sel"] {
        let address = crowd.addresses()[0].to_string();
        let mut telarch = telarch(&["ipmi", command, "-U", "admin", "-H", &address]);
        let ran = run(telarch.env("TELARCH_IPMI_PASSWORD", "admin-pw"), "");
        assert_eq!((ran.errors.as_str(), ran.code), ("", 0));
        is_shown(command, &ran.out);
    }
}

#[test]
fn what_is_dangerous_reads_as_in_the_readme() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    is_shown("audit", &ipmi(&bmc, &["audit"]).out);
}
