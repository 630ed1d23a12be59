//! Compares `Win32_Process` and `Win32_Thread` with `ps`, and runs their methods on real processes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cim::{Instance, Namespace, Schema, Status, Value};
use telarch_provider_linux::Machine;

use crate::{call_on, machine as this, output, rows, rows_of, text};

/// A process that sleeps until the test ends.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for an effect of another process, which reports no event.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn process_values_match_ps() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo; read x; exit", "a b", "c"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut sleeper = Sleeper(shell.spawn().unwrap());
    std::io::Read::read_exact(sleeper.0.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let number = sleeper.0.id().to_string();
    let found = rows(&format!("SELECT * FROM Win32_Process WHERE ProcessId = {number}")).await;
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    let ps = |field: &str| output("ps", &["-o", &format!("{field}="), "-p", &number]);
    assert_eq!(text(row, "ParentProcessId"), ps("ppid"));
    assert_eq!(text(row, "ThreadCount"), ps("nlwp"));
    assert_eq!(text(row, "Caption"), ps("comm"));
    assert_eq!(text(row, "CommandLine"), "sh -c \"echo; read x; exit\" \"a b\" c");
    assert_eq!(text(row, "CommandLine").replace('"', ""), ps("args"));
    let octets = |property| text(row, property).parse::<u64>().unwrap();
    assert_eq!((octets("VirtualSize") / 1024).to_string(), ps("vsz"));
    // The kernel counts pages in batches, which it adds up occasionally.
    let resident = ps("rss").parse::<u64>().unwrap();
    assert!((octets("WorkingSetSize") / 1024).abs_diff(resident) <= resident / 4, "{resident}");
    let program = fs::read_link(format!("/proc/{number}/exe")).unwrap();
    assert_eq!(text(row, "ExecutablePath"), program.to_str().unwrap());
    assert_eq!(text(row, "Name"), program.file_name().unwrap().to_str().unwrap());
    let open = fs::read_dir(format!("/proc/{number}/fd")).unwrap().count();
    assert_eq!(text(row, "HandleCount"), open.to_string());
    let Some(Value::DateTime(cim::DateTime::Timestamp(created))) = row.value("CreationDate") else {
        panic!("no date")
    };
    let started = output("date", &["+%s", "-d", &ps("lstart")]).parse::<i64>().unwrap();
    // `ps` prints seconds, and rounds where this code does not.
    assert!((created.unix_micros() / 1_000_000 - started).abs() <= 1, "{created:?} and {started}");
}

