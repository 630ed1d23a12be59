//! pywbem, whose compiler of MOF others trust, and regular expressions of Python, both without a service.

use std::time::Duration;

use serde_json::{Value, json};

use crate::python::script_command;
use crate::run::{run, tail};

/// Returns pywbem's view of a MOF text: classes by name, instances, and the text that it would write.
///
/// # Panics
///
/// When pywbem is not installed, or refuses the text.
#[must_use]
pub fn compile_mof(text: &str) -> Value {
    ask("compile_mof.py", &["mof"], text)
}

/// Returns pywbem's view of `CLASS` elements in CIM-XML.
///
/// # Panics
///
/// When pywbem is not installed, or refuses one.
#[must_use]
pub fn read_classes(elements: &[String]) -> Value {
    ask("compile_mof.py", &["xml"], &json!(elements).to_string())
}

/// Returns which pairs of a LIKE pattern and a text match according to Python's regular expressions.
///
/// # Panics
///
/// When Python is not installed.
#[must_use]
pub fn like(pairs: &[(String, String)]) -> Vec<bool> {
    let answer = ask("like.py", &[], &json!(pairs).to_string());
    serde_json::from_value(answer).unwrap_or_else(|error| panic!("like.py: {error}"))
}

fn ask(script: &str, arguments: &[&str], input: &str) -> Value {
    let ended = run(script_command(script).args(arguments), input.as_bytes(), Duration::from_secs(60));
    assert_eq!(
        ended.code,
        0,
        "{script} failed; ./test --install installs what it needs\n{}",
        tail(&ended.stderr)
    );
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{script}: {error}: {ended:?}"))
}
