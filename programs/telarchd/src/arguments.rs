//! Command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use accounts::WinbindScope;
use config::{Config, Paths};
use lexopt::{Arg, Parser, ValueExt as _};

use crate::audit::{AuditLimits, ByteSize};
use crate::options::{Shell, help};

/// Parsed command line.
pub(crate) enum Arguments {
    /// Print a text and exit.
    Print(String),
    /// Serve from a single process with temporary state.
    Ephemeral(Box<Ephemeral>),
    /// Serve according to the configuration.
    Persistent(Box<Persistent>),
    /// Check the configuration and print the problems.
    Check(Box<Persistent>),
}

/// Options of the ephemeral service.
pub(crate) struct Ephemeral {
    pub(crate) http: Option<SocketAddr>,
    pub(crate) https: Option<SocketAddr>,
    /// Accounts that may sign in; `None` if only event sources with certificates connect.
    pub(crate) accounts: Option<PathBuf>,
    pub(crate) ready: Option<PathBuf>,
    /// Names and valid values of settings.
    pub(crate) settings: Vec<(String, String)>,
    /// Certificate and key of HTTPS in PEM; `None` for a self-signed one.
    pub(crate) certificate: Option<CertificateFiles>,
    /// Collector of events.
    pub(crate) collector: Option<CollectorOptions>,
    /// Directory or file of the journal, instead of that of this machine.
    pub(crate) journal: Option<PathBuf>,
}

/// Files of a certificate.
#[derive(Clone, Debug)]
pub(crate) struct CertificateFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Options of the collector of the ephemeral service.
#[derive(Clone, Debug)]
pub(crate) struct CollectorOptions {
    /// Subscription files; at least one.
    pub(crate) subscriptions: Vec<PathBuf>,
    /// File for the events.
    pub(crate) events: PathBuf,
    /// Authorities of the certificates that HTTPS clients must present; `None` without such certificates.
    pub(crate) client_authority: Option<PathBuf>,
    /// Settings of the database for bookmarks; `None` for a temporary file.
    pub(crate) store: Option<PathBuf>,
}

/// Options of the configured service.
#[derive(Debug)]
pub(crate) struct Persistent {
    pub(crate) paths: Paths,
    pub(crate) accounts: PathOrigin,
    pub(crate) config: PathOrigin,
    /// Options of the separate processes if the service runs as root.
    pub(crate) separate: Separate,
    /// File of audit records.
    pub(crate) audit: PathBuf,
    /// Maximum size and number of audit files.
    pub(crate) audit_limits: AuditLimits,
    /// Accounts that winbind verifies; `None` without winbind.
    pub(crate) winbind: Option<WinbindScope>,
    /// Helper program that queries winbind.
    pub(crate) ntlm_auth: PathBuf,
    /// Names and valid values of settings.
    pub(crate) settings: Vec<(String, String)>,
    /// Serves local programs only.
    pub(crate) no_listeners: bool,
}

/// Options of the processes of the service.
#[derive(Clone, Debug)]
pub(crate) struct Separate {
    /// Whether this process is the gateway, started by the broker.
    pub(crate) is_gateway: bool,
    /// User of the gateway process.
    pub(crate) gateway_user: String,
    /// How long a host process without shells waits for requests before it ends.
    pub(crate) host_idle: Duration,
}

/// Origin of a path. Default paths are created if they are missing; others may be typing errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathOrigin {
    Default,
    CommandLine,
}

