//! The command line of `telarch ipmi`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cli::host_list;
use ipmi::proto::chassis::SetIdentify;
use ipmi::proto::controller::Restart;
use ipmi::proto::lan::LanChange;
use ipmi::proto::lan6::Lan6Change;
use ipmi::proto::{AuthenticationType, CipherSuite, Destination, NetFn, Privilege, Request, UserName};
use lexopt::{Arg, Parser, ValueExt as _};

use super::boot::Boot;
use super::channel::Channel;
use super::events::Events;
use super::fru::Fru;
use super::group_key::GroupKey;
use super::hosts::{self, Host};
use super::hysteresis::Hysteresis;
use super::ipmitool;
use super::lan::Lan;
use super::lan6::Lan6;
use super::power::Power;
use super::report::Format;
use super::sel::{Clock, Sel};
use super::sensors::Wanted;
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
    Chassis,
    Restart(Restart),
    SelfTest,
    Sensors(Vec<Wanted>),
    Threshold(Thresholds),
    Sel(Sel),
    Follow(Clock, Duration),
    Fru(Fru),
    Info,
    Lan(Lan),
    Lan6(Lan6),
    Channel(Channel),
    Hysteresis(Hysteresis),
    Events(Events),
    /// With the file that has the new key, if one is named.
    GroupKey(GroupKey, Option<PathBuf>),
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

/// All actions, each with the words that may follow it, for whoever completes them.
pub(crate) const ACTIONS: &[(&str, &str)] = &[
    ("power", "status on off cycle reset diag soft cause hours watts policy always-off previous always-on"),
    (
        "boot",
        "none pxe disk safe diag cdrom bios floppy remote-floppy remote-cdrom remote-media remote-disk once always \
         legacy efi",
    ),
    ("chassis", ""),
    ("sensors", "bad temperature voltage current fan power_supply"),
    ("threshold", "lnr lcr lnc unc ucr unr"),
    ("hysteresis", ""),
    (
        "events",
        "on off scan enable disable assert deassert both lnc- lnc+ lcr- lcr+ lnr- lnr+ unc- unc+ ucr- ucr+ unr- unr+",
    ),
    ("sel", "list last info clear follow time now"),
    ("fru", "list all set chassis board product"),
    ("info", ""),
    ("selftest", ""),
    ("restart", "warm"),
    ("lan", "show set address mask gateway backup-gateway source vlan community arp suite"),
    ("lan6", "show set use address routers router"),
    ("user", "list name level enable disable password test"),
    ("channel", "ciphers set mode limit alerting per-message user-level"),
    ("kg", "set"),
    ("sessions", ""),
    ("scan", ""),
    ("audit", ""),
    ("watch", ""),
    ("export", ""),
    ("watchdog", "show reset off set none cycle"),
    ("sol", "info set enabled rate deactivate"),
    ("identify", "on"),
    ("host", "add list remove"),
    ("raw", ""),
];

/// What is said in options and concerns a few actions only.
#[derive(Debug)]
struct Options {
    clock: Clock,
    every: Option<Duration>,
    listen: SocketAddr,
    new_password_file: Option<PathBuf>,
    new_group_key_file: Option<PathBuf>,
}

/// Who is behind the controller, and behind whom.
#[derive(Debug, Default)]
struct Bridges {
    target: Option<u8>,
    target_channel: Option<u8>,
    transit: Option<u8>,
    transit_channel: Option<u8>,
}

