//! `telarch ipmi watch` and `telarch ipmi sol` on a terminal (tmux).

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use telarch_simulated_bmc::{ControllerGroup, Network, SimulatedBmc, settings};

use crate::ipmi::printed;
use crate::ipmi_daily::with_two_of_one_name;

/// A terminal with one program; both end when this is dropped.
pub(crate) struct Terminal {
    socket: String,
}

impl Terminal {
    /// Starts a command line in a terminal.
    pub(crate) fn start(program: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").stdout(Stdio::null()).status().is_err() {
            skips::skip!("tmux is missing (Debian: apt-get install tmux)");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("telarch-tmux-").tempdir().unwrap().keep();
        let terminal = Self { socket: folder.join("tmux").display().to_string() };
        let program = format!("{program}; echo ended; exec sh");
        let mut start =
            terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40", &program]);
        start.env("TELARCH_IPMI_PASSWORD", "admin-pw").env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
        assert!(start.env_remove("NO_COLOR").status().unwrap().success());
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-S", &self.socket]).args(arguments);
        command
    }

    pub(crate) fn types(&self, text: &str) {
        assert!(self.tmux(&["send-keys", "-l", text]).status().unwrap().success());
    }

    fn screen(&self, options: &[&str]) -> String {
        let output = self.tmux(&[&["capture-pane", "-p"], options].concat()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until a text is on the screen and returns the screen.
    pub(crate) fn seen(&self, text: &str) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let screen = self.screen(&[]);
            if screen.contains(text) {
                return screen;
            }
            assert!(Instant::now() < until, "{text} is not on the screen: {screen}");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]).stderr(Stdio::null()).status();
        let folder = std::path::Path::new(&self.socket).parent().unwrap();
        let _ = std::fs::remove_dir_all(folder);
    }
}

pub(crate) fn ours(arguments: &str) -> String {
    format!("{} ipmi {arguments}", env!("CARGO_BIN_EXE_telarch"))
}

#[test]
fn the_progress_of_a_long_scan_is_shown() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let group = ControllerGroup::start(1, Network::default());
    let (silent, bmc) = (silent.local_addr().unwrap(), group.addresses()[0]);
    let command = ours(&format!("scan --limit 3600 -H {bmc},{silent}"));
    let Some(terminal) = Terminal::start(&command) else { return };
    let screen = terminal.seen("1 of 2 controllers, ");
    // The line is redrawn below the output.
    let lines: Vec<&str> = screen.lines().filter(|line| !line.is_empty()).collect();
    let (first, last) = (lines.first().unwrap(), lines.last().unwrap());
    assert!(first.starts_with(&format!("{bmc}: ping yes")), "{screen}");
    assert!(last.starts_with("1 of 2 controllers, ") && last.contains(" s [#"), "{screen}");
    drop(terminal);
    // A result within a second shows none, and neither does a file.
    let quick = Terminal::start(&ours(&format!("power status -U admin -H {bmc}"))).unwrap();
    let screen = quick.seen("ended");
    assert!(screen.contains("Chassis Power is on") && !screen.contains("controllers"), "{screen}");
}

#[test]
fn watch_shows_sensors_until_q_is_typed() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let Some(terminal) = Terminal::start(&ours(&format!("watch --every 1 -U admin -H {}", bmc.address())))
    else {
        return;
    };
    let screen = terminal.seen("▁▁");
    let line = |name: &str| screen.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("VBAT").contains("3 V") && line("VBAT").contains(" ok "), "{screen}");
    assert!(line("PSU2 Status").contains("critical"), "{screen}");
    // Critical sensors are red, good ones green.
    let coloured = terminal.screen(&["-e"]);
    let coloured =
        |name: &str| coloured.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(
        coloured("PSU2 Status").contains("31m") && coloured("VBAT").contains("32m"),
        "{:?}",
        coloured("VBAT")
    );
    terminal.types("b");
    let until = Instant::now() + Duration::from_secs(60);
    while terminal.screen(&[]).contains("VBAT") {
        assert!(Instant::now() < until, "{}", terminal.screen(&[]));
    }
    assert!(terminal.screen(&[]).contains("PSU Redundancy"), "{}", terminal.screen(&[]));
    terminal.types("q");
    let after = terminal.seen("ended");
    assert!(!after.contains("PSU Redundancy"), "the screen is as it was before: {after}");
}

