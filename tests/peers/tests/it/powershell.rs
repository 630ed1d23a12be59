//! PowerShell remoting: pypsrp and `telarch pwsh` against the service, with a stand-in for `pwsh -s`.

use std::time::Duration;

use serde_json::{Value, json};
use telarch_peers::{
    PASSWORD, Peer, Pwsh, Pypsrp, Refusal, Telarchd, USER, WayIn, Winrm, ends_within, telarch,
};

/// A service with a stand-in for PowerShell.
struct Endpoint {
    service: Telarchd,
    peer: Pypsrp,
    _pwsh: Pwsh,
}

impl Endpoint {
    fn start() -> Self {
        Self::start_with(Pwsh::new(), &[])
    }

    fn start_with(pwsh: Pwsh, settings: &[(&str, &str)]) -> Self {
        let program = pwsh.program().to_str().expect("UTF-8").to_owned();
        let settings = [&[("PowerShell.Program", program.as_str())], settings].concat();
        let service = Telarchd::start(&settings);
        let peer = Pypsrp::against(&service, WayIn::BasicOverHttps);
        Self { service, peer, _pwsh: pwsh }
    }

    fn ask(&self, action: &str, arguments: Value) -> Result<Value, Refusal> {
        self.peer.use_powershell(action, arguments)
    }

    /// Runs scripts in one pool.
    fn run<const N: usize>(&self, scripts: [&str; N]) -> [Value; N] {
        let results = self.ask("run", json!({ "scripts": scripts.as_slice() })).expect("not refused");
        let results = results.as_array().expect("a result for each").clone();
        results.try_into().unwrap_or_else(|results| panic!("{results:?}"))
    }

    fn refusal(&self, action: &str, arguments: Value) -> Refusal {
        self.ask(action, arguments).expect_err("not refused")
    }
}

#[test]
fn scripts_return_objects_records_and_errors() {
    let endpoint = Endpoint::start();
    let [objects, streams, failed, after] = endpoint.run(["objs:2", "streams", "throw:no more", "after"]);
    assert_eq!(
        objects["output"],
        json!([
            {"Number": 0, "Name": "name 0", "Even": true},
            {"Number": 1, "Name": "name 1", "Even": false}
        ])
    );
    assert_eq!(objects["state"], "completed");
    for (stream, expected) in [
        ("output", "output"),
        ("errors", "an error"),
        ("warnings", "a warning"),
        ("verbose", "some details"),
        ("debug", "more details"),
        ("information", "a fact"),
        ("progress", "an activity"),
    ] {
        assert_eq!(streams[stream], json!([expected]), "{stream}: {streams}");
    }
    assert_eq!((&failed["state"], &failed["errors"]), (&json!("failed"), &json!(["no more"])));
    assert_eq!(after["output"], json!(["after"]));
}

#[test]
fn the_process_is_called_as_pwsh_with_the_environment_of_the_caller() {
    let endpoint = Endpoint::start();
    let [arguments, user, client] = endpoint
        .run(["arguments", "env:TELARCH_USER", "env:TELARCH_CLIENT"])
        .map(|result| result["output"][0].clone());
    assert_eq!(arguments, "-NoLogo -NoProfile -s");
    assert_eq!((user, client), (json!("ada"), json!("127.0.0.1")));
}

#[test]
fn a_session_configuration_file_makes_an_endpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("Backup.pssc");
    std::fs::write(&file, "@{}").expect("a fresh file");
    let path = folder.path().to_str().expect("UTF-8");
    let endpoint = Endpoint::start_with(Pwsh::new(), &[("PowerShell.Configurations", path)]);
    let answer = endpoint.ask("run", json!({"scripts": ["arguments"], "configuration": "backup"}));
    let expected = format!("-NoLogo -NoProfile -s -ConfigurationFile {}", file.display());
    assert_eq!(answer.expect("not refused")[0]["output"], json!([expected]));
}

