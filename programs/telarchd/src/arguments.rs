//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use config::Config;
use lexopt::{Arg, Parser, ValueExt as _};

/// What the command line asks for.
pub(crate) enum Arguments {
    /// To print a text and end.
    Print(String),
    /// To serve from this one process until it is ended.
    Ephemeral(Box<Ephemeral>),
}

/// How to serve from one process.
pub(crate) struct Ephemeral {
    pub(crate) http: Option<SocketAddr>,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) accounts: PathBuf,
    pub(crate) ready: Option<PathBuf>,
    /// Names and values, each known to be right.
    pub(crate) settings: Vec<(String, String)>,
}

/// What is wrong with a command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("{0}\n  telarchd --help lists what there is")]
    Parse(#[from] lexopt::Error),
    #[error("--{option}: {value:?} is not ADDRESS:PORT, such as 127.0.0.1:5985 or [::1]:0")]
    NotAnAddress { option: &'static str, value: String },
    #[error(
        "--{option}: {address} is not a loopback address\n  the ephemeral service is for this machine only: use 127.0.0.1 or [::1]"
    )]
    NotLoopback { option: &'static str, address: SocketAddr },
    #[error("--set: {0:?} is not NAME=VALUE, such as Service.AllowUnencrypted=true")]
    NotASetting(String),
    #[error("--set: {0}")]
    Setting(#[from] config::SettingError),
    #[error("{0} is missing\n  telarchd --help shows a whole command line")]
    Missing(&'static str),
}

impl Arguments {
    /// Reads a command line.
    pub(crate) fn parse(mut parser: Parser) -> Result<Self, ArgumentError> {
        let mut is_ephemeral = false;
        let (mut http, mut https, mut accounts, mut ready) = (None, None, None, None);
        let mut settings = Vec::new();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::Print(HELP.to_owned())),
                Arg::Short('V') | Arg::Long("version") => {
                    return Ok(Self::Print(format!("telarchd {}\n", env!("CARGO_PKG_VERSION"))));
                }
                Arg::Long("ephemeral") => is_ephemeral = true,
                Arg::Long("http") => http = Some(loopback("http", &parser.value()?.string()?)?),
                Arg::Long("https") => https = Some(loopback("https", &parser.value()?.string()?)?),
                Arg::Long("accounts") => accounts = Some(PathBuf::from(parser.value()?)),
                Arg::Long("ready") => ready = Some(PathBuf::from(parser.value()?)),
                Arg::Long("set") => {
                    let setting = parser.value()?.string()?;
                    let Some((name, value)) = setting.split_once('=') else {
                        return Err(ArgumentError::NotASetting(setting));
                    };
                    Config::default().set(name.trim(), value)?;
                    settings.push((name.trim().to_owned(), value.to_owned()));
                }
                other => return Err(other.unexpected().into()),
            }
        }
        if !is_ephemeral {
            return Err(ArgumentError::Missing("--ephemeral"));
        }
        if http.is_none() && https.is_none() {
            return Err(ArgumentError::Missing("--http or --https"));
        }
        let accounts = accounts.ok_or(ArgumentError::Missing("--accounts"))?;
        Ok(Self::Ephemeral(Box::new(Ephemeral { http, https, accounts, ready, settings })))
    }
}

fn loopback(option: &'static str, value: &str) -> Result<SocketAddr, ArgumentError> {
    let address: SocketAddr =
        value.parse().map_err(|_| ArgumentError::NotAnAddress { option, value: value.to_owned() })?;
    if address.ip().is_loopback() { Ok(address) } else { Err(ArgumentError::NotLoopback { option, address }) }
}

const HELP: &str = "\
telarchd: makes this machine manageable by WS-Management (WinRM) clients.

Example:
  telarchd --ephemeral --https 127.0.0.1:5986 --accounts accounts.txt --set Service.Auth.Basic=true

Options:
  --ephemeral            serve from this one process, as this user, on loopback only;
                         state is kept in a temporary directory that is removed at the end
  --http ADDRESS:PORT    listen for HTTP; port 0 asks for any free port
  --https ADDRESS:PORT   listen for HTTPS with a self-signed certificate made at the start
  --accounts FILE        who may sign in: lines NAME:PASSWORD, readable by its owner only (mode 0600)
  --ready FILE           once listening, write where to, as JSON, to this file
  --set NAME=VALUE       change a setting of winrm/config, such as Service.AllowUnencrypted=true;
                         may be given several times
  -h, --help             print this text
  -V, --version          print the version

Environment:
  TELARCH_LOG            what is logged to standard error: error, warn, info (as given none), debug, trace

SIGTERM and SIGINT end the service: requests under way are answered, shells are closed.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn error(arguments: &[&str]) -> String {
        match Arguments::parse(Parser::from_iter(std::iter::once(&"telarchd").chain(arguments))) {
            Ok(_) => panic!("{arguments:?} was accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let start = ["--ephemeral", "--accounts", "a"];
        for (rest, part) in [
            (&["--http", "127.0.0.1"][..], "ADDRESS:PORT"),
            (&["--http", "0.0.0.0:0"], "loopback"),
            (&["--https", "192.0.2.1:5986"], "loopback"),
            (&["--http", "127.0.0.1:0", "--set", "Service"], "NAME=VALUE"),
            (&["--http", "127.0.0.1:0", "--set", "Service.Nothing=1"], "Nothing"),
            (&["--http", "127.0.0.1:0", "--nothing"], "--nothing"),
            (&[], "--http or --https"),
        ] {
            let shown = error(&[&start[..], rest].concat());
            assert!(shown.contains(part), "{shown:?} does not name {part:?}");
        }
        assert!(error(&["--http", "127.0.0.1:0", "--accounts", "a"]).contains("--ephemeral"));
        assert!(error(&["--ephemeral", "--http", "127.0.0.1:0"]).contains("--accounts"));
    }
}
