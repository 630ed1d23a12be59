//! `telarch wmi QUERY -hosts:LIST`: one query on many machines, which are two names of one service and a closed port.

use serde_json::Value;
use telarch_peers::{PASSWORD, Run, Telarchd, USER, telarch};

struct Machines {
    service: Telarchd,
}

impl Machines {
    fn start() -> Self {
        Self { service: Telarchd::start(&[("Service.AllowUnencrypted", "true")]) }
    }

    /// The two names of the service.
    fn reachable(&self) -> [String; 2] {
        let first = self.service.http().to_owned();
        let second = first.replace("127.0.0.1", "localhost");
        [first, second]
    }

    fn query(&self, query: &str, hosts: &[&str], words: &[&str]) -> Run {
        let (hosts, password) = (format!("-hosts:{}", hosts.join(",")), format!("-p:{PASSWORD}"));
        let user = ["-u", USER, &password, "-auth:basic", "-unencrypted"];
        telarch(&[&["wmi", query, &hosts][..], &user, words].concat(), "")
    }
}

/// A port that refuses connections.
const REFUSED: &str = "http://127.0.0.1:9";
const KERNEL: &str = "SELECT Version FROM Win32_OperatingSystem";

#[test]
fn rows_of_all_machines_are_one_document_with_their_names() {
    let machines = Machines::start();
    let [first, second] = machines.reachable();
    let ended = machines.query(KERNEL, &[&first, &second], &["--format", "csv"]);
    let (out, errors, code) = ended.text();
    assert_eq!((code, errors), (0, "telarch wmi: 2 hosts: 2 succeeded, 0 failed\n"), "{out}");
    let mut lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.remove(0), "Host,Version");
    let mut names: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once(',')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, [&first, &second], "{out}");

    let ended = machines.query("Win32_OperatingSystem", &[&first, &second], &["--format", "json"]);
    let (out, errors, code) = ended.text();
    assert_eq!(code, 0, "{errors}");
    let rows: Value = serde_json::from_str(out).expect("JSON");
    let rows = rows.as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter().all(|row| row["Host"].is_string() && row["TotalVisibleMemorySize"].is_u64()),
        "{out}"
    );
}

#[test]
fn a_machine_that_fails_is_named_and_the_others_are_complete() {
    let machines = Machines::start();
    let [first, _] = machines.reachable();
    let ended = machines.query(KERNEL, &[&first, REFUSED], &["--format", "csv"]);
    let (out, errors, code) = ended.text();
    assert_eq!((code, out.lines().count()), (1, 2), "{out}{errors}");
    assert!(errors.contains(&format!("{REFUSED}: 127.0.0.1: cannot connect")), "{errors}");
    assert!(errors.ends_with("telarch wmi: 2 hosts: 1 succeeded, 1 failed\n"), "{errors}");

    let ended =
        machines.query(KERNEL, &[REFUSED, &first], &["-parallel:1", "--fail-fast", "--format", "csv"]);
    let (_, errors, code) = ended.text();
    assert_eq!(code, 1, "{errors}");
    assert!(errors.ends_with("2 hosts: 0 succeeded, 1 failed, 1 not started\n"), "{errors}");
}

#[test]
fn command_lines_that_cannot_work_are_rejected_before_a_request() {
    let machines = Machines::start();
    for (query, words, part, status) in [
        ("SELECT Name FORM Win32_Service", &[][..], "              ^^^^", 1),
        ("get", &["Win32_OperatingSystem=@"], "-hosts is only valid with a query", 2),
        (KERNEL, &["--host-time", "x"], "--host-time", 2),
    ] {
        let ended = machines.query(query, &[REFUSED], words);
        let (out, errors, code) = ended.text();
        assert_eq!((code, out), (status, ""), "{errors}");
        assert!(errors.contains(part) && !errors.contains("cannot connect"), "{query}: {errors}");
    }
}