#[test]
fn watch_distinguishes_sensors_of_the_same_name() {
    let group = ControllerGroup::of(vec![(settings(80), with_two_of_one_name())], Network::default());
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let hosts = format!("{},{}", silent.local_addr().unwrap(), group.addresses()[0]);
    let watched = ours(&format!("watch --every 1 --limit 1 -U admin -H {hosts}"));
    let Some(terminal) = Terminal::start(&watched) else { return };
    let screen = terminal.seen("VBAT");
    for sensor in ["CPU1 Temp (processor 1) 01h 45 C ", "CPU1 Temp (processor 2) 02h 47 C "] {
        assert!(screen.lines().any(|line| line.starts_with(sensor)), "{sensor} is not in {screen}");
    }
    // A silent controller has one line, so that the order is kept.
    let screen = terminal.seen("no answer");
    assert!(screen.starts_with("1 of 2 controllers") && !screen.contains("UDP port"), "{screen}");
    terminal.types("q");
    terminal.seen("ended");
}

#[test]
fn the_terminal_is_restored_after_a_termination_signal() {
    let group = ControllerGroup::start(1, Network::default());
    let watched = ours(&format!("watch --every 1 -U admin -H {}", group.addresses()[0]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("process");
    let Some(terminal) = Terminal::start(&format!("sh -c 'echo $$ >{}; exec {watched}'", file.display()))
    else {
        return;
    };
    terminal.seen("VBAT");
    let process: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(process).unwrap(), Signal::TERM).unwrap();
    let after = terminal.seen("ended");
    assert!(!after.contains("VBAT"), "{after}");
}

#[test]
fn the_serial_console_accepts_input_and_ends_with_a_tilde() {
    let Some((bmc, mut line)) = SimulatedBmc::start_with_console() else { return };
    assert_eq!(printed(&bmc, &["sol", "set", "enabled", "on"]), "changed the settings of the controller\n");
    assert!(printed(&bmc, &["sol", "info"]).contains("Enabled                      : yes"));
    let Some(terminal) = Terminal::start(&ours(&format!("sol -U admin -H {}", bmc.address()))) else {
        return;
    };
    terminal.seen("~. quits");
    line.say("login: ");
    terminal.seen("login:");
    terminal.types("ada\r");
    assert_eq!(line.receive_until("\r"), "ada\r");
    line.say("\r\nwelcome\r\n");
    terminal.seen("welcome");
    terminal.types("~?");
    terminal.seen("~B sends a break");
    terminal.types("~.");
    terminal.seen("ended");
    assert_eq!(printed(&bmc, &["sol", "deactivate"]), "deactivated the console\n");
}

#[test]
fn a_console_is_reopened_after_a_controller_restart() {
    let Some((mut bmc, mut line)) = SimulatedBmc::start_with_console() else { return };
    printed(&bmc, &["sol", "set", "enabled", "on"]);
    let Some(terminal) = Terminal::start(&ours(&format!("sol -U admin --limit 2 -H {}", bmc.address())))
    else {
        return;
    };
    terminal.seen("~. quits");
    line.say("before\r\n");
    terminal.seen("before");
    bmc.restart();
    // Input is not answered.
    terminal.types("x");
    terminal.seen("connection lost");
    // The restarted controller has no console session.
    printed(&bmc, &["sol", "set", "enabled", "on"]);
    terminal.seen("reconnected");
    line.say("after\r\n");
    terminal.seen("after");
    terminal.types("\r");
    terminal.types("~.");
    terminal.seen("ended");
}
