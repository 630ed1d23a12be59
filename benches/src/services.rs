//! Measures the services of a machine in comparison with `systemctl`, which asks the same systemd. The measurement
//! runs in a namespace with a systemd of its own, in which this program starts itself again.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use peers::World;

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::instances::enumerate;
use crate::rounds::{by_turns, median_of};
use crate::table::Row;
use crate::telarchd::Telarchd;

/// Argument instead of group names that makes the program measure inside the namespace.
pub(crate) const INSIDE: &str = "services-of-a-world";

/// Number of services; all of them are running.
const SERVICES: usize = 200;

/// Access path to systemd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The private socket, which is open to root.
    Itself,
    /// The bus, as for all other users.
    Bus,
}

/// A query, the access path to systemd, the equivalent arguments of systemctl, and the longest time in milliseconds.
const QUESTIONS: [(&str, Way, &[&str], f64); 3] = [
    ("SELECT * FROM Win32_Service", Way::Itself, &["show", "bench-*.service"], 60.0),
    ("SELECT Name, State FROM Win32_Service", Way::Itself, &["list-units", "--all", "--type=service"], 10.0),
    ("SELECT * FROM Win32_Service", Way::Bus, &["show", "bench-*.service"], 60.0),
];

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let what = |query: &str, way: Way| match way {
        Way::Itself => format!("{query}, {SERVICES} services: a request"),
        Way::Bus => format!("{query}, {SERVICES} services, over the bus: a request"),
    };
    let mut command = match peers::apart(&std::env::current_exe()?, &["systemd", "systemctl"]) {
        Ok(command) => command,
        Err(reason) => {
            return Ok(vec![Row::not_measured(&what("SELECT * FROM Win32_Service", Way::Itself), &reason)]);
        }
    };
    let output = command.arg(INSIDE).arg(effort.rounds.to_string()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("the measurement in a world of its own has failed: {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let figures = text.lines().map(|line| {
        let figures: Vec<f64> = line.split(' ').map(str::parse).collect::<std::result::Result<_, _>>()?;
        <[f64; 2]>::try_from(figures).map_err(|_| "a line has not two figures".into())
    });
    let figures = figures.collect::<Result<Vec<_>>>()?;
    if figures.len() != QUESTIONS.len() {
        return Err(format!("there are {} figures: {text}", figures.len()).into());
    }
    let rows = QUESTIONS.iter().zip(figures).map(|((query, way, arguments, most), [ours, theirs])| {
        let measured = format!("{ours:.1} ms (systemctl {}: {theirs:.1} ms)", arguments.join(" "));
        Row::at_most(&what(query, *way), *most, "ms", ours, measured)
    });
    Ok(rows.collect())
}

/// Measures inside the namespace and prints a line for each query: milliseconds of telarch and of systemctl.
pub(crate) fn inside(arguments: &[&str]) -> Result<()> {
    let [rounds] = arguments else { return Err("it takes a number of rounds".into()) };
    let world = World::here().ok_or("it is to be started in a world")?;
    let folder = Path::new("/run/home/.config/systemd/user");
    fs::create_dir_all(folder)?;
    let mut names = Vec::new();
    for number in 0..SERVICES {
        let name = format!("bench-{number}.service");
        let unit = format!(
            "[Unit]\nDescription=Service {number} of the benches\nDocumentation=man:sleep(1)\n\
             [Service]\nExecStart=/bin/sleep infinity\n"
        );
        fs::write(folder.join(&name), unit)?;
        names.push(name);
    }
    world.systemd("[Service]\nExecStart=/bin/true\n");
    if !systemctl(&["start"]).args(&names).status()?.success() {
        return Err("the services do not start".into());
    }
    let service = Telarchd::start(&[])?;
    let mut connection = Connection::plain(service.http())?;
    let mut figures = String::new();
    for (query, way, arguments, _) in QUESTIONS {
        if way == Way::Bus {
            fs::remove_file("/run/systemd/private")?;
        }
        let turns = by_turns(
            rounds.parse()?,
            || {
                let begin = Instant::now();
                let (rows, _) = enumerate(&mut connection, query)?;
                let time = begin.elapsed();
                if rows < SERVICES { Err(format!("{rows} services").into()) } else { Ok(time) }
            },
            || {
                let begin = Instant::now();
                let status = systemctl(arguments).stdout(Stdio::null()).status()?;
                if status.success() { Ok(begin.elapsed()) } else { Err("systemctl does not work".into()) }
            },
        )?;
        let ours = median_of(&turns, |turn| turn.ours.as_secs_f64() * 1e3);
        let theirs = median_of(&turns, |turn| turn.theirs.as_secs_f64() * 1e3);
        writeln!(figures, "{ours} {theirs}")?;
    }
    drop(service);
    // Without this setting systemd would not end its services with itself.
    systemctl(&["stop"]).args(&names).status()?;
    print!("{figures}");
    Ok(())
}

fn systemctl(arguments: &[&str]) -> Command {
    let mut command = Command::new("systemctl");
    command.arg("--user").args(arguments).env("XDG_RUNTIME_DIR", "/run/user/0");
    command
}
