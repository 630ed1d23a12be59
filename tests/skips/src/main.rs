//! Prints the report after a test run; `./test` calls it.
#![allow(clippy::print_stdout)] // The report is the result of this program.

use std::fs;
use std::process::ExitCode;

use skips::Skip;
use skips::outcome::Outcome;
use skips::report::{Expected, Report};

const USAGE: &str = "usage: telarch-skips SKIPS EXPECTED [--strict] [--junit FILE] [--libtest FILE]...";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Returns failure if `--strict` was given, as in CI, and a skip is not on the list or too many tests were unstable.
fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let [skips, list, options @ ..] = arguments else { return Err(USAGE.to_owned()) };
    let expected = Expected::parse_all(&read(list)?).map_err(|error| format!("{list}: {error}"))?;
    let mut outcome = Outcome::default();
    let mut is_strict = false;
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let mut file = || options.next().ok_or(USAGE.to_owned()).and_then(|path| read(path));
        match option.as_str() {
            "--strict" => is_strict = true,
            "--junit" => outcome.add_junit(&file()?),
            "--libtest" => outcome.add_libtest(&file()?),
            _ => return Err(USAGE.to_owned()),
        }
    }
    let report = Report::new(Skip::parse_all(&read(skips)?), outcome);
    print!("{report}");
    let mut status = ExitCode::SUCCESS;
    if is_strict {
        for entry in report.unused(&expected) {
            println!("not skipped, although {list} lists it: {entry}");
        }
        for skip in report.unexpected(&expected) {
            println!("FAILED: skipped, and not listed in {list}: {}: {}", skip.test, skip.reason);
            status = ExitCode::FAILURE;
        }
    }
    if is_strict && report.is_too_unstable() {
        println!("FAILED: too many tests passed only when repeated");
        status = ExitCode::FAILURE;
    }
    println!("{}", report.closing_line());
    Ok(status)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
}
