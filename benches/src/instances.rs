//! Measures WMI: through the service in comparison with programs that read the same files, and in the engine alone.
//!
//! At least 400 processes exist during the measurement: missing ones are started and sleep.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cim::wql::{self, Predicate};
use cim::{Namespace, Origin, Schema};
use memchr::memmem;
use provider_linux::Machine;
use wmi::{Context, Engine};

use crate::Result;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::messages;
use crate::process::{cpu, megabytes, resident};
use crate::process_files::Files;
use crate::processors::Together;
use crate::psutil::Psutil;
use crate::rounds::{by_turns, median, median_of};
use crate::services;
use crate::table::Row;
use crate::telarchd::Telarchd;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let sleeping = SleepingProcesses::start()?;
    let mut rows = processes(effort)?;
    rows.extend(services::measure(effort)?);
    rows.push(one_process(effort)?);
    rows.push(operating_system(effort)?);
    rows.extend(in_the_engine(effort)?);
    rows.push(contexts(effort)?);
    rows.push(idle()?);
    drop(sleeping);
    Ok(rows)
}

/// Smallest number of processes.
const PROCESSES: usize = 400;

/// Processes that sleep until they are killed.
struct SleepingProcesses(Vec<Child>);

impl SleepingProcesses {
    fn start() -> Result<Self> {
        let is_process =
            |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok());
        let there = fs::read_dir("/proc")?.flatten().filter(is_process).count();
        let missing = PROCESSES.saturating_sub(there);
        let sleep = |_| Command::new("sleep").arg("infinity").stdin(Stdio::null()).spawn();
        Ok(Self((0..missing).map(sleep).collect::<std::io::Result<_>>()?))
    }
}