#[tokio::test]
async fn overlong_command_line_does_not_hide_a_process() {
    let mut shell = Command::new("sh");
    // An argument has at most 128 KiB; each of these characters takes six bytes in XML.
    shell.args(["-c", "echo; read x; exit"]).args(["\"".repeat(100_000), "\"".repeat(100_000)]);
    let mut sleeper = Sleeper(shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    std::io::Read::read_exact(sleeper.0.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let number = sleeper.0.id();
    let found = rows(&format!("SELECT * FROM Win32_Process WHERE ProcessId = {number}")).await;
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    let octets: usize = row.values().iter().map(in_xml).sum();
    assert!((20_000..60_000).contains(&octets), "{octets}");
}

/// Returns the minimum size of a value's texts when written as properties.
fn in_xml(value: &Value) -> usize {
    let texts = value.elements().iter().filter_map(Value::as_str);
    texts.map(|text| text.replace('&', "&amp;").replace('"', "&quot;").len()).sum()
}

#[tokio::test]
async fn all_processes_of_ps_are_listed_with_their_parents() {
    let sleeper = Sleeper::start();
    let listed = |text: String| -> BTreeSet<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let before = listed(output("ps", &["-e", "-o", "pid=,ppid=,comm="]));
    let found = rows("SELECT ProcessId, ParentProcessId, Caption FROM Win32_Process").await;
    let after = listed(output("ps", &["-e", "-o", "pid=,ppid=,comm="]));
    let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let ours: BTreeSet<String> = found
        .iter()
        .map(|row| ["ProcessId", "ParentProcessId", "Caption"].map(|name| text(row, name)).join(" "))
        .map(words)
        .collect();
    assert_eq!(ours.len(), found.len(), "a process is there twice");
    // Other tests start and end processes, so only processes present all the time must be found. Kernel
    // threads are named after their current work, and ps marks ended processes.
    let is_steady = |line: &&String| !line.ends_with(" <defunct>") && !line.contains(" kworker/");
    let missing: Vec<_> =
        before.intersection(&after).filter(is_steady).filter(|line| !ours.contains(*line)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(ours.iter().any(|line| line.starts_with(&format!("{} ", sleeper.0.id()))));
}

#[tokio::test]
async fn only_selected_columns_are_read() {
    let sleeper = Sleeper::start();
    let opened = async |query: &str| {
        let machine = this();
        let found = rows_of(&machine, query).await;
        (found.len(), machine.opened())
    };
    let number = sleeper.0.id();
    let by_number = format!("SELECT Name FROM Win32_Process WHERE ProcessId = {number}");
    assert_eq!(opened(&by_number).await, (1, 4), "/proc, the folder in it, its stat, and where exe leads");
    let by_key = format!("SELECT ParentProcessId FROM Win32_Process WHERE Handle = '{number}'");
    assert_eq!(opened(&by_key).await, (1, 3));
    let (_, all) = opened(&format!("SELECT * FROM Win32_Process WHERE Handle = '{number}'")).await;
    assert!(all <= 14, "{all} files for one process");
    let machine = this();
    let me = std::process::id();
    let children =
        rows_of(&machine, &format!("SELECT * FROM Win32_Process WHERE ParentProcessId = {me}")).await;
    assert!(children.iter().any(|row| text(row, "Handle") == number.to_string()));
    let processes = output("sh", &["-c", "ls -d /proc/[0-9]* | wc -l"]).parse::<u64>().unwrap();
    let most = 2 * (processes + 20) + 16 * u64::try_from(children.len()).unwrap();
    assert!(machine.opened() <= most, "{} files for {processes} processes", machine.opened());
    assert_eq!(opened("SELECT * FROM Win32_Process WHERE Handle = '007'").await.0, 0);
    assert_eq!(opened("SELECT * FROM Win32_Process WHERE Handle = 'self'").await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn created_process_runs_as_caller_and_is_terminated() {
    let folder = tempfile::tempdir().unwrap();
    let reported = folder.path().join("told");
    let script = "id -u > it; pwd >> it; echo \"$GIVEN\" >> it; mv it told; exec sleep 1000";
    let startup = Schema::of(Namespace::cimv2()).class("Win32_ProcessStartup").unwrap();
    let path = format!("PATH={}", std::env::var("PATH").unwrap());
    let startup = Instance::new(startup)
        .with("EnvironmentVariables", vec!["GIVEN=a = b".to_owned(), path])
        .unwrap()
        .with("PriorityClass", 16_384_u32)
        .unwrap();
    let machine = this();
    let created = call_on(
        &machine,
        "Win32_Process",
        "Create",
        &[
            ("CommandLine", Value::text(format!("sh -c '{script}'"))),
            ("CurrentDirectory", Value::text(folder.path().to_str().unwrap())),
            ("ProcessStartupInformation", startup.into()),
        ],
    )
    .await
    .unwrap();
    assert_eq!(text(&created, "ReturnValue"), "0");
    let number = text(&created, "ProcessId");
    wait_for("the process does not run", || reported.exists());
    let at = folder.path().canonicalize().unwrap();
    let expected = format!("{}\n{}\na = b\n", output("id", &["-u"]), at.display());
    assert_eq!(fs::read_to_string(&reported).unwrap(), expected);
    assert_eq!(output("ps", &["-o", "nice=", "-p", &number]), "10");
    assert_eq!(output("ps", &["-o", "tty=", "-p", &number]), "?");

    let target = format!("Win32_Process.Handle='{number}'");
    let owner = call_on(&machine, &target, "GetOwner", &[]).await.unwrap();
    assert_eq!((text(&owner, "ReturnValue").as_str(), text(&owner, "User")), ("0", output("id", &["-un"])));
    assert_eq!(text(&owner, "Domain"), machine.host_name());
    let priority = call_on(&machine, &target, "SetPriority", &[("Priority", 64_i32.into())]).await.unwrap();
    assert_eq!(text(&priority, "ReturnValue"), "0");
    assert_eq!(output("ps", &["-o", "nice=", "-p", &number]), "19");
    let wrong = call_on(&machine, &target, "SetPriority", &[("Priority", 65_i32.into())]).await.unwrap();
    assert_eq!(text(&wrong, "ReturnValue"), "21");
    let debugger = call_on(&machine, &target, "AttachDebugger", &[]).await.unwrap();
    assert_eq!(text(&debugger, "ReturnValue"), "8", "there is no debugger to attach");
    let space = call_on(&machine, &target, "GetAvailableVirtualSize", &[]).await.unwrap();
    assert!(text(&space, "AvailableVirtualSize").parse::<u64>().unwrap() > 1 << 40);

    let ended = call_on(&machine, &target, "Terminate", &[("Reason", 1_u32.into())]).await.unwrap();
    assert_eq!(text(&ended, "ReturnValue"), "0");
    wait_for("it stays a zombie", || !Path::new(&format!("/proc/{number}")).exists());
    for method in ["Terminate", "GetOwner", "SetPriority"] {
        let gone = call_on(&machine, &target, method, &[]).await.unwrap_err();
        assert_eq!(gone.status(), Status::NotFound, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_process_creation_returns_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no program").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    for (line, at, expected) in [
        ("no-such-program-at-all", "/", "9"),
        ("/no/such/program", "/", "9"),
        (file.to_str().unwrap(), "/", "2"),
        ("sh -c 'x", "/", "21"),
        ("  ", "/", "21"),
        ("true", "/no/such/folder", "21"),
        ("true", "not/from/the/root", "21"),
    ] {
        let parameters = [("CommandLine", Value::text(line)), ("CurrentDirectory", Value::text(at))];
        let created = call_on(&this(), "Win32_Process", "Create", &parameters).await.unwrap();
        assert_eq!(text(&created, "ReturnValue"), expected, "{line} at {at}");
        assert!(created.value("ProcessId").unwrap().is_null());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn process_ignoring_sigterm_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let script = format!("trap '' TERM; touch {}; while :; do read x; done < /dev/zero", ready.display());
    let stubborn = Sleeper(Command::new("sh").args(["-c", &script]).spawn().unwrap());
    wait_for("it does not run", || ready.exists());
    let target = format!("Win32_Process.Handle='{}'", stubborn.0.id());
    let ended = call_on(&this(), &target, "Terminate", &[]).await.unwrap();
    assert_eq!(text(&ended, "ReturnValue"), "0");
    let mut stubborn = stubborn;
    assert_eq!(stubborn.0.wait().unwrap().to_string(), "signal: 9 (SIGKILL)");
}

#[tokio::test(flavor = "multi_thread")]
async fn short_lived_processes_do_not_hide_others() {
    let sleepers: Vec<_> = (0..20).map(|_| Sleeper::start()).collect();
    let steady: BTreeSet<String> = sleepers.iter().map(|sleeper| sleeper.0.id().to_string()).collect();
    // Each iteration of the loop is a process.
    let fork = "while :; do (:) ; done";
    let _forkers: Vec<_> =
        (0..2).map(|_| Sleeper(Command::new("sh").args(["-c", fork]).spawn().unwrap())).collect();
    let first = forks();
    let mut enumerations = 0;
    while enumerations < 50 || forks() - first < 1_000 {
        are_whole(&rows("SELECT * FROM Win32_Process").await, &steady);
        enumerations += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_queries_return_every_process() {
    let steady: Vec<_> = (0..20).map(|_| Sleeper::start()).collect();
    let handles: BTreeSet<String> = steady.iter().map(|sleeper| sleeper.0.id().to_string()).collect();
    let engine = crate::engine(&this());
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let engine = engine.clone();
        asking.spawn(async move { crate::rows_from(&engine, "SELECT * FROM Win32_Process").await });
    }
    let mut reported = 0;
    while let Some(found) = asking.join_next().await {
        are_whole(&found.unwrap(), &handles);
        reported += 1;
    }
    assert_eq!(reported, 20);
}

/// Checks that no process is listed twice or without a name, and that all steady processes are listed.
fn are_whole(found: &[Instance], steady: &BTreeSet<String>) {
    let handles: BTreeSet<_> = found.iter().map(|row| text(row, "Handle")).collect();
    assert_eq!(handles.len(), found.len(), "a process is there twice");
    assert!(found.iter().all(|row| !row.value("Name").unwrap().is_null()));
    let hidden: Vec<_> = steady.difference(&handles).collect();
    assert!(hidden.is_empty(), "{hidden:?} are not told of");
}

/// Returns the number of processes created since the start of the kernel (proc_stat(5)).
fn forks() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap();
    text.lines().find_map(|line| line.strip_prefix("processes ")).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn ten_thousand_processes_are_enumerated() {
    let folder = tempfile::tempdir().unwrap();
    let proc = folder.path().join("proc");
    fs::create_dir(&proc).unwrap();
    fs::write(proc.join("stat"), "btime 1700000000\n").unwrap();
    for number in 1..=10_000 {
        let at = proc.join(number.to_string());
        fs::create_dir(&at).unwrap();
        let parent = number / 2;
        let line = format!(
            "{number} (program) S {parent} 1 1 0 -1 0 7 0 1 0 5 6 0 0 20 0 3 0 100 4096 2 18446744073709551615 1 1 0 0 \
             0 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n"
        );
        fs::write(at.join("stat"), line).unwrap();
    }
    let machine = Arc::new(Machine::at(folder.path()));
    assert_eq!(rows_of(&machine, "SELECT * FROM Win32_Process").await.len(), 10_000);
    let before = machine.opened();
    let found = rows_of(&machine, "SELECT * FROM Win32_Process WHERE ParentProcessId = 21").await;
    let numbers: Vec<_> = found.iter().map(|row| text(row, "ProcessId")).collect();
    assert_eq!(numbers, ["42", "43"]);
    assert!(machine.opened() - before < 20_100, "of the others only stat is read");
    let [row, ..] = found.as_slice() else { panic!("no row") };
    assert_eq!(
        text(row, "CreationDate"),
        output("date", &["-d", "@1700000001", "+%Y%m%d%H%M%S.000000"]) + &offset()
    );
    assert_eq!((text(row, "UserModeTime"), text(row, "KernelModeTime")), ("500000".into(), "600000".into()));
    assert!(row.value("CommandLine").unwrap().is_null(), "what is not there is NULL");
}

/// A tree with processes called `program`: 1 and 2 have a program file, 3 has none, 4 has no memory, and of 5
/// only the number exists.
fn five_processes() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let proc = folder.path().join("proc");
    for number in 1..=5 {
        let at = proc.join(number.to_string());
        fs::create_dir_all(&at).unwrap();
        let size = if number == 4 { 0 } else { 4096 };
        let line = format!(
            "{number} (program) S 1 1 1 0 -1 0 7 0 1 0 5 6 0 0 20 0 3 0 100 {size} 2 18446744073709551615 1 1 0 0 0 0 \
             0 0 0 0 0 0 17 0 0 0 0 0 0\n"
        );
        if number < 5 {
            fs::write(at.join("stat"), line).unwrap();
        }
        if number < 3 {
            std::os::unix::fs::symlink(format!("/opt/file {number} (deleted)"), at.join("exe")).unwrap();
        }
    }
    folder
}

#[tokio::test]
async fn process_name_needs_only_the_program_link() {
    let folder = five_processes();
    let requested = async |query: &str| {
        let machine = Arc::new(Machine::at(folder.path()));
        let found = rows_of(&machine, query).await;
        let named = found.iter().map(|row| (text(row, "ProcessId"), text(row, "Name"))).collect::<Vec<_>>();
        (named, machine.opened())
    };
    let (named, opened) = requested("SELECT Name, ProcessId FROM Win32_Process").await;
    let names = ["file 1", "file 2", "program", "program"].map(str::to_owned);
    let expected: Vec<_> = (1..).map(|number: u32| number.to_string()).zip(names).collect();
    assert_eq!(named, expected, "what is gone is left out");
    // For the last three also the folder, and for those that exist also stat.
    assert_eq!(opened, 2 + 5 + 3 + 3, "/proc and its list, where five programs are, and the rest");
    let (named, _) = requested("SELECT Name, ProcessId, ThreadCount FROM Win32_Process").await;
    assert_eq!(named, expected, "it is the same by other files");
    let (named, _) = requested("SELECT Name, ProcessId FROM Win32_Process WHERE ProcessId > 0").await;
    assert_eq!(named, expected, "and where something else decides");
    let handles = rows_of(&Arc::new(Machine::at(folder.path())), "SELECT Handle FROM Win32_Process").await;
    assert_eq!(handles.len(), 4, "a number is no process");
}

#[tokio::test]
async fn script_process_has_the_name_of_its_interpreter() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("tiny");
    fs::write(&script, "#!/bin/sh\necho\nread x\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let mut started = Command::new(&script);
    started.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut started = Sleeper(started.spawn().unwrap());
    std::io::Read::read_exact(started.0.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let number = started.0.id();
    let found = rows("SELECT Name, ProcessId FROM Win32_Process").await;
    let row = found.iter().find(|row| text(row, "ProcessId") == number.to_string()).unwrap();
    let program = fs::canonicalize("/bin/sh").unwrap();
    assert_eq!(text(row, "Name"), program.file_name().unwrap().to_str().unwrap());
    let query = format!("SELECT Caption FROM Win32_Process WHERE ProcessId = {number}");
    assert_eq!(text(&rows(&query).await[0], "Caption"), "tiny");
}

/// Returns the offset of this machine in minutes, in the form of the end of a `datetime`.
fn offset() -> String {
    let text = output("date", &["-d", "@1700000001", "+%:z"]);
    let (hours, minutes) = text[1..].split_once(':').unwrap();
    format!("{}{:03}", &text[..1], hours.parse::<u32>().unwrap() * 60 + minutes.parse::<u32>().unwrap())
}

#[tokio::test]
async fn threads_are_those_of_their_process() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let (named, is_named) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::Builder::new().name("one-of-many".to_owned()).spawn(move || {
        named.send(()).unwrap();
        receiver.recv()
    });
    is_named.recv().unwrap();
    let me = std::process::id().to_string();
    let found = rows(&format!("SELECT * FROM Win32_Thread WHERE ProcessHandle = '{me}'")).await;
    let named: Vec<_> = found.iter().filter(|row| text(row, "Name") == "one-of-many").collect();
    let [row] = named.as_slice() else { panic!("{} of {}", named.len(), found.len()) };
    let number = text(row, "Handle");
    assert!(found.iter().any(|row| text(row, "Handle") == me), "the first thread is one too");
    let one =
        rows(&format!("SELECT * FROM Win32_Thread WHERE Handle='{number}' AND ProcessHandle='{me}'")).await;
    assert_eq!(one.len(), 1);
    let none = rows(&format!("SELECT * FROM Win32_Process WHERE Handle = '{number}'")).await;
    assert!(none.is_empty(), "a thread is no process, although the kernel shows it as one");
    sender.send(()).unwrap();
    thread.unwrap().join().unwrap().unwrap();
}

#[tokio::test]
async fn the_system_has_its_processes() {
    let sleeper = Sleeper::start();
    let machine = this();
    let query = format!(
        "REFERENCES OF {{Win32_Process.Handle='{}'}} WHERE ResultClass=Win32_SystemProcesses",
        sleeper.0.id()
    );
    let found = rows_of(&machine, &query).await;
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    assert_eq!(text(row, "PartComponent"), format!("Win32_Process.Handle=\"{}\"", sleeper.0.id()));
    assert_eq!(text(row, "GroupComponent"), format!("Win32_ComputerSystem.Name=\"{}\"", machine.host_name()));
    assert!(machine.opened() <= 3, "the others are not looked at");
}
