//! Options of the command line: the table from which help and completion are made.

use std::fmt::Write as _;

/// An option.
pub(crate) struct ProgramOption {
    /// Name without the leading hyphens.
    pub(crate) name: &'static str,
    /// Letter of the short form, if it has one.
    short: Option<char>,
    /// Value; `None` for a switch.
    value: Option<OptionValue>,
    /// Lines of the description.
    lines: &'static [&'static str],
}

/// Value of an option.
struct OptionValue {
    /// Placeholder in the help.
    placeholder: &'static str,
    kind: ValueKind,
}

/// Kind of a value, for completion.
#[derive(Clone, Copy)]
enum ValueKind {
    File,
    Folder,
    User,
    Words(&'static [&'static str]),
    Other,
}

/// A shell with completion support.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

const fn switch(name: &'static str, lines: &'static [&'static str]) -> ProgramOption {
    ProgramOption { name, short: None, value: None, lines }
}

const fn with_value(
    name: &'static str,
    placeholder: &'static str,
    kind: ValueKind,
    lines: &'static [&'static str],
) -> ProgramOption {
    ProgramOption { name, short: None, value: Some(OptionValue { placeholder, kind }), lines }
}

/// All options for users, in the order of the help.
pub(crate) static OPTIONS: [ProgramOption; 28] = [
    switch("ephemeral", &["serve on loopback only, with a temporary state directory"]),
    switch(
        "check",
        &["report problems of configuration, listeners, certificates and accounts; changes nothing"],
    ),
    with_value(
        "config",
        "FILE",
        ValueKind::File,
        &[
            "settings in TOML (as root /etc/telarch/config.toml, otherwise",
            "$XDG_CONFIG_HOME/telarch/config.toml); the directory certificates next to it holds",
            "certificates with their keys in THUMBPRINT.pem, policy.d holds policies, which",
            "override the settings; see telarch policy --help",
        ],
    ),
    with_value(
        "state",
        "DIR",
        ValueKind::Folder,
        &[
            "state of the service (/var/lib/telarch or $XDG_STATE_HOME/telarch); with this option,",
            "the socket for local programs is local.sock in this directory",
        ],
    ),
    with_value(
        "accounts",
        "FILE",
        ValueKind::File,
        &[
            "accounts that may sign in (accounts next to the settings); add one with telarch",
            "account add NAME; with --ephemeral a file of NAME:PASSWORD lines; mode 0600",
        ],
    ),
    with_value(
        "audit",
        "FILE",
        ValueKind::File,
        &[
            "audit records of sign-ins, denials, changes and commands, one JSON object per line",
            "(audit.jsonl in the state directory); SIGHUP reopens the file",
        ],
    ),
    with_value(
        "audit-size",
        "SIZE",
        ValueKind::Other,
        &["maximum size of an audit file (16M); the previous file is FILE.1"],
    ),
    with_value(
        "audit-files",
        "COUNT",
        ValueKind::Other,
        &["number of audit files to keep, including the current one (10)"],
    ),
    with_value(
        "gateway-user",
        "NAME",
        ValueKind::User,
        &["as root: unprivileged user of the process that reads the network (telarch)"],
    ),
    with_value(
        "host-idle",
        "SECONDS",
        ValueKind::Other,
        &["as root: how long a user's process stays after its last request and shell (60)"],
    ),
    with_value(
        "winbind",
        "WHO",
        ValueKind::Words(&["domains", "everyone"]),
        &[
            "as root: verify NTLM of domain accounts (domains) or also of local accounts (everyone)",
            "with Samba's winbind; the file domain-accounts next to the settings maps domain",
            "accounts to local ones, one per line, such as: CORP\\ann ann",
        ],
    ),
    switch("no-listeners", &["serve local programs only, whatever the settings say"]),
    with_value(
        "ntlm-auth",
        "PROGRAM",
        ValueKind::File,
        &["program that queries winbind (/usr/bin/ntlm_auth)"],
    ),
    with_value(
        "set",
        "NAME=VALUE",
        ValueKind::Other,
        &[
            "override a setting of winrm/config for this run, such as",
            "Service.AllowUnencrypted=true; can be repeated",
        ],
    ),
    with_value(
        "http",
        "ADDRESS:PORT",
        ValueKind::Other,
        &["with --ephemeral: listen for HTTP; port 0 selects a free port"],
    ),
    with_value(
        "https",
        "ADDRESS:PORT",
        ValueKind::Other,
        &["with --ephemeral: listen for HTTPS with a new self-signed certificate"],
    ),
    with_value(
        "certificate",
        "FILE",
        ValueKind::File,
        &["with --ephemeral and --https: certificate with its chain in PEM, instead of a new one"],
    ),
    with_value("key", "FILE", ValueKind::File, &["private key of --certificate in PEM"]),
    with_value(
        "subscription",
        "FILE",
        ValueKind::File,
        &[
            "with --ephemeral: collect the events of this subscription of Windows (XML of wecutil);",
            "can be repeated",
        ],
    ),
    with_value(
        "forwarded-events",
        "FILE",
        ValueKind::File,
        &[
            "file to which the events are appended: FILE.jsonl as JSON, FILE.xml as XML;",
            "- is standard output, as JSON",
        ],
    ),
    with_value(
        "event-store",
        "FILE",
        ValueKind::File,
        &[
            "with --subscription: settings of a PostgreSQL database for bookmarks, as in",
            "event-store.toml of a configured service (a temporary file)",
        ],
    ),
    with_value(
        "journal",
        "PATH",
        ValueKind::File,
        &[
            "with --ephemeral: directory or file of the journal for event subscriptions",
            "(that of this machine)",
        ],
    ),
    with_value(
        "client-authority",
        "FILE",
        ValueKind::File,
        &[
            "with --https: event sources must present a certificate of these authorities (PEM);",
            "--accounts may be omitted then",
        ],
    ),
    with_value(
        "ready",
        "FILE",
        ValueKind::File,
        &["with --ephemeral: write the URLs as JSON to this file once listening"],
    ),
    with_value(
        "pwsh",
        "PROGRAM",
        ValueKind::File,
        &["with --ephemeral: program that is called with the arguments of pwsh in its place"],
    ),
    with_value(
        "completion",
        "SHELL",
        ValueKind::Words(&["bash", "zsh", "fish"]),
        &["print a completion script for bash, zsh or fish"],
    ),
    ProgramOption { name: "help", short: Some('h'), value: None, lines: &["print this text"] },
    ProgramOption { name: "version", short: Some('V'), value: None, lines: &["print the version"] },
];

