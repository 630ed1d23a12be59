//! The command line of `telarch ipmi`: action, controllers and credentials.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cli::host_list;
use cli_command::{Arguments, Failure};
use ipmi::proto::chassis::SetIdentify;
use ipmi::proto::controller::Restart;
use ipmi::proto::lan::LanChange;
use ipmi::proto::lan6::Lan6Change;
use ipmi::proto::{Destination, NetFn, Request, UserName};

use super::boot::Boot;
use super::channel::Channel;
use super::events::Events;
use super::fru::Fru;
use super::group_key::GroupKey;
use super::hosts::{self, Host};
use super::hysteresis::Hysteresis;
use super::lan::Lan;
use super::lan6::Lan6;
use super::power::Power;
use super::sel::{Clock, Sel};
use super::sensors::SensorFilter;
use super::sol::Sol;
use super::table::{self, IPMI};
use super::targets::{Targets, level};
use super::threshold::Thresholds;
use super::user::User;
use super::watchdog::Watchdog;
use cli_command::format::Format;

/// The action and the controllers that a command line requests.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) action: Action,
    pub(super) targets: Targets,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Power(Power),
    Boot(Boot),
    Chassis,
    Restart(Restart),
    SelfTest,
    Sensors(Vec<SensorFilter>),
    Threshold(Thresholds),
    Sel(Sel),
    /// Time zone of dates, and poll interval.
    Follow(Clock, Duration),
    Fru(Fru),
    Info,
    Lan(Lan),
    Lan6(Lan6),
    Channel(Channel),
    Hysteresis(Hysteresis),
    Events(Events),
    /// The operation, and the file of the new key.
    GroupKey(GroupKey, Option<PathBuf>),
    Sessions,
    Scan,
    Audit,
    Sol(Sol),
    /// Poll interval.
    Watch(Duration),
    /// Poll interval, and address of the HTTP server.
    Export(Duration, SocketAddr),
    /// The operation, and the file of the password to set or to compare.
    User(User, Option<PathBuf>),
    Watchdog(Watchdog),
    Identify(SetIdentify),
    Raw(Request),
}

/// Default address of the exporter; the port is the one that IPMI exporters for Prometheus use.
const EXPORTER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9_290);

impl Invocation {
    /// Interprets a command line that obeys the command table.
    pub(super) fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let action = Action::parse(arguments)?;
        let mut hosts = Vec::new();
        for list in arguments.texts(&table::HOST)? {
            hosts.extend(hosts::parse(list).map_err(usage_error)?);
        }
        if hosts.is_empty() {
            return Err(usage_error("no controller given; name it with -H"));
        }
        let behind = destination(arguments)?;
        hosts.iter_mut().for_each(|host: &mut Host| host.behind = behind);
        // A controller may be named in several lists, and in several spellings.
        host_list::reject_duplicates(hosts.iter().map(Host::to_string)).map_err(usage_error)?;
        let user_name = arguments.text(&table::USER)?.unwrap_or_default().to_owned();
        // Most addresses of a scan do not respond, so that timeouts determine its duration.
        let (default_limit, default_parallel) =
            if matches!(action, Action::Scan) { (2, 256) } else { (10, 64) };
        let limit = arguments.number(&table::LIMIT, 1..=3_600)?.unwrap_or(default_limit);
        let parallel = arguments.number(&table::PARALLEL, 1..=4_096)?.unwrap_or(default_parallel);
        let targets = Targets {
            hosts,
            user: UserName::new(&user_name).map_err(usage_error)?,
            user_name,
            password_file: arguments.path(&table::PASSWORD_FILE),
            group_key_file: arguments.path(&table::KG_FILE),
            level: level(arguments, &table::LEVEL)?,
            suite: arguments.parsed(&table::SUITE)?,
            state: arguments.path(&table::STATE),
            ipmi15: arguments.parsed(&table::IPMI15)?,
            limit: Duration::from_secs(limit),
            parallel: usize::try_from(parallel).unwrap_or(64),
            format: arguments.keyword(&table::FORMAT).unwrap_or_default(),
        };
        let invocation = Self { action, targets };
        invocation.check()?;
        Ok(invocation)
    }

    /// Rejects combinations of action, controllers and format that make no sense.
    fn check(&self) -> Result<(), Failure> {
        let Self { action, targets: Targets { hosts, format, .. } } = self;
        let is_bridged = hosts.iter().any(|host| host.behind != Destination::CONTROLLER);
        if let Some(name) = action.session_only().filter(|_| is_bridged) {
            return Err(usage_error(format!("{name} does not support --target")));
        }
        if let Some(name) = action.network_only().filter(|_| hosts.iter().any(Host::is_local)) {
            return Err(usage_error(format!(
                "{name} works over the network only; use the controller's IP address instead of local"
            )));
        }
        if let Some(name) = action.single_host_only().filter(|_| hosts.len() > 1) {
            return Err(usage_error(format!("{name} accepts one controller, not {}", hosts.len())));
        }
        if *format == Format::Prometheus && !action.has_metrics() {
            return Err(usage_error(
                "--format prometheus is only valid with sensors, power status and power watts",
            ));
        }
        if let Some(name) = action.fixed_format().filter(|_| *format != Format::default()) {
            return Err(usage_error(format!("{name} does not support --format")));
        }
        if *format == Format::Table && matches!(action, Action::Follow(..)) {
            return Err(usage_error(
                "sel follow does not support --format table, because it has no last line; use text, json or csv",
            ));
        }
        Ok(())
    }
}

