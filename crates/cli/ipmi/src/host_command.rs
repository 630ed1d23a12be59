//! `telarch ipmi host`: the controllers that the service of this machine knows.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;

use cli_command::{Arguments, Failure, paths};
use hardware::{Added, Address, Host, HostFile, HostFileError, HostName, Secrets};
use ipmi::proto::Privilege;
use serde_json::Value;
use zeroize::Zeroizing;

use super::hosts::{self, StoredHost};
use super::report::{Answer, Report};
use super::targets::{Targets, level};
use super::{sign_in, table};
use cli_command::format::Format;

pub(super) fn run(arguments: &Arguments) -> Result<String, Failure> {
    match (arguments.action(), arguments.words().as_slice()) {
        ("add", [name, _]) if name.eq_ignore_ascii_case("local") => Err(arguments.usage_error(
            "local is the controller of this machine, which the service knows already; choose another name",
        )),
        ("add", [name, address]) => {
            let name = name.parse().map_err(|error| arguments.usage_error(error))?;
            let address = address.parse().map_err(|error| arguments.usage_error(error))?;
            add(arguments, name, address)
        }
        ("remove", [name]) => {
            let name: HostName = name.parse().map_err(|error| arguments.usage_error(error))?;
            host_file(arguments)?.remove(&name).map_err(file_failure)?;
            Ok(format!("removed {name}\n"))
        }
        _ => {
            let format = arguments.keyword(&table::LIST_FORMAT).unwrap_or_default();
            list(&host_file(arguments)?.list().map_err(file_failure)?, format)
        }
    }
}

/// Replaces the names of stored controllers by their addresses and, unless the command line names a user, adds their
/// stored credentials.
pub(super) fn resolve(targets: &mut Targets) -> Result<(), Failure> {
    let has_user = !targets.user_name.is_empty();
    let Targets { hosts, suite, ipmi15, state, .. } = targets;
    // IP addresses are never names of stored controllers, so the file need not be read for them.
    let mut names = hosts.iter().filter_map(hosts::Host::stored_name);
    if names.all(|name| name.parse::<IpAddr>().is_ok()) {
        return Ok(());
    }
    let Some(state) = state.clone().or_else(|| paths::state_directory().ok()) else { return Ok(()) };
    let wanted: HashSet<String> =
        hosts.iter().filter_map(|host| Some(host.stored_name()?.to_ascii_lowercase())).collect();
    let found = HostFile::of_state(&state)
        .logins(|name| wanted.contains(&name.as_str().to_ascii_lowercase()))
        .map_err(file_failure)?;
    for (Host { name, address, .. }, login) in found {
        for host in hosts.iter_mut() {
            if !host.stored_name().is_some_and(|other| other.eq_ignore_ascii_case(name.as_str())) {
                continue;
            }
            let (address_or_name, port) = (address.host.clone(), address.port);
            if has_user {
                host.set_stored(StoredHost { name: address_or_name, port, login: None });
                continue;
            }
            let Some(mut login) = login.clone() else {
                return Err(Failure::failed(
                    format!(
                        "cannot decrypt the password of {name}: it was encrypted with another key, or for another \
                         address or user"
                    ),
                    &format!("store it again: telarch ipmi host add {name} {address}"),
                ));
            };
            if let Some(suite) = suite {
                login = login.suite(*suite);
            }
            if let Some(kind) = ipmi15 {
                login = login.lan15(*kind).map_err(|error| Failure::Failed(error.to_string()))?;
            }
            host.set_stored(StoredHost { name: address_or_name, port, login: Some(login) });
        }
    }
    Ok(())
}

fn host_file(arguments: &Arguments) -> Result<HostFile, Failure> {
    let state = match arguments.path(&table::STATE) {
        Some(state) => state,
        None => paths::state_directory()?,
    };
    Ok(HostFile::of_state(&state))
}

