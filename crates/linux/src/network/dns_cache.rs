//! Cache of systemd-resolved, as listed by `resolvectl show-cache` (resolvectl(1), systemd 254).

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value as Json;

use crate::{Error, Machine, program};

/// Time limit of resolvectl.
const LIMIT: Duration = Duration::from_secs(10);

/// Socket on which resolved answers queries about its cache, for root only.
const SOCKET: &str = "run/systemd/resolve/io.systemd.Resolve.Monitor";

/// A cached record, or the cached answer that there is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Name that was looked up.
    pub entry: String,
    /// Name of the record.
    pub name: String,
    /// Number of the record type.
    pub kind: u16,
    /// Content of the record: the address, or the name that it refers to; empty for other types.
    pub data: String,
    /// Length of an address in bytes.
    pub length: Option<u16>,
    /// Number of seconds until it expires.
    pub time_to_live: u32,
    /// Outcome of the lookup; `None` if the name servers failed.
    pub outcome: Option<Outcome>,
}

/// Outcome of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The record exists.
    Found,
    /// The name has no records of this type.
    NoRecords,
    /// The name does not exist.
    NoName,
}

/// Returns whether systemd-resolved runs on this machine and can list its cache; never in a directory tree.
#[must_use]
pub fn is_available(machine: &Machine) -> bool {
    machine.is_this() && machine.path(SOCKET).exists()
}

/// Returns the cached records of this machine, each once.
///
/// # Errors
/// If resolvectl fails, or this user may not list the cache.
pub fn records(machine: &Machine) -> Result<Vec<Record>, Error> {
    if !is_available(machine) {
        return Ok(Vec::new());
    }
    let output = resolvectl(&["--json=short", "show-cache"])?;
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    parse(&output, seconds).ok_or_else(|| Error::program(RESOLVECTL, "invalid output of show-cache"))
}

/// Deletes all records from the cache.
///
/// # Errors
/// As for [`records`].
pub fn flush() -> Result<(), Error> {
    resolvectl(&["flush-caches"]).map(|_| ())
}

const RESOLVECTL: &str = "resolvectl";

fn resolvectl(arguments: &[&str]) -> Result<String, Error> {
    let ended = program::of_system(RESOLVECTL, arguments, LIMIT).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::program(RESOLVECTL, "not installed"),
        _ => Error::Os(error),
    })?;
    let problem = ended.stderr.trim().to_owned();
    match ended.code {
        0 => Ok(ended.stdout),
        _ if problem.to_ascii_lowercase().contains("denied") => {
            Err(Error::Denied { program: RESOLVECTL, problem })
        }
        _ => Err(Error::program(RESOLVECTL, problem)),
    }
}

/// Parses the list of caches, one for each link and protocol. `now` is the time since boot in seconds.
fn parse(text: &str, now: u64) -> Option<Vec<Record>> {
    let scopes: Json = serde_json::from_str(text).ok()?;
    let entries = scopes.as_array()?.iter().filter_map(|scope| scope.get("cache")?.as_array()).flatten();
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for record in entries.flat_map(|entry| records_of(entry, now)) {
        // Several links may have the same record.
        let key = (record.entry.clone(), record.name.clone(), record.kind, record.data.clone());
        if seen.insert(key) {
            found.push(record);
        }
    }
    Some(found)
}

fn records_of(entry: &Json, now: u64) -> Vec<Record> {
    let Some((name, kind)) = entry.get("key").and_then(key) else { return Vec::new() };
    let until = entry.get("until").and_then(Json::as_u64).unwrap_or_default() / 1_000_000;
    let time_to_live = u32::try_from(until.saturating_sub(now)).unwrap_or(u32::MAX);
    let none = Record {
        entry: name.clone(),
        name,
        kind,
        data: String::new(),
        length: None,
        time_to_live,
        outcome: None,
    };
    let records = entry.get("rrs").and_then(Json::as_array);
    match (records, entry.get("type").and_then(Json::as_str)) {
        (Some(records), _) if records.is_empty() => {
            vec![Record { outcome: Some(Outcome::NoRecords), ..none }]
        }
        (Some(records), _) => {
            let records = records.iter().filter_map(|record| record.get("rr"));
            records.filter_map(|record| record_of(record, &none)).collect()
        }
        (None, Some(kind)) if kind.eq_ignore_ascii_case("nxdomain") => {
            vec![Record { outcome: Some(Outcome::NoName), ..none }]
        }
        (None, _) => vec![none],
    }
}

