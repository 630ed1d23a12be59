//! Management controllers for tests: one that we did not write, `ipmi_sim` of OpenIPMI, on a port of its own; and as
//! many of ours as one likes, in the process of the test.
//!
//! Both simulate the contents of `bmc/`: 35 sensor records, an event log, and an inventory with unusual values.
#![allow(clippy::expect_used, clippy::missing_panics_doc)]

mod board;
mod controller_group;
mod guest;
mod line;
mod loopback;
mod recording;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub use board::{Board, Configuration};
pub use controller_group::{ControllerGroup, Network, settings, settings_with_suites};
pub use guest::Guest;
pub use line::SerialLine;
pub use loopback::{Arrivals, Loopback};
pub use recording::{Flight, Recording};

/// A running simulator; dropping it ends it.
#[derive(Debug)]
pub struct SimulatedBmc {
    program: Child,
    port: u16,
    /// Address for a virtual machine, if one can be attached.
    machine: Option<u16>,
    folder: tempfile::TempDir,
}

/// Sensors, records, event log and inventory of the controller, as commands of `ipmi_sim`.
const EMULATION: &str = include_str!("../bmc/bmc.emu");

/// Interfaces of the controller besides the network.
#[derive(Clone, Copy, Debug)]
enum Attached<'l> {
    Nothing,
    Line(&'l SerialLine),
    /// A virtual machine, which connects to this port.
    Machine(u16),
}

impl SimulatedBmc {
    /// Starts a controller and waits until it answers; skips and returns `None` if the simulator is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        if !is_installed("ipmi_sim", "openipmi") {
            return None;
        }
        let bmc = (0..5).find_map(|_| Self::start_once(Attached::Nothing, EMULATION));
        Some(bmc.expect("ipmi_sim starts and answers"))
    }

    /// Starts a controller with others behind it, whose sensors have the number of its own `CPU1 Temp`: `SAT TEMP` of a
    /// controller at 82h, `FAR TEMP` of one at 82h on channel 7, which does not exist, and `SW- TEMP` of system software.
    #[must_use]
    pub fn start_with_satellites() -> Option<Self> {
        if !is_installed("ipmi_sim", "openipmi") {
            return None;
        }
        let emulation = [EMULATION, include_str!("../bmc/satellites.emu")].concat();
        let bmc = (0..5).find_map(|_| Self::start_once(Attached::Nothing, &emulation));
        Some(bmc.expect("ipmi_sim starts and answers"))
    }

    /// Starts a controller for a [`Guest`].
    #[must_use]
    pub fn start_for_machine() -> Option<Self> {
        if !is_installed("ipmi_sim", "openipmi") {
            return None;
        }
        let port = || {
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).map(|here| here.port())
        };
        let bmc =
            (0..5).find_map(|_| Self::start_once(Attached::Machine(port().expect("a free port")), EMULATION));
        Some(bmc.expect("ipmi_sim starts and answers"))
    }

    pub(crate) fn machine_port(&self) -> Option<u16> {
        self.machine
    }

    /// Starts a controller of a machine with a serial console.
    #[must_use]
    pub fn start_with_console() -> Option<(Self, SerialLine)> {
        if !is_installed("ipmi_sim", "openipmi") {
            return None;
        }
        let line = SerialLine::new();
        let bmc = (0..5).find_map(|_| Self::start_once(Attached::Line(&line), EMULATION));
        Some((bmc.expect("ipmi_sim starts and answers"), line))
    }

    /// Returns the address in the form that `telarch` and tests use.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the process ID of the simulator.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.program.id()
    }

    /// Returns the chassis commands so far, such as `power=0`, one per line.
    #[must_use]
    pub fn chassis_log(&self) -> String {
        fs::read_to_string(self.folder.path().join("chassis.log")).unwrap_or_default()
    }

    /// Returns the output of `ipmitool`; skips and returns `None` if it is not installed.
    #[must_use]
    pub fn ipmitool(&self, arguments: &[&str]) -> Option<String> {
        ipmitool(&self.address(), arguments)
    }

    /// Returns the output of a FreeIPMI program such as `ipmi-sensors`; skips and returns `None` if it is not installed.
    #[must_use]
    pub fn free_ipmi(&self, program: &str, arguments: &[&str]) -> Option<String> {
        free_ipmi(&self.address(), program, arguments)
    }

    /// Ends it and starts it again at the same address: it knows no session from before.
    pub fn restart(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        self.program = run(self.folder.path());
        assert!(self.answers(), "ipmi_sim starts again");
    }

    /// The port may be taken between its choice and its use; then this is tried again.
    fn start_once(attached: Attached<'_>, emulation: &str) -> Option<Self> {
        let port = UdpSocket::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("a free port")
            .port();
        let folder = tempfile::tempdir().expect("a folder");
        let files: [(&str, &[u8]); 4] = [
            ("bmc.emu", emulation.as_bytes()),
            ("fru0.bin", include_bytes!("../bmc/fru0.bin")),
            ("chassis.sh", include_bytes!("../bmc/chassis.sh")),
            ("lan.conf", &configuration(port, attached).into_bytes()),
        ];
        for (name, content) in files {
            write(&folder.path().join(name), content);
        }
        let program = run(folder.path());
        let machine = match attached {
            Attached::Machine(port) => Some(port),
            _ => None,
        };
        let mut bmc = Self { program, port, machine, folder };
        bmc.answers().then_some(bmc)
    }

    /// Pings it until it answers or has ended.
    fn answers(&mut self) -> bool {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
        (0..600).any(|_| {
            let has_ended = self.program.try_wait().is_ok_and(|ended| ended.is_some());
            let ping = [6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0, 0, 0];
            let _ = socket.send_to(&ping, self.address());
            !has_ended && socket.recv(&mut [0; 64]).is_ok()
        })
    }
}

