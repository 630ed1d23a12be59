//! Program and arguments of a command line.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::error::CommandError;

/// Command line of a client (MS-WSMV 3.1.4.11, option `WINRS_SKIP_CMD_SHELL`).
///
/// `Debug` shows only the program, because command lines may contain passwords.
#[derive(Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// `WINRS_SKIP_CMD_SHELL` is false: the user's login shell runs the line, as with `sshd`.
    Shell {
        /// Login shell, run as `program -c line`.
        program: PathBuf,
        /// Profiles that the shell reads first.
        startup: Startup,
        /// Command and Arguments, joined by single spaces, with their outer quotes. [`without_outer_quotes`] is applied
        /// when the command starts.
        line: OsString,
    },
    /// `WINRS_SKIP_CMD_SHELL` is true: the program is run without a shell.
    Direct {
        /// Path, or name to search on the command's `PATH`.
        program: OsString,
        /// Arguments, passed on unchanged.
        arguments: Vec<OsString>,
    },
}

/// Profiles that a login shell reads before the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Startup {
    /// Only the files that the shell always reads; most shells read none.
    #[default]
    NoProfile,
    /// Also the profiles of the system and the user, as at a terminal: `program -l -c line`.
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

/// Removes the quotes around a whole line, as `cmd /c` does.
///
/// Some clients quote every line, others quote only the path of a program. Therefore the first and the last quote of a
/// line that begins with one are removed, unless the quoted word at its beginning is an existing program. (`cmd` keeps
/// the quotes only if the line has no others, and mangles lines with a second quoted word.)
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
    /// Path of the program file.
    pub(super) program: PathBuf,
    /// Name of the program as the command sees it in `$0`.
    pub(super) name: OsString,
    pub(super) arguments: Vec<OsString>,
}

impl Invocation {
    /// Resolves a command line; `search` finds its program.
    pub(super) fn of(line: &CommandLine, search: &Search<'_>) -> Result<Self, CommandError> {
        match line {
            CommandLine::Shell { program, startup, line } => {
                let is_program =
                    |word: &OsStr| search.find(word).is_ok() || PowerShell::has_windows_path(word);
                let line = without_outer_quotes(line, is_program);
                let line = match PowerShell::called_by(&line, search) {
                    PowerShell::AsItIs => line.into_owned(),
                    PowerShell::Replaced { program, rest } => joined(program, rest),
                    PowerShell::Missing { spelling } => return Ok(Self::without_powershell(spelling)),
                };
                let shell = program.as_os_str();
                let name = program.file_name().unwrap_or(shell).to_owned();
                let arguments = match startup {
                    Startup::NoProfile => vec!["-c".into(), line],
                    Startup::Profile => vec!["-l".into(), "-c".into(), line],
                };
                Ok(Self { program: search.find(shell)?, name, arguments })
            }
            CommandLine::Direct { program, arguments } => {
                let program = match PowerShell::named(program, &[], search) {
                    PowerShell::AsItIs => program,
                    PowerShell::Replaced { program, rest: _ } => program,
                    PowerShell::Missing { spelling } => return Ok(Self::without_powershell(spelling)),
                };
                let arguments = arguments.clone();
                Ok(Self { program: search.find(program)?, name: program.to_owned(), arguments })
            }
        }
    }

    /// Returns a script that fails as a shell does for a missing program, so that clients receive exit code 127.
    fn without_powershell(spelling: &OsStr) -> Self {
        let script =
            r#"printf '%s: not found, and pwsh is not installed on this computer\n' "$0" >&2; exit 127"#;
        let arguments = vec!["-c".into(), script.into(), spelling.to_owned()];
        Self { program: "/bin/sh".into(), name: "sh".into(), arguments }
    }
}

/// Search path of a command: its own `PATH`, relative to its working directory.
pub(super) struct Search<'a> {
    path: &'a OsStr,
    directory: &'a Path,
}

impl<'a> Search<'a> {
    /// Creates a search path. Without a `PATH` it is the system's default, as for execvp(3).
    pub(super) fn new(path: Option<&'a OsStr>, directory: &'a Path) -> Self {
        Self { path: path.unwrap_or(OsStr::new("/bin:/usr/bin")), directory }
    }

