//! Files of syslog and text files, rotated by logrotate and written by rsyslogd.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::machine::{Machine, program};

/// Settings of logrotate that rename the file, and that copy and truncate it.
const RENAME: &str = "rotate 50\n create\n";
const COPY: &str = "rotate 50\n copytruncate\n";

fn append(path: &Path, text: &str) {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Rotates a file with logrotate; records a skip and returns `false` if there is none.
fn rotate(machine: &Machine, path: &Path, how: &str) -> bool {
    let Some(logrotate) = program("logrotate") else {
        skips::skip!("logrotate is missing; install it: apt-get install logrotate");
        return false;
    };
    let file = machine.path("logrotate.conf");
    fs::write(&file, format!("{} {{\n missingok\n {how}}}\n", path.display())).unwrap();
    let mut command = Command::new(logrotate);
    let status =
        command.arg("--force").arg("--state").arg(machine.path("logrotate.state")).arg(&file).status();
    assert!(status.unwrap().success());
    true
}

fn lines(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("line {number} <&> \u{e4}")).collect()
}

#[test]
fn lines_of_syslog_are_events_with_their_parts() {
    let mut machine = Machine::without_journal(100);
    let path = machine.forward_file("--syslog-file", "auth.log");
    append(
        &path,
        "2026-11-25T03:31:00.123456+01:00 web1 sshd[12]: Failed password for ada\n\
         <165>1 2026-11-25T03:31:01Z other.example app 7 ID47 [x@1 user=\"a\\\"b\"] structured\n",
    );
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(b"2026-11-25T02:31:02Z web1 app: \xFF\n").unwrap();
    file.write_all(format!("{}\n", "x".repeat(100_000)).as_bytes()).unwrap();
    machine.collect();
    machine.forward();
    let events = machine.wait_for_events(4);
    let [first, second, binary, long] = &events[..] else { panic!("{events:?}") };
    let channel = format!("Linux-File{}", path.display());
    assert_eq!(first["System"]["Channel"], channel.as_str());
    assert_eq!(first["System"]["Provider"]["Name"], "sshd");
    assert_eq!(first["System"]["TimeCreated"], "2026-11-25T02:31:00.1234560Z");
    assert_eq!(first["System"]["Computer"], "web1.example");
    assert_eq!(first["System"]["Task"], 10, "the name of the file gives the facility");
    assert_eq!(first["EventData"]["SYSLOG_PID"], "12");
    assert_eq!(second["System"]["Level"], 4);
    assert_eq!(second["System"]["Task"], 20);
    assert_eq!(second["System"]["Computer"], "other.example");
    assert_eq!(second["EventData"]["x@1.user"], "a\"b");
    assert_eq!(second["EventData"]["SYSLOG_MSGID"], "ID47");
    assert_eq!(binary["EventData"]["MESSAGE.hex"], "ff");
    assert_eq!(long["EventData"]["MESSAGE"].as_str().map(str::len), Some(65_536));
    assert_eq!(long["EventData"]["__CUT"], "1");
}

#[test]
fn lines_arrive_once_and_in_order_across_the_rotations_of_logrotate() {
    for how in [RENAME, COPY] {
        let mut machine = Machine::without_journal(7);
        let path = machine.forward_file("--text-file", "app.log");
        let all = lines(0..60);
        append(&path, &(all[..10].join("\n") + "\n"));
        machine.collect();
        machine.forward();
        machine.wait_for_events(10);
        append(&path, &(all[10..20].join("\n") + "\n"));
        if !rotate(&machine, &path, how) {
            return;
        }
        append(&path, &(all[20..30].join("\n") + "\n"));
        machine.wait_for_events(30);
        // Two rotations while the forwarder does not run.
        machine.stop_forwarder();
        append(&path, &(all[30..40].join("\n") + "\n"));
        assert!(rotate(&machine, &path, how));
        append(&path, &(all[40..50].join("\n") + "\n"));
        assert!(rotate(&machine, &path, how));
        append(&path, &(all[50..].join("\n") + "\n"));
        machine.forward();
        machine.wait_for_events(60);
        assert_eq!(machine.messages(), all, "{how}");
    }
}

