//! Which program a command line starts, and with which arguments.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::error::CommandError;

/// What a client asked to be run (MS-WSMV 3.1.4.11, option `WINRS_SKIP_CMD_SHELL`).
///
/// `Debug` shows the program only: passwords stand in command lines.
#[derive(Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// `WINRS_SKIP_CMD_SHELL` is false: the user's login shell reads the line, as `sshd` has it do.
    Shell {
        /// The login shell; run as `program -c line`.
        program: PathBuf,
        /// What it reads before.
        startup: Startup,
        /// Command and Arguments, joined by single spaces. The outer quotes are still on:
        /// [`without_outer_quotes`] is applied when the command starts.
        line: OsString,
    },
    /// `WINRS_SKIP_CMD_SHELL` is true: the program is run as it is.
    Direct {
        /// A path, or a name to look for on the command's `PATH`.
        program: OsString,
        /// Handed over one by one, unread.
        arguments: Vec<OsString>,
    },
}

/// What a login shell reads before the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Startup {
    /// What it always reads, which for most shells is nothing.
    #[default]
    AsIsUsual,
    /// The profiles of the system and the user as well, as when one signs in at a terminal: `program -l -c line`.
    Profile,
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell { program, startup, .. } => {
                let mut shown = f.debug_struct("Shell");
                shown.field("program", program).field("startup", startup).finish_non_exhaustive()
            }
            Self::Direct { program, .. } => {
                f.debug_struct("Direct").field("program", program).finish_non_exhaustive()
            }
        }
    }
}

/// Takes off the quotes that wrap a whole line, as `cmd /c` does.
///
/// Some clients put every line in quotes, others need them for a program's path.
/// Therefore of a line that begins with a quote the first and the last one are dropped, unless the quoted word at its
/// beginning is an existing program.
/// (`cmd` keeps them only where these two are the only quotes; a second quoted word then costs it the line, which
/// helps nobody.)
pub fn without_outer_quotes(line: &OsStr, is_program: impl Fn(&OsStr) -> bool) -> Cow<'_, OsStr> {
    let Some(after_first) = line.as_bytes().trim_ascii_start().strip_prefix(b"\"") else {
        return Cow::Borrowed(line);
    };
    let mut words = after_first.splitn(2, |&byte| byte == b'"');
    if let (Some(word), Some(_)) = (words.next(), words.next())
        && is_program(OsStr::from_bytes(word))
    {
        return Cow::Borrowed(line);
    }
    let mut last = after_first.rsplitn(2, |&byte| byte == b'"');
    match (last.next(), last.next()) {
        (Some(tail), Some(head)) => Cow::Owned(OsString::from_vec([head, tail].concat())),
        _ => Cow::Borrowed(OsStr::from_bytes(after_first)),
    }
}

/// A program and its arguments, ready to be started.
#[cfg_attr(test, derive(Debug))]
#[derive(PartialEq, Eq)]
pub(super) struct Invocation {
    /// Where it lies.
    pub(super) program: PathBuf,
    /// How it is called: what `$0` shows.
    pub(super) name: OsString,
    pub(super) arguments: Vec<OsString>,
}

impl Invocation {
    /// Finds the program of `line` on `search`.
    pub(super) fn of(line: &CommandLine, search: &Search<'_>) -> Result<Self, CommandError> {
        match line {
            CommandLine::Shell { program, startup, line } => {
                let line = without_outer_quotes(line, |word| search.find(word).is_ok());
                let line = match PowerShell::called_by(&line, search) {
                    PowerShell::AsItIs => line.into_owned(),
                    PowerShell::Pwsh { rest } => joined("pwsh", rest),
                    PowerShell::Missing { spelling } => return Ok(Self::without_powershell(spelling)),
                };
                let shell = program.as_os_str();
                let name = program.file_name().unwrap_or(shell).to_owned();
                let arguments = match startup {
                    Startup::AsIsUsual => vec!["-c".into(), line],
                    Startup::Profile => vec!["-l".into(), "-c".into(), line],
                };
                Ok(Self { program: search.find(shell)?, name, arguments })
            }
            CommandLine::Direct { program, arguments } => {
                let program = match PowerShell::called_by(program, search) {
                    PowerShell::Pwsh { rest: [] } => OsStr::new("pwsh"),
                    PowerShell::Missing { spelling } if spelling == program => {
                        return Ok(Self::without_powershell(spelling));
                    }
                    _ => program,
                };
                let arguments = arguments.clone();
                Ok(Self { program: search.find(program)?, name: program.to_owned(), arguments })
            }
        }
    }

