//! Comparison with the XPath of lxml, where both define a result.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use telarch_winevent::Timestamp;
use telarch_winevent::event::Record;
use telarch_winevent::query::Query;

use crate::fixtures::events;
use crate::random::Random;

/// Reads events and expressions, and prints a line of `0` and `1` for each expression.
const SCRIPT: &str = "
import json, sys
from lxml import etree
work = json.load(sys.stdin)
trees = []
for text in work['events']:
    root = etree.fromstring(text.encode())
    for element in root.iter():
        element.tag = etree.QName(element).localname
    trees.append(etree.ElementTree(root))
for expression in work['queries']:
    compiled = etree.XPath('boolean(/' + expression + ')')
    print(''.join('1' if compiled(tree) else '0' for tree in trees))
";

/// Returns a Python with lxml: that of the peers, or that of the machine.
fn python() -> Option<PathBuf> {
    let peers = std::env::var_os("TELARCH_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.peers"), PathBuf::from);
    let has_lxml = |python: &PathBuf| {
        let import = Command::new(python).args(["-c", "import lxml"]).stderr(Stdio::null()).status();
        import.is_ok_and(|status| status.success())
    };
    [peers.join("bin/python3"), PathBuf::from("python3")].into_iter().find(has_lxml)
}

#[test]
fn random_expressions_select_what_lxml_selects() {
    let Some(folder) = skips::recordings("events") else { return };
    let Some(python) = python() else {
        skips::skip!("lxml is missing; ./test installs it for Python");
        return;
    };
    let all: Vec<String> =
        ["security", "system", "exchange-wec"].iter().flat_map(|name| events(&folder, name)).collect();
    let mut random = Random::new(7);
    let queries: Vec<String> = (0..1_500).map(|_| expression(&mut random)).collect();
    let mut process = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let work = json!({ "events": all, "queries": queries }).to_string();
    process.stdin.take().unwrap().write_all(work.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    let records: Vec<Record> = all.iter().map(|text| Record::parse(text).unwrap()).collect();
    let answers = String::from_utf8(output.stdout).unwrap();
    let mut selecting = 0;
    assert_eq!(answers.lines().count(), queries.len());
    for (text, answer) in queries.iter().zip(answers.lines()) {
        let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let bit = |record| if query.is_match(record, Timestamp::new(0, 0)) { '1' } else { '0' };
        let ours: String = records.iter().map(bit).collect();
        assert_eq!(ours, answer, "{text}");
        selecting += usize::from(ours.contains('1') && ours.contains('0'));
    }
    assert!(selecting > 300, "only {selecting} expressions select some events and not others");
}

/// Returns an expression whose result XPath 1.0 and event queries define alike: numbers are compared with
/// decimal numbers only, and texts have no order.
fn expression(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!("*[{}]", condition(random, "Event", 2)),
        1 => format!("*[{}][{}]", condition(random, "Event", 1), condition(random, "Event", 1)),
        2 => format!("Event[{}]/System/{}", condition(random, "Event", 1), random.of(NUMBERS)),
        _ => format!("*[System[{}]]", condition(random, "System", 2)),
    }
}

const NUMBERS: &[&str] = &["EventID", "Level", "Task", "Opcode", "EventRecordID", "Version"];
const OPERATORS: &[&str] = &["=", "!=", "<", "<=", ">", ">="];
const VALUES: &[&str] =
    &["S-1-5-18", "S-1-5-19", "System", "Security", "temporal", "-", "SYSTEM", "15063", "EventLog", ""];
const NAMES: &[&str] = &["TargetUserName", "SubjectUserSid", "LogonType", "param1", "param2", "IpAddress"];

fn condition(random: &mut Random, context: &str, depth: usize) -> String {
    if depth > 0 && random.below(2) == 0 {
        let word = random.of(&[" and ", " or "]);
        let all: Vec<_> = (0..2 + random.below(2)).map(|_| condition(random, context, depth - 1)).collect();
        return format!("({})", all.join(word));
    }
    match (context, random.below(6)) {
        ("System", 0) => format!("Provider[@Name{}'{}']", random.of(&["=", "!="]), random.of(VALUES)),
        ("System", 1) => format!("Execution[@ThreadID{}{}]", random.of(OPERATORS), random.below(200)),
        ("System", 2) => format!("{}{}{}", random.of(NUMBERS), random.of(OPERATORS), random.of(NUMBERS)),
        ("System", 3) => format!("*='{}'", random.of(VALUES)),
        ("System", 4) => (*random.of(&["Correlation/@ActivityID", "Security[@*]", "*/@Guid"])).to_owned(),
        ("System", _) => number(random),
        ("EventData", 0) => format!("Data[@Name='{}']", random.of(NAMES)),
        ("EventData", 1) => {
            let (name, operator) = (random.of(NAMES), random.of(&["=", "!="]));
            format!("Data[@Name='{name}']{operator}'{}'", random.of(VALUES))
        }
        ("EventData", 2) => format!("Data[{}]='{}'", 1 + random.below(4), random.of(VALUES)),
        ("EventData", 3) => {
            let (operator, place) = (random.of(OPERATORS), random.below(6));
            format!("Data[position(){operator}{place}]{}'{}'", random.of(&["=", "!="]), random.of(VALUES))
        }
        ("EventData", 4) => format!("Data[{}]!=Data[{}]", 1 + random.below(3), 1 + random.below(3)),
        ("EventData", _) => format!("Data[text()='{}'][{}]", random.of(VALUES), 1 + random.below(2)),
        (_, 0 | 1) => format!("EventData[{}]", condition(random, "EventData", depth.min(1))),
        (_, 2) => (*random.of(&["UserData/*/*", "EventData/*", "UserData", "*/Binary"])).to_owned(),
        _ => format!("System[{}]", condition(random, "System", depth.min(1))),
    }
}

fn number(random: &mut Random) -> String {
    let limit = *random.of(&[6, 200, 20_000]);
    format!("{}{}{}", random.of(NUMBERS), random.of(OPERATORS), random.below(limit))
}
