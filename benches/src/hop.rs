//! Measures what it costs that the shells of a user are in a host process of that user.
//!
//! With a running host: a Get of a shell, which passes through the gateway and the host, minus a Get that the gateway
//! answers itself; from this the same difference in a service with one process is subtracted (that service writes no
//! audit record, though). Without a running host: the first request, compared with one start of the same program, which
//! is started twice for that request.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::machine::Machine;
use crate::messages::{self, Shell};
use crate::processors::Together;
use crate::rounds::{by_turns, median, median_of};
use crate::table::Row;
use crate::telarchd::{Telarchd, program};

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    if !rustix::process::geteuid().is_root() {
        let reason = "not measured: only the service of root has hosts";
        return Ok([ADDED, FIRST].map(|what| Row::without_goal(what, reason.to_owned())).into());
    }
    Ok(vec![of_each_request(effort)?, of_the_first_request(effort)?])
}

fn of_each_request(effort: &Effort) -> Result<Row> {
    let (several, one) = (Machine::start()?, Telarchd::start(&[])?);
    let mut to_several = several.connect()?;
    let mut to_one = Connection::plain(one.http())?;
    let gets = |connection: &mut Connection| -> Result<[Vec<u8>; 2]> {
        let created = connection.exchange(&messages::create_shell())?;
        Ok([messages::get_config(), Shell::created(created)?.get()])
    };
    let (of_several, of_one) = (gets(&mut to_several)?, gets(&mut to_one)?);
    let processes = several.processes()?;
    let turns = by_turns(
        effort.rounds,
        || added(&mut to_several, &of_several, &processes, effort.round),
        || added(&mut to_one, &of_one, &[one.process()], effort.round),
    )?;
    let hop = median_of(&turns, |turn| turn.ours - turn.theirs);
    let [several, one] = [median_of(&turns, |turn| turn.ours), median_of(&turns, |turn| turn.theirs)];
    let measured = format!("{hop:.1} µs ({several:+.1} to {one:+.1} µs over Get winrm/config)");
    Ok(Row::at_most(ADDED, HOP, "µs", hop, measured))
}

/// Opens a shell as a user who has no host yet.
fn of_the_first_request(effort: &Effort) -> Result<Row> {
    let service = Machine::start()?;
    let mut connection = service.connect()?;
    let turns = by_turns(
        effort.rounds,
        || milliseconds(FIRSTS, || without_host(&service, &mut connection)),
        || milliseconds(FIRSTS, started),
    )?;
    let [first, start] = [median_of(&turns, |turn| turn.ours), median_of(&turns, |turn| turn.theirs)];
    let measured = format!("{first:.1} ms (telarchd --version: {start:.1} ms)");
    Ok(Row::at_most(FIRST, START, "ms", first, measured))
}

const ADDED: &str = "Get of a shell, 1 connection: time that the host adds";
/// Largest cost of a running host in microseconds.
const HOP: f64 = 60.0;
const FIRST: &str = "Create of a shell by a user who has no host yet";
/// Largest duration of the first request in milliseconds.
const START: f64 = 15.0;
/// Number of starts in each turn.
const FIRSTS: usize = 10;

fn without_host(service: &Machine, connection: &mut Connection) -> Result<Duration> {
    let hosts = service.hosts()?;
    for host in hosts.iter().filter_map(|host| Pid::from_raw(i32::try_from(*host).ok()?)) {
        kill_process(host, Signal::KILL)?;
    }
    // The session of the host ends after the host itself.
    while service.processes()?.len() > WITHOUT_HOST {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The gateway must notice this too; otherwise it would answer that the host has ended.
    std::thread::sleep(Duration::from_millis(20));
    let begin = Instant::now();
    Shell::created(connection.exchange(&messages::create_shell())?)?;
    Ok(begin.elapsed())
}

/// Number of processes that are always present: broker and gateway.
const WITHOUT_HOST: usize = 2;

fn started() -> Result<Duration> {
    let begin = Instant::now();
    let status = Command::new(program("telarchd")).arg("--version").stdout(Stdio::null()).status()?;
    if status.success() { Ok(begin.elapsed()) } else { Err("telarchd --version does not work".into()) }
}

/// Returns the median in milliseconds.
fn milliseconds(count: usize, mut measure: impl FnMut() -> Result<Duration>) -> Result<f64> {
    let times = (0..count).map(|_| Ok(measure()?.as_secs_f64() * 1e3));
    Ok(median(times.collect::<Result<_>>()?))
}

/// Returns how much longer the second of two requests takes than the first, in microseconds.
fn added(connection: &mut Connection, gets: &[Vec<u8>; 2], processes: &[u32], time: Duration) -> Result<f64> {
    let _together = Together::with(processes)?;
    let [config, shell] = gets.each_ref().map(|request| {
        let begin = Instant::now();
        let mut count = 0;
        while begin.elapsed() < time / 2 {
            connection.exchange(request)?;
            count += 1;
        }
        Ok::<_, Box<dyn std::error::Error>>(begin.elapsed().as_secs_f64() * 1e6 / f64::from(count))
    });
    Ok(shell? - config?)
}
