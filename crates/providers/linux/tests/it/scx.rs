//! Tests of `root/scx`: commands as SCOM runs them, and statistics.

use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use cim::{Identity, Instance, Name, Namespace, ObjectPath, Value};
use telarch_provider_linux::Machine;
use wmi::{Context, Error};

use crate::world::{in_world, run, sh};
use crate::{engine, text};

fn scx() -> Namespace {
    Namespace::parse("root/scx").unwrap()
}

async fn rows(query: &str) -> Vec<Instance> {
    let engine = engine(&Arc::new(Machine::this()));
    let mut rows = engine.query(&Context::of_this_process("alice"), &scx(), query).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().await {
        found.push(row.unwrap());
    }
    found
}

/// Calls a method of the operating system.
async fn call(method: &str, parameters: &[(&str, Value)]) -> Result<Instance, Error> {
    let class = Name::parse("SCX_OperatingSystem").unwrap();
    let path = ObjectPath { server: None, namespace: None, class, identity: Identity::Class };
    let input = |operation: &cim::Operation| {
        let begin = Instance::new(operation.input.clone());
        parameters.iter().try_fold(begin, |input, (name, value)| input.with(name, value.clone()))
    };
    let engine = engine(&Arc::new(Machine::this()));
    engine.invoke(&Context::of_this_process("alice"), &scx(), &path, method, input).await
}

fn answer(answer: &Instance) -> (String, String, String, String) {
    (text(answer, "ReturnValue"), text(answer, "ReturnCode"), text(answer, "StdOut"), text(answer, "StdErr"))
}

fn strings(answer: (&str, &str, &str, &str)) -> (String, String, String, String) {
    (answer.0.to_owned(), answer.1.to_owned(), answer.2.to_owned(), answer.3.to_owned())
}

#[tokio::test]
async fn commands_are_run_without_a_shell_and_with_one() {
    let plain = call("ExecuteCommand", &[("Command", "echo 'a  b' $HOME".into())]).await.unwrap();
    assert_eq!(answer(&plain), strings(("true", "0", "a  b $HOME\n", "")));
    let shell = call("ExecuteShellCommand", &[("Command", "echo $((6 * 7)); exit 5".into())]).await.unwrap();
    assert_eq!(answer(&shell), strings(("false", "5", "42\n", "")));
    let encoded = base64::engine::general_purpose::STANDARD.encode("echo über >&2");
    let parameters = [("Command", Value::from(encoded)), ("b64encoded", true.into())];
    let shell = call("ExecuteShellCommand", &parameters).await.unwrap();
    assert_eq!(answer(&shell), strings(("true", "0", "", "über\n")));
}

#[tokio::test]
async fn scripts_run_with_their_interpreter_and_arguments() {
    let script = "#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:])\n";
    let parameters = [("Script", script.into()), ("Arguments", "one 'two three'".into())];
    let python = call("ExecuteScript", &parameters).await.unwrap();
    assert_eq!(answer(&python), strings(("true", "0", "['one', 'two three']\n", "")));
    let shell = call("ExecuteScript", &[("Script", "echo \"$0\" >&2; test -r \"$0\"; echo $?".into())])
        .await
        .unwrap();
    assert_eq!(text(&shell, "StdOut"), "0\n");
    let file = text(&shell, "StdErr");
    assert!(!std::path::Path::new(file.trim()).exists(), "nothing of it is left");
}

#[tokio::test]
async fn job_failures_return_their_codes() {
    let missing = call("ExecuteCommand", &[("Command", "/nowhere/at-all".into())]).await.unwrap();
    assert_eq!(
        (text(&missing, "ReturnValue"), text(&missing, "ReturnCode")),
        ("false".to_owned(), "127".to_owned())
    );
    assert!(text(&missing, "StdErr").contains("/nowhere/at-all cannot be run"));
    let late = [("Command", Value::from("sleep 1000")), ("timeout", 1_u32.into())];
    let late = call("ExecuteCommand", &late).await.unwrap();
    assert_eq!(text(&late, "ReturnCode"), "-1");
    assert!(text(&late, "StdErr").contains("took longer than 1s"), "{}", text(&late, "StdErr"));
    for (parameters, problem) in [
        (vec![("Command", Value::from("echo 'a"))], "does not end"),
        (vec![("Command", "".into())], "Command is empty"),
        (vec![("Command", "id".into()), ("ElevationType", "doas".into())], "ElevationType is 'doas'"),
    ] {
        let error = call("ExecuteCommand", &parameters).await.unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
        assert_eq!(error.status(), cim::Status::InvalidParameter);
    }
}