impl PathOrigin {
    fn of(option: Option<&PathBuf>) -> Self {
        if option.is_some() { Self::CommandLine } else { Self::Default }
    }
}
/// Error in the command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("{0}\n  run telarchd --help for the options")]
    Parse(#[from] lexopt::Error),
    #[error(
        "invalid address for --{option}: \"{value}\"; expected ADDRESS:PORT, such as 127.0.0.1:5985 or [::1]:0"
    )]
    NotAnAddress { option: &'static str, value: String },
    #[error(
        "--{option}: {address} is not a loopback address\n  the ephemeral service listens on this machine only; use 127.0.0.1 or [::1]"
    )]
    NotLoopback { option: &'static str, address: SocketAddr },
    #[error("invalid setting for --set: \"{0}\"; expected NAME=VALUE, such as Service.AllowUnencrypted=true")]
    NotASetting(String),
    #[error("--set: {0}")]
    Setting(#[from] config::SettingError),
    #[error("invalid value for --host-idle: \"{0}\"; expected seconds from 1 to 86400")]
    NotSeconds(String),
    #[error("invalid value for --audit-size: \"{0}\"; expected a size from 64K to 1024G, such as 16M")]
    NotASize(String),
    #[error("invalid value for --audit-files: \"{0}\"; expected a number from 1 to 10000")]
    NotACount(String),
    #[error("invalid value for --winbind: \"{0}\"; expected domains or everyone")]
    NotAScope(String),
    #[error("unknown shell \"{0}\" for --completion; expected bash, zsh or fish")]
    NotAShell(String),
    #[error("missing option {0}\n  run telarchd --help for an example")]
    Missing(&'static str),
    #[error("{option} requires {form}\n  run telarchd --help for the forms of the command")]
    OtherForm { option: &'static str, form: &'static str },
    #[error("cannot determine the user's directories: HOME is not set\n  use --config FILE and --state DIR")]
    NoHome,
}

/// Options before their combination is checked.
#[derive(Default)]
struct ParsedOptions {
    ephemeral: bool,
    check: bool,
    is_gateway: bool,
    gateway_user: Option<String>,
    host_idle: Option<Duration>,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    accounts: Option<PathBuf>,
    ready: Option<PathBuf>,
    pwsh: Option<PathBuf>,
    config: Option<PathBuf>,
    state: Option<PathBuf>,
    audit: Option<PathBuf>,
    audit_size: Option<ByteSize>,
    audit_files: Option<u32>,
    winbind: Option<WinbindScope>,
    ntlm_auth: Option<PathBuf>,
    settings: Vec<(String, String)>,
    no_listeners: bool,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_authority: Option<PathBuf>,
    subscriptions: Vec<PathBuf>,
    forwarded_events: Option<PathBuf>,
    event_store: Option<PathBuf>,
    journal: Option<PathBuf>,
}

impl Arguments {
    /// Parses a command line.
    pub(crate) fn parse(mut parser: Parser) -> Result<Self, ArgumentError> {
        let mut options = ParsedOptions::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::Print(help())),
                Arg::Short('V') | Arg::Long("version") => {
                    return Ok(Self::Print(format!("telarchd {}\n", env!("CARGO_PKG_VERSION"))));
                }
                Arg::Long("completion") => {
                    let name = parser.value()?.string()?;
                    let shell = Shell::named(&name).ok_or(ArgumentError::NotAShell(name))?;
                    return Ok(Self::Print(shell.completion()));
                }
                Arg::Long("ephemeral") => options.ephemeral = true,
                Arg::Long("check") => options.check = true,
                Arg::Long("no-listeners") => options.no_listeners = true,
                // The broker starts the gateway with this option.
                Arg::Long("gateway") => options.is_gateway = true,
                Arg::Long("gateway-user") => options.gateway_user = Some(parser.value()?.string()?),
                Arg::Long("host-idle") => options.host_idle = Some(seconds(parser.value()?.string()?)?),
                Arg::Long("http") => options.http = Some(loopback("http", &parser.value()?.string()?)?),
                Arg::Long("https") => options.https = Some(loopback("https", &parser.value()?.string()?)?),
                Arg::Long("accounts") => options.accounts = Some(PathBuf::from(parser.value()?)),
                Arg::Long("certificate") => options.certificate = Some(PathBuf::from(parser.value()?)),
                Arg::Long("key") => options.key = Some(PathBuf::from(parser.value()?)),
                Arg::Long("client-authority") => {
                    options.client_authority = Some(PathBuf::from(parser.value()?));
                }
                Arg::Long("subscription") => options.subscriptions.push(PathBuf::from(parser.value()?)),
                Arg::Long("forwarded-events") => {
                    options.forwarded_events = Some(PathBuf::from(parser.value()?));
                }
                Arg::Long("event-store") => options.event_store = Some(PathBuf::from(parser.value()?)),
                Arg::Long("journal") => options.journal = Some(PathBuf::from(parser.value()?)),
                Arg::Long("pwsh") => options.pwsh = Some(PathBuf::from(parser.value()?)),
                Arg::Long("ready") => options.ready = Some(PathBuf::from(parser.value()?)),
                Arg::Long("config") => options.config = Some(PathBuf::from(parser.value()?)),
                Arg::Long("state") => options.state = Some(PathBuf::from(parser.value()?)),
                Arg::Long("audit") => options.audit = Some(PathBuf::from(parser.value()?)),
                Arg::Long("audit-size") => options.audit_size = Some(size(parser.value()?.string()?)?),
                Arg::Long("audit-files") => options.audit_files = Some(count(parser.value()?.string()?)?),
                Arg::Long("winbind") => options.winbind = Some(scope(parser.value()?.string()?)?),
                Arg::Long("ntlm-auth") => options.ntlm_auth = Some(PathBuf::from(parser.value()?)),
                Arg::Long("set") => {
                    let setting = parser.value()?.string()?;
                    let Some((name, value)) = setting.split_once('=') else {
                        return Err(ArgumentError::NotASetting(setting));
                    };
                    Config::default().set(name.trim(), value)?;
                    options.settings.push((name.trim().to_owned(), value.to_owned()));
                }
                other => return Err(other.unexpected().into()),
            }
        }
        match (options.ephemeral, options.check) {
            (true, true) => Err(ArgumentError::OtherForm { option: "--check", form: "a configuration file" }),
            (true, false) => options.ephemeral(),
            (false, true) => options.persistent().map(Self::Check),
            (false, false) => options.persistent().map(Self::Persistent),
        }
    }
}

