//! `telarch ipmi` with many controllers: scan, audit, export, and faulty controllers.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use telarch_simulated_bmc::{Board, ControllerGroup, Network, SimulatedBmc, settings, settings_with_suites};

use crate::{Ran, run, telarch};

fn ipmi(arguments: &[&str]) -> Ran {
    let mut command = telarch(&["ipmi"]);
    run(command.args(arguments).env("TELARCH_IPMI_PASSWORD", "admin-pw"), "")
}

fn json(ran: &Ran) -> Vec<Value> {
    let parsed: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{} {}", ran.out, ran.errors));
    parsed.as_array().unwrap().clone()
}

#[test]
fn a_scan_lists_controllers_with_their_authentication() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let group =
        ControllerGroup::of(vec![(settings_with_suites(&[3, 17]), Board::default())], Network::default());
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hosts = format!("{silent},{},{}", bmc.address(), group.addresses()[0]);
    let ran = ipmi(&["scan", "-H", &hosts, "--limit", "1", "--format", "json"]);
    assert_eq!((ran.code, ran.errors.as_str()), (0, "telarch: 2 of 3 responded\n"));
    let found = json(&ran);
    assert_eq!(found[0]["host"], bmc.address());
    assert_eq!((&found[0]["ipmi"], &found[0]["ping"]), (&"1.5 and 2.0".into(), &true.into()));
    assert_eq!(found[1]["suites"], "3 17");
    assert_eq!((&found[0]["users"], &found[0]["kg"]), (&"named unnamed".into(), &false.into()));
}

/// An unresolvable name: a label of a name has at most 63 characters, so that no DNS server is asked.
const INVALID_NAME: &str = "no-part-of-a-name-may-have-more-than-sixty-three-letters-but-this-one-has";

#[test]
fn a_scan_prints_controllers_as_they_are_found() {
    let group = ControllerGroup::start(1, Network::default());
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bmc = group.addresses()[0];
    let mut scan = telarch(&["ipmi", "scan", "-H", &format!("{bmc},{silent}"), "--limit", "3600"]);
    let mut scan = scan.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(scan.stdout.take().unwrap()).read_line(&mut line).unwrap();
    scan.kill().unwrap();
    scan.wait().unwrap();
    assert!(line.starts_with(&format!("{bmc}: ping yes")), "{line}");
}

/// Returns the first output of a program that waits for a silent controller.
fn first_printed(arguments: &[&str], end: &str) -> String {
    let mut program = telarch(&["ipmi"]);
    program.args(arguments).args(["--limit", "3600"]).env("TELARCH_IPMI_PASSWORD", "admin-pw");
    let mut program = program.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut out, mut printed) = (BufReader::new(program.stdout.take().unwrap()), String::new());
    while !printed.ends_with(end) {
        assert_ne!(out.read_line(&mut printed).unwrap(), 0, "{printed}");
    }
    program.kill().unwrap();
    program.wait().unwrap();
    printed
}

#[test]
fn responses_are_printed_while_others_are_pending() {
    let group = ControllerGroup::start(2, Network::default());
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let [one, other] = [0, 1].map(|place| group.addresses()[place]);
    let hosts = format!("{one},{other},{silent}");
    let requested = ["power", "status", "-U", "admin", "-H", &hosts];
    let text = first_printed(&requested, &format!("{other}: Chassis Power is on\n"));
    assert_eq!(text.lines().count(), 2, "{text}");
    let json = first_printed(&[&requested[..], &["--format", "json"]].concat(), "  },\n");
    assert!(json.starts_with("[\n  {\n    \"host\": "), "{json}");
    let audited = first_printed(&["audit", "-H", &format!("{one},{silent}")], "\n");
    assert!(audited.starts_with(&format!("{one}: ")), "{audited}");
}

