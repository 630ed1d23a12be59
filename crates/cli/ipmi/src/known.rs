//! `telarch ipmi host`: the controllers that the service of this machine knows.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use hardware::{Added, Address, Host, HostFile, HostFileError, HostName, Secrets};
use ipmi::proto::{CipherSuite, Privilege};
use lexopt::{Arg, Parser, ValueExt as _};
use serde_json::Value;
use zeroize::Zeroizing;

use super::arguments::{Place, level};
use super::hosts::{self, Kept};
use super::report::{Answer, Format, Report};
use super::sign_in;
use cli_command::Failure;
use cli_command::paths;

/// What the command line says.
#[derive(Debug, Default)]
struct Invocation {
    words: Vec<String>,
    user: String,
    password_file: Option<PathBuf>,
    group_key_file: Option<PathBuf>,
    level: Option<Privilege>,
    suite: Option<CipherSuite>,
    state: Option<PathBuf>,
    format: Option<Format>,
}

pub(super) fn run(parser: Parser) -> Result<String, Failure> {
    let Some(invocation) = Invocation::parse(parser)? else { return Ok(HELP.to_owned()) };
    let words: Vec<&str> = invocation.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => Ok(HELP.to_owned()),
        ["list"] => list(&invocation.file()?.list().map_err(failed)?, invocation.format.unwrap_or_default()),
        [what, ..] if invocation.format.is_some() => {
            Err(wrong(format!("host {what}: --format goes with list only")))
        }
        ["list", word, ..] => Err(wrong(format!("host list: {word:?} is one word too many"))),
        ["add", name, _] if name.eq_ignore_ascii_case("local") => Err(wrong(
            "host add: local is the controller of this machine, which its service knows: take another name",
        )),
        ["add", name, address] => {
            let (name, address) = (name.parse().map_err(wrong)?, address.parse().map_err(wrong)?);
            invocation.add(name, address)
        }
        ["remove", name] => {
            let name: HostName = name.parse().map_err(wrong)?;
            invocation.file()?.remove(&name).map_err(failed)?;
            Ok(format!("{name} is not known any more\n"))
        }
        ["add", ..] => Err(wrong("host add: a name and an address, and nothing else")),
        ["remove", ..] => Err(wrong("host remove: a name, and nothing else")),
        [other, ..] => Err(wrong(format!("host: {other:?} is neither add, list nor remove"))),
    }
}

/// Finds what is kept of those that are named as here: where they are and, unless the command line names somebody else,
/// who signs in.
pub(super) fn find(place: &mut Place) -> Result<(), Failure> {
    let is_somebody_else = !place.user_name.is_empty();
    let Place { hosts, suite, ipmi15, state, .. } = place;
    // An address is no name that anybody keeps, and needs no file.
    let is_name = |name: &&str| name.parse::<IpAddr>().is_err();
    if !hosts.iter().any(|host| host.kept_name().filter(is_name).is_some()) {
        return Ok(());
    }
    let Some(state) = state.clone().or_else(|| cli_command::paths::state().ok()) else { return Ok(()) };
    let wanted: HashSet<String> =
        hosts.iter().filter_map(|host| Some(host.kept_name()?.to_ascii_lowercase())).collect();
    let found =
        HostFile::of_state(&state).logins(|name| wanted.contains(&name.as_str().to_ascii_lowercase())).map_err(failed)?;
    for (Host { name, address, .. }, login) in found {
        let is_it = |host: &&mut hosts::Host| {
            host.kept_name().is_some_and(|kept| kept.eq_ignore_ascii_case(name.as_str()))
        };
        for host in hosts.iter_mut().filter(is_it) {
            let (name_there, port) = (address.host.clone(), address.port);
            if is_somebody_else {
                host.keep(Kept { name: name_there, port, login: None });
                continue;
            }
            let Some(mut login) = login.clone() else {
                return Err(Failure::failed(
                    format!(
                        "the password of {name} was sealed with another key, or for another address or user"
                    ),
                    &format!("telarch ipmi host add {name} {address}"),
                ));
            };
            if let Some(suite) = suite {
                login = login.suite(*suite);
            }
            if let Some(kind) = ipmi15 {
                login = login.lan15(*kind).map_err(|error| Failure::Failed(error.to_string()))?;
            }
            host.keep(Kept { name: name_there, port, login: Some(login) });
        }
    }
    Ok(())
}

