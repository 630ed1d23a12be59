//! What it costs that the shells of a user are in a process of that user: a Get of one, from the gateway and from its
//! host, over a Get that the gateway answers itself; less the same difference in a service of one process.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::messages::{self, Shell};
use crate::processors::Together;
use crate::rounds::{by_turns, median_of};
use crate::table::Row;
use crate::telarchd::{Telarchd, program};

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(vec![Row::told(WHAT, "not measured: only the service of root has hosts".to_owned())]);
    }
    let (several, one) = (Machine::start()?, Telarchd::start(&[])?);
    let mut to_several = Connection::local(&several.folder.path().join("state/local.sock"))?;
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
    Ok(vec![Row::at_most(WHAT, HOP, "µs", hop, measured)])
}

const WHAT: &str = "Get of a shell, 1 connection: time that the host adds";
/// In microseconds.
const HOP: f64 = 60.0;

/// How much longer the second of two requests takes than the first, in microseconds.
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

/// The service of root, which its own programs reach through its Unix socket.
struct Machine {
    child: Child,
    folder: TempDir,
}

impl Machine {
    fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        fs::write(path("config.toml"), "")?;
        let manager = UnixDatagram::bind(path("notify"))?;
        manager.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut command = Command::new(program("telarchd"));
        command.arg("--config").arg(path("config.toml")).arg("--state").arg(path("state"));
        command.args(["--gateway-user", "nobody"]).env("NOTIFY_SOCKET", path("notify"));
        let child = command.env("TELARCH_LOG", "error").stdin(Stdio::null()).spawn()?;
        let machine = Self { child, folder };
        let mut message = [0; 256];
        while manager.recv(&mut message)? != 7 || !message.starts_with(b"READY=1") {}
        Ok(machine)
    }

    /// Gateway and hosts, with what keeps their sessions.
    fn processes(&self) -> Result<Vec<u32>> {
        let mut found = vec![self.child.id()];
        let mut at = 0;
        while let Some(process) = found.get(at).copied() {
            for task in fs::read_dir(format!("/proc/{process}/task"))?.filter_map(std::result::Result::ok) {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
            at += 1;
        }
        Ok(found)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
