//! The security promises of `docs/security.md` name tests that exist.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use telarch_architecture::promises::{Promise, Reference, TestFunction, parse, test_functions};
use telarch_architecture::{packages, root};

#[test]
fn every_security_promise_names_tests_that_exist() {
    let promises = promises();
    let functions: BTreeMap<String, Vec<TestFunction>> = packages()
        .into_values()
        .map(|package| (package.name, test_functions(&root().join(package.folder))))
        .collect();
    let mut complaints = Vec::new();
    for Promise { line, tests, .. } in &promises {
        for test in tests {
            if let Err(complaint) = check(test, &functions) {
                complaints.push(format!("docs/security.md:{line}: {complaint}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(promises.len() >= 80, "only {} promises were found", promises.len());
}

#[test]
fn no_security_promise_is_made_twice() {
    let mut lines = BTreeMap::new();
    for Promise { line, text, .. } in promises() {
        let first = lines.insert(text.clone(), line);
        assert!(first.is_none(), "docs/security.md:{line}: also in line {first:?}: {text}");
    }
}

fn promises() -> Vec<Promise> {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    parse(&page).unwrap_or_else(|error| panic!("docs/security.md: {error}"))
}

fn check(test: &Reference, functions: &BTreeMap<String, Vec<TestFunction>>) -> Result<(), String> {
    match test {
        Reference::FuzzTarget(name) => {
            let is_there = root().join("fuzz/fuzz_targets").join(format!("{name}.rs")).is_file();
            is_there.then_some(()).ok_or_else(|| format!("there is no fuzz target {name}"))
        }
        Reference::Function { package, modules, function } => {
            let all = functions.get(package).ok_or_else(|| format!("there is no package {package}"))?;
            let meant = all.iter().filter(|test| test.is_meant(modules, function)).count();
            match meant {
                1 => Ok(()),
                0 => Err(format!(
                    "{package} has no test {}",
                    [&modules[..], &[function.clone()]].concat().join("::")
                )),
                _ => Err(format!("{package} has {meant} tests {function}: put a module before the name")),
            }
        }
    }
}
