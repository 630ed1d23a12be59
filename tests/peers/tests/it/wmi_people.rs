//! `telarch wmi` in front of somebody: the shell with its keys, the plot, and another machine.

use std::process::Command;

use serde_json::Value;
use telarch_peers::{PASSWORD, Telarchd, Tmux, USER, telarch};

#[test]
fn the_shell_completes_names_answers_remembers_and_ends() {
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path().display().to_string();
    let Some(terminal) = Tmux::start(110, "", &[("HOME", &home), ("XDG_STATE_HOME", &home)]) else { return };
    terminal.line("telarch wmi; echo end $?");
    terminal.wait_for("wmi>");
    // A class behind FROM, completed by TAB.
    terminal.text("SELECT Caption, Version FROM Win32_OperatingSys");
    terminal.key("Tab");
    terminal.wait_for("FROM Win32_OperatingSystem");
    terminal.key("Enter");
    let screen = terminal.seen("\nCaption ");
    let release = std::fs::read_to_string("/etc/os-release").expect("it is there on every Linux");
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).expect("a name");
    assert!(screen.contains(&format!("\n{}", name.trim_matches('"'))), "{screen}");
    // A property of that class.
    terminal.text("SELECT Caption FROM Win32_OperatingSystem WHERE LastBoot");
    terminal.key("Tab");
    terminal.wait_for("WHERE LastBootUpTime");
    terminal.key("C-c");
    // What was asked before comes back.
    terminal.line("SELECT Naem FROM Win32_Process");
    terminal.wait_for("         ^^^^");
    terminal.key("Up");
    terminal.key("Up");
    terminal.wait_for("wmi> SELECT Caption, Version FROM Win32_OperatingSystem");
    terminal.key("C-c");
    terminal.key("C-d");
    terminal.wait_for("end 0");
    let remembered = std::fs::read_to_string(format!("{home}/telarch/wmi-history")).expect("the history");
    assert!(remembered.ends_with("SELECT Naem FROM Win32_Process\n"), "{remembered}");
}

#[test]
fn a_plot_is_drawn_until_a_key_ends_it_and_the_terminal_is_as_before() {
    let Some(terminal) = Tmux::start(80, "", &[]) else { return };
    for key in ["q", "C-c"] {
        terminal.line(
            "clear; telarch wmi plot 'SELECT FreePhysicalMemory FROM Win32_OperatingSystem' --every 100ms; echo end $?",
        );
        terminal.wait_for("q ends");
        let screen = terminal.seen("██");
        assert!(screen.contains("FreePhysicalMemory: "), "{screen}");
        assert_eq!(screen.matches("FreePhysicalMemory: ").count(), 1, "it is drawn in one place: {screen}");
        terminal.key(key);
        terminal.wait_for("end 0");
    }
    terminal.line("echo seen again");
    assert!(terminal.seen("\nseen again").contains(" echo seen again"), "typing is not shown");
}

#[test]
fn another_machine_is_asked_with_the_switches_of_winrm() {
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
    let url = service.http();
    let password = format!("-p:{PASSWORD}");
    let ask = |words: &[&str]| {
        let switches = ["-r", url, "-u", USER, &password, "-auth:basic", "-unencrypted"];
        telarch(&[&["wmi"], words, &switches].concat(), "")
    };
    let mut child = Command::new("sleep").arg("600").spawn().expect("sleep");
    let query = format!(
        "SELECT ProcessId, ParentProcessId, CreationDate FROM Win32_Process WHERE Handle = '{}'",
        child.id()
    );
    let (there, here) =
        (ask(&[&query, "--format", "json"]), telarch(&["wmi", &query, "--format", "json"], ""));
    child.kill().expect("it runs");
    child.wait().expect("it was killed");
    assert_eq!(there.text(), here.text(), "types and times are the same from afar");
    let rows: Value = serde_json::from_slice(&there.stdout).expect("JSON");
    assert_eq!(rows[0]["ParentProcessId"], std::process::id(), "{rows}");

    let one = ask(&["get", "Win32_OperatingSystem=@", "--format", "csv"]);
    assert!(one.text().0.starts_with("BootDevice,"), "{one:?}");
    let called = ask(&["call", "Win32_Process", "Create", "CommandLine=true", "--format", "json"]);
    assert!(called.text().0.contains("\"ReturnValue\": 0"), "{called:?}");
    let wrong = ask(&["SELECT * FROM Nothing"]);
    assert!(wrong.text().1.starts_with("telarch: there is no class Nothing\n"), "{wrong:?}");
    let refused = telarch(
        &["wmi", "Win32_Process", "-r", url, "-u", USER, "-p:wrong", "-auth:basic", "-unencrypted"],
        "",
    );
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(!refused.text().1.contains("WSManFault"), "{refused:?}");
}