/// The controller behind the host that requests are forwarded to.
fn destination(arguments: &Arguments) -> Result<Destination, Failure> {
    let Some(target) = byte_option(arguments, &table::TARGET)? else { return Ok(Destination::CONTROLLER) };
    let channel = byte_option(arguments, &table::TARGET_CHANNEL)?.unwrap_or(0);
    let destination = Destination::on_channel(channel, target, 0).map_err(usage_error)?;
    let Some(transit) = byte_option(arguments, &table::TRANSIT)? else { return Ok(destination) };
    let channel = byte_option(arguments, &table::TRANSIT_CHANNEL)?.unwrap_or(0);
    destination.through(channel, transit).map_err(usage_error)
}

impl Action {
    fn parse(arguments: &Arguments) -> Result<Self, Failure> {
        let words = arguments.words();
        Ok(match (arguments.action(), words.as_slice()) {
            ("power", words) => Self::Power(Power::parse(words).map_err(usage_error)?),
            ("boot", words) => Self::Boot(Boot::parse(words).map_err(usage_error)?),
            ("chassis", _) => Self::Chassis,
            ("selftest", _) => Self::SelfTest,
            ("restart", []) => Self::Restart(Restart::Cold),
            ("restart", ["warm", ..]) => Self::Restart(Restart::Warm),
            ("restart", [word, ..]) => return Err(unexpected(word)),
            ("sensors", words) => Self::Sensors(words.iter().map(|word| SensorFilter::parse(word)).collect()),
            ("threshold", words) => Self::Threshold(Thresholds::parse(words).map_err(usage_error)?),
            ("sel", words) => Self::parse_sel(words, arguments)?,
            ("fru", words) => Self::Fru(Fru::parse(words).map_err(usage_error)?),
            ("info", _) => Self::Info,
            ("lan", words) => Self::Lan(Lan::parse(words).map_err(usage_error)?),
            ("hysteresis", words) => Self::Hysteresis(Hysteresis::parse(words).map_err(usage_error)?),
            ("events", words) => Self::Events(Events::parse(words).map_err(usage_error)?),
            ("lan6", words) => Self::Lan6(Lan6::parse(words).map_err(usage_error)?),
            ("kg", words) => {
                let action = GroupKey::parse(words).map_err(usage_error)?;
                Self::GroupKey(action, arguments.path(&table::NEW_KG_FILE))
            }
            ("channel", words) => Self::Channel(Channel::parse(words).map_err(usage_error)?),
            ("sessions", _) => Self::Sessions,
            ("sol", words) => Self::Sol(Sol::parse(words).map_err(usage_error)?),
            ("scan", _) => Self::Scan,
            ("audit", _) => Self::Audit,
            ("watch", _) => Self::Watch(interval(arguments, 2)?),
            ("export", _) => Self::Export(interval(arguments, 30)?, listen_address(arguments)?),
            ("user", words) => {
                let action = User::parse(words).map_err(usage_error)?;
                Self::User(action, arguments.path(&table::NEW_PASSWORD_FILE))
            }
            ("watchdog", words) => Self::Watchdog(Watchdog::parse(words).map_err(usage_error)?),
            ("identify", []) => Self::Identify(SetIdentify::Seconds(15)),
            ("identify", ["on", ..]) => Self::Identify(SetIdentify::Indefinitely),
            ("identify", [seconds, ..]) => Self::Identify(SetIdentify::Seconds(byte(seconds)?)),
            ("raw", words) => Self::Raw(raw_request(words)?),
            (other, _) => return Err(usage_error(format!("unknown action \"{other}\""))),
        })
    }

