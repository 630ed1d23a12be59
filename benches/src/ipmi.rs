//! Measures scans of all sensors of simulated controllers in comparison with ipmitool and FreeIPMI's ipmi-sensors.

mod in_memory;
pub(crate) mod least;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use simulated_bmc::{ControllerGroup, Network, SimulatedBmc};
use tempfile::TempDir;

use self::least::Controllers;
use crate::Result;
use crate::effort::Effort;
use crate::process::{cpu_with_children, megabytes, peak, scheduled_nanoseconds, seconds};
use crate::rounds::{by_turns, median, median_of};
use crate::table::Row;
use crate::telarchd::program;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut counts = [1, 20, 100].map(|count: usize| count.min(effort.controllers)).to_vec();
    counts.dedup();
    for count in &counts {
        rows.extend(beside_others(effort, &Simulators::ours(*count))?);
    }
    for count in &counts {
        match Simulators::foreign(*count) {
            Some(simulators) => {
                rows.extend(beside_others(effort, &simulators)?);
                if *count == 100 {
                    rows.push(work_of_simulators(effort, &simulators)?);
                }
            }
            None => rows.push(Row::not_measured("sensors of controllers of ipmi_sim", "ipmi_sim is missing")),
        }
    }
    rows.push(least(effort)?);
    rows.push(in_memory::measure(effort));
    rows.extend(slow(effort)?);
    rows.extend(bad_network(effort)?);
    if effort.controllers >= 1_000 {
        rows.extend(a_thousand(effort)?);
    }
    Ok(rows)
}

/// Smallest ratio of the time of another program to ours at 100 controllers, with our simulator.
const TIMES_COLD: f64 = 5.0;
const TIMES_WARM: f64 = 20.0;
/// The same with processes of `ipmi_sim`, whose own time is part of both.
const TIMES_WARM_FOREIGN: f64 = 10.0;
/// Longest cold scan of a controller that answers slowly, in seconds.
const ONE_SLOW: f64 = 0.25;
/// Longest warm scan of a controller that answers slowly, in seconds.
const ONE_SLOW_WARM: f64 = 0.06;
/// Longest scan over a bad network in seconds.
const THOUSAND: f64 = 5.0;
/// Largest peak memory in megabytes.
const THOUSAND_MEMORY: f64 = 64.0;

/// Whether the sensor records are cached already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cache {
    Cold,
    Warm,
}

/// Simulated controllers of one kind; dropping them ends them.
enum Simulators {
    /// All in this process.
    Ours(ControllerGroup),
    /// One process of OpenIPMI's `ipmi_sim` for each.
    Foreign(Vec<SimulatedBmc>),
}

impl Simulators {
    fn ours(count: usize) -> Self {
        Self::Ours(ControllerGroup::start(count, Network::default()))
    }

    /// Starts the processes; `None` if `ipmi_sim` is not installed.
    fn foreign(count: usize) -> Option<Self> {
        (0..count).map(|_| SimulatedBmc::start()).collect::<Option<Vec<_>>>().map(Self::Foreign)
    }

    fn place(&self) -> Result<Place> {
        match self {
            Self::Ours(group) => Place::new(group),
            Self::Foreign(processes) => {
                let addresses: std::result::Result<Vec<_>, _> =
                    processes.iter().map(|bmc| bmc.address().parse()).collect();
                // `ipmi_sim` has no suite 17.
                Place::at(addresses?, 3)
            }
        }
    }

    /// Returns the CPU time so far of all processes of `ipmi_sim` in seconds.
    fn cpu(&self) -> Result<f64> {
        let Self::Foreign(processes) = self else { return Ok(0.0) };
        let mut sum = 0;
        for bmc in processes {
            sum += scheduled_nanoseconds(bmc.process())?;
        }
        Ok(sum as f64 / 1e9)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "our simulator",
            Self::Foreign(_) => "ipmi_sim",
        }
    }

    /// Returns the goal for the ratio of a scan of many controllers.
    fn goal(&self, count: usize, cache: Cache) -> Option<f64> {
        (count == 100).then_some(match (self, cache) {
            (_, Cache::Cold) => TIMES_COLD,
            (Self::Ours(_), Cache::Warm) => TIMES_WARM,
            (Self::Foreign(_), Cache::Warm) => TIMES_WARM_FOREIGN,
        })
    }
}

