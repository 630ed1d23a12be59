//! `telarch`: looks after the service of this machine.
//!
//! Each subcommand is a file of its own and one line in [`SUBCOMMANDS`].

mod pages;

use std::io::Write as _;
use std::process::ExitCode;

use lexopt::{Arg, Parser, ValueExt as _};

use cli_command::{Failure, Subcommand, output};

const SUBCOMMANDS: &[Subcommand] = &[
    cli_admin::ACCESS,
    cli_admin::ACCOUNT,
    cli_admin::CONFIG,
    cli_admin::POLICY,
    cli_ipmi::SUBCOMMAND,
    cli_wmi::SUBCOMMAND,
    cli_wmi::MOFCOMP,
    cli_admin::EXPLAIN,
    pages::MAN,
    pages::COMPLETION,
];

fn main() -> ExitCode {
    let printed = run(Parser::from_env())
        .and_then(|text| output::out().write_all(text.as_bytes()).map_err(Failure::from));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure @ Failure::Unread) => failure.exit_code(),
        Err(failure) => {
            // Where errors cannot be written either, the exit status says it alone.
            let _ = writeln!(output::errors(), "telarch: {failure}");
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
        Some(Arg::Value(word)) if word == "help" => match parser.next()? {
            None => Ok(help()),
            Some(Arg::Value(word)) => Ok(subcommand(&word.string()?)?.help.to_owned()),
            Some(other) => Err(other.unexpected().into()),
        },
        Some(Arg::Value(word)) => {
            let subcommand = subcommand(&word.string()?)?;
            match parser.clone().next() {
                Ok(Some(Arg::Value(word))) if word == "help" => Ok(subcommand.help.to_owned()),
                _ => (subcommand.run)(parser),
            }
        }
        Some(other) => Err(other.unexpected().into()),
    }
}

fn subcommand(word: &str) -> Result<&'static Subcommand, Failure> {
    let found = SUBCOMMANDS.iter().find(|subcommand| word == subcommand.name);
    found.ok_or_else(|| {
        let nearest = cli::nearest(word, SUBCOMMANDS.iter().map(|subcommand| subcommand.name));
        let meant = nearest.map(|name| format!(": did you mean {name}?")).unwrap_or_default();
        Failure::usage(format!("unknown command {word:?}{meant}"), "telarch --help lists what there is")
    })
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
telarch COMMAND --help, or telarch help COMMAND, tells more.

Options:
  -h, --help     print this text
  -V, --version  print the version

The exit status is 0, 1 if something failed, and 2 if the command line was not understood.
",
    );
    text
}