    fn parse_sel(words: &[&str], arguments: &Arguments) -> Result<Self, Failure> {
        let clock = if arguments.is_given(&table::UTC) { Clock::Utc } else { Clock::Own };
        Ok(match words {
            [] | ["list"] => Self::Sel(Sel::List(clock, None)),
            ["last", count] => {
                let most = u16::MAX;
                let count = count.parse().ok().filter(|count| (1..=usize::from(most)).contains(count));
                let count = count.ok_or_else(|| {
                    usage_error(format!("sel last: the count must be a number from 1 to {most}"))
                })?;
                Self::Sel(Sel::List(clock, Some(count)))
            }
            ["info"] => Self::Sel(Sel::Info),
            ["clear"] => Self::Sel(Sel::Clear),
            ["time"] => Self::Sel(Sel::Time),
            ["time", "now"] => Self::Sel(Sel::SetTime(now())),
            ["follow"] => Self::Follow(clock, interval(arguments, 5)?),
            ["last"] => return Err(usage_error("sel last requires a number of records")),
            ["time", other] => {
                return Err(usage_error(format!("sel time: invalid value \"{other}\"; expected now")));
            }
            ["last" | "time", _, word, ..] | ["list" | "info" | "follow" | "clear", word, ..] => {
                return Err(unexpected(word));
            }
            [other, ..] => {
                return Err(usage_error(format!(
                    "sel: unknown word \"{other}\"; expected list, last NUMBER, info, follow, clear or time [now]"
                )));
            }
        })
    }

    /// The name of an action that accepts one controller only.
    fn single_host_only(&self) -> Option<&'static str> {
        match self {
            Self::Lan(Lan::Set(LanChange::Address(_))) => Some("lan set address"),
            Self::Lan6(Lan6::Set(Lan6Change::Address(_, Some(_)))) => Some("lan6 set address"),
            Self::Sol(Sol::Open) => Some("sol"),
            _ => None,
        }
    }

    /// The name of an action on the session itself, whose messages cannot be forwarded to another controller.
    fn session_only(&self) -> Option<&'static str> {
        match self {
            Self::Sol(_) => Some("sol"),
            Self::Scan => Some("scan"),
            Self::Audit => Some("audit"),
            _ => None,
        }
    }

    /// The name of an action that the driver of the local controller cannot perform.
    fn network_only(&self) -> Option<&'static str> {
        match self {
            Self::Sol(Sol::Open) => Some("sol"),
            Self::Scan => Some("scan"),
            Self::Audit => Some("audit"),
            _ => None,
        }
    }

    /// The name of an action whose output format is fixed.
    fn fixed_format(&self) -> Option<&'static str> {
        match self {
            Self::Sol(Sol::Open) => Some("sol"),
            Self::Watch(_) => Some("watch"),
            Self::Export(..) => Some("export"),
            _ => None,
        }
    }

    /// Returns whether the action has metrics for Prometheus.
    fn has_metrics(&self) -> bool {
        matches!(self, Self::Sensors(_) | Self::Power(Power::Status | Power::Watts))
    }
}

/// The time of this machine in seconds since 1970, as a clock of IPMI counts them (until 2106).
fn now() -> u32 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

fn raw_request(words: &[&str]) -> Result<Request, Failure> {
    let [net_fn, command, data @ ..] = words else {
        return Err(usage_error("raw requires a network function and a command"));
    };
    let number = byte(net_fn)?;
    let net_fn = NetFn::new(number).map_err(|_| {
        usage_error(format!(
            "raw: invalid network function \"{net_fn}\"; requests have even numbers up to 0x3e"
        ))
    })?;
    let data: Vec<u8> = data.iter().map(|word| byte(word)).collect::<Result<_, _>>()?;
    if data.len() > MAX_DATA {
        return Err(usage_error(format!("raw: {} bytes of data exceed the limit of {MAX_DATA}", data.len())));
    }
    Ok(Request { net_fn, command: byte(command)?, data: data.into() })
}