    /// Returns the absolute path of `program`.
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

/// Replacement for the Windows names of PowerShell.
///
/// Clients written for Windows start most commands with one of them, some with its path. A program of that name on the
/// `PATH` has priority, otherwise `pwsh` replaces it.
enum PowerShell<'a> {
    /// The line starts another program, or a program of the Windows name exists.
    AsItIs,
    /// The line runs another program with the rest of the line.
    Replaced { program: &'a OsStr, rest: &'a [u8] },
    /// Neither the Windows name nor `pwsh` is installed.
    Missing { spelling: &'a OsStr },
}

impl<'a> PowerShell<'a> {
    /// Examines the first word of a line, which may be quoted.
    fn called_by(line: &'a OsStr, search: &Search<'_>) -> Self {
        let line = line.as_bytes().trim_ascii_start();
        if let Some(quoted) = line.strip_prefix(b"\"") {
            let mut parts = quoted.splitn(2, |byte| *byte == b'"');
            return match (parts.next().map(OsStr::from_bytes), parts.next()) {
                // The shell itself finds other quoted programs.
                (Some(word), Some(rest)) if Self::has_windows_path(word) => Self::named(word, rest, search),
                _ => Self::AsItIs,
            };
        }
        let end = line
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || b";&|<>()".contains(byte))
            .unwrap_or(line.len());
        let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
        Self::named(OsStr::from_bytes(word), rest, search)
    }

    /// Examines the name or Windows path of a program.
    fn named(spelling: &'a OsStr, rest: &'a [u8], search: &Search<'_>) -> Self {
        let path = name_in_windows_path(spelling);
        let name = path.unwrap_or(spelling);
        if !Self::is_name(name) {
            return Self::AsItIs;
        }
        match (search.find(name), path) {
            (Ok(_), None) => Self::AsItIs,
            (Ok(_), Some(program)) => Self::Replaced { program, rest },
            (Err(_), _) if search.find(OsStr::new("pwsh")).is_ok() => {
                Self::Replaced { program: OsStr::new("pwsh"), rest }
            }
            (Err(_), _) => Self::Missing { spelling },
        }
    }

    /// Returns whether a word is the Windows path of PowerShell.
    fn has_windows_path(word: &OsStr) -> bool {
        name_in_windows_path(word).is_some_and(Self::is_name)
    }

    fn is_name(name: &OsStr) -> bool {
        ["powershell", "powershell.exe", "pwsh.exe"].iter().any(|known| name.eq_ignore_ascii_case(known))
    }
}

/// Returns the last component of a Windows path, which begins with a drive, with a variable such as `%SystemRoot%`, or
/// with two backslashes; `None` for other words.
fn name_in_windows_path(word: &OsStr) -> Option<&OsStr> {
    let word = word.as_bytes();
    let (folder, rest) = word.split_at_checked(word.iter().rposition(|byte| *byte == b'\\')?)?;
    let name = rest.strip_prefix(b"\\")?;
    let is_windows = match folder {
        [drive, b':', ..] => drive.is_ascii_alphabetic(),
        [b'%', rest @ ..] => rest.contains(&b'%'),
        [b'\\', ..] => true,
        _ => false,
    };
    is_windows.then_some(OsStr::from_bytes(name))
}

