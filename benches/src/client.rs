//! Measures the cost of the client itself, against a simulated service over the loopback interface.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use ::client::{Credentials, Endpoint, Secret, Session, ShellOptions, Unencrypted};

use crate::Result;
use crate::canned::{Canned, CannedService};
use crate::connection::Connection;
use crate::effort::Effort;
use crate::process::megabytes;
use crate::rounds::{by_turns, median, median_of};
use crate::table::Row;
use crate::telarchd::{PASSWORD, Telarchd, USER, program};

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let service = Telarchd::start(&[])?;
    let canned = Canned::record(&mut Connection::plain(service.http())?)?.serve()?;
    let mut rows = new_processes(effort, &service, &canned)?;
    rows.push(first_octet(effort, &service)?);
    rows.push(in_a_row(effort, &canned)?);
    Ok(rows)
}

/// Longest time of one `winrs` run in milliseconds.
const NEW_PROCESS: f64 = 6.0;
/// Longest time of `winrm id` until its first byte of output, above that of curl, in milliseconds.
const IN_A_ROW: f64 = 0.8;
/// Longest time of one command through the client library in milliseconds.
const ABOVE_CURL: f64 = 10.0;
/// Largest peak memory of `winrs` in megabytes.
const MEMORY: f64 = 12.0;

/// Measures `winrs`, and for comparison `curl` with one Identify request to the real service.
fn new_processes(effort: &Effort, service: &Telarchd, canned: &CannedService) -> Result<Vec<Row>> {
    let url = canned.url();
    let mut winrs = winrs(&url, "-unencrypted");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--user", &format!("{USER}:{PASSWORD}")]);
    curl.args(["--header", "Content-Type: application/soap+xml;charset=UTF-8", "--data", IDENTIFY]);
    curl.arg(format!("http://{}/wsman", service.http()));

    let mut peaks = Vec::new();
    let turns = by_turns(
        effort.rounds * 10,
        || {
            let (milliseconds, peak) = time(&mut winrs, canned)?;
            peaks.push(megabytes(peak));
            Ok(milliseconds)
        },
        || Ok(time(&mut curl, canned)?.0),
    )?;
    let [ours, theirs] = [median_of(&turns, |turn| turn.ours), median_of(&turns, |turn| turn.theirs)];
    let peak = median(peaks);
    Ok(vec![
        Row::at_most(
            "winrs: one command in a new process",
            NEW_PROCESS,
            "ms",
            ours,
            format!("{ours:.1} ms (curl, one Identify: {theirs:.1} ms)"),
        ),
        over_tls(effort, service, canned)?,
        Row::at_most("winrs: peak resident memory", MEMORY, "MB", peak, format!("{peak:.1} MB")),
    ])
}

/// Measures `winrs` with the real service, with and without TLS.
fn over_tls(effort: &Effort, service: &Telarchd, canned: &CannedService) -> Result<Row> {
    let mut tls = winrs(&format!("https://{}/wsman", service.https()), "-skipCAcheck");
    let mut plain = winrs(&format!("http://{}/wsman", service.http()), "-unencrypted");
    let turns =
        by_turns(effort.rounds * 3, || Ok(time(&mut tls, canned)?.0), || Ok(time(&mut plain, canned)?.0))?;
    let [tls, plain] = [median_of(&turns, |turn| turn.ours), median_of(&turns, |turn| turn.theirs)];
    let what = "winrs: true in a new process on the real service, with TLS";
    Ok(Row::without_goal(what, format!("{tls:.1} ms (without: {plain:.1} ms)")))
}

/// Measures how long `winrm id` takes until its first byte of output, compared with `curl` and the same request.
fn first_octet(effort: &Effort, service: &Telarchd) -> Result<Row> {
    let url = format!("http://{}/wsman", service.http());
    let mut winrm = Command::new(program("winrm"));
    winrm.args(["id", &format!("-r:{url}"), "-auth:none"]);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--header", "WSMANIDENTIFY: unauthenticated"]);
    curl.args(["--header", "Content-Type: application/soap+xml;charset=UTF-8", "--data", IDENTIFY, &url]);
    let turns =
        by_turns(effort.rounds * 10, || until_first_octet(&mut winrm), || until_first_octet(&mut curl))?;
    let [ours, theirs] = [median_of(&turns, |turn| turn.ours), median_of(&turns, |turn| turn.theirs)];
    Ok(Row::at_most(
        "winrm id: time from start to first byte of output, minus that of curl",
        ABOVE_CURL,
        "ms",
        ours - theirs,
        format!("{:.1} ms ({ours:.1} to {theirs:.1} ms)", ours - theirs),
    ))
}

/// Returns the milliseconds from the start of a program to its first byte on standard output.
fn until_first_octet(command: &mut Command) -> Result<f64> {
    let begin = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let mut octet = [0];
    stdout.read_exact(&mut octet)?;
    let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
    std::io::copy(&mut stdout, &mut std::io::sink())?;
    let status = child.wait()?;
    if status.success() {
        Ok(milliseconds)
    } else {
        Err(format!("{:?}: {status}", command.get_program()).into())
    }
}

fn winrs(url: &str, protection: &str) -> Command {
    let mut winrs = Command::new(program("winrs"));
    winrs.args([&format!("-r:{url}"), "-auth:basic", protection, &format!("-u:{USER}"), "true"]);
    winrs.env("TELARCH_PASSWORD", PASSWORD);
    winrs
}

const IDENTIFY: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"#;

/// Returns the milliseconds from the start of a program to its end, and its peak memory.
fn time(command: &mut Command, canned: &CannedService) -> Result<(f64, u64)> {
    let begin = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    canned.watch(child.id());
    let status = child.wait()?;
    let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
    if !status.success() {
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().ok_or("no standard error")?, &mut said)?;
        return Err(format!("{:?} failed ({status}): {said}", command.get_program()).into());
    }
    Ok((milliseconds, canned.peak()))
}

/// Runs a hundred commands through one session, each with a shell of its own.
fn in_a_row(effort: &Effort, canned: &CannedService) -> Result<Row> {
    const COMMANDS: u32 = 100;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut figures = Vec::new();
    for _ in 0..effort.rounds {
        let begin = Instant::now();
        runtime.block_on(async {
            let credentials =
                Credentials { user: USER.to_owned(), password: Secret::new(PASSWORD.to_owned()) };
            let session = Session::builder(Endpoint::parse(&canned.url())?)
                .credentials(credentials)
                .unencrypted(Unencrypted::Allowed)
                .build()?;
            for _ in 0..COMMANDS {
                let shell = session.shell(ShellOptions::default()).await?;
                shell.run("true").await?;
                shell.close().await?;
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        })?;
        figures.push(begin.elapsed().as_secs_f64() * 1e3 / f64::from(COMMANDS));
    }
    let each = median(figures);
    Ok(Row::at_most(
        "client library: each of 100 commands in a row",
        IN_A_ROW,
        "ms",
        each,
        format!("{each:.2} ms"),
    ))
}