/// Compares telarch with each of the other programs in turns of its own: the hundred processes of ipmitool keep all
/// processors busy for seconds, which would slow down the few milliseconds of the other two.
fn beside_others(effort: &Effort, simulators: &Simulators) -> Result<Vec<Row>> {
    let place = simulators.place()?;
    let count = place.addresses.len();
    let mut rows = Vec::new();
    for (cache, name) in [(Cache::Cold, "cold"), (Cache::Warm, "warm")] {
        // The uncounted turn fills the caches and finds the parallelism with which each other program is fastest.
        place.require_all_sensors(cache)?;
        let others = [
            fastest(Other::IpmiSensors, &FREEIPMI_WIDTHS, |width| place.freeipmi(cache, width))?,
            fastest(Other::Ipmitool, &IPMITOOL_WIDTHS, |width| place.ipmitool(cache, width))?,
        ];
        // All other activity of the machine disturbs a scan that takes a few milliseconds.
        let rounds = if cache == Cache::Warm { effort.rounds * 3 } else { effort.rounds };
        for other in others {
            let turns = by_turns(
                rounds,
                || settled(|| Ok(place.telarch(cache)?.seconds)),
                || settled(|| place.other(&other, cache)),
            )?;
            let ratio = median_of(&turns, |turn| turn.theirs / turn.ours);
            let program = other.program.name();
            let what = format!(
                "sensors of {count} controllers ({}), records {name}: {program} over telarch",
                simulators.name()
            );
            let [ours, theirs] = [median_of(&turns, |turn| turn.ours), median_of(&turns, |turn| turn.theirs)];
            let measured =
                format!("{ratio:.1} ({program} {:.0}, telarch {:.1} ms)", theirs * 1e3, ours * 1e3);
            rows.push(match simulators.goal(count, cache) {
                Some(goal) => Row::at_least(&what, goal, ratio, measured),
                None => Row::without_goal(&what, measured),
            });
        }
    }
    Ok(rows)
}

/// Measures which part of the time of a warm scan the processors are busy with the simulators. No program can scan
/// faster than they answer.
fn work_of_simulators(effort: &Effort, simulators: &Simulators) -> Result<Row> {
    let place = simulators.place()?;
    place.require_all_sensors(Cache::Cold)?;
    let processors = std::thread::available_parallelism()?.get() as f64;
    let (mut elapsed, mut simulated) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds * 3 {
        let before = simulators.cpu()?;
        elapsed.push(place.telarch(Cache::Warm)?.seconds);
        simulated.push((simulators.cpu()? - before) / processors);
    }
    let (elapsed, simulated) = (median(elapsed), median(simulated));
    Ok(Row::without_goal(
        "sensors of 100 controllers (ipmi_sim), records warm: part of telarch's time in which the simulators use all processors",
        format!("{:.2} ({:.1} of {:.1} ms)", simulated / elapsed, simulated * 1e3, elapsed * 1e3),
    ))
}

/// Returns the result of the second of two runs: other programs, some with a hundred processes, have replaced the
/// contents of the processor caches before the first.
fn settled(mut seconds: impl FnMut() -> Result<f64>) -> Result<f64> {
    seconds()?;
    seconds()
}

/// Number of concurrent ipmitool processes (each for one controller), or of concurrent controllers of ipmi-sensors.
const IPMITOOL_WIDTHS: [u8; 2] = [32, 64];
const FREEIPMI_WIDTHS: [u8; 3] = [32, 64, 100];

#[derive(Clone, Copy)]
enum Other {
    Ipmitool,
    IpmiSensors,
}

