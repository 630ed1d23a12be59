//! Measures a complete run of `true` in comparison with starting the same program locally.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::messages::{self, ReadBy, Shell};
use crate::rounds::{by_turns, median, median_of};
use crate::table::Row;
use crate::telarchd::Telarchd;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let service = Telarchd::start(&[])?;
    let mut connection = Connection::plain(service.http())?;
    let shell = login_shell()?;
    let mut rows = Vec::new();
    for (what, read_by, program, arguments) in [
        ("a whole run of true, without a shell", ReadBy::Nobody, "true", &[][..]),
        ("a whole run of true, by the login shell", ReadBy::LoginShell, shell.as_str(), &["-c", "true"]),
    ] {
        let turns = by_turns(
            effort.rounds,
            || milliseconds(effort.shell_runs, || remote(&mut connection, read_by)),
            || milliseconds(effort.shell_runs, || local(program, arguments)),
        )?;
        let [ours, theirs] = [median_of(&turns, |turn| turn.ours), median_of(&turns, |turn| turn.theirs)];
        let above = median_of(&turns, |turn| turn.ours - turn.theirs);
        rows.push(Row::at_most(
            &format!("{what}: time above fork and exec"),
            ABOVE,
            "ms",
            above,
            format!("{above:.2} ms ({ours:.2} to {theirs:.2} ms)"),
        ));
    }
    Ok(rows)
}

/// Returns the median in milliseconds.
const ABOVE: f64 = 3.0;

fn remote(connection: &mut Connection, read_by: ReadBy) -> Result<()> {
    let created = connection.exchange(&messages::create_shell())?.to_vec();
    let shell = Shell::created(&created)?;
    let started = connection.exchange(&shell.command("true", read_by))?.to_vec();
    let command = messages::command_id(&started)?;
    let receive = shell.receive(command);
    while !messages::is_done(connection.exchange(&receive)?) {}
    connection.exchange(&shell.terminate(command))?;
    connection.exchange(&shell.delete())?;
    Ok(())
}

fn local(program: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.spawn()?.wait_with_output()?;
    if output.status.success() { Ok(()) } else { Err(format!("{program} failed").into()) }
}

fn milliseconds(times: usize, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut figures = Vec::with_capacity(times);
    for _ in 0..times {
        let begin = Instant::now();
        run()?;
        figures.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(figures))
}

/// Returns the login shell with which the service runs command lines (passwd(5)); the user of the service is the user
/// of this process.
fn login_shell() -> Result<String> {
    let user = rustix::process::getuid().as_raw().to_string();
    let list = fs::read_to_string("/etc/passwd")?;
    let entry = list
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&user.as_str()));
    Ok(entry
        .and_then(|fields| fields.get(6).map(|&shell| shell.to_owned()))
        .unwrap_or_else(|| "/bin/sh".into()))
}