impl ParsedOptions {
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
            ("--no-listeners", self.no_listeners),
        ] {
            if is_given {
                return Err(ArgumentError::OtherForm { option, form: "the form without --ephemeral" });
            }
        }
        if self.http.is_none() && self.https.is_none() {
            return Err(ArgumentError::Missing("--http or --https"));
        }
        let has_https = self.https.is_some();
        for (option, is_given) in [
            ("--certificate", self.certificate.is_some()),
            ("--key", self.key.is_some()),
            ("--client-authority", self.client_authority.is_some()),
        ] {
            if is_given && !has_https {
                return Err(ArgumentError::OtherForm { option, form: "--https" });
            }
        }
        let certificate = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(ArgumentError::Missing("--key")),
            (None, Some(_)) => return Err(ArgumentError::Missing("--certificate")),
        };
        let collector = CollectorOptions::of(
            self.subscriptions,
            self.forwarded_events,
            self.client_authority,
            self.event_store,
        )?;
        let has_certified_sources =
            collector.as_ref().is_some_and(|collector| collector.client_authority.is_some());
        if self.accounts.is_none() && !has_certified_sources {
            return Err(ArgumentError::Missing("--accounts"));
        }
        let Self { http, https, accounts, ready, mut settings, journal, .. } = self;
        if let Some(program) = self.pwsh {
            let program = std::path::absolute(&program).unwrap_or(program);
            settings.push(("PowerShell.Program".to_owned(), program.to_string_lossy().into_owned()));
        }
        Ok(Arguments::Ephemeral(Box::new(Ephemeral {
            http,
            https,
            accounts,
            ready,
            settings,
            certificate,
            collector,
            journal,
        })))
    }

    fn persistent(self) -> Result<Box<Persistent>, ArgumentError> {
        for (option, is_given) in [
            ("--http", self.http.is_some()),
            ("--https", self.https.is_some()),
            ("--ready", self.ready.is_some()),
            ("--pwsh", self.pwsh.is_some()),
            ("--certificate", self.certificate.is_some()),
            ("--key", self.key.is_some()),
            ("--client-authority", self.client_authority.is_some()),
            ("--subscription", !self.subscriptions.is_empty()),
            ("--forwarded-events", self.forwarded_events.is_some()),
            ("--event-store", self.event_store.is_some()),
            ("--journal", self.journal.is_some()),
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
        let (config, accounts) =
            (PathOrigin::of(self.config.as_ref()), PathOrigin::of(self.accounts.as_ref()));
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
        let Self { winbind, settings, no_listeners, .. } = self;
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
            no_listeners,
        }))
    }
}