impl Other {
    fn name(self) -> &'static str {
        match self {
            Self::Ipmitool => "ipmitool",
            Self::IpmiSensors => "ipmi-sensors",
        }
    }
}

/// The parallelism with which one of the other programs is fastest.
struct AtBest {
    program: Other,
    width: u8,
}

/// Returns the parallelism with the shortest time. A run before the first trial fills the caches.
fn fastest(program: Other, widths: &[u8], mut seconds: impl FnMut(u8) -> Result<f64>) -> Result<AtBest> {
    let (mut best, mut least) = (AtBest { program, width: widths[0] }, f64::MAX);
    seconds(widths[0])?;
    for width in widths {
        let taken = seconds(*width)?;
        if taken < least {
            (best, least) = (AtBest { program, width: *width }, taken);
        }
    }
    Ok(best)
}

/// Compares a warm scan with the time that its datagrams alone take; both include the work of the controllers.
fn least(effort: &Effort) -> Result<Row> {
    let count = u8::try_from(effort.controllers.min(100))?;
    let group = ControllerGroup::start(count.into(), Network::default());
    let place = Place::new(&group)?;
    place.require_all_sensors(Cache::Cold)?;
    let bare = Controllers::start(count)?;
    let turns = by_turns(
        effort.rounds * 3,
        || with_cpu(|| Ok(place.telarch(Cache::Warm)?.seconds)),
        || with_cpu(|| bare.request_time()),
    )?;
    let seconds = median_of(&turns, |turn| turn.ours.0 / turn.theirs.0);
    let [ours, bare] = [median_of(&turns, |turn| turn.ours.0), median_of(&turns, |turn| turn.theirs.0)];
    // The kernel reports CPU time in hundredths of a second, so only the sum over many scans is significant.
    let [our_cpu, bare_cpu]: [f64; 2] = [
        turns.iter().map(|turn| turn.ours.1).sum::<f64>() / turns.len() as f64,
        turns.iter().map(|turn| turn.theirs.1).sum::<f64>() / turns.len() as f64,
    ];
    Ok(Row::without_goal(
        &format!(
            "sensors of {count} controllers, records warm: telarch compared with the same datagrams without any work"
        ),
        format!(
            "{seconds:.1} ({:.1} over {:.1} ms; of processors {:.1}, {:.1} over {:.1} ms)",
            ours * 1e3,
            bare * 1e3,
            our_cpu / bare_cpu,
            our_cpu * 1e3,
            bare_cpu * 1e3
        ),
    ))
}

/// Elapsed seconds and CPU seconds.
fn with_cpu(scan: impl FnOnce() -> Result<f64>) -> Result<(f64, f64)> {
    let before = cpu_with_children()?;
    let seconds = scan()?;
    Ok((seconds, (cpu_with_children()?.saturating_sub(before)).as_secs_f64()))
}

fn slow(effort: &Effort) -> Result<Vec<Row>> {
    let network = Network { delay: Duration::from_millis(5), ..Network::default() };
    let group = ControllerGroup::start(1, network);
    let place = Place::new(&group)?;
    let mut rows = Vec::new();
    for (cache, name, most) in [(Cache::Cold, "cold", ONE_SLOW), (Cache::Warm, "warm", ONE_SLOW_WARM)] {
        place.require_all_sensors(cache)?;
        let times: Result<Vec<f64>> = (0..effort.rounds).map(|_| Ok(place.telarch(cache)?.seconds)).collect();
        let seconds = median(times?);
        let what = format!("sensors of one controller that answers after 5 ms, records {name}");
        rows.push(Row::at_most(&what, most, "s", seconds, format!("{seconds:.3} s")));
    }
    Ok(rows)
}

