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
        terminal.clear();
        terminal.line(
            "telarch wmi plot 'SELECT FreePhysicalMemory FROM Win32_OperatingSystem' --every 100ms; echo end $?",
        );
        terminal.wait_for("q ends");
        let screen = terminal.seen("██");
        assert!(screen.contains("FreePhysicalMemory: "), "{screen}");
        assert_eq!(screen.matches("FreePhysicalMemory: ").count(), 1, "it is drawn in one place: {screen}");
        terminal.key(key);
        terminal.wait_for("end 0");
    }
    terminal.clear();
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
    assert!(
        wrong.text().1.contains("lists the classes") && !wrong.text().1.contains("winrm help"),
        "{wrong:?}"
    );
    let refused = telarch(
        &["wmi", "Win32_Process", "-r", url, "-u", USER, "-p:wrong", "-auth:basic", "-unencrypted"],
        "",
    );
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(!refused.text().1.contains("WSManFault"), "{refused:?}");
}

#[test]
fn classes_rights_and_counters_of_another_machine_are_told_like_those_of_this_one() {
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
    let password = format!("-p:{PASSWORD}");
    let ask = |words: &[&str]| {
        let switches = ["-r", service.http(), "-u", USER, &password, "-auth:basic", "-unencrypted"];
        telarch(&[&["wmi"], words, &switches].concat(), "")
    };
    for class in ["Win32_Service", "CIM_DataFile", "Win32_DependentService", "StdRegProv"] {
        for words in [
            &["describe", class][..],
            &["describe", class, "--qualifiers"],
            &["describe", class, "--qualifiers", "--format", "json"],
        ] {
            let (there, here) = (ask(words), telarch(&[&["wmi"], words].concat(), ""));
            assert_eq!(there.text(), here.text(), "{words:?}");
        }
    }
    let listed = ask(&["classes", "win32_operatingsyst*", "--format", "csv"]);
    assert_eq!(
        listed.text().0,
        "Class,Superclass\nWin32_OperatingSystem,CIM_OperatingSystem\n",
        "{listed:?}"
    );
    let names = |run: &telarch_peers::Run| -> Vec<String> {
        let lines = run.text().0.lines().skip(1);
        lines.map(|line| line.split(',').next().unwrap_or_default().to_owned()).collect()
    };
    let all = [ask(&["classes", "--format", "csv"]), telarch(&["wmi", "classes", "--format", "csv"], "")];
    assert_eq!(names(&all[0]), names(&all[1]));
    assert!(names(&all[0]).len() > 150, "{}", names(&all[0]).len());

    let rights = ask(&["security", "root/default"]);
    assert!(rights.text().0.starts_with("root/default\n  BUILTIN\\Administrators"), "{rights:?}");
    let set = ask(&["security", "root/default", "D:(A;CI;CCDCRPWP;;;BU)"]);
    assert!(set.text().0.contains("D:(A;CI;CCDCRPWP;;;BU)") && set.code == 0, "{set:?}");
    assert_eq!(ask(&["security", "root/default"]).text().0, set.text().0);

    let query = "SELECT FreePhysicalMemory FROM Win32_OperatingSystem";
    let plot = ask(&["plot", query, "--every", "100ms", "--for", "300ms"]);
    let lines: Vec<&str> = plot.text().0.lines().collect();
    assert!(lines.len() == 3 && lines[0].starts_with("0.0 "), "{plot:?}");

    let wrong = ask(&["describe", "Win32_Nothing"]);
    assert!(wrong.text().1.contains("telarch wmi classes -r http://127.0.0.1:"), "{wrong:?}");
    let wrong = ask(&["classes", "-n", "root/nothing"]);
    assert!(wrong.code == 1 && wrong.text().1.contains("namespace root/nothing does not exist"), "{wrong:?}");
}

#[test]
fn the_shell_completes_the_names_that_another_machine_has() {
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path().display().to_string();
    let environment = [("HOME", home.as_str()), ("XDG_STATE_HOME", &home), ("TELARCH_PASSWORD", PASSWORD)];
    let Some(terminal) = Tmux::start(110, "", &environment) else { return };
    let url = service.http();
    terminal
        .line(&format!("telarch wmi -n root/scx -r {url} -u {USER} -auth:basic -unencrypted; echo end $?"));
    terminal.wait_for("wmi>");
    terminal.text("SELECT * FROM SCX_OperatingSys");
    terminal.key("Tab");
    terminal.wait_for("FROM SCX_OperatingSystem");
    terminal.text(" WHERE TotalVisible");
    terminal.key("Tab");
    terminal.wait_for("WHERE TotalVisibleMemorySize");
    terminal.key("C-c");
    terminal.line("describe SCX_Agent");
    terminal.wait_for("VersionString   ");
    terminal.key("C-d");
    terminal.wait_for("end 0");
}
