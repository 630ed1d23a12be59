//! Measures the Web Management Service in comparison with axum, nginx alone, and the lines written to a log file.

mod any_certificate;
mod console;
mod log_lines;
mod nginx;

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use self::console::{ApiConnection, ManagementService};
use self::nginx::Nginx;
use crate::Result;
use crate::bare_server::BareServer;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::load::{Until, drive};
use crate::process::{megabytes, resident};
use crate::rounds::{by_turns, median_of};
use crate::table::Row;

/// Largest memory of the idle service in megabytes.
const IDLE: f64 = 25.0;
/// Smallest ratio of the service's requests per second to those of axum.
const READS: f64 = 0.5;
/// Connections at the same time; the service answers 16 requests of one address at the same time.
const CONNECTIONS: [usize; 2] = [1, 16];
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
    for count in CONNECTIONS {
        let until = Until::Elapsed(effort.round);
        let mut to_ours = service.connections(count)?;
        let address = bare.address(0)?;
        let mut to_bare =
            (0..count).map(|_| Connection::tls(address, service.tls())).collect::<Result<Vec<_>>>()?;
        let turns = by_turns(
            effort.rounds,
            || drive(&mut to_ours, request, service.process(), until),
            || drive(&mut to_bare, request, bare.process(), until),
        )?;
        let [ours, theirs] =
            [median_of(&turns, |turn| turn.ours.rate()), median_of(&turns, |turn| turn.theirs.rate())];
        let ratio = median_of(&turns, |turn| turn.ours.rate() / turn.theirs.rate());
        let what = format!("API, {name} ({} bytes), {count} connections", answer.len());
        rows.push(Row::at_least(
            &format!("{what}: requests/s compared with bare axum"),
            READS,
            ratio,
            format!("{ratio:.2} ({ours:.0} to {theirs:.0})"),
        ));
        let ours = median_of(&turns, |turn| turn.ours.server_micros());
        let theirs = median_of(&turns, |turn| turn.theirs.server_micros());
        let ratio = median_of(&turns, |turn| turn.theirs.server_micros() / turn.ours.server_micros());
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
    let mut value = 0_u32;
    let mut next = || {
        value += 1;
        value.to_string()
    };
    let mut turns = Vec::new();
    for _ in 0..=effort.rounds {
        let ours = change_by_service(nginx, connection, &next())?;
        let theirs = nginx.change(&next())?;
        turns.push([ours, theirs]);
    }
    let turns = turns.get(1..).unwrap_or_default();
    let median = |side: usize| {
        crate::rounds::median(turns.iter().filter_map(|turn| turn.get(side).copied()).collect())
    };
    let [ours, theirs] = [median(0), median(1)];
    let added = crate::rounds::median(turns.iter().map(|[ours, theirs]| ours - theirs).collect());
    Ok(vec![Row::without_goal(
        "a changed response header of a site: time to the verified reload, above nginx -t and reload alone",
        format!("{:.0} ms ({:.0} to {:.0} ms)", added * 1e3, ours * 1e3, theirs * 1e3),
    )])
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
