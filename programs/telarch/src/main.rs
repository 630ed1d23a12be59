//! `telarch`: looks after the service of this machine.
//!
//! Each subcommand is a file of its own and one line in [`SUBCOMMANDS`].

mod access;
mod account;
mod configuration;
mod date;
mod explain;
mod failure;
mod format;
mod ipmi;
mod mofcomp;
mod pages;
mod place;
mod policy;
mod wmi;

use std::io::Write as _;
use std::process::ExitCode;

use lexopt::{Arg, Parser};

use self::failure::Failure;

/// A word that may stand in the first place.
struct Subcommand {
    name: &'static str,
    /// What it is for, in one line.
    about: &'static str,
    /// What `--help` prints; the manual page has it, too.
    help: &'static str,
    /// Does what the rest of the command line says; what it returns is printed.
    run: fn(Parser) -> Result<String, Failure>,
}

const SUBCOMMANDS: &[Subcommand] = &[
    access::SUBCOMMAND,
    account::SUBCOMMAND,
    configuration::SUBCOMMAND,
    policy::SUBCOMMAND,
    ipmi::SUBCOMMAND,
    wmi::SUBCOMMAND,
    mofcomp::SUBCOMMAND,
    explain::SUBCOMMAND,
    pages::MAN,
    pages::COMPLETION,
];

fn main() -> ExitCode {
    let printed = run(Parser::from_env())
        .and_then(|text| std::io::stdout().write_all(text.as_bytes()).map_err(Failure::from));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where errors cannot be written either, the exit status says it alone.
            let _ = writeln!(std::io::stderr(), "telarch: {failure}");
            failure.exit_code()
        }
    }
}

fn run(mut parser: Parser) -> Result<String, Failure> {
    match parser.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => Ok(help()),
        Some(Arg::Short('V') | Arg::Long("version")) => {
            Ok(format!("telarch {}\n", env!("CARGO_PKG_VERSION")))
        }
        Some(Arg::Value(word)) => {
            let subcommand = SUBCOMMANDS.iter().find(|subcommand| word == subcommand.name);
            let unknown =
                || Failure::usage(format!("unknown command {word:?}"), "telarch --help lists what there is");
            (subcommand.ok_or_else(unknown)?.run)(parser)
        }
        Some(other) => Err(other.unexpected().into()),
    }
}

fn help() -> String {
    let mut text = "\
telarch: looks after the Telarch service of this machine.

Examples:
  telarch account add alice
  telarch config show --changed
  telarch access show alice
  telarch ipmi power status -H bmc7 -U admin
  telarch wmi 'SELECT Caption FROM Win32_OperatingSystem'

Commands:
"
    .to_owned();
    for subcommand in SUBCOMMANDS {
        text.push_str(&format!("  {:<12} {}\n", subcommand.name, subcommand.about));
    }
    text.push_str(
        "
telarch COMMAND --help tells more.

Options:
  -h, --help     print this text
  -V, --version  print the version

The exit status is 0, 1 if something failed, and 2 if the command line was not understood.
",
    );
    text
}