/// Maximum data bytes of a raw request, more than any controller accepts.
const MAX_DATA: usize = 255;

/// Parses a byte as `0x2a` or 42.
fn byte(word: &str) -> Result<u8, Failure> {
    let parsed = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => u8::from_str_radix(digits, 16),
        None => word.parse(),
    };
    parsed.map_err(|_| usage_error(format!("\"{word}\" is not a number from 0 to 255, or 0x00 to 0xff")))
}

fn byte_option(arguments: &Arguments, option: &cli_command::Opt) -> Result<Option<u8>, Failure> {
    arguments.text(option)?.map(byte).transpose()
}

fn interval(arguments: &Arguments, default_seconds: u64) -> Result<Duration, Failure> {
    let seconds = arguments.number(&table::EVERY, 1..=3_600)?;
    Ok(Duration::from_secs(seconds.unwrap_or(default_seconds)))
}

fn listen_address(arguments: &Arguments) -> Result<SocketAddr, Failure> {
    let Some(text) = arguments.text(&table::LISTEN)? else { return Ok(EXPORTER) };
    text.parse().map_err(|_| {
        usage_error(format!("--listen: \"{text}\" is not an address with a port, such as 127.0.0.1:9290"))
    })
}

fn unexpected(word: &str) -> Failure {
    usage_error(format!("unexpected argument \"{word}\""))
}

fn usage_error(problem: impl std::fmt::Display) -> Failure {
    IPMI.usage_error(problem)
}

#[cfg(test)]
mod tests {
    use ipmi::proto::CipherSuite;
    use ipmi::proto::chassis::Control;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Invocation>, Failure> {
        Arguments::parse_words(&IPMI, arguments)?.map(|arguments| Invocation::new(&arguments)).transpose()
    }

    #[test]
    fn options_are_accepted_in_any_order() {
        let arguments = ["-H", "a", "power", "--suite", "3", "soft", "-U", "admin", "--limit", "2"];
        let Ok(Some(Invocation { action, targets })) = parse(&arguments) else { panic!() };
        assert!(matches!(action, Action::Power(Power::Control(Control::SoftShutdown))));
        assert_eq!((targets.suite, targets.limit), (Some(CipherSuite::SHA1), Duration::from_secs(2)));
        let Ok(Some(raw)) = parse(&["raw", "0x06", "1", "0xFF", "-H", "a"]) else { panic!() };
        let Action::Raw(request) = raw.action else { panic!() };
        assert_eq!(request, Request::new(NetFn::APP, 1, &[255]));
        assert!(matches!(parse(&["power", "--help"]), Ok(None)));
    }

    #[test]
    fn every_action_of_the_table_is_implemented() {
        for action in IPMI.all_actions() {
            let failure = parse(&[action.name()]).map(|_| ()).expect_err("no controller").to_string();
            assert!(!failure.contains("unknown action"), "{}: {failure}", action.name());
        }
    }

