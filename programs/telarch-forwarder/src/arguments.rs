//! Command line.

use std::path::PathBuf;

use config::SubscriptionManager;
use eventlog::text::{TextFormat, TextLogPath};
use lexopt::{Arg, Parser, ValueExt as _};

/// Parsed command line.
pub(crate) enum Arguments {
    /// Print a text and exit.
    Print(String),
    /// Forward events.
    Run(Box<Options>),
}

/// Options of the forwarder.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Settings file; `None` for that of the machine or the user.
    pub(crate) config: Option<PathBuf>,
    /// Directory of positions.
    pub(crate) state: Option<PathBuf>,
    /// Collectors in addition to those of the policies.
    pub(crate) managers: Vec<SubscriptionManager>,
    /// Certificate and key in PEM, instead of that of the settings.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    /// Authorities of the collectors' certificates, in addition to those of the system.
    pub(crate) authority: Option<PathBuf>,
    /// Journal, instead of that of this machine.
    pub(crate) journal: Option<PathBuf>,
    /// Audit log, instead of that of this machine.
    pub(crate) audit_log: Option<PathBuf>,
    /// Files of syslog and text files, in addition to those of the settings.
    pub(crate) files: Vec<TextLogPath>,
    /// Name of this machine.
    pub(crate) name: Option<String>,
}

/// Error in the command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("{0}\n  run telarch-forwarder --help for the options")]
    Parse(#[from] lexopt::Error),
    #[error("--manager: {0}")]
    Manager(config::Reason),
    #[error("{0} requires {1}")]
    Missing(&'static str, &'static str),
    #[error("--name: {0:?} is not a host name")]
    Name(String),
    #[error("{} is not an absolute path\n  name log files by their full paths, which their channels contain", .0.display())]
    RelativePath(PathBuf),
}

const HELP: &str = "\
Usage: telarch-forwarder [OPTION]...

Forwards events of this machine to event collectors. The collectors are those of the policy
SubscriptionManager (telarch policy --help) and of --manager. Without any, the program ends.

Options:
  --manager POLICY     collector as Server=URL,Refresh=SECONDS; can be repeated
  --config FILE        settings (as root /etc/telarch/config.toml, otherwise
                       $XDG_CONFIG_HOME/telarch/config.toml); policy.d next to it has the policies
  --state DIR          directory of positions ($STATE_DIRECTORY, otherwise telarch/forwarder in
                       $XDG_STATE_HOME)
  --certificate FILE   certificate for collectors with HTTPS, with its chain in PEM; without it
                       EventForwarding.CertificateThumbprint, or else Kerberos
  --key FILE           private key of --certificate in PEM
  --authority FILE     authorities that issue certificates of collectors (PEM), in addition to
                       those of the system
  --journal PATH       directory or file of the journal (that of this machine); none for no journal
  --audit-log FILE     audit log (/var/log/audit/audit.log if it exists); none for no audit log
  --syslog-file FILE   file of syslog whose lines are forwarded, in addition to those of
                       EventForwarding.SyslogFiles; can be repeated
  --text-file FILE     text file whose lines are forwarded, in addition to those of
                       EventForwarding.TextFiles; can be repeated
  --name NAME          name of this machine in messages and events (its full host name)
  -h, --help           print this text
  -V, --version        print the version

Example:
  telarch-forwarder --manager Server=https://wec.example.com:5986/wsman/SubscriptionManager/WEC,Refresh=60 \\
      --certificate web1.crt --key web1.key
";

impl Arguments {
    /// Parses a command line.
    pub(crate) fn parse(mut parser: Parser) -> Result<Self, ArgumentError> {
        let mut options = Options::default();
        let (mut certificate, mut key) = (None, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::Print(HELP.to_owned())),
                Arg::Short('V') | Arg::Long("version") => {
                    return Ok(Self::Print(format!("telarch-forwarder {}\n", env!("CARGO_PKG_VERSION"))));
                }
                Arg::Long("manager") => {
                    let text = parser.value()?.string()?;
                    let manager = SubscriptionManager::parse(&text).map_err(ArgumentError::Manager)?;
                    options.managers.push(manager);
                }
                Arg::Long("config") => options.config = Some(parser.value()?.into()),
                Arg::Long("state") => options.state = Some(parser.value()?.into()),
                Arg::Long("certificate") => certificate = Some(PathBuf::from(parser.value()?)),
                Arg::Long("key") => key = Some(PathBuf::from(parser.value()?)),
                Arg::Long("authority") => options.authority = Some(parser.value()?.into()),
                Arg::Long("journal") => options.journal = Some(parser.value()?.into()),
                Arg::Long("audit-log") => options.audit_log = Some(parser.value()?.into()),
                Arg::Long("syslog-file") => {
                    options.files.push(log_file(parser.value()?.into(), TextFormat::Syslog)?);
                }
                Arg::Long("text-file") => {
                    options.files.push(log_file(parser.value()?.into(), TextFormat::Plain)?);
                }
                Arg::Long("name") => options.name = Some(host_name(parser.value()?.string()?)?),
                other => return Err(other.unexpected().into()),
            }
        }
        options.certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) => return Err(ArgumentError::Missing("--certificate", "--key")),
            (None, Some(_)) => return Err(ArgumentError::Missing("--key", "--certificate")),
            (None, None) => None,
        };
        Ok(Self::Run(Box::new(options)))
    }
}

fn log_file(path: PathBuf, format: TextFormat) -> Result<TextLogPath, ArgumentError> {
    if path.is_absolute() { Ok(TextLogPath { path, format }) } else { Err(ArgumentError::RelativePath(path)) }
}

fn host_name(text: String) -> Result<String, ArgumentError> {
    let is_name = !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if is_name { Ok(text) } else { Err(ArgumentError::Name(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(arguments: &[&str]) -> String {
        match Arguments::parse(Parser::from_iter(std::iter::once(&"telarch-forwarder").chain(arguments))) {
            Ok(_) => panic!("{arguments:?} was accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn errors_name_the_option() {
        for (arguments, part) in [
            (&["--manager", "Refresh=60"][..], "--manager"),
            (&["--certificate", "a"], "--key"),
            (&["--key", "a"], "--certificate"),
            (&["--name", "a b"], "--name"),
            (&["--syslog-file", "messages"], "messages"),
            (&["--nothing"], "--nothing"),
            (&["word"], "word"),
        ] {
            assert!(error(arguments).contains(part), "{arguments:?}");
        }
    }
}
