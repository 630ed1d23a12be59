//! Measures sign-in in comparison with pyspnego, which gets the same kinds of tokens from a pipe; the service gets
//! them over HTTP.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use auth::Step;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tempfile::NamedTempFile;

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::load::{Until, drive};
use crate::messages;
use crate::process::cpu;
use crate::rounds::{by_turns, median_of};
use crate::signed_in::{Way, sign_in};
use crate::table::Row;
use crate::telarchd::{PASSWORD, Telarchd, USER};

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let service = Telarchd::start_with_every_scheme()?;
    let mut rows = vec![basic(effort, &service)?];
    for way in Way::all() {
        match against_pyspnego(effort, &service, &way) {
            Ok(both) => rows.extend(both),
            Err(error) => rows.push(alone(effort, &service, &way, &error.to_string())?),
        }
    }
    if !crate::realm::is_here() {
        rows.push(Row::without_goal("Kerberos: sign-ins", "not measured: MIT's KDC is not here".to_owned()));
    }
    Ok(rows)
}

/// Measures requests that each carry a password that was accepted before.
fn basic(effort: &Effort, service: &Telarchd) -> Result<Row> {
    let mut connections = service.plain(1)?;
    let load =
        drive(&mut connections, &messages::identify(), service.process(), Until::Elapsed(effort.round))?;
    let (rate, micros) = (load.rate(), load.server_micros());
    let measured = format!("{rate:.0} /s, CPU {micros:.1} µs each, Identify included");
    Ok(Row::without_goal("Basic: requests with credentials, 1 connection", measured))
}

/// Sign-ins and their cost for the service.
struct Turn {
    count: u64,
    seconds: f64,
    cpu: f64,
}

impl Turn {
    fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    fn micros(&self) -> f64 {
        self.cpu * 1e6 / self.count as f64
    }

    /// Performs as many sign-ins as possible, one after the other.
    fn take(process: u32, time: Duration, mut one: impl FnMut() -> Result<()>) -> Result<Self> {
        let (before, begin) = (cpu(process)?, Instant::now());
        let mut count = 0;
        while begin.elapsed() < time {
            one()?;
            count += 1;
        }
        let seconds = begin.elapsed().as_secs_f64();
        Ok(Self { count, seconds, cpu: cpu(process)?.saturating_sub(before).as_secs_f64() })
    }
}

fn against_pyspnego(effort: &Effort, service: &Telarchd, way: &Way) -> Result<[Row; 2]> {
    let (mut ours, mut theirs) = (Signing::new(service)?, Pyspnego::start(way)?);
    let turns =
        by_turns(effort.rounds, || ours.turn(service, way, effort.round), || theirs.turn(way, effort.round))?;
    let name = way.name();
    let [our_rate, their_rate] =
        [median_of(&turns, |turn| turn.ours.rate()), median_of(&turns, |turn| turn.theirs.rate())];
    let [our_cpu, their_cpu] =
        [median_of(&turns, |turn| turn.ours.micros()), median_of(&turns, |turn| turn.theirs.micros())];
    let rate = median_of(&turns, |turn| turn.ours.rate() / turn.theirs.rate());
    let cpu = median_of(&turns, |turn| turn.theirs.micros() / turn.ours.micros());
    Ok([
        // With one client the rate includes the wait for HTTP, which pyspnego does not use here.
        Row::without_goal(
            &format!("{name}: sign-ins/s with HTTP, compared with pyspnego without HTTP"),
            format!("{rate:.2} ({our_rate:.0} to {their_rate:.0})"),
        ),
        Row::at_least(
            &format!("{name}: CPU per sign-in, pyspnego without HTTP compared with telarchd with HTTP"),
            NOT_WORSE,
            cpu,
            format!("{cpu:.2} ({their_cpu:.0} to {our_cpu:.0} µs)"),
        ),
    ])
}

/// Result if pyspnego cannot perform this kind of sign-in.
fn alone(effort: &Effort, service: &Telarchd, way: &Way, reason: &str) -> Result<Row> {
    let turn = Signing::new(service)?.turn(service, way, effort.round)?;
    let (rate, micros, reason) =
        (turn.rate(), turn.micros(), reason.lines().last().unwrap_or_default().to_owned());
    let measured = format!("{rate:.0} /s, CPU {micros:.0} µs each (pyspnego: {reason})");
    Ok(Row::without_goal(&format!("{}: sign-ins, HTTP included", way.name()), measured))
}

/// Signs in to the service repeatedly on one connection, as a client may.
struct Signing {
    connection: Connection,
    number: u64,
}

impl Signing {
    fn new(service: &Telarchd) -> Result<Self> {
        Ok(Self { connection: Connection::plain(service.http())?, number: 0 })
    }

    fn turn(&mut self, service: &Telarchd, way: &Way, time: Duration) -> Result<Turn> {
        Turn::take(service.process(), time, || {
            self.number += 1;
            sign_in(&mut self.connection, way, self.number).map(drop)
        })
    }
}

/// pyspnego in a process of its own.
struct Pyspnego {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    number: u64,
    _accounts: NamedTempFile,
}

impl Pyspnego {
    fn start(way: &Way) -> Result<Self> {
        let mut accounts = NamedTempFile::new()?;
        writeln!(accounts, ":{USER}:{PASSWORD}")?;
        let mut command = Command::new(environment("python"));
        command.arg(beside("acceptor.py")).arg(way.protocol()).env("NTLM_USER_FILE", accounts.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child =
            command.spawn().map_err(|error| format!("./test --install makes it: {command:?}: {error}"))?;
        let requests = child.stdin.take().ok_or("it has no standard input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("it has no standard output")?);
        let mut this = Self { child, requests, answers, number: 0, _accounts: accounts };
        this.sign_in(way)?;
        Ok(this)
    }

    fn turn(&mut self, way: &Way, time: Duration) -> Result<Turn> {
        Turn::take(self.child.id(), time, || self.sign_in(way))
    }

    fn sign_in(&mut self, way: &Way) -> Result<()> {
        self.number += 1;
        let mut initiator = way.initiator(self.number)?;
        writeln!(self.requests, "new")?;
        let mut said: Option<Vec<u8>> = None;
        loop {
            let (token, is_done) = match initiator.step(said.as_deref())? {
                Step::Continue(token) => (Some(token), false),
                Step::Done { token, .. } => (token, true),
            };
            let mut is_complete = true;
            if let Some(token) = token {
                writeln!(self.requests, "{}", BASE64_STANDARD.encode(token))?;
                let mut line = String::new();
                self.answers.read_line(&mut line)?;
                let (token, state) = line.trim_end().split_once(' ').ok_or("it cannot do this here")?;
                is_complete = state == "complete";
                said = (!token.is_empty()).then(|| BASE64_STANDARD.decode(token)).transpose()?;
            }
            if is_done {
                return if is_complete { Ok(()) } else { Err("it wants more tokens".into()) };
            }
        }
    }
}

impl Drop for Pyspnego {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a program of the Python environment that `./test --install` makes.
pub(crate) fn environment(program: &str) -> PathBuf {
    let folder = std::env::var_os("TELARCH_PEERS");
    folder.map_or_else(|| beside("../.peers"), PathBuf::from).join("bin").join(program)
}

pub(crate) fn beside(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"))).join(name)
}

const NOT_WORSE: f64 = 1.0;