impl Drop for SimulatedBmc {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Returns the output of `ipmitool` for a controller with the users of these tests; `None` if it is not installed.
#[must_use]
pub fn ipmitool(address: &str, arguments: &[&str]) -> Option<String> {
    let (text, errors, is_success) = run_ipmitool(address, arguments)?;
    assert!(is_success, "ipmitool {arguments:?}: {text}{errors}");
    Some(text)
}

/// Returns the error output of `ipmitool`, which must fail; `None` if it is not installed.
#[must_use]
pub fn ipmitool_fails(address: &str, arguments: &[&str]) -> Option<String> {
    let (text, errors, is_success) = run_ipmitool(address, arguments)?;
    assert!(!is_success, "ipmitool {arguments:?} does not fail: {text}{errors}");
    Some(text + &errors)
}

fn run_ipmitool(address: &str, arguments: &[&str]) -> Option<(String, String, bool)> {
    if !is_installed("ipmitool", "ipmitool") {
        return None;
    }
    let (host, port) = address.rsplit_once(':').expect("a port");
    let mut command = Command::new("ipmitool");
    command.args(["-I", "lanplus", "-C", "3", "-H", host, "-p", port, "-U", "admin", "-E"]).args(arguments);
    Some(run_to_end(command.env("IPMI_PASSWORD", "admin-pw")))
}

/// Returns the output of a FreeIPMI program for a controller with the users of these tests; `None` if not installed.
#[must_use]
pub fn free_ipmi(address: &str, program: &str, arguments: &[&str]) -> Option<String> {
    if !is_installed(program, "freeipmi-tools") {
        return None;
    }
    // A cache of its own: that of others is of other controllers at the same address.
    let home = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin"));
    command.args(["-D", "LAN_2_0", "-I", "3", "-h", address, "-u", "admin", "-p", "admin-pw", "-l", "ADMIN"]);
    command.args(["-W", "opensesspriv"]).args(arguments).env("HOME", home.path());
    // The program also fails if one of several requested items is missing.
    let (text, errors, _) = run_to_end(&mut command);
    assert!(!text.is_empty(), "{program} {arguments:?}: {errors}");
    Some(text)
}

fn run_to_end(command: &mut Command) -> (String, String, bool) {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.success())
}

/// Returns whether a program is installed; otherwise records that the test is skipped.
#[must_use]
pub fn is_installed(program: &str, package: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // FreeIPMI is where root looks.
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = { places }.any(|folder| folder.join(program).is_file());
    if !found {
        skips::skip!("{program} is missing (Debian: apt-get install {package})");
    }
    found
}

fn run(folder: &Path) -> Child {
    Command::new("ipmi_sim")
        .args(["-n", "-p", "-c", "lan.conf", "-f", "bmc.emu"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ipmi_sim runs")
}

fn configuration(port: u16, attached: Attached<'_>) -> String {
    let levels = ["callback", "user", "operator", "admin"];
    let allowed = levels.map(|level| format!("    allowed_auths_{level} none md2 md5 straight\n")).concat();
    let users = [
        ("\"\"", "anonpw", "user"),
        ("\"admin\"", "admin-pw", "admin"),
        ("\"oper\"", "oper-pw", "operator"),
        ("\"viewer\"", "viewer-pw", "user"),
        ("\"long16\"", "sixteen-byte-pwd", "admin"),
    ];
    let users: String = (1..)
        .zip(users)
        .map(|(number, (name, password, level))| {
            format!("  user {number} true {name} \"{password}\" {level} 10 none md2 md5 straight\n")
        })
        .collect();
    let attached = match attached {
        Attached::Nothing => String::new(),
        Attached::Line(line) => format!("  sol \"{}\" 115200\n", line.path()),
        Attached::Machine(port) => format!("  serial 15 127.0.0.1 {port} codec VM\n"),
    };
    format!(
        "name \"bmc\"\nset_working_mc 0x20\n  startlan 1\n    addr 127.0.0.1 {port}\n    priv_limit admin\n{allowed}    \
         guid a123456789abcdefa123456789000000\n  endlan\n{attached}  chassis_control \"./chassis.sh .\"\n{users}"
    )
}

fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("its mode");
}
