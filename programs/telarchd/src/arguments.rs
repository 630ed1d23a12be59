//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use accounts::WinbindScope;
use config::{Config, Paths};
use lexopt::{Arg, Parser, ValueExt as _};

use crate::audit::{AuditLimits, ByteSize};

/// What the command line asks for.
pub(crate) enum Arguments {
    /// To print a text and end.
    Print(String),
    /// To serve from this one process, without leaving anything behind.
    Ephemeral(Box<Ephemeral>),
    /// To serve what the configuration says.
    Persistent(Box<Persistent>),
    /// To say what is wrong with the configuration.
    Check(Box<Persistent>),
}

/// How to serve without leaving anything behind.
pub(crate) struct Ephemeral {
    pub(crate) http: Option<SocketAddr>,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) accounts: PathBuf,
    pub(crate) ready: Option<PathBuf>,
    /// Names and values, each known to be right.
    pub(crate) settings: Vec<(String, String)>,
}

/// How to serve what the configuration says.
#[derive(Debug)]
pub(crate) struct Persistent {
    pub(crate) paths: Paths,
    pub(crate) accounts: Chosen,
    pub(crate) config: Chosen,
    /// How the processes are separated, if root serves.
    pub(crate) separate: Separate,
    /// Where audit records go.
    pub(crate) audit: PathBuf,
    /// How large its files may become, and how many there may be.
    pub(crate) audit_limits: AuditLimits,
    /// Whom winbind is asked about, if it is.
    pub(crate) winbind: Option<WinbindScope>,
    /// The program that asks it.
    pub(crate) ntlm_auth: PathBuf,
    /// Names and values, each known to be right.
    pub(crate) settings: Vec<(String, String)>,
}

/// How the processes of the service are separated.
#[derive(Clone, Debug)]
pub(crate) struct Separate {
    /// Whether this process is the gateway, which the broker has started.
    pub(crate) is_gateway: bool,
    /// As whom the gateway runs.
    pub(crate) gateway_user: String,
    /// How long a process of a user without shells waits for something to do.
    pub(crate) host_idle: Duration,
}

/// Who chose where a file is: the usual ones are made if they are missing, others may be slips of the pen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    ByDefault,
    ByUser,
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
    #[error("--host-idle: {0:?} is no number of seconds from 1 to 86400")]
    NotSeconds(String),
    #[error("--audit-size: {0:?} is not a size from 64K to 1024G, such as 16M")]
    NotASize(String),
    #[error("--audit-files: {0:?} is not a number from 1 to 10000")]
    NotACount(String),
    #[error("--winbind: {0:?} is neither domains nor everyone")]
    NotAScope(String),
    #[error("{0} is missing\n  telarchd --help shows a whole command line")]
    Missing(&'static str),
    #[error("{option} is only for {form}\n  telarchd --help shows the forms there are")]
    OtherForm { option: &'static str, form: &'static str },
    #[error(
        "it is unknown where this user keeps files: HOME is not set\n  say it with --config FILE and --state DIR"
    )]
    NoHome,
}

/// What was given, before it is known which form it belongs to.
#[derive(Default)]
struct Given {
    ephemeral: bool,
    check: bool,
    is_gateway: bool,
    gateway_user: Option<String>,
    host_idle: Option<Duration>,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    accounts: Option<PathBuf>,
    ready: Option<PathBuf>,
    config: Option<PathBuf>,
    state: Option<PathBuf>,
    audit: Option<PathBuf>,
    audit_size: Option<ByteSize>,
    audit_files: Option<u32>,
    winbind: Option<WinbindScope>,
    ntlm_auth: Option<PathBuf>,
    settings: Vec<(String, String)>,
}

