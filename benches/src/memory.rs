//! Measures the memory of an idle service, of a connection and of a shell.

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::messages;
use crate::process::{megabytes, resident};
use crate::table::Row;
use crate::telarchd::Telarchd;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    Ok(vec![
        idle()?,
        connections(effort, "Basic over HTTP", Telarchd::plain)?,
        connections(effort, "Basic over TLS", Telarchd::tls)?,
        shells(effort)?,
    ])
}

/// Largest memory of the idle service in megabytes.
const IDLE: f64 = 15.0;
/// Largest memory of an idle connection in kilobytes.
const CONNECTION: f64 = 60.0;
/// Largest memory of an idle shell in kilobytes.
const SHELL: f64 = 120.0;

fn idle() -> Result<Row> {
    let service = Telarchd::start(&[])?;
    for connections in [service.plain(1)?, service.tls(1)?] {
        for mut connection in connections {
            connection.exchange(&messages::get_config())?;
        }
    }
    let idle = megabytes(resident(service.process())?);
    Ok(Row::at_most(
        "resident memory, idle after a request on each transport",
        IDLE,
        "MB",
        idle,
        format!("{idle:.1} MB"),
    ))
}

/// Measures connections on which a user has signed in and which are then idle.
fn connections(
    effort: &Effort,
    what: &str,
    open: fn(&Telarchd, usize) -> Result<Vec<Connection>>,
) -> Result<Row> {
    let service = Telarchd::start(&["Service.MaxConnections=512"])?;
    let request = messages::identify();
    let mut first = open(&service, 1)?;
    for connection in &mut first {
        connection.exchange(&request)?;
    }
    let before = resident(service.process())?;
    let mut connections = open(&service, effort.idle)?;
    for connection in &mut connections {
        connection.exchange(&request)?;
    }
    let after = resident(service.process())?;
    let each = kilobytes_each(before, after, effort.idle);
    Ok(Row::at_most(
        &format!("resident memory of an idle connection, {what}"),
        CONNECTION,
        "KB",
        each,
        format!("{each:.1} KB ({:.1} to {:.1} MB by {})", megabytes(before), megabytes(after), effort.idle),
    ))
}

fn shells(effort: &Effort) -> Result<Row> {
    let service = Telarchd::start(&["Winrs.MaxShellsPerUser=1000"])?;
    let mut connection = Connection::plain(service.http())?;
    connection.exchange(&messages::create_shell())?;
    let before = resident(service.process())?;
    for _ in 0..effort.idle {
        connection.exchange(&messages::create_shell())?;
    }
    let after = resident(service.process())?;
    let each = kilobytes_each(before, after, effort.idle);
    Ok(Row::at_most(
        "resident memory of an idle shell without a process",
        SHELL,
        "KB",
        each,
        format!("{each:.1} KB ({:.1} to {:.1} MB by {})", megabytes(before), megabytes(after), effort.idle),
    ))
}

fn kilobytes_each(before: u64, after: u64, count: usize) -> f64 {
    (after as f64 - before as f64) / 1_024.0 / count as f64
}