impl Bridges {
    fn destination(&self) -> Result<Destination, Failure> {
        let Some(target) = self.target else {
            let is_without = self.target_channel.or(self.transit).or(self.transit_channel).is_some();
            return if is_without {
                Err(wrong("which controller behind it? Name its address with --target"))
            } else {
                Ok(Destination::CONTROLLER)
            };
        };
        let there = Destination::on_channel(self.target_channel.unwrap_or(0), target, 0).map_err(wrong)?;
        match (self.transit, self.transit_channel) {
            (Some(transit), channel) => there.through(channel.unwrap_or(0), transit).map_err(wrong),
            (None, Some(_)) => {
                Err(wrong("--transit-channel: on it is which controller? Name it with --transit"))
            }
            (None, None) => Ok(there),
        }
    }
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
    /// Where the controllers are kept that have names.
    pub(super) state: Option<PathBuf>,
    /// The type of authentication, if it is to be a session of IPMI 1.5.
    pub(super) ipmi15: Option<AuthenticationType>,
    pub(super) limit: Duration,
    pub(super) parallel: usize,
    pub(super) format: Format,
}

impl Invocation {
    /// Reads what follows the word `ipmi`; none if it asks for help.
    pub(super) fn parse(parser: Parser) -> Result<Option<Self>, Failure> {
        match Said::read(parser)? {
            Some(said) => said.invocation(),
            None => Ok(None),
        }
    }
}

/// What the command line says, before it is known what that means together.
#[derive(Debug)]
struct Said {
    words: Vec<String>,
    hosts: Vec<Host>,
    user_name: String,
    password_file: Option<PathBuf>,
    group_key_file: Option<PathBuf>,
    level: Option<Privilege>,
    suite: Option<CipherSuite>,
    ipmi15: Option<AuthenticationType>,
    bridges: Bridges,
    state: Option<PathBuf>,
    limit: Option<u64>,
    parallel: Option<u64>,
    format: Format,
    options: Options,
}

