//! `telarch wmi`, compared with other programs on this machine.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Ran, run, telarch};

/// Runs `telarch wmi` with a state directory of its own.
fn wmi(arguments: &[&str], input: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("repository.mof");
    run(telarch(&["wmi", "--repository"]).arg(file).args(arguments), input)
}

fn json(arguments: &[&str]) -> Value {
    let ran = wmi(&[arguments, &["--format", "json"]].concat(), "");
    assert_eq!(ran.code, 0, "{}", ran.errors);
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn processes_match_ps() {
    // A process that runs during the whole test.
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    let id = child.id().to_string();
    let query = format!("SELECT ProcessId, ParentProcessId, Name FROM Win32_Process WHERE ProcessId = {id}");
    let rows = json(&[&query]);
    let from_ps = output("ps", &["-o", "ppid=", "-p", &id]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    assert_eq!(rows[0]["ParentProcessId"].to_string(), from_ps);
    assert_eq!(rows[0]["Name"], "sleep");
    let members: Vec<_> = rows[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(members.len(), 3, "{members:?}");
}

#[test]
fn csv_is_readable_by_python() {
    let query = "SELECT CSName, Caption, TotalVisibleMemorySize FROM Win32_OperatingSystem";
    let ran = wmi(&[query, "--format", "csv"], "");
    let script = "import csv, json, sys; print(json.dumps(list(csv.DictReader(sys.stdin))))";
    let read = run(Command::new("python3").args(["-c", script]), &ran.out);
    let rows: Value = serde_json::from_str(&read.out).unwrap();
    let other = json(&[query]);
    assert_eq!(rows[0]["Caption"], other[0]["Caption"]);
    assert_eq!(rows[0]["TotalVisibleMemorySize"], other[0]["TotalVisibleMemorySize"].to_string());
    assert_eq!(rows[0]["CSName"].as_str().unwrap().to_lowercase(), output("hostname", &[]).to_lowercase());
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    assert_eq!(total.trim().strip_suffix(" kB"), rows[0]["TotalVisibleMemorySize"].as_str());
}

#[test]
fn a_table_has_the_selected_columns_and_a_list_everything() {
    let table = wmi(&["SELECT Version, Caption FROM Win32_OperatingSystem"], "").out;
    assert!(table.starts_with("Version"), "{table}");
    assert_eq!(table.lines().count(), 2);
    let list = wmi(&["Win32_OperatingSystem"], "").out;
    let caption = list.lines().find(|line| line.starts_with("Caption ")).unwrap();
    let release = fs::read_to_string("/etc/os-release").unwrap();
    let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap();
    assert!(caption.ends_with(pretty.trim_matches('"')), "{caption} {pretty}");
    let one = wmi(&["get", "Win32_OperatingSystem=@"], "").out;
    assert!(one.contains("\nCaption "), "{one}");
}

#[test]
fn errors_in_queries_are_marked() {
    for (query, place) in [
        ("SELECT Naem FROM Win32_Process", "\n         ^^^^\n"),
        ("SELECT Name FORM Win32_Process", "\n              ^^^^\n"),
        ("SELECT Name FROM Win32_Process WHERE Handle ! 4", "^"),
    ] {
        let ran = wmi(&[query], "");
        assert_eq!(ran.code, 1);
        assert!(
            ran.errors.contains(&format!("\n  {query}\n")) && ran.errors.contains(place),
            "{}",
            ran.errors
        );
    }
    let ran = wmi(&["SELECT * FROM Win32_Proces"], "");
    assert!(
        ran.errors.contains("unknown class Win32_Proces\n  did you mean Win32_Process?"),
        "{}",
        ran.errors
    );
    let ran = wmi(&["-n", "root/none", "A"], "");
    assert!(ran.errors.contains("namespace root/none does not exist"), "{}", ran.errors);
}

#[test]
fn a_method_starts_a_process_and_another_ends_it() {
    let started = json(&["call", "Win32_Process", "Create", "CommandLine=sleep 611"]);
    assert_eq!(started[0]["ReturnValue"], 0, "{started}");
    let id = started[0]["ProcessId"].to_string();
    assert_eq!(output("ps", &["-o", "args=", "-p", &id]), "sleep 611");
    let ended = json(&["call", &format!("Win32_Process.Handle={id}"), "Terminate", "Reason=0"]);
    assert_eq!(ended[0]["ReturnValue"], 0, "{ended}");
    let ran = wmi(&["call", "Win32_Process", "Create", "Comandline=x"], "");
    assert!(
        ran.errors.contains("Comandline") && ran.errors.contains("describe Win32_Process"),
        "{}",
        ran.errors
    );
}

#[test]
fn classes_are_listed_and_described() {
    let listed = wmi(&["classes", "Win32_Process*"], "").out;
    assert!(
        listed.lines().any(|line| line.starts_with("Win32_Process ") && line.ends_with("yes")),
        "{listed}"
    );
    let described = wmi(&["describe", "win32_process"], "").out;
    assert!(described.starts_with("Win32_Process : CIM_Process : "), "{described}");
    assert!(described.contains("uint32 Terminate(uint32 Reason)\n"), "{described}");
    let handle = described.lines().find(|line| line.starts_with("  Handle ")).unwrap();
    assert!(
        handle.ends_with("string    key") || handle.contains("string") && handle.ends_with("key"),
        "{handle}"
    );
    let object = json(&["describe", "Win32_Process"]);
    assert_eq!(object["properties"].as_array().unwrap().len(), 45);
    assert!(wmi(&["describe", "Win32_Process", "--qualifiers"], "").out.contains("[Key]"));
}

#[test]
fn compiled_instances_can_be_queried() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("repository.mof");
    let text = "class Room { [Key] string Name; uint32 Seats = 4; };\ninstance of Room { Name = \"Oslo\"; };";
    let ran = run(telarch(&["mofcomp", "-", "-n", "root/cimv2", "--repository"]).arg(&file), text);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    let ran =
        run(telarch(&["wmi", "SELECT Name, Seats FROM Room WHERE Seats > 3", "--repository"]).arg(&file), "");
    assert_eq!(ran.out, "Name  Seats\nOslo  4\n", "{}", ran.errors);
}

#[test]
fn the_descriptor_of_a_namespace_is_shown_and_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("repository.mof");
    let security = |arguments: &[&str]| {
        let mut command = telarch(&["wmi", "security", "root/cimv2"]);
        run(command.args(arguments).arg("--repository").arg(&file), "")
    };
    let shown = security(&[]).out;
    assert!(shown.contains("BUILTIN\\Administrators (BA) allowed: full control (inherited)"), "{shown}");
    let set = security(&["D:(A;CI;CCWP;;;RM)"]);
    assert!(set.out.contains("(RM) allowed: ENABLE, REMOTE_ENABLE\n"), "{}{}", set.out, set.errors);
    assert!(fs::read_to_string(&file).unwrap().contains("#pragma security(\"D:(A;CI;CCWP;;;RM)\")"));
    assert_eq!(security(&[]).out, set.out);
    let wrong = security(&["D:(A;;ZZ;;;RM)"]);
    assert!(wrong.errors.contains("unknown right \"ZZ"), "{}", wrong.errors);
}

#[test]
fn rights_of_users_are_allowed_denied_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("repository.mof");
    fs::write(folder.path().join("machine-sid"), "S-1-5-21-1-2-3\n").unwrap();
    let security = |arguments: &[&str]| {
        let mut command = telarch(&["wmi", "security"]);
        run(command.args(arguments).arg("--repository").arg(&file), "")
    };
    let daemon = output("id", &["-u", "daemon"]).parse::<u32>().unwrap();
    let sid = format!("S-1-5-21-1-2-3-{}", 1_000 + 2 * daemon);
    let set = security(&["root/cimv2", "--allow", "daemon", "--allow", "Remote Management Users"]);
    let line = format!("  daemon ({sid}) allowed: ENABLE, METHOD_EXECUTE, REMOTE_ENABLE\n");
    assert!(set.code == 0 && set.out.contains(&line), "{}{}", set.out, set.errors);
    assert!(set.out.contains("(RM) allowed: ENABLE, METHOD_EXECUTE, REMOTE_ENABLE\n"), "{}", set.out);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(&format!("(A;CI;CCDCWP;;;{sid})(A;CI;CCDCWP;;;RM)\")")), "{text}");
    assert_eq!(security(&["root/cimv2"]).out, set.out);

    let denied = security(&["root/cimv2", "--deny", "daemon", "--rights", "methods"]).out;
    assert!(denied.contains(&format!("  daemon ({sid}) denied: METHOD_EXECUTE\n")), "{denied}");
    assert!(denied.contains(&format!("  daemon ({sid}) allowed: ENABLE, REMOTE_ENABLE\n")), "{denied}");
    let repeated =
        security(&["root/cimv2", "--allow", "AU", "--rights", "enable,methods,provider-write"]).out;
    assert_eq!(repeated.matches("(AU) allowed:").count(), 1, "{repeated}");
    assert!(repeated.contains("WRITE_PROVIDER (also inherited)\n"), "{repeated}");
    let removed = security(&["root/cimv2", "--remove", "daemon", "--remove", &sid, "--remove", "RM"]);
    assert!(removed.errors.contains("has no such entry of its own"), "{}{}", removed.out, removed.errors);
    let removed = security(&["root/cimv2", "--remove", "daemon", "--remove", "RM"]);
    assert!(removed.code == 0 && !removed.out.contains("daemon"), "{}{}", removed.out, removed.errors);
    let inherited = security(&["root/cimv2", "--remove", "BA"]);
    assert!(inherited.errors.contains("inherited; see telarch wmi security root"), "{}", inherited.errors);
    assert_eq!(inherited.code, 1);
    let unknown = security(&["root", "--allow", "no-such-user"]);
    assert!(unknown.errors.contains("unknown user or group \"no-such-user\""), "{}", unknown.errors);
}

#[test]
fn without_a_terminal_plot_and_shell_use_lines() {
    let query = "SELECT FreePhysicalMemory FROM Win32_OperatingSystem";
    let plot = wmi(&["plot", query, "--every", "100ms", "--for", "300ms"], "").out;
    let numbers: Vec<f64> =
        plot.lines().map(|line| line.split(' ').next_back().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers.len(), 3, "{plot}");
    assert!(numbers.iter().all(|number| *number > 1_000.0), "{plot}");
    let none = wmi(&["plot", "SELECT Caption FROM Win32_OperatingSystem", "--for", "1s"], "");
    assert!(none.errors.contains("no number to plot"), "{}", none.errors);
    let talk = wmi(&[], "format csv\nSELECT Caption FROM Win32_OperatingSystem;\nquit\nnonsense\n");
    assert_eq!((talk.out.lines().next(), talk.code), (Some("Caption"), 0), "{}", talk.errors);
    let names = run(telarch(&["wmi", "complete-classes"]).stderr(Stdio::piped()), "").out;
    assert!(names.lines().any(|name| name == "Win32_Process"));
}
