//! The program: its build, and the messages of its validator.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::engine::run;
use crate::error::WebServerError;
use crate::plan::{Problem, Severity};
use crate::position::Position;

/// Facts about the build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Build {
    /// Version, such as `2.4.62`.
    pub(super) version: String,
    /// Source files of the modules that are part of the program.
    pub(super) modules: BTreeSet<String>,
}

impl Build {
    /// Runs `apache2 -v` and `apache2 -l`.
    pub(super) fn read(program: &Path, output: &Path) -> Result<Self, WebServerError> {
        let (_, version) = run(Command::new(program).arg("-v"), output)?;
        let (_, modules) = run(Command::new(program).arg("-l"), output)?;
        Ok(Self::parse(&version, &modules))
    }

    fn parse(version: &str, modules: &str) -> Self {
        let version = version.lines().find_map(|line| line.strip_prefix("Server version: Apache/"));
        let version = version.and_then(|version| version.split(' ').next()).unwrap_or_default();
        let modules = modules.lines().map(str::trim).filter(|line| line.ends_with(".c"));
        Self { version: version.to_owned(), modules: modules.map(str::to_owned).collect() }
    }
}

/// Command line and environment that select a configuration.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    pub(super) program: PathBuf,
    pub(super) server_root: String,
    /// Main file.
    pub(super) main: String,
    /// Variables of the file `envvars`.
    pub(super) variables: BTreeMap<String, String>,
}

impl Invocation {
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-d", &self.server_root, "-f", &self.main]).envs(&self.variables);
        command
    }
}

/// Parses the messages of `apache2 -t`, without the prefix `root` of paths. A rejected configuration has an error.
pub(super) fn problems(output: &str, accepted: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut lines = output.lines().peekable();
    while let Some(line) = lines.next() {
        // Errors in included files follow those of the files that include them.
        if let Some((_, error)) = line.rsplit_once("yntax error on line ") {
            let Some((position, message)) = place(error) else { continue };
            let message = if message.is_empty() { lines.next().unwrap_or_default() } else { message };
            let message = message.trim().to_owned();
            problems.push(Problem { severity: Severity::Error, message, position: Some(position) });
        } else if let Some((_, warning)) = line.split_once("Warning: ") {
            let message = warning.to_owned();
            problems.push(Problem { severity: Severity::Warning, message, position: None });
        } else if let Some(message) = message(line)
            && accepted
        {
            problems.push(Problem { severity: Severity::Warning, message, position: None });
        }
    }
    if !accepted && !problems.iter().any(|problem| problem.severity == Severity::Error) {
        let message = output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
        problems.push(Problem { severity: Severity::Error, message, position: None });
    }
    problems.sort_by_key(|problem| problem.severity != Severity::Error);
    problems
}

/// Parses `LINE of FILE: MESSAGE`.
fn place(text: &str) -> Option<(Position, &str)> {
    let (line, rest) = text.split_once(" of ")?;
    let (file, message) = rest.split_once(':')?;
    Some((Position { file: file.to_owned(), line: line.trim().parse().ok()? }, message.trim()))
}

/// Returns the text of a line with a message number, such as `AH00558: text`.
fn message(line: &str) -> Option<String> {
    let (number, text) = line.split_once(": ")?;
    let is_number =
        number.strip_prefix("AH").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    is_number.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_apache_are_parsed() {
        let output = "AH00526: Syntax error on line 10 of /etc/apache2/ports.conf:\nInvalid command 'x'\n";
        let found: Vec<String> = problems(output, false).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["/etc/apache2/ports.conf:10: Invalid command 'x'"]);
        let output =
            "apache2: Syntax error on line 3 of /a: Syntax error on line 5 of /b: <X> was not closed.\n";
        assert_eq!(problems(output, false)[0].to_string(), "/b:5: <X> was not closed.");
        let output =
            "AH00112: Warning: DocumentRoot [/x] does not exist\nAH00558: could not determine\nSyntax OK\n";
        assert_eq!(problems(output, true).len(), 2);
        assert_eq!(problems("apache2: cannot start\n", false)[0].message, "apache2: cannot start");
    }

    #[test]
    fn the_build_is_parsed() {
        let build = Build::parse(
            "Server version: Apache/2.4.62 (Debian)\n",
            "Compiled in modules:\n  core.c\n  mod_so.c\n",
        );
        assert_eq!((build.version.as_str(), build.modules.len()), ("2.4.62", 2));
    }
}