    /// What a shell would answer, so that clients see the usual code for a missing program.
    fn without_powershell(spelling: &OsStr) -> Self {
        let script =
            r#"printf '%s: not found, and pwsh is not installed on this computer\n' "$0" >&2; exit 127"#;
        let arguments = vec!["-c".into(), script.into(), spelling.to_owned()];
        Self { program: "/bin/sh".into(), name: "sh".into(), arguments }
    }
}

/// Where a command looks for its program: its own `PATH`, seen from its working directory.
pub(super) struct Search<'a> {
    path: &'a OsStr,
    directory: &'a Path,
}

impl<'a> Search<'a> {
    /// Without a `PATH` the system's default is searched, as `execvp` does.
    pub(super) fn new(path: Option<&'a OsStr>, directory: &'a Path) -> Self {
        Self { path: path.unwrap_or(OsStr::new("/bin:/usr/bin")), directory }
    }

    /// The absolute path of `program`.
    pub(super) fn find(&self, program: &OsStr) -> Result<PathBuf, CommandError> {
        let mut forbidden = false;
        for candidate in self.candidates(program) {
            if !candidate.is_file() {
                continue;
            }
            if access(&candidate, Access::EXEC_OK).is_ok() {
                return Ok(candidate);
            }
            forbidden = true;
        }
        let program = program.to_owned();
        Err(if forbidden {
            CommandError::ProgramForbidden { program }
        } else {
            CommandError::NoSuchProgram { program }
        })
    }

    fn candidates(&self, program: &OsStr) -> Vec<PathBuf> {
        if program.is_empty() {
            return Vec::new();
        }
        if program.as_bytes().contains(&b'/') {
            return vec![self.directory.join(program)];
        }
        std::env::split_paths(self.path).map(|folder| self.directory.join(folder).join(program)).collect()
    }
}