fn record_of(record: &Json, entry: &Record) -> Option<Record> {
    let (name, kind) = record.get("key").and_then(key)?;
    let address = record.get("address").and_then(octets);
    let (data, length) = match address.as_deref() {
        Some(octets) => (address_text(octets)?, u16::try_from(octets.len()).ok()),
        None => {
            let name = ["name", "exchange", "mname"].iter().find_map(|field| record.get(*field)?.as_str());
            (name.unwrap_or_default().to_owned(), None)
        }
    };
    Some(Record { name, kind, data, length, outcome: Some(Outcome::Found), ..entry.clone() })
}

/// Returns name and type of a key.
fn key(key: &Json) -> Option<(String, u16)> {
    let kind = key.get("type")?.as_u64()?;
    Some((key.get("name")?.as_str()?.to_owned(), u16::try_from(kind).ok()?))
}

fn octets(value: &Json) -> Option<Vec<u8>> {
    value.as_array()?.iter().map(|octet| u8::try_from(octet.as_u64()?).ok()).collect()
}

fn address_text(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).to_string());
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).to_string())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_failed_lookups_are_parsed() {
        // In the form of systemd 255 (`dns_cache_dump_to_json`).
        let text = r#"[{"protocol":"dns","ifindex":2,"ifname":"eth0","cache":[
            {"key":{"class":1,"type":1,"name":"www.example.com"},
             "rrs":[{"rr":{"key":{"class":1,"type":1,"name":"www.example.com"},"address":[192,0,2,7]},"raw":"AA=="},
                    {"rr":{"key":{"class":1,"type":1,"name":"www.example.com"},"address":[192,0,2,8]},"raw":"AA=="}],
             "until":1090000000},
            {"key":{"class":1,"type":5,"name":"a.example.com"},
             "rrs":[{"rr":{"key":{"class":1,"type":5,"name":"a.example.com"},"name":"b.example.com"},"raw":"AA=="}],
             "until":1000},
            {"key":{"class":1,"type":28,"name":"v4.example.com"},"rrs":[],"until":1000000000},
            {"key":{"class":1,"type":255,"name":"gone.example.com"},"type":"NXDOMAIN","until":1000000000}]},
          {"protocol":"dns","cache":[
            {"key":{"class":1,"type":1,"name":"www.example.com"},
             "rrs":[{"rr":{"key":{"class":1,"type":1,"name":"www.example.com"},"address":[192,0,2,7]},"raw":"AA=="}],
             "until":1}]}]"#;
        let found = parse(text, 1_000).expect("valid");
        let told: Vec<_> = found
            .iter()
            .map(|one| (&*one.entry, one.kind, &*one.data, one.length, one.time_to_live, one.outcome))
            .collect();
        let expected = [
            ("www.example.com", 1, "192.0.2.7", Some(4), 90, Some(Outcome::Found)),
            ("www.example.com", 1, "192.0.2.8", Some(4), 90, Some(Outcome::Found)),
            ("a.example.com", 5, "b.example.com", None, 0, Some(Outcome::Found)),
            ("v4.example.com", 28, "", None, 0, Some(Outcome::NoRecords)),
            ("gone.example.com", 255, "", None, 0, Some(Outcome::NoName)),
        ];
        assert_eq!(told, expected);
        for wrong in ["", "{}", "[{]"] {
            assert_eq!(parse(wrong, 0), None, "{wrong}");
        }
    }
}
