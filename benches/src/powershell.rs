//! Measures PowerShell remoting: the codec alone, the client beside pypsrp, and the bridge to the process.
//!
//! Both clients use the same service, whose `pwsh` is a stand-in that is faster than both clients (`native_pwsh`).

mod bridge;

use std::hint::black_box;
use std::time::Duration;

use psrp::clixml::{self, Limits, Primitive, Value};
use psrp::{Defragmenter, Fragment, FragmentLimits, Fragmenter};

use crate::Result;
use crate::effort::Effort;
use crate::process::{built_beside, thread_cpu};
use crate::python_client::PythonClient;
use crate::rounds::{by_turns, compare_times, median};
use crate::table::Row;
use crate::telarchd::{PASSWORD, Telarchd, USER};

/// Smallest speed of the codec with strings in CLIXML, in megabytes per second.
const STRINGS: f64 = 300.0;
/// Smallest number of small fragments per second.
const FRAGMENTS: f64 = 500_000.0;
/// Smallest ratio of the time of pypsrp to ours, by the clock and of CPU.
const LEAST: f64 = 5.0;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let mut rows = codec(effort)?;
    match clients(effort) {
        Ok(measured) => rows.extend(measured),
        Err(error) => rows.push(Row::not_measured("PowerShell remoting beside pypsrp", &error.to_string())),
    }
    Ok(rows)
}

fn codec(effort: &Effort) -> Result<Vec<Row>> {
    let string = Value::Primitive(Primitive::String("x".repeat(1 << 20).into()));
    let written = clixml::write(&string)?;
    let megabyte = written.len() as f64 / 1e6;
    let reading = rate(effort, megabyte, || drop(black_box(clixml::parse(&written, &Limits::default()))));
    let writing = rate(effort, megabyte, || drop(black_box(clixml::write(&string))));
    let mut fragments = Vec::new();
    let count = fragment(vec![0; 64 << 10], &mut fragments);
    let cut = rate(effort, count, || {
        fragments.clear();
        black_box(fragment(vec![0; 64 << 10], &mut fragments));
    });
    let mut all = Vec::new();
    fragment(vec![0; 64 << 10], &mut all);
    let joined = rate(effort, count, || drop(black_box(join(&all))));
    if join(&all)?.len() != 64 << 10 {
        return Err("the fragments are not joined to the message".into());
    }
    let rate = |what: &str, goal: f64, value: f64, unit: &str| {
        Row::at_least(&format!("PowerShell codec: {what}"), goal, value, format!("{value:.0} {unit}"))
    };
    Ok(vec![
        rate("strings read from CLIXML, MB per second", STRINGS, reading, "MB/s"),
        rate("strings written as CLIXML, MB per second", STRINGS, writing, "MB/s"),
        rate("messages divided into fragments of 100 bytes", FRAGMENTS, cut, "fragments/s"),
        rate("messages joined from fragments of 100 bytes", FRAGMENTS, joined, "fragments/s"),
    ])
}

/// Returns units per second of CPU time, when each call does this number of them.
fn rate(effort: &Effort, units: f64, mut call: impl FnMut()) -> f64 {
    const SHORTEST: Duration = Duration::from_millis(50);
    call();
    let rounds = (0..effort.rounds).map(|_| {
        let (before, mut calls) = (thread_cpu(), 0_u32);
        let taken = loop {
            call();
            calls += 1;
            let taken = thread_cpu().saturating_sub(before);
            if taken >= SHORTEST {
                break taken;
            }
        };
        units * f64::from(calls) / taken.as_secs_f64()
    });
    median(rounds.collect())
}

/// Appends the fragments of a message and returns their number.
fn fragment(message: Vec<u8>, out: &mut Vec<u8>) -> f64 {
    let mut fragmenter = Fragmenter::new(1, message);
    let mut count = 0_u32;
    while fragmenter.next(SMALL, out) {
        count += 1;
    }
    f64::from(count)
}

/// Length of a small fragment in bytes, with its header.
const SMALL: usize = 100;

fn join(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut defragmenter = Defragmenter::new(FragmentLimits::default());
    loop {
        let (fragment, rest) = Fragment::decode(bytes)?;
        if let Some(message) = defragmenter.add(fragment)? {
            return Ok(message);
        }
        bytes = rest;
    }
}

fn clients(effort: &Effort) -> Result<Vec<Row>> {
    let pwsh = built_beside("native_pwsh")?;
    let service = Telarchd::start(&[&format!("PowerShell.Program={}", pwsh.display())])?;
    let mut ours = Client::start("telarch", &service)?;
    let mut theirs = Client::start("pypsrp", &service)?;
    let mut rows = Vec::new();
    for Case { what, request, units, unit } in &CASES {
        let turns = by_turns(effort.rounds, || ours.run(request), || theirs.run(request))?;
        if let Some(turn) = turns.iter().find(|turn| turn.ours.objects != turn.theirs.objects) {
            return Err(format!("{} and {} objects", turn.ours.objects, turn.theirs.objects).into());
        }
        let what = format!("PowerShell remoting by Python, {what}");
        let row = |name: &str, time| {
            let what = format!("{what}: {name} of pypsrp over telarch");
            compare_times(&what, LEAST, &turns, *units, unit, time)
        };
        rows.extend([row("time", |spent: &Spent| spent.wall), row("CPU time", |spent| spent.cpu)]);
    }
    rows.push(bridge::measure(effort, &service, &pwsh)?);
    Ok(rows)
}

/// A script that both clients run.
struct Case {
    what: &'static str,
    /// Line for `powershell.py`.
    request: &'static str,
    units: f64,
    unit: &'static str,
}

const CASES: [Case; 3] = [
    Case { what: "objects with three properties", request: "objs:2000", units: 2_000.0, unit: "objects" },
    Case {
        what: "strings of 100,000 characters from the script",
        request: "blob:100:100000",
        units: 10.0,
        unit: "MB",
    },
    Case {
        what: "strings of 100,000 characters to the script",
        request: "countinput\t100\t100000",
        units: 10.0,
        unit: "MB",
    },
];

/// Time that a client needed for one script.
struct Spent {
    cpu: f64,
    wall: f64,
    objects: u64,
}

/// A client in a Python process of its own.
struct Client(PythonClient);

impl Client {
    fn start(name: &str, service: &Telarchd) -> Result<Self> {
        let url = format!("http://{}/wsman", service.http());
        PythonClient::start("powershell.py", &[name, &url, USER, PASSWORD]).map(Self)
    }

    fn run(&mut self, request: &str) -> Result<Spent> {
        let (cpu, wall, objects) = serde_json::from_value(self.0.ask(request)?)?;
        Ok(Spent { cpu, wall, objects })
    }
}