impl Arguments {
    /// Reads a command line.
    pub(crate) fn parse(mut parser: Parser) -> Result<Self, ArgumentError> {
        let mut given = Given::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::Print(HELP.to_owned())),
                Arg::Short('V') | Arg::Long("version") => {
                    return Ok(Self::Print(format!("telarchd {}\n", env!("CARGO_PKG_VERSION"))));
                }
                Arg::Long("ephemeral") => given.ephemeral = true,
                Arg::Long("check") => given.check = true,
                // With this the broker starts the gateway.
                Arg::Long("gateway") => given.is_gateway = true,
                Arg::Long("gateway-user") => given.gateway_user = Some(parser.value()?.string()?),
                Arg::Long("host-idle") => given.host_idle = Some(seconds(parser.value()?.string()?)?),
                Arg::Long("http") => given.http = Some(loopback("http", &parser.value()?.string()?)?),
                Arg::Long("https") => given.https = Some(loopback("https", &parser.value()?.string()?)?),
                Arg::Long("accounts") => given.accounts = Some(PathBuf::from(parser.value()?)),
                Arg::Long("ready") => given.ready = Some(PathBuf::from(parser.value()?)),
                Arg::Long("config") => given.config = Some(PathBuf::from(parser.value()?)),
                Arg::Long("state") => given.state = Some(PathBuf::from(parser.value()?)),
                Arg::Long("audit") => given.audit = Some(PathBuf::from(parser.value()?)),
                Arg::Long("audit-size") => given.audit_size = Some(size(parser.value()?.string()?)?),
                Arg::Long("audit-files") => given.audit_files = Some(count(parser.value()?.string()?)?),
                Arg::Long("winbind") => given.winbind = Some(scope(parser.value()?.string()?)?),
                Arg::Long("ntlm-auth") => given.ntlm_auth = Some(PathBuf::from(parser.value()?)),
                Arg::Long("set") => {
                    let setting = parser.value()?.string()?;
                    let Some((name, value)) = setting.split_once('=') else {
                        return Err(ArgumentError::NotASetting(setting));
                    };
                    Config::default().set(name.trim(), value)?;
                    given.settings.push((name.trim().to_owned(), value.to_owned()));
                }
                other => return Err(other.unexpected().into()),
            }
        }
        match (given.ephemeral, given.check) {
            (true, true) => Err(ArgumentError::OtherForm { option: "--check", form: "a configuration file" }),
            (true, false) => given.ephemeral(),
            (false, true) => given.persistent().map(Self::Check),
            (false, false) => given.persistent().map(Self::Persistent),
        }
    }
}

impl Given {
    fn ephemeral(self) -> Result<Arguments, ArgumentError> {
        for (option, is_given) in [
            ("--config", self.config.is_some()),
            ("--state", self.state.is_some()),
            ("--audit", self.audit.is_some()),
            ("--audit-size", self.audit_size.is_some()),
            ("--audit-files", self.audit_files.is_some()),
            ("--gateway-user", self.gateway_user.is_some()),
            ("--host-idle", self.host_idle.is_some()),
            ("--winbind", self.winbind.is_some()),
            ("--ntlm-auth", self.ntlm_auth.is_some()),
        ] {
            if is_given {
                return Err(ArgumentError::OtherForm { option, form: "the form without --ephemeral" });
            }
        }
        if self.http.is_none() && self.https.is_none() {
            return Err(ArgumentError::Missing("--http or --https"));
        }
        let accounts = self.accounts.ok_or(ArgumentError::Missing("--accounts"))?;
        let Self { http, https, ready, settings, .. } = self;
        Ok(Arguments::Ephemeral(Box::new(Ephemeral { http, https, accounts, ready, settings })))
    }

