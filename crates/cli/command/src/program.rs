//! The program: selects a command and reports its result.

use std::io::Write as _;
use std::process::ExitCode;

use lexopt::{Arg, Parser, ValueExt as _};

use crate::help::{paragraph, row};
use crate::table::Command;
use crate::{Arguments, Failure, output};

/// The program `telarch` with its commands.
pub struct Program {
    /// Version, as `--version` prints it.
    pub version: &'static str,
    /// Purpose in one line, as an imperative.
    pub about: &'static str,
    /// Complete command lines that help shows.
    pub examples: &'static [&'static str],
    /// The commands, in the order in which help lists them.
    pub commands: &'static [&'static Command],
}

impl Program {
    /// Runs the command that the arguments request, prints its result or its failure, and returns the exit status.
    pub fn main(&self, parser: Parser) -> ExitCode {
        let printed =
            self.run(parser).and_then(|text| output::out().write_all(text.as_bytes()).map_err(Failure::from));
        match printed {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure @ (Failure::Unread | Failure::Ended(_))) => failure.exit_code(),
            Err(failure) => {
                // If standard error cannot be written either, the exit status is the only report.
                let _ = writeln!(output::errors(), "telarch: {failure}");
                failure.exit_code()
            }
        }
    }

    /// The text that `telarch --help` prints.
    #[must_use]
    pub fn help(&self) -> String {
        let mut text =
            format!("telarch: {}\n\nUsage:\n  telarch COMMAND [ARGUMENT...]\n\nExamples:\n", self.about);
        self.examples.iter().for_each(|example| text += &format!("  {example}\n"));
        text += "\nCommands:\n";
        self.commands.iter().for_each(|command| text += &row(command.name, command.about));
        text += "\nOptions:\n";
        text += &row("-h, --help", "print this help");
        text += &row("-V, --version", "print the version");
        text += "\n";
        text += &paragraph("Run telarch COMMAND --help, or telarch help COMMAND, for the help of a command.");
        text += "\n";
        text + &paragraph("Exit status: 0 on success, 1 for a failure, 2 for an invalid command line.")
    }

    fn run(&self, mut parser: Parser) -> Result<String, Failure> {
        match parser.next().map_err(usage_error)? {
            None | Some(Arg::Short('h') | Arg::Long("help")) => Ok(self.help()),
            Some(Arg::Short('V') | Arg::Long("version")) => Ok(format!("telarch {}\n", self.version)),
            Some(Arg::Value(word)) if word == "help" => match parser.next().map_err(usage_error)? {
                None => Ok(self.help()),
                Some(Arg::Value(word)) => {
                    let command = self.command(&word.string().map_err(usage_error)?)?;
                    Ok(self.subcommand(command, &mut parser).help())
                }
                Some(other) => Err(usage_error(other.unexpected())),
            },
            Some(Arg::Value(word)) => {
                let command = self.command(&word.string().map_err(usage_error)?)?;
                let command = self.subcommand(command, &mut parser);
                let requests_help =
                    matches!(parser.clone().next(), Ok(Some(Arg::Value(word))) if word == "help");
                match if requests_help { None } else { Arguments::parse(command, parser)? } {
                    Some(arguments) => (command.run)(&arguments),
                    None => Ok(command.help()),
                }
            }
            Some(other) => Err(usage_error(other.unexpected())),
        }
    }

    fn command(&self, word: &str) -> Result<&'static Command, Failure> {
        let found = self.commands.iter().find(|command| word == command.name);
        found.copied().ok_or_else(|| {
            let nearest = cli::nearest(word, self.commands.iter().map(|command| command.name));
            let meant = nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
            usage_error(format!("unknown command \"{word}\"{meant}"))
        })
    }

    /// The subcommand that the next argument selects, which is then consumed; else the command itself.
    fn subcommand(&self, command: &'static Command, parser: &mut Parser) -> &'static Command {
        let mut ahead = parser.clone();
        let Ok(Some(Arg::Value(word))) = ahead.next() else { return command };
        let found = command.subcommands.iter().find(|subcommand| word == subcommand.last_word());
        let Some(subcommand) = found.copied() else { return command };
        *parser = ahead;
        subcommand
    }
}

fn usage_error(problem: impl std::fmt::Display) -> Failure {
    Failure::usage(problem, "run telarch --help for usage")
}