/// Returns the help.
pub(crate) fn help() -> String {
    let mut text = HEAD.to_owned();
    for option in &OPTIONS {
        let value = option.value.as_ref().map_or_else(String::new, |value| format!(" {}", value.placeholder));
        let short = option.short.map_or_else(String::new, |short| format!("-{short}, "));
        let form = format!("{short}--{}{value}", option.name);
        for (index, line) in option.lines.iter().enumerate() {
            let form = if index == 0 { form.as_str() } else { "" };
            // A form that is too long for its column has a line of its own.
            let separator = if form.len() > COLUMN { format!("\n{:COLUMN$}   ", "") } else { " ".to_owned() };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {form:<COLUMN$}{separator}{line}");
        }
    }
    text + TAIL
}

impl Shell {
    /// Returns the shell with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [("bash", Self::Bash), ("zsh", Self::Zsh), ("fish", Self::Fish)];
        all.into_iter().find(|(own, _)| *own == name).map(|(_, shell)| shell)
    }

    /// Returns the completion script for `telarchd`.
    pub(crate) fn completion(self) -> String {
        match self {
            Self::Bash => bash(),
            Self::Zsh => zsh(),
            Self::Fish => fish(),
        }
    }
}

impl ProgramOption {
    /// Returns the first part of the description, for a list of choices.
    fn summary(&self) -> String {
        let text = self.lines.join(" ");
        let end = [text.find("; "), text.find(" (")].into_iter().flatten().min().unwrap_or(text.len());
        text.get(..end).unwrap_or(&text).replace('\'', "")
    }

    fn kind(&self) -> Option<ValueKind> {
        self.value.as_ref().map(|value| value.kind)
    }
}