    fn persistent(self) -> Result<Box<Persistent>, ArgumentError> {
        for (option, is_given) in [
            ("--http", self.http.is_some()),
            ("--https", self.https.is_some()),
            ("--ready", self.ready.is_some()),
        ] {
            if is_given {
                return Err(ArgumentError::OtherForm { option, form: "--ephemeral" });
            }
        }
        let usual = Paths::of_this_process();
        let mut paths = match (&self.config, &self.state, usual) {
            (None, None, usual) => usual.ok_or(ArgumentError::NoHome)?,
            (Some(config), Some(state), _) => Paths::new(config, state),
            (Some(config), None, usual) => {
                let usual = usual.ok_or(ArgumentError::NoHome)?;
                let local_socket = usual.local_socket.clone();
                let mut paths = Paths::new(config, &usual.state);
                paths.local_socket = local_socket;
                paths
            }
            (None, Some(state), usual) => Paths::new(&usual.ok_or(ArgumentError::NoHome)?.config, state),
        };
        let chosen = |given: bool| if given { Chosen::ByUser } else { Chosen::ByDefault };
        let (config, accounts) = (chosen(self.config.is_some()), chosen(self.accounts.is_some()));
        if let Some(file) = self.accounts {
            paths.certificate_mappings = file.with_file_name("certmappings");
            paths.accounts = file;
        }
        let audit = self.audit.unwrap_or_else(|| paths.state.join("audit.jsonl"));
        let usual = AuditLimits::default();
        let audit_limits = AuditLimits {
            size: self.audit_size.unwrap_or(usual.size),
            files: self.audit_files.unwrap_or(usual.files),
        };
        let gateway_user = self.gateway_user.unwrap_or_else(|| "telarch".to_owned());
        let host_idle = self.host_idle.unwrap_or(Duration::from_secs(60));
        let separate = Separate { is_gateway: self.is_gateway, gateway_user, host_idle };
        let ntlm_auth = self.ntlm_auth.unwrap_or_else(|| PathBuf::from("/usr/bin/ntlm_auth"));
        let Self { winbind, settings, .. } = self;
        Ok(Box::new(Persistent {
            paths,
            accounts,
            config,
            separate,
            audit,
            audit_limits,
            winbind,
            ntlm_auth,
            settings,
        }))
    }
}

fn seconds(text: String) -> Result<Duration, ArgumentError> {
    let seconds = text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
    seconds.map(Duration::from_secs).ok_or(ArgumentError::NotSeconds(text))
}

fn size(text: String) -> Result<ByteSize, ArgumentError> {
    ByteSize::parse(&text).ok_or(ArgumentError::NotASize(text))
}

fn count(text: String) -> Result<u32, ArgumentError> {
    let count = text.parse().ok().filter(|count| (1..=10_000).contains(count));
    count.ok_or(ArgumentError::NotACount(text))
}