/// What becomes of the Windows names of PowerShell.
///
/// Clients written for Windows start everything with one of them. A program of that name on the `PATH` wins;
/// without one, PowerShell's name on Linux takes its place.
enum PowerShell<'a> {
    /// Another program, or this one exists.
    AsItIs,
    /// `pwsh`, followed by the rest of the line.
    Pwsh { rest: &'a [u8] },
    /// Neither is installed.
    Missing { spelling: &'a OsStr },
}

impl<'a> PowerShell<'a> {
    fn called_by(line: &'a OsStr, search: &Search<'_>) -> Self {
        let line = line.as_bytes().trim_ascii_start();
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b";&|<>()".contains(byte);
        let end = line.iter().position(ends).unwrap_or(line.len());
        let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
        let spelling = OsStr::from_bytes(word);
        if !["powershell", "powershell.exe"].iter().any(|name| spelling.eq_ignore_ascii_case(name)) {
            return Self::AsItIs;
        }
        if search.find(spelling).is_ok() {
            Self::AsItIs
        } else if search.find(OsStr::new("pwsh")).is_ok() {
            Self::Pwsh { rest }
        } else {
            Self::Missing { spelling }
        }
    }
}

fn joined(program: &str, rest: &[u8]) -> OsString {
    OsString::from_vec([program.as_bytes(), rest].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_quotes_that_wrap_a_line_come_off_and_those_of_a_program_stay() {
        let programs = ["ls", "/opt/my tool/run"];
        let table = [
            ("ls -l", "ls -l"),
            ("echo \"a b\"", "echo \"a b\""),
            // Wrapped by the client.
            ("\"dir C:\\\"", "dir C:\\"),
            ("\"ls -l\"", "ls -l"),
            ("\"echo \"a b\"\"", "echo \"a b\""),
            ("\"echo \"a b\" \"c\"\"", "echo \"a b\" \"c\""),
            ("\"\"/opt/my tool/run\" \"x y\"\"", "\"/opt/my tool/run\" \"x y\""),
            (" \"ls -l\" ", "ls -l "),
            ("\"\"", ""),
            // The quotes of a program's own path.
            ("\"ls\"", "\"ls\""),
            ("\"ls\" -l", "\"ls\" -l"),
            ("\"/opt/my tool/run\" -v", "\"/opt/my tool/run\" -v"),
            ("\"/opt/my tool/run\" \"x y\"", "\"/opt/my tool/run\" \"x y\""),
            // The first and the last, wherever the last one stands.
            ("\"echo a\" && ls", "echo a && ls"),
            ("\"echo a\" \"b\" c", "echo a\" \"b c"),
            ("\"ls", "ls"),
            ("\"", ""),
            ("", ""),
        ];
        for (line, expected) in table {
            let found =
                without_outer_quotes(OsStr::new(line), |word| programs.iter().any(|known| word == *known));
            assert_eq!(found, OsStr::new(expected), "{line}");
        }
    }

    #[test]
    fn what_is_run_is_not_shown() {
        let line = "mysql -phunter2";
        let startup = Startup::Profile;
        let shell = CommandLine::Shell { program: "/bin/sh".into(), startup, line: line.into() };
        let direct = CommandLine::Direct { program: "mysql".into(), arguments: vec!["-phunter2".into()] };
        for shown in [format!("{shell:?}"), format!("{direct:?}")] {
            assert!(shown.contains("program") && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn a_line_is_read_by_the_login_shell_under_its_short_name() {
        let invocation = shell("echo $0", "/usr/bin:/bin").unwrap();
        assert_eq!(invocation.program, Path::new("/bin/sh"));
        assert_eq!(
            (invocation.name, invocation.arguments),
            ("sh".into(), vec!["-c".into(), "echo $0".into()])
        );
    }

    #[test]
    fn a_program_is_looked_for_on_the_path_of_the_command() {
        let bin = folder_with(&["tool"]);
        let invocation = direct("tool", bin.path()).unwrap();
        assert_eq!((invocation.program, invocation.name), (bin.path().join("tool"), "tool".into()));

        let missing = direct("other", bin.path()).unwrap_err();
        assert!(matches!(missing, CommandError::NoSuchProgram { program } if program == "other"));
        let missing = direct("", bin.path()).unwrap_err();
        assert!(matches!(missing, CommandError::NoSuchProgram { .. }));

        fs::write(bin.path().join("text"), "").unwrap();
        let forbidden = direct("text", bin.path()).unwrap_err();
        assert!(matches!(forbidden, CommandError::ProgramForbidden { program } if program == "text"));
    }

    #[test]
    fn a_relative_path_is_seen_from_the_working_directory() {
        let bin = folder_with(&["tool"]);
        let search = Search::new(None, bin.path());
        assert_eq!(search.find(OsStr::new("./tool")).unwrap(), bin.path().join("./tool"));
        let search = Search::new(Some(OsStr::new("")), bin.path());
        assert_eq!(search.find(OsStr::new("tool")).unwrap(), bin.path().join("tool"));
    }

    #[test]
    fn a_windows_name_of_powershell_runs_pwsh_where_only_that_is_installed() {
        let bin = folder_with(&["pwsh"]);
        for name in ["powershell", "powershell.exe", "PowerShell"] {
            let line = shell(&format!("{name} -c 'a b' | cat"), bin.path()).unwrap();
            assert_eq!(line.arguments, ["-c", "pwsh -c 'a b' | cat"], "{name}");
            assert_eq!(direct(name, bin.path()).unwrap().program, bin.path().join("pwsh"), "{name}");
        }
    }

    #[test]
    fn a_program_of_the_windows_name_is_preferred_to_pwsh() {
        let bin = folder_with(&["pwsh", "PowerShell"]);
        let line = shell("PowerShell -c x", bin.path()).unwrap();
        assert_eq!(line.arguments, ["-c", "PowerShell -c x"]);
        assert_eq!(direct("PowerShell", bin.path()).unwrap().program, bin.path().join("PowerShell"));
    }

    #[test]
    fn a_word_that_only_begins_like_powershell_is_left_alone() {
        let bin = folder_with(&["pwsh"]);
        for line in ["powershellx -c", "./powershell", "powershell.exe.old", "echo powershell"] {
            assert_eq!(shell(line, bin.path()).unwrap().arguments, ["-c", line]);
        }
        let missing = direct("powershell x", bin.path()).unwrap_err();
        assert!(matches!(missing, CommandError::NoSuchProgram { .. }));
    }

    #[test]
    fn without_any_powershell_the_answer_is_written_by_a_script() {
        let bin = folder_with(&[]);
        for invocation in [shell("PowerShell -c x", bin.path()), direct("PowerShell", bin.path())] {
            let invocation = invocation.unwrap();
            assert_eq!(invocation.program, Path::new("/bin/sh"));
            assert_eq!(invocation.arguments.last().unwrap(), "PowerShell");
        }
    }

    fn shell(line: &str, path: impl AsRef<OsStr>) -> Result<Invocation, CommandError> {
        let search = Search::new(Some(path.as_ref()), Path::new("/"));
        let startup = Startup::AsIsUsual;
        Invocation::of(&CommandLine::Shell { program: "/bin/sh".into(), startup, line: line.into() }, &search)
    }

    fn direct(program: &str, path: impl AsRef<OsStr>) -> Result<Invocation, CommandError> {
        let search = Search::new(Some(path.as_ref()), Path::new("/"));
        Invocation::of(&CommandLine::Direct { program: program.into(), arguments: Vec::new() }, &search)
    }

    fn folder_with(programs: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for program in programs {
            let path = folder.path().join(program);
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }
}
