//! The logs of a journal of its own, against `journalctl`.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::world::{in_world, run};
use crate::{machine, rows_of, text};

const JOURNALD: &str = "/lib/systemd/systemd-journald";

fn shell(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn records_of_the_journal_are_events_of_three_logs() {
    in_world(
        "log::records_of_the_journal_are_events_of_three_logs",
        &["journalctl", "logger", JOURNALD],
        || {
            shell(
                "mount -t tmpfs none /run && mount -t tmpfs none /var/log && mkdir -p /run/systemd/journal",
            );
            let ready = UnixDatagram::bind("/run/ready").unwrap();
            ready.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut journald = Command::new(JOURNALD)
                .env("NOTIFY_SOCKET", "/run/ready")
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut told = [0; 4096];
            loop {
                let length = ready.recv(&mut told).expect("the journal says when it is ready");
                if String::from_utf8_lossy(&told[..length]).contains("READY=1") {
                    break;
                }
            }
            let send = "logger --socket /run/systemd/journal/dev-log";
            shell(&format!(
                "{send} -t first -p user.err 'it broke' && {send} -t second -p authpriv.info 'she came'"
            ));
            let between = shell("date +%s.%N");
            shell(&format!("{send} -t third -p daemon.warning 'it is late' && journalctl --sync"));

            run(async {
                let machine = machine();
                let of = async |condition: &str| {
                    let query = format!("SELECT * FROM Win32_NTLogEvent WHERE {condition}");
                    rows_of(&machine, &query).await
                };
                for (source, log, kind, number, message) in [
                    ("first", "Application", "Error", "1", "it broke"),
                    ("second", "Security", "Audit Success", "4", "she came"),
                    ("third", "System", "Warning", "2", "it is late"),
                ] {
                    let found = of(&format!("SourceName = '{source}'")).await;
                    let [row] = found.as_slice() else { panic!("{source}: {} rows", found.len()) };
                    let values =
                        ["Logfile", "Type", "EventType", "Message", "User"].map(|name| text(row, name));
                    assert_eq!(values, [log, kind, number, message, "root"]);
                    let written = shell(&format!(
                        "journalctl -t {source} -o json | tr , '\\n' | grep -o '__REALTIME_TIMESTAMP\" *: *\"[0-9]*' | grep -o '[0-9]*$'"
                    ));
                    let micros = match row.value("TimeGenerated") {
                        Some(cim::Value::DateTime(cim::DateTime::Timestamp(time))) => time.unix_micros(),
                        other => panic!("{other:?}"),
                    };
                    assert_eq!(micros.to_string(), written.trim());
                }
                // Only what came later is even looked at.
                let moment: f64 = between.trim().parse().unwrap();
                let moment = cim::Timestamp::from_unix_micros((moment * 1e6) as i64, 0).unwrap();
                let found = of(&format!("TimeGenerated >= '{}'", cim::DateTime::Timestamp(moment))).await;
                assert!(found.iter().any(|row| text(row, "SourceName") == "third"));
                assert!(found.iter().all(|row| text(row, "SourceName") != "first"));

                let files = rows_of(
                    &machine,
                    "SELECT LogfileName, NumberOfRecords, FileSize FROM Win32_NTEventlogFile",
                )
                .await;
                let count: u64 =
                    files.iter().map(|row| text(row, "NumberOfRecords").parse::<u64>().unwrap()).sum();
                assert_eq!(count, shell("journalctl -o json | wc -l").trim().parse::<u64>().unwrap());
            });
            journald.kill().unwrap();
            journald.wait().unwrap();
        },
    );
}
