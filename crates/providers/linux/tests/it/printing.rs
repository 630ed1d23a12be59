//! Compares printers and jobs with the programs of a CUPS that the test starts.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cim::Value;
use telarch_provider_linux::Machine;
use tempfile::TempDir;

use crate::world::run;
use crate::{call_on, engine, rows_of, text};

/// A scheduler with files of its own that listens only on a socket.
struct Cups {
    folder: TempDir,
    scheduler: Child,
}

impl Cups {
    /// Starts a scheduler; `None`, with a printed reason, if it is not installed or cannot be started.
    fn start() -> Option<Self> {
        let is_there = |name: &&str| Command::new(name).arg("-h").output().is_ok();
        if let Some(missing) =
            ["/usr/sbin/cupsd", "/usr/sbin/lpadmin", "lp", "lpstat"].iter().find(|name| !is_there(name))
        {
            skips::skip!("there is no {missing} here (./test --install, or cups-daemon and cups-client)");
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            skips::skip!("a scheduler of CUPS is started as root only");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let at = |path: &str| folder.path().join(path).display().to_string();
        for path in ["run/cups", "etc", "spool", "cache", "state", "log", "backend"] {
            std::fs::create_dir_all(at(path)).unwrap();
        }
        std::fs::write(at("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
        std::fs::write(at("etc/group"), "root:x:0:\n").unwrap();
        // A printer that accepts everything.
        std::fs::write(at("backend/sink"), "#!/bin/sh\n[ $# -eq 0 ] && exit 0\nexec cat >/dev/null\n")
            .unwrap();
        std::fs::set_permissions(at("backend/sink"), std::fs::Permissions::from_mode(0o700)).unwrap();
        // Queues that forward to another server use a backend of this name.
        std::os::unix::fs::symlink("sink", at("backend/ipp")).unwrap();
        std::fs::create_dir_all(at("bin/filter")).unwrap();
        std::os::unix::fs::symlink(at("backend"), at("bin/backend")).unwrap();
        let socket = at("run/cups/cups.sock");
        let settings = format!(
            "Listen {socket}\nBrowsing Off\nDefaultAuthType Basic\nLogLevel debug\nWebInterface No\n\
             <Location />\nOrder allow,deny\n</Location>\n\
             <Policy default>\n<Limit All>\nOrder allow,deny\n</Limit>\n\
             <Limit CUPS-Add-Modify-Printer CUPS-Set-Default Pause-Printer Resume-Printer>\n\
             AuthType Default\nRequire user @SYSTEM\nOrder deny,allow\n</Limit>\n</Policy>\n"
        );
        std::fs::write(at("etc/cupsd.conf"), settings).unwrap();
        let files = format!(
            "User nobody\nGroup nogroup\nSystemGroup root\nServerRoot {}\nServerBin {}\nRequestRoot {}\nCacheDir {}\n\
             StateDir {}\nErrorLog {}\nAccessLog {}\nPageLog {}\nSandboxing relaxed\nFileDevice Yes\n",
            at("etc"),
            at("bin"),
            at("spool"),
            at("cache"),
            at("state"),
            at("log/error"),
            at("log/access"),
            at("log/page"),
        );
        std::fs::write(at("etc/cups-files.conf"), files).unwrap();
        let mut command = Command::new("/usr/sbin/cupsd");
        command.args(["-f", "-c", &at("etc/cupsd.conf"), "-s", &at("etc/cups-files.conf")]);
        let scheduler = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut cups = Self { folder, scheduler };
        let until = Instant::now() + Duration::from_secs(60);
        // cupsd reports only to a service manager when it listens.
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            let ended = cups.scheduler.try_wait().unwrap();
            let said = || std::fs::read_to_string(cups.folder.path().join("log/error")).unwrap_or_default();
            assert!(
                ended.is_none() && Instant::now() < until,
                "cupsd did not come up: {ended:?}\n{}",
                said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(cups)
    }

    fn machine(&self) -> Arc<Machine> {
        Arc::new(Machine::at(self.folder.path()))
    }

    /// Returns the output of a program of CUPS.
    fn tell(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("CUPS_SERVER", self.folder.path().join("run/cups/cups.sock"))
            .env("LC_ALL", "C");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        said
    }
}

impl Drop for Cups {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = std::fs::read_to_string(self.folder.path().join("log/error")).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(60).collect();
            eprintln!("cupsd said:\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        let _ = self.scheduler.kill();
        let _ = self.scheduler.wait();
    }
}

#[test]
fn printers_and_jobs_of_cups_are_listed_and_changed() {
    let Some(cups) = Cups::start() else { return };
    let machine = cups.machine();
    cups.tell(
        "/usr/sbin/lpadmin",
        &["-p", "laser", "-E", "-v", "sink:/dev/null", "-D", "Erster Stock", "-L", "attic"],
    );
    cups.tell("/usr/sbin/lpadmin", &["-p", "other", "-v", "sink:/dev/null"]);
    let row = |class: &str, query: &str| run(rows_of(&machine, &format!("SELECT * FROM {class} {query}")));
    let laser = || row("Win32_Printer", "WHERE DeviceID = 'LASER'").into_iter().next().expect("the printer");
    let call = |path: &str, method: &str, input: &[(&str, Value)]| {
        text(&run(call_on(&machine, path, method, input)).unwrap(), "ReturnValue")
    };
    let path = "Win32_Printer.DeviceID=\"laser\"";
    let columns =
        ["Name", "Comment", "Location", "PortName", "PrinterStatus", "Default", "Local", "Shared", "Status"];
    assert_eq!(
        columns.map(|name| text(&laser(), name)),
        ["laser", "Erster Stock", "attic", "sink:/dev/null", "3", "false", "true", "true", "OK"]
    );
    assert_eq!(row("Win32_Printer", "").len(), 2);
    let standard = crate::rows_in("root/standardcimv2", &machine, "SELECT * FROM MSFT_Printer");
    let standard = run(standard);
    assert_eq!(standard.len(), 2);
    for printer in standard {
        let same = &row("Win32_Printer", &format!("WHERE Name = '{}'", text(&printer, "Name")))[0];
        for column in ["DriverName", "PortName", "Location", "Comment", "Shared", "ShareName"] {
            assert_eq!(text(&printer, column), text(same, column), "{column}");
        }
        let is_paused = text(same, "PrinterState") == "1";
        assert_eq!(text(&printer, "PrinterStatus") == "1", is_paused);
    }
    let other = &row("Win32_Printer", "WHERE Name = 'other'")[0];
    assert_eq!(
        ["PrinterStatus", "StatusInfo"].map(|name| text(other, name)),
        ["6", "4"],
        "it takes no jobs yet"
    );

    assert_eq!(call(path, "SetDefaultPrinter", &[]), "0");
    assert_eq!(cups.tell("lpstat", &["-d"]), "system default destination: laser");
    assert_eq!(
        [text(&laser(), "Default"), text(&laser(), "Attributes")],
        ["true", &(0x4 + 0x8 + 0x40 + 0x1000).to_string()]
    );
    assert_eq!(call(path, "Pause", &[]), "0");
    assert!(cups.tell("lpstat", &["-p", "laser"]).contains("disabled since"));
    assert_eq!(
        ["ExtendedPrinterStatus", "PrinterState", "Status"].map(|name| text(&laser(), name)),
        ["8", "1", "OK"]
    );

    assert_eq!(call(path, "PrintTestPage", &[]), "0");
    let printed = Command::new("lp")
        .args(["-d", "laser", "-t", "Über", "/etc/hostname"])
        .env("CUPS_SERVER", cups.folder.path().join("run/cups/cups.sock"))
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let jobs = row("Win32_PrintJob", "");
    let reported: Vec<_> =
        jobs.iter().map(|job| ["Document", "Owner", "JobStatus"].map(|name| text(job, name))).collect();
    assert_eq!(
        reported,
        [["Test page", "root", "Spooling"], ["Über", "root", "Spooling"]].map(|job| job.map(str::to_owned))
    );
    assert_eq!(text(&jobs[0], "Name"), format!("laser, {}", text(&jobs[0], "JobId")));
    let held = format!("Win32_PrintJob.JobId={}", text(&jobs[1], "JobId"));
    assert_eq!(call(&held, "Pause", &[]), "0");
    assert_eq!(text(&row("Win32_PrintJob", "WHERE JobStatus = 'Paused'")[0], "Document"), "Über");
    assert_eq!(call(&held, "Resume", &[]), "0");
    assert_eq!(row("Win32_PrintJob", "WHERE JobStatus = 'Spooling'").len(), 2);
    let (context, namespace) = (wmi::Context::of_this_process("alice"), cim::Namespace::cimv2());
    let first = cim::ObjectPath::parse(&format!("Win32_PrintJob.JobId={}", text(&jobs[0], "JobId"))).unwrap();
    run(engine(&machine).delete(&context, &namespace, &first)).unwrap();
    assert_eq!(cups.tell("lpstat", &["-o"]).lines().count(), 1);
    assert_eq!(call(path, "CancelAllJobs", &[]), "0");
    assert_eq!(cups.tell("lpstat", &["-o"]), "");
    assert_eq!(call(path, "Resume", &[]), "0");
    assert_eq!(text(&laser(), "PrinterStatus"), "3");

    assert_eq!(call("Win32_Printer", "AddPrinterConnection", &[("Name", "\\\\node9\\far".into())]), "0");
    assert!(cups.tell("lpstat", &["-v", "far"]).ends_with("ipp://node9/printers/far"));
    for wrong in ["far", "\\\\node9", "\\\\node9\\a/b", "\\\\\\x"] {
        assert_eq!(
            call("Win32_Printer", "AddPrinterConnection", &[("Name", wrong.into())]),
            "1801",
            "{wrong}"
        );
    }
    let change = laser().with("Location", "cellar").unwrap();
    let column = change.class().column("Location").into_iter().collect();
    run(engine(&machine).put(&context, &namespace, change, &column)).unwrap();
    assert!(cups.tell("lpstat", &["-l", "-p", "laser"]).contains("Location: cellar"));
}

#[test]
fn drivers_ports_and_configurations_match_the_queues() {
    let Some(cups) = Cups::start() else { return };
    let machine = cups.machine();
    let ppd = cups.folder.path().join("attic.ppd");
    std::fs::write(&ppd, PPD).unwrap();
    let add = |arguments: &[&str]| cups.tell("/usr/sbin/lpadmin", arguments);
    add(&["-p", "attic", "-E", "-v", "sink:/dev/null", "-P", ppd.to_str().unwrap()]);
    add(&["-p", "twin", "-E", "-v", "sink:/dev/null", "-P", ppd.to_str().unwrap()]);
    add(&["-p", "far", "-E", "-v", "ipp://node9:8631/printers/far"]);
    add(&["-p", "far2", "-E", "-v", "ipp://node9:8631/printers/far"]);
    let rows = |class: &str| run(rows_of(&machine, &format!("SELECT * FROM {class}")));
    let values =
        |row: &cim::Instance, names: &[&str]| names.iter().map(|name| text(row, name)).collect::<Vec<_>>();

    let drivers = rows("Win32_PrinterDriver");
    let [driver] = drivers.as_slice() else {
        panic!("two queues have one, two have none: {} drivers", drivers.len())
    };
    assert_eq!(values(driver, &["Name", "Caption", "Status"]), ["Attic 3000", "Attic 3000", "OK"]);
    let ports = rows("Win32_TCPIPPrinterPort");
    let [port] = ports.as_slice() else { panic!("two queues send to one: {} ports", ports.len()) };
    assert_eq!(
        values(port, &["Name", "HostAddress", "PortNumber", "Protocol", "Type"]),
        ["ipp://node9:8631/printers/far", "node9", "8631", "", "8"]
    );

    let of = |name: &str| {
        let query = format!("SELECT * FROM Win32_PrinterConfiguration WHERE Name = '{name}'");
        run(rows_of(&machine, &query)).into_iter().next().expect("the configuration")
    };
    let names = ["DeviceName", "Copies", "PaperSize", "PaperWidth", "PaperLength", "Duplex"];
    assert_eq!(values(&of("ATTIC"), &names), ["attic", "1", "iso_a4_210x297mm", "2100", "2970", "false"]);
    // Changes by lpoptions and lpadmin are visible at once.
    add(&["-p", "attic", "-o", "sides-default=two-sided-long-edge", "-o", "copies-default=2"]);
    add(&["-p", "attic", "-o", "orientation-requested-default=4", "-o", "print-quality-default=5"]);
    let names = ["Copies", "Duplex", "Orientation"];
    assert_eq!(values(&of("attic"), &names), ["2", "true", "2"]);

    let associated = |query: &str| {
        let found = run(rows_of(&machine, query));
        found.iter().map(|row| text(row, "Name")).collect::<Vec<_>>()
    };
    let associated_with = |path: &str, class: &str| {
        associated(&format!("ASSOCIATORS OF {{{path}}} WHERE ResultClass = {class}"))
    };
    let attic = "Win32_Printer.DeviceID='attic'";
    assert_eq!(associated_with(attic, "Win32_PrinterDriver"), ["Attic 3000"]);
    assert_eq!(associated_with(attic, "Win32_PrinterConfiguration"), ["attic"]);
    assert_eq!(associated_with("Win32_PrinterDriver.Name='Attic 3000'", "Win32_Printer"), ["attic", "twin"]);
    assert!(associated_with("Win32_Printer.DeviceID='far'", "Win32_PrinterDriver").is_empty());
    let code = run(call_on(&machine, "Win32_PrinterDriver.Name=\"Attic 3000\"", "StopService", &[])).unwrap();
    assert_eq!(text(&code, "ReturnValue"), "1", "a driver is no service");
}

/// A PPD of a generic printer (Adobe's specification of PPD, 4.3).
const PPD: &str = r#"*PPD-Adobe: "4.3"
*FormatVersion: "4.3"
*FileVersion: "1.0"
*LanguageVersion: English
*LanguageEncoding: ISOLatin1
*PCFileName: "ATTIC.PPD"
*Manufacturer: "Attic"
*Product: "(Attic 3000)"
*ModelName: "Attic 3000"
*ShortNickName: "Attic 3000"
*NickName: "Attic 3000"
*PSVersion: "(3010.000) 0"
*LanguageLevel: "3"
*ColorDevice: True
*DefaultColorSpace: RGB
*FileSystem: False
*Throughput: "1"
*LandscapeOrientation: Plus90
*TTRasterizer: Type42
*OpenUI *PageSize/Media Size: PickOne
*OrderDependency: 10 AnySetup *PageSize
*DefaultPageSize: A4
*PageSize A4/A4: "<</PageSize[595 842]>>setpagedevice"
*CloseUI: *PageSize
*OpenUI *PageRegion/Media Size: PickOne
*OrderDependency: 10 AnySetup *PageRegion
*DefaultPageRegion: A4
*PageRegion A4/A4: "<</PageSize[595 842]>>setpagedevice"
*CloseUI: *PageRegion
*DefaultImageableArea: A4
*ImageableArea A4/A4: "12 12 583 830"
*DefaultPaperDimension: A4
*PaperDimension A4/A4: "595 842"
*DefaultFont: Courier
*Font Courier: Standard "(002.004S)" Standard ROM
"#;

#[tokio::test]
async fn without_a_scheduler_there_are_no_printers() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Arc::new(Machine::at(folder.path()));
    assert!(rows_of(&machine, "SELECT * FROM Win32_Printer").await.is_empty());
    assert!(rows_of(&machine, "SELECT * FROM Win32_PrintJob").await.is_empty());
    for class in ["Win32_PrinterDriver", "Win32_PrinterConfiguration", "Win32_TCPIPPrinterPort"] {
        assert!(rows_of(&machine, &format!("SELECT * FROM {class}")).await.is_empty(), "{class}");
    }
}