#[test]
fn endpoints_are_listed_and_can_be_disabled_and_restricted() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("Backup.pssc"), "@{}").expect("a fresh file");
    let path = folder.path().to_str().expect("UTF-8");
    let endpoint = Endpoint::start_with(Pwsh::new(), &[("PowerShell.Configurations", path)]);
    let winrm = || Winrm::to(endpoint.service.http());
    let listed = winrm().switch("-returnType:epr").run(&["enumerate", "winrm/config/plugin"]);
    for name in ["PowerShell", "Microsoft.PowerShell", "PowerShell.7", "Backup"] {
        assert!(listed.text().0.contains(&format!("Selector: Name = {name}\n")), "{name}: {listed:?}");
    }
    let shown = winrm().run(&["get", "winrm/config/plugin?Name=backup"]);
    let uri = "http://schemas.microsoft.com/powershell/Backup";
    for part in
        ["Name = Backup\n", "Enabled = true\n", &format!("ResourceUri = {uri}\n"), "MaxShellsPerUser = 30\n"]
    {
        assert!(shown.text().0.contains(part), "{part}: {shown:?}");
    }
    let open = |name: &str| endpoint.ask("run", json!({"scripts": ["x"], "configuration": name}));
    let set = |enabled: bool| {
        let namespace = "http://schemas.microsoft.com/wbem/wsman/1/config/PluginConfiguration";
        let markup = format!("<PlugInConfiguration xmlns=\"{namespace}\" Enabled=\"{enabled}\"/>");
        let file = folder.path().join("settings.xml");
        std::fs::write(&file, markup).expect("a file");
        winrm().run(&["set", "winrm/config/plugin?Name=Backup", &format!("-file:{}", file.display())])
    };
    let disabled = set(false);
    assert!(disabled.code == 0 && disabled.text().0.contains("Enabled = false\n"), "{disabled:?}");
    let refusal = open("backup").expect_err("disabled");
    assert_eq!(refusal.fault_code, Some(2_150_858_752), "{refusal:?}");
    assert_eq!(open("PowerShell.7").expect("another endpoint")[0]["output"], json!(["x"]));
    let by_value = |value: &str| winrm().run(&["set", "winrm/config/plugin?Name=Backup", value]);
    let enabled = by_value("@{Enabled=\"true\"}");
    assert!(enabled.code == 0 && enabled.text().0.contains("Enabled = true\n"), "{enabled:?}");
    assert_eq!(open("Backup").expect("enabled by a value")[0]["output"], json!(["x"]));
    let disabled = by_value("@{Enabled=\"false\"}");
    assert!(disabled.code == 0 && disabled.text().0.contains("Enabled = false\n"), "{disabled:?}");
    open("Backup").expect_err("disabled by a value");
    let refused = by_value("@{Name=\"Other\"}");
    assert!(refused.code != 0, "{refused:?}");
    let enabled = set(true);
    assert_eq!(enabled.code, 0, "{enabled:?}");
    assert_eq!(open("Backup").expect("enabled")[0]["output"], json!(["x"]));

    let restricted = winrm().run(&["configSDDL", uri, "-sddl:D:P(D;;GA;;;WD)"]);
    assert_eq!(restricted.code, 0, "{restricted:?}");
    let refusal = open("Backup").expect_err("denied");
    assert_eq!(refusal.fault_code, Some(5), "{refusal:?}");
    assert_eq!(open("Microsoft.PowerShell").expect("another endpoint")[0]["output"], json!(["x"]));
    let unknown = winrm().run(&["get", "winrm/config/plugin?Name=Nothing"]);
    assert!(unknown.code == 1 && unknown.text().1.contains("does not exist"), "{unknown:?}");
}

#[test]
fn input_scripts_and_output_of_any_size_arrive() {
    let endpoint = Endpoint::start();
    let input: Vec<String> = (0..300).map(|number| format!("line {number}")).collect();
    let answer = endpoint.ask("run_with_input", json!({"script": "readinput", "input": input}));
    assert_eq!(answer.expect("not refused")["output"], json!(input));
    let answer = endpoint.ask("large_script", json!({"size": 900_000}));
    assert_eq!(answer.ok(), Some(json!(true)));
    let answer = endpoint.ask("count_output", json!({"script": "blob:1000:30000"}));
    assert_eq!(answer.ok(), Some(json!([1_000, 30_000_000])));
}

#[test]
fn streams_are_compressed_for_a_client_that_asks_for_it() {
    let endpoint = Endpoint::start();
    let input = ["one", &"two ".repeat(30_000), &"größer ".repeat(9_000)];
    let answer = endpoint.ask("compressed", json!({"script": "readinput", "input": input.as_slice()}));
    let answer = answer.expect("not refused");
    assert_eq!(answer["output"], json!(input));
    let count = |name: &str| answer[name].as_u64().expect("a number");
    assert!(count("sent") >= 3 && count("received") >= 3, "{} and {}", count("sent"), count("received"));
}

#[test]
fn the_client_answers_host_calls() {
    let endpoint = Endpoint::start();
    let answer = endpoint.ask("run_with_host", json!({"script": "prompt:name; say:bye", "line": "ada"}));
    let answer = answer.expect("not refused");
    assert_eq!((&answer["output"], &answer["written"]), (&json!(["ada"]), &json!(["name", "bye"])));
}

