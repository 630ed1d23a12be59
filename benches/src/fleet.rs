//! Measures one command on many hosts, in comparison with Ansible and with a pool of threads that use pywinrm.
//!
//! The hosts are simulated by this process and answer alike, so the value to compare is the CPU time of each client for
//! one host. The other clients run on fewer hosts, because they need too long for all of them.

mod hosts;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use self::hosts::Hosts;
use crate::Result;
use crate::canned::Canned;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::process::{ended_children_cpu, megabytes};
use crate::rounds::{by_turns, median_of};
use crate::sign_in::{beside, environment};
use crate::table::Row;
use crate::telarchd::{PASSWORD, Telarchd, USER, program};

/// Smallest ratio of the CPU time that other clients need for a host to ours.
const LEAST: f64 = 20.0;
/// Largest peak of resident memory with all hosts, in megabytes.
const PEAK: f64 = 128.0;
/// Hosts at the same time.
const PARALLEL: usize = 50;
/// Hosts at the same time while memory is measured.
const MANY_PARALLEL: usize = 200;
/// Hosts for the other clients: as many as they can do in a few seconds.
const THEIRS: usize = 100;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let canned = {
        let service = Telarchd::start(&[])?;
        Canned::record(&mut Connection::plain(service.http())?)?
    };
    let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
    let hosts = Hosts::start(canned, effort.many_hosts)?;
    let mut rows = Vec::new();
    let mut ours = winrs(&hosts, effort.hosts, PARALLEL, folder.path())?;
    let mut theirs = pool(&hosts, folder.path())?;
    rows.extend(compare(effort, &mut ours, ("a pool of threads with pywinrm", &mut theirs))?);
    let mut theirs = ansible(&hosts, folder.path())?;
    rows.extend(compare(effort, &mut ours, ("Ansible's module raw", &mut theirs))?);
    rows.push(memory(effort, &hosts, folder.path())?);
    Ok(rows)
}

/// A program that runs one command on some hosts.
struct Client {
    command: Command,
    hosts: usize,
}

/// Time of one client for one host, in milliseconds.
struct EachHost {
    cpu: f64,
    wall: f64,
}

impl Client {
    fn run(&mut self) -> Result<EachHost> {
        let before = ended_children_cpu()?;
        let begin = Instant::now();
        let output = self.command.stdin(Stdio::null()).output()?;
        let wall = begin.elapsed();
        let cpu = ended_children_cpu()?.saturating_sub(before);
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let printed = String::from_utf8_lossy(&output.stdout);
            let line = said.lines().chain(printed.lines()).next().unwrap_or_default();
            return Err(format!("{:?} failed: {line}", self.command.get_program()).into());
        }
        let each = |time: std::time::Duration| time.as_secs_f64() * 1e3 / self.hosts as f64;
        Ok(EachHost { cpu: each(cpu), wall: each(wall) })
    }
}

fn compare(effort: &Effort, ours: &mut Client, (name, theirs): (&str, &mut Client)) -> Result<[Row; 2]> {
    let counts = [ours.hosts, theirs.hosts];
    let turns = by_turns(effort.rounds, || ours.run(), || theirs.run())?;
    let cpu = median_of(&turns, |turn| turn.theirs.cpu / turn.ours.cpu);
    let wall = median_of(&turns, |turn| turn.theirs.wall / turn.ours.wall);
    let cpus = [median_of(&turns, |turn| turn.theirs.cpu), median_of(&turns, |turn| turn.ours.cpu)];
    let walls = [median_of(&turns, |turn| turn.theirs.wall), median_of(&turns, |turn| turn.ours.wall)];
    let [ours, theirs] = counts;
    let what = format!("one command on {ours} hosts by winrs, on {theirs} by {name}");
    Ok([
        Row::at_least(
            &format!("{what}: hosts per second of CPU time"),
            LEAST,
            cpu,
            format!("{cpu:.1} ({:.2} to {:.2} ms a host)", cpus[0], cpus[1]),
        ),
        Row::without_goal(
            &format!("{what}: hosts per second"),
            format!("{wall:.1} ({:.2} to {:.2} ms a host)", walls[0], walls[1]),
        ),
    ])
}

/// Measures the memory of `winrs` when its last host ends.
fn memory(effort: &Effort, hosts: &Hosts, folder: &Path) -> Result<Row> {
    let mut client = winrs(hosts, effort.many_hosts, MANY_PARALLEL, folder)?;
    let child = client.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    hosts.watch(child.id());
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("winrs failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let peak = megabytes(hosts.peak());
    let what = format!(
        "one command on {} hosts by winrs, {MANY_PARALLEL} at the same time: peak resident memory",
        effort.many_hosts
    );
    Ok(Row::at_most(&what, PEAK, "MB", peak, format!("{peak:.1} MB")))
}

fn winrs(hosts: &Hosts, count: usize, parallel: usize, folder: &Path) -> Result<Client> {
    let list = folder.join(format!("hosts-{count}"));
    fs::write(&list, hosts.urls(count))?;
    let mut command = Command::new(program("winrs"));
    command.arg(format!("-hosts:@{}", list.display()));
    command.args([
        "-auth:basic",
        "-unencrypted",
        &format!("-u:{USER}"),
        &format!("-parallel:{parallel}"),
        "true",
    ]);
    command.env("TELARCH_PASSWORD", PASSWORD);
    Ok(Client { command, hosts: count })
}

fn pool(hosts: &Hosts, folder: &Path) -> Result<Client> {
    let list = folder.join("hosts-of-the-pool");
    fs::write(&list, hosts.urls(THEIRS))?;
    let mut command = Command::new(environment("python"));
    command.arg(beside("fleet.py")).arg(list).args([USER, PASSWORD, &PARALLEL.to_string()]);
    Ok(Client { command, hosts: THEIRS })
}

fn ansible(hosts: &Hosts, folder: &Path) -> Result<Client> {
    let list = folder.join("inventory");
    let mut text = String::from("[all:vars]\nansible_connection=winrm\nansible_winrm_scheme=http\n");
    writeln!(
        text,
        "ansible_winrm_transport=basic\nansible_user={USER}\nansible_password={PASSWORD}\n\n[all]"
    )?;
    for address in hosts.addresses(THEIRS) {
        writeln!(text, "{} ansible_port={}", address.ip(), address.port())?;
    }
    fs::write(&list, text)?;
    // The configuration of the user must not change the measurement.
    let configuration = folder.join("ansible.cfg");
    fs::write(&configuration, "[defaults]\ngathering = explicit\n")?;
    let mut command = Command::new(environment("ansible"));
    command.args(["all", "-m", "raw", "-a", "true", "-f", &PARALLEL.to_string(), "-i"]).arg(list);
    command.env("ANSIBLE_LOCAL_TEMP", folder).env("ANSIBLE_HOME", folder).env("HOME", folder);
    command.env("ANSIBLE_CONFIG", configuration).current_dir(folder);
    Ok(Client { command, hosts: THEIRS })
}