fn bash() -> String {
    let mut cases = String::new();
    for option in &OPTIONS {
        let action = match option.kind() {
            None => continue,
            Some(ValueKind::File) => {
                r#"COMPREPLY=($(compgen -f -- "$word")); compopt -o filenames"#.to_owned()
            }
            Some(ValueKind::Folder) => {
                r#"COMPREPLY=($(compgen -d -- "$word")); compopt -o filenames"#.to_owned()
            }
            Some(ValueKind::User) => r#"COMPREPLY=($(compgen -u -- "$word"))"#.to_owned(),
            Some(ValueKind::Words(words)) => {
                format!(r#"COMPREPLY=($(compgen -W '{}' -- "$word"))"#, words.join(" "))
            }
            Some(ValueKind::Other) => "COMPREPLY=()".to_owned(),
        };
        let _ = writeln!(cases, "    --{}) {action}; return ;;", option.name);
    }
    let names: Vec<String> = OPTIONS.iter().map(|option| format!("--{}", option.name)).collect();
    format!(
        "# bash completion for telarchd\n_telarchd() {{\n    local word=$2\n    case $3 in\n{cases}    esac\n    \
         COMPREPLY=($(compgen -W '{}' -- \"$word\"))\n}}\ncomplete -F _telarchd telarchd\n",
        names.join(" ")
    )
}

fn zsh() -> String {
    let mut arguments = String::new();
    for option in &OPTIONS {
        let summary: String =
            option.summary().chars().filter(|letter| !matches!(letter, '[' | ']' | ':')).collect();
        let value = match (&option.value, option.kind()) {
            (Some(value), Some(kind)) => {
                let action = match kind {
                    ValueKind::File => "_files".to_owned(),
                    ValueKind::Folder => "_files -/".to_owned(),
                    ValueKind::User => "_users".to_owned(),
                    ValueKind::Words(words) => format!("({})", words.join(" ")),
                    ValueKind::Other => String::new(),
                };
                format!(":{}:{action}", value.placeholder.replace(':', "\\:"))
            }
            _ => String::new(),
        };
        let repeated = if matches!(option.name, "set" | "subscription") { "*" } else { "" };
        let _ = write!(arguments, " \\\n    '{repeated}--{}[{summary}]{value}'", option.name);
    }
    format!("#compdef telarchd\n_arguments{arguments}\n")
}

fn fish() -> String {
    let mut lines = String::from("complete -c telarchd -f\n");
    for option in &OPTIONS {
        let short = option.short.map_or_else(String::new, |short| format!(" -s {short}"));
        let value = match option.kind() {
            None => String::new(),
            Some(ValueKind::File | ValueKind::Folder) => " -r -F".to_owned(),
            Some(ValueKind::User) => " -x -a '(__fish_complete_users)'".to_owned(),
            Some(ValueKind::Words(words)) => format!(" -x -a '{}'", words.join(" ")),
            Some(ValueKind::Other) => " -x".to_owned(),
        };
        let _ = writeln!(
            lines,
            "complete -c telarchd -l {}{short}{value} -d '{}'",
            option.name,
            option.summary()
        );
    }
    lines
}

/// Width of the options in the help.
const COLUMN: usize = 22;

const HEAD: &str = "\
telarchd: WS-Management (WinRM) service for Linux.

Example:
  telarchd --ephemeral --https 127.0.0.1:5986 --accounts accounts.txt --set Service.Auth.Basic=true

Forms:
  telarchd [--config FILE] [--state DIR] [--accounts FILE] [--audit FILE] [--set NAME=VALUE]...
      serve according to the configuration: as root for the whole machine, otherwise for the current user
  telarchd --check [OPTIONS]
      report problems of configuration, listeners, certificates and accounts; changes nothing
  telarchd --ephemeral --accounts FILE [--http ADDRESS:PORT] [--https ADDRESS:PORT] [--ready FILE] ...
      serve on loopback only, with a temporary state directory that is removed at the end

Options:
";

const TAIL: &str = "
Environment:
  TELARCH_LOG            level of the log on standard error: error, warn, info (default), debug, trace

SIGTERM and SIGINT stop the service: pending requests are answered, shells are closed.
SIGHUP reloads settings, certificates and accounts; files with errors keep their previous content.
With --ephemeral SIGHUP stops the service.
The exit status is 0, or 1 for an invalid command line, a file that cannot be used, or errors found by --check.
";

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn scripts_have_every_option_and_are_accepted_by_their_shell() {
        for (shell, name) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
            let script = Shell::named(name).unwrap().completion();
            assert_eq!(script, shell.completion());
            for option in &OPTIONS {
                let form = if shell == Shell::Fish { "-l " } else { "--" };
                assert!(script.contains(&format!("{form}{}", option.name)), "{name}: {}", option.name);
            }
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &script).unwrap();
            // Shells that are not installed are not asked.
            if let Ok(status) = Command::new(name).arg("-n").arg(file.path()).stdout(Stdio::null()).status() {
                assert!(status.success(), "{name}: {script}");
            }
        }
        assert!(Shell::named("csh").is_none());
    }

    #[test]
    fn bash_completes_names_words_and_files() {
        let completed = |words: &str| {
            let script = format!(
                "{}\ncompopt() {{ :; }}\nset -- {words}\n_telarchd telarchd \"$2\" \"$1\"\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
                bash()
            );
            let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
            String::from_utf8(output.stdout)
                .unwrap()
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(completed("telarchd --audit-"), ["--audit-size", "--audit-files"]);
        assert_eq!(completed("--winbind d"), ["domains"]);
        assert!(completed("--state /usr/li").contains(&"/usr/lib".to_owned()));
        assert!(completed("--host-idle ''").is_empty());
    }

    #[test]
    fn the_help_has_the_options_in_columns() {
        let help = help();
        assert!(help.contains("\n  -h, --help             print this text\n"), "{help}");
        assert!(help.contains("\n  --winbind WHO          as root: verify NTLM"), "{help}");
        assert!(help.lines().all(|line| line.len() <= 112), "{help}");
    }
}
