//! Measures `telarch cp` over PowerShell remoting beside `copy` and `fetch` of pypsrp.
//!
//! The process is `native_pwsh`. The time of `telarch` is that of its process from the start to the end; that of pypsrp is
//! without imports.

use std::fs;
use std::path::Path;

use super::{copy, write_file};
use crate::Result;
use crate::effort::Effort;
use crate::process::{built_beside, ended_children_cpu, seconds};
use crate::python_client::PythonClient;
use crate::rounds::{Turn, by_turns, compare_times};
use crate::table::Row;
use crate::telarchd::{PASSWORD, Telarchd, USER};

/// Smallest ratio of the time of pypsrp to ours, by the clock and of CPU.
const LEAST: f64 = 2.0;
/// Size of the file in bytes; pypsrp fetches a file in one message, whose length the service limits.
const SIZE: u64 = 4 << 20;
/// Copies of one turn: the CPU time of a process is known in hundredths of a second.
const COPIES: u32 = 5;

pub(super) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let program = format!("PowerShell.Program={}", built_beside("native_pwsh")?.display());
    let service = Telarchd::start(&[&program])?;
    let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
    let [here, ours, theirs] = ["here", "ours", "theirs"].map(|name| folder.path().join(name));
    write_file(&here, SIZE)?;
    let url = format!("http://{}", service.http());
    let mut pypsrp = PythonClient::start("pypsrp_copy.py", &[&format!("{url}/wsman"), USER, PASSWORD])?;
    let remote = |path: &Path| format!("{url}:{}", path.display());
    let local = |path: &Path| path.display().to_string();

    let sent = by_turns(
        effort.rounds,
        || run(&local(&here), &remote(&ours)),
        || ask(&mut pypsrp, "copy", &here, &theirs),
    )?;
    require_copies(&here, &[&ours, &theirs])?;
    for copied in [&ours, &theirs] {
        fs::remove_file(copied)?;
    }
    let fetched = by_turns(
        effort.rounds,
        || run(&remote(&here), &local(&ours)),
        || ask(&mut pypsrp, "fetch", &here, &theirs),
    )?;
    require_copies(&here, &[&ours, &theirs])?;
    let [sent, fetched] = [compared("to the service", &sent), compared("from the service", &fetched)];
    Ok(sent.into_iter().chain(fetched).collect())
}

/// Compares both times of both clients.
fn compared(direction: &str, turns: &[Turn<Spent>]) -> [Row; 2] {
    let what = format!("telarch cp by PowerShell remoting, {} MiB {direction}", SIZE >> 20);
    let row = |name: &str, time: fn(&Spent) -> f64| {
        let what = format!("{what}: {name} of pypsrp over telarch");
        compare_times(&what, LEAST, turns, SIZE as f64 / 1e6, "MB", time)
    };
    [row("time", |spent| spent.wall), row("CPU time", |spent| spent.cpu)]
}

/// Time of one copy.
struct Spent {
    cpu: f64,
    wall: f64,
}

/// Copies with `telarch cp`.
fn run(from: &str, to: &str) -> Result<Spent> {
    let before = ended_children_cpu()?;
    let mut wall = 0.0;
    for _ in 0..COPIES {
        wall += seconds(&mut copy(from, to, &["-unencrypted", "--carrier", "psrp"]))?;
    }
    let cpu = ended_children_cpu()?.saturating_sub(before).as_secs_f64();
    let copies = f64::from(COPIES);
    Ok(Spent { cpu: cpu.max(f64::MIN_POSITIVE) / copies, wall: wall / copies })
}

/// Copies with pypsrp.
fn ask(client: &mut PythonClient, action: &str, from: &Path, to: &Path) -> Result<Spent> {
    let request = format!("{action}\t{}\t{}", from.display(), to.display());
    let (cpu, wall) = serde_json::from_value(client.ask(request)?)?;
    Ok(Spent { cpu, wall })
}

fn require_copies(original: &Path, copies: &[&Path]) -> Result<()> {
    let content = fs::read(original)?;
    for copied in copies {
        if fs::read(copied)? != content {
            return Err(format!("{} is not a copy", copied.display()).into());
        }
    }
    Ok(())
}
