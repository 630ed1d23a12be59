//! The command line of `telarch ipmi`.

use std::path::PathBuf;
use std::time::Duration;

use ipmi::proto::chassis::{Control, SetIdentify};
use ipmi::proto::{CipherSuite, NetFn, Privilege, Request, UserName};
use lexopt::{Arg, Parser, ValueExt as _};

use super::hosts::{self, Host};
use super::power::Power;
use super::report::Format;
use super::sel::Sel;
use crate::failure::Failure;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) action: Action,
    pub(super) place: Place,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Power(Power),
    Sensors,
    Sel(Sel),
    /// The number of the device.
    Fru(u8),
    Info,
    Identify(SetIdentify),
    Raw(Request),
}

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
    pub(super) limit: Duration,
    pub(super) parallel: usize,
    pub(super) format: Format,
}

impl Invocation {
    /// Reads what follows the word `ipmi`; none if it asks for help.
    pub(super) fn parse(mut parser: Parser) -> Result<Option<Self>, Failure> {
        let (mut words, mut hosts, mut user_name) = (Vec::new(), Vec::new(), String::new());
        let (mut password_file, mut group_key_file, mut level, mut suite) = (None, None, None, None);
        let (mut limit, mut parallel, mut format) = (10, 64, Format::default());
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
                Arg::Long("suite") => suite = Some(parser.value()?.string()?.parse().map_err(wrong)?),
                Arg::Long("limit") => limit = within("--limit", &parser.value()?.string()?, 3_600)?,
                Arg::Long("parallel") => parallel = within("--parallel", &parser.value()?.string()?, 4_096)?,
                Arg::Long("format") => format = parser.value()?.string()?.parse().map_err(wrong)?,
                other => return Err(wrong(other.unexpected())),
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some(action) = Action::parse(&words)? else { return Ok(None) };
        if hosts.is_empty() {
            return Err(wrong("which controller? Name it with -H"));
        }
        let user = UserName::new(&user_name).map_err(wrong)?;
        let (limit, parallel) = (Duration::from_secs(limit), usize::try_from(parallel).unwrap_or(64));
        let place = Place {
            hosts,
            user_name,
            user,
            password_file,
            group_key_file,
            level,
            suite,
            limit,
            parallel,
            format,
        };
        Ok(Some(Self { action, place }))
    }
}

impl Action {
    fn parse(words: &[&str]) -> Result<Option<Self>, Failure> {
        let action = match words {
            [] => return Ok(None),
            ["power", "status"] => Self::Power(Power::Status),
            ["power", "on" | "up"] => Self::Power(Power::Control(Control::PowerUp)),
            ["power", "off" | "down"] => Self::Power(Power::Control(Control::PowerDown)),
            ["power", "cycle"] => Self::Power(Power::Control(Control::PowerCycle)),
            ["power", "reset"] => Self::Power(Power::Control(Control::HardReset)),
            ["power", "diag"] => Self::Power(Power::Control(Control::DiagnosticInterrupt)),
            ["power", "soft"] => Self::Power(Power::Control(Control::SoftShutdown)),
            ["power"] => return Err(wrong("power: status, on, off, cycle, reset, diag or soft?")),
            ["power", other] => return Err(wrong(format!("power: unknown word {other:?}"))),
            ["sensors"] => Self::Sensors,
            ["sel"] | ["sel", "list"] => Self::Sel(Sel::List),
            ["sel", "clear"] => Self::Sel(Sel::Clear),
            ["sel", other] => return Err(wrong(format!("sel: {other:?} is neither list nor clear"))),
            ["fru"] => Self::Fru(0),
            ["fru", device] => Self::Fru(octet(device)?),
            ["info"] => Self::Info,
            ["identify"] => Self::Identify(SetIdentify::Seconds(15)),
            ["identify", "on"] => Self::Identify(SetIdentify::Indefinitely),
            ["identify", seconds] => Self::Identify(SetIdentify::Seconds(octet(seconds)?)),
            ["raw", net_fn, command, data @ ..] => {
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
            ["raw", ..] => return Err(wrong("raw: which network function and command?")),
            ["info" | "sensors", word, ..] | ["power" | "identify" | "sel" | "fru", _, word, ..] => {
                return Err(wrong(format!("{word:?} is one word too many")));
            }
            [other, ..] => return Err(wrong(format!("unknown action {other:?}"))),
        };
        Ok(Some(action))
    }
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
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Invocation>, Failure> {
        Invocation::parse(Parser::from_args(arguments))
    }

    #[test]
    fn options_stand_anywhere() {
        let arguments = ["-H", "a", "power", "--suite", "3", "soft", "-U", "admin", "--limit", "2"];
        let Ok(Some(Invocation { action, place })) = parse(&arguments) else { panic!() };
        assert_eq!(action, Action::Power(Power::Control(Control::SoftShutdown)));
        assert_eq!((place.suite, place.limit), (Some(CipherSuite::SHA1), Duration::from_secs(2)));
        let Ok(Some(raw)) = parse(&["raw", "0x06", "1", "0xFF", "-H", "a"]) else { panic!() };
        assert_eq!(raw.action, Action::Raw(Request::new(NetFn::APP, 1, &[255])));
        assert!(matches!(parse(&["power", "--help"]), Ok(None)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, part) in [
            (&["power", "status"][..], "-H"),
            (&["power"], "soft?"),
            (&["power", "of"], "\"of\""),
            (&["info", "x"], "one word too many"),
            (&["raw", "6"], "which network function"),
            (&["raw", "7", "1"], "network function"),
            (&["raw", "6", "256"], "\"256\""),
            (&["info", "-H", "a", "--suite", "4"], "suite 4"),
            (&["info", "-H", "a", "--limit", "0"], "--limit"),
            (&["info", "-H", "a", "--level", "root"], "\"root\""),
            (&["info", "-H", "a", "-U", "seventeen letters"], "name of the user"),
            (&["info", "-H", "a", "-P", "secret"], "-P"),
            (&["fly"], "\"fly\""),
        ] {
            let failure = parse(arguments).map(|_| ()).expect_err("a wrong command line").to_string();
            assert!(failure.contains(part), "{failure} does not name {part}");
        }
    }
}