/// `TELARCH_KILLS` is the number of times that the forwarder is killed.
#[test]
fn no_line_is_lost_when_the_forwarder_is_killed_in_the_middle_of_a_batch() {
    const LINES: u64 = 200;
    const BATCH: usize = 5;
    let rounds: u64 = std::env::var("TELARCH_KILLS").map_or(10, |number| number.parse().unwrap());
    let mut machine = Machine::without_journal(u32::try_from(BATCH).unwrap());
    let path = machine.forward_file("--text-file", "app.log");
    machine.collect();
    let mut all: BTreeSet<String> = BTreeSet::new();
    let mut interrupted = 0;
    for round in 0..rounds {
        let added = lines(round * LINES..(round + 1) * LINES);
        append(&path, &(added.join("\n") + "\n"));
        all.extend(added);
        if round % 3 == 2 && !rotate(&machine, &path, RENAME) {
            return;
        }
        let before = machine.event_count();
        machine.forward();
        // Some batches were sent, and the next ones are on their way.
        let wanted = before + BATCH * usize::try_from(1 + round % 4).unwrap();
        machine.wait_for(|events| events.len() >= wanted);
        std::thread::sleep(Duration::from_millis(round * 7 % 40));
        machine.kill_forwarder();
        interrupted += u64::from(machine.event_count() < all.len());
    }
    // On a busy machine some kills come after the last batch.
    assert!(interrupted > 0, "the forwarder had sent everything before each kill");
    machine.forward();
    machine.wait_for_messages(&all);
    let found = machine.messages().len();
    println!(
        "{rounds} kills, {interrupted} of them before the last batch: {} lines, {found} events",
        all.len()
    );
    // The collector may store a batch after the forwarder that sent it was killed and another one has asked for the
    // bookmark. Then this batch is sent once more.
    let most = all.len() + usize::try_from(rounds).unwrap() * BATCH;
    assert!((all.len()..=most).contains(&found), "{found} events for {} lines", all.len());
}

/// A rsyslogd that writes messages of a socket to a file.
struct Rsyslogd(Child);

impl Rsyslogd {
    /// Starts it; records a skip and returns `None` if it or `logger` is missing.
    fn start(machine: &Machine, format: &str) -> Option<Self> {
        let (Some(rsyslogd), Some(_)) = (program("rsyslogd"), program("logger")) else {
            skips::skip!("rsyslogd or logger is missing; install them: apt-get install rsyslog bsdutils");
            return None;
        };
        let socket = machine.path("socket");
        let file = machine.path("rsyslog.conf");
        let text = format!(
            "module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             input(type=\"imuxsock\" Socket=\"{}\")\n\
             $FileCreateMode 0644\n*.* action(type=\"omfile\" file=\"{}\" template=\"{format}\")\n",
            socket.display(),
            machine.path("messages").display()
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new(rsyslogd);
        command.arg("-n").arg("-f").arg(&file).arg("-i").arg(machine.path("rsyslog.pid"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self(child);
        let until = Instant::now() + Duration::from_secs(120);
        while !socket.exists() {
            assert!(Instant::now() < until, "rsyslogd does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(server)
    }
}

impl Drop for Rsyslogd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn messages_of_logger_arrive_in_each_format_of_rsyslogd() {
    for format in ["RSYSLOG_FileFormat", "RSYSLOG_TraditionalFileFormat", "RSYSLOG_SyslogProtocol23Format"] {
        let mut machine = Machine::without_journal(100);
        machine.forward_file("--syslog-file", "messages");
        let Some(_rsyslogd) = Rsyslogd::start(&machine, format) else { return };
        machine.collect();
        machine.forward();
        let mut logger = Command::new(program("logger").unwrap());
        logger.arg("--socket").arg(machine.path("socket")).args(["--tag", "backup", "--id=77"]);
        let status = logger.args(["--priority", "daemon.err", "disk <1> is full"]).status().unwrap();
        assert!(status.success());
        let events = machine.wait_for(|events| events.iter().any(is_of_backup));
        let event = events.iter().find(|event| is_of_backup(event)).unwrap();
        // The format of RFC 5424 in rsyslogd has one more space before the message.
        let message = event["EventData"]["MESSAGE"].as_str().map(str::trim_start);
        assert_eq!(message, Some("disk <1> is full"), "{format}: {event}");
        assert_eq!(event["EventData"]["SYSLOG_PID"], "77", "{format}: {event}");
        if format == "RSYSLOG_SyslogProtocol23Format" {
            assert_eq!(
                (&event["System"]["Level"], &event["System"]["Task"]),
                (&2.into(), &3.into()),
                "{event}"
            );
        }
    }
}

fn is_of_backup(event: &Value) -> bool {
    event["System"]["Provider"]["Name"] == "backup"
}