fn scope(text: String) -> Result<WinbindScope, ArgumentError> {
    match text.as_str() {
        "domains" => Ok(WinbindScope::Domains),
        "everyone" => Ok(WinbindScope::Everyone),
        _ => Err(ArgumentError::NotAScope(text)),
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

Forms:
  telarchd [--config FILE] [--state DIR] [--accounts FILE] [--audit FILE] [--set NAME=VALUE]...
      serve what the configuration says: as root for the whole machine, else for this user
  telarchd --check [the same options]
      say what is wrong with configuration, listeners, certificates and accounts; nothing is changed
  telarchd --ephemeral --accounts FILE [--http ADDRESS:PORT] [--https ADDRESS:PORT] [--ready FILE] ...
      serve on loopback only, from a temporary state directory that is removed at the end

Options:
  --config FILE          the settings, in TOML; those of the machine are in /etc/telarch/config.toml, those of
                         a user in $XDG_CONFIG_HOME/telarch/config.toml; the directory certificates beside
                         it holds certificates, each with its key in THUMBPRINT.pem, and policy.d policies,
                         which win over the settings: telarch policy --help
  --state DIR            what the service keeps itself: /var/lib/telarch, or $XDG_STATE_HOME/telarch;
                         given here, the socket for programs of this machine is local.sock in it
  --accounts FILE        who may sign in: accounts beside the settings, made with: telarch account add NAME;
                         with --ephemeral lines NAME:PASSWORD; readable by its owner only (mode 0600)
  --audit FILE           who signed in or did not, what was denied, and what was changed or executed, one line
                         of JSON each: audit.jsonl in the state directory; SIGHUP has it opened again
  --audit-size SIZE      size after which a new file of audit records is begun (16M); the one before is FILE.1
  --audit-files COUNT    number of files of audit records that are kept, the current one included (10)
  --gateway-user NAME    as root: the user without rights that reads the network; telarch as given none
  --host-idle SECONDS    as root: how long the process of a user is kept after its last request and its last
                         shell, 60 as given none
  --winbind WHO          as root: have Samba's winbind judge NTLM of accounts of its domains (domains), or
                         also of accounts of this machine (everyone); the file domain-accounts beside the settings says who
                         a domain's account is here, one line each, such as: CORP\\ann ann
  --ntlm-auth PROGRAM    the program that asks winbind, instead of /usr/bin/ntlm_auth
  --set NAME=VALUE       change a setting of winrm/config for this run, such as Service.AllowUnencrypted=true;
                         may be given several times
  --http ADDRESS:PORT    with --ephemeral: listen for HTTP; port 0 asks for any free port
  --https ADDRESS:PORT   with --ephemeral: listen for HTTPS with a self-signed certificate made at the start
  --ready FILE           with --ephemeral: once listening, write where to, as JSON, to this file
  -h, --help             print this text
  -V, --version          print the version

Environment:
  TELARCH_LOG            what is logged to standard error: error, warn, info (as given none), debug, trace

SIGTERM and SIGINT end the service: requests under way are answered, shells are closed.
SIGHUP has it read settings, certificates and accounts again; what has become wrong stays as it was.
With --ephemeral SIGHUP ends it.
The exit status is 0, or 1 if something is wrong with the command line or what it names, or with what --check looks at.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, ArgumentError> {
        Arguments::parse(Parser::from_iter(std::iter::once(&"telarchd").chain(arguments)))
    }

    fn error(arguments: &[&str]) -> String {
        match parse(arguments) {
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
            (&["--host-idle", "0"], "from 1 to 86400"),
            (&["--audit-size", "1K"], "from 64K"),
            (&["--audit-files", "0"], "from 1 to 10000"),
            (&["--http", "127.0.0.1:0", "--host-idle", "5"], "--host-idle is only for"),
            (&["--http", "127.0.0.1:0", "--state", "s"], "--state is only for"),
            (&["--http", "127.0.0.1:0", "--winbind", "everyone"], "--winbind is only for"),
            (&["--winbind", "nobody"], "neither domains nor everyone"),
            (&["--check"], "--check is only for"),
            (&[], "--http or --https"),
        ] {
            let shown = error(&[&start[..], rest].concat());
            assert!(shown.contains(part), "{shown:?} does not name {part:?}");
        }
        assert!(error(&["--http", "127.0.0.1:0", "--accounts", "a"]).contains("--ephemeral"));
        assert!(error(&["--ephemeral", "--http", "127.0.0.1:0"]).contains("--accounts"));
        assert!(error(&["--check", "--ready", "r"]).contains("--ephemeral"));
    }

    #[test]
    fn accounts_and_certificates_are_beside_the_settings_unless_they_are_elsewhere() {
        let Ok(Arguments::Persistent(usual)) = parse(&["--config", "/c/x.toml", "--state", "/s"]) else {
            panic!("it was refused");
        };
        assert_eq!(usual.paths.accounts.to_str(), Some("/c/accounts"));
        assert_eq!(usual.paths.certificates.to_str(), Some("/c/certificates"));
        assert_eq!(usual.paths.local_socket.to_str(), Some("/s/local.sock"));
        assert_eq!((usual.config, usual.accounts), (Chosen::ByUser, Chosen::ByDefault));
        let elsewhere = ["--check", "--config", "/c/x.toml", "--state", "/s", "--accounts", "/a"];
        let Ok(Arguments::Check(elsewhere)) = parse(&elsewhere) else { panic!("it was refused") };
        assert_eq!(elsewhere.paths.accounts.to_str(), Some("/a"));
        assert_eq!(elsewhere.paths.certificate_mappings.to_str(), Some("/certmappings"));
        assert_eq!(elsewhere.accounts, Chosen::ByUser);
    }
}