#[test]
fn pipelines_of_a_pool_run_at_the_same_time() {
    let endpoint = Endpoint::start();
    let scripts = ["sleep:0.2; first", "objs:500", "streams", "blob:50:30000"];
    let results = endpoint.ask("run_at_once", json!({ "scripts": scripts.as_slice() })).expect("not refused");
    let count = |number: usize| results[number]["output"].as_array().map(Vec::len);
    assert_eq!([0, 1, 2, 3].map(count), [Some(1), Some(500), Some(1), Some(50)]);
}

#[test]
fn a_script_that_takes_longer_than_the_operation_timeout_is_waited_for() {
    let endpoint = Endpoint::start();
    let answer = endpoint.ask("run", json!({"scripts": ["sleep:8; pid"], "timeout": 3}));
    assert!(answer.expect("not refused")[0]["output"][0].is_number());
}

#[test]
fn a_stopped_script_leaves_the_pool_usable() {
    let endpoint = Endpoint::start();
    let answer = endpoint.ask("stop", json!({"script": "pid; sleep:1000"})).expect("not refused");
    assert_eq!((&answer[0]["state"], &answer[1]["output"]), (&json!("stopped"), &json!(["after"])));
}

#[test]
fn pypsrps_first_example_works() {
    let endpoint = Endpoint::start();
    let answer = endpoint.ask("execute", json!({"script": "pid"})).expect("not refused");
    assert_eq!(answer[1], json!(false));
}

#[test]
fn session_keys_are_exchanged() {
    let endpoint = Endpoint::start();
    assert_eq!(endpoint.ask("exchange_keys", json!({})).ok(), Some(json!(["after"])));
}

#[test]
fn a_pool_ends_with_its_process_when_it_is_closed() {
    let endpoint = Endpoint::start();
    let answer =
        endpoint.ask("delete_while_running", json!({"script": "pid; child; sleep:1000", "count": 2}));
    assert_ended(&answer.expect("not refused"));
    let log = endpoint.service.log();
    assert!(!log.contains("internal error"), "{log}");
}

#[test]
fn a_client_reconnects_to_its_pool_and_receives_the_rest() {
    let endpoint = Endpoint::start();
    let answer = endpoint.ask("reconnect", json!({"script": "pid; sleep:0.5; pid"})).expect("not refused");
    assert_eq!((&answer["refused"], &answer["state"]), (&json!("WSManFaultError"), &json!("completed")));
    assert_eq!(answer["output"].as_array().map(Vec::len), Some(2), "{answer}");
}

#[test]
fn another_client_connects_to_a_disconnected_pool() {
    let endpoint = Endpoint::start();
    let answer = endpoint.ask("connect", json!({"script": "pid; sleep:0.5; pid"})).expect("not refused");
    assert_eq!((&answer["pools"], &answer["sizes"]), (&json!(1), &json!([1, 3])));
    let results = answer["results"].as_array().expect("two results");
    assert_eq!(results.len(), 2, "{answer}");
    assert_eq!(results[0]["output"].as_array().map(Vec::len), Some(2), "{answer}");
    assert_eq!(results[1]["output"], json!(["after"]));
}

#[test]
fn released_pipelines_do_not_count() {
    let endpoint = Endpoint::start();
    assert_eq!(endpoint.ask("many_pipelines", json!({"count": 60})).ok(), Some(json!(true)));
}

#[test]
fn pools_and_command_shells_share_the_quota_of_shells() {
    let endpoint = Endpoint::start_with(Pwsh::new(), &[("Winrs.MaxShellsPerUser", "2")]);
    endpoint.ask("open_pools", json!({"count": 2})).expect("two are allowed");
    let refusal = endpoint.refusal("open_pools", json!({"count": 3}));
    assert_eq!(refusal.fault_code, Some(2_150_859_173), "{refusal:?}");
    let refusal = endpoint.peer.ask("open_shells", json!({"count": 3})).expect_err("three are not");
    assert_eq!(refusal.fault_code, Some(2_150_859_173), "{refusal:?}");
}

#[test]
fn unknown_endpoints_are_refused_by_name() {
    let endpoint = Endpoint::start();
    let refusal = endpoint.refusal("run", json!({"scripts": ["x"], "configuration": "Nothing"}));
    assert_eq!(refusal.fault_code, Some(2_150_858_752), "{refusal:?}");
    let answer = endpoint.ask("run", json!({"scripts": ["x"], "configuration": "powershell.7"}));
    assert_eq!(answer.expect("not refused")[0]["output"], json!(["x"]));
}

#[test]
fn a_process_that_ends_at_once_is_reported_with_its_last_words() {
    let endpoint = Endpoint::start_with(Pwsh::in_mode("dead"), &[]);
    let refusal = endpoint.refusal("run", json!({"scripts": ["x"]}));
    assert!(refusal.message.contains("has ended with exit code 3: cannot load the runtime"), "{refusal:?}");
}

