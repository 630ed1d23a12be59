//! `telarch wmi` in front of somebody: the shell with its keys, the plot, and another machine.

use std::process::Command;

use serde_json::Value;
use telarch_peers::terminal::{CTRL_C, CTRL_D, TAB, UP};
use telarch_peers::{PASSWORD, Telarchd, Terminal, USER, telarch};

#[test]
fn the_shell_completes_names_executes_keeps_history_and_ends() {
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path().display().to_string();
    let mut terminal = Terminal::start(110, "", &[("HOME", &home), ("XDG_STATE_HOME", &home)]);
    let ended = terminal.run_with("telarch wmi", |terminal| {
        terminal.prompt("wmi>");
        // TAB completes a class behind FROM.
        terminal.keys("SELECT Caption, Version FROM Win32_OperatingSys");
        terminal.keys(TAB);
        terminal.seen("FROM Win32_OperatingSystem");
        terminal.keys("\r");
        let screen = terminal.seen("\nCaption ");
        let release = std::fs::read_to_string("/etc/os-release").expect("it is there on every Linux");
        let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).expect("a name");
        assert!(screen.contains(&format!("\n{}", name.trim_matches('"'))), "{screen}");
        // TAB completes a property of that class.
        terminal.keys("SELECT Caption FROM Win32_OperatingSystem WHERE LastBoot");
        terminal.keys(TAB);
        terminal.seen("WHERE LastBootUpTime");
        terminal.keys(CTRL_C);
        terminal.prompt("wmi>");
        // Cursor up shows earlier queries.
        terminal.line("SELECT Naem FROM Win32_Process");
        terminal.seen("         ^^^^");
        terminal.prompt("wmi>");
        terminal.keys(UP);
        terminal.keys(UP);
        terminal.prompt("wmi> SELECT Caption, Version FROM Win32_OperatingSystem");
        terminal.keys(CTRL_C);
        terminal.prompt("wmi>");
        terminal.keys(CTRL_D);
    });
    assert_eq!(ended.status, 0, "{}", ended.screen);
    let remembered = std::fs::read_to_string(format!("{home}/telarch/wmi-history")).expect("the history");
    assert!(remembered.ends_with("SELECT Naem FROM Win32_Process\n"), "{remembered}");
}

#[test]
fn a_plot_runs_until_a_key_is_pressed_and_restores_the_terminal() {
    let mut terminal = Terminal::start(80, "", &[]);
    let plot = "telarch wmi plot 'SELECT FreePhysicalMemory FROM Win32_OperatingSystem' --every 100ms";
    for key in ["q", CTRL_C] {
        terminal.clear();
        let ended = terminal.run_with(plot, |terminal| {
            terminal.seen("q quits");
            let screen = terminal.seen("██");
            assert_eq!(
                screen.matches("FreePhysicalMemory: ").count(),
                1,
                "it is drawn in one place: {screen}"
            );
            terminal.keys(key);
        });
        assert_eq!(ended.status, 0, "{}", ended.screen);
    }
    terminal.clear();
    let again = terminal.run("echo seen again").screen;
    assert!(again.contains(" echo seen again\nseen again"), "typing is not shown: {again}");
}

#[test]
fn another_machine_is_queried_with_the_switches_of_winrm() {
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
    assert!(wrong.text().1.starts_with("telarch: unknown class Nothing\n"), "{wrong:?}");
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
fn remote_classes_rights_and_counters_are_shown_like_local_ones() {
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
    let added = ask(&["security", "root/default", "--allow", "Authenticated Users"]);
    let line = "Authenticated Users (AU) allowed: ENABLE, METHOD_EXECUTE, REMOTE_ENABLE\n";
    assert!(added.text().0.contains(line), "{added:?}");
    let removed = ask(&["security", "root/default", "--remove", "Authenticated Users"]);
    assert_eq!(removed.text().0, set.text().0, "{removed:?}");
    let unknown = ask(&["security", "root/default", "--allow", "no-such-user"]);
    assert!(unknown.text().1.contains("unknown user or group \"no-such-user\" on http"), "{unknown:?}");

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
    let mut terminal = Terminal::start(110, "", &environment);
    let url = service.http();
    let shell = format!("telarch wmi -n root/scx -r {url} -u {USER} -auth:basic -unencrypted");
    let ended = terminal.run_with(&shell, |terminal| {
        terminal.prompt("wmi>");
        terminal.keys("SELECT * FROM SCX_OperatingSys");
        terminal.keys(TAB);
        terminal.seen("FROM SCX_OperatingSystem");
        terminal.keys(" WHERE TotalVisible");
        terminal.keys(TAB);
        terminal.seen("WHERE TotalVisibleMemorySize");
        terminal.keys(CTRL_C);
        terminal.prompt("wmi>");
        terminal.line("describe SCX_Agent");
        terminal.seen("VersionString   ");
        terminal.prompt("wmi>");
        terminal.keys(CTRL_D);
    });
    assert_eq!(ended.status, 0, "{}", ended.screen);
}
