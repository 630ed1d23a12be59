//! Measures the Web Management Service in comparison with axum, nginx alone, and the lines written to a log file.

mod any_certificate;
mod console;
mod log_lines;
mod nginx;

use std::cell::Cell;
use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use self::console::{ApiConnection, ManagementService};
use self::nginx::Nginx;
use crate::Result;
use crate::bare_server::BareServer;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::load::{Side, compare};
use crate::process::{megabytes, resident};
use crate::rounds::{by_turns, median_of};
use crate::table::Row;

/// Largest memory of the idle service in megabytes.
const IDLE: f64 = 25.0;
/// Smallest ratio of the service's requests per second to those of axum.
const READS: f64 = 0.5;
/// Connections at the same time; the service answers 16 requests of one address at the same time.
const CONNECTIONS: [(usize, &str); 2] = [(1, "1 connection"), (16, "16 connections")];
/// Sites of the configuration that is read and changed.
const SITES: usize = 10;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let nginx = Nginx::start(SITES)?;
    let service = ManagementService::start(nginx.folder())?;
    let mut connection = service.connect()?;
    let mut rows = Vec::new();
    for (name, path) in [("the session", "/session"), ("ten sites of nginx", "/web/sites")] {
        let answer = connection.get(path)?.to_vec();
        rows.extend(reads(effort, &service, name, &service.read_request(path), &answer)?);
    }
    rows.extend(reload(effort, &nginx, &mut connection)?);
    rows.extend(log_lines::measure(effort, &service, &nginx.access_log())?);
    let idle = megabytes(resident(service.process())?);
    let what = "Web Management Service: resident memory, idle after all of this";
    rows.insert(0, Row::at_most(what, IDLE, "MB", idle, format!("{idle:.1} MB")));
    Ok(rows)
}

/// Measures one kind of reading request in comparison with axum, which sends the same answer.
fn reads(
    effort: &Effort,
    service: &ManagementService,
    name: &str,
    request: &[u8],
    answer: &[u8],
) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    let generated = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(&certificate, generated.cert.pem())?;
    fs::write(&key, generated.signing_key.serialize_pem())?;
    let bare = BareServer::axum(&certificate, &key, &[answer])?;
    let mut rows = Vec::new();
    for (count, connections) in CONNECTIONS {
        let address = bare.address(0)?;
        let to_bare =
            (0..count).map(|_| Connection::tls(address, service.tls())).collect::<Result<Vec<_>>>()?;
        let compared = compare(
            effort,
            request,
            Side { connections: service.connections(count)?, process: service.process() },
            Side { connections: to_bare, process: bare.process() },
        )?;
        let what = format!("API, {name} ({} bytes), {connections}", answer.len());
        let [ours, theirs, ratio] = compared.rates;
        rows.push(Row::at_least(
            &format!("{what}: requests/s compared with bare axum"),
            READS,
            ratio,
            format!("{ratio:.2} ({ours:.0} to {theirs:.0})"),
        ));
        let [ours, theirs, ratio] = compared.micros;
        rows.push(Row::without_goal(
            &format!("{what}: CPU per request, bare axum compared with the service"),
            format!("{ratio:.2} ({theirs:.1} to {ours:.1} µs)"),
        ));
    }
    Ok(rows)
}

/// Measures the time from a request that changes a site to its answer, which follows the verified reload.
///
/// The lower bound writes the same file, runs `nginx -t` and `nginx -s reload`, and requests the site until the new
/// workers answer.
fn reload(effort: &Effort, nginx: &Nginx, connection: &mut ApiConnection) -> Result<Vec<Row>> {
    // Both sides use values that only increase, so that no answer of an old worker is taken for a new one.
    let last = Cell::new(0);
    let turns = by_turns(
        effort.rounds,
        || change_by_service(nginx, connection, &increased(&last)),
        || nginx.change(&increased(&last)),
    )?;
    let [ours, theirs] = [median_of(&turns, |turn| turn.ours), median_of(&turns, |turn| turn.theirs)];
    let added = median_of(&turns, |turn| turn.ours - turn.theirs);
    Ok(vec![Row::without_goal(
        "a changed response header of a site: time to the verified reload, above nginx -t and reload alone",
        format!("{:.0} ms ({:.0} to {:.0} ms)", added * 1e3, ours * 1e3, theirs * 1e3),
    )])
}

/// Returns the next value of the header.
fn increased(last: &Cell<u32>) -> String {
    last.set(last.get() + 1);
    last.get().to_string()
}

/// Sets a response header through the API and returns the seconds until the answer.
fn change_by_service(nginx: &Nginx, connection: &mut ApiConnection, value: &str) -> Result<f64> {
    let sites: Value = serde_json::from_slice(connection.get("/web/sites")?)?;
    let revision =
        sites.get("revision").and_then(Value::as_str).ok_or("the list of sites has no revision")?;
    let site = sites.pointer("/sites/0/id").and_then(Value::as_str).ok_or("there is no site")?;
    let body =
        json!({ "feature": "response-headers", "headers": [{ "name": nginx::HEADER, "value": value }] });
    let path = format!("/web/sites/{site}/features/response-headers");
    let begin = Instant::now();
    connection.put(&path, revision, &body)?;
    let seconds = begin.elapsed().as_secs_f64();
    if nginx.header()?.as_deref() == Some(value) {
        return Ok(seconds);
    }
    Err("the service answered before nginx used the new configuration".into())
}