#[test]
fn a_process_that_never_acknowledges_is_reported() {
    let endpoint = Endpoint::start_with(Pwsh::in_mode("mute"), &[]);
    let refusal = endpoint.refusal("run", json!({"scripts": ["x"], "timeout": 1}));
    assert!(refusal.message.contains("did not respond within 20 s"), "{refusal:?}");
}

#[test]
fn a_process_that_does_not_end_is_killed() {
    let endpoint = Endpoint::start_with(Pwsh::in_mode("stubborn"), &[]);
    let [result] = endpoint.run(["pid"]);
    assert_ended(&result["output"]);
}

#[test]
fn a_process_that_dies_in_a_pipeline_is_reported() {
    let endpoint = Endpoint::start();
    let refusal = endpoint.refusal("run", json!({"scripts": ["die:7"]}));
    assert!(refusal.message.contains("has ended with exit code 7: the process dies"), "{refusal:?}");
}

#[test]
fn malformed_packets_end_the_pool_with_a_reason() {
    let endpoint = Endpoint::start();
    let refusal = endpoint.refusal("run", json!({"scripts": ["garbage"]}));
    assert!(refusal.message.contains("wrote invalid data"), "{refusal:?}");
}

#[test]
fn output_of_programs_between_the_packets_is_skipped() {
    let endpoint = Endpoint::start();
    let [_, after] = endpoint.run(["junk", "after"]);
    assert_eq!(after["output"], json!(["after"]));
}

#[test]
fn unread_output_blocks_the_process_and_is_kept() {
    let endpoint = Endpoint::start();
    let answer = endpoint.ask("flood_and_wait", json!({"script": "flood:24", "seconds": 2}));
    assert_eq!(answer.ok(), Some(json!(24 * 32 * 31_000)));
    let status = std::fs::read_to_string(format!("/proc/{}/status", endpoint.service.process_id()));
    let status = status.expect("the service runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak < 160_000, "the service used {peak} kB");
}

#[test]
fn pipelines_of_a_vanished_client_are_stopped_and_end_with_the_service() {
    let endpoint = Endpoint::start_with(Pwsh::new(), &[("Shell.AbandonedCommandTimeoutms", "1000")]);
    let processes = endpoint.ask("leave", json!({"script": "pid; sleep:1000"})).expect("not refused");
    endpoint.service.logged(&["Pipeline stopped"]);
    drop(endpoint);
    assert_ended(&processes);
}

#[test]
fn a_pipeline_that_hangs_ends_with_its_pool() {
    let endpoint = Endpoint::start();
    let answer = endpoint.ask("delete_while_running", json!({"script": "pid; hang", "count": 1}));
    assert_ended(&answer.expect("not refused"));
}

/// Checks that processes end.
fn assert_ended(processes: &Value) {
    for process in processes.as_array().expect("processes") {
        let process = process.as_i64().and_then(|id| i32::try_from(id).ok()).expect("a process ID");
        assert!(ends_within(process, Duration::from_secs(60)), "process {process} was left behind");
    }
}

#[test]
fn telarch_pwsh_runs_scripts_with_input_and_exit_statuses() {
    let pwsh = Pwsh::new();
    let program = pwsh.program().to_str().expect("UTF-8").to_owned();
    let service = Telarchd::start(&[("PowerShell.Program", &program), ("Service.AllowUnencrypted", "true")]);
    let password = format!("-p:{PASSWORD}");
    for (words, input, printed, complaints, status) in [
        (&["-c", "objs:1"][..], "", "{\"Even\":true,\"Name\":\"name 0\",\"Number\":0}\n", "", 0),
        (&["-c", "readinput", "--input", "lines"], "one\ntwo\n", "\"one\"\n\"two\"\n", "", 0),
        (&["-f", "-"], "text", "\"text\"\n", "", 0),
        (&["-c", "streams"], "", "\"output\"\n", "WARNING: a warning\n", 1),
        (&["-c", "throw:no more"], "", "", "no more", 2),
        (&["-c", "exit:7"], "", "", "", 7),
        (&["-c", "say:bye"], "", "", "bye\n", 0),
        (
            &["-c", "sleep:1000", "--host-time", "2"],
            "",
            "",
            "stopped: the time limit of the host expired\n",
            3,
        ),
    ] {
        let machine =
            [service.http(), "--output", "jsonl", "-u", USER, &password, "-auth:basic", "-unencrypted"];
        let ended = telarch(&[&["pwsh"], words, &machine].concat(), input);
        let (out, errors, code) = ended.text();
        assert_eq!((out, code), (printed, status), "{words:?}: {errors}");
        assert!(errors.contains(complaints), "{words:?}: {errors}");
    }
}
