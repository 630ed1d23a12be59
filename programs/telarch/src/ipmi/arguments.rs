//! The command line of `telarch ipmi`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ipmi::proto::channel::ChannelNumber;
use ipmi::proto::chassis::SetIdentify;
use ipmi::proto::lan::LanChange;
use ipmi::proto::{AuthenticationType, CipherSuite, NetFn, Privilege, Request, UserName};
use lexopt::{Arg, Parser, ValueExt as _};

use super::boot::Boot;
use super::channel::Channel;
use super::fru::Fru;
use super::hosts::{self, Host};
use super::lan::Lan;
use super::power::Power;
use super::report::Format;
use super::sel::{Clock, Sel};
use super::sol::Sol;
use super::threshold::Thresholds;
use super::user::User;
use super::watchdog::Watchdog;
use crate::failure::Failure;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) action: Action,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Power(Power),
    Boot(Boot),
    Sensors,
    Threshold(Thresholds),
    Sel(Sel),
    Follow(Duration),
    Fru(Fru),
    Info,
    Lan(Lan),
    Channel(Channel),
    Sessions,
    Scan,
    Audit,
    Sol(Sol),
    Watch(Duration),
    Export(Duration, SocketAddr),
    /// With the file that has the new password, or the one to compare, if one is named.
    User(User, Option<PathBuf>),
    Watchdog(Watchdog),
    Identify(SetIdentify),
    Raw(Request),
}

/// What is said in options and concerns a few actions only.
#[derive(Debug)]
struct Options {
    clock: Clock,
    every: Option<Duration>,
    listen: SocketAddr,
    new_password_file: Option<PathBuf>,
}

/// The port that exporters of IPMI have for Prometheus.
const EXPORTER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9_290);

/// Who is asked, as whom, and how the answers are printed.
#[derive(Debug)]
pub(super) struct Place {
    /// INVARIANT: at least one.
    pub(super) hosts: Vec<Host>,
    pub(super) user_name: String,
    pub(super) user: UserName,
    pub(super) password_file: Option<PathBuf>,
    pub(super) group_key_file: Option<PathBuf>,
    pub(super) level: Option<Privilege>,
    pub(super) suite: Option<CipherSuite>,
    /// The type of authentication, if it is to be a session of IPMI 1.5.
    pub(super) ipmi15: Option<AuthenticationType>,
    pub(super) limit: Duration,
    pub(super) parallel: usize,
    pub(super) format: Format,
}

impl Invocation {
    /// Reads what follows the word `ipmi`; none if it asks for help.
    pub(super) fn parse(mut parser: Parser) -> Result<Option<Self>, Failure> {
        let (mut words, mut hosts, mut user_name) = (Vec::new(), Vec::new(), String::new());
        let (mut password_file, mut group_key_file, mut level, mut suite) = (None, None, None, None);
        let mut ipmi15 = None;
        let (mut limit, mut parallel, mut format) = (None, None, Format::default());
        let mut options =
            Options { clock: Clock::Own, every: None, listen: EXPORTER, new_password_file: None };
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(word) => words.push(word.string()?),
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                Arg::Short('H') | Arg::Long("host") => {
                    hosts.extend(hosts::parse(&parser.value()?.string()?).map_err(wrong)?);
                }
                Arg::Short('U') | Arg::Long("user") => user_name = parser.value()?.string()?,
                Arg::Long("password-file") => password_file = Some(PathBuf::from(parser.value()?)),
                Arg::Long("kg-file") => group_key_file = Some(PathBuf::from(parser.value()?)),
                Arg::Long("level") => {
                    let text = parser.value()?.string()?;
                    let parsed = text.parse().map_err(|_| {
                        wrong(format!("--level: {text:?} is neither user, operator nor administrator"))
                    });
                    level = Some(parsed?);
                }
                Arg::Long("ipmi15") => ipmi15 = Some(parser.value()?.string()?.parse().map_err(wrong)?),
                Arg::Long("suite") => suite = Some(parser.value()?.string()?.parse().map_err(wrong)?),
                Arg::Long("limit") => limit = Some(within("--limit", &parser.value()?.string()?, 3_600)?),
                Arg::Long("parallel") => {
                    parallel = Some(within("--parallel", &parser.value()?.string()?, 4_096)?);
                }
                Arg::Long("format") => format = parser.value()?.string()?.parse().map_err(wrong)?,
                Arg::Long("utc") => options.clock = Clock::Utc,
                Arg::Long("every") => {
                    let seconds = within("--every", &parser.value()?.string()?, 3_600)?;
                    options.every = Some(Duration::from_secs(seconds));
                }
                Arg::Long("listen") => {
                    let text = parser.value()?.string()?;
                    let address = text.parse();
                    options.listen = address.map_err(|_| {
                        wrong(format!("--listen: {text:?} is no address with a port, such as 127.0.0.1:9290"))
                    })?;
                }
                Arg::Long("new-password-file") => {
                    options.new_password_file = Some(PathBuf::from(parser.value()?));
                }
                other => return Err(wrong(other.unexpected())),
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some(action) = Action::parse(&words, options)? else { return Ok(None) };
        if hosts.is_empty() {
            return Err(wrong("which controller? Name it with -H"));
        }
        if let Some(what) = action.is_for_one().filter(|_| hosts.len() > 1) {
            return Err(wrong(format!("{what} is for one controller, not for {}", hosts.len())));
        }
        if format == Format::Prometheus && !action.has_metrics() {
            return Err(wrong("--format prometheus goes with sensors and power status only"));
        }
        if ipmi15.is_some() && suite.is_some() {
            return Err(wrong("--ipmi15 knows no cipher suites: leave --suite away"));
        }
        let user = UserName::new(&user_name).map_err(wrong)?;
        // Where most addresses have nobody, waiting is what takes the time.
        let (usual_limit, usual_parallel) = if matches!(action, Action::Scan) { (2, 256) } else { (10, 64) };
        let limit = Duration::from_secs(limit.unwrap_or(usual_limit));
        let parallel = usize::try_from(parallel.unwrap_or(usual_parallel)).unwrap_or(64);
        let place = Place {
            hosts,
            user_name,
            user,
            password_file,
            group_key_file,
            level,
            suite,
            ipmi15,
            limit,
            parallel,
            format,
        };
        Ok(Some(Self { action, place }))
    }
}