impl CollectorOptions {
    /// Returns the options; `None` if none of them is given.
    fn of(
        subscriptions: Vec<PathBuf>,
        events: Option<PathBuf>,
        client_authority: Option<PathBuf>,
        store: Option<PathBuf>,
    ) -> Result<Option<Self>, ArgumentError> {
        match (subscriptions.is_empty(), events) {
            (false, Some(events)) => Ok(Some(Self { subscriptions, events, client_authority, store })),
            (false, None) => Err(ArgumentError::Missing("--forwarded-events")),
            (true, Some(_)) => Err(ArgumentError::Missing("--subscription")),
            (true, None) if client_authority.is_some() || store.is_some() => {
                Err(ArgumentError::Missing("--subscription"))
            }
            (true, None) => Ok(None),
        }
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
    fn errors_name_the_option() {
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
            (&["--http", "127.0.0.1:0", "--host-idle", "5"], "--host-idle requires"),
            (&["--http", "127.0.0.1:0", "--state", "s"], "--state requires"),
            (&["--http", "127.0.0.1:0", "--winbind", "everyone"], "--winbind requires"),
            (&["--winbind", "nobody"], "domains or everyone"),
            (&["--check"], "--check requires"),
            (&["--http", "127.0.0.1:0", "--key", "k"], "--key requires --https"),
            (&["--https", "127.0.0.1:0", "--key", "k"], "missing option --certificate"),
            (&["--https", "127.0.0.1:0", "--subscription", "s"], "missing option --forwarded-events"),
            (&["--https", "127.0.0.1:0", "--client-authority", "c"], "missing option --subscription"),
            (&["--http", "127.0.0.1:0", "--event-store", "s"], "missing option --subscription"),
            (&[], "--http or --https"),
        ] {
            let shown = error(&[&start[..], rest].concat());
            assert!(shown.contains(part), "{shown:?} does not name {part:?}");
        }
        assert!(error(&["--http", "127.0.0.1:0", "--accounts", "a"]).contains("--ephemeral"));
        assert!(error(&["--ephemeral", "--http", "127.0.0.1:0"]).contains("--accounts"));
        assert!(error(&["--subscription", "s"]).contains("--subscription requires --ephemeral"));
        assert!(error(&["--check", "--ready", "r"]).contains("--ephemeral"));
    }

    #[test]
    fn the_manual_page_has_every_option_of_the_help() {
        let page = include_str!("../../../packaging/man/telarchd.8").replace("\\-", "-");
        let help = help();
        let words = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let options: Vec<&str> = words.filter(|word| word.len() > 2 && word.starts_with("--")).collect();
        assert!(options.len() > 15, "{options:?}");
        for option in options {
            assert!(page.contains(&format!("\\fB{option}\\fR")), "{option} is missing in telarchd(8)");
        }
    }

    #[test]
    fn every_option_of_the_table_is_parsed() {
        for option in &crate::options::OPTIONS {
            let arguments = [format!("--{}", option.name), "1".to_owned()];
            let parsed = parse(&[arguments[0].as_str(), arguments[1].as_str()]);
            let refusal = parsed.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(!refusal.contains("invalid option"), "{}: {refusal}", option.name);
        }
        assert!(error(&["--nothing"]).contains("invalid option"));
        let Ok(Arguments::Print(script)) = parse(&["--completion", "bash"]) else { panic!("no script") };
        assert!(script.contains("complete -F _telarchd telarchd"), "{script}");
        assert!(error(&["--completion", "csh"]).contains("bash, zsh or fish"));
    }

    #[test]
    fn accounts_and_certificates_are_next_to_the_settings_by_default() {
        let Ok(Arguments::Persistent(usual)) = parse(&["--config", "/c/x.toml", "--state", "/s"]) else {
            panic!("the arguments were refused");
        };
        assert_eq!(usual.paths.accounts.to_str(), Some("/c/accounts"));
        assert_eq!(usual.paths.certificates.to_str(), Some("/c/certificates"));
        assert_eq!(usual.paths.local_socket.to_str(), Some("/s/local.sock"));
        assert_eq!((usual.config, usual.accounts), (PathOrigin::CommandLine, PathOrigin::Default));
        let elsewhere = ["--check", "--config", "/c/x.toml", "--state", "/s", "--accounts", "/a"];
        let Ok(Arguments::Check(elsewhere)) = parse(&elsewhere) else { panic!("the arguments were refused") };
        assert_eq!(elsewhere.paths.accounts.to_str(), Some("/a"));
        assert_eq!(elsewhere.paths.certificate_mappings.to_str(), Some("/certmappings"));
        assert_eq!(elsewhere.accounts, PathOrigin::CommandLine);
    }
}