impl Said {
    /// None if it asks for help.
    fn read(mut parser: Parser) -> Result<Option<Self>, Failure> {
        let mut said = Self::nothing();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(word) => said.words.push(word.string()?),
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                Arg::Short('H') | Arg::Long("host") => {
                    said.hosts.extend(hosts::parse(&parser.value()?.string()?).map_err(wrong)?);
                }
                Arg::Short('U') | Arg::Long("user") => said.user_name = parser.value()?.string()?,
                Arg::Long("password-file") => said.password_file = Some(PathBuf::from(parser.value()?)),
                Arg::Long("kg-file") => said.group_key_file = Some(PathBuf::from(parser.value()?)),
                Arg::Long("level") => said.level = Some(level(&parser.value()?.string()?)?),
                Arg::Long("ipmi15") => said.ipmi15 = Some(parser.value()?.string()?.parse().map_err(wrong)?),
                Arg::Long("suite") => said.suite = Some(parser.value()?.string()?.parse().map_err(wrong)?),
                Arg::Long("state") => said.state = Some(PathBuf::from(parser.value()?)),
                Arg::Long("target") => said.bridges.target = Some(octet(&parser.value()?.string()?)?),
                Arg::Long("target-channel") => {
                    said.bridges.target_channel = Some(octet(&parser.value()?.string()?)?);
                }
                Arg::Long("transit") => said.bridges.transit = Some(octet(&parser.value()?.string()?)?),
                Arg::Long("transit-channel") => {
                    said.bridges.transit_channel = Some(octet(&parser.value()?.string()?)?);
                }
                Arg::Long("limit") => {
                    said.limit = Some(within("--limit", &parser.value()?.string()?, 3_600)?);
                }
                Arg::Long("parallel") => {
                    said.parallel = Some(within("--parallel", &parser.value()?.string()?, 4_096)?);
                }
                Arg::Long("format") => said.format = parser.value()?.string()?.parse().map_err(wrong)?,
                Arg::Long("utc") => said.options.clock = Clock::Utc,
                Arg::Long("every") => {
                    let seconds = within("--every", &parser.value()?.string()?, 3_600)?;
                    said.options.every = Some(Duration::from_secs(seconds));
                }
                Arg::Long("listen") => said.options.listen = listener(&parser.value()?.string()?)?,
                Arg::Long("new-password-file") => {
                    said.options.new_password_file = Some(PathBuf::from(parser.value()?));
                }
                Arg::Long("new-kg-file") => {
                    said.options.new_group_key_file = Some(PathBuf::from(parser.value()?));
                }
                other => return Err(wrong(other.unexpected())),
            }
        }
        Ok(Some(said))
    }

    fn nothing() -> Self {
        let options = Options {
            clock: Clock::Own,
            every: None,
            listen: EXPORTER,
            new_password_file: None,
            new_group_key_file: None,
        };
        Self {
            words: Vec::new(),
            hosts: Vec::new(),
            user_name: String::new(),
            password_file: None,
            group_key_file: None,
            level: None,
            suite: None,
            ipmi15: None,
            bridges: Bridges::default(),
            state: None,
            limit: None,
            parallel: None,
            format: Format::default(),
            options,
        }
    }

    /// What it asks for; none for no words at all, which ask for help.
    fn invocation(self) -> Result<Option<Invocation>, Failure> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let mut hosts = self.hosts;
        let Some(action) = Action::parse(&words, self.options)? else {
            return if hosts.is_empty() {
                Ok(None)
            } else {
                Err(wrong("what is to be done? Name an action"))
            };
        };
        if hosts.is_empty() {
            return Err(wrong("which controller? Name it with -H"));
        }
        let behind = self.bridges.destination()?;
        if let Some(what) = action.is_of_the_session().filter(|_| behind != Destination::CONTROLLER) {
            return Err(wrong(format!(
                "{what} is not for a controller behind another one: leave --target away"
            )));
        }
        hosts.iter_mut().for_each(|host: &mut Host| host.behind = behind);
        // There may be several lists, and several ways to write the same.
        host_list::reject_duplicates(hosts.iter().map(Host::to_string)).map_err(wrong)?;
        if let Some(what) = action.is_of_the_network().filter(|_| hosts.iter().any(Host::is_local)) {
            return Err(wrong(format!(
                "{what} is for controllers on the network: that of this machine is reached there by its address"
            )));
        }
        if let Some(what) = action.is_for_one().filter(|_| hosts.len() > 1) {
            return Err(wrong(format!("{what} is for one controller, not for {}", hosts.len())));
        }
        if self.format == Format::Prometheus && !action.has_metrics() {
            return Err(wrong("--format prometheus goes with sensors, power status and power watts only"));
        }
        if self.format != Format::default()
            && let Some(what) = action.has_own_format()
        {
            return Err(wrong(format!("{what} has a format of its own: leave --format away")));
        }
        if self.format == Format::Table && matches!(action, Action::Follow(..)) {
            return Err(wrong(
                "--format table waits for the last line, and sel follow has none: text, json or csv",
            ));
        }
        if self.ipmi15.is_some() && self.suite.is_some() {
            return Err(wrong("--ipmi15 knows no cipher suites: leave --suite away"));
        }
        let user = UserName::new(&self.user_name).map_err(wrong)?;
        // Where most addresses have nobody, waiting is what takes the time.
        let (usual_limit, usual_parallel) = if matches!(action, Action::Scan) { (2, 256) } else { (10, 64) };
        let place = Place {
            hosts,
            user_name: self.user_name,
            user,
            password_file: self.password_file,
            group_key_file: self.group_key_file,
            level: self.level,
            suite: self.suite,
            state: self.state,
            ipmi15: self.ipmi15,
            limit: Duration::from_secs(self.limit.unwrap_or(usual_limit)),
            parallel: usize::try_from(self.parallel.unwrap_or(usual_parallel)).unwrap_or(64),
            format: self.format,
        };
        Ok(Some(Invocation { action, place }))
    }
}