impl Action {
    fn parse(words: &[&str], options: Options) -> Result<Option<Self>, Failure> {
        let Some((action, rest)) = words.split_first() else { return Ok(None) };
        let action = match (*action, rest) {
            ("power", rest) => Self::Power(Power::parse(rest).map_err(wrong)?),
            ("boot", rest) => Self::Boot(Boot::parse(rest).map_err(wrong)?),
            ("sensors", []) => Self::Sensors,
            ("threshold", rest) => Self::Threshold(Thresholds::parse(rest).map_err(wrong)?),
            ("sel", [] | ["list"]) => Self::Sel(Sel::List(options.clock)),
            ("sel", ["info"]) => Self::Sel(Sel::Info),
            ("sel", ["clear"]) => Self::Sel(Sel::Clear),
            ("sel", ["time"]) => Self::Sel(Sel::Time),
            ("sel", ["time", "now"]) => Self::Sel(Sel::SetTime(now())),
            ("sel", ["follow"]) => Self::Follow(options.every.unwrap_or(Duration::from_secs(5))),
            ("sel", [other, ..]) => {
                return Err(wrong(format!(
                    "sel: {other:?} is neither list, info, follow, clear nor time [now]"
                )));
            }
            ("fru", rest) => Self::Fru(Fru::parse(rest).map_err(wrong)?),
            ("info", []) => Self::Info,
            ("lan", rest) => Self::Lan(Lan::parse(rest).map_err(wrong)?),
            ("channel", []) => Self::Channel(Channel(None)),
            ("channel", [number]) => {
                Self::Channel(Channel(Some(ChannelNumber::new(octet(number)?).map_err(wrong)?)))
            }
            ("sessions", []) => Self::Sessions,
            ("sol", rest) => Self::Sol(Sol::parse(rest).map_err(wrong)?),
            ("scan", []) => Self::Scan,
            ("audit", []) => Self::Audit,
            ("watch", []) => Self::Watch(options.every.unwrap_or(Duration::from_secs(2))),
            ("export", []) => Self::Export(options.every.unwrap_or(Duration::from_secs(30)), options.listen),
            ("user", rest) => Self::User(User::parse(rest).map_err(wrong)?, options.new_password_file),
            ("watchdog", rest) => Self::Watchdog(Watchdog::parse(rest).map_err(wrong)?),
            ("identify", []) => Self::Identify(SetIdentify::Seconds(15)),
            ("identify", ["on"]) => Self::Identify(SetIdentify::Indefinitely),
            ("identify", [seconds]) => Self::Identify(SetIdentify::Seconds(octet(seconds)?)),
            ("raw", [net_fn, command, data @ ..]) => {
                let net_fn = NetFn::new(octet(net_fn)?).map_err(wrong)?;
                let data: Vec<u8> = data.iter().map(|word| octet(word)).collect::<Result<_, _>>()?;
                if data.len() > MOST_DATA {
                    return Err(wrong(format!(
                        "raw: {} octets of data are more than {MOST_DATA}",
                        data.len()
                    )));
                }
                Self::Raw(Request { net_fn, command: octet(command)?, data })
            }
            ("raw", _) => return Err(wrong("raw: which network function and command?")),
            ("info" | "sensors" | "sessions" | "scan" | "audit" | "watch" | "export", [word, ..])
            | ("identify" | "channel", [_, word, ..]) => {
                return Err(wrong(format!("{word:?} is one word too many")));
            }
            (other, _) => return Err(wrong(format!("unknown action {other:?}"))),
        };
        Ok(Some(action))
    }