#[test]
fn output_is_in_the_order_of_the_command_line() {
    let slow = Network { delay: Duration::from_millis(150), ..Network::default() };
    let (slow, quick) = (ControllerGroup::start(1, slow), ControllerGroup::start(2, Network::default()));
    let hosts =
        [quick.addresses()[1], slow.addresses()[0], quick.addresses()[0]].map(|host| host.to_string());
    let requested = ["power", "status", "-U", "admin", "-H", &hosts.join(",")];
    let printed = ipmi(&requested).out;
    assert_eq!(printed.lines().map(|line| line.split_once(": ").unwrap().0).collect::<Vec<_>>(), hosts);
    let named = json(&ipmi(&[&requested[..], &["--format", "json"]].concat()));
    assert_eq!(named.iter().map(|row| row["host"].as_str().unwrap()).collect::<Vec<_>>(), hosts);
}

#[test]
fn no_further_controller_is_contacted_after_output_is_closed() {
    let group = ControllerGroup::start(1, Network::default());
    let silent = [0; 3].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
    let [first, second, last] = silent.each_ref().map(|silent| silent.local_addr().unwrap());
    let hosts = format!("{},{first},{second},{last}", group.addresses()[0]);
    let mut program = telarch(&["ipmi", "sensors", "-U", "admin", "-H", &hosts]);
    program.args(["--limit", "5", "--parallel", "1"]).env("TELARCH_IPMI_PASSWORD", "admin-pw");
    let mut program = program.stdout(Stdio::piped()).spawn().unwrap();
    drop(program.stdout.take());
    assert!(program.wait().unwrap().success());
    let [.., last] = silent;
    last.set_nonblocking(true).unwrap();
    assert!(last.recv(&mut [0; 64]).is_err(), "it was asked");
}

#[test]
fn a_scan_raises_the_limit_of_open_files() {
    let group = ControllerGroup::start(40, Network::default());
    let hosts: Vec<String> = group.addresses().iter().map(ToString::to_string).collect();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -n 24 && exec \"$0\" ipmi scan -H \"$1\""]);
    let ran = run(command.arg(env!("CARGO_BIN_EXE_telarch")).arg(hosts.join(",")), "");
    assert_eq!((ran.code, ran.errors.as_str()), (0, "telarch: 40 of 40 responded\n"));
}

#[test]
fn a_scan_reports_unresolvable_names() {
    let group = ControllerGroup::start(1, Network::default());
    let ran = ipmi(&["scan", "-H", &format!("{INVALID_NAME},{}", group.addresses()[0])]);
    assert_eq!((ran.code, ran.out.lines().count()), (1, 1), "{} {}", ran.out, ran.errors);
    let reported =
        format!("telarch: 1 of 2 responded\ntelarch: {INVALID_NAME}: cannot resolve the host name: ");
    assert!(ran.errors.starts_with(&reported), "{}", ran.errors);
}

#[test]
fn an_audit_with_failures_reports_critical_findings_too() {
    let group = ControllerGroup::start(1, Network::default());
    let ran = ipmi(&["audit", "-H", &format!("{INVALID_NAME},{}", group.addresses()[0])]);
    assert_eq!(ran.code, 1);
    let lines: Vec<&str> = ran.errors.lines().collect();
    assert!(lines[0].starts_with(&format!("telarch: {INVALID_NAME}: ")), "{}", ran.errors);
    assert_eq!(lines[1], "telarch: 1 of 2 controllers with critical findings");
}

#[test]
fn an_audit_reports_weaknesses_with_remedies() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ran = ipmi(&["audit", "-H", &bmc.address(), "-U", "admin", "--format", "json"]);
    assert_eq!((ran.code, ran.errors.as_str()), (1, "telarch: 1 of 1 controllers with critical findings\n"));
    let findings = json(&ran);
    for (severity, part) in [
        ("critical", "cipher suite 0 allows login without a password"),
        ("critical", "without authentication"),
        ("warning", "discloses password hashes"),
        ("warning", "whether a user name exists"),
        ("warning", "user 1 has no name"),
        ("note", "firmware 9.08"),
    ] {
        let is_it = |finding: &&Value| finding["finding"].as_str().unwrap().contains(part);
        let finding = findings.iter().find(is_it).unwrap_or_else(|| panic!("{part} is not in {findings:?}"));
        assert_eq!(finding["severity"], severity, "{finding}");
    }
    assert!(findings.iter().all(|finding| !finding["way_out"].as_str().unwrap().is_empty()));
}