    #[test]
    fn every_command_that_docs_compare_with_ipmitool_is_valid() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/ipmi.md");
        let page = std::fs::read_to_string(page).expect("the page");
        let mut valid = 0;
        let ours = page.lines().filter_map(|line| line.strip_prefix('|')?.rsplit('|').nth(1));
        for command in ours.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
            let command = command.replace('…', "10.0.0.9").replace("'Asset Tag'", "Asset\u{a0}Tag");
            let words: Vec<&str> = command.split(' ').collect();
            let actions = IPMI.all_actions();
            if words.first().is_some_and(|word| actions.iter().any(|action| action.name() == *word)) {
                let parsed = parse(&[&words, &["-H", "a"][..]].concat());
                assert!(matches!(parsed, Ok(Some(_))), "{command}: {parsed:?}");
                valid += 1;
            }
        }
        assert!(valid > 25, "{valid}");
    }

    #[test]
    fn invalid_command_lines_are_rejected() {
        for (arguments, part) in [
            (&["power", "status"][..], "-H"),
            (&["power"], "watts"),
            (&["power", "policy", "never"], "\"never\""),
            (&["boot", "tape"], "\"tape\""),
            (&["boot", "pxe", "twice"], "\"twice\""),
            (&["user", "password", "2", "secret"], "--new-password-file"),
            (&["user", "name", "64", "x"], "\"64\""),
            (&["lan", "set", "vlan", "x"], "\"x\""),
            (&["lan", "set", "vlan", "5000"], "1 to 4094"),
            (&["lan", "set", "address", "10.0.0.7", "-H", "a,b"], "accepts one controller, not 2"),
            (&["lan6", "set", "address", "2001:db8::7/64", "-H", "a,b"], "accepts one controller, not 2"),
            (&["kg", "set", "secret"], "--new-kg-file"),
            (&["channel", "16"], "\"16\""),
            (&["channel", "set", "mode", "open"], "\"open\""),
            (&["channel", "set", "limit", "none"], "set mode disabled"),
            (&["hysteresis", "VBAT", "-1", "0"], "-1"),
            (&["watchdog", "set", "reset", "0"], "\"0\""),
            (&["threshold", "VBAT", "unc", "NaN"], "not a number"),
            (&["fru", "set", "door", "Name", "x"], "\"door\""),
            (&["fru", "-H", "a", "--format", "prometheus"], "prometheus"),
            (&["power", "of"], "\"of\""),
            (&["info", "x"], "unexpected argument"),
            (&["sel", "info", "x"], "unexpected argument \"x\""),
            (&["sel", "time", "now", "x"], "unexpected argument \"x\""),
            (&["sel", "last"], "requires a number"),
            (&["sel", "time", "then"], "invalid value \"then\"; expected now"),
            (&["-H", "a", "host", "list"], "options must follow host: telarch ipmi host"),
            (&["power", "cycle", "-H", "a,b", "-H", "A:623"], "A is listed twice"),
            (&["scan", "-H", "a,local"], "scan works over the network only"),
            (&["audit", "-H", "local"], "audit works over the network only"),
            (&["sol", "-H", "local"], "sol works over the network only"),
            (&["sel", "follow", "-H", "a", "--format", "table"], "--format table"),
            (&["info", "-H", "10.0.7.1-20"], "10.0.7.[1-20]"),
            (&["export", "-H", "a", "--format", "json"], "export does not support --format"),
            (&["raw", "6"], "requires a network function"),
            (&["raw", "7", "1"], "network function"),
            (&["raw", "6", "256"], "\"256\""),
            (&["info", "-H", "a", "--suite", "4"], "suite 4"),
            (&["info", "-H", "a", "--suite", "x"], "\"x\""),
            (&["info", "-H", "a", "--ipmi15", "oem"], "authentication"),
            (&["info", "-H", "a", "--ipmi15", "md5", "--suite", "3"], "--suite"),
            (&["info", "-H", "a", "--limit", "0"], "--limit"),
            (&["info", "-H", "a", "--target", "0x83"], "address on the bus"),
            (&["info", "-H", "a", "--target", "0x82", "--target-channel", "16"], "channel"),
            (&["info", "-H", "a", "--transit", "0x82"], "--transit is only valid with --target"),
            (&["info", "-H", "a", "--target", "0x82", "--transit-channel", "7"], "--transit"),
            (&["sol", "info", "-H", "a", "--target", "0x82"], "sol does not support --target"),
            (&["info", "-H", "a", "--level", "root"], "\"root\""),
            (&["info", "-H", "a", "-U", "seventeen letters"], "name of the user"),
            (&["info", "-H", "a", "-P", "secret"], "-P"),
            (&["export", "-H", "a", "--listen", "everywhere"], "\"everywhere\""),
            (&["fly"], "\"fly\""),
            (&["sensor", "-H", "a"], "\"sensor\" of ipmitool is sensors in telarch"),
            (
                &["chassis", "power", "status", "-H", "a"],
                "\"chassis power status\" of ipmitool is power WHAT in telarch",
            ),
            (&["mc", "info", "-H", "a"], "is info in telarch"),
            (&["sensros", "-H", "a"], "did you mean sensors?"),
            (&["-H", "a"], "no action given"),
            (&["info", "-H", "a", "-U", "x", "-U", "y"], "--user is given twice"),
            (&["info", "-H", "a", "--utc"], "--utc is only valid with sel"),
        ] {
            let failure = parse(arguments).map(|_| ()).expect_err("an invalid command line").to_string();
            assert!(failure.contains(part), "{failure} does not contain {part}");
        }
    }
}
