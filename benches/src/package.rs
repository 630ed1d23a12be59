//! Measures commands from Python: compares the telarch package with the clients whose interfaces it offers, each in a
//! process of its own.

use crate::Result;
use crate::effort::Effort;
use crate::python_client::PythonClient;
use crate::rounds::{by_turns, median_of};
use crate::table::Row;
use crate::telarchd::{PASSWORD, Telarchd, USER};

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let service = Telarchd::start_with_every_scheme()?;
    let mut rows = Vec::new();
    for (way, reported) in [("basic", "Basic over HTTP"), ("negotiate", "NTLM, sealed")] {
        for (ours, theirs) in [
            ("telarch", "pywinrm"),
            ("telarch as pywinrm", "pywinrm"),
            ("telarch", "pypsrp"),
            ("telarch as pypsrp", "pypsrp"),
        ] {
            rows.extend(compare(effort, &service, (way, reported), ours, theirs)?);
        }
    }
    Ok(rows)
}

fn compare(
    effort: &Effort,
    service: &Telarchd,
    (way, reported): (&str, &str),
    ours: &str,
    theirs: &str,
) -> Result<[Row; 2]> {
    let mut left = Client::start(ours, way, service)?;
    let mut right = Client::start(theirs, way, service)?;
    let turns = by_turns(effort.rounds, || left.turn(effort.commands), || right.turn(effort.commands))?;
    let calls = turns.len() * effort.commands;
    let milliseconds = |side: fn(&crate::rounds::Turn<Spent>) -> &Spent, figure: fn(&Spent) -> f64| {
        #[allow(clippy::cast_precision_loss)] // At most a few hundred.
        let commands = effort.commands as f64;
        median_of(&turns, |turn| figure(side(turn)) / commands * 1e3)
    };
    let (cpu, wall) = (|spent: &Spent| spent.cpu, |spent: &Spent| spent.wall);
    let cpus = (milliseconds(|turn| &turn.ours, cpu), milliseconds(|turn| &turn.theirs, cpu));
    let walls = (milliseconds(|turn| &turn.ours, wall), milliseconds(|turn| &turn.theirs, wall));
    let times = median_of(&turns, |turn| turn.theirs.cpu / turn.ours.cpu);
    let sooner = median_of(&turns, |turn| turn.theirs.wall / turn.ours.wall);
    let what = format!("{calls} commands by Python, {reported}: {theirs} over {ours}");
    Ok([
        Row::at_least(
            &format!("{what}: CPU of the client"),
            LEAST,
            times,
            format!("{times:.1} ({:.2} to {:.2} ms a command)", cpus.1, cpus.0),
        ),
        Row::without_goal(
            &format!("{what}: time"),
            format!("{sooner:.1} ({:.1} to {:.1} ms a command)", walls.1, walls.0),
        ),
    ])
}

/// Smallest ratio of the CPU time of the other clients to ours.
const LEAST: f64 = 5.0;

/// Duration of one turn in seconds.
struct Spent {
    cpu: f64,
    wall: f64,
}

/// A client in a Python process of its own.
struct Client(PythonClient);

impl Client {
    fn start(name: &str, way: &str, service: &Telarchd) -> Result<Self> {
        let url = format!("http://{}/wsman", service.http());
        PythonClient::start("package.py", &[name, way, &url, USER, PASSWORD]).map(Self)
    }

    fn turn(&mut self, commands: usize) -> Result<Spent> {
        let (cpu, wall) = serde_json::from_value(self.0.ask(commands)?)?;
        Ok(Spent { cpu, wall })
    }
}
