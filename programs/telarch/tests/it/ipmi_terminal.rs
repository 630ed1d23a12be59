//! What `telarch ipmi` draws on a terminal, and what is typed there, in tmux.

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use telarch_simulated_bmc::{Crowd, Network, SimulatedBmc, settings};

use crate::ipmi::printed;
use crate::ipmi_daily::with_two_of_one_name;

/// A terminal with one program in it; dropping it ends both.
pub(crate) struct Terminal {
    socket: String,
}

impl Terminal {
    /// With this command line.
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

    /// The screen, once this is on it.
    pub(crate) fn seen(&self, text: &str) -> String {
        let until = Instant::now() + Duration::from_secs(40);
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
fn sensors_are_watched_until_somebody_types_q() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let Some(terminal) = Terminal::start(&ours(&format!("watch --every 1 -U admin -H {}", bmc.address())))
    else {
        return;
    };
    let screen = terminal.seen("▁▁");
    let line = |name: &str| screen.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("VBAT").contains("3 V") && line("VBAT").contains(" ok "), "{screen}");
    assert!(line("PSU2 Status").contains("critical"), "{screen}");
    // Red for what is critical, green for what is not.
    let coloured = terminal.screen(&["-e"]);
    let coloured =
        |name: &str| coloured.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(
        coloured("PSU2 Status").contains("31m") && coloured("VBAT").contains("32m"),
        "{:?}",
        coloured("VBAT")
    );
    terminal.types("b");
    let until = Instant::now() + Duration::from_secs(20);
    while terminal.screen(&[]).contains("VBAT") {
        assert!(Instant::now() < until, "{}", terminal.screen(&[]));
    }
    assert!(terminal.screen(&[]).contains("PSU Redundancy"), "{}", terminal.screen(&[]));
    terminal.types("q");
    let after = terminal.seen("ended");
    assert!(!after.contains("PSU Redundancy"), "the screen is as it was before: {after}");
}

#[test]
fn sensors_of_one_name_are_told_apart_where_they_are_watched() {
    let crowd = Crowd::of(vec![(settings(80), with_two_of_one_name())], Network::default());
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let hosts = format!("{},{}", silent.local_addr().unwrap(), crowd.addresses()[0]);
    let watched = ours(&format!("watch --every 1 --limit 1 -U admin -H {hosts}"));
    let Some(terminal) = Terminal::start(&watched) else { return };
    let screen = terminal.seen("VBAT");
    for sensor in ["CPU1 Temp (processor 1) 01h 45 C ", "CPU1 Temp (processor 2) 02h 47 C "] {
        assert!(screen.lines().any(|line| line.starts_with(sensor)), "{sensor} is not in {screen}");
    }
    // Of one that does not answer there is one line, so that the first is where it belongs.
    let screen = terminal.seen("no answer");
    assert!(screen.starts_with("1 of 2 controllers") && !screen.contains("UDP port"), "{screen}");
    terminal.types("q");
    terminal.seen("ended");
}

#[test]
fn a_terminal_is_left_as_it_was_also_by_what_is_told_to_end() {
    let crowd = Crowd::start(1, Network::default());
    let watched = ours(&format!("watch --every 1 -U admin -H {}", crowd.addresses()[0]));
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
fn the_serial_console_is_typed_on_and_ended_with_a_tilde() {
    let Some((bmc, mut line)) = SimulatedBmc::start_with_console() else { return };
    assert_eq!(printed(&bmc, &["sol", "set", "enabled", "on"]), "the controller has changed it\n");
    assert!(printed(&bmc, &["sol", "info"]).contains("Enabled                      : yes"));
    let Some(terminal) = Terminal::start(&ours(&format!("sol -U admin -H {}", bmc.address()))) else {
        return;
    };
    terminal.seen("~. ends it");
    line.say("login: ");
    terminal.seen("login:");
    terminal.types("ada\r");
    assert_eq!(line.heard("\r"), "ada\r");
    line.say("\r\nwelcome\r\n");
    terminal.seen("welcome");
    terminal.types("~?");
    terminal.seen("~B sends a break");
    terminal.types("~.");
    terminal.seen("ended");
    assert_eq!(printed(&bmc, &["sol", "deactivate"]), "nobody has the console now\n");
}

#[test]
fn a_console_whose_controller_starts_again_is_opened_again() {
    let Some((mut bmc, mut line)) = SimulatedBmc::start_with_console() else { return };
    printed(&bmc, &["sol", "set", "enabled", "on"]);
    let Some(terminal) = Terminal::start(&ours(&format!("sol -U admin --limit 2 -H {}", bmc.address())))
    else {
        return;
    };
    terminal.seen("~. ends it");
    line.say("before\r\n");
    terminal.seen("before");
    bmc.restart();
    // Nobody answers to what is typed.
    terminal.types("x");
    terminal.seen("the connection is lost");
    // It has forgotten that it has a console.
    printed(&bmc, &["sol", "set", "enabled", "on"]);
    terminal.seen("the console is there again");
    line.say("after\r\n");
    terminal.seen("after");
    terminal.types("\r");
    terminal.types("~.");
    terminal.seen("ended");
}