#[tokio::test]
async fn statistics_have_an_aggregate_and_stay_within_their_types() {
    let found = rows("SELECT * FROM SCX_ProcessorStatisticalInformation").await;
    let total = found.iter().find(|row| text(row, "Name") == "_Total").unwrap();
    assert_eq!(text(total, "IsAggregate"), "true");
    let percent = |property: &str| text(total, property).parse::<u32>().unwrap();
    let sum = percent("PercentProcessorTime") + percent("PercentIdleTime") + percent("PercentIOWaitTime");
    assert!((98..=102).contains(&sum), "{sum} %");

    let memory = rows("SELECT * FROM SCX_MemoryStatisticalInformation").await;
    let of = |property: &str| text(&memory[0], property).parse::<u64>().unwrap();
    assert!((99..=101).contains(&(of("PercentAvailableMemory") + of("PercentUsedMemory"))));

    let ports = rows("SELECT * FROM SCX_EthernetPortStatistics WHERE InstanceID = 'LO'").await;
    assert_eq!(ports.len(), 1, "by name, without regard to case");
    let agent = rows("SELECT * FROM SCX_Agent").await;
    assert_eq!(text(&agent[0], "VersionString"), env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn processes_match_ps() {
    let mut child = std::process::Command::new("sh")
        .args(["-c", "echo; read x; exit", "a b"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let number = child.id().to_string();
    let found = rows(&format!("SELECT * FROM SCX_UnixProcess WHERE Handle = '{number}'")).await;
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    let ps = |field: &str| crate::output("ps", &["-o", &format!("{field}="), "-p", &number]);
    for (property, field) in [
        ("Name", "comm"),
        ("ParentProcessID", "ppid"),
        ("ProcessGroupID", "pgid"),
        ("ProcessSessionID", "sid"),
        ("ProcessTTY", "tty"),
        ("RealUserID", "ruid"),
    ] {
        assert_eq!(text(row, property), ps(field), "{property}");
    }
    let nice = ps("nice").parse::<i32>().unwrap() + 20;
    assert_eq!(text(row, "ProcessNiceValue"), nice.to_string());
    let parameters = ["sh", "-c", "echo; read x; exit", "a b"].map(str::to_owned).to_vec();
    assert_eq!(row.value("Parameters"), Some(&parameters.into()));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Calls a static method of a class on a machine.
async fn invoke(
    machine: &Arc<Machine>,
    class: &str,
    method: &str,
    parameters: &[(&str, Value)],
) -> Result<Instance, Error> {
    let class = Name::parse(class).unwrap();
    let path = ObjectPath { server: None, namespace: None, class, identity: Identity::Class };
    let input = |operation: &cim::Operation| {
        let begin = Instance::new(operation.input.clone());
        parameters.iter().try_fold(begin, |input, (name, value)| input.with(name, value.clone()))
    };
    engine(machine).invoke(&Context::of_this_process("alice"), &scx(), &path, method, input).await
}

#[tokio::test]
async fn log_lines_are_returned_once_per_reader() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let machine = Arc::new(Machine::this().keeping(folder.path(), Some(folder.path().join("mine"))));
    let call = async |method: &str, more: &[(&str, Value)]| {
        let name = log.display().to_string();
        let parameters = [&[("filename", Value::from(name)), ("qid", "a".into())], more].concat();
        invoke(&machine, "SCX_LogFile", method, &parameters).await.unwrap()
    };
    let expressions = ["error", "(", "[[:digit:]]{3}"].map(str::to_owned).to_vec();
    let rows = async || {
        let reported = call("GetMatchedRows", &[("regexps", expressions.clone().into())]).await;
        let rows = lines(&reported);
        assert_eq!(text(&reported, "ReturnValue"), rows.len().to_string());
        assert_eq!(rows[0], "InvalidRegexp;1");
        rows[1..].to_vec()
    };
    let add = |lines: &str| {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&log).unwrap();
        std::io::Write::write_all(&mut file, lines.as_bytes()).unwrap();
    };
    assert!(rows().await.is_empty(), "there is no file");
    add("an error of old\n");
    assert!(rows().await.is_empty(), "who comes first hears of what follows");
    add("error 123\nnothing\n456\nerror is not wh");
    assert_eq!(rows().await, ["0 2;error 123", "2;456"]);
    assert!(rows().await.is_empty());
    add("ole\n");
    assert_eq!(rows().await, ["0;error is not whole"]);
    // The rotated file is another file.
    std::fs::rename(&log, folder.path().join("app.log.1")).unwrap();
    add("error in a new file\n");
    assert_eq!(rows().await, ["0;error in a new file"]);
    add(&"error\n".repeat(700));
    let many = rows().await;
    assert_eq!((many.len(), many[500].as_str()), (501, "MoreRowsAvailable;true"));
    assert_eq!(rows().await.len(), 200);
    add("error unread\n");
    assert_eq!(text(&call("ResetStateFile", &[]).await, "ReturnValue"), "0");
    assert!(rows().await.is_empty(), "it was set to the end");
    add("error unread\n");
    call("ResetStateFile", &[("resetOnRead", true.into())]).await;
    assert!(rows().await.is_empty(), "reading sets it to the end");
    add("error unread\n");
    let begun =
        call("GetMatchedRows", &[("regexps", expressions.clone().into()), ("initialize", true.into())]).await;
    assert_eq!(text(&begun, "ReturnValue"), "1", "only the expression that is none is told of");
    for (parameters, problem) in [
        (vec![("filename", Value::from("app.log")), ("qid", "a".into())], "whole path"),
        (vec![("filename", "/var/log/x".into())], "qid is empty"),
        (vec![("filename", "/x".into()), ("qid", "a".into()), ("elevationType", "su".into())], "'su'"),
    ] {
        let error = invoke(&machine, "SCX_LogFile", "GetMatchedRows", &parameters).await.unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}

/// A file that the user cannot read is read with `sudo`, if sudo permits it.
#[test]
fn log_of_root_is_readable_through_sudo() {
    const NAME: &str = "scx::log_of_root_is_readable_through_sudo";
    in_world(NAME, &["sudo", "setpriv", "stat", "tail"], || {
        if rustix::process::geteuid().is_root() { as_root(NAME) } else { as_nobody() }
    });
}

/// Environment variable with the folder that both parts of the test share.
const MEETING: &str = "TELARCH_TEST_OF_SUDO";

/// Creates a log of root, permits `sudo` for the user nobody, and continues as that user.
fn as_root(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path).display().to_string();
    std::fs::write(at("log"), "an error of old\n").unwrap();
    std::fs::write(at("rules"), "nobody ALL=(root) NOPASSWD: ALL\n").unwrap();
    let program = std::env::current_exe().unwrap();
    // Only in the mounts of this world; the test program may be in a folder that the user cannot enter.
    sh(&format!(
        "chmod 755 {0}; chmod 600 {0}/log; chmod 440 {0}/rules; mkdir {0}/mine; chown nobody {0}/mine
         touch {0}/program; mount --bind {1} {0}/program; mount --bind {0}/rules /etc/sudoers",
        folder.path().display(),
        program.display()
    ));
    if Command::new("setpriv")
        .args(["--reuid=nobody", "--clear-groups", "sudo", "-n", "stat", "/"])
        .output()
        .is_ok_and(|done| !done.status.success())
    {
        skips::skip!("sudo does not work here, even where it is allowed");
        return;
    }
    let mut again = Command::new("setpriv");
    again.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", &at("program")]);
    again.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    let done = again.env(MEETING, folder.path()).current_dir("/").output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

fn as_nobody() {
    let folder = std::path::PathBuf::from(std::env::var_os(MEETING).unwrap());
    let log = folder.join("log").display().to_string();
    assert!(std::fs::read(&log).is_err(), "it is for root");
    let machine = Arc::new(Machine::this().keeping(folder.join("mine"), Some(folder.join("mine"))));
    let rows = |more: &[(&str, Value)]| {
        let parameters = [
            ("filename", log.clone().into()),
            ("qid", "a".into()),
            ("regexps", Value::Array(vec![Value::from("error")].into())),
        ];
        let parameters = [parameters.as_slice(), more].concat();
        run(invoke(&machine, "SCX_LogFile", "GetMatchedRows", &parameters))
    };
    let elevated = [("elevationType", Value::from("sudo"))];
    assert!(rows(&[]).is_err(), "without sudo it may not be read, which is said at once");
    assert_eq!(text(&rows(&elevated).unwrap(), "ReturnValue"), "0", "who comes first hears of what follows");
    sh(&format!("printf 'nothing\\nan error\\nerror is not wh' | sudo -n tee -a {log}"));
    assert_eq!(lines(&rows(&elevated).unwrap()), ["0;an error"]);
    sh(&format!("echo ole | sudo -n tee -a {log}"));
    assert_eq!(lines(&rows(&elevated).unwrap()), ["0;error is not whole"]);
    assert!(lines(&rows(&elevated).unwrap()).is_empty(), "each is told once");
    // A file that became shorter is read from its start, and a missing one has no lines.
    sh(&format!("echo error anew | sudo -n tee {log}"));
    assert_eq!(lines(&rows(&elevated).unwrap()), ["0;error anew"]);
    sh(&format!("sudo -n rm {log}"));
    assert!(lines(&rows(&elevated).unwrap()).is_empty());
}

/// Returns the lines in an answer.
fn lines(reported: &Instance) -> Vec<String> {
    let rows = reported.value("rows").unwrap().elements().iter();
    rows.map(|row| row.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn links_disks_and_file_systems_match_other_programs() {
    let address = rows("SELECT * FROM SCX_IPProtocolEndpoint WHERE Name = 'lo'").await;
    assert_eq!(
        ["IPv4Address", "SubnetMask", "PrefixLength", "EnabledState"].map(|name| text(&address[0], name)),
        ["127.0.0.1", "255.0.0.0", "8", "2"]
    );
    let found: Vec<String> =
        rows("SELECT * FROM SCX_LANEndpoint").await.iter().map(|row| text(row, "Name")).collect();
    let mut found = found;
    found.sort();
    assert_eq!(found.join("\n"), crate::output("ls", &["/sys/class/net"]));
    for row in rows("SELECT * FROM SCX_DiskDrive").await {
        let size = crate::output("cat", &[&format!("/sys/block/{}/size", text(&row, "Name"))])
            .parse::<u64>()
            .unwrap();
        assert_eq!(text(&row, "MaxMediaSize"), (size / 2).to_string());
    }
    for row in rows("SELECT * FROM SCX_FileSystem").await {
        let place = text(&row, "Name");
        let reported = crate::output("stat", &["--file-system", "--format=%c %S %b %l", &place]);
        let reported: Vec<u64> = reported.split(' ').map(|number| number.parse().unwrap()).collect();
        let inodes = if reported[0] == 0 { String::new() } else { reported[0].to_string() };
        let expected = [inodes, (reported[1] * reported[2]).to_string(), reported[3].to_string()];
        assert_eq!(
            ["TotalInodes", "FileSystemSize", "MaxFileNameLength"].map(|name| text(&row, name)),
            expected,
            "{place}"
        );
    }
}

#[tokio::test]
async fn processes_that_use_most_are_found() {
    let me = std::process::id().to_string();
    let query = format!("SELECT * FROM SCX_UnixProcessStatisticalInformation WHERE Handle = '{me}'");
    let found = rows(&query).await;
    let [row] = found.as_slice() else { panic!("{} rows", found.len()) };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap().split_whitespace().next().unwrap()
    };
    assert_eq!(
        [text(row, "VirtualText"), text(row, "CSCreationClassName")],
        [of("VmExe:"), "SCX_ComputerSystem"]
    );
    let used: u64 = text(row, "UsedMemory").parse().unwrap();
    let now: u64 = of("VmRSS:").parse().unwrap();
    assert!(used.abs_diff(now) < 64 << 10, "{used} and {now} KiB");

    let machine = Arc::new(Machine::this());
    let top = async |resource: &'static str| {
        let parameters = [("resource", Value::from(resource)), ("count", 3_u16.into())];
        invoke(&machine, "SCX_UnixProcess", "TopResourceConsumers", &parameters).await
    };
    let table = text(&top("usedmemory").await.unwrap(), "ReturnValue");
    let numbers: Vec<u64> =
        table.lines().skip(1).map(|line| line.split_whitespace().last().unwrap().parse().unwrap()).collect();
    assert!(numbers.len() == 3 && numbers.is_sorted_by(|left, right| left >= right), "{table}");
    assert!(top("Luck").await.unwrap_err().to_string().contains("resource is 'Luck'"));
}

#[tokio::test]
async fn application_servers_are_found_and_remembered() {
    let tree = crate::tree::Tree::new()
        .file("proc/stat", "btime 1700000000\n")
        .file("proc/77/stat", "77 (java) S 1 77 77 0 -1 4194304 10 20 3 40 5 6 7 8 20 -5 2 0 777 1000 250 18446744073709551615 1 2 3 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n")
        .file("proc/77/cmdline", "java\0-Dcatalina.home=/usr/share/tomcat\0-Dcatalina.base=/srv/one\0start\0")
        .file("srv/one/conf/server.xml", "<Server><Service><Connector port='8081'/></Service></Server>")
        .file("usr/share/tomcat/RELEASE-NOTES", "\n      Apache Tomcat Version 9.0.43\n");
    let machine = Arc::new(Machine::at(tree.path()).keeping(tree.path(), Some(tree.path().join("mine"))));
    let servers = async || {
        let query = "SELECT * FROM SCX_Application_Server";
        let engine = engine(&machine);
        let mut rows = engine.query(&Context::of_this_process("alice"), &scx(), query).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next().await {
            let row = row.unwrap();
            let columns = ["Name", "Type", "HttpPort", "Version", "IsRunning", "IsDeepMonitored"];
            found.push(columns.map(|name| text(&row, name)).join(" "));
        }
        found
    };
    assert_eq!(servers().await, ["/srv/one Tomcat 8081 9.0.43 true false"]);
    let watch = async |id: &'static str| {
        let parameters = [("id", Value::from(id)), ("deep", true.into()), ("protocol", "https".into())];
        invoke(&machine, "SCX_Application_Server", "SetDeepMonitoring", &parameters).await
    };
    assert_eq!(text(&watch("/srv/one").await.unwrap(), "ReturnValue"), "true");
    assert_eq!(watch("/srv/two").await.unwrap_err().status(), cim::Status::NotFound);
    assert_eq!(servers().await, ["/srv/one Tomcat 8081 9.0.43 true true"]);
    std::fs::remove_dir_all(tree.path().join("proc/77")).unwrap();
    assert_eq!(servers().await, ["/srv/one    false true"], "it is remembered");
}

#[tokio::test]
async fn application_server_files_that_are_pipes_do_not_block() {
    let stat = "(java) S 1 77 77 0 -1 4194304 10 20 3 40 5 6 7 8 20 -5 2 0 777 1000 250 18446744073709551615 1 2 3 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n";
    let tree = crate::tree::Tree::new()
        .file("proc/stat", "btime 1700000000\n")
        .file("proc/77/stat", format!("77 {stat}"))
        .file("proc/77/cmdline", "java\0-Dcatalina.home=/home/mallory\0")
        .link("home/mallory/RELEASE-NOTES", "/dev/zero")
        .file("home/mallory/conf/more.xml", "");
    let pipe = tree.path().join("home/mallory/conf/server.xml");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let machine = Arc::new(Machine::at(tree.path()));
    let engine = engine(&machine);
    let query = "SELECT * FROM SCX_Application_Server";
    let mut rows = engine.query(&Context::of_this_process("root"), &scx(), query).unwrap();
    let row = rows.next().await.unwrap().unwrap();
    let reported = ["Name", "HttpPort", "Version"].map(|name| text(&row, name));
    assert_eq!(reported, ["/home/mallory", "", ""]);
}