/// Network in which 5 % of the packets are lost, 5 % arrive twice, and answers take up to 20 ms.
fn bad_network(effort: &Effort) -> Result<Vec<Row>> {
    let network = Network { lost: 5, twice: 5, delay: Duration::ZERO, jitter: Duration::from_millis(20) };
    let group = ControllerGroup::start(1, network);
    let place = Place::new(&group)?;
    place.require_all_sensors(Cache::Cold)?;
    let seconds = median(
        (0..effort.rounds).map(|_| Ok(place.telarch(Cache::Cold)?.seconds)).collect::<Result<Vec<_>>>()?,
    );
    let reported =
        |time: Result<f64>| time.map_or_else(|_| "failed".to_owned(), |time| format!("{time:.1} s"));
    let others = [reported(place.ipmitool(Cache::Cold, 1)), reported(place.freeipmi(Cache::Cold, 1))];
    Ok(vec![Row::at_most(
        "sensors of one controller, 5 % lost, 5 % twice, 20 ms jitter, records cold",
        2.0,
        "s",
        seconds,
        format!("{seconds:.2} s (ipmitool {}, ipmi-sensors {})", others[0], others[1]),
    )])
}

fn a_thousand(effort: &Effort) -> Result<Vec<Row>> {
    let group = ControllerGroup::start(1_000, Network::default());
    let place = Place::new(&group)?;
    place.require_all_sensors(Cache::Cold)?;
    let runs: Result<Vec<Run>> = (0..effort.rounds.min(3)).map(|_| place.telarch(Cache::Cold)).collect();
    let runs = runs?;
    let seconds = median(runs.iter().map(|run| run.seconds).collect());
    let memory = median(runs.iter().map(|run| run.peak).collect());
    Ok(vec![
        Row::at_most(
            "sensors of 1000 controllers, from one process, records cold",
            THOUSAND,
            "s",
            seconds,
            format!("{seconds:.2} s"),
        ),
        Row::at_most(
            "sensors of 1000 controllers: peak resident memory",
            THOUSAND_MEMORY,
            "MB",
            memory,
            format!("{memory:.1} MB"),
        ),
    ])
}

/// The controllers, and the folders of the caches of each program.
struct Place {
    addresses: Vec<SocketAddr>,
    /// Cipher suite of all programs.
    suite: u8,
    folder: TempDir,
}

struct Run {
    seconds: f64,
    /// Peak memory in megabytes.
    peak: f64,
}

impl Place {
    fn new(group: &ControllerGroup) -> Result<Self> {
        Self::at(group.addresses().to_vec(), 17)
    }

    fn at(addresses: Vec<SocketAddr>, suite: u8) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["telarch", "freeipmi", "ipmitool"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        Ok(Self { addresses, suite, folder })
    }

