//! Load test: hostile traffic of many kinds at once while an administrator works.
//!
//! It runs with TELARCH_LONG=1 for ten minutes, or for TELARCH_HOSTILE_SECONDS seconds. All traffic stays on loopback
//! and is bounded in number and rate. The test always prints its measurements.
//!
//! The attackers also guess the administrator's password, but from other addresses than the administrator's.

mod administrator;
mod attack;
mod local_attack;
mod measure;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::service_process::{Telarchd, listener, loopback};
use crate::test_user::TestUser;
use administrator::Administrator;
use attack::{Attackers, Target};
use local_attack::LocalAttacker;
use measure::{Quarter, Sampler, Table};
use ports::free_ports;

/// Time for the service to release memory after the attack.
const RECOVERY: Duration = Duration::from_secs(120);

/// Maximum 99th percentile of the duration of the administrator's commands.
const SLOWEST: Duration = Duration::from_secs(2);

/// Maximum growth of log, audit records and state in the last quarter, in bytes per second.
const GROWTH: f64 = 32_768.0;

#[test]
fn hostile_traffic_locks_no_administrator_out_and_leaks_no_memory() {
    let Some(duration) = duration() else {
        skips::skip!("a load test of ten minutes runs with TELARCH_LONG=1 only, as .ci/run --long sets it");
        return;
    };
    let (Some(chief), Some(mallory), Some(eve)) =
        (TestUser::create(), TestUser::create(), TestUser::create())
    else {
        return;
    };
    let chief = Arc::new(chief);
    raise_open_files();
    let (mut telarchd, target) = start(&chief, &mallory, &eve);
    let mut sampler = Sampler::new(&telarchd, &log(&telarchd));

    let administrator = Administrator::start(&chief, target.https.port());
    // The reference is the memory of a service that has already served requests.
    administrator.wait_for(5);
    let begin = sampler.sample();

    let attackers = Attackers::start(&target);
    let socket = telarchd.state().join("local.sock");
    let local_attacker = LocalAttacker::start(eve.uid, &socket);
    let started = Instant::now();
    while started.elapsed() < duration {
        std::thread::sleep(Duration::from_secs(1));
        sampler.sample();
    }
    let attacks = [attackers.stop(), vec![local_attacker.stop()]].concat();
    let commands = administrator.stop();

    let table = sampler.table();
    let mut complaints = table.unsteady(GROWTH);
    let (end, complaint) = recovered(&mut sampler, &begin);
    complaints.extend(complaint);
    if commands.failures() > 0 {
        complaints.push(format!("{} commands of the administrator failed", commands.failures()));
    }
    if commands.percentile(99) > SLOWEST {
        complaints.push(format!("99 % of the administrator's commands took {:?}", commands.percentile(99)));
    }
    complaints.extend(forged_lines(&telarchd));
    report(&begin, &table, &end, &attacks, &commands.to_string());
    assert!(
        complaints.is_empty(),
        "{}\nthe log ends with:\n{}",
        complaints.join("\n"),
        last_lines(&telarchd)
    );
    telarchd.end();
}

/// Returns the duration of the attack; `None` if the test is not enabled.
fn duration() -> Option<Duration> {
    std::env::var_os("TELARCH_LONG")?;
    let seconds = std::env::var("TELARCH_HOSTILE_SECONDS").ok();
    Some(Duration::from_secs(seconds.map_or(600, |seconds| seconds.parse().unwrap())))
}

/// Starts a service with the limits and the log level of the packaged unit, which logs to a file.
fn start(chief: &TestUser, mallory: &TestUser, eve: &TestUser) -> (Telarchd, Target) {
    let [http, https] = free_ports();
    let config = [
        "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;BA)(A;;GRGX;;;RM)\"\n\
         Service.AllowUnencrypted = true\nService.Auth.Basic = true\nService.IPv6Filter = \"\"\n",
        &format!(
            "[Groups]\nAdministrators = [\"{}\"]\nRemoteManagementUsers = [\"{}\"]\n",
            chief.group(),
            mallory.group()
        ),
        &listener("IP:127.0.0.1", "HTTP", http, ""),
        &listener("IP:127.0.0.1", "HTTPS", https, ""),
    ];
    let mut telarchd = Telarchd::new(&config.concat());
    let script = "ulimit -Sn 8192; export TELARCH_LOG=info; log=$1; shift; exec \"$@\" 2>>\"$log\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(log(&telarchd)).arg(env!("CARGO_BIN_EXE_telarchd"));
    telarchd.arguments(&mut command);
    telarchd.run_as(command);
    let target = Target {
        http: loopback(http),
        https: loopback(https),
        user: mallory.name.clone(),
        outsider: eve.name.clone(),
        guessed: vec![chief.name.clone(), eve.name.clone(), "daemon".to_owned(), "root".to_owned()],
    };
    (telarchd, target)
}

fn log(telarchd: &Telarchd) -> PathBuf {
    telarchd.file("telarchd.log")
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

/// Waits until the memory is close to that before the attack.
fn recovered(sampler: &mut Sampler, begin: &Quarter) -> (Quarter, Option<String>) {
    let until = Instant::now() + RECOVERY;
    loop {
        let now = sampler.sample();
        let complaint = now.memory_beyond(begin);
        if complaint.is_none() || Instant::now() > until {
            return (now, complaint);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Reports lines of the log and of the audit records that begin with text of a client.
fn forged_lines(telarchd: &Telarchd) -> Vec<String> {
    let mut found = Vec::new();
    // JSON strings may contain other characters that some programs treat as line breaks.
    let files: [(_, &[char]); 2] = [
        (log(telarchd), &['\n', '\r', '\u{85}', '\u{2028}']),
        (telarchd.state().join("audit.jsonl"), &['\n', '\r']),
    ];
    for (path, breaks) in files {
        let text = text(&path);
        let forged = text.split(breaks).filter(|line| line.starts_with(attack::FORGED)).count();
        if forged > 0 {
            found.push(format!("{forged} lines of {} were written by a client", path.display()));
        }
    }
    found
}

fn last_lines(telarchd: &Telarchd) -> String {
    let text = text(&log(telarchd));
    let lines: Vec<_> =
        text.lines().rev().take(20).map(|line| line.chars().take(300).collect::<String>()).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

fn report(begin: &Quarter, table: &Table, end: &Quarter, attacks: &[String], commands: &str) {
    eprintln!("\n{}", table.with(begin, end));
    eprintln!("{commands}\n");
    eprintln!("{}\n", attacks.join("\n"));
}

/// Raises the limit of open files, because the test itself holds thousands of connections.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}