impl Drop for SleepingProcesses {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Largest ratio of the CPU time for all columns of all processes to that of only reading the same files.
const ALL_COLUMNS: f64 = 1.25;

/// Largest ratio of the CPU time for two columns of all processes to that of only reading every `stat`.
const TWO_COLUMNS: f64 = 0.7;

/// Measures all processes with all columns and with two columns.
fn processes(effort: &Effort) -> Result<Vec<Row>> {
    let service = Telarchd::start(&[])?;
    let mut connection = service.tls(1)?.pop().ok_or("no connection")?;
    let everything = "SELECT * FROM Win32_Process";
    let two = "SELECT Name, ProcessId FROM Win32_Process";
    let mut rows = Vec::new();
    // Reading a file of a process costs several times as much on one machine as on another, so the goal is a ratio.
    let questions =
        [(everything, Files::All, ALL_COLUMNS, Some(25.0)), (two, Files::Stat, TWO_COLUMNS, None)];
    for (query, files, goal, time) in questions {
        let turns = by_turns(
            effort.rounds,
            || several(effort, || query_cost(&mut connection, &service, query)),
            || several(effort, ps),
        )?;
        let (count, _) = enumerate(&mut connection, query)?;
        // The goals are for four hundred processes.
        let of_400 = |figure: f64| figure * 400.0 / count as f64;
        let ours = of_400(median_of(&turns, |turn| turn.ours.cpu));
        let wall = of_400(median_of(&turns, |turn| turn.ours.wall));
        let theirs = of_400(median_of(&turns, |turn| turn.theirs.wall));
        let measured = format!("{ours:.1} ms ({count} processes; ps aux takes {theirs:.1} ms)");
        rows.push(Row::without_goal(&format!("{query}, TLS: CPU of the service for 400 rows"), measured));
        rows.push(beside_files(effort, &mut connection, &service, query, files, goal)?);
        if let Some(most) = time {
            let ratio = median_of(&turns, |turn| turn.theirs.wall / turn.ours.wall);
            let measured = format!("{wall:.1} ms ({ratio:.1} times as fast as ps aux)");
            rows.push(Row::at_most(
                &format!("{query}, TLS: time to the last byte of 400 rows"),
                most,
                "ms",
                wall,
                measured,
            ));
        }
    }
    rows.push(beside_psutil(effort, &mut connection, &service, everything)?);
    Ok(rows)
}

/// Measures the cost of reporting processes above that of reading their files.
fn beside_files(
    effort: &Effort,
    connection: &mut Connection,
    service: &Telarchd,
    query: &str,
    files: Files,
    goal: f64,
) -> Result<Row> {
    let read = |files: Files| {
        let begin = Instant::now();
        let cpu = milliseconds(files.read()?.1);
        Ok(Cost { cpu, wall: milliseconds(begin.elapsed()) })
    };
    let turns = by_turns(
        effort.rounds,
        || several(effort, || query_cost(connection, service, query)),
        || several(effort, || read(files)),
    )?;
    let ratio = median_of(&turns, |turn| turn.ours.cpu / turn.theirs.cpu);
    let [ours, theirs] = [median_of(&turns, |turn| turn.ours.cpu), median_of(&turns, |turn| turn.theirs.cpu)];
    let name = several(effort, || read(Files::Name))?.cpu;
    let measured = format!("{ratio:.2} ({ours:.1} to {theirs:.1} ms; their names alone: {name:.1} ms)");
    let what = match files {
        Files::All => "the same files",
        Files::Name => "their names",
        Files::Stat => "every stat, as node_exporter",
    };
    let what = format!("{query}: CPU of the service over that of reading {what}");
    Ok(Row::at_most(&what, goal, "times", ratio, measured))
}

/// Cost of a query in milliseconds.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

/// Returns the mean over several queries, because the kernel reports CPU time in hundredths of a second.
fn several(effort: &Effort, mut ask: impl FnMut() -> Result<Cost>) -> Result<Cost> {
    let begin = Instant::now();
    let (mut sum, mut count) = (Cost { cpu: 0.0, wall: 0.0 }, 0.0);
    while begin.elapsed() < effort.round {
        let cost = ask()?;
        sum.cpu += cost.cpu;
        sum.wall += cost.wall;
        count += 1.0;
    }
    Ok(Cost { cpu: sum.cpu / count, wall: sum.wall / count })
}

fn query_cost(connection: &mut Connection, service: &Telarchd, query: &str) -> Result<Cost> {
    let (before, begin) = (cpu(service.process())?, Instant::now());
    enumerate(connection, query)?;
    let wall = begin.elapsed();
    Ok(Cost { cpu: milliseconds(cpu(service.process())?.saturating_sub(before)), wall: milliseconds(wall) })
}

fn ps() -> Result<Cost> {
    let begin = Instant::now();
    let status = Command::new("ps").arg("aux").stdout(Stdio::null()).status()?;
    if !status.success() {
        return Err("ps aux does not work".into());
    }
    Ok(Cost { cpu: 0.0, wall: milliseconds(begin.elapsed()) })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Reads the same fields with psutil in a running Python process.
fn beside_psutil(
    effort: &Effort,
    connection: &mut Connection,
    service: &Telarchd,
    query: &str,
) -> Result<Row> {
    const WHAT: &str =
        "all processes, all columns: CPU of psutil for the same fields, compared with telarchd";
    let mut psutil = match Psutil::start() {
        Ok(psutil) => psutil,
        Err(error) => return Ok(Row::not_measured(WHAT, &error.to_string())),
    };
    let turns = by_turns(
        effort.rounds,
        || several(effort, || query_cost(connection, service, query)),
        || {
            several(effort, || {
                let (wall, cpu) = psutil.look()?;
                Ok(Cost { wall: wall * 1e3, cpu: cpu * 1e3 })
            })
        },
    )?;
    let [ours, theirs] = [median_of(&turns, |turn| turn.ours.cpu), median_of(&turns, |turn| turn.theirs.cpu)];
    let ratio = median_of(&turns, |turn| turn.theirs.cpu / turn.ours.cpu);
    let wall = median_of(&turns, |turn| turn.theirs.wall / turn.ours.wall);
    let measured = format!("{ratio:.1} ({theirs:.1} to {ours:.1} ms; {wall:.1} times as fast)");
    Ok(Row::without_goal(WHAT, measured))
}

/// Measures one process by its id on an open connection.
fn one_process(effort: &Effort) -> Result<Row> {
    let service = Telarchd::start(&[])?;
    let query = format!("SELECT * FROM Win32_Process WHERE ProcessId = {}", std::process::id());
    let request = messages::enumerate_instances(CIMV2, &query);
    let figure = round_trips(effort, &service, &request, b"Win32_Process_Type")?;
    let what = "SELECT * FROM Win32_Process WHERE ProcessId = n: a request";
    Ok(Row::at_most(what, 2.0, "ms", figure, format!("{figure:.3} ms")))
}

fn operating_system(effort: &Effort) -> Result<Row> {
    let service = Telarchd::start(&[])?;
    let request = messages::get_instance(&format!("{CIMV2}/Win32_OperatingSystem"));
    let figure = round_trips(effort, &service, &request, b"Win32_OperatingSystem_Type")?;
    Ok(Row::without_goal("Get of Win32_OperatingSystem: a request", format!("{figure:.3} ms")))
}

const CIMV2: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2";

/// Returns the duration of a request in milliseconds.
fn round_trips(effort: &Effort, service: &Telarchd, request: &[u8], wanted: &[u8]) -> Result<f64> {
    let mut connection = Connection::plain(service.http())?;
    let answer = connection.exchange(request)?;
    if memmem::find(answer, wanted).is_none() {
        return Err(format!("an answer is not what it should be: {}", String::from_utf8_lossy(answer)).into());
    }
    let _together = Together::with(&[service.process()])?;
    let rounds = (0..effort.rounds).map(|_| {
        let (begin, mut count) = (Instant::now(), 0.0);
        while begin.elapsed() < effort.round / 4 {
            connection.exchange(request)?;
            count += 1.0;
        }
        Ok(milliseconds(begin.elapsed()) / count)
    });
    Ok(median(rounds.collect::<Result<_>>()?))
}

/// Requests all rows of a query; returns the numbers of rows and of answers.
pub(crate) fn enumerate(connection: &mut Connection, query: &str) -> Result<(usize, usize)> {
    let mut answer = connection.exchange(&messages::enumerate_instances(CIMV2, query))?;
    let (mut rows, mut answers) = (0, 0);
    loop {
        answers += 1;
        rows += memmem::find_iter(answer, b"<p:Win32_").count();
        rows += memmem::find_iter(answer, b"<w:XmlFragment").count();
        if memmem::rfind(answer, b"EndOfSequence").is_some() {
            return if rows == 0 { Err("there are no rows".into()) } else { Ok((rows, answers)) };
        }
        let context = messages::between(answer, b"EnumerationContext>", b"<")?.to_owned();
        answer = connection.exchange(&messages::pull(CIMV2, &context))?;
    }
}

/// Measures the engine alone, without a service.
fn in_the_engine(effort: &Effort) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let machine = Arc::new(Machine::this());
    let engine = engine(&machine)?;
    let context = Context::of_this_process("bench");
    let ask = |engine: &Engine, query: &str| -> Result<usize> {
        runtime.block_on(async {
            let mut rows = engine.query(&context, &Namespace::cimv2(), query)?;
            let mut count = 0;
            while let Some(row) = rows.next().await {
                row?;
                count += 1;
            }
            Ok(count)
        })
    };
    let time = |work: &mut dyn FnMut() -> Result<usize>| -> Result<f64> {
        work()?;
        let (begin, mut times) = (Instant::now(), Vec::new());
        while begin.elapsed() < effort.round / 2 {
            let begin = Instant::now();
            work()?;
            times.push(milliseconds(begin.elapsed()));
        }
        Ok(median(times))
    };

    let mut rows = Vec::new();
    let by_key = format!("SELECT * FROM Win32_Process WHERE Handle = '{}'", std::process::id());
    let figure = time(&mut || ask(&engine, &by_key))?;
    rows.push(Row::at_most("the engine, one process by key", 0.2, "ms", figure, format!("{figure:.3} ms")));
    let figure = time(&mut || ask(&engine, "SELECT * FROM Win32_OperatingSystem"))?;
    rows.push(Row::at_most(
        "the engine, Win32_OperatingSystem",
        0.5,
        "ms",
        figure,
        format!("{figure:.3} ms"),
    ));
    rows.push(planning(effort)?);

    let (folder, packages) = packages()?;
    let query = "SELECT * FROM Win32_Product";
    let figure = time(&mut || ask(&self::engine(&Arc::new(Machine::at(folder.path())))?, query))?;
    rows.push(Row::at_most(
        "the engine, Win32_Product of 2000 packages, cold",
        40.0,
        "ms",
        figure,
        format!("{figure:.1} ms"),
    ));
    let warm = self::engine(&Arc::new(Machine::at(folder.path())))?;
    let figure = time(&mut || {
        let found = ask(&warm, query)?;
        if found == packages { Ok(found) } else { Err(format!("{found} packages of {packages}").into()) }
    })?;
    rows.push(Row::at_most(
        "the engine, Win32_Product of 2000 packages, warm",
        8.0,
        "ms",
        figure,
        format!("{figure:.1} ms"),
    ));
    Ok(rows)
}

fn engine(machine: &Arc<Machine>) -> Result<Engine> {
    let providers = provider_linux::providers(machine);
    let mut builder = Engine::builder("bench", 0);
    let namespaces: Vec<Namespace> =
        providers.iter().flat_map(|provider| provider.classes()).map(|(namespace, _)| namespace).collect();
    for namespace in namespaces.into_iter().collect::<std::collections::BTreeSet<_>>() {
        builder = builder.namespace(Schema::of(namespace));
    }
    Ok(providers.into_iter().fold(builder, wmi::EngineBuilder::provider).build()?)
}

/// Measures the steps from the text of a query to the keys of its rows.
fn planning(effort: &Effort) -> Result<Row> {
    let schema = Schema::of(Namespace::cimv2());
    let class = schema.require("Win32_Process")?;
    let origin = Origin { server: "bench".to_owned(), namespace: Namespace::cimv2(), offset: 0 };
    let text = "SELECT Name, ProcessId, WorkingSetSize FROM Win32_Process \
                WHERE (Handle = '4' OR Handle = '5') AND Name LIKE 'ss%' AND NOT CommandLine IS NULL";
    let (begin, mut count) = (Instant::now(), 0.0);
    while begin.elapsed() < effort.round / 2 {
        let wql::Query::Select(select) = wql::parse(text)? else { return Err("it is a selection".into()) };
        let predicate = Predicate::bind(&select, &class, &origin)?;
        select.selected(&class)?;
        if predicate.pinned(class.keys()).is_none_or(|keys| keys.len() != 2) {
            return Err("the keys are not found".into());
        }
        count += 1.0;
    }
    let figure = begin.elapsed().as_secs_f64() * 1e6 / count;
    Ok(Row::at_most("parse and plan a query", 20.0, "µs", figure, format!("{figure:.1} µs")))
}

/// Returns a machine with a database of this many packages.
fn packages() -> Result<(tempfile::TempDir, usize)> {
    const COUNT: usize = 2_000;
    let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
    let database = folder.path().join("var/lib/dpkg");
    fs::create_dir_all(database.join("info"))?;
    let mut text = String::new();
    for number in 0..COUNT {
        text += &format!(
            "Package: bench-{number}\nStatus: install ok installed\nPriority: optional\nSection: libs\n\
             Installed-Size: {number}\nMaintainer: Nobody <nobody@bench.example>\nArchitecture: all\n\
             Version: 1:2.{number}-1\nDepends: bench-{}, libc6 (>= 2.34), libgcc-s1 (>= 3.4)\n\
             Description: a package with a line about itself\n and some more of them, which nobody reads,\n \
             as there are in every database of packages.\nHomepage: https://bench.example/{number}\n\n",
            number / 2
        );
        fs::write(database.join(format!("info/bench-{number}.list")), "")?;
    }
    fs::write(database.join("status"), text)?;
    Ok((folder, COUNT))
}

/// Starts enumerations and takes one row of each.
fn contexts(effort: &Effort) -> Result<Row> {
    let service = Telarchd::start(&["Service.MaxConcurrentOperationsPerUser=4294967295"])?;
    let mut connection = Connection::plain(service.http())?;
    let request = messages::enumerate_instances_one_by_one(CIMV2, "SELECT * FROM Win32_Process");
    let open = |connection: &mut Connection| -> Result<()> {
        let answer = connection.exchange(&request)?;
        messages::between(answer, b"EnumerationContext>", b"<").map(drop)
    };
    open(&mut connection)?;
    let count = effort.idle.min(50);
    let before = resident(service.process())?;
    for _ in 0..count {
        open(&mut connection)?;
    }
    let each = (resident(service.process())?.saturating_sub(before)) as f64 / 1_024.0 / count as f64;
    let measured = format!("{each:.0} KB ({:.1} MB before {count} of them)", megabytes(before));
    Ok(Row::at_most("resident memory of an open enumeration", ONE_PAGE, "KB", each, measured))
}

/// A page of 512 000 bytes, and 64 rows of 2.2 KB.
const ONE_PAGE: f64 = 640.0;

/// Measures how often an idle service wakes up after a query.
fn idle() -> Result<Row> {
    let service = Telarchd::start(&[])?;
    let mut connection = Connection::plain(service.http())?;
    enumerate(&mut connection, "SELECT Name, ProcessId FROM Win32_Process")?;
    // Idle threads end after ten seconds.
    std::thread::sleep(Duration::from_secs(11));
    let before = switches(service.process())?;
    std::thread::sleep(Duration::from_secs(10));
    let rate = (switches(service.process())? - before) as f64 / 10.0;
    Ok(Row::at_most(
        "wake-ups of an idle service after a query",
        0.1,
        "per second",
        rate,
        format!("{rate:.1}"),
    ))
}

/// Returns the number of voluntary context switches of the threads of a process.
fn switches(process: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.ok_or("a thread does not tell its switches")?.trim().parse::<u64>()?;
    }
    Ok(sum)
}