fn joined(program: &OsStr, rest: &[u8]) -> OsString {
    OsString::from_vec([program.as_bytes(), rest].concat())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn outer_quotes_are_removed_and_those_of_a_program_path_stay() {
        let programs = ["ls", "/opt/my tool/run"];
        let table = [
            ("ls -l", "ls -l"),
            ("echo \"a b\"", "echo \"a b\""),
            // Quotes added by the client.
            ("\"dir C:\\\"", "dir C:\\"),
            ("\"ls -l\"", "ls -l"),
            ("\"echo \"a b\"\"", "echo \"a b\""),
            ("\"echo \"a b\" \"c\"\"", "echo \"a b\" \"c\""),
            ("\"\"/opt/my tool/run\" \"x y\"\"", "\"/opt/my tool/run\" \"x y\""),
            (" \"ls -l\" ", "ls -l "),
            ("\"\"", ""),
            // Quotes of a program path.
            ("\"ls\"", "\"ls\""),
            ("\"ls\" -l", "\"ls\" -l"),
            ("\"/opt/my tool/run\" -v", "\"/opt/my tool/run\" -v"),
            ("\"/opt/my tool/run\" \"x y\"", "\"/opt/my tool/run\" \"x y\""),
            // First and last quote, wherever the last one is.
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
    fn command_lines_are_not_shown_in_debug_output() {
        let line = "mysql -phunter2";
        let startup = Startup::Profile;
        let shell = CommandLine::Shell { program: "/bin/sh".into(), startup, line: line.into() };
        let direct = CommandLine::Direct { program: "mysql".into(), arguments: vec!["-phunter2".into()] };
        for shown in [format!("{shell:?}"), format!("{direct:?}")] {
            assert!(shown.contains("program") && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn the_login_shell_runs_the_line_under_its_short_name() {
        let invocation = shell("echo $0", "/usr/bin:/bin").unwrap();
        assert_eq!(invocation.program, Path::new("/bin/sh"));
        assert_eq!(
            (invocation.name, invocation.arguments),
            ("sh".into(), vec!["-c".into(), "echo $0".into()])
        );
    }

    #[test]
    fn a_program_is_searched_on_the_path_of_the_command() {
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
    fn a_relative_path_is_resolved_from_the_working_directory() {
        let bin = folder_with(&["tool"]);
        let search = Search::new(None, bin.path());
        assert_eq!(search.find(OsStr::new("./tool")).unwrap(), bin.path().join("./tool"));
        let search = Search::new(Some(OsStr::new("")), bin.path());
        assert_eq!(search.find(OsStr::new("tool")).unwrap(), bin.path().join("tool"));
    }

    #[test]
    fn a_windows_name_of_powershell_runs_pwsh() {
        let bin = folder_with(&["pwsh"]);
        for name in ["powershell", "powershell.exe", "PowerShell"] {
            let line = shell(&format!("{name} -c 'a b' | cat"), bin.path()).unwrap();
            assert_eq!(line.arguments, ["-c", "pwsh -c 'a b' | cat"], "{name}");
            assert_eq!(direct(name, bin.path()).unwrap().program, bin.path().join("pwsh"), "{name}");
        }
    }

    #[test]
    fn a_program_with_the_windows_name_is_preferred_to_pwsh() {
        let bin = folder_with(&["pwsh", "PowerShell"]);
        let line = shell("PowerShell -c x", bin.path()).unwrap();
        assert_eq!(line.arguments, ["-c", "PowerShell -c x"]);
        assert_eq!(direct("PowerShell", bin.path()).unwrap().program, bin.path().join("PowerShell"));
    }

    #[test]
    fn a_windows_path_of_powershell_runs_pwsh() {
        let bin = folder_with(&["pwsh"]);
        let folder = r"%SystemRoot%\System32\WindowsPowerShell\v1.0";
        for path in [
            format!(r"{folder}\powershell.exe"),
            format!(r#""{folder}\PowerShell""#),
            r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe".to_owned(),
            r#""C:\Program Files\PowerShell\7\pwsh.exe""#.to_owned(),
            r"\\server\share\powershell.exe".to_owned(),
        ] {
            let line = shell(&format!(r#"{path} -c "a b" "c""#), bin.path()).unwrap();
            assert_eq!(line.arguments, ["-c", r#"pwsh -c "a b" "c""#], "{path}");
            let program = path.trim_matches('"');
            assert_eq!(direct(program, bin.path()).unwrap().program, bin.path().join("pwsh"), "{path}");
        }
        let quoted = shell(&format!(r#""{folder}\powershell.exe -c x""#), bin.path()).unwrap();
        assert_eq!(quoted.arguments, ["-c", "pwsh -c x"]);
        let line = format!(r"{folder}\powershell.exe -c x");
        let own = folder_with(&["powershell.exe"]);
        assert_eq!(shell(&line, own.path()).unwrap().arguments, ["-c", "powershell.exe -c x"]);
        let missing = shell(&line, folder_with(&[]).path()).unwrap();
        assert_eq!(missing.arguments.last().unwrap(), OsStr::new(&format!(r"{folder}\powershell.exe")));
    }

    #[test]
    fn other_windows_paths_are_unchanged() {
        let bin = folder_with(&["pwsh"]);
        for line in
            [r"C:\Windows\notepad.exe x", r"a\powershell.exe", r"%x\powershell.exe", r#""a\powershell" -c"#]
        {
            let arguments = shell(line, bin.path()).unwrap().arguments;
            assert!(!arguments.iter().any(|argument| argument.to_string_lossy().contains("pwsh")), "{line}");
        }
    }

    #[test]
    fn a_word_that_only_begins_like_powershell_is_unchanged() {
        let bin = folder_with(&["pwsh"]);
        for line in ["powershellx -c", "./powershell", "powershell.exe.old", "echo powershell"] {
            assert_eq!(shell(line, bin.path()).unwrap().arguments, ["-c", line]);
        }
        let missing = direct("powershell x", bin.path()).unwrap_err();
        assert!(matches!(missing, CommandError::NoSuchProgram { .. }));
    }

    #[test]
    fn without_any_powershell_a_script_reports_the_missing_program() {
        let bin = folder_with(&[]);
        for invocation in [shell("PowerShell -c x", bin.path()), direct("PowerShell", bin.path())] {
            let invocation = invocation.unwrap();
            assert_eq!(invocation.program, Path::new("/bin/sh"));
            assert_eq!(invocation.arguments.last().unwrap(), "PowerShell");
        }
    }

    fn shell(line: &str, path: impl AsRef<OsStr>) -> Result<Invocation, CommandError> {
        let search = Search::new(Some(path.as_ref()), Path::new("/"));
        let startup = Startup::NoProfile;
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