#[test]
fn an_audit_of_a_secure_controller_has_no_critical_findings() {
    let careful = settings(0).lan15(Vec::new());
    let group = ControllerGroup::of(vec![(careful, Board::default())], Network::default());
    let ran = ipmi(&["audit", "-H", &group.addresses()[0].to_string(), "--format", "json"]);
    assert_eq!((ran.code, ran.errors.as_str()), (0, ""), "{}", ran.out);
    assert!(json(&ran).iter().all(|finding| finding["severity"] != "critical"), "{}", ran.out);
}

/// A running exporter, which ends when this is dropped.
struct Exporter {
    program: Child,
    address: String,
    errors: BufReader<ChildStderr>,
}

impl Exporter {
    fn start(hosts: &str) -> Self {
        let mut command =
            telarch(&["ipmi", "export", "--listen", "127.0.0.1:0", "--every", "1", "--limit", "2"]);
        command.args(["-U", "admin", "-H", hosts]).env("TELARCH_IPMI_PASSWORD", "admin-pw");
        let mut program = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut errors = BufReader::new(program.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        let address = line.trim().strip_suffix("/metrics").and_then(|line| line.rsplit_once("http://"));
        let address = address.unwrap_or_else(|| panic!("{line}")).1.to_owned();
        Self { program, address, errors }
    }

    /// Returns the next line of standard error.
    fn next_message(&mut self) -> String {
        let mut line = String::new();
        self.errors.read_line(&mut line).unwrap();
        line
    }

    fn get(&self, target: &str) -> String {
        self.ask("GET", target)
    }

    fn ask(&self, method: &str, target: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "{method} {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// Polls the metrics until they contain a text.
    fn wait_for(&self, part: &str) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let page = self.get("/metrics");
            if page.contains(part) {
                return page;
            }
            assert!(Instant::now() < until, "{part} is not in {page}");
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[test]
fn all_controllers_are_exported_and_silent_ones_delay_none() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (good, bad) = (bmc.address(), silent.local_addr().unwrap().to_string());
    let mut exporter = Exporter::start(&format!("{good},{bad}"));
    assert!(exporter.next_message().starts_with(&format!("telarch: {bad}: no answer")));
    let page = exporter.wait_for(&format!("ipmi_up{{bmc=\"{good}\",collector=\"ipmi\"}} 1"));
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("text/plain; version=0.0.4"), "{page}");
    assert!(
        page.contains(&format!(
            "ipmi_temperature_celsius{{bmc=\"{good}\",id=\"1\",name=\"CPU1 Temp\"}} 45\n"
        ))
    );
    exporter.wait_for(&format!("ipmi_up{{bmc=\"{bad}\",collector=\"ipmi\"}} 0"));
    let one = exporter.get(&format!("/ipmi?target={}", good.replace(':', "%3A")));
    // The target is no label, as with ipmi_exporter.
    assert!(one.contains("\nipmi_sel_logs_count{} ") && !one.contains("bmc="), "{one}");
    assert!(one.contains("\nipmi_up{collector=\"bmc-watchdog\"} 1\n"), "{one}");
    let module = exporter.get(&format!("/ipmi?target={good}&module=sel"));
    assert!(module.contains("ipmi_sel_logs_count") && !module.contains("ipmi_temperature"), "{module}");
    assert!(module.contains("collector=\"sel\"") && !module.contains("collector=\"ipmi\""), "{module}");
    assert!(exporter.get(&format!("/ipmi?target={good}&module=x")).starts_with("HTTP/1.1 400 "));
    assert!(exporter.get("/ipmi?module=sel").starts_with("HTTP/1.1 400 "));
    // Only controllers of the command line are exported.
    let refused = exporter.get("/ipmi?target=127.0.0.1");
    assert!(refused.starts_with("HTTP/1.1 400 ") && refused.contains("with -H"), "{refused}");
    assert!(exporter.get("/secrets").starts_with("HTTP/1.1 404 "));
    let head = exporter.ask("HEAD", "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    let refused = exporter.ask("DELETE", "/metrics");
    assert!(
        refused.starts_with("HTTP/1.1 405 ") && refused.contains("\r\nAllow: GET, HEAD\r\n"),
        "{refused}"
    );
    let process = Pid::from_child(&exporter.program);
    kill_process(process, Signal::TERM).unwrap();
    assert!(exporter.program.wait().unwrap().success());
}

#[test]
fn pages_are_read_by_the_parser_of_prometheus() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let peers = std::env::var_os("TELARCH_PEERS");
    let peers =
        peers.map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../.peers").into(), PathBuf::from);
    let python = || Command::new(peers.join("bin/python"));
    if !python().args(["-c", "import prometheus_client"]).output().is_ok_and(|ran| ran.status.success()) {
        skips::skip!("prometheus_client is missing: ./test --install installs it");
        return;
    }
    let exporter = Exporter::start(&bmc.address());
    exporter.wait_for("collector=\"ipmi\"} 1");
    let page = exporter.get(&format!("/ipmi?target={}", bmc.address()));
    let (_, page) = page.split_once("\r\n\r\n").unwrap();
    let script = "import json, sys\n\
        from prometheus_client.parser import text_string_to_metric_families as parse\n\
        print(json.dumps([[s.name, s.labels, str(float(s.value))] for f in parse(sys.stdin.read()) for s in f.samples]))";
    let ran = run(python().args(["-c", script]), page);
    assert_eq!((ran.code, ran.errors.as_str()), (0, ""));
    let samples: Vec<(String, BTreeMap<String, String>, String)> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(samples.len(), page.lines().filter(|line| !line.starts_with('#')).count());
    let of = |name: &str, label: &str, text: &str| {
        let mut found = samples.iter().filter(|(known, labels, _)| {
            known == name && (label.is_empty() || labels.get(label).is_some_and(|known| known == text))
        });
        let (_, labels, value) = found.next().unwrap_or_else(|| panic!("no {name} with {label} {text}"));
        (labels.keys().map(String::as_str).collect::<Vec<_>>(), value.clone())
    };
    assert_eq!(of("ipmi_temperature_celsius", "name", "CPU1 Temp"), (vec!["id", "name"], "45.0".to_owned()));
    assert_eq!(of("ipmi_sensor_state", "type", "Power Supply").0, ["id", "name", "type"]);
    assert_eq!(of("ipmi_up", "collector", "ipmi").1, "1.0");
    // The simulator does not support DCMI.
    assert_eq!(of("ipmi_up", "collector", "dcmi").1, "0.0");
    assert_eq!(of("ipmi_bmc_watchdog_timeout_action_state", "action", "None").1, "1.0");
    assert_eq!(of("ipmi_bmc_info", "manufacturer_id", "4753").1, "1.0");
    assert!(of("ipmi_scrape_duration_seconds", "", "").0.is_empty());
}

#[test]
fn each_faulty_controller_has_its_own_message() {
    let mut lying = Board::default();
    let mut records = (*lying.records).clone();
    // Records with a wrong length, with an unknown type, and truncated.
    records[3][4] = 0xff;
    records[4][3] = 0x7f;
    records[5].truncate(7);
    lying.records = records.into();
    let machines = vec![
        (settings(0), Board::default()),
        (settings(1), lying),
        (settings_with_suites(&[3]), Board::default()),
    ];
    let group = ControllerGroup::of(machines, Network::default());
    let lossy = ControllerGroup::start(
        1,
        Network { lost: 5, twice: 5, delay: Duration::from_millis(1), jitter: Duration::from_millis(5) },
    );
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (silent, lossy) = (silent.local_addr().unwrap().to_string(), lossy.addresses()[0].to_string());
    let all: Vec<String> = group.addresses().iter().map(ToString::to_string).collect();
    let [good, lying, old] = all.as_slice() else { panic!("{all:?}") };
    let hosts = format!("{silent},{good},{lying},{old},{lossy}");
    let ran =
        ipmi(&["sensors", "-U", "admin", "--suite", "17", "-H", &hosts, "--limit", "10", "--format", "json"]);
    assert_eq!(ran.code, 1);
    let answers = json(&ran);
    let of = |host: &str| answers.iter().filter(|row| row["host"] == host).collect::<Vec<_>>();
    assert_eq!((of(good).len(), of(&lossy).len()), (29, 29));
    assert!(of(lying).len() >= 20, "{} {}", of(lying).len(), ran.errors);
    let lines: Vec<&str> = ran.errors.lines().filter(|line| line.starts_with("telarch: ")).collect();
    assert_eq!(lines.len(), 2, "{}", ran.errors);
    assert!(lines[0].starts_with(&format!("telarch: {silent}: no answer")), "{}", ran.errors);
    assert!(
        lines[1].starts_with(&format!("telarch: {old}: ")) && lines[1].contains("cipher suite"),
        "{}",
        ran.errors
    );
    let wrong = run(
        telarch(&["ipmi", "sensors", "-U", "admin", "-H", good]).env("TELARCH_IPMI_PASSWORD", "wrong"),
        "",
    );
    assert!(wrong.code == 1 && wrong.errors.contains("wrong password"), "{}", wrong.errors);
}

#[test]
fn a_controller_that_restarts_during_a_run_is_reported() {
    let again = Board { starts_again_after: Some(12), ..Board::default() };
    let machines = vec![(settings(70), again), (settings(71), Board::default())];
    let group = ControllerGroup::of(machines, Network::default());
    let all: Vec<String> = group.addresses().iter().map(ToString::to_string).collect();
    let [again, good] = all.as_slice() else { panic!("{all:?}") };
    let hosts = format!("{again},{good}");
    let ran = ipmi(&["sensors", "-U", "admin", "-H", &hosts, "--limit", "5", "--format", "json"]);
    let rows = json(&ran).iter().filter(|row| row["host"] == good.as_str()).count();
    assert_eq!((ran.code, rows), (1, 29), "{}", ran.errors);
    let reported = ran.errors.starts_with(&format!("telarch: {again}: "));
    assert!(
        reported && ran.errors.lines().filter(|line| line.starts_with("telarch: ")).count() == 1,
        "{}",
        ran.errors
    );
    // The controller has restarted without its sessions.
    let ran = ipmi(&["sensors", "-U", "admin", "-H", again, "--format", "json"]);
    assert_eq!((ran.code, json(&ran).len()), (0, 29), "{}", ran.errors);
}

#[test]
fn a_lack_of_session_slots_is_reported_and_slots_are_freed() {
    let machines = vec![(settings(0).most_sessions(1), Board::default())];
    let group = ControllerGroup::of(machines, Network::default());
    let bmc = group.addresses()[0].to_string();
    // Each run closes its session, so that one slot suffices for several runs.
    for _ in 0..5 {
        let ran = ipmi(&["power", "status", "-U", "admin", "-H", &bmc]);
        assert_eq!((ran.code, ran.out.as_str()), (0, "Chassis Power is on\n"), "{}", ran.errors);
    }
    // sel follow occupies the only slot.
    let mut holder = telarch(&["ipmi", "sel", "follow", "--every", "1", "-U", "admin", "-H", &bmc]);
    holder.env("TELARCH_IPMI_PASSWORD", "admin-pw").stdout(Stdio::null()).stderr(Stdio::null());
    let mut holder = holder.spawn().unwrap();
    let before = group.first(|board| board.commands);
    let until = Instant::now() + Duration::from_secs(60);
    // The simulated controller only counts commands.
    while group.first(|board| board.commands) == before {
        assert!(Instant::now() < until, "sel follow sends no commands");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ran = ipmi(&["power", "status", "-U", "admin", "-H", &bmc, "--limit", "60"]);
    assert!(ran.code == 1 && ran.errors.contains("login was refused"), "{} {}", ran.out, ran.errors);
    // The slot is free after the program ends.
    kill_process(Pid::from_child(&holder), Signal::TERM).unwrap();
    assert!(holder.wait().unwrap().success());
    let ran = ipmi(&["power", "status", "-U", "admin", "-H", &bmc]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "Chassis Power is on\n"), "{}", ran.errors);
}