fn add(arguments: &Arguments, name: HostName, address: Address) -> Result<String, Failure> {
    let file = host_file(arguments)?;
    let user = arguments.text(&table::USER)?.unwrap_or_default().to_owned();
    let level = level(arguments, &table::HIGHEST_LEVEL)?.unwrap_or(Privilege::Administrator);
    let suite = arguments.parsed(&table::ONLY_SUITE)?;
    let shown_user = if user.is_empty() { "the anonymous user" } else { &user };
    let password_file = arguments.path(&table::PASSWORD_FILE);
    let password = sign_in::password(password_file.as_deref(), shown_user, name.as_str())?;
    let password = Zeroizing::new(password.expose().as_bytes().to_vec());
    let group_key = match arguments.path(&table::KG_FILE) {
        Some(path) => Some(sign_in::group_key_bytes(&sign_in::read_file(&path, shown_user, name.as_str())?)?),
        None => None,
    };
    if let Some(state) = file.path().parent() {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(state);
        created.map_err(|error| Failure::Failed(format!("cannot create {}: {error}", state.display())))?;
    }
    let host = Host { name, address, user, level, suite };
    let added = file.add(&host, &Secrets { password, group_key }).map_err(file_failure)?;
    let added = match added {
        Added::New => "added",
        Added::Replaced => "replaced",
    };
    Ok(format!(
        "{added} {}; its password is stored in {}, encrypted with the key of this machine\n",
        host.name,
        file.path().display()
    ))
}

fn list(stored: &[Host], format: Format) -> Result<String, Failure> {
    if format == Format::Text {
        return Ok(lines(stored));
    }
    let hosts = stored.iter().map(|host| hosts::Host::named(host.name.as_str())).collect();
    let mut report = Report::new(hosts, format);
    for (index, Host { address, user, level, suite, .. }) in stored.iter().enumerate() {
        let row = vec![
            ("address", Value::from(address.to_string())),
            ("user", Value::from(user.clone())),
            ("level", Value::from(level.name())),
            ("suite", suite.map_or(Value::Null, |suite| Value::from(suite.number()))),
        ];
        report.add(index, Ok(Answer::new(String::new(), vec![row])));
    }
    report.finish()?.map_or(Ok(String::new()), Err)
}

fn lines(stored: &[Host]) -> String {
    let mut text = String::new();
    for Host { name, address, user, level, suite } in stored {
        let suite = suite.map_or_else(|| "17 or 3".to_owned(), |suite| suite.number().to_string());
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<16} {:<28} user \"{user}\", level {}, suite {suite}",
            name.as_str(),
            address.to_string(),
            level.name()
        );
    }
    text
}

fn file_failure(error: HostFileError) -> Failure {
    Failure::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::HOST_COMMAND;

    #[test]
    fn invalid_command_lines_are_rejected() {
        for (words, part) in [
            (&["fly"][..], "\"fly\""),
            (&["add", "node7"], "missing argument; usage: telarch ipmi host add NAME ADDRESS"),
            (&["add", "node 7", "a"], "\"node 7\""),
            (&["add", "node7", "a:0"], "\"a:0\""),
            (&["remove"], "missing argument; usage: telarch ipmi host remove NAME"),
            (&["list", "node7"], "unexpected argument \"node7\""),
            (&["add", "local", "10.0.0.7"], "choose another name"),
            (&["add", "node7", "10.0.0.7", "--level", "root"], "\"root\""),
            (&["list", "--format", "xml"], "\"xml\""),
            (&["list", "--format", "prometheus"], "text, table, json or csv"),
            (&["remove", "node7", "--format", "json"], "--format is only valid with list"),
            (&["add", "node7", "a", "-P", "secret"], "-P"),
        ] {
            let arguments = Arguments::parse_words(&HOST_COMMAND, words);
            let result = arguments.and_then(|arguments| run(&arguments.expect("no request for help")));
            let failure = result.expect_err("an invalid command line").to_string();
            assert!(failure.contains(part), "{failure} does not contain {part}");
        }
    }
}