impl Action {
    fn parse(words: &[&str], options: Options) -> Result<Option<Self>, Failure> {
        let Some((action, rest)) = words.split_first() else { return Ok(None) };
        let action = match (*action, rest) {
            ("power", rest) => Self::Power(Power::parse(rest).map_err(wrong)?),
            ("boot", rest) => Self::Boot(Boot::parse(rest).map_err(wrong)?),
            ("chassis", []) => Self::Chassis,
            ("selftest", []) => Self::SelfTest,
            ("restart", []) => Self::Restart(Restart::Cold),
            ("restart", ["warm"]) => Self::Restart(Restart::Warm),
            ("sensors", wanted) => Self::Sensors(wanted.iter().map(|word| Wanted::parse(word)).collect()),
            ("threshold", rest) => Self::Threshold(Thresholds::parse(rest).map_err(wrong)?),
            ("sel", [] | ["list"]) => Self::Sel(Sel::List(options.clock, None)),
            ("sel", ["last", count]) => {
                let count = within("sel last", count, u64::from(u16::MAX))?;
                Self::Sel(Sel::List(options.clock, usize::try_from(count).ok()))
            }
            ("sel", ["info"]) => Self::Sel(Sel::Info),
            ("sel", ["clear"]) => Self::Sel(Sel::Clear),
            ("sel", ["time"]) => Self::Sel(Sel::Time),
            ("sel", ["time", "now"]) => Self::Sel(Sel::SetTime(now())),
            ("sel", ["follow"]) => {
                Self::Follow(options.clock, options.every.unwrap_or(Duration::from_secs(5)))
            }
            ("sel", ["last"]) => return Err(wrong("sel last: how many?")),
            ("sel", ["time", other]) => return Err(wrong(format!("sel time: {other:?} is not now"))),
            ("sel", ["last" | "time", _, word, ..])
            | ("sel", ["list" | "info" | "follow" | "clear", word, ..]) => return Err(too_many(word)),
            ("sel", [other, ..]) => {
                return Err(wrong(format!(
                    "sel: {other:?} is neither list, last NUMBER, info, follow, clear nor time [now]"
                )));
            }
            ("fru", rest) => Self::Fru(Fru::parse(rest).map_err(wrong)?),
            ("info", []) => Self::Info,
            ("lan", rest) => Self::Lan(Lan::parse(rest).map_err(wrong)?),
            ("hysteresis", rest) => Self::Hysteresis(Hysteresis::parse(rest).map_err(wrong)?),
            ("events", rest) => Self::Events(Events::parse(rest).map_err(wrong)?),
            ("lan6", rest) => Self::Lan6(Lan6::parse(rest).map_err(wrong)?),
            ("kg", rest) => Self::GroupKey(GroupKey::parse(rest).map_err(wrong)?, options.new_group_key_file),
            ("channel", rest) => Self::Channel(Channel::parse(rest).map_err(wrong)?),
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
                let number = octet(net_fn)?;
                let net_fn = NetFn::new(number).map_err(|_| {
                    wrong(format!(
                        "raw: {net_fn:?} is no network function of a request: those are even, up to 0x3e"
                    ))
                })?;
                let data: Vec<u8> = data.iter().map(|word| octet(word)).collect::<Result<_, _>>()?;
                if data.len() > MOST_DATA {
                    return Err(wrong(format!(
                        "raw: {} octets of data are more than {MOST_DATA}",
                        data.len()
                    )));
                }
                Self::Raw(Request { net_fn, command: octet(command)?, data: data.into() })
            }
            ("raw", _) => return Err(wrong("raw: which network function and command?")),
            _ if ipmitool::here(words).is_some() => {
                let ours = ipmitool::here(words).unwrap_or_default();
                return Err(wrong(format!("{:?} of ipmitool is {ours} here", words.join(" "))));
            }
            (
                "info" | "chassis" | "selftest" | "restart" | "sessions" | "scan" | "audit" | "watch"
                | "export",
                [word, ..],
            )
            | ("identify", [_, word, ..]) => return Err(too_many(word)),
            ("host", _) => return Err(wrong("host stands before all options: telarch ipmi host list")),
            (other, _) => {
                let nearest = cli::nearest(other, ACTIONS.iter().map(|(action, _)| *action));
                let meant = nearest.map(|action| format!(": did you mean {action}?")).unwrap_or_default();
                return Err(wrong(format!("unknown action {other:?}{meant}")));
            }
        };
        Ok(Some(action))
    }

    /// Whether it makes no sense for several controllers at once; what it is then.
    fn is_for_one(&self) -> Option<&'static str> {
        match self {
            Self::Lan(Lan::Set(LanChange::Address(_))) => Some("lan set address"),
            Self::Lan6(Lan6::Set(Lan6Change::Address(_, Some(_)))) => Some("lan6 set address"),
            Self::Sol(Sol::Open) => Some("sol"),
            _ => None,
        }
    }

    /// Whether it is about the session or the network, where nobody passes anything on; what it is then.
    fn is_of_the_session(&self) -> Option<&'static str> {
        match self {
            Self::Sol(_) => Some("sol"),
            Self::Scan => Some("scan"),
            Self::Audit => Some("audit"),
            _ => None,
        }
    }

    /// Whether nobody but the network can be asked; what it is then.
    fn is_of_the_network(&self) -> Option<&'static str> {
        match self {
            Self::Sol(Sol::Open) => Some("sol"),
            Self::Scan => Some("scan"),
            Self::Audit => Some("audit"),
            _ => None,
        }
    }

    /// Whether nobody can choose how it is shown; what it is then.
    fn has_own_format(&self) -> Option<&'static str> {
        match self {
            Self::Sol(Sol::Open) => Some("sol"),
            Self::Watch(_) => Some("watch"),
            Self::Export(..) => Some("export"),
            _ => None,
        }
    }

    /// Whether it has something for Prometheus.
    fn has_metrics(&self) -> bool {
        matches!(self, Self::Sensors(_) | Self::Power(Power::Status | Power::Watts))
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

fn listener(text: &str) -> Result<SocketAddr, Failure> {
    let wrong = |_| wrong(format!("--listen: {text:?} is no address with a port, such as 127.0.0.1:9290"));
    text.parse().map_err(wrong)
}

fn within(option: &str, text: &str, most: u64) -> Result<u64, Failure> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| wrong(format!("{option}: {text:?} is not a number from 1 to {most}")))
}

