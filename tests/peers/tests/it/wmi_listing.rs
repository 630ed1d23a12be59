//! `telarch wmi -r HOST` with more rows than anybody wants to hold: what it prints, holds and leaves behind.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use telarch_peers::{PASSWORD, Telarchd, USER, Winrm, own_program, start_telarch, telarch};

const ROWS: usize = 10_000;

/// A service with room for one enumeration: whatever is left keeps everybody else out.
struct Many {
    service: Telarchd,
    folder: tempfile::TempDir,
}

impl Many {
    fn new() -> Self {
        let settings =
            [("Service.AllowUnencrypted", "true"), ("Service.MaxConcurrentOperationsPerUser", "1")];
        let (service, folder) = (Telarchd::start(&settings), tempfile::tempdir().expect("a folder"));
        (0..ROWS).for_each(|number| fs::write(folder.path().join(number.to_string()), "").expect("a file"));
        Self { service, folder }
    }

    fn words(&self, query: &str, format: &str) -> Vec<String> {
        let password = format!("-p:{PASSWORD}");
        let words = ["wmi", query, "--format", format, "-r", self.service.http(), "-u", USER, &password];
        words.into_iter().chain(["-auth:basic", "-unencrypted"]).map(str::to_owned).collect()
    }

    fn query(&self, columns: &str) -> String {
        format!("SELECT {columns} FROM CIM_DataFile WHERE Path = '{}/'", self.folder.path().display())
    }

    /// Waits until the service has room again: what was asked last may still be worked out.
    fn wait_until_free(&self) {
        let begin = Instant::now();
        while !self.is_free() {
            assert!(begin.elapsed() < LONGEST, "the enumeration is still there");
        }
    }

    /// Whether the service has room for another enumeration.
    fn is_free(&self) -> bool {
        let words = self.words("SELECT Second FROM Win32_UTCTime", "csv");
        telarch(&words.iter().map(String::as_str).collect::<Vec<_>>(), "").code == 0
    }
}

#[test]
fn ten_thousand_rows_are_printed_whole_in_each_format() {
    let many = Many::new();
    let printed = |columns: &str, format: &str| {
        let words = many.words(&many.query(columns), format);
        let ended = telarch(&words.iter().map(String::as_str).collect::<Vec<_>>(), "");
        let (printed, complaints, code) = ended.text();
        // Logs are files as well, and a machine without a journal has none of them.
        let is_expected = |line: &str| line.contains("rows of Win32_NTEventlogFile are missing");
        assert!(code == 0 && complaints.lines().all(is_expected), "{code}: {complaints}");
        printed.to_owned()
    };
    let csv = printed("FileName, FileSize", "csv");
    assert_eq!((csv.lines().next(), csv.lines().count()), (Some("FileName,FileSize"), ROWS + 1));
    let table = printed("FileName, FileSize", "table");
    assert_eq!((table.lines().next(), table.lines().count()), (Some("FileName  FileSize"), ROWS + 1));
    let json: Value = serde_json::from_str(&printed("FileName", "json")).expect("JSON");
    let mut names: Vec<u64> = json
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["FileName"].as_str()?.parse().ok())
        .collect();
    names.sort_unstable();
    assert!(names.iter().copied().eq(0..10_000));
}

#[test]
fn rows_are_printed_as_they_arrive_and_not_stored() {
    let many = Many::new();
    let mut program = Command::new(own_program("telarch"));
    let program =
        program.args(many.words(&many.query("*"), "csv")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = program.spawn().expect("it is built");
    let mut lines = BufReader::new(program.stdout.take().expect("a pipe")).lines();
    assert!(lines.next().expect("a line").expect("text").starts_with("AccessMask,Archive,"));
    // Nobody reads on: the service is not asked for more.
    assert!(!many.is_free());
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).expect("it runs");
    let held = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let held: u64 = held.expect("a number").parse().expect("a number");
    assert!(held < MOST_HELD, "{held} KiB");
    drop(lines);
    let ended = program.wait_with_output().expect("it ends");
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    many.wait_until_free();
}

/// Far less than an enumeration lives that nobody has ended.
const LONGEST: Duration = Duration::from_secs(60);

/// The program without any rows takes half of it, all rows at once a multiple.
const MOST_HELD: u64 = 48 << 10;

#[test]
fn an_interrupted_listing_is_well_formed_and_leaves_no_enumeration() {
    let many = Many::new();
    let words = many.words(&many.query("*"), "json");
    let listing = start_telarch(&words.iter().map(String::as_str).collect::<Vec<_>>());
    listing.wait_for_lines(10);
    listing.interrupt();
    let ended = listing.end();
    let (printed, complaints, code) = ended.text();
    assert_eq!((complaints, code), ("telarch: interrupted; the results may be incomplete\n", 1));
    let rows: Value = serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed:.200}"));
    let count = rows.as_array().expect("rows").len();
    assert!((1..ROWS).contains(&count), "{count} rows");
    many.wait_until_free();
}

#[test]
fn an_empty_result_of_another_machine_names_the_missing_source() {
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
    let password = format!("-p:{PASSWORD}");
    let switches = ["-r", service.http(), "-u", USER, &password, "-auth:basic", "-unencrypted"];
    let notes = |query: &str, namespace: &str| {
        let telarch = telarch(&[&["wmi", query, "-n", namespace], &switches[..]].concat(), "");
        let winrm = Winrm::to(service.http()).run(&["enumerate", &format!("wmi/{namespace}/{query}")]);
        assert_eq!((telarch.code, winrm.code), (0, 0), "{telarch:?} {winrm:?}");
        [telarch.text().1.to_owned(), winrm.text().1.to_owned()]
    };
    let systemd = "systemd does not run on 127.0.0.1, so Win32_Service has no instances";
    let journal = "there is no journal on 127.0.0.1, so Win32_NTLogEvent has no instances";
    let controller = "there is no local management controller (/dev/ipmi0) on 127.0.0.1";
    let has_journal = ["/var/log/journal", "/run/log/journal"]
        .iter()
        .any(|folder| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()));
    for (class, namespace, note, is_expected) in [
        ("Win32_Service", "root/cimv2", systemd, !Path::new("/run/systemd/system").is_dir()),
        ("Win32_NTLogEvent", "root/cimv2", journal, !has_journal),
        ("NumericSensor", "root/hardware", controller, !Path::new("/dev/ipmi0").exists()),
        ("Win32_Process", "root/cimv2", "does not run", false),
    ] {
        for errors in notes(class, namespace) {
            assert_eq!(errors.contains(note), is_expected, "{class}: {errors}");
        }
    }
}