impl Invocation {
    /// Reads what follows the word `host`; none if it asks for help.
    fn parse(mut parser: Parser) -> Result<Option<Self>, Failure> {
        let mut read = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(word) => read.words.push(word.string()?),
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                Arg::Short('U') | Arg::Long("user") => read.user = parser.value()?.string()?,
                Arg::Long("password-file") => read.password_file = Some(PathBuf::from(parser.value()?)),
                Arg::Long("kg-file") => read.group_key_file = Some(PathBuf::from(parser.value()?)),
                Arg::Long("level") => read.level = Some(level(&parser.value()?.string()?)?),
                Arg::Long("suite") => read.suite = Some(parser.value()?.string()?.parse().map_err(wrong)?),
                Arg::Long("state") => read.state = Some(PathBuf::from(parser.value()?)),
                Arg::Long("format") => {
                    read.format = match parser.value()?.string()?.parse().map_err(wrong)? {
                        Format::Prometheus => return Err(wrong("--format: text, table, json or csv")),
                        format => Some(format),
                    }
                }
                other => return Err(wrong(other.unexpected())),
            }
        }
        Ok(Some(read))
    }

    fn file(&self) -> Result<HostFile, Failure> {
        let state = match &self.state {
            Some(state) => state.clone(),
            None => paths::state()?,
        };
        Ok(HostFile::of_state(&state))
    }

    fn add(self, name: HostName, address: Address) -> Result<String, Failure> {
        let file = self.file()?;
        let whose = if self.user.is_empty() { "the anonymous user" } else { &self.user };
        let octets = |secret: auth::Secret| Zeroizing::new(secret.expose().as_bytes().to_vec());
        let password = octets(sign_in::password(self.password_file.as_deref(), whose, name.as_str())?);
        let group_key = match &self.group_key_file {
            Some(path) => Some(sign_in::group_key_octets(&sign_in::in_file(path, whose, name.as_str())?)?),
            None => None,
        };
        if let Some(state) = file.path().parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(state);
            made.map_err(|error| Failure::Failed(format!("cannot make {}: {error}", state.display())))?;
        }
        let level = self.level.unwrap_or(Privilege::Administrator);
        let host = Host { name, address, user: self.user, level, suite: self.suite };
        let added = file.add(&host, &Secrets { password, group_key }).map_err(failed)?;
        let how = match added {
            Added::New => "known now",
            Added::Replaced => "known with what was given now",
        };
        Ok(format!(
            "{} is {how}; its password is in {}, sealed with the key of this machine\n",
            host.name,
            file.path().display()
        ))
    }
}

fn list(kept: &[Host], format: Format) -> Result<String, Failure> {
    if format == Format::Text {
        return Ok(lines(kept));
    }
    let named = kept.iter().map(|host| hosts::Host::named(host.name.as_str())).collect();
    let mut report = Report::new(named, format);
    for (place, Host { address, user, level, suite, .. }) in kept.iter().enumerate() {
        let row = vec![
            ("address", Value::from(address.to_string())),
            ("user", Value::from(user.clone())),
            ("level", Value::from(level.name())),
            ("suite", suite.map_or(Value::Null, |suite| Value::from(suite.number()))),
        ];
        report.add(place, Ok(Answer::new(String::new(), vec![row])));
    }
    report.finish()?.map_or(Ok(String::new()), Err)
}

fn lines(kept: &[Host]) -> String {
    let mut text = String::new();
    for Host { name, address, user, level, suite } in kept {
        let suite = suite.map_or_else(|| "17 or 3".to_owned(), |suite| suite.number().to_string());
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "{:<16} {:<28} user {user:?}, at most {}, suite {suite}",
            name.as_str(),
            address.to_string(),
            level.name()
        );
    }
    text
}

fn failed(error: HostFileError) -> Failure {
    Failure::Failed(error.to_string())
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("ipmi: {what}"), "telarch ipmi host --help shows whole command lines")
}

const HELP: &str = r"telarch ipmi host: the controllers that the service of this machine knows, which it shows as root/hardware.

Examples:
  telarch ipmi host add node7 10.0.0.7 -U admin --password-file ~/.bmc
  telarch ipmi host list
  winrm enumerate wmi/root/hardware/NumericSensor

Actions:
  add NAME ADDRESS      the service knows the controller at this address, or address:PORT, by this name; if there is one
                        of the name, it is replaced
  list                  which there are
  remove NAME           the service does not know it any more

Options:
  -U, --user NAME       who signs in; if left away, the anonymous user
  --password-file PATH  a file only its owner can read, whose first line is the password. If left away, the password is
                        that in TELARCH_IPMI_PASSWORD, or asked for on the terminal; at most 20 octets
  --kg-file PATH        the same for the key of controllers that need a second one (K_g); 0x begins one that is digits
  --level LEVEL         the highest level to ask for: user, operator or administrator; administrator if left away
  --suite NUMBER        the only cipher suite to use; if left away, 17, or 3 where it is refused
  --format FORMAT       how list prints them: text, table, json or csv
  --state DIRECTORY     where the service keeps its state, if that is not the usual directory
  -h, --help            print this text

Passwords and keys are sealed with the key of this machine, each for one name, address and user. A service that runs
looks at the controllers again when somebody asks.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, part) in [
            (&["fly"][..], "\"fly\""),
            (&["add", "node7"], "a name and an address"),
            (&["add", "node 7", "a"], "\"node 7\""),
            (&["add", "node7", "a:0"], "\"a:0\""),
            (&["remove"], "host remove"),
            (&["list", "node7"], "\"node7\" is one word too many"),
            (&["add", "local", "10.0.0.7"], "take another name"),
            (&["list", "--level", "root"], "\"root\""),
            (&["list", "--format", "xml"], "\"xml\""),
            (&["list", "--format", "prometheus"], "text, table, json or csv"),
            (&["remove", "node7", "--format", "json"], "--format goes with list only"),
            (&["add", "node7", "a", "-P", "secret"], "-P"),
        ] {
            let failure = run(Parser::from_args(arguments)).expect_err("a wrong command line").to_string();
            assert!(failure.contains(part), "{failure} does not name {part}");
        }
        assert!(run(Parser::from_args(["--help"])).is_ok_and(|text| text == HELP));
    }
}