/// The highest level to ask for, by its name.
pub(super) fn level(text: &str) -> Result<Privilege, Failure> {
    let wrong = |_| wrong(format!("--level: {text:?} is neither user, operator nor administrator"));
    text.parse().map_err(wrong)
}

fn too_many(word: &str) -> Failure {
    wrong(format!("{word:?} is one word too many"))
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
    fn every_action_that_is_completed_is_known() {
        for (action, _) in ACTIONS.iter().filter(|(action, _)| *action != "host") {
            let failure = parse(&[action]).map(|_| ()).expect_err("no controller").to_string();
            assert!(!failure.contains("unknown action"), "{action}: {failure}");
        }
    }

    #[test]
    fn what_the_page_puts_beside_ipmitool_is_understood() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/wmi-and-hardware.md");
        let page = std::fs::read_to_string(page).expect("the page");
        let mut understood = 0;
        let ours = page.lines().filter_map(|line| line.strip_prefix('|')?.rsplit('|').nth(1));
        for command in ours.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
            let command = command.replace('…', "10.0.0.9").replace("'Asset Tag'", "Asset\u{a0}Tag");
            let words: Vec<&str> = command.split(' ').collect();
            let is_action = |word: &&str| ACTIONS.iter().any(|(action, _)| action == word);
            if words.first().is_some_and(is_action) {
                let parsed = parse(&[&words, &["-H", "a"][..]].concat());
                assert!(matches!(parsed, Ok(Some(_))), "{command}: {parsed:?}");
                understood += 1;
            }
        }
        assert!(understood > 25, "{understood}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, part) in [
            (&["power", "status"][..], "-H"),
            (&["power"], "watts?"),
            (&["power", "policy", "never"], "\"never\""),
            (&["boot", "tape"], "\"tape\""),
            (&["boot", "pxe", "twice"], "\"twice\""),
            (&["user", "password", "2", "secret"], "--new-password-file"),
            (&["user", "name", "64", "x"], "\"64\""),
            (&["lan", "set", "vlan", "x"], "\"x\""),
            (&["lan", "set", "vlan", "5000"], "1 to 4094"),
            (&["lan", "set", "address", "10.0.0.7", "-H", "a,b"], "for one controller, not for 2"),
            (&["lan6", "set", "address", "2001:db8::7/64", "-H", "a,b"], "for one controller, not for 2"),
            (&["kg", "set", "secret"], "--new-kg-file"),
            (&["channel", "16"], "\"16\""),
            (&["channel", "set", "mode", "open"], "\"open\""),
            (&["channel", "set", "limit", "none"], "set mode disabled"),
            (&["hysteresis", "VBAT", "-1", "0"], "-1"),
            (&["watchdog", "set", "reset", "0"], "\"0\""),
            (&["threshold", "VBAT", "unc", "NaN"], "no number"),
            (&["fru", "set", "door", "Name", "x"], "\"door\""),
            (&["fru", "-H", "a", "--format", "prometheus"], "prometheus"),
            (&["power", "of"], "\"of\""),
            (&["info", "x"], "one word too many"),
            (&["sel", "info", "x"], "\"x\" is one word too many"),
            (&["sel", "time", "now", "x"], "\"x\" is one word too many"),
            (&["sel", "last"], "how many?"),
            (&["sel", "time", "then"], "\"then\" is not now"),
            (&["-H", "a", "host", "list"], "telarch ipmi host list"),
            (&["power", "cycle", "-H", "a,b", "-H", "A:623"], "A is listed twice"),
            (&["scan", "-H", "a,local"], "scan is for controllers on the network"),
            (&["audit", "-H", "local"], "audit is for controllers on the network"),
            (&["sol", "-H", "local"], "sol is for controllers on the network"),
            (&["sel", "follow", "-H", "a", "--format", "table"], "--format table"),
            (&["info", "-H", "10.0.7.1-20"], "10.0.7.[1-20]"),
            (&["export", "-H", "a", "--format", "json"], "export has a format of its own"),
            (&["raw", "6"], "which network function"),
            (&["raw", "7", "1"], "network function"),
            (&["raw", "6", "256"], "\"256\""),
            (&["info", "-H", "a", "--suite", "4"], "suite 4"),
            (&["info", "-H", "a", "--suite", "x"], "\"x\""),
            (&["info", "-H", "a", "--ipmi15", "oem"], "type of authentication"),
            (&["info", "-H", "a", "--ipmi15", "md5", "--suite", "3"], "--suite"),
            (&["info", "-H", "a", "--limit", "0"], "--limit"),
            (&["info", "-H", "a", "--target", "0x83"], "address on the bus"),
            (&["info", "-H", "a", "--target", "0x82", "--target-channel", "16"], "channel"),
            (&["info", "-H", "a", "--transit", "0x82"], "--target"),
            (&["info", "-H", "a", "--target", "0x82", "--transit-channel", "7"], "--transit"),
            (&["sol", "info", "-H", "a", "--target", "0x82"], "sol is not for"),
            (&["info", "-H", "a", "--level", "root"], "\"root\""),
            (&["info", "-H", "a", "-U", "seventeen letters"], "name of the user"),
            (&["info", "-H", "a", "-P", "secret"], "-P"),
            (&["export", "-H", "a", "--listen", "everywhere"], "\"everywhere\""),
            (&["fly"], "\"fly\""),
            (&["sensor", "-H", "a"], "\"sensor\" of ipmitool is sensors here"),
            (
                &["chassis", "power", "status", "-H", "a"],
                "\"chassis power status\" of ipmitool is power WHAT here",
            ),
            (&["mc", "info", "-H", "a"], "is info here"),
            (&["sensros", "-H", "a"], "did you mean sensors?"),
            (&["-H", "a"], "Name an action"),
        ] {
            let failure = parse(arguments).map(|_| ()).expect_err("a wrong command line").to_string();
            assert!(failure.contains(part), "{failure} does not name {part}");
        }
    }
}