    /// Whether it makes no sense for several controllers at once; what it is then.
    fn is_for_one(&self) -> Option<&'static str> {
        match self {
            Self::Lan(Lan::Set(LanChange::Address(_))) => Some("lan set address"),
            Self::Sol(Sol::Open) => Some("sol"),
            _ => None,
        }
    }

    /// Whether it has something for Prometheus.
    fn has_metrics(&self) -> bool {
        matches!(self, Self::Sensors | Self::Power(Power::Status))
    }
}

/// The time of this machine in seconds since 1970; its clock is set long before IPMI's counter ends in 2106.
fn now() -> u32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

/// More than any controller takes in one message.
const MOST_DATA: usize = 255;

/// An octet as `0x2a`, or as 42.
fn octet(word: &str) -> Result<u8, Failure> {
    let parsed = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => u8::from_str_radix(digits, 16),
        None => word.parse(),
    };
    parsed.map_err(|_| wrong(format!("{word:?} is not a number from 0 to 255, or 0x00 to 0xff")))
}

fn within(option: &str, text: &str, most: u64) -> Result<u64, Failure> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| wrong(format!("{option}: {text:?} is not a number from 1 to {most}")))
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("ipmi: {what}"), "telarch ipmi --help shows whole command lines")
}

#[cfg(test)]
mod tests {
    use ipmi::proto::chassis::Control;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Invocation>, Failure> {
        Invocation::parse(Parser::from_args(arguments))
    }

    #[test]
    fn options_stand_anywhere() {
        let arguments = ["-H", "a", "power", "--suite", "3", "soft", "-U", "admin", "--limit", "2"];
        let Ok(Some(Invocation { action, place })) = parse(&arguments) else { panic!() };
        assert!(matches!(action, Action::Power(Power::Control(Control::SoftShutdown))));
        assert_eq!((place.suite, place.limit), (Some(CipherSuite::SHA1), Duration::from_secs(2)));
        let Ok(Some(raw)) = parse(&["raw", "0x06", "1", "0xFF", "-H", "a"]) else { panic!() };
        let Action::Raw(request) = raw.action else { panic!() };
        assert_eq!(request, Request::new(NetFn::APP, 1, &[255]));
        assert!(matches!(parse(&["power", "--help"]), Ok(None)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, part) in [
            (&["power", "status"][..], "-H"),
            (&["power"], "hours?"),
            (&["power", "policy", "never"], "\"never\""),
            (&["boot", "tape"], "\"tape\""),
            (&["boot", "pxe", "twice"], "\"twice\""),
            (&["user", "password", "2", "secret"], "--new-password-file"),
            (&["user", "name", "64", "x"], "\"64\""),
            (&["lan", "set", "vlan", "x"], "\"x\""),
            (&["lan", "set", "address", "10.0.0.7", "-H", "a,b"], "for one controller, not for 2"),
            (&["watchdog", "set", "reset", "0"], "\"0\""),
            (&["threshold", "VBAT", "unc", "NaN"], "no number"),
            (&["fru", "set", "door", "Name", "x"], "\"door\""),
            (&["fru", "-H", "a", "--format", "prometheus"], "prometheus"),
            (&["power", "of"], "\"of\""),
            (&["info", "x"], "one word too many"),
            (&["raw", "6"], "which network function"),
            (&["raw", "7", "1"], "network function"),
            (&["raw", "6", "256"], "\"256\""),
            (&["info", "-H", "a", "--suite", "4"], "suite 4"),
            (&["info", "-H", "a", "--ipmi15", "oem"], "type of authentication"),
            (&["info", "-H", "a", "--ipmi15", "md5", "--suite", "3"], "--suite"),
            (&["info", "-H", "a", "--limit", "0"], "--limit"),
            (&["info", "-H", "a", "--level", "root"], "\"root\""),
            (&["info", "-H", "a", "-U", "seventeen letters"], "name of the user"),
            (&["info", "-H", "a", "-P", "secret"], "-P"),
            (&["export", "-H", "a", "--listen", "everywhere"], "\"everywhere\""),
            (&["fly"], "\"fly\""),
        ] {
            let failure = parse(arguments).map(|_| ()).expect_err("a wrong command line").to_string();
            assert!(failure.contains(part), "{failure} does not name {part}");
        }
    }
}