    fn hosts(&self) -> String {
        self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// Returns a cache folder, which is emptied for a cold scan.
    fn cache(&self, name: &str, cache: Cache) -> Result<std::path::PathBuf> {
        let folder = self.folder.path().join(name);
        if cache == Cache::Cold {
            std::fs::remove_dir_all(&folder)?;
            std::fs::create_dir(&folder)?;
        }
        Ok(folder)
    }

    /// Scans all controllers with telarch. The output is discarded, as for the other programs.
    fn telarch(&self, cache: Cache) -> Result<Run> {
        let mut command = self.command(cache)?;
        command.stdout(Stdio::null());
        let begin = Instant::now();
        let child = command.spawn()?;
        let process = child.id();
        let most = Arc::new(Mutex::new(0));
        let watched = Arc::clone(&most);
        // Peak memory never decreases, so sampling is enough: a scan of many controllers takes a while.
        let watcher = (self.addresses.len() >= 1_000).then(|| {
            std::thread::spawn(move || {
                while let Ok(now) = peak(process) {
                    *watched.lock().expect("no thread panics") = now;
                    std::thread::sleep(Duration::from_millis(5));
                }
            })
        });
        let output = child.wait_with_output()?;
        let seconds = begin.elapsed().as_secs_f64();
        let _ended = watcher.map(std::thread::JoinHandle::join);
        if !output.status.success() {
            return Err(format!("telarch has failed: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let peak = megabytes(*most.lock().expect("no thread panics"));
        Ok(Run { seconds, peak })
    }

    /// Checks in a run without timing that every sensor is printed.
    fn require_all_sensors(&self, cache: Cache) -> Result<()> {
        let output = self.command(cache)?.stdout(Stdio::piped()).spawn()?.wait_with_output()?;
        let lines = output.stdout.iter().filter(|octet| **octet == b'\n').count();
        if !output.status.success() || lines != self.addresses.len() * SENSORS {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("telarch has printed {lines} sensors: {said}").into());
        }
        Ok(())
    }

    fn command(&self, cache: Cache) -> Result<Command> {
        let mut command = Command::new(program("telarch"));
        command.args(["ipmi", "sensors", "-U", "admin", "--limit", "60", "--parallel", "128"]);
        command.args(["--suite", &self.suite.to_string(), "-H", &self.hosts()]);
        command.env("TELARCH_IPMI_PASSWORD", PASSWORD).env("XDG_CACHE_HOME", self.cache("telarch", cache)?);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        Ok(command)
    }

    fn other(&self, other: &AtBest, cache: Cache) -> Result<f64> {
        match other.program {
            Other::Ipmitool => self.ipmitool(cache, other.width),
            Other::IpmiSensors => self.freeipmi(cache, other.width),
        }
    }

    /// Runs this many ipmitool processes at the same time, each for one controller.
    fn ipmitool(&self, cache: Cache, width: u8) -> Result<f64> {
        let folder = self.cache("ipmitool", cache)?;
        let script = if cache == Cache::Warm { "-S \"$1/${2}\" sdr elist" } else { "sdr elist" };
        let script = format!(
            "h=${{2%:*}} p=${{2#*:}}; exec ipmitool -I lanplus -C {} -H $h -p $p -U admin -E {script} >/dev/null",
            self.suite
        );
        let ask = |script: &str| -> Result<f64> {
            let mut command = Command::new("xargs");
            let width = width.to_string();
            command.args(["-P", &width, "-n", "1", "sh", "-c", script, "sh"]).arg(&folder);
            run(command.env("IPMI_PASSWORD", PASSWORD), &self.addresses)
        };
        if cache == Cache::Warm {
            let missing = self.addresses.iter().any(|address| !folder.join(address.to_string()).exists());
            if missing {
                ask(&format!(
                    "h=${{2%:*}} p=${{2#*:}}; exec ipmitool -I lanplus -C {} -H $h -p $p -U admin -E sdr dump $1/$2 >/dev/null",
                    self.suite
                ))?;
            }
        }
        ask(&script)
    }

    /// Scans this many controllers at the same time.
    fn freeipmi(&self, cache: Cache, width: u8) -> Result<f64> {
        let folder = self.cache("freeipmi", cache)?;
        let mut command = Command::new("ipmi-sensors");
        command.args(["-h", &self.hosts(), "-u", "admin", "-p", PASSWORD, "-l", "ADMIN", "-D", "LAN_2_0"]);
        command
            .args(["-I", &self.suite.to_string(), "-F", &width.to_string(), "-Q", "--sdr-cache-directory"])
            .arg(folder);
        if self.suite == 3 {
            // `ipmi_sim` computes its codes with the privilege level of Open Session.
            command.args(["-W", "opensesspriv"]);
        }
        run(&mut command, &[])
    }
}

/// Runs a program with the addresses on its standard input; returns the seconds until it has ended.
fn run(command: &mut Command, addresses: &[SocketAddr]) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let path: &Path = &folder.path().join("addresses");
    std::fs::write(path, addresses.iter().map(|address| format!("{address}\n")).collect::<String>())?;
    seconds(command.stdin(std::fs::File::open(path)?))
}

const PASSWORD: &str = "admin-pw";
/// Number of readable sensors of each controller.
const SENSORS: usize = 29;
